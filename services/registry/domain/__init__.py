"""The registry's rules: what may come in at the door, what it becomes, and who may do what."""

from services.registry.domain.fields import FIELDS, KIND_OF
from services.registry.domain.freshness import Asking, Freshness, due_at
from services.registry.domain.letter import LARGEST_BODY, Letter, items_of, opened
from services.registry.domain.people import (
    MANAGES,
    REGIONAL,
    REPORTS,
    ROLES,
    Clashes,
    Denied,
    Membership,
    Person,
    RoleRefused,
    Unknown,
    business_id_scheme,
    check_roles,
)
from services.registry.domain.register import Mentions, Register, mentions_of, standing
from services.registry.domain.states import early_estimate
from services.registry.domain.texts import TEXTS, shown, spoken
from services.registry.domain.values import (
    EVENTS,
    Accepted,
    Kind,
    Organisation,
    Reason,
    Rejected,
    Telling,
    Thing,
    Verdict,
    Waits,
    canonical_id,
)

__all__ = [
    "EVENTS",
    "FIELDS",
    "KIND_OF",
    "LARGEST_BODY",
    "MANAGES",
    "REGIONAL",
    "REPORTS",
    "ROLES",
    "TEXTS",
    "Accepted",
    "Asking",
    "Clashes",
    "Denied",
    "Freshness",
    "Kind",
    "Letter",
    "Membership",
    "Mentions",
    "Organisation",
    "Person",
    "Reason",
    "Register",
    "Rejected",
    "RoleRefused",
    "Telling",
    "Thing",
    "Unknown",
    "Verdict",
    "Waits",
    "business_id_scheme",
    "canonical_id",
    "check_roles",
    "due_at",
    "early_estimate",
    "items_of",
    "mentions_of",
    "opened",
    "shown",
    "spoken",
    "standing",
]
