"""The matcher's identity card."""

from functools import partial

from services.matcher import api, handlers, store
from services.matcher.settings import Settings
from shared.contracts import (
    AreaUpdated,
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
            ForecastUpdated: batch(partial(handlers.keep_forecasts, rules=rules), size=250),
            AreaUpdated: batch(partial(handlers.keep_areas, rules=rules), size=100),
        },
        works_off={
            store.dirty: partial(handlers.settle, rules=rules),
            store.sweep: partial(handlers.sweep, rules=rules),
            store.tell: partial(handlers.tell, rules=rules),
        },
        announces=(MatchFound, MatchChanged),
        also_tells=(OwnMatchFound, OwnMatchChanged),
        api=api.router,
    )
