"""Invented areas, and the best use of them by another formulation and another solver."""

from collections.abc import Sequence
from datetime import date, timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

import highspy

from services.matcher.domain import Area, Lot, Rules, area_of, cell_of
from services.matcher.domain.areas import judge_area
from services.matcher.domain.cost import baseline_of, road_km_between, value_of
from services.matcher.domain.fit import is_feasible, kinds_fit, workings_of
from tests.matcher.builders import KM, LAT, LON, a_need, a_surplus, lot

MATERIALS = ("sand", "clay", "boulders", "blasted_rock_loose", "gravel")
USES = ("general_fill", "structural_fill", "sub_base")


def an_area(**told: Any) -> Area:
    """An interim storage for sand, without limit or end unless told; *north_km* moves it."""
    lat = LAT + told.pop("north_km", 0) * KM
    lon = told.pop("lon", LON)
    window = told.pop("window", None)
    told = {
        "area_id": str(uuid4()),
        "organisation": "depot",
        "title": "Depot",
        "region": "99",
        "site_kind": "interim_storage",
        "materials": ["sand"],
        "place": {"municipality": "092", "lat": lat, "lon": lon, "precision": "exact"},
        **({"window": {"first": str(window[0]), "last": str(window[1])}} if window else {}),
        **told,
    }
    return area_of(told, cell_of(lat, lon))


def random_region(random: Random, lots: int, areas: int) -> tuple[list[Lot], list[Area]]:
    """*lots* lots and *areas* areas within 30 km and three years, with rates, yields and limits."""
    return (
        [_lot(random) for _ in range(lots)],
        [_area(random) for _ in range(areas)],
    )


def _lot(random: Random) -> Lot:
    make = a_surplus if random.random() < 0.5 else a_need
    first = date(2027, 1, 1) + timedelta(days=random.randrange(700))
    told: dict[str, Any] = {
        "material": random.choice(MATERIALS),
        "tonnes": random.randrange(1, 4000),
        "north_km": random.uniform(-15, 15),
        "lon": LON + random.uniform(-0.25, 0.25),
        "window": (first, first + timedelta(days=random.randrange(120))),
        "quality": random.choice(("good", "unknown")),
        "forecast_id": UUID(int=random.getrandbits(128)),
        "project_id": UUID(int=random.getrandbits(128)),
        "weekly_rate_t": random.choice((None, None, None, 35.0, 500.0)),
    }
    if make is a_need:
        told["use"] = random.choice(USES)
    return lot(make(**told))


def _area(random: Random) -> Area:
    first = date(2027, 1, 1) + timedelta(days=random.randrange(200))
    offered = random.sample(("crushing", "screening", "stabilisation"), random.randrange(3))
    return an_area(
        area_id=str(UUID(int=random.getrandbits(128))),
        site_kind=random.choice(("interim_storage", "processing_site")),
        materials=random.sample(MATERIALS, random.randrange(1, 6)),
        north_km=random.uniform(-15, 15),
        lon=LON + random.uniform(-0.25, 0.25),
        window=(first, first + timedelta(days=random.randrange(60, 900))),
        capacity_t=random.choice((None, 50, 800, 3000)),
        stock_t=random.choice((0, 0, 20)),
        weekly_rate_t=random.choice((None, None, 200.0)),
        handling_eur_per_t=random.choice((None, 0.0, 0.9)),
        storage_eur_per_t_month=random.choice((None, 0.0, 0.33)),
        processing=offered,
        processing_terms=[
            {"processing": code, "yield_share": random.choice((1.0, 0.9))} for code in offered
        ],
    )


class Formulation:
    """
    The plan month by month, as an integer program over every month of arriving and of leaving.

    Written from the rules without the plan's arrays: a way in is a day of the last load, a way out
    a day of the first; the program itself finds how long to wait.
    """

    def __init__(self, lots: Sequence[Lot], areas: Sequence[Area], rules: Rules) -> None:
        self.rules = rules
        self.surpluses = [one for one in lots if one.direction == "surplus"]
        self.needs = [one for one in lots if one.direction == "need"]
        self.areas = areas
        self.solver = highspy.Highs()
        self.solver.setOptionValue("output_flag", False)
        self.solver.setOptionValue("mip_rel_gap", 0.0)
        self.solver.setOptionValue("mip_abs_gap", 0.5)
        self.rows: dict[Any, dict[int, float]] = {}
        self.through: dict[Any, int] = {}
        self.costs: list[int] = []
        self.most: list[int] = []

    def best_cents(self) -> int:
        for surplus in self.surpluses:
            for need in self.needs:
                if not self._straight(surplus, need):
                    for area in self.areas:
                        self._over(surplus, need, area)
        return self._solved()

    def _column(self, cents: int, most: int, takes: dict[Any, float]) -> None:
        column = len(self.costs)
        self.costs.append(cents)
        self.most.append(most)
        for row, value in takes.items():
            self.rows.setdefault(row, {})[column] = value

    def _straight(self, surplus: Lot, need: Lot) -> bool:
        """A way without an area, where there is one; whether an area has nothing to add."""
        days = (min(surplus.last, need.last) - max(surplus.first, need.first)).days + 1
        fits = kinds_fit(surplus.kind, need.kind, False)
        km = road_km_between(surplus, need, self.rules)
        cents = value_of(surplus, need, km, self.rules).cents
        rate = min(surplus.weekly_t or 1e12, need.weekly_t or 1e12)
        most = int(rate / 7 * days + 1e-9)
        if fits and days >= 1 and km <= self.rules.reach(surplus.material) and cents > 0 and most:
            most = min(most, surplus.likely, need.likely)
            self._column(cents, most, {surplus.id: 1.0, need.id: 1.0})
        return fits and need.first <= surplus.last

    def _over(self, surplus: Lot, need: Lot, area: Area) -> None:
        work = workings_of(surplus.kind, need.kind)
        if work is None or not area.waits or not set(work) <= set(area.workings):
            return
        if not is_feasible(judge_area(surplus.kind, area)):
            return
        there = _km(surplus, area, self.rules)
        onward = _km(need, area, self.rules)
        if max(there, onward) > self.rules.reach(surplus.material):
            return
        permille, cost = 1000, 0
        for code in work:
            permille = permille * area.workings[code].permille // 1000
            cost += area.workings[code].cents
        come = max(surplus.first, area.first), min(surplus.last, area.last)
        go = max(need.first, area.first), min(need.last, area.last)
        for arriving in _month_ends(*come):
            for leaving in _month_starts(*go):
                self._stay(surplus, need, area, come, go, arriving, leaving, there, onward,
                           permille, cost)  # fmt: skip

    def _stay(
        self, surplus: Lot, need: Lot, area: Area, come: tuple[date, date], go: tuple[date, date],
        arriving: date, leaving: date, there: float, onward: float, permille: int, cost: int,
    ) -> None:  # fmt: skip
        passes = leaving <= arriving
        if passes:  # both go on at once: it goes out as it comes in
            if go[1] < come[0]:
                return
            arriving = min(come[1], go[1])
            leaving = max(go[0], come[0])
        lying = max(0, (leaving - arriving).days)
        if lying > 1094:
            return
        share = permille / 1000
        cents = baseline_of(surplus).cents + _whole(share * baseline_of(need).cents)
        cents -= _whole(there * 17.0) + _whole(share * _whole(onward * 17.0))
        cents -= area.handling + _whole(area.month * lying / 30.4375) + cost
        if cents <= 0:
            return
        days_in = (min(come[1], go[1]) - come[0]).days + 1
        days_out = (go[1] - max(go[0], come[0])).days + 1
        through = area.weekly_t or 1e12
        most = min(
            min(surplus.weekly_t or 1e12, through) / 7 * days_in,
            min((need.weekly_t or 1e12) / share, through) / 7 * days_out,
        )
        slow_in = surplus.weekly_t is not None or area.weekly_t is not None
        slow_out = need.weekly_t is not None or area.weekly_t is not None
        first = come[0] if slow_in else arriving
        last = go[1] if slow_out else leaving
        takes: dict[Any, float] = {surplus.id: 1.0, need.id: share}
        if not passes:
            takes |= {(area.id, month): 1.0 for month in range(_month(first), _month(last) + 1)}
        together = surplus.id, need.id, area.id  # what their weekly rates let through in all
        self.through[together] = int(most + 1e-9)
        if self.through[together] >= 1:
            self._column(cents, surplus.likely, {**takes, together: 1.0})

    def _solved(self) -> int:
        limits: dict[Any, float] = {one.id: one.likely for one in (*self.surpluses, *self.needs)}
        rooms = {one.id: one for one in self.areas}
        if not self.costs:
            return 0
        for cents, most in zip(self.costs, self.most, strict=True):
            self.solver.addVariable(0, most, cents)
        count = len(self.costs)
        self.solver.changeColsIntegrality(
            count, list(range(count)), [highspy.HighsVarType.kInteger] * count
        )
        for row, takes in self.rows.items():
            limit = limits.get(row)
            if row in self.through:
                limit = self.through[row]
            elif limit is None:
                area = rooms[row[0]]
                limit = 1e12 if area.capacity is None else max(0, area.capacity - area.stock)
            self.solver.addRow(0, limit, len(takes), list(takes), list(takes.values()))
        self.solver.changeObjectiveSense(highspy.ObjSense.kMaximize)
        self.solver.run()
        assert self.solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
        return round(self.solver.getInfo().objective_function_value)


def _km(lot: Lot, area: Area, rules: Rules) -> float:
    there = lot._replace(
        id=area.id, lat=area.lat, lon=area.lon, exact=True, municipality=area.municipality,
        project_id=area.id,
    )  # fmt: skip
    return road_km_between(lot, there, rules)


def _whole(cents: float) -> int:
    return round(cents)


def _month(day: date) -> int:
    return day.year * 12 + day.month


def _month_ends(first: date, last: date) -> list[date]:
    """The last possible day in each month from *first* to *last*."""
    days = [first + timedelta(days=step) for step in range((last - first).days + 1)]
    return [day for day in days if day == last or (day + timedelta(days=1)).month != day.month]


def _month_starts(first: date, last: date) -> list[date]:
    """The first possible day in each month from *first* to *last*."""
    days = [first + timedelta(days=step) for step in range((last - first).days + 1)]
    return [day for day in days if day == first or day.day == 1]
