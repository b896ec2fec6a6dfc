"""Peers (a) and (b): lots in memory by place and kind, each change served at once and greedily."""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date
from uuid import UUID

import numpy as np

from deploy.bench.peers.worth import Pair, Worth
from services.matcher.domain.cells import cells_around
from services.matcher.domain.cost import Arcs, arcs
from services.matcher.domain.fit import kinds_fit
from services.matcher.domain.values import Lot, Rules, kind_of


class InMemory(ABC):
    """
    Takes changes one by one: the changed lot's tonnes come free and it chooses anew, then each
    partner it left chooses again. A subclass says which pairs it finds and in what order.
    """

    def __init__(self, rules: Rules, today: date) -> None:
        self.rules = rules
        self.today = today
        self.lots: dict[UUID, Lot] = {}
        self.left: dict[UUID, int] = {}
        self.partners: dict[UUID, dict[UUID, int]] = defaultdict(dict)
        self.shelves: dict[tuple[bool, int], dict[str, dict[UUID, Lot]]] = {}
        self.fixed: dict[UUID, int] = defaultdict(int)
        self.excluded: set[Pair] = set()

    @abstractmethod
    def finds(self, surplus: Lot, need: Lot) -> bool:
        """Whether this peer's search shows the pair, all gates aside."""

    @abstractmethod
    def order(self, found: Arcs) -> list[int]:
        """The rows of *found* in the order in which they are served."""

    def change(self, lot: Lot) -> None:
        """*lot* is new, or now as told here."""
        freed = self._take_off(lot.id)
        self._put_on(lot)
        self._choose(lot)
        for other in freed:
            self._choose(self.lots[other])

    def fix(self, pair: Pair) -> None:
        """What flows between *pair* is decided: taken off both for good."""
        tonnes = self._cut(pair)
        for id in pair:
            self.fixed[id] += tonnes

    def refuse(self, pair: Pair) -> None:
        """*pair* is not found any more; what flowed between them, they choose anew."""
        self.excluded.add(pair)
        tonnes = self._cut(pair)
        for id in pair:
            self.left[id] += tonnes
        for id in pair:
            self._choose(self.lots[id])

    def give_back(self, pair: Pair, tonnes: int) -> None:
        """*tonnes* that were fixed between *pair* are not any more; both choose anew."""
        for id in pair:
            self.fixed[id] -= tonnes
            flows = sum(self.partners[id].values())
            self.left[id] = max(0, self.lots[id].likely - self.fixed[id] - flows)
        for id in pair:
            self._choose(self.lots[id])

    def _cut(self, pair: Pair) -> int:
        surplus, need = pair
        self.partners[need].pop(surplus, None)
        return self.partners[surplus].pop(need, 0)

    @property
    def flows(self) -> dict[Pair, int]:
        """The tonnes of each pair, surplus first."""
        return {
            (id, other): tonnes
            for id, partners in self.partners.items()
            if self.lots[id].is_surplus
            for other, tonnes in partners.items()
        }

    def _take_off(self, id: UUID) -> list[UUID]:
        lot = self.lots.get(id)
        if lot is None:
            return []
        self.shelves[lot.is_surplus, lot.cell][lot.kind].pop(id, None)
        freed = self.partners.pop(id, {})
        for other, tonnes in freed.items():
            self.left[other] += tonnes
            del self.partners[other][id]
        return list(freed)

    def _put_on(self, lot: Lot) -> None:
        self.lots[lot.id] = lot
        self.left[lot.id] = max(0, lot.likely - self.fixed[lot.id]) if lot.is_open else 0
        if lot.is_open:
            shelf = self.shelves.setdefault((lot.is_surplus, lot.cell), {})
            shelf.setdefault(lot.kind, {})[lot.id] = lot

    def _choose(self, lot: Lot) -> None:
        if self.left[lot.id] <= 0:
            return
        near = list(self._near(lot))
        if not near:
            return
        sides = ([lot], near) if lot.is_surplus else (near, [lot])
        found = arcs(*sides, self.rules, today=self.today)
        for at in self.order(found):
            row = found.need[at] if lot.is_surplus else found.surplus[at]
            self._serve(lot.id, near[row].id, int(found.most[at]))
            if self.left[lot.id] <= 0:
                break

    def _near(self, lot: Lot) -> Iterator[Lot]:
        """Lots of the other direction, of kinds that fit, with tonnes left, in reach by air."""
        for cell in cells_around(lot.cell, self.rules.reach(lot.material)):
            for kind, shelf in self.shelves.get((not lot.is_surplus, cell), {}).items():
                pair = (lot.kind, kind) if lot.is_surplus else (kind, lot.kind)
                if shelf and kinds_fit(*pair, self.rules.processing_on_site):
                    yield from self._open(lot, shelf.values())

    def _open(self, lot: Lot, others: Iterable[Lot]) -> Iterator[Lot]:
        for other in others:
            pair = (lot, other) if lot.is_surplus else (other, lot)
            overlap = other.first <= lot.last and lot.first <= other.last
            known = (pair[0].id, pair[1].id) not in self.excluded
            if overlap and known and self.left[other.id] > 0 and self.finds(*pair):
                yield other

    def _serve(self, id: UUID, other: UUID, most: int) -> None:
        known = self.partners[id].get(other, 0)
        tonnes = min(self.left[id], self.left[other], most - known)
        if tonnes <= 0:
            return
        self.left[id] -= tonnes
        self.left[other] -= tonnes
        self.partners[id][other] = self.partners[other][id] = known + tonnes


class FilterSearch(InMemory):
    """
    (a) What a list with filters shows: the material by name, the class asked for, one window
    within the other; first come, first served, the best of what is shown.
    """

    def finds(self, surplus: Lot, need: Lot) -> bool:
        dug, asked = kind_of(surplus.kind), kind_of(need.kind)
        inside = need.first <= surplus.first and surplus.last <= need.last
        around = surplus.first <= need.first and need.last <= surplus.last
        return (
            dug.material == asked.material
            and asked.quality in (dug.quality, "unknown")
            and (inside or around)
        )

    def order(self, found: Arcs) -> list[int]:
        return np.lexsort((-found.cents, ~found.onsite)).tolist()  # type: ignore[no-any-return]


class NearestFirst(InMemory):
    """(b) Every gate as it is, and always the nearest partner that has tonnes left."""

    def finds(self, surplus: Lot, need: Lot) -> bool:
        return True

    def order(self, found: Arcs) -> list[int]:
        return np.lexsort((found.km, ~found.onsite)).tolist()  # type: ignore[no-any-return]


class BestFirst(InMemory):
    """(c) without its database: every gate as it is, and always the partner that is worth most."""

    def finds(self, surplus: Lot, need: Lot) -> bool:
        return True

    def order(self, found: Arcs) -> list[int]:
        return np.lexsort((-found.cents, ~found.onsite)).tolist()  # type: ignore[no-any-return]


def nearest_first_at_once(worth: Worth) -> dict[Pair, int]:
    """(b) with all lots known at once: the nearest pair of all first; the tonnes of each pair."""
    pairs = worth.arcs
    supply, demand = worth.supply.tolist(), worth.demand.tolist()
    flows: dict[Pair, int] = {}
    for at in np.lexsort((pairs.km, ~pairs.onsite)).tolist():
        s, n = int(pairs.surplus[at]), int(pairs.need[at])
        tonnes = min(supply[s], demand[n], int(pairs.most[at]))
        if tonnes > 0:
            supply[s] -= tonnes
            demand[n] -= tonnes
            flows[worth.surpluses[s].id, worth.needs[n].id] = tonnes
    return flows
