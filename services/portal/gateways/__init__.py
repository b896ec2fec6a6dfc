"""The world beyond the portal: the four services it asks, and the OIDC provider."""

from services.portal.gateways.backends import (
    Away,
    Backend,
    Denied,
    Indicators,
    Notifier,
    Registry,
    Seen,
)
from services.portal.gateways.imports import Imports
from services.portal.gateways.matching import Matcher
from services.portal.gateways.oidc import BadSignIn, Identity, Oidc, ProviderAway
from services.portal.gateways.sessions import Ended, Sessions
from services.portal.gateways.upkeep import Upkeep

__all__ = [
    "Away",
    "Backend",
    "BadSignIn",
    "Denied",
    "Ended",
    "Identity",
    "Imports",
    "Indicators",
    "Matcher",
    "Notifier",
    "Oidc",
    "ProviderAway",
    "Registry",
    "Seen",
    "Sessions",
    "Upkeep",
]  # fmt: skip
