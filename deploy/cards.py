"""The five cards."""

from collections.abc import Mapping
from typing import Any

from services.indicators.app import build as build_indicators
from services.indicators.settings import Settings as IndicatorsSettings
from services.matcher.app import build as build_matcher
from services.matcher.settings import Settings as MatcherSettings
from services.notifier.app import build as build_notifier
from services.notifier.settings import Settings as NotifierSettings
from services.portal.app import build as build_portal
from services.portal.settings import Settings as PortalSettings
from services.registry.app import build as build_registry
from services.registry.settings import Settings as RegistrySettings
from shared.service import Service

BUILD: Mapping[str, Any] = {
    "registry": (build_registry, RegistrySettings),
    "matcher": (build_matcher, MatcherSettings),
    "indicators": (build_indicators, IndicatorsSettings),
    "notifier": (build_notifier, NotifierSettings),
    "portal": (build_portal, PortalSettings),
}


class UnknownService(Exception):
    """There is no service of that name."""


def card(name: str, **settings: Any) -> Service:
    """The card of service *name*, with *settings* over those of the environment."""
    if name not in BUILD:
        raise UnknownService(f"no service {name!r}: one of {', '.join(BUILD)}")
    build, kind = BUILD[name]
    told: Service = build(kind(**settings))
    return told


def cards(**settings: Any) -> list[Service]:
    """All five, in the order in which they start."""
    return [card(name, **settings) for name in BUILD]
