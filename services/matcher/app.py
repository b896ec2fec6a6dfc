"""The matcher's identity card."""

from functools import partial

from services.matcher import api, handlers, store
from services.matcher.settings import Settings
from shared.contracts import (
    AreaUpdated,
    DeliveryRecorded,
    DeliveryReported,
    ForecastUpdated,
    MatchChanged,
    MatchFound,
    OwnMatchChanged,
    OwnMatchFound,
)
from shared.service.card import Service, batch


def build(settings: Settings) -> Service:
    """The matcher as *settings* make it; opens nothing."""
    rules = settings.rules()
    return Service(
        name="matcher",
        settings=settings,
        ledger=store.ledger,
        reacts_to={
            ForecastUpdated: batch(handlers.keep_forecasts, size=250),
            AreaUpdated: batch(handlers.keep_areas, size=100),
            DeliveryReported: batch(partial(handlers.keep_deliveries, rules=rules), size=100),
        },
        works_off={
            store.dirty: partial(handlers.settle, rules=rules),
            store.sweep: partial(handlers.sweep, rules=rules),
            store.tell: partial(handlers.tell, rules=rules),
            store.calendar: partial(handlers.look_at_calendar, rules=rules),
        },
        announces=(MatchFound, MatchChanged, DeliveryRecorded),
        also_tells=(OwnMatchFound, OwnMatchChanged),
        api=api.router,
    )
