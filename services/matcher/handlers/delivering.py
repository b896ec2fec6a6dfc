"""Records loads: against an agreed match, or off a lot alone; late, twice and corrected."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from prometheus_client import Counter

from services.matcher import store
from services.matcher.domain import (
    CARRIED,
    DONE,
    Load,
    Lot,
    Match,
    NotPossible,
    Rules,
    baseline_of,
    carried,
    left_t,
    placed,
    totals_of,
)
from services.matcher.handlers.sides import NoSuchMatch, may_see, side_of
from services.matcher.handlers.telling import announced, areas_between
from shared.access import Asker
from shared.contracts import DeliveryRecorded, DeliveryReported
from shared.contracts.base import uuid7
from shared.work import Work

loads_told = Counter("matcher_loads_total", "loads told, by what became of them", ["outcome"])


class NoSuchLoads(Exception):
    """There are no such loads of this organisation under this match."""


@dataclass
class Books:
    """What a batch of loads touches, all of it held."""

    known: dict[UUID, Load]
    matches: dict[UUID, Match]
    lots: Mapping[UUID, Lot]
    of_match: dict[UUID, dict[UUID, Load]] = field(default_factory=dict)

    def loads_of(self, match: UUID | None) -> dict[UUID, Load]:
        return self.of_match.get(match, {}) if match is not None else {}


async def keep_deliveries(events: Sequence[DeliveryReported], work: Work, *, rules: Rules) -> None:
    """Record each report that is newer than the one known."""
    newest = {one.delivery_id: one for one in sorted(events, key=lambda one: one.revision)}
    await record([load_of(event) for event in newest.values()], work, rules=rules)


async def record(
    told: Sequence[Load],
    work: Work,
    *,
    rules: Rules,
    again: Collection[UUID] = (),
    subject: str | None = None,
    key: str | None = None,
) -> dict[UUID, Load]:
    """
    Keep *told* where it is news (or among *again*), close the balances, and announce both.

    Returns the loads as they then are, by id.
    """
    before = await store.loads(work.session, [one.id for one in told])
    if not again and all(one.id in before and before[one.id].reported >= one.reported
                         for one in told):  # fmt: skip
        return before
    books = await _held(told, work)
    news = [
        one
        for one in told
        if one.id in again
        or one.id not in books.known
        or books.known[one.id].reported < one.reported
    ]
    if not news:
        return {**books.known}

    kept = [_placed(one, books) for one in news]
    matches = _carried(books, work)

    await store.keep_loads(work.session, kept, subject=subject, key=key)
    touched = {id for one in (*kept, *books.known.values()) for id in one.lots}
    await store.reckon_moved(work.session, touched & books.lots.keys())
    lots_now = await store.lots_of(work.session, books.lots.keys())
    areas = await areas_between(matches, work.session)
    told_now = [announced(one, lots_now, areas, work, rules) for one in matches]
    await store.keep_matches(work.session, told_now)
    await store.told(work.session, [one.id for one in told_now])
    now = books.matches | {one.id: one for one in told_now}
    for one in kept:
        _announce(one, books, now, work)
    cells = _unsettled(books, lots_now, now)
    if cells:
        await store.mark_dirty(work.session, cells, work.correlation)
        work.wake("dirty")
    return books.known | {one.id: one for one in kept}


async def record_waiting(lots: Collection[UUID], work: Work, *, rules: Rules) -> None:
    """Place the loads that were told of *lots* before these were heard of."""
    waiting = await store.loads_waiting_for(work.session, lots)
    if waiting:
        await record(waiting, work, rules=rules, again={one.id for one in waiting})


async def report(
    id: UUID,
    load: Mapping[str, Any],
    work: Work,
    *,
    asker: Asker,
    organisation: str | None,
    corrects: UUID | None,
    key: str,
    rules: Rules,
) -> tuple[Load, Match]:
    """
    Record what *asker* tells of match *id*; the loads, and the match as it then is.

    Under the same idempotency *key* it is recorded once; *corrects* names loads told before. Raises
    `NoSuchMatch`, `NotYours`, `NoSuchLoads` and `NotPossible`.
    """
    match = await store.match_of(work.session, id)
    if match is None or not may_see(asker, match):
        raise NoSuchMatch
    side = side_of(asker, match, organisation)
    if match.state not in CARRIED or match.route == "onsite":
        raise NotPossible("not_agreed", state=match.state)
    lots = await store.lots_of(work.session, match.pair)
    await store.hold_lots(work.session, lots)
    said = await store.reported_under(work.session, asker.subject, key)
    if said is not None:
        known = (await store.loads(work.session, [said]))[said]
        if known.match_id == id:
            return known, match
        raise NotPossible("key_used", value=key)
    before = (await store.loads(work.session, [corrects])).get(corrects) if corrects else None
    if corrects and (before is None or (before.match_id, before.reporter) != (id, side)):
        raise NoSuchLoads
    told = _blank(match, lots, side, work)._replace(**load)
    if before is not None:
        told = told._replace(id=before.id, reported=before.reported + 1)
    kept = await record([told], work, rules=rules, subject=asker.subject, key=key)
    after = await store.match_of(work.session, id)
    assert after is not None
    return kept[told.id], after


def load_of(event: DeliveryReported) -> Load:
    """The loads that *event* tells, in whole kilograms, not yet placed."""
    return Load(
        id=event.delivery_id,
        reported=event.revision,
        revision=0,
        organisation=event.organisation,
        reporter=event.reporter,
        region=event.region,
        match_id=event.match_id,
        forecast_id=event.forecast_id,
        area_id=event.area_id,
        surplus_id=None,
        need_id=None,
        outlet=event.outlet,
        origin=event.origin,
        material=event.material,
        kg=round(event.quantity.likely_t * 1000),
        tag=event.quantity.tag,
        method=event.quantity.method,
        moved_on=event.moved_on,
        haul_km=event.haul_km,
        vehicle=event.vehicle,
        energy=event.energy,
        waybill=event.waybill,
        under_match=False,
        refused=None,
        at=event.at,
    )


def _blank(match: Match, lots: Mapping[UUID, Lot], side: str, work: Work) -> Load:
    surplus = lots.get(match.surplus_id)
    return Load(
        id=uuid7(), reported=1, revision=0, organisation=side, reporter=side, region=match.region,
        match_id=match.id, forecast_id=None, area_id=None, surplus_id=None, need_id=None,
        outlet="need_direct", origin="lot", material=surplus.material if surplus else "unknown",
        kg=0, tag="told", method="weighed", moved_on=date.min, haul_km=None, vehicle=None,
        energy=None, waybill=None, under_match=False, refused=None, at=work.now,
    )  # fmt: skip


async def _held(told: Sequence[Load], work: Work) -> Books:
    """What *told* touches: lots held first, then their cells, as who keeps forecasts does."""
    session = work.session
    ids = [one.id for one in told]
    before = await store.loads(session, ids)
    named = {one.match_id for one in (*told, *before.values())} - {None}
    matches = {one.id: one for one in await store.matches_of(session, named)}  # type: ignore[arg-type]
    wanted = {id for one in matches.values() for id in one.pair}
    wanted |= {one.forecast_id for one in told if one.forecast_id is not None}
    wanted |= {id for one in before.values() for id in one.lots}
    lots = await store.lots_of(session, wanted)
    if wanted - lots.keys():
        await store.hold_arrivals(session)
    await store.hold_lots(session, wanted)
    lots = await store.lots_of(session, wanted)
    await store.hold(session, {lot.cell for lot in lots.values()})
    known = await store.loads(session, ids)
    matches = {one.id: one for one in await store.matches_of(session, matches)}
    books = Books(known, matches, lots)
    for one in await store.loads_of_matches(session, matches):
        if one.match_id is not None:
            books.of_match.setdefault(one.match_id, {})[one.id] = one
    return books


def _placed(load: Load, books: Books) -> Load:
    """*load* where it belongs, as one more among the loads of its match."""
    was = books.known.get(load.id)
    match = books.matches.get(load.match_id) if load.match_id else None
    lot = books.lots.get(load.forecast_id) if load.forecast_id else None
    others = books.loads_of(load.match_id)
    direction = lot.direction if lot is not None else None
    now = placed(load, match, direction, list(others.values()), was)
    now = now._replace(revision=(was.revision if was else 0) + 1)
    if was is not None and was.match_id is not None:
        books.loads_of(was.match_id).pop(load.id, None)
    if load.match_id is not None:
        books.of_match.setdefault(load.match_id, {})[load.id] = now
    loads_told.labels(now.refused or ("corrected" if was else "recorded")).inc()
    return now


def _carried(books: Books, work: Work) -> list[Match]:
    """The matches that their loads change."""
    totals = totals_of(one for loads in books.of_match.values() for one in loads.values())
    after = [carried(one, totals.get(id, 0), work.now) for id, one in books.matches.items()]
    return [one for one in after if one is not books.matches[one.id]]


def _announce(load: Load, books: Books, matches: Mapping[UUID, Match], work: Work) -> None:
    """Tell what *load* moved; nothing of what counts for nothing and never counted."""
    was = books.known.get(load.id)
    waits = load.match_id is None and load.forecast_id is not None and not load.lots
    if (load.refused or waits) and (was is None or was.refused or not was.lots):
        return
    match = matches.get(load.match_id) if load.match_id and load.under_match else None
    surplus, need = (books.lots.get(id) if id else None for id in (load.surplus_id, load.need_id))
    km, measured = load.haul_km, load.haul_km is not None
    if km is None and match is not None:
        km = match.km
    ends = [lot for lot in (surplus, need) if lot is not None]
    region = ends[0].region if ends else load.region
    work.announce(
        DeliveryRecorded(
            region=region,
            delivery_id=load.id,
            revision=load.revision,
            match_id=match.id if match else None,
            surplus_forecast_id=load.surplus_id,
            need_forecast_id=load.need_id,
            area_id=load.area_id,
            surplus=_end(surplus),
            need=_end(need),
            outlet=load.outlet,
            origin=load.origin,
            into_storage=load.outlet == "need_via_storage" and surplus is not None,
            material=load.material,
            tonnes=0 if load.refused else load.kg / 1000,
            left_t=left_t(match) if match else None,
            method=load.method,
            tag=load.tag,
            moved_on=str(load.moved_on),
            haul_km=km,
            haul_measured=measured,
            vehicle=load.vehicle,
            energy=load.energy,
            baseline=_baseline(surplus, need),
            sample=any(json.loads(lot.beside)["sample"] for lot in ends),
        )
    )
    for side in {lot.organisation for lot in ends}:
        work.signal("delivery", region, side, about=load.id, revision=load.revision)


def _end(lot: Lot | None) -> dict[str, Any] | None:
    if lot is None:
        return None
    return {
        "forecast_id": lot.id,
        "project_id": lot.project_id,
        "organisation": lot.organisation,
        "region": lot.region,
        "municipality": lot.municipality,
        "sub_region": json.loads(lot.beside)["sub_region"],
        "material": lot.material,
    }


def _baseline(surplus: Lot | None, need: Lot | None) -> dict[str, Any] | None:
    if surplus is None and need is None:
        return None
    return baseline_of(surplus.kind if surplus else None, need.kind if need else None)._asdict()


def _unsettled(
    books: Books, lots_now: Mapping[UUID, Lot], matches_now: Mapping[UUID, Match]
) -> set[int]:
    """The cells of the lots that have more or less to give away than before."""

    def free(lots: Mapping[UUID, Lot], matches: Iterable[Match]) -> dict[UUID, int]:
        left = {id: lot.left_kg for id, lot in lots.items()}
        for match in matches:
            for id, kg in match.stands.held:
                if id in left and match.state != "proposed":
                    left[id] -= kg
        return left

    before = free(books.lots, books.matches.values())
    after = free(lots_now, matches_now.values())
    # one over an area that is done gives its room back
    ended = (one for one in matches_now.values() if one.via and one.state == DONE)
    roomier = {id for one in ended if books.matches[one.id].state != DONE for id in one.pair}
    return {lots_now[id].cell for id in after if id in roomier or before.get(id) != after[id]}
