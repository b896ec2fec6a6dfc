"""Parts of a plan that share no lot: each is planned alone, so that none has a say in another."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from services.matcher.domain import capacity
from services.matcher.domain.capacity import Room
from services.matcher.domain.cost import Arcs, Ints


class Problem(NamedTuple):
    """
    What is to be planned: whole tonnes that each row of *pairs* may give and take, the tonnes that
    stand on each pair, and the room of areas and sites.
    """

    supply: Ints
    demand: Ints
    pairs: Arcs
    stands: Ints
    room: Room

    def only(self, rows: Ints) -> "Problem":
        """Of the pairs *rows* alone: without the lots, areas, months and sites of others."""
        pairs = self.pairs.take(rows)
        givers, surplus = _renumbered(pairs.surplus, len(self.supply))
        takers, need = _renumbered(pairs.need, len(self.demand))
        areas, area = _renumbered(pairs.area, len(self.room.tonnes))
        sites, site = _renumbered(pairs.site, len(self.room.sites))
        pairs = pairs._replace(surplus=surplus, need=need, area=area, site=site)
        tonnes, first = self.room.tonnes[areas], self.room.first
        waits = pairs.leave >= pairs.enter
        if waits.any():
            begin, end = int(pairs.enter[waits].min()), int(pairs.leave[waits].max()) + 1
            tonnes, first = tonnes[:, begin - first : end - first], begin
        else:
            tonnes = tonnes[:, :1]
        room = Room(tonnes, first, self.room.sites[sites])
        return Problem(self.supply[givers], self.demand[takers], pairs, self.stands[rows], room)


def each_alone(problem: Problem, planned: Callable[[Problem], Ints]) -> Ints:
    """
    The tonnes on every pair, each part *planned* alone.

    Parts that together put more into an area or a site than it has room for are planned as one: the
    optimum of all is the same, and only what must hang together does.
    """
    part = parts_of(problem.pairs, len(problem.supply), len(problem.demand))
    tonnes = np.zeros(len(part), dtype=np.int64)
    open_parts = np.unique(part)
    while len(open_parts):
        for rows in _rows_by(part, open_parts):
            tonnes[rows] = planned(problem.only(rows))
        open_parts = _together_now(problem, tonnes, part)
    return tonnes


def parts_of(pairs: Arcs, givers: int, takers: int) -> Ints:
    """For each of *pairs* the least surplus of the connected part it lies in."""
    least, there = np.arange(givers), np.full(takers, givers)
    while True:
        np.minimum.at(there, pairs.need, least[pairs.surplus])
        now = least.copy()
        np.minimum.at(now, pairs.surplus, there[pairs.need])
        now = now[now]  # whoever is least there leads farther
        if np.array_equal(now, least):
            return least[pairs.surplus]
        least = now


def _together_now(problem: Problem, tonnes: Ints, part: Ints) -> Ints:
    """Make one part, in *part*, of those that share what is overfull; the parts so made."""
    areas, sites = capacity.overfull(problem.pairs, tonnes, problem.room)
    pairs, used = problem.pairs, tonnes > 0
    made = set()
    for rows, full in ((pairs.area, areas), (pairs.site, sites)):
        for one in np.flatnonzero(full).tolist():
            sharing = np.unique(part[used & (rows == one)])
            if len(sharing) > 1:
                part[np.isin(part, sharing)] = sharing[0]
                made.add(int(sharing[0]))
    return np.intersect1d(np.array(sorted(made), dtype=np.int64), part)


def _rows_by(part: Ints, wanted: Ints) -> list[Ints]:
    """The rows of each of the *wanted* parts, in order."""
    order = np.argsort(part, kind="stable")
    begin, end = (np.searchsorted(part[order], wanted, side) for side in ("left", "right"))
    return [order[a:b] for a, b in zip(begin.tolist(), end.tolist(), strict=True)]


def _renumbered(rows: Ints, of: int) -> tuple[Ints, Ints]:
    """Which of so many rows are among *rows*, in order, and each one's place there; -1: of none."""
    kept = np.flatnonzero(np.bincount(rows[rows >= 0], minlength=of))
    place = np.full(of + 1, -1, dtype=np.int64)
    place[kept] = np.arange(len(kept))
    return kept, place[rows]
