"""The optimum: which tonnes go where, as a minimum-cost flow, and what that changes."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from math import ceil
from types import MappingProxyType
from typing import Final, NamedTuple
from uuid import UUID

import numpy as np
from ortools.graph.python.min_cost_flow import SimpleMinCostFlow

from services.matcher.domain import capacity
from services.matcher.domain.apart import Problem, each_alone
from services.matcher.domain.areas import Area, area_arcs, first_day, month_of
from services.matcher.domain.calm import Network, worth_changing
from services.matcher.domain.capacity import NO_ROOM, UNBOUNDED, NotSolved, Room, Ways
from services.matcher.domain.cost import WHOLE, Arcs, Bools, Ints, arcs
from services.matcher.domain.fit import most_by_mara
from services.matcher.domain.learn import barred_pairs, is_too_far, reaches
from services.matcher.domain.roads import BY_RATIO, Measured, Pair, Roads, roads_wanted
from services.matcher.domain.values import (
    ACCEPTED,
    AGREED,
    AREA,
    DIRECT,
    HOLDS,
    ONSITE,
    PROPOSED,
    Lot,
    Rules,
    Stands,
    kind_of,
)

ONSITE_BONUS: Final = 1_000_000
"""
Cents per tonne: more than any exchange elsewhere can gain, so that the own site comes first.

A tonne more on site pushes at most two others aside, worth some hundreds of euros at the most.
"""

_ROUNDS: Final = 2
_LITTLE: Final = 1000  # a share of a thousandth is not worth another solve


Way = tuple[UUID, UUID, UUID | None]
Site = tuple[UUID, str]
"""A project, and a material of which the law limits how much it may get."""


class Stay(NamedTuple):
    """The room that the match *id* takes in an area: whole tonnes, from day to day."""

    id: UUID
    area_id: UUID
    tonnes: int
    first: date
    last: date


class Change(NamedTuple):
    """
    What becomes of a way: *tonnes* from *surplus* to *need*, 0 to end *match*.

    *match* is the one that stands now; None for a way that is new. *area* is where it waits, from
    month *enter* to month *leave*.
    """

    match: Stands | None
    surplus: Lot
    need: Lot
    tonnes: int
    cents_per_t: int
    km: float
    onsite: bool
    area: Area | None = None
    permille: int = WHOLE
    enter: int = 0
    leave: int = -1
    alternatives: int = 0
    next_best_cents: int | None = None
    measured: Measured = BY_RATIO

    @property
    def state(self) -> str:
        """The state of the match that it makes: what stays on its own site asks nobody."""
        return AGREED if self.onsite else PROPOSED

    @property
    def route(self) -> str:
        if self.onsite:
            return ONSITE
        return DIRECT if self.area is None else AREA

    @property
    def via(self) -> UUID | None:
        return None if self.area is None else self.area.id

    @property
    def stays_from(self) -> date | None:
        """The first day of the months in which it takes room in its area, if it does."""
        return first_day(self.enter) if self.leave >= self.enter else None

    @property
    def stays_to(self) -> date | None:
        """The last day of those months."""
        return first_day(self.leave + 1) - timedelta(days=1) if self.leave >= self.enter else None

    @property
    def first(self) -> date:
        """The first day on which it may leave the surplus."""
        other = self.need.first if self.area is None else self.area.first
        return max(self.surplus.first, other)

    @property
    def last(self) -> date:
        """The last day on which it may leave the surplus."""
        found = min(self.surplus.last, self.need.last)
        return found if self.area is None else min(found, self.area.last)


class Plan(NamedTuple):
    """
    The differences between what stands and the optimum, and their worth in cents.

    *before_cents* and *after_cents* are of all free matches, the bonuses left out. *short* are lots
    whose forecast fell below what was decided on, with the tonnes decided and not yet moved.
    *roads_wanted* would be worth knowing and are not asked for yet. *unserved* are lots of which a
    load or more is left.
    """

    changes: list[Change]
    before_cents: int
    after_cents: int
    short: list[tuple[Lot, int]]
    roads_wanted: Sequence[Pair] = ()
    unserved: Sequence[Lot] = ()


def replan(
    lots: Sequence[Lot],
    matches: Sequence[Stands],
    rules: Rules,
    *,
    today: date,
    areas: Sequence[Area] = (),
    stays: Sequence[Stay] = (),
    roads: Roads | None = None,
    at_sites: Mapping[Site, int] = MappingProxyType({}),
) -> Plan:
    """
    The optimum of *lots*, and how the free matches among them must change to reach it.

    Unless standing bonus and smallest load are both off, only as far as the changes are worth it.
    Matches that are decided on, or lead to a lot that is not here, stay as they are and only reduce
    what is left. Masses may wait or be worked in *areas*, where *stays* take room, those of the
    free matches among them. The order of the arguments has no influence. *roads* are those known
    between the lots; None where no engine is asked. *at_sites* are the tonnes that sites got by
    matches that are not among *matches*, or not between two of *lots*.
    """
    known = {lot.id: lot for lot in lots}
    areas = sorted(areas, key=lambda one: one.id)
    free, fixed, excluded = _parted(matches, known)
    left, short = _left(known, fixed)
    surpluses, needs = _sorted(left, known, "surplus"), _sorted(left, known, "need")

    pairs = arcs(surpluses, needs, rules, today=today, excluded=excluded, roads=roads)
    if areas:
        over = area_arcs(
            surpluses, needs, areas, rules, today=today, excluded=excluded, standing=free
        )
        pairs = _together(pairs, over, len(needs), len(areas))
    pairs = _within_reach(pairs, surpluses, needs, reaches(matches, known))
    pairs, sites = _at_sites(pairs, surpluses, needs, known, fixed, at_sites)
    room = _room(pairs, areas, stays, {one.id for one in free.values()})._replace(sites=sites)
    supply = np.array([left[lot.id] for lot in surpluses], dtype=np.int64)
    demand = np.array([left[lot.id] for lot in needs], dtype=np.int64)
    arc_of = _arcs_of(pairs, surpluses, needs, areas, free)
    stands = _stands(pairs, free, arc_of)
    problem = Problem(supply, demand, pairs, stands, room)
    tonnes = each_alone(problem, partial(_planned, rules=rules))

    changes = [
        *_begun(pairs, tonnes, surpluses, needs, areas, arc_of),
        *_continued(pairs, tonnes, known, areas, free, arc_of, roads),
    ]
    wanted: Sequence[Pair] = ()
    if roads is not None:
        changes = [_measured(one, roads) for one in changes]
        straight = pairs.area < 0
        wanted = roads_wanted(
            surpluses, needs, surplus=pairs.surplus[straight], need=pairs.need[straight],
            cents=pairs.cents[straight], tonnes=tonnes[straight], known=roads,
            each=rules.road_candidates,
        )  # fmt: skip
    return Plan(
        changes,
        sum(one.tonnes * one.cents_per_t for one in free.values()),
        int((tonnes * pairs.cents).sum()),
        short,
        wanted,
        _unserved(supply, demand, pairs, tonnes, (*surpluses, *needs), rules),
    )


def _unserved(
    supply: Ints, demand: Ints, pairs: Arcs, tonnes: Ints, lots: Sequence[Lot], rules: Rules
) -> list[Lot]:
    given = supply - np.bincount(pairs.surplus, tonnes, len(supply))
    taken = demand - np.bincount(pairs.need, tonnes * pairs.permille / WHOLE, len(demand))
    left = np.concatenate((given, taken)) >= max(1, rules.smallest_load_t)
    return [lots[row] for row in np.flatnonzero(left).tolist()]


def optimum_cents(
    lots: Sequence[Lot],
    matches: Sequence[Stands],
    rules: Rules,
    *,
    today: date,
    areas: Sequence[Area] = (),
    stays: Sequence[Stay] = (),
    roads: Roads | None = None,
    at_sites: Mapping[Site, int] = MappingProxyType({}),
) -> int:
    """The worth in cents of the full optimum of *lots*, with what is decided on as it is."""
    plan = replan(lots, matches, rules, today=today, areas=areas, stays=stays, roads=roads,
                  at_sites=at_sites)  # fmt: skip
    return plan.after_cents


def _measured(change: Change, roads: Roads) -> Change:
    """*change* with how its distance was measured; the legs over an area go by ratio."""
    if change.area is not None:
        return change
    return change._replace(measured=roads.measured(change.surplus, change.need))


def _together(pairs: Arcs, over: Arcs, needs: int, areas: int) -> Arcs:
    """Straight ways and those over areas, in the order of `_keys`."""
    if not len(over.surplus):
        return pairs
    every = Arcs.joined((pairs, over))
    return every.take(np.argsort(_keys(every, needs, areas)))


def _keys(pairs: Arcs, needs: int, areas: int) -> Ints:
    return (pairs.surplus * needs + pairs.need) * (areas + 1) + pairs.area + 1


def _room(pairs: Arcs, areas: Sequence[Area], stays: Sequence[Stay], freed: set[UUID]) -> Room:
    """What is free of each area in the months that *pairs* ask for."""
    used = pairs.leave >= pairs.enter
    if not used.any():
        return NO_ROOM._replace(tonnes=np.zeros((len(areas), 1), np.int64))
    first, last = int(pairs.enter[used].min()), int(pairs.leave[used].max())
    row_of = {area.id: row for row, area in enumerate(areas)}
    limits = [UNBOUNDED if one.capacity is None else one.capacity - one.stock for one in areas]
    tonnes = np.repeat(np.array(limits, np.int64)[:, None], last - first + 1, axis=1)
    for stay in stays:
        if stay.id not in freed and stay.area_id in row_of:
            begin, end = month_of(stay.first) - first, month_of(stay.last) - first + 1
            tonnes[row_of[stay.area_id], max(0, begin) : max(0, end)] -= stay.tonnes
    return NO_ROOM._replace(tonnes=np.maximum(tonnes, 0), first=first)


def _parted(
    matches: Sequence[Stands], known: Mapping[UUID, Lot]
) -> tuple[dict[Way, Stands], list[Stands], set[tuple[UUID, UUID]]]:
    """
    The matches that may change, by way; those that hold tonnes as they are; the pairs excluded.

    Excluded are pairs declined on facts that still hold, and pairs that wait for an answer.
    """
    free: dict[Way, Stands] = {}
    fixed: list[Stands] = []
    excluded = barred_pairs(matches, known)
    for match in matches:
        pair = match.surplus_id, match.need_id
        surplus, need = known.get(pair[0]), known.get(pair[1])
        holds, here = match.standing == HOLDS, surplus is not None and need is not None
        if holds and here and match.is_free and match.way not in free:
            free[match.way] = match
            continue
        if holds and not _ends(match, surplus, need):
            fixed.append(match)
            if here and match.state == ACCEPTED:
                excluded.add(pair)
    return free, fixed, excluded


def _ends(match: Stands, *lots: Lot | None) -> bool:
    """Whether one side alone had accepted it, and a forecast of it is no longer offered."""
    return match.state == ACCEPTED and any(lot is not None and not lot.is_open for lot in lots)


def _left(
    known: Mapping[UUID, Lot], fixed: Sequence[Stands]
) -> tuple[dict[UUID, int], list[tuple[Lot, int]]]:
    """Tonnes left of each lot behind what is fixed; lots that are short of what was decided."""
    left = {id: lot.left_kg for id, lot in known.items()}
    decided: dict[UUID, int] = {}
    for match in fixed:
        for id, kg in match.held:
            if id in left:
                left[id] -= kg
                if not match.is_free:
                    decided[id] = decided.get(id, 0) + kg
    short = [
        (known[id], ceil(kg / 1000)) for id, kg in sorted(decided.items()) if kg > known[id].left_kg
    ]
    return {id: max(0, kg) // 1000 for id, kg in left.items()}, short


def _sorted(left: Mapping[UUID, int], known: Mapping[UUID, Lot], direction: str) -> list[Lot]:
    return [known[id] for id in sorted(left) if left[id] > 0 and known[id].direction == direction]


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


def _at_sites(
    pairs: Arcs,
    surpluses: Sequence[Lot],
    needs: Sequence[Lot],
    known: Mapping[UUID, Lot],
    fixed: Sequence[Stands],
    at_sites: Mapping[Site, int],
) -> tuple[Arcs, Ints]:
    """
    *pairs* with the site that each goes to where MARA limits what it gets, from however many lots;
    and the whole tonnes that it lets into each site beside what is *fixed*.
    """
    limits = np.array(
        [most_by_mara(kind_of(one.kind)) or UNBOUNDED for one in surpluses], dtype=np.int64
    )
    rows = np.flatnonzero(limits[pairs.surplus] < UNBOUNDED)
    if not len(rows):
        return pairs, NO_ROOM.sites
    there = dict(at_sites)
    for match in fixed:
        if match.surplus_id in known and match.need_id in known and match.standing == HOLDS:
            site = known[match.need_id].project_id, known[match.surplus_id].material
            there[site] = there.get(site, 0) + match.tonnes
    row_of: dict[Site, int] = {}
    left: list[int] = []
    at = pairs.site.copy()
    for row in rows.tolist():
        surplus = surpluses[pairs.surplus[row]]
        site = needs[pairs.need[row]].project_id, surplus.material
        if site not in row_of:
            row_of[site] = len(left)
            left.append(max(0, int(limits[pairs.surplus[row]]) - there.get(site, 0)))
        at[row] = row_of[site]
    return pairs._replace(site=at), np.array(left, dtype=np.int64)


def _arcs_of(
    pairs: Arcs,
    surpluses: Sequence[Lot],
    needs: Sequence[Lot],
    areas: Sequence[Area],
    free: Mapping[Way, Stands],
) -> dict[Way, int]:
    """The arc of each free match that still has one."""
    row_of = {lot.id: row for row, lot in enumerate(surpluses)}
    column_of = {lot.id: row for row, lot in enumerate(needs)}
    number_of: dict[UUID | None, int] = {
        None: 0,
        **{one.id: at + 1 for at, one in enumerate(areas)},
    }
    width = max(1, len(needs))
    wanted = {
        way: (row_of[way[0]] * width + column_of[way[1]]) * (len(areas) + 1) + number_of[way[2]]
        for way in free
        if way[0] in row_of and way[1] in column_of and way[2] in number_of
    }
    keys = _keys(pairs, width, len(areas))
    if not wanted or not len(keys):
        return {}
    asked = np.fromiter(wanted.values(), np.int64, len(wanted))
    at = np.minimum(np.searchsorted(keys, asked), len(keys) - 1)
    there = keys[at] == asked
    return {
        way: row
        for way, row, is_there in zip(wanted, at.tolist(), there.tolist(), strict=True)
        if is_there
    }


def _stands(
    pairs: Arcs,
    free: Mapping[Way, Stands],
    arc_of: Mapping[Way, int],
) -> Ints:
    """The tonnes that stand on each arc."""
    stands = np.zeros(len(pairs.surplus), dtype=np.int64)
    for way, at in arc_of.items():
        stands[at] = free[way].tonnes
    return stands


def _planned(problem: Problem, rules: Rules) -> Ints:
    """The tonnes on each pair: the best, or as far there as *rules* find worth a change."""
    target = best_flow(*problem[:4], rules, problem.room)
    return _calmed(*problem[:4], target, rules, problem.room) if rules.keeps_calm else target


def _calmed(
    supply: Ints,
    demand: Ints,
    pairs: Arcs,
    stands: Ints,
    target: Ints,
    rules: Rules,
    room: Room,
) -> Ints:
    """
    As far towards *target* as the changes are worth it.

    All or nothing of what hangs together where something is lost in a working, or where going half
    the way would put more into an area or a site than it may hold: the steps know nothing of these.
    """
    net = _steps_of(supply, demand, pairs, rules)
    for whole in (pairs.permille != WHOLE, (pairs.area >= 0) | (pairs.site >= 0)):
        calm = worth_changing(net, stands, target, rules.worth_a_change_cents, whole)
        if capacity.fits(pairs, calm, room):
            return calm
    return target


def _steps_of(supply: Ints, demand: Ints, pairs: Arcs, rules: Rules) -> Network:
    """The pairs as arcs from a node for each surplus to one for each need."""
    return Network(
        tails=pairs.surplus,
        heads=pairs.need + len(supply),
        most=pairs.most,
        least=np.where(pairs.onsite, 0, rules.smallest_load_t),
        cents=pairs.cents + np.where(pairs.onsite, ONSITE_BONUS, 0),
        permille=pairs.permille,
        area=pairs.area,
        room=np.concatenate((supply, demand)),
    )


def best_flow(
    supply: Ints, demand: Ints, pairs: Arcs, stands: Ints, rules: Rules, room: Room = NO_ROOM
) -> Ints:
    """
    The tonnes on each of *pairs* that are worth most, at most *supply* and *demand* of each row,
    and no more in an area or at a site than it has *room*.

    On its own site first, then by value; what *stands* earns the standing bonus up to its tonnes.
    Pairs below the smallest load are dropped and the rest solved once more; what is left over then
    joins the loads that go. With both off, the exact optimum.
    """
    least = rules.smallest_load_t
    taken = demand[pairs.need] * WHOLE // pairs.permille
    most = np.minimum(np.minimum(supply[pairs.surplus], taken), pairs.most)
    alive = (most > 0) & (pairs.onsite | (most >= least))
    for _ in range(_ROUNDS):
        tonnes = _solve(supply, demand, pairs, most, stands, alive, rules, room)
        small = (tonnes > 0) & (tonnes < least) & ~pairs.onsite
        if not small.any():
            return tonnes
        alive &= ~small
        lost = int((tonnes * pairs.cents)[small].sum())
        if lost * _LITTLE < int((tonnes * pairs.cents).sum()):
            break
    tonnes[small] = 0
    return _topped_up(supply, demand, pairs, most, tonnes, alive, least, room)


def _topped_up(
    supply: Ints,
    demand: Ints,
    pairs: Arcs,
    most: Ints,
    tonnes: Ints,
    alive: Bools,
    least: int,
    room: Room,
) -> Ints:
    """*tonnes* with what is left over added to the best straight ways where it makes a load."""
    given = supply - np.bincount(pairs.surplus, tonnes, len(supply)).astype(np.int64)
    arrived = -(-tonnes * pairs.permille // WHOLE)
    taken = demand - np.bincount(pairs.need, arrived, len(demand)).astype(np.int64)
    could = (
        alive
        & (pairs.area < 0)
        & (given[pairs.surplus] > 0)
        & (taken[pairs.need] > 0)
        & (tonnes < most)
    )
    lawful = np.append(capacity.left_at_sites(pairs, tonnes, room), UNBOUNDED)  # last: no limit
    rows = np.flatnonzero(could)
    for at in rows[np.argsort(-pairs.cents[rows], kind="stable")].tolist():
        s, n, site = pairs.surplus[at], pairs.need[at], pairs.site[at]
        more = min(given[s], taken[n], lawful[site], most[at] - tonnes[at])
        if more > 0 and (pairs.onsite[at] or tonnes[at] + more >= least):
            tonnes[at] += more
            given[s] -= more
            taken[n] -= more
            lawful[site] -= more
    return tonnes


def _solve(
    supply: Ints,
    demand: Ints,
    pairs: Arcs,
    most: Ints,
    stands: Ints,
    alive: Bools,
    rules: Rules,
    room: Room,
) -> Ints:
    tonnes = np.zeros(len(most), dtype=np.int64)
    rows = np.flatnonzero(alive)
    if not len(rows):
        return tonnes
    bonus = rules.standing_bonus_cents_per_t
    kept = np.where(pairs.onsite[rows] | (bonus == 0), 0, np.minimum(stands, most)[rows])
    again = np.flatnonzero(kept)
    of = np.concatenate((rows, rows[again]))  # what stands earns its bonus on a way of its own
    extra = np.repeat((0, bonus), (len(rows), len(again)))
    ways = Ways(
        pairs.surplus[of], pairs.need[of], np.concatenate((most[rows] - kept, kept[again])),
        pairs.cents[of] + extra, pairs.onsite[of], pairs.area[of], pairs.enter[of],
        pairs.leave[of], pairs.permille[of], pairs.site[of],
    )  # fmt: skip
    found = _network(supply, demand, ways)
    lossy = (ways.permille != WHOLE) & (ways.gain > 0)
    if lossy.any() or not capacity.fits(ways, found, room):
        found = capacity.solve(supply, demand, ways, room, found)
    np.add.at(tonnes, of, found)
    return tonnes


def _network(supply: Ints, demand: Ints, ways: Ways) -> Ints:
    """The best flow where every tonne arrives and there is room for all, to the cent."""
    givers, sink = len(supply), len(supply) + len(demand)
    inner = np.arange(sink)
    tails = np.concatenate((ways.surplus, inner))
    heads = np.concatenate((givers + ways.need, np.full(sink, sink)))
    limits = np.concatenate((ways.most, supply, demand))
    gains = ways.gain + np.where(ways.first, ONSITE_BONUS, 0)
    costs = np.concatenate((-gains, np.zeros(sink, np.int64)))
    flow = SimpleMinCostFlow()
    flow.add_arcs_with_capacity_and_unit_cost(
        tails.astype(np.int32), heads.astype(np.int32), limits, costs
    )
    nodes = np.append(np.arange(givers), sink).astype(np.int32)
    flow.set_nodes_supplies(nodes, np.append(supply, -supply.sum()))
    answer = flow.solve()
    if answer != flow.OPTIMAL:
        raise NotSolved(str(answer))
    return np.asarray(flow.flows(np.arange(len(ways.surplus), dtype=np.int32)))


def _begun(
    pairs: Arcs,
    tonnes: Ints,
    surpluses: Sequence[Lot],
    needs: Sequence[Lot],
    areas: Sequence[Area],
    arc_of: Mapping[Way, int],
) -> Iterator[Change]:
    """What is planned for pairs that have no match yet."""
    is_new = tonnes > 0
    is_new[list(arc_of.values())] = False
    rows = np.flatnonzero(is_new).tolist()
    partners = _Partners(pairs) if rows else None
    for at in rows:
        surplus, need = surpluses[pairs.surplus[at]], needs[pairs.need[at]]
        yield _change(None, surplus, need, int(tonnes[at]), pairs, at, areas, partners)


def _continued(
    pairs: Arcs,
    tonnes: Ints,
    known: Mapping[UUID, Lot],
    areas: Sequence[Area],
    free: Mapping[Way, Stands],
    arc_of: Mapping[Way, int],
    roads: Roads | None,
) -> Iterator[Change]:
    """What becomes of the matches that stand, where it is another thing than before."""
    partners: _Partners | None = None
    planned, worth, far = tonnes.tolist(), pairs.cents.tolist(), pairs.km.tolist()
    for way, match in free.items():
        surplus, need = known[way[0]], known[way[1]]
        at = arc_of.get(way)
        if at is None or planned[at] == 0:
            yield Change(match, surplus, need, 0, match.cents_per_t, match.km,
                         match.route == ONSITE)  # fmt: skip
        elif (
            match.tonnes, match.cents_per_t, match.surplus_terms, match.need_terms, _stay_of(match),
        ) != (
            planned[at], worth[at], surplus.terms, need.terms, (pairs.enter[at], pairs.leave[at]),
        ) or (roads is not None and match.km != far[at]):  # fmt: skip
            partners = partners or _Partners(pairs)
            yield _change(match, surplus, need, planned[at], pairs, at, areas, partners)


def _stay_of(match: Stands) -> tuple[int, int]:
    if match.stays_from is None or match.stays_to is None:
        return 0, -1
    return month_of(match.stays_from), month_of(match.stays_to)


def _change(
    match: Stands | None,
    surplus: Lot,
    need: Lot,
    tonnes: int,
    pairs: Arcs,
    at: int,
    areas: Sequence[Area],
    partners: "_Partners | None",
) -> Change:
    row = int(pairs.area[at])
    change = Change(
        match, surplus, need, tonnes, int(pairs.cents[at]), float(pairs.km[at]),
        bool(pairs.onsite[at]), None if row < 0 else areas[row], int(pairs.permille[at]),
        int(pairs.enter[at]), int(pairs.leave[at]),
    )  # fmt: skip
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
