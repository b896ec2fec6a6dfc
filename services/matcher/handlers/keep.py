"""Hears of forecasts and areas: keeps the newest, and marks what must be settled again."""

import json
from collections.abc import Sequence
from math import ceil, floor

from services.matcher import store
from services.matcher.domain import Lot, Rules, cell_of, kind_text, latest_of, terms_of
from services.matcher.handlers.delivering import record_waiting
from shared.contracts import AreaUpdated, ForecastUpdated
from shared.work import Work


async def keep_forecasts(events: Sequence[ForecastUpdated], work: Work) -> None:
    """Keep each forecast that is newer than the one known, and mark its neighbourhood."""
    touched = await store.keep_newer(work.session, latest_of(map(heard, events)))

    moved = [one for one in touched if one.has_moved]
    dirty = set[int]().union(*(one.cells for one in touched))

    if any(one.is_new for one in touched):
        await record_waiting({event.forecast_id for event in events}, work, rules=Rules())
    if moved:  # who settles around a lot must see it in one place only
        await store.hold(work.session, set[int]().union(*(one.cells for one in moved)))
    if dirty:
        await store.mark_dirty(work.session, dirty, work.correlation)
        work.wake("dirty")


async def keep_areas(events: Sequence[AreaUpdated], work: Work) -> None:
    """Keep each area that is newer than the one known."""
    latest = {}
    for event in sorted(events, key=lambda one: one.revision):
        latest[event.area_id] = event
    await store.keep_newer_areas(
        work.session,
        [
            {
                "id": id,
                "revision": event.revision,
                "region": event.region,
                "cell": cell_of(event.place.lat, event.place.lon),
                "told": event.model_dump(mode="json"),
            }
            for id, event in sorted(latest.items())
        ],
    )


def heard(event: ForecastUpdated) -> Lot:
    """The lot that *event* tells: whole tonnes, codes as one kind, the place in its cell."""
    place, quantity = event.place, event.quantity
    kind = kind_text(event.__dict__)
    meets = ",".join(sorted(event.meets))
    exact = place.precision == "exact"
    return Lot(
        id=event.forecast_id,
        revision=event.revision,
        direction=event.direction,
        is_open=event.status == "offered",
        kind=kind,
        low=floor(quantity.low_t + 1e-9),
        likely=floor(quantity.likely_t + 1e-9),
        high=ceil(quantity.high_t - 1e-9),
        first=event.window.first,
        last=event.window.last,
        weekly_t=event.weekly_rate_t,
        lat=place.lat,
        lon=place.lon,
        exact=exact,
        municipality=place.municipality,
        region=event.region,
        meets=meets,
        project_id=event.project_id,
        organisation=event.organisation,
        net_of_own_use=event.net_of_own_use,
        visibility=event.visibility,
        transport_payer=event.transport_payer,
        cell=cell_of(place.lat, place.lon),
        terms=terms_of(
            kind, event.window.first.isoformat(), event.window.last.isoformat(),
            event.weekly_rate_t, place.lat, place.lon, exact, place.municipality, event.region,
            meets, str(event.project_id), event.organisation, event.net_of_own_use,
            event.visibility, event.transport_payer,
        ),
        beside=json.dumps(
            {
                "contacts": [str(person) for person in event.contacts],
                "sub_region": place.sub_region,
                "sample": event.sample,
            }
        ),
        as_of=event.amount_as_of or event.at.date(),
    )  # fmt: skip
