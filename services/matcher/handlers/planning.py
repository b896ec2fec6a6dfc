"""Answers how the region will move, month by month; changes nothing."""

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from services.matcher import store
from services.matcher.domain import (
    HOLDS,
    Left,
    Lot,
    Match,
    Movement,
    Outlook,
    Rules,
    Stands,
    outlook,
    unmatched,
    value_of,
)
from services.matcher.domain.outlook import Amounts, Month, Unmatched
from services.matcher.handlers.telling import bounds_of, likelihood_of, sureness_of
from shared.access import Asker
from shared.vocabulary.likelihood import LIKELIHOOD_TAG, LIKELIHOOD_VERSION

_two_at_a_time = asyncio.Semaphore(2)  # a plan takes memory: settlers come first


class TooMany(Exception):
    """More lots than one answer takes: {0} of {1}."""

    def __init__(self, lots: int, limit: int) -> None:
        super().__init__(f"{lots} lots, and one answer takes up to {limit}")


async def plan(
    session: Any,
    asker: Asker,
    rules: Rules,
    *,
    region: str | None,
    first: str | None,
    last: str | None,
    limit: int,
) -> dict[str, Any]:
    """
    What of *region* moves where and when, and what is left, in months *first* to *last*.

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
            raise TooMany(len(own), limit)
        matches = await store.standing_seen_by(session, **seen)
        lots = await store.lots_of(session, {id for one in matches for id in one.pair})
        held = await store.what_stands_of(session, [lot.id for lot in own])
        await store.let_go(session)
        return await asyncio.to_thread(_planned, matches, lots, own, held, rules, first, last)


def _planned(
    matches: Sequence[Match],
    lots: Mapping[UUID, Lot],
    own: Sequence[Lot],
    held: Sequence[Stands],
    rules: Rules,
    first: str | None,
    last: str | None,
) -> dict[str, Any]:
    known = [one for one in matches if lots.keys() >= set(one.pair)]
    found = outlook(
        [_movement(one, lots[one.surplus_id], lots[one.need_id], rules) for one in known],
        _left(own, held),
        first=first,
        last=last,
    )
    of_any = (lots[id] for one in known for id in one.pair)
    return {
        "from": first,
        "to": last,
        **_told_plan(found),
        "likelihood": {"version": LIKELIHOOD_VERSION, "tag": LIKELIHOOD_TAG},
        "tag": "unverified",
        "sample": any(json.loads(lot.beside)["sample"] for lot in (*own, *of_any)),
    }


def _movement(match: Match, surplus: Lot, need: Lot, rules: Rules) -> Movement:
    """*match* in the figures that are told of it: as judged at the first decision, or as now."""
    if match.judged:
        terms = json.loads(match.judged)
        tonnes, cents = terms["tonnes"], terms["value"]["total_cents"]
        saved_g = terms["climate"]["saved_g_per_t"]
    else:
        worth = value_of(surplus, need, match.km, rules)
        tonnes, cents = bounds_of(match.tonnes, surplus, need), worth.cents * match.tonnes
        saved_g = worth.saved_g
    return Movement(
        material=surplus.material,
        origin=surplus.municipality,
        target=need.municipality,
        route=match.route,
        via=None,
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
        if one.standing == HOLDS:
            for id in one.pair:
                taken[id] = taken.get(id, 0) + one.tonnes
    found = []
    for lot in lots:
        low, likely, high = unmatched(lot.likely, lot.low, lot.high, taken.get(lot.id, 0))
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
