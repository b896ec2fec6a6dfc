"""The optimum where ways share the room of areas or sites, or lose something in a working."""

from typing import Any, Final, NamedTuple

import highspy
import numpy as np
from highspy._core import _Highs  # `Highs` above it prints a banner and sets up callbacks
from numpy.typing import NDArray

from services.matcher.domain.cost import WHOLE, Arcs, Bools, Ints

UNBOUNDED: Final = 2**40
"""Tonnes that stand for no limit."""

_SECONDS: Final = 60.0
_LESS_THAN_A_CENT: Final = 0.9
_A_TRIFLE: Final = 1e-6
_BEST_FEW: Final = 6
_LEAST_ROUND: Final = 500
_FEASIBLE: Final = 2


class NotSolved(Exception):
    """The solver found no plan: {0}."""


class Room(NamedTuple):
    """
    Free whole tonnes of each area in each month; shape (areas, months), months from *first* on.

    Months are counted from 1970. *sites* are the whole tonnes that the law still lets into each.
    """

    tonnes: Ints
    first: int
    sites: Ints


NO_ROOM: Final = Room(np.zeros((0, 1), np.int64), 0, np.zeros(0, np.int64))


class Ways(NamedTuple):
    """
    Columns of the plan: from row *surplus* to row *need*, at most *most* tonnes, worth *gain* each.

    *area*, *enter*, *leave*, *permille* and *site* as in `Arcs`; *first* marks those that come
    first whatever they are worth.
    """

    surplus: Ints
    need: Ints
    most: Ints
    gain: Ints
    first: Bools
    area: Ints
    enter: Ints
    leave: Ints
    permille: Ints
    site: Ints


def fits(ways: Ways | Arcs, tonnes: Ints, room: Room) -> bool:
    """Whether *tonnes* on *ways* keep to the room of every area in every month, and of sites."""
    areas, sites = overfull(ways, tonnes, room)
    return not (areas.any() or sites.any())


def overfull(ways: Ways | Arcs, tonnes: Ints, room: Room) -> tuple[Bools, Bools]:
    """The areas, in some month, and the sites for which *tonnes* on *ways* are too much."""
    taken = np.zeros((len(room.tonnes), room.tonnes.shape[1] + 1), dtype=np.int64)
    used = np.flatnonzero((tonnes > 0) & (ways.leave >= ways.enter))
    area, enter, leave = ways.area[used], ways.enter[used], ways.leave[used]
    np.add.at(taken, (area, enter - room.first), tonnes[used])
    np.add.at(taken, (area, leave - room.first + 1), -tonnes[used])
    beyond: Bools = np.cumsum(taken, axis=1)[:, :-1] > room.tonnes
    return np.asarray(beyond.any(axis=1)), left_at_sites(ways, tonnes, room) < 0


def left_at_sites(ways: Ways | Arcs, tonnes: Ints, room: Room) -> Ints:
    """What the law lets into each site beside *tonnes* on *ways*; below 0: too much."""
    left = room.sites.copy()
    limited = np.flatnonzero(ways.site >= 0)
    np.subtract.at(left, ways.site[limited], tonnes[limited])
    return left


def solve(supply: Ints, demand: Ints, ways: Ways, room: Room, start: Ints) -> Ints:
    """
    The whole tonnes on each of *ways* that are worth most and keep to *room*, to the cent.

    *start* is the best where there is room for all and nothing is lost.
    """
    firsts = int(start[ways.first].sum())
    if (ways.first & (ways.site >= 0)).any():  # it may be more than the law lets them carry
        front = ways._replace(gain=ways.first.astype(np.int64))
        firsts = int(_solved(supply, demand, front, room, 0, start)[ways.first].sum())
    return _solved(supply, demand, ways, room, firsts, start)


def _solved(supply: Ints, demand: Ints, ways: Ways, room: Room, firsts: int, start: Ints) -> Ints:
    """
    The best, where the ways that come first carry *firsts* tonnes or more together.

    Only ways that could be worth it by the prices found so far enter.
    """
    program = _Program(supply, demand, ways, room, firsts)
    program.take(_promising(supply, demand, ways, start))
    bound, reduced = program.priced()
    tonnes = program.tonnes()
    if tonnes is not None:
        return tonnes
    tonnes = program.whole()
    missing = bound - int((tonnes * ways.gain).sum())
    if missing >= 1:  # only what is priced nearer than that could still do better
        more = np.flatnonzero((reduced >= -missing) & ~program.taken)
        if len(more):
            program.take(more)
            tonnes = program.whole()
    return tonnes


def _promising(supply: Ints, demand: Ints, ways: Ways, start: Ints) -> Ints:
    """What *start* uses, what must come first, and the best few ways of every lot."""
    chosen = (start > 0) | ways.first
    order = np.argsort(-ways.gain, kind="stable")
    for lots in (ways.surplus, ways.need):
        by_lot = order[np.argsort(lots[order], kind="stable")]
        sorted_lots = lots[by_lot]
        begins = np.searchsorted(sorted_lots, sorted_lots)
        chosen[by_lot[np.arange(len(by_lot)) - begins < _BEST_FEW]] = True
    return np.flatnonzero(chosen)


class _Program:
    """The linear and integer program over the ways taken so far."""

    def __init__(self, supply: Ints, demand: Ints, ways: Ways, room: Room, firsts: int) -> None:
        self.ways, self.room = ways, room
        self.givers, self.takers = len(supply), len(demand)
        self.months = room.tonnes.shape[1]
        self.order: Ints = np.zeros(0, np.int64)
        self.taken = np.zeros(len(ways.surplus), np.bool_)
        self.sites = self.givers + self.takers + room.tonnes.size
        self.last = self.sites + len(room.sites)
        self.solver: Any = _Highs()
        self.solver.setOptionValue("output_flag", False)
        self.solver.setOptionValue("time_limit", _SECONDS)
        self.solver.setOptionValue("mip_rel_gap", 0.0)
        self.solver.setOptionValue("mip_abs_gap", _LESS_THAN_A_CENT)
        self.solver.changeObjectiveSense(highspy.ObjSense.kMaximize)
        limits = np.concatenate((
            supply, demand, room.tonnes.reshape(-1), room.sites, [UNBOUNDED],
        )).astype(float)  # fmt: skip
        limits[limits >= UNBOUNDED // 2] = highspy.kHighsInf  # less what stays there
        least = np.full(len(limits), -highspy.kHighsInf)
        least[-1] = firsts
        none = np.zeros(0)
        self.solver.addRows(
            len(limits), least, limits, 0, np.zeros(len(limits), np.int32),
            none.astype(np.int32), none,
        )  # fmt: skip

    def take(self, columns: Ints) -> None:
        """Let *columns* take part."""
        ways = self.ways
        spans = np.maximum(0, ways.leave[columns] - ways.enter[columns] + 1)
        within = np.arange(spans.sum()) - np.repeat(np.cumsum(spans) - spans, spans)
        of = np.repeat(np.arange(len(columns)), spans)
        month = ways.enter[columns][of] + within - self.room.first
        rooms = self.givers + self.takers + ways.area[columns][of] * self.months + month
        sites = np.flatnonzero(ways.site[columns] >= 0)
        front = np.flatnonzero(ways.first[columns])
        each = np.arange(len(columns))
        column = np.concatenate((each, each, of, sites, front))
        row = np.concatenate((
            ways.surplus[columns], self.givers + ways.need[columns], rooms,
            self.sites + ways.site[columns][sites], np.full(len(front), self.last),
        ))  # fmt: skip
        value = np.concatenate((
            np.ones(len(columns)), ways.permille[columns] / WHOLE,
            np.ones(len(of) + len(sites) + len(front)),
        ))  # fmt: skip
        order = np.argsort(column, kind="stable")
        starts = np.searchsorted(column[order], each).astype(np.int32)
        self.solver.addCols(
            len(columns), ways.gain[columns].astype(float), np.zeros(len(columns)),
            ways.most[columns].astype(float), len(order), starts, row[order].astype(np.int32),
            value[order],
        )  # fmt: skip
        self.order = np.concatenate((self.order, columns))
        self.taken[columns] = True

    def priced(self) -> tuple[float, NDArray[np.float64]]:
        """The value of the linear program over all ways, and what a tonne of each would add."""
        while True:
            self._run()
            prices = np.asarray(self.solver.getSolution().row_dual)
            added = self._added_by(prices)
            more = np.flatnonzero((added > _A_TRIFLE) & ~self.taken)
            if not len(more):
                return float(self.solver.getInfo().objective_function_value), added
            most = max(_LEAST_ROUND, len(self.order))
            self.take(more[np.argsort(-added[more], kind="stable")[:most]])

    def _added_by(self, prices: NDArray[np.float64]) -> NDArray[np.float64]:
        ways, lots = self.ways, self.givers + self.takers
        added = ways.gain - prices[ways.surplus]
        added -= ways.permille / WHOLE * prices[self.givers + ways.need]
        added -= np.where(ways.first, prices[self.last], 0.0)
        limited = np.flatnonzero(ways.site >= 0)
        added[limited] -= prices[self.sites + ways.site[limited]]
        months = np.cumsum(prices[lots : self.sites].reshape(-1, self.months), axis=1)
        until = np.concatenate((np.zeros((len(months), 1)), months), axis=1)
        lies = np.flatnonzero(ways.leave >= ways.enter)
        area, first = ways.area[lies], self.room.first
        added[lies] -= until[area, ways.leave[lies] - first + 1]
        added[lies] += until[area, ways.enter[lies] - first]
        return added

    def tonnes(self) -> Ints | None:
        """The tonnes of the last answer, where they are whole."""
        found = np.asarray(self.solver.getSolution().col_value)
        near = np.rint(found)
        if np.abs(found - near).max(initial=0) > _A_TRIFLE:
            return None
        return self._spread(near)

    def whole(self) -> Ints:
        """The best whole tonnes over the ways taken."""
        count = len(self.order)
        kinds = np.full(count, highspy.HighsVarType.kInteger)
        self.solver.changeColsIntegrality(count, np.arange(count, dtype=np.int32), kinds)
        self._run()
        return self._spread(np.rint(np.asarray(self.solver.getSolution().col_value)))

    def _spread(self, found: NDArray[np.float64]) -> Ints:
        tonnes = np.zeros(len(self.ways.surplus), np.int64)
        tonnes[self.order] = found.astype(np.int64)
        return tonnes

    def _run(self) -> None:
        self.solver.run()
        status = self.solver.getModelStatus()
        known = self.solver.getInfo().primal_solution_status == _FEASIBLE
        if status != highspy.HighsModelStatus.kOptimal and not known:
            raise NotSolved(self.solver.modelStatusToString(status))
