"""The matcher's identity card."""

from functools import partial

from services.matcher import api, handlers, store
from services.matcher.gateways import RoutingEngine
from services.matcher.settings import Settings
from shared.contracts import (
    AreaUpdated,
    DeliveryRecorded,
    DeliveryReported,
    ForecastUpdated,
    MatchChanged,
    MatchFound,
    NearMissFound,
    OwnMatchChanged,
    OwnMatchFound,
)
from shared.service.card import Due, Handler, Service, batch


def build(settings: Settings) -> Service:
    """The matcher as *settings* make it; opens nothing."""
    rules = settings.rules()
    works_off: dict[Due, Handler] = {
        store.dirty: partial(handlers.settle, rules=rules),
        store.sweep: partial(handlers.sweep, rules=rules),
        store.tell: partial(handlers.tell, rules=rules),
        store.near: partial(handlers.near, rules=rules),
        store.calendar: partial(handlers.look_at_calendar, rules=rules),
    }
    if settings.matcher_routing_url is not None:
        engine = routing_engine(settings, settings.matcher_routing_url)
        works_off[store.road_wanted] = partial(handlers.ask_roads, engine=engine)
    return Service(
        name="matcher",
        settings=settings,
        ledger=store.ledger,
        reacts_to={
            ForecastUpdated: batch(partial(handlers.keep_and_settle, rules=rules), size=250),
            AreaUpdated: batch(partial(handlers.keep_areas, rules=rules), size=100),
            DeliveryReported: batch(partial(handlers.keep_deliveries, rules=rules), size=100),
        },
        works_off=works_off,
        announces=(MatchFound, MatchChanged, NearMissFound, DeliveryRecorded),
        also_tells=(OwnMatchFound, OwnMatchChanged),
        api=api.router,
    )


def routing_engine(settings: Settings, url: str) -> RoutingEngine:
    """The engine at *url*; nothing is asked yet."""
    return RoutingEngine(
        url=url,
        profile=settings.matcher_routing_profile,
        timeout_s=settings.matcher_routing_timeout_s,
        points=settings.matcher_routing_table_points,
        rest_s=settings.matcher_routing_rest_s,
    )
