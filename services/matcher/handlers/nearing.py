"""Looks for near misses when it is quiet: what nearly fits is told, and told when it is gone."""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from prometheus_client import Histogram

from services.matcher import store
from services.matcher.domain import (
    CLOSED,
    OPEN,
    KnownNearMiss,
    Lot,
    NearMiss,
    Opening,
    Rules,
    cells_around,
    cells_of_tile,
    is_as_told,
    near_reach_km,
    openings,
    replan_near,
    spoken_for,
    tile_of,
    value_of,
)
from services.matcher.handlers.telling import blurred, bounds_of, side_of, value_told
from shared.contracts import NearMissFound
from shared.work import Work

near_seconds = Histogram(
    "matcher_near_seconds", "the near misses of one tile, from its lots read to them written",
    buckets=(0.01, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
)  # fmt: skip

_HALF_A_TILE_KM = 35.0  # from its middle cell to its farthest corner, and half a cell more
_AT_LEAST_S = 0.5
_REST = timedelta(hours=6)  # then some windows may be over


async def near(row: Any, work: Work, *, rules: Rules) -> None:
    """Look at the near misses of the tile of *row*, or wait while news keeps coming there."""
    begun = time.perf_counter()
    session = work.session
    overdue = row.first_at is not None and (
        work.now - row.first_at >= timedelta(seconds=rules.near_within_s)
    )
    reach = cells_around(row.tile, rules.sweep_radius_km)
    if not overdue and await store.is_busy(session, reach, row.tile):
        await store.near_later(session, row.tile, work.now + _soon(rules))
        return
    if not await store.hold_near(session):
        await store.near_later(session, row.tile, work.now + _soon(rules))
        return
    cells = cells_around(row.tile, round(near_reach_km(rules) + _HALF_A_TILE_KM, 1))
    lots, left = await _unmatched(session, cells, work.today, rules)
    known = await store.near_misses_around(session, cells)
    matches = await store.what_stands_of(session, left)
    areas = await store.areas_in(session, cells)

    plan = await asyncio.to_thread(
        replan_near, lots, left, cells_of_tile(row.tile), known, rules, today=work.today,
        excluded=spoken_for({lot.id: lot for lot in lots}, matches, rules), areas=areas,
    )  # fmt: skip

    told = await _told(plan.kept, plan.closed, work, rules)
    await store.keep_near_misses(session, told)
    cells_of = {one.id: ends for one, *ends in known}
    tiles = {tile_of(cell) for one in plan.closed for cell in cells_of[one.id]} - {row.tile}
    await store.mark_near(session, tiles, work.now + timedelta(seconds=rules.near_after_s))
    rests = work.now + _REST if plan.kept and rules.closes_past_windows else None
    if not await store.near_done(session, row.tile, row.generation, rests_until=rests):
        await store.near_later(session, row.tile, work.now + _soon(rules))
    near_seconds.observe(time.perf_counter() - begun)


def _soon(rules: Rules) -> timedelta:
    return timedelta(seconds=max(_AT_LEAST_S, rules.near_after_s))


async def openings_of(lot: Lot, session: Any, rules: Rules, today: date) -> list[Opening]:
    """What would open for *lot* if it changed one thing, best first."""
    cells = cells_around(lot.cell, round(near_reach_km(rules) + _HALF_A_TILE_KM, 1))
    lots, left = await _unmatched(session, cells, today, rules)
    if lot.id not in left:
        return []
    matches = await store.what_stands_of(session, left)
    excluded = spoken_for({one.id: one for one in lots}, matches, rules)
    others = [one for one in lots if one.direction != lot.direction]
    areas = await store.areas_in(session, cells)
    return openings(lot, others, left, rules, today=today, excluded=excluded, areas=areas)


async def _unmatched(
    session: Any, cells: Sequence[int], today: date, rules: Rules
) -> tuple[list[Lot], dict[UUID, int]]:
    since = today if rules.closes_past_windows else date.min
    return await store.unmatched_in(session, cells, least=rules.smallest_load_t, since=since)


async def _told(
    kept: Sequence[NearMiss], closed: Sequence[KnownNearMiss], work: Work, rules: Rules
) -> list[KnownNearMiss]:
    """Announce what is new, substantially changed or gone; the near misses as they were told."""
    before = await store.near_misses_by_id(work.session, [one.id for one in kept])
    told = [
        _now(one, before.get(one.id), work)
        for one in kept
        if one.id not in before or not is_as_told(before[one.id], one)
    ]
    told += [
        one._replace(revision=one.revision + 1, state=CLOSED, changed_at=work.now) for one in closed
    ]
    lots = await store.lots_of(work.session, {id for one in told for id in one.pair})
    for one in told:
        work.announce(NearMissFound(**near_body(one, lots, rules)))
    for region in sorted({one.region for one in told}):
        work.signal("near-miss", region)
    return told


def _now(near: NearMiss, before: KnownNearMiss | None, work: Work) -> KnownNearMiss:
    surplus, need = near.surplus, near.need
    return KnownNearMiss(
        id=near.id,
        revision=1 if before is None else before.revision + 1,
        surplus_id=surplus.id,
        need_id=need.id,
        state=OPEN,
        gate=near.finding.gate,
        offered=near.finding.offered,
        wanted=near.finding.wanted,
        remedies=json.dumps(near.remedies),
        tonnes=near.tonnes,
        cents_per_t=near.cents_per_t,
        worth_cents=near.worth_cents,
        km=near.km,
        region=surplus.region,
        surplus_organisation=surplus.organisation,
        need_organisation=need.organisation,
        born_at=work.now if before is None else before.born_at,
        changed_at=work.now,
    )


def near_body(near: KnownNearMiss, lots: Mapping[UUID, Lot], rules: Rules) -> dict[str, Any]:
    """What is told of *near*, whole, by the names of the contract."""
    surplus, need = lots[near.surplus_id], lots[near.need_id]
    beside = json.loads(surplus.beside), json.loads(need.beside)
    worth = value_of(surplus, need, near.km, rules)
    return {
        "region": near.region,
        "near_miss_id": near.id,
        "revision": near.revision,
        "state": near.state,
        "surplus": side_of(surplus, beside[0]),
        "need": side_of(need, beside[1]),
        "gate": near.gate,
        "offered": near.offered,
        "wanted": near.wanted,
        "change_needed": near.change_needed,
        "who_could": near.who_could,
        "remedies": [one._asdict() for one in near.ways],
        "tonnes": bounds_of(near.tonnes, surplus, need),
        "value": value_told(worth, near.tonnes, surplus, need),
        "distance_km": near.km,
        "sample": beside[0]["sample"] or beside[1]["sample"],
    }


def near_as_seen(body: Mapping[str, Any], organisation: str) -> dict[str, Any]:
    """
    *body* as *organisation*, one of its sides, may see it.

    The other's name, contacts and exact place stay hidden, as in a proposal that nobody accepted.
    """
    seen = dict(body)
    for end in ("surplus", "need"):
        if body[end]["organisation"] != organisation:
            seen[end] = blurred(body[end], named=False, exact=False)
    shown = {seen[end]["organisation"] for end in ("surplus", "need")}
    seen["who_could"] = tuple(one for one in body["who_could"] if one in shown)
    return seen
