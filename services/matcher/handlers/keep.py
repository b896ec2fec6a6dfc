"""Hears of forecasts and areas: keeps the newest, and marks what must be settled again."""

import json
from collections import Counter
from collections.abc import Sequence
from math import ceil, floor
from typing import NamedTuple

from services.matcher import store
from services.matcher.domain import (
    FARTHEST_SITE_KM,
    Area,
    Lot,
    Rules,
    cell_of,
    cells_around,
    kind_text,
    latest_of,
    lot_terms,
    tile_of,
    with_baselines,
)
from services.matcher.handlers.delivering import record_waiting
from shared.contracts import AreaUpdated, ForecastUpdated
from shared.vocabulary.areas import QUARRIES, RECEPTION_SITES, WAITING_SITES
from shared.work import Work

SITES = (*RECEPTION_SITES, *QUARRIES)
_FEW = 4  # lots of an organisation in one batch of events


async def keep_forecasts(events: Sequence[ForecastUpdated], work: Work, *, rules: Rules) -> None:
    """Keep each forecast that is newer than the one known, and mark its neighbourhood."""
    await mark(await kept(latest_of(map(heard, events)), work, rules), work)


class Kept(NamedTuple):
    """
    Lots as they were kept, the cells to settle again and which of them first, and what was told
    around them.
    """

    lots: Sequence[Lot]
    dirty: set[int]
    first: set[int]
    around: store.Surroundings


async def kept(
    lots: Sequence[Lot],
    work: Work,
    rules: Rules,
    *,
    areas_in: Sequence[int] = (),
    lots_in: Sequence[int] = (),
) -> Kept:
    """
    Keep each of *lots* that is newer than the one known.

    The areas in the cells *areas_in* and the kinds of lots in *lots_in* are asked for on the way.
    """
    await store.arrive(work.session)
    around = await store.surroundings(work.session, SITES, areas_in, lots_in)
    lots = with_baselines(lots, around.sites, rules)
    touched = await store.keep_newer(work.session, lots)

    moved = [one for one in touched if one.has_moved]
    dirty = set[int]().union(*(one.cells for one in touched))

    if any(one.is_new for one in touched):
        await record_waiting({lot.id for lot in lots}, work, rules=rules)
    if moved:  # who settles around a lot must see it in one place only
        await store.hold(work.session, set[int]().union(*(one.cells for one in moved)))
    return Kept(lots, dirty, _first(touched), around)


def _first(touched: Sequence[store.Touched]) -> set[int]:
    """The cells of lots that come, but for those of who brings many at once: an import."""
    coming = [one for one in touched if one.comes]
    many = Counter(one.organisation for one in coming)
    few = [one for one in coming if many[one.organisation] <= _FEW]
    return set[int]().union(*(one.cells for one in few))


async def mark(news: Kept, work: Work) -> None:
    """Let the neighbourhoods that *news* touched be settled again."""
    if news.dirty:
        await store.mark_dirty(work.session, news.dirty, work.correlation, news.first)
        work.wake("dirty")


async def keep_areas(events: Sequence[AreaUpdated], work: Work, *, rules: Rules) -> None:
    """
    Keep each area that is newer than the one known, and mark what it means something to.

    A reception site or a quarry changes what its surroundings meet without the platform; where
    masses may wait, the surroundings are swept.
    """
    latest = {}
    for event in sorted(events, key=lambda one: one.revision):
        latest[event.area_id] = event
    changed = await store.keep_newer_areas(
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
    every = [one for pair in changed for one in pair if one is not None]
    await _compare_again([one for one in every if one.site_kind in SITES], work, rules)
    waiting = {one.cell for one in every if one.site_kind in WAITING_SITES}
    around = set[int]().union(*(cells_around(cell, rules.widest_km) for cell in waiting))
    if around:
        full = await store.lots_per_cell(work.session, sorted(around))
        await store.mark_for_sweep(work.session, {tile_of(cell) for cell in full}, work.now)
        work.wake("sweep")


async def _compare_again(changed: Sequence[Area], work: Work, rules: Rules) -> None:
    """What the lots around *changed* sites meet without the platform, where that is another now."""
    if not changed:
        return
    cells = set[int]().union(*(cells_around(one.cell, FARTHEST_SITE_KM + 10) for one in changed))
    lots = await store.lots_in(work.session, sorted(cells))
    sites = await store.sites(work.session, SITES)
    now = with_baselines(lots, sites, rules)
    other = [one for one, was in zip(now, lots, strict=True) if one != was]
    await store.keep_baselines(work.session, sorted(other, key=lambda one: one.id))
    dirty = {one.cell for one in other if one.is_open}
    if dirty:
        await store.mark_dirty(work.session, dirty, work.correlation)
        work.wake("dirty")


def heard(event: ForecastUpdated) -> Lot:
    """The lot that *event* tells: whole tonnes, codes as one kind, the place in its cell."""
    place, quantity = event.place, event.quantity
    kind = kind_text(event.__dict__)
    meets = ",".join(sorted(event.meets))
    exact = place.precision == "exact"
    lot = Lot(
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
        terms=0,
        beside=json.dumps(
            {
                "contacts": [str(person) for person in event.contacts],
                "sub_region": place.sub_region,
                "sample": event.sample,
                "reliability": event.reliability,
                "phase": event.phase,
                "probability": event.probability,
            }
        ),
        as_of=event.amount_as_of or event.at.date(),
    )
    return lot._replace(terms=lot_terms(lot))
