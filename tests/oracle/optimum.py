"""
The optimum once more: an integer program of its own, on the pairs of the oracle's gates, by HiGHS.

The own site comes first in the plain sense of the words: the most tonnes that can stay there are
found first, then the most cents that leave so many there.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from math import floor
from typing import Any, NamedTuple
from uuid import UUID

import highspy

from shared.contracts import ForecastUpdated
from tests.oracle.gates import cents_per_t, is_feasible, most_at_site, most_tonnes

Pair = tuple[UUID, UUID]


class Route(NamedTuple):
    """
    One way from a surplus to a need: the most tonnes it lets through, and cents a tonne; the site
    and material that it counts for, and the most that the law lets in there of all ways.
    """

    pair: Pair
    most: int
    cents: int
    onsite: bool
    site: tuple[UUID, str]
    most_at_site: int


class Best(NamedTuple):
    """The optimum: tonnes that stay on their own site, cents of all, and tonnes by route."""

    onsite_t: int
    cents: int
    tonnes: dict[Pair, int]


def whole(tonnes: float) -> int:
    """The whole tonnes of a forecast."""
    return floor(round(tonnes, 6))


def routes(
    forecasts: Iterable[ForecastUpdated],
    rules: Any,
    *,
    today: date,
    excluded: Collection[Pair] = (),
) -> list[Route]:
    """Every way that the gates leave open: direct, or on the own site."""
    told = list(forecasts)
    needs = [one for one in told if one.direction == "need"]
    found = []
    for surplus in (one for one in told if one.direction == "surplus"):
        for need in needs:
            pair = surplus.forecast_id, need.forecast_id
            if is_feasible(surplus, need, rules, today=today, excluded=pair in excluded):
                onsite = surplus.project_id == need.project_id
                most = most_tonnes(surplus, need, rules, today)
                cents = cents_per_t(surplus, need, rules)
                site = need.project_id, surplus.material
                found.append(Route(pair, most, cents, onsite, site, most_at_site(surplus)))
    return found


def optimum(
    forecasts: Iterable[ForecastUpdated],
    rules: Any,
    *,
    today: date,
    excluded: Collection[Pair] = (),
    taken: Mapping[UUID, int] | None = None,
) -> Best:
    """The best that *forecasts* allow, with the tonnes *taken* of some lots already."""
    told = list(forecasts)
    left = {
        one.forecast_id: max(
            0, whole(one.quantity.likely_t) - (taken or {}).get(one.forecast_id, 0)
        )
        for one in told
    }
    ways = routes(told, rules, today=today, excluded=excluded)
    if not ways:
        return Best(0, 0, {})
    first = _solved(ways, left, [int(way.onsite) for way in ways])
    onsite = sum(tonnes for way, tonnes in zip(ways, first, strict=True) if way.onsite)
    best = _solved(ways, left, [way.cents for way in ways], at_least_onsite=onsite)
    return Best(
        onsite,
        sum(way.cents * tonnes for way, tonnes in zip(ways, best, strict=True)),
        {way.pair: tonnes for way, tonnes in zip(ways, best, strict=True) if tonnes},
    )


def optimum_cents(
    lots: Iterable[ForecastUpdated],
    rules: Any,
    *,
    today: date,
) -> int:
    """The cents of the best that *lots* allow."""
    return optimum(lots, rules, today=today).cents


def _solved(
    ways: Sequence[Route],
    left: Mapping[UUID, int],
    worth: Sequence[int],
    at_least_onsite: int = 0,
) -> list[int]:
    """Whole tonnes on each of *ways* that are worth most; checked in whole numbers afterwards."""
    model = highspy.Highs()
    model.setOptionValue("output_flag", False)
    model.setOptionValue("mip_rel_gap", 0.0)
    model.setOptionValue("mip_abs_gap", 0.5)
    for at, way in enumerate(ways):
        model.addCol(float(worth[at]), 0.0, float(way.most), 0, [], [])
        model.changeColIntegrality(at, highspy.HighsVarType.kInteger)
    for lot, most in left.items():
        members = [at for at, way in enumerate(ways) if lot in way.pair]
        if members:
            model.addRow(0.0, float(most), len(members), members, [1.0] * len(members))
    for site, most in {(way.site, way.most_at_site) for way in ways}:
        members = [
            at for at, way in enumerate(ways) if (way.site, way.most_at_site) == (site, most)
        ]
        model.addRow(0.0, float(most), len(members), members, [1.0] * len(members))
    own = [at for at, way in enumerate(ways) if way.onsite]
    if own:
        model.addRow(float(at_least_onsite), highspy.kHighsInf, len(own), own, [1.0] * len(own))
    model.changeObjectiveSense(highspy.ObjSense.kMaximize)
    model.run()
    assert model.getModelStatus() == highspy.HighsModelStatus.kOptimal, model.getModelStatus()

    tonnes = [round(value) for value in model.getSolution().col_value]
    for lot, most in left.items():
        used = sum(each for each, way in zip(tonnes, ways, strict=True) if lot in way.pair)
        assert used <= most, (lot, used, most)
    assert all(0 <= each <= way.most for each, way in zip(tonnes, ways, strict=True))
    reached = sum(each * cents for each, cents in zip(tonnes, worth, strict=True))
    assert model.getInfo().mip_dual_bound < reached + 1  # nothing better is left, to the cent
    return tonnes
