"""Calm: of the way from what stands to a better plan, the steps that are worth a change."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from services.matcher.domain.cost import Bools, Ints


class Network(NamedTuple):
    """
    Arcs from node to node: *most* tonnes each may carry, *least* it must if any, *cents* a tonne.

    Of a tonne on an arc *permille* come to its head. *room* are the tonnes that each node may give
    or take in all; nodes are numbered from 0. Arcs of one *area* (-1: of none) share its room.
    """

    tails: Ints
    heads: Ints
    most: Ints
    least: Ints
    cents: Ints
    permille: Ints
    area: Ints
    room: Ints

    def passed(self, tonnes: Ints) -> Ints:
        """The tonnes that each node gives or takes when the arcs carry *tonnes*."""
        found = np.zeros(len(self.room), dtype=np.int64)
        np.add.at(found, self.tails, tonnes)
        np.add.at(found, self.heads, tonnes * self.permille // 1000)
        return found


class Step(NamedTuple):
    """
    A path or a ring of *arcs*: *tonnes* more on each whose sign is 1, fewer where it is -1.

    It brings *cents*; the nodes *less* give or take less after it, all others as much or more.
    """

    arcs: list[int]
    signs: list[int]
    tonnes: int
    cents: int
    less: list[int]


def worth_changing(
    net: Network, stands: Ints, target: Ints, cents_per_change: int, whole: Bools
) -> Ints:
    """
    The tonnes between what *stands* and *target* that are worth a change.

    The way there falls apart into steps, any of which may be left out. Taken are those without
    which something would be over-committed, and those that bring at least *cents_per_change* for
    each arc they change; connected parts with a changed arc of *whole* are taken or left as one.
    Where *target* keeps to *net*, so does the answer, but for the room of areas that have no arc in
    *whole*; and it is worth more than what stands, but for what had to change.
    """
    rows = np.flatnonzero(target != stands)
    part = _parts(net, rows)
    undivided = rows[np.isin(part, part[whole[rows]])]
    halfway = target.copy()
    halfway[undivided] = stands[undivided]
    tonnes = stands.copy()
    left: Sequence[Step] = sorted(_steps(net, stands, halfway), key=lambda step: -step.cents)
    left = _taken_by_need(net, stands, tonnes, left)
    left = _taken_for_gain(stands, tonnes, left, cents_per_change)
    _take_for_loads(net, halfway, tonnes, left)
    tonnes[undivided] = target[undivided]
    vain = _vain(net, stands, tonnes, cents_per_change)
    tonnes[vain] = stands[vain]
    return tonnes


def _steps(net: Network, stands: Ints, target: Ints) -> Iterator[Step]:
    """The difference in steps that all lead towards *target*, so that any of them keep to *net*."""
    rows = np.flatnonzero(target != stands)
    signs = np.sign(target - stands)[rows].tolist()
    amount = np.abs(target - stands)[rows].tolist()
    cents = net.cents[rows].tolist()
    arcs = rows.tolist()
    begins = np.where(target > stands, net.tails, net.heads)[rows].tolist()
    ends = np.where(target > stands, net.heads, net.tails)[rows].tolist()
    more: dict[int, int] = {}
    ways: dict[int, list[int]] = {}
    for at in sorted(range(len(arcs)), key=amount.__getitem__):
        ways.setdefault(begins[at], []).append(at)
        more[begins[at]] = more.get(begins[at], 0) + amount[at]
        more[ends[at]] = more.get(ends[at], 0) - amount[at]

    def walked(start: int) -> tuple[int, int, list[int]]:
        """From *start*, or from where a ring closes, as far as it goes."""
        way: list[int] = []
        seen = {start: 0}
        node = start
        while node == start or more[node] >= 0:
            while not amount[ways[node][-1]]:
                ways[node].pop()
            way.append(ways[node][-1])
            node = ends[way[-1]]
            if node in seen:
                return node, node, way[seen[node] :]
            seen[node] = len(way)
        return start, node, way

    def step_from(start: int) -> Step:
        start, end, way = walked(start)
        tonnes = min(amount[at] for at in way)
        less = []
        if end != start:
            tonnes = min(tonnes, more[start], -more[end])
            more[start] -= tonnes
            more[end] += tonnes
            less = [start] * (signs[way[0]] < 0) + [end] * (signs[way[-1]] < 0)
        for at in way:
            amount[at] -= tonnes
        gain = tonnes * sum(signs[at] * cents[at] for at in way)
        return Step([arcs[at] for at in way], [signs[at] for at in way], tonnes, gain, less)

    for node in list(more):
        while more[node] > 0:
            yield step_from(node)
    for at in range(len(arcs)):
        while amount[at]:
            yield step_from(begins[at])


def _take(tonnes: Ints, step: Step) -> None:
    for at, sign in zip(step.arcs, step.signs, strict=True):
        tonnes[at] += sign * step.tonnes


def _taken_by_need(
    net: Network, stands: Ints, tonnes: Ints, steps: Sequence[Step]
) -> Sequence[Step]:
    """Take the steps that lead out of what is over-committed; those left."""
    over = net.passed(stands) - net.room
    nodes = {at: int(over[at]) for at in np.flatnonzero(over > 0).tolist()}
    above = stands - net.most
    arcs = {at: int(above[at]) for at in np.flatnonzero(above > 0).tolist()}
    if not nodes and not arcs:
        return steps
    left = []
    for step in steps:
        needed = any(nodes.get(one, 0) > 0 for one in step.less)
        if not needed and not any(arcs.get(one, 0) > 0 for one in step.arcs):
            left.append(step)
            continue
        _take(tonnes, step)
        for many, ones in ((nodes, step.less), (arcs, step.arcs)):
            for one in ones:
                many[one] = many.get(one, 0) - step.tonnes
    return left


def _taken_for_gain(
    stands: Ints, tonnes: Ints, steps: Sequence[Step], cents_per_change: int
) -> Sequence[Step]:
    """Take the steps that pay for each change they add, until none does; those left."""
    while True:
        left = []
        for step in steps:
            added = sum(tonnes[at] == stands[at] for at in step.arcs)
            if step.cents > 0 and step.cents >= added * cents_per_change:
                _take(tonnes, step)
            else:
                left.append(step)
        if len(left) == len(steps):
            return left
        steps = left


def _take_for_loads(net: Network, target: Ints, tonnes: Ints, steps: Sequence[Step]) -> None:
    """Where a load became too small on the way, take it all the way to *target*."""
    while True:
        small = (tonnes > 0) & (tonnes < net.least) & (tonnes != target)
        arcs = set(np.flatnonzero(small).tolist())
        more = [step for step in steps if not arcs.isdisjoint(step.arcs)]
        if not more:
            return
        for step in more:
            _take(tonnes, step)
        steps = [step for step in steps if arcs.isdisjoint(step.arcs)]


def _vain(net: Network, stands: Ints, tonnes: Ints, cents_per_change: int) -> Ints:
    """The changed arcs of connected parts that bring too little, where nothing had to change."""
    rows = np.flatnonzero(tonnes != stands)
    part = _parts(net, rows)
    count = np.bincount(part)
    gain = np.zeros(len(count), dtype=np.int64)
    np.add.at(gain, part, (tonnes - stands)[rows] * net.cents[rows])
    over = net.passed(stands) > net.room
    must: Bools = (stands > net.most) | ((stands > 0) & (stands < net.least))
    needed = must[rows] | over[net.tails[rows]] | over[net.heads[rows]]
    keeps = (gain > 0) & (gain >= count * cents_per_change)
    keeps[part[needed]] = True
    return rows[~keeps[part]]


def _parts(net: Network, rows: Ints) -> Ints:
    """For each of the arcs *rows* the number of the connected part it lies in, by node or area."""
    tails, heads = net.tails[rows].tolist(), net.heads[rows].tolist()
    top: dict[int, int] = {}

    def highest(node: int) -> int:
        while top.setdefault(node, node) != node:
            top[node] = top[top[node]]
            node = top[node]
        return node

    for tail, head in zip(tails, heads, strict=True):
        top[highest(tail)] = highest(head)
    for tail, area in zip(tails, net.area[rows].tolist(), strict=True):
        if area >= 0:
            top[highest(tail)] = highest(-1 - area)
    numbers: dict[int, int] = {}
    return np.array(
        [numbers.setdefault(highest(tail), len(numbers)) for tail in tails], dtype=np.int64
    )
