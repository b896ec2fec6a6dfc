"""
The events, each once, by the service that tells it.

`EVENTS` are those on the bus between services, `OUTWARD` those told to one organisation,
`HANDED` (in `intake`) those that companies hand in.
"""

from shared.contracts.base import Event, NotAnEvent
from shared.contracts.indicators import IndicatorUpdated
from shared.contracts.intake import HANDED, Receipt
from shared.contracts.matcher import (
    DeliveryRecorded,
    MatchChanged,
    MatchFound,
    NearMissFound,
    OwnMatchChanged,
    OwnMatchFound,
)
from shared.contracts.notifier import NotificationSent
from shared.contracts.registry import (
    AreaUpdated,
    ConfirmationAsked,
    DeliveryReported,
    DuplicateChanged,
    DuplicateSuggested,
    ForecastUpdated,
    OrganisationUpdated,
    ProjectAdded,
    ProjectUpdated,
    ProjectWithdrawn,
)

EVENTS: tuple[type[Event], ...] = (
    OrganisationUpdated,
    ProjectAdded,
    ProjectUpdated,
    ProjectWithdrawn,
    ForecastUpdated,
    AreaUpdated,
    DeliveryReported,
    ConfirmationAsked,
    DuplicateSuggested,
    DuplicateChanged,
    MatchFound,
    MatchChanged,
    NearMissFound,
    DeliveryRecorded,
    IndicatorUpdated,
    NotificationSent,
)
OUTWARD: tuple[type[Event], ...] = (Receipt, OwnMatchFound, OwnMatchChanged)

__all__ = [
    "EVENTS",
    "HANDED",
    "OUTWARD",
    "AreaUpdated",
    "ConfirmationAsked",
    "DeliveryRecorded",
    "DeliveryReported",
    "DuplicateChanged",
    "DuplicateSuggested",
    "Event",
    "ForecastUpdated",
    "IndicatorUpdated",
    "MatchChanged",
    "MatchFound",
    "NearMissFound",
    "NotAnEvent",
    "NotificationSent",
    "OrganisationUpdated",
    "OwnMatchChanged",
    "OwnMatchFound",
    "ProjectAdded",
    "ProjectUpdated",
    "ProjectWithdrawn",
    "Receipt",
]
