"""What the indicators keep, react to, announce and answer."""

from datetime import timedelta
from functools import partial

from services.indicators import api, handlers, store
from services.indicators.settings import Settings
from shared.contracts import (
    AreaUpdated,
    DeliveryRecorded,
    ForecastUpdated,
    IndicatorUpdated,
    MatchChanged,
    MatchFound,
    OrganisationUpdated,
    ProjectAdded,
    ProjectUpdated,
    ProjectWithdrawn,
)
from shared.service.card import Due, Service, batch


def build(settings: Settings) -> Service:
    """The indicators' card; opens nothing."""
    size = settings.indicators_batch_events
    pause = timedelta(seconds=settings.indicators_pause_s)
    return Service(
        name="indicators",
        settings=settings,
        ledger=store.ledger,
        reacts_to={
            ForecastUpdated: batch(handlers.keep_forecasts, size=size),
            MatchFound: batch(handlers.keep_matches, size=size),
            MatchChanged: batch(handlers.keep_matches, size=size),
            DeliveryRecorded: batch(handlers.keep_loads, size=size),
            ProjectAdded: batch(handlers.keep_titles, size=size),
            ProjectUpdated: batch(handlers.keep_titles, size=size),
            ProjectWithdrawn: batch(handlers.keep_titles, size=size),
            OrganisationUpdated: batch(handlers.keep_titles, size=size),
            AreaUpdated: batch(handlers.keep_titles, size=size),
        },
        works_off={
            Due("figure_due", ("region", "scope", "code"), size=16, rest=1.0): partial(
                handlers.tell_figures, pause=pause
            ),
        },
        announces=(IndicatorUpdated,),
        api=api.router,
    )
