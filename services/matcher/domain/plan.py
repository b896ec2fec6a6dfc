"""The optimum: which tonnes go where, as a minimum-cost flow, and what that changes."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from math import ceil
from typing import Final, NamedTuple
from uuid import UUID

import numpy as np
from ortools.graph.python.min_cost_flow import SimpleMinCostFlow

from services.matcher.domain.cost import Arcs, Bools, Ints, arcs
from services.matcher.domain.learn import barred_pairs, is_too_far, reaches
from services.matcher.domain.values import (
    ACCEPTED,
    HOLDS,
    ONSITE,
    Lot,
    Rules,
    Stands,
)

ONSITE_BONUS: Final = 1_000_000
"""
Cents per tonne: more than any exchange elsewhere can gain, so that the own site comes first.

A tonne more on site pushes at most two others aside, worth some hundreds of euros at the most.
"""

_ROUNDS: Final = 8
_LITTLE: Final = 1000  # a share of a thousandth is not worth another solve


class NotSolved(Exception):
    """The network solver refused the plan: {0}."""


class Change(NamedTuple):
    """
    What becomes of a pair: *tonnes* from *surplus* to *need*, 0 to end *match*.

    *match* is the one that stands now; None for a pair that is new.
    """

    match: Stands | None
    surplus: Lot
    need: Lot
    tonnes: int
    cents_per_t: int
    km: float
    onsite: bool
    alternatives: int = 0
    next_best_cents: int | None = None

    @property
    def first(self) -> date:
        return max(self.surplus.first, self.need.first)

    @property
    def last(self) -> date:
        return min(self.surplus.last, self.need.last)


class Plan(NamedTuple):
    """
    The differences between what stands and the optimum, and their worth in cents.

    *before_cents* and *after_cents* are of all free matches, the bonuses left out. *short* are lots
    whose forecast fell below what was decided on, with the tonnes decided and not yet moved.
    """

    changes: list[Change]
    before_cents: int
    after_cents: int
    short: list[tuple[Lot, int]]


def replan(lots: Sequence[Lot], matches: Sequence[Stands], rules: Rules, *, today: date) -> Plan:
    """
    The optimum of *lots*, and how the free matches among them must change to reach it.

    Matches that are decided on, or lead to a lot that is not here, stay as they are and only reduce
    what is left. The order of the arguments has no influence.
    """
    known = {lot.id: lot for lot in lots}
    free = {one.pair: one for one in matches if _is_free(one, known)}
    left, short = _left(known, matches, free)
    surpluses, needs = _sorted(left, known, "surplus"), _sorted(left, known, "need")
    excluded = _excluded(matches, known)

    pairs = arcs(surpluses, needs, rules, today=today, excluded=excluded)
    pairs = _within_reach(pairs, surpluses, needs, reaches(matches, known))
    supply = np.array([left[lot.id] for lot in surpluses], dtype=np.int64)
    demand = np.array([left[lot.id] for lot in needs], dtype=np.int64)
    arc_of = _arcs_of(pairs, surpluses, needs, free)
    stands = _stands(pairs, free, arc_of)
    tonnes = best_flow(supply, demand, pairs, stands, rules)

    changes = [
        *_begun(pairs, tonnes, surpluses, needs, arc_of),
        *_continued(pairs, tonnes, known, free, arc_of),
    ]
    return Plan(
        changes,
        sum(one.tonnes * one.cents_per_t for one in free.values()),
        int((tonnes * pairs.cents).sum()),
        short,
    )


def optimum_cents(
    lots: Sequence[Lot], matches: Sequence[Stands], rules: Rules, *, today: date
) -> int:
    """The worth in cents of the full optimum of *lots*, with what is decided on as it is."""
    return replan(lots, matches, rules, today=today).after_cents


def _is_free(match: Stands, known: Mapping[UUID, Lot]) -> bool:
    return (
        match.standing == HOLDS
        and match.is_free
        and match.surplus_id in known
        and match.need_id in known
    )


def _left(
    known: Mapping[UUID, Lot],
    matches: Sequence[Stands],
    free: Mapping[tuple[UUID, UUID], Stands],
) -> tuple[dict[UUID, int], list[tuple[Lot, int]]]:
    """Tonnes left of each lot behind what is fixed; lots that are short of what was decided."""
    left = {id: lot.left_kg for id, lot in known.items()}
    decided: dict[UUID, int] = {}
    for match in matches:
        if match.standing != HOLDS or free.get(match.pair) is match:
            continue
        for id in match.pair:
            if id in left:
                left[id] -= match.held_kg
                if not match.is_free:
                    decided[id] = decided.get(id, 0) + match.held_kg
    short = [
        (known[id], ceil(kg / 1000)) for id, kg in sorted(decided.items()) if kg > known[id].left_kg
    ]
    return {id: max(0, kg) // 1000 for id, kg in left.items()}, short


def _sorted(left: Mapping[UUID, int], known: Mapping[UUID, Lot], direction: str) -> list[Lot]:
    return [known[id] for id in sorted(left) if left[id] > 0 and known[id].direction == direction]


def _excluded(matches: Sequence[Stands], known: Mapping[UUID, Lot]) -> set[tuple[UUID, UUID]]:
    """Pairs declined on facts that still hold, and pairs that wait for an answer."""
    waits = {one.pair for one in matches if one.standing == HOLDS and one.state == ACCEPTED}
    return waits | barred_pairs(matches, known)


def _within_reach(
    pairs: Arcs,
    surpluses: Sequence[Lot],
    needs: Sequence[Lot],
    limits: Mapping[tuple[UUID, str], float],
) -> Arcs:
    """*pairs* without those farther than one of their sides wants to go."""
    if not limits:
        return pairs
    near = [
        not is_too_far(surpluses[s], needs[n], km, limits)
        for s, n, km in zip(
            pairs.surplus.tolist(), pairs.need.tolist(), pairs.km.tolist(), strict=True
        )
    ]
    return pairs.take(np.array(near, dtype=np.bool_))


def _arcs_of(
    pairs: Arcs,
    surpluses: Sequence[Lot],
    needs: Sequence[Lot],
    free: Mapping[tuple[UUID, UUID], Stands],
) -> dict[tuple[UUID, UUID], int]:
    """The arc of each free match that still has one."""
    row_of = {lot.id: row for row, lot in enumerate(surpluses)}
    column_of = {lot.id: row for row, lot in enumerate(needs)}
    width = max(1, len(needs))
    wanted = {
        pair: row_of[pair[0]] * width + column_of[pair[1]]
        for pair in free
        if pair[0] in row_of and pair[1] in column_of
    }
    keys = pairs.surplus * width + pairs.need
    if not wanted or not len(keys):
        return {}
    asked = np.fromiter(wanted.values(), np.int64, len(wanted))
    at = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
    there = keys[at] == asked
    return {
        pair: row
        for pair, row, is_there in zip(wanted, at.tolist(), there.tolist(), strict=True)
        if is_there
    }


def _stands(
    pairs: Arcs,
    free: Mapping[tuple[UUID, UUID], Stands],
    arc_of: Mapping[tuple[UUID, UUID], int],
) -> Ints:
    """The tonnes that stand as proposals on each arc; the own site needs no bonus to stay."""
    stands = np.zeros(len(pairs.surplus), dtype=np.int64)
    for pair, at in arc_of.items():
        stands[at] = free[pair].tonnes
    stands[pairs.onsite] = 0
    return stands


def best_flow(supply: Ints, demand: Ints, pairs: Arcs, stands: Ints, rules: Rules) -> Ints:
    """
    The tonnes on each of *pairs* that are worth most, at most *supply* and *demand* of each row.

    On its own site first, then by value; what *stands* earns the standing bonus up to its tonnes.
    Pairs below the smallest load are dropped and the rest solved again while that is worth it;
    what is left over then joins the loads that go. With both off, the exact optimum.
    """
    least = rules.smallest_load_t
    most = np.minimum(np.minimum(supply[pairs.surplus], demand[pairs.need]), pairs.most)
    alive = (most > 0) & (pairs.onsite | (most >= least))
    for _ in range(_ROUNDS):
        tonnes = _solve(supply, demand, pairs, most, stands, alive, rules)
        small = (tonnes > 0) & (tonnes < least) & ~pairs.onsite
        if not small.any():
            return tonnes
        alive &= ~small
        lost = int((tonnes * pairs.cents)[small].sum())
        if lost * _LITTLE < int((tonnes * pairs.cents).sum()):
            break
    tonnes[small] = 0
    return _topped_up(supply, demand, pairs, most, tonnes, alive, least)


def _topped_up(
    supply: Ints, demand: Ints, pairs: Arcs, most: Ints, tonnes: Ints, alive: Bools, least: int
) -> Ints:
    """*tonnes* with what is left over added to the best pairs where it makes a sensible load."""
    given = supply - np.bincount(pairs.surplus, tonnes, len(supply)).astype(np.int64)
    taken = demand - np.bincount(pairs.need, tonnes, len(demand)).astype(np.int64)
    could = alive & (given[pairs.surplus] > 0) & (taken[pairs.need] > 0) & (tonnes < most)
    rows = np.flatnonzero(could)
    for at in rows[np.argsort(-pairs.cents[rows], kind="stable")].tolist():
        s, n = pairs.surplus[at], pairs.need[at]
        more = min(given[s], taken[n], most[at] - tonnes[at])
        if more > 0 and (pairs.onsite[at] or tonnes[at] + more >= least):
            tonnes[at] += more
            given[s] -= more
            taken[n] -= more
    return tonnes


def _solve(
    supply: Ints, demand: Ints, pairs: Arcs, most: Ints, stands: Ints, alive: Bools, rules: Rules
) -> Ints:
    tonnes = np.zeros(len(most), dtype=np.int64)
    rows = np.flatnonzero(alive)
    if not len(rows):
        return tonnes
    bonus = rules.standing_bonus_cents_per_t
    gain = pairs.cents[rows] + np.where(pairs.onsite[rows], ONSITE_BONUS, 0)
    kept = np.minimum(stands[rows], most[rows]) if bonus else np.zeros(len(rows), np.int64)
    again = np.flatnonzero(kept)
    s, n = pairs.surplus[rows], pairs.need[rows]
    givers, takers = len(supply), len(demand)
    sink = givers + takers
    tails = np.concatenate((s, s[again], np.arange(givers + takers)))
    heads = np.concatenate((n + givers, n[again] + givers, np.full(givers + takers, sink)))
    room = np.concatenate((most[rows] - kept, kept[again], supply, demand))
    costs = np.concatenate((-gain, -gain[again] - bonus, np.zeros(givers + takers, np.int64)))
    flow = SimpleMinCostFlow()
    flow.add_arcs_with_capacity_and_unit_cost(
        tails.astype(np.int32), heads.astype(np.int32), room, costs
    )
    nodes = np.append(np.arange(givers), sink).astype(np.int32)
    flow.set_nodes_supplies(nodes, np.append(supply, -supply.sum()))
    answer = flow.solve()
    if answer != flow.OPTIMAL:
        raise NotSolved(str(answer))
    found = flow.flows(np.arange(len(rows) + len(again), dtype=np.int32))
    tonnes[rows] = found[: len(rows)]
    tonnes[rows[again]] += found[len(rows) :]
    return tonnes


def _begun(
    pairs: Arcs,
    tonnes: Ints,
    surpluses: Sequence[Lot],
    needs: Sequence[Lot],
    arc_of: Mapping[tuple[UUID, UUID], int],
) -> Iterator[Change]:
    """What is planned for pairs that have no match yet."""
    is_new = tonnes > 0
    is_new[list(arc_of.values())] = False
    rows = np.flatnonzero(is_new).tolist()
    partners = _Partners(pairs) if rows else None
    for at in rows:
        surplus, need = surpluses[pairs.surplus[at]], needs[pairs.need[at]]
        yield _change(None, surplus, need, int(tonnes[at]), pairs, at, partners)


def _continued(
    pairs: Arcs,
    tonnes: Ints,
    known: Mapping[UUID, Lot],
    free: Mapping[tuple[UUID, UUID], Stands],
    arc_of: Mapping[tuple[UUID, UUID], int],
) -> Iterator[Change]:
    """What becomes of the matches that stand, where it is another thing than before."""
    partners: _Partners | None = None
    planned, worth = tonnes.tolist(), pairs.cents.tolist()
    for pair, match in free.items():
        surplus, need = known[pair[0]], known[pair[1]]
        at = arc_of.get(pair)
        if at is None or planned[at] == 0:
            yield Change(match, surplus, need, 0, match.cents_per_t, match.km,
                         match.route == ONSITE)  # fmt: skip
        elif (match.tonnes, match.cents_per_t, match.surplus_terms, match.need_terms) != (
            planned[at], worth[at], surplus.terms, need.terms,
        ):  # fmt: skip
            partners = partners or _Partners(pairs)
            yield _change(match, surplus, need, planned[at], pairs, at, partners)


def _change(
    match: Stands | None,
    surplus: Lot,
    need: Lot,
    tonnes: int,
    pairs: Arcs,
    at: int,
    partners: "_Partners | None",
) -> Change:
    change = Change(match, surplus, need, tonnes, int(pairs.cents[at]), float(pairs.km[at]),
                    bool(pairs.onsite[at]))  # fmt: skip
    return change if partners is None else partners.told_with(change, at)


class _Partners:
    """The other arcs that the two lots of an arc have."""

    def __init__(self, pairs: Arcs) -> None:
        self.pairs = pairs
        self.by_need = np.argsort(pairs.need, kind="stable")
        self.needs = pairs.need[self.by_need]

    def told_with(self, change: Change, at: int) -> Change:
        """*change* with how many there are beside the arc *at*, and the cents of the best."""
        pairs = self.pairs
        low, high = np.searchsorted(pairs.surplus, (pairs.surplus[at], pairs.surplus[at] + 1))
        left, right = np.searchsorted(self.needs, (pairs.need[at], pairs.need[at] + 1))
        others = np.concatenate((np.arange(low, high), self.by_need[left:right]))
        others = others[others != at]
        best = int(pairs.cents[others].max()) if len(others) else None
        return change._replace(alternatives=len(others), next_best_cents=best)
