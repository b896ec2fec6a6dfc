"""Answers how the region will move, month by month; changes nothing."""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from math import ceil
from typing import Any
from uuid import UUID

from services.matcher import store
from services.matcher.domain import (
    Area,
    Left,
    Lot,
    Match,
    Movement,
    Outlook,
    Rules,
    Stands,
    outlook,
    unmatched,
    way_of,
    worth_of,
)
from services.matcher.domain.outlook import Amounts, Month, Unmatched
from services.matcher.handlers.telling import areas_between, bounds_of, likelihood_of, sureness_of
from shared.access import Asker
from shared.vocabulary.likelihood import LIKELIHOOD_TAG, LIKELIHOOD_VERSION

_two_at_a_time = asyncio.Semaphore(2)  # a plan takes memory: settlers come first


class TooMany(Exception):
    """More *lots* than one answer takes."""

    def __init__(self, lots: int) -> None:
        super().__init__(lots)
        self.lots = lots


async def plan(
    session: Any,
    asker: Asker,
    rules: Rules,
    *,
    region: str | None,
    first: str | None,
    last: str | None,
    today: date,
    limit: int,
) -> tuple[dict[str, Any], set[str]]:
    """
    What of *region* moves where and when, and what is left, in months *first* to *last*; and the
    organisations that this tells of.

    Of what *asker* may see, as the list of matches is. Raises `TooMany`.
    """
    seen: dict[str, Any] = {
        "region": region,
        "sees_all": asker.sees_all,
        "regions": asker.regions,
        "organisations": list(asker.organisations),
    }
    async with _two_at_a_time:
        await store.take_snapshot(session)
        own = await store.open_lots_seen_by(session, **seen, limit=limit + 1)
        if len(own) > limit:
            raise TooMany(len(own))
        matches = await store.standing_seen_by(session, **seen)
        lots = await store.lots_of(session, {id for one in matches for id in one.pair})
        held = await store.what_stands_of(session, [lot.id for lot in own])
        areas = await areas_between(matches, session)
        await store.let_go(session)
        span = first, last
        planned = await asyncio.to_thread(
            _planned, matches, lots, areas, own, held, rules, span, today
        )
    return planned, {lot.organisation for lot in (*own, *lots.values())}


def _planned(
    matches: Sequence[Match],
    lots: Mapping[UUID, Lot],
    areas: Mapping[UUID, Area],
    own: Sequence[Lot],
    held: Sequence[Stands],
    rules: Rules,
    span: tuple[str | None, str | None],
    today: date,
) -> dict[str, Any]:
    first, last = span
    known = [one for one in matches if lots.keys() >= set(one.pair)]
    found = outlook(
        [_movement(one, lots, areas, rules, today) for one in known],
        _left(own, held),
        first=first,
        last=last,
    )
    of_any = (lots[id] for one in known for id in one.pair)
    return {
        "from": first,
        "to": last,
        **_told_plan(found),
        "areas": {
            str(id): {"title": one.title, "municipality": one.municipality}
            for id, one in areas.items()
        },
        "likelihood": {"version": LIKELIHOOD_VERSION, "tag": LIKELIHOOD_TAG},
        "tag": "unverified",
        "sample": any(json.loads(lot.beside)["sample"] for lot in (*own, *of_any)),
    }


def _movement(
    match: Match,
    lots: Mapping[UUID, Lot],
    areas: Mapping[UUID, Area],
    rules: Rules,
    today: date,
) -> Movement:
    """*match* in the figures that are told of it: as judged at the first decision, or as now."""
    surplus, need = lots[match.surplus_id], lots[match.need_id]
    if match.judged:
        terms = json.loads(match.judged)
        tonnes, cents = terms["tonnes"], terms["value"]["total_cents"]
        saved_g = terms["climate"]["saved_g_per_t"]
    else:
        way = way_of(match, surplus, need, areas, rules, today=today)
        worth = worth_of(match, surplus, need, way, rules)
        tonnes, cents = bounds_of(match.tonnes, surplus, need), worth.cents * match.tonnes
        saved_g = worth.saved_g
    return Movement(
        material=surplus.material,
        origin=surplus.municipality,
        target=need.municipality,
        route=match.route,
        via=None if match.via is None else str(match.via),
        state=match.state,
        first=match.first,
        last=match.last,
        low=tonnes["low"],
        tonnes=match.tonnes,
        high=tonnes["high"],
        expected=round(match.tonnes * likelihood_of(surplus, need)),
        kg_km=round(match.km * match.tonnes * 1000),
        cents=cents,
        grams=saved_g * match.tonnes,
    )


def _left(lots: Iterable[Lot], held: Iterable[Stands]) -> list[Left]:
    taken: dict[UUID, int] = {}
    for one in held:
        for id, kg in one.held:
            taken[id] = taken.get(id, 0) + kg
    found = []
    for lot in lots:
        gone = ceil((lot.moved_kg + taken.get(lot.id, 0)) / 1000)
        low, likely, high = unmatched(lot.likely, lot.low, lot.high, gone)
        expected = round(likely * sureness_of(lot))
        window = lot.first, lot.last
        found.append(Left(lot.direction, lot.material, *window, low, likely, high, expected))
    return found


def _told_plan(found: Outlook) -> dict[str, Any]:
    rows = [
        {
            "month": month, "material": material, "from": origin, "to": target, "route": route,
            "via": via or None, "state": state, "matches": amounts.matches, **_amounts(amounts),
        }
        for (month, material, origin, target, route, via, state), amounts in found.rows.items()
    ]  # fmt: skip
    left = [
        {"month": month, "direction": direction, "material": material, "lots": amounts.lots,
         "tonnes": _tonnes(amounts)}
        for (month, direction, material), amounts in found.left.items()
    ]  # fmt: skip
    return {
        "rows": rows,
        "unmatched": left,
        "months": [{"month": name, **_sums(month)} for name, month in found.months.items()],
        "totals": _sums(found.total),
    }


def _sums(month: Month) -> dict[str, Any]:
    return {
        "moved": _amounts(month.moved),
        "onsite": _amounts(month.onsite),
        "unmatched": {"surplus": _tonnes(month.surplus), "need": _tonnes(month.need)},
    }


def _amounts(amounts: Amounts) -> dict[str, Any]:
    return {
        "tonnes": _tonnes(amounts),
        "tonne_km": amounts.kg_km / 1000,
        "value_cents": amounts.cents,
        "saved_kg": amounts.grams / 1000,
    }


def _tonnes(told: Amounts | Unmatched) -> dict[str, int]:
    return {"low": told.low, "likely": told.tonnes, "high": told.high, "expected": told.expected}
