"""Answers what would happen if: one moment is read and thought through on a copy."""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final
from uuid import UUID

from services.matcher import store
from services.matcher.domain import (
    HOLDS,
    PROPOSED,
    Area,
    AreaChange,
    CannotChange,
    Copy,
    Lot,
    LotChange,
    Rules,
    Stands,
    Totals,
    cells_around,
    neighbourhood,
    tile_of,
    totals,
    what_if,
)
from services.matcher.domain.what_if import Broken, Effect
from services.matcher.handlers.keep import SITES, heard
from services.matcher.handlers.planning import TooMany
from services.matcher.handlers.roads import known_roads
from services.matcher.handlers.telling import OPEN_TO_ALL, likelihood_of
from shared.access import Asker, NotAllowed
from shared.contracts import ForecastUpdated

_TOLD: Final = 500  # effects; more are counted only
_one_at_a_time = asyncio.Semaphore(1)  # a copy takes memory and a core: settlers come first


@dataclass(frozen=True)
class ProjectChange:
    """What a project might become: all of its forecasts *days* later, or gone."""

    project: UUID
    days: int = 0
    withdrawn: bool = False


@dataclass(frozen=True)
class Supposed:
    """What is supposed: changes in their order, forecasts added, and how far the answer reaches."""

    changes: Sequence[LotChange | ProjectChange] = ()
    added: Sequence[ForecastUpdated] = ()
    area_changes: Sequence[AreaChange] = ()
    scope: str = "near"


async def suppose(
    session: Any, asker: Asker, told: Supposed, rules: Rules, *, today: date, limit: int
) -> tuple[dict[str, Any], set[str]]:
    """
    What the matcher would do if what is *told* came true, by the *rules* of its sweeps; and the
    organisations that this tells of.

    Read from one moment in a transaction that may not write, and thought through on a copy. Raises
    `CannotChange`, `NotAllowed` and `TooMany`.
    """
    async with _one_at_a_time:
        await store.take_snapshot(session)
        changes, touched = await _changes(session, asker, told.changes)
        added = await _added(session, asker, told.added)
        ids = {one.area for one in told.area_changes}
        areas = list((await store.areas_of(session, ids)).values()) if ids else []
        if beyond := ids - {one.id for one in areas if _may_change(asker, one)}:
            raise CannotChange("area_not_found", id=min(beyond))
        copy = await _copy(session, [*touched.values(), *added], areas, told.scope, rules, limit)
        await store.let_go(session)
        answer, shown = await asyncio.to_thread(
            _supposed, copy, changes, added, told, rules, asker, today
        )
    owners = {lot.organisation for lot in touched.values()} | {one.organisation for one in areas}
    return answer, shown | owners


async def _changes(
    session: Any, asker: Asker, told: Sequence[LotChange | ProjectChange]
) -> tuple[list[LotChange], dict[UUID, Lot]]:
    """*told* as changes of lots, and the lots as they are, by id; all *asker*'s to change."""
    ids = {one.lot for one in told if isinstance(one, LotChange)}
    projects = {one.project for one in told if isinstance(one, ProjectChange)}
    lots = dict(await store.lots_of(session, ids)) if ids else {}
    of_projects: dict[UUID, list[Lot]] = {}
    for lot in await store.lots_of_projects(session, projects) if projects else ():
        of_projects.setdefault(lot.project_id, []).append(lot)
        lots[lot.id] = lot
    changes: list[LotChange] = []
    for one in told:
        if isinstance(one, LotChange):
            if one.lot not in lots or not _may_change(asker, lots[one.lot]):
                raise CannotChange("forecast_not_found", id=one.lot)
            changes.append(one)
            continue
        members = sorted(of_projects.get(one.project, []), key=lambda lot: lot.id)
        if not members or not all(_may_change(asker, lot) for lot in members):
            raise CannotChange("project_not_found", id=one.project)
        changes += [LotChange(lot.id, days=one.days, withdrawn=one.withdrawn) for lot in members]
    return changes, lots


def _may_change(asker: Asker, one: Lot | Area) -> bool:
    if asker.sees_all or asker.coordinates(one.region):
        return True
    return one.organisation in asker.organisations


async def _added(session: Any, asker: Asker, told: Sequence[ForecastUpdated]) -> list[Lot]:
    """The lots that *told* forecasts would be; of *asker*'s own organisations or regions."""
    if not told:
        return []
    theirs = await store.lots_of_projects(session, {one.project_id for one in told})
    found = []
    for one in told:
        meets = one.meets or tuple(
            filter(None, (await store.meets_of(session, one.region)).split(","))
        )
        lot = heard(one.model_copy(update={"meets": meets}))
        others = [each for each in theirs if each.project_id == lot.project_id]
        if not all(_may_change(asker, each) for each in (lot, *others)):
            raise NotAllowed("not_allowed/adding", organisation=lot.organisation, region=lot.region)
        found.append(lot)
    return found


async def _copy(
    session: Any,
    touched: Sequence[Lot],
    areas: Sequence[Area],
    scope: str,
    rules: Rules,
    limit: int,
) -> Copy:
    """
    The lots around *touched* lots and *areas*, as wide as the matcher would look, what stands of
    them, and the areas that they could reach.
    """
    if scope == "region":
        regions = {one for lot in touched for one in (lot.region, *lot.meets.split(",")) if one}
        regions |= {one for area in areas for one in (area.region, *area.meets)}
        count = await store.count_in_regions(session, regions)
        if count > limit:
            raise TooMany(count)
        lots = {lot.id: lot for lot in await store.lots_in_regions(session, regions)}
        reached = await store.every_area(session)
    else:
        around, cells = await _cells(session, {one.cell for one in touched}, areas, rules)
        count = sum(map(sum, (await store.lots_per_cell(session, cells)).values()))
        if count > limit:
            raise TooMany(count)
        lots = {lot.id: lot for lot in await store.lots_in(session, cells)}
        reached = await store.areas_in(session, around)
    matches = {one.id: one for one in await store.what_stands_of(session, lots)}
    partners = {
        id for one in matches.values() if one.standing == HOLDS for id in one.pair
    } - lots.keys()
    if partners:
        lots |= await store.lots_of(session, partners)
        matches |= {one.id: one for one in await store.what_stands_of(session, partners)}
    waiting = [one for one in reached if one.waits]
    stays = await store.stays_in(session, [one.id for one in waiting]) if waiting else []
    sites = await store.sites(session, SITES) if touched else []
    roads = await known_roads([*lots.values(), *touched], session, rules)
    return Copy(lots, list(matches.values()), waiting, stays, sites, roads)


async def _cells(
    session: Any, touched: Iterable[int], areas: Iterable[Area], rules: Rules
) -> tuple[list[int], list[int]]:
    """
    Where areas could be reached from, and what is settled and swept, when something changes in the
    cells *touched* or in *areas*: cells.
    """
    widest = max(rules.radius_km, rules.widest_km)
    around: set[int] = set()
    cells: set[int] = set()
    for cell in touched:
        near, tile = cells_around(cell, widest), tile_of(cell)
        counts = await store.lots_per_cell(session, near)
        cells.update(
            neighbourhood(
                cell, counts, radius_km=rules.radius_km, widest_km=widest,
                lots=rules.neighbourhood_lots,
            )
        )  # fmt: skip
        cells.update(cells_around(tile, rules.sweep_radius_km))
        around.update(near, cells_around(tile, widest))
    for area in areas:
        cells.update(cells_around(area.cell, widest))
        around.update(cells_around(area.cell, widest))
    return sorted(around), sorted(cells)


def _supposed(
    copy: Copy,
    changes: Sequence[LotChange],
    added: Sequence[Lot],
    told: Supposed,
    rules: Rules,
    asker: Asker,
    today: date,
) -> tuple[dict[str, Any], set[str]]:
    answer = what_if(copy, changes, added, rules, today=today, area_changes=told.area_changes)
    lots = answer.after.lots

    def sees(surplus: Lot, need: Lot) -> bool:
        mine = {surplus.organisation, need.organisation} & set(asker.organisations)
        return asker.sees_all or asker.coordinates(surplus.region) or bool(mine)

    def seen(match: Stands) -> bool:
        ends = match.surplus_id, match.need_id
        return all(id in lots for id in ends) and sees(lots[ends[0]], lots[ends[1]])

    effects = [one for one in answer.effects if seen(one.match)]
    broken = [one for one in answer.broken if seen(one.match)]
    before, after = (totals(one, rules, sees, today=today) for one in (answer.before, answer.after))
    new = {lot.id for lot in added}
    known = {one.id for one in copy.matches}
    over = {one.match.via for one in effects} | {one.match.via for one in broken}
    shown = [one.match for one in effects[:_TOLD]] + [one.match for one in broken]
    counts = {what: sum(one.what == what for one in effects) for what in ("new", "changed", "gone")}
    supposed = {
        "scope": told.scope,
        "rules": {
            "standing_bonus_cents_per_t": rules.standing_bonus_cents_per_t,
            "smallest_load_t": rules.smallest_load_t,
            "co2e_cents_per_t": rules.co2e_cents_per_t,
        },
        "before": _told_totals(before),
        "after": _told_totals(after),
        "difference": _told_totals(after.minus(before)),
        "counts": {**counts, "broken": len(broken)},
        "matches": [_told_effect(one, lots, new, known, asker) for one in effects[:_TOLD]],
        "areas": {
            str(area.id): {"title": area.title, "municipality": area.municipality}
            for area in copy.areas
            if area.id in over
        },
        "left_off": max(0, len(effects) - _TOLD),
        "broken": [_told_broken(one, lots, new, known, asker) for one in broken],
        "tag": "unverified",
    }
    ends = {id for one in shown for id in (one.surplus_id, one.need_id)}
    return supposed, {lots[id].organisation for id in ends}


def _told_totals(told: Totals) -> dict[str, Any]:
    return {
        "matches": told.matches,
        "value_cents": told.value_cents,
        "tonnes": told.tonnes,
        "onsite_tonnes": told.onsite_tonnes,
        "tonne_km": told.kg_km / 1000,
        "saved_kg": told.grams / 1000,
    }


def _told_effect(
    effect: Effect, lots: Mapping[UUID, Lot], new: set[UUID], known: set[UUID], asker: Asker
) -> dict[str, Any]:
    before, after = effect.before, effect.after
    return {
        "what": effect.what,
        **_told_match(effect.match, lots, new, known, asker),
        "tonnes": {
            "before": before.tonnes if before else 0,
            "after": after.tonnes if after else 0,
        },
        "worth_cents": effect.worth_cents,
    }


def _told_broken(
    broken: Broken, lots: Mapping[UUID, Lot], new: set[UUID], known: set[UUID], asker: Asker
) -> dict[str, Any]:
    return {
        "reason": broken.reason,
        "forecast": broken.lot.id,
        "forecast_tonnes": broken.lot.likely,
        "forecast_window": {"first": broken.lot.first, "last": broken.lot.last},
        **_told_match(broken.match, lots, new, known, asker),
        "tonnes": broken.match.tonnes,
    }


def _told_match(
    match: Stands, lots: Mapping[UUID, Lot], new: set[UUID], known: set[UUID], asker: Asker
) -> dict[str, Any]:
    surplus, need = lots[match.surplus_id], lots[match.need_id]
    whole = asker.sees_all or asker.coordinates(surplus.region)
    named = match.state != PROPOSED
    return {
        "match_id": match.id if match.id in known else None,
        "route": match.route,
        "via": match.via,
        "state": match.state,
        "surplus": _told_side(surplus, new, asker, whole=whole or named),
        "need": _told_side(need, new, asker, whole=whole or named),
        "window": {"first": match.first, "last": match.last},
        "distance_km": match.km,
        "cents_per_t": match.cents_per_t,
        "likelihood": likelihood_of(surplus, need),
        "sample": any(json.loads(lot.beside)["sample"] for lot in (surplus, need)),
    }


def _told_side(lot: Lot, new: set[UUID], asker: Asker, *, whole: bool) -> dict[str, Any]:
    """One end; the other's name stays unknown to a company as long as it is a proposal's."""
    open_to_all = lot.visibility in OPEN_TO_ALL
    named = whole or open_to_all or lot.organisation in asker.organisations
    return {
        "forecast_id": None if lot.id in new else lot.id,
        "added": lot.id in new,
        "project_id": lot.project_id,
        "organisation": lot.organisation if named else None,
        "region": lot.region,
        "municipality": lot.municipality,
        "material": lot.material,
    }


def of_sweeps(
    rules: Rules, *, standing_bonus: int | None, smallest_load: int | None, co2e: int | None
) -> Rules:
    """The rules of sweeps, with what is told instead: cents per tonne, tonnes, cents per tonne."""
    quiet = rules.of_sweeps
    return replace(
        quiet,
        standing_bonus_cents_per_t=(
            quiet.standing_bonus_cents_per_t if standing_bonus is None else standing_bonus
        ),
        smallest_load_t=quiet.smallest_load_t if smallest_load is None else smallest_load,
        co2e_cents_per_t=quiet.co2e_cents_per_t if co2e is None else co2e,
    )
