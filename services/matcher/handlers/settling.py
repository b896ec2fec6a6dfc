"""Settles: a neighbourhood that changed, a wider one when it is quiet, or the whole region."""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from prometheus_client import Counter, Gauge, Histogram

from services.matcher import store
from services.matcher.domain import (
    ACCEPTED,
    EXPIRED,
    HISTORY,
    HOLDS,
    TILE_KM,
    WITHDRAWN,
    Area,
    Change,
    Concern,
    Lot,
    Match,
    Plan,
    Rules,
    Site,
    Stands,
    Stay,
    cells_around,
    concern,
    is_limited,
    kind_of,
    latest_of,
    neighbourhood,
    optimum_cents,
    replan,
    tile_of,
)
from services.matcher.domain.roads import Roads
from services.matcher.handlers.keep import heard, kept, mark
from services.matcher.handlers.roads import known_roads, want_roads
from services.matcher.handlers.telling import announced, areas_between, is_news
from shared.contracts import ForecastUpdated
from shared.contracts.base import uuid7
from shared.work import Work

settles = Counter("matcher_settles_total", "neighbourhoods settled", ["scope"])
settle_seconds = Histogram(
    "matcher_settle_seconds", "one neighbourhood, from its locks to its plan written", ["scope"],
    buckets=(0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1, 5, 30, 120),
)  # fmt: skip
standing_value = Gauge("matcher_standing_value_cents", "worth of what stands at the last measure")
optimum_share = Gauge("matcher_optimum_share", "of the full optimum, at the last measure")

_OF_ONE_SITE_KM = 20.0
_WORTH_ANOTHER_SWEEP = 100  # cents
_TOLD_AT_ONCE = 200  # matches; more are told by `tell`


@dataclass(frozen=True)
class Ground:
    """
    What a settler stands on: the lots it holds, what stands of them, the marks it read, the areas
    around, the room that is taken in them, and the roads known between the lots. *read* has the
    matches as they were read with the lots, *at_sites* the tonnes under a limit of law that others
    brought to the same sites.
    """

    lots: Mapping[UUID, Lot]
    matches: Sequence[Stands]
    marks: Mapping[int, UUID]
    areas: Sequence[Area] = ()
    stays: Sequence[Stay] = ()
    roads: Roads | None = None
    read: store.Around | None = None
    at_sites: Mapping[Site, int] = field(default_factory=dict)

    @property
    def cells(self) -> set[int]:
        return {lot.cell for lot in self.lots.values()}

    @property
    def beside(self) -> dict[str, Any]:
        """What a plan is told beside lots and matches."""
        return {
            "areas": self.areas, "stays": self.stays, "roads": self.roads,
            "at_sites": self.at_sites,
        }  # fmt: skip


async def settle(row: Any, work: Work, *, rules: Rules) -> None:
    """Settle the neighbourhood of the dirty cell of *row*."""
    begun = time.perf_counter()
    work.correlation = row.correlation
    cells = await _neighbourhood(row.cell, work, rules)
    ground, plan = await _settled(row.cell, cells, work, rules)
    generation = ground.marks.get(row.cell)
    if generation is None:
        return  # somebody settled all of the region meanwhile

    quiet = not ground.marks.keys() - {row.cell}
    coming = row.cell if store.is_ahead(row) else None
    changed, told = await _differences(ground, plan, work, rules, quiet=quiet, coming=coming)
    finished = await store.finish(
        work.session,
        row,
        generation,
        changed=changed,
        told=told,
        tiles=_tiles_to_sweep(plan, row.cell),
        due=work.now + timedelta(seconds=rules.sweep_after_s),
        near=_near_tiles(plan, {row.cell}, rules),
        near_due=work.now + timedelta(seconds=rules.near_after_s),
    )
    if not finished:
        work.wake("dirty")
    _measured("neighbourhood", begun)


async def keep_and_settle(events: Sequence[ForecastUpdated], work: Work, *, rules: Rules) -> None:
    """
    Keep each forecast that is newer than the one known, and mark its neighbourhood.

    A single one that comes while nothing else is to be settled is settled at once, in the same
    work, unless somebody is near or it fails: then by its mark, as all others.
    """
    lots = latest_of(map(heard, events))
    if len(lots) != 1:
        await mark(await kept(lots, work, rules), work)
        return
    (lot,) = lots
    news = await kept(
        lots, work, rules,
        areas_in=cells_around(lot.cell, max(rules.radius_km, rules.widest_km)),
        lots_in=cells_around(lot.cell, rules.single_radius_km),
    )  # fmt: skip
    if len(news.dirty) != 1 or not await _settled_at_once(lot, news.around, work, rules):
        await mark(news, work)


async def _settled_at_once(lot: Lot, around: store.Surroundings, work: Work, rules: Rules) -> bool:
    """Whether those whom a change of *lot* concerns could be settled, and were."""
    begun, before = time.perf_counter(), (len(work.letters), len(work.signals), set(work.woken))
    try:
        async with store.attempt(work.session):
            areas = [one for one in around.areas if one.waits]
            worked = rules.processing_on_site or any(one.workings for one in areas)
            about = concern(lot, around.kinds, rules, worked=worked)
            cells = cells_around(lot.cell, about.radius_km)
            held = await store.try_hold_around(work.session, cells, about)
            ground = await _read(work, cells, {}, about) if held else Ground({}, [], {})
            if not held or not ground.cells <= held:
                raise _NotQuiet
            ground = await _with(areas, ground, work, rules)
            plan = _plan(ground, rules, work)
            if not await _has_room(ground, plan, work):
                raise _NotQuiet
            changed, told = await _differences(ground, plan, work, rules, quiet=True)
            await store.finish_unmarked(
                work.session,
                changed=changed,
                told=told,
                tiles=_tiles_to_sweep(plan, lot.cell),
                due=work.now + timedelta(seconds=rules.sweep_after_s),
                near=_near_tiles(plan, {lot.cell}, rules),
                near_due=work.now + timedelta(seconds=rules.near_after_s),
            )
    except Exception:  # its mark will lead to the same error, where that is waited for and told
        letters, signals, woken = before
        del work.letters[letters:], work.signals[signals:]
        work.woken = woken
        settles.labels("put off").inc()
        return False
    _measured("at once", begun)
    return True


class _NotQuiet(Exception):
    """Others are at work near here."""


async def sweep(row: Any, work: Work, *, rules: Rules) -> None:
    """Settle a wide neighbourhood of the tile of *row*, or wait while news keeps coming there."""
    begun = time.perf_counter()
    later = work.now + timedelta(seconds=rules.sweep_after_s)
    cells = await _sweep_of(row.tile, work, rules)
    if await store.marks_in(work.session, cells):
        await store.sweep_later(work.session, row.tile, later)
        return
    ground, plan = await _settled(row.tile, cells, work, rules.of_sweeps)

    _, told = await _record(ground, plan, work, rules, quiet=not ground.marks)
    await store.told(work.session, told)
    await store.swept(work.session, row.tile, row.generation, later)
    due = work.now + timedelta(seconds=rules.near_after_s)
    await store.mark_near(work.session, _near_tiles(plan, (), rules), due)
    if plan.after_cents - plan.before_cents >= _WORTH_ANOTHER_SWEEP:
        tiles = {tile_of(one.surplus.cell) for one in plan.changes} | {row.tile}
        await store.mark_for_sweep(work.session, tiles, later)
    _measured("sweep", begun)
    if not plan.changes:
        await _measure_sometimes(work, rules)


async def settle_all(
    work: Work,
    rules: Rules,
    *,
    standing_bonus: int | None = None,
    smallest_load: int | None = None,
) -> dict[str, Any]:
    """
    Settle the whole region until nothing changes; what stands then, against the full optimum.

    *standing_bonus* in cents per tonne and *smallest_load* in tonnes override those of sweeps; with
    both 0 the value is the optimum, to the cent.
    """
    begun = time.perf_counter()
    rules = _overridden(rules.of_sweeps, standing_bonus, smallest_load)
    await store.hold_all(work.session)
    marks = await store.every_mark(work.session)
    lots = {lot.id: lot for lot in await store.every_lot(work.session)}
    ground = await _whole(lots, work, rules)
    best = None
    if rules.keeps_calm:  # else what is planned below is the optimum itself
        best = await asyncio.to_thread(
            optimum_cents, list(lots.values()), ground.matches, rules.exact, today=work.today,
            **ground.beside,
        )  # fmt: skip

    rounds = 0
    moved: set[int] = set()
    while rounds < 8:
        rounds += 1
        plan = await _planned(ground, rules, work)
        moved |= {lot.cell for one in plan.changes for lot in (one.surplus, one.need)}
        changed, told = await _record(ground, plan, work, rules, quiet=True)
        await store.told(work.session, told)
        if not plan.changes or best is None:
            break
        stays = await store.stays_in(work.session, [one.id for one in ground.areas])
        ground = replace(ground, matches=_after(ground.matches, changed), stays=stays)

    await store.clean_marks(work.session, dict(marks))
    await store.swept_all(work.session)
    due = work.now + timedelta(seconds=rules.near_after_s)
    await store.mark_near(work.session, _near_tiles(plan, set(marks) | moved, rules), due)
    direct, onsite, tonnes, matches = await store.standing_figures(work.session)
    value = direct + onsite
    # what is decided on is worth the same in both
    optimum = value if best is None else best + value - plan.after_cents
    await _keep_measure(work, value, optimum, lots)
    _measured("region", begun)
    return {
        "value_cents": value,
        "onsite_cents": onsite,
        "optimum_cents": optimum,
        "share": _share(value, optimum),
        "matches": matches,
        "tonnes": tonnes,
        "rounds": rounds,
        "seconds": round(time.perf_counter() - begun, 3),
    }


async def settled(session: Any) -> dict[str, Any]:
    """What stands now, and how far from the optimum the last full solve found it."""
    direct, onsite, tonnes, matches = await store.standing_figures(session)
    measure, counts = await store.last_measure(session), await store.counts(session)
    return {
        "value_cents": direct + onsite,
        "onsite_cents": onsite,
        "optimum_cents": measure.optimum_cents if measure else None,
        "share": _share(measure.value_cents, measure.optimum_cents) if measure else None,
        "measured_at": measure.at if measure else None,
        "lots": counts.lots,
        "matches": matches,
        "tonnes": tonnes,
        "settles": int(sum(
            sample.value for metric in settles.collect() for sample in metric.samples
            if sample.name.endswith("_total")
        )),
        "dirty": counts.dirty,
        "sweeps": counts.sweeps,
    }  # fmt: skip


def _tiles_to_sweep(plan: Plan, cell: int) -> set[int]:
    """The tile of *cell*, where something changed or a lot there may find a partner farther off."""
    left = any(lot.cell == cell for lot in plan.unserved)
    return {tile_of(cell)} if plan.changes or left else set()


def _near_tiles(plan: Plan, cells: Collection[int], rules: Rules) -> set[int]:
    """The tiles whose near misses may be others by *plan*, and those of *cells*."""
    if not rules.near_per_lot:
        return set()
    ends = {lot.cell for one in plan.changes for lot in (one.surplus, one.need)}
    return {tile_of(cell) for cell in ends.union(cells)}


async def _neighbourhood(cell: int, work: Work, rules: Rules) -> tuple[int, ...]:
    lots, widest = rules.neighbourhood_lots, max(rules.radius_km, rules.widest_km)
    return await _grown(cell, work, rules.radius_km, widest, lots)


async def _sweep_of(tile: int, work: Work, rules: Rules) -> tuple[int, ...]:
    """The cells of a sweep: where lots are few, all that a lot of *tile* could reach."""
    widest = max(rules.sweep_radius_km, rules.widest_km + TILE_KM)
    return await _grown(tile, work, rules.sweep_radius_km, widest, rules.sweep_lots)


async def _grown(
    cell: int, work: Work, radius_km: float, widest_km: float, lots: int
) -> tuple[int, ...]:
    full = await store.lots_per_cell(work.session, cells_around(cell, widest_km))
    return neighbourhood(cell, full, radius_km=radius_km, widest_km=widest_km, lots=lots)


async def _stand_on(work: Work, cells: Sequence[int]) -> Ground:
    """Hold *cells* and those of the partners of their lots, and read what is there."""
    more: set[int] = set()
    while True:
        held, marks = await store.hold_around(work.session, cells, more)
        near = {cell: mark for cell, mark in marks.items() if cell in set(cells)}
        ground = await _read(work, cells, near)
        if ground.cells <= held:
            return ground
        more |= ground.cells  # a partner came while we waited
        await store.let_go(work.session)


async def _read(
    work: Work, cells: Sequence[int], marks: Mapping[int, UUID], about: Concern | None = None
) -> Ground:
    """What is in *cells*, and the partners; what those hold elsewhere takes from what they have."""
    found = await store.what_is_around(work.session, cells, about)
    return Ground(found.lots, found.stands, marks, read=found)


async def _settled(
    cell: int, cells: Sequence[int], work: Work, rules: Rules
) -> tuple[Ground, Plan]:
    """What is there in *cells* around *cell*, and its plan; the room it takes in areas is held."""
    while True:
        ground = await _stand_on(work, cells)
        ground = await _with(await _areas_around(cell, work, rules), ground, work, rules)
        plan = await _planned(ground, rules, work)
        if await _has_room(ground, plan, work):
            return ground, plan
        await store.let_go(work.session)


async def _areas_around(cell: int, work: Work, rules: Rules) -> list[Area]:
    """The areas that lots around *cell* could reach."""
    around = cells_around(cell, max(rules.radius_km, rules.widest_km))
    return [one for one in await store.areas_in(work.session, around) if one.waits]


async def _with(areas: Sequence[Area], ground: Ground, work: Work, rules: Rules) -> Ground:
    """*ground* with *areas*, the room that is taken in them, and the roads that are known."""
    roads = await known_roads(ground.lots.values(), work.session, rules)
    ground = replace(ground, at_sites=await _at_sites(ground, work))
    if not areas:
        return ground if roads is None else replace(ground, roads=roads)
    stays = await store.stays_in(work.session, [one.id for one in areas])
    return replace(ground, areas=areas, stays=stays, roads=roads)


async def _at_sites(ground: Ground, work: Work) -> dict[Site, int]:
    """What the sites of *ground* hold already of masses under a limit of law, by other matches."""
    needs = [one for one in ground.lots.values() if not one.is_surplus]
    if not needs or not any(is_limited(one.kind) for one in ground.lots.values() if one.is_surplus):
        return {}
    cells = set[int]().union(*(cells_around(one.cell, _OF_ONE_SITE_KM) for one in needs))
    projects = {one.project_id for one in needs}
    found: dict[Site, int] = {}
    for project, kind, tonnes in await store.at_sites(work.session, cells, projects, ground.lots):
        if is_limited(kind):
            site = project, kind_of(kind).material
            found[site] = found.get(site, 0) + tonnes
    return found


async def _has_room(ground: Ground, plan: Plan, work: Work) -> bool:
    """Hold the areas that *plan* takes room in; whether they are as it was planned on."""
    ids = {one.area.id for one in plan.changes if one.area is not None}
    if not ids:
        return True
    await store.hold_areas(work.session, ids)
    known = {one for one in ground.stays if one.area_id in ids}
    return known == set(await store.stays_in(work.session, ids))


async def _whole(lots: Mapping[UUID, Lot], work: Work, rules: Rules) -> Ground:
    """The whole region, which nobody else changes."""
    areas = [one for one in await store.every_area(work.session) if one.waits]
    stays = await store.stays_in(work.session, [one.id for one in areas])
    roads = await known_roads(lots.values(), work.session, rules)
    return Ground(lots, await store.what_stands(work.session), {}, areas, stays, roads)


async def _planned(ground: Ground, rules: Rules, work: Work) -> Plan:
    """The plan of *ground*, made beside the event loop: news that comes meanwhile is kept."""
    return await asyncio.to_thread(_plan, ground, rules, work)


def _plan(ground: Ground, rules: Rules, work: Work) -> Plan:
    lots = list(ground.lots.values())
    return replan(lots, ground.matches, rules, today=work.today, **ground.beside)


async def _record(
    ground: Ground, plan: Plan, work: Work, rules: Rules, *, quiet: bool
) -> tuple[list[Match], list[UUID]]:
    """Write the differences of *plan*, and tell; the matches as they now are, and those told."""
    written, told = await _differences(ground, plan, work, rules, quiet=quiet)
    await store.keep_matches(work.session, written)
    return written, told


async def _differences(
    ground: Ground,
    plan: Plan,
    work: Work,
    rules: Rules,
    *,
    quiet: bool,
    coming: int | None = None,
) -> tuple[list[Match], list[UUID]]:
    """Tell the differences of *plan*; the matches as they are to be written, and those told."""
    await want_roads(plan, work)  # once the areas are held: others may wait for these rows
    calls = _alarms(ground, plan)
    closed = [one.id for one in ground.matches if _is_closed(one, ground)]
    waiting = [one for one in ground.matches if one.standing == HOLDS and is_news(one)]
    news = [one.id for one in waiting if quiet or _comes(one, coming, ground)]
    standing = [change.match.id for change in plan.changes if change.match is not None]
    asked = {*calls, *closed, *news, *standing}
    known = await _whole_matches(asked, ground, work)

    changed = {one.id: one for one in (_changed(each, known, work) for each in plan.changes)}
    changed |= {id: _alarmed(known[id], calls[id], work) for id in calls if id in known}
    changed |= {id: _withdrawn(known[id], work) for id in closed if id in known}
    now = known | changed
    told = await _told(ground, [one for one in now.values() if is_news(one)], work, rules,
                       quiet=quiet, coming=coming)  # fmt: skip

    written = changed | told
    for region in {one.region for one in changed.values()}:
        work.signal("flow", region)
    return list(written.values()), sorted(told)


async def _whole_matches(ids: set[UUID], ground: Ground, work: Work) -> dict[UUID, Match]:
    """The matches of *ids*, as they were read with the lots or are asked for now."""
    found = {} if ground.read is None else {one.id: one for one in ground.read.whole(ids)}
    if missing := ids - found.keys():
        found |= {one.id: one for one in await store.matches_of(work.session, missing)}
    return found


async def _told(
    ground: Ground,
    news: Sequence[Match],
    work: Work,
    rules: Rules,
    *,
    quiet: bool,
    coming: int | None,
) -> dict[UUID, Match]:
    """
    Tell what is news: at once where it is quiet, else within the time set.

    What was never told of lots in the cell *coming* is told at once in any case.
    """
    here = [
        one
        for one in news
        if ground.lots.keys() >= set(one.pair) and (quiet or _comes(one, coming, ground))
    ]
    areas = await areas_between(here[:_TOLD_AT_ONCE], work.session)
    told = {one.id: announced(one, ground.lots, areas, work, rules) for one in here[:_TOLD_AT_ONCE]}
    within = timedelta(seconds=0 if quiet else rules.tell_within_s)
    later = {one.id: work.now + within for one in news if one.id not in told}
    await store.tell_later(work.session, later, work.correlation)
    if later and quiet:
        work.wake("tell")
    return told


def _comes(match: Match | Stands, cell: int | None, ground: Ground) -> bool:
    """Whether *match* is of a lot in *cell* and was never told."""
    if cell is None or match.told_revision:
        return False
    return any(id in ground.lots and ground.lots[id].cell == cell for id in match.pair)


def _changed(change: Change, known: Mapping[UUID, Match], work: Work) -> Match:
    """The match that *change* makes of the one that stood, or a new one."""
    was = known[change.match.id] if change.match is not None else None
    surplus, need = change.surplus, change.need
    if was is not None and change.tonnes == 0:
        return _withdrawn(was, work)
    word = "proposed" if was is None else "tonnes" if was.tonnes != change.tonnes else "terms"
    return Match(
        id=uuid7() if was is None else was.id,
        revision=1 if was is None else was.revision + 1,
        surplus_id=surplus.id,
        need_id=need.id,
        state=change.state,
        route=change.route,
        standing=HOLDS,
        tonnes=change.tonnes,
        cents_per_t=change.cents_per_t,
        km=change.km,
        first=change.first,
        last=change.last,
        surplus_terms=surplus.terms,
        need_terms=need.terms,
        surplus_organisation=surplus.organisation,
        need_organisation=need.organisation,
        region=surplus.region,
        accepted_by="",
        declined_by=None,
        decline_reason=None,
        change=word,
        alternatives=change.alternatives,
        next_best_cents=change.next_best_cents,
        alarm="",
        told_revision=0 if was is None else was.told_revision,
        born_at=work.now if was is None else was.born_at,
        changed_at=work.now,
        judged=None,
        via=change.via,
        permille=change.permille,
        stays_from=change.stays_from,
        stays_to=change.stays_to,
        distance_method=change.measured.method,
        distance_version=change.measured.version,
    )


def _withdrawn(match: Match, work: Work) -> Match:
    """*match*, ended because the forecasts changed, or because its time is over."""
    over = match.last < work.today
    return match._replace(
        revision=match.revision + 1,
        state=EXPIRED if over else WITHDRAWN,
        standing=HISTORY,
        change="expired" if over else "withdrawn",
        changed_at=work.now,
    )


def _is_closed(match: Stands, ground: Ground) -> bool:
    """Whether one side had accepted it, and a forecast of it is no longer offered."""
    if match.state != ACCEPTED:
        return False
    return any(id in ground.lots and not ground.lots[id].is_open for id in match.pair)


def _alarms(ground: Ground, plan: Plan) -> dict[UUID, list[str]]:
    """Decided matches whose forecast fell below them, with the forecasts' sides and revisions."""
    calls: dict[UUID, list[str]] = {}
    for lot, _ in plan.short:
        call = f"{lot.direction}:{lot.revision}"
        for match in ground.matches:
            decided = match.standing == HOLDS and not match.is_free and lot.id in match.pair
            if decided and call not in match.alarm.split():
                calls.setdefault(match.id, []).append(call)
    return calls


def _alarmed(match: Match, calls: Sequence[str], work: Work) -> Match:
    """*match* kept as it was decided, to be told once per revision of the forecast."""
    return match._replace(
        revision=match.revision + 1,
        change="forecast_below_agreed",
        alarm=" ".join(_renewed(match.alarm, calls)),
        changed_at=work.now,
    )


def _renewed(alarm: str, calls: Sequence[str]) -> list[str]:
    by_side = {call.split(":")[0]: call for call in (*alarm.split(), *calls)}
    return list(by_side.values())


def _after(matches: Sequence[Stands], changed: Sequence[Match]) -> list[Stands]:
    now = {one.id: one for one in (*matches, *(each.stands for each in changed))}
    return [one for one in now.values() if one.standing != HISTORY]


def _overridden(rules: Rules, bonus: int | None, load: int | None) -> Rules:
    found = replace(
        rules,
        standing_bonus_cents_per_t=rules.standing_bonus_cents_per_t if bonus is None else bonus,
        smallest_load_t=rules.smallest_load_t if load is None else load,
    )
    return found if found.keeps_calm else found.exact


async def _measure_sometimes(work: Work, rules: Rules) -> None:
    """A full solve now and then, when all is quiet: how far from the optimum the region stands."""
    counts, last = await store.counts(work.session), await store.last_measure(work.session)
    every = timedelta(seconds=rules.measure_every_s)
    fresh = last is not None and last.at > work.now - every
    if counts.dirty or counts.sweeps or fresh or counts.lots > rules.measure_up_to_lots:
        return
    lots = {lot.id: lot for lot in await store.every_lot(work.session)}
    ground = await _whole(lots, work, rules)
    value = sum(one.tonnes * one.cents_per_t for one in ground.matches if one.standing == HOLDS)
    plan = await asyncio.to_thread(
        replan, list(lots.values()), ground.matches, rules.exact, today=work.today,
        **ground.beside,
    )  # fmt: skip
    await _keep_measure(work, value, value - plan.before_cents + plan.after_cents, lots)


async def _keep_measure(work: Work, value: int, optimum: int, lots: Mapping[UUID, Lot]) -> None:
    count = sum(lot.is_open for lot in lots.values())
    await store.keep_measure(work.session, value=value, optimum=optimum, lots=count, at=work.now)
    standing_value.set(value)
    optimum_share.set(_share(value, optimum) or 0)


def _share(value: int, optimum: int) -> float | None:
    return round(value / optimum, 6) if optimum else None


def _measured(scope: str, begun: float) -> None:
    settles.labels(scope).inc()
    settle_seconds.labels(scope).observe(time.perf_counter() - begun)
