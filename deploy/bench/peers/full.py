"""Peer (d): the full optimum at every change; pairs kept, only those of the changed lot anew."""

from dataclasses import replace
from uuid import UUID

import numpy as np

from deploy.bench.peers.worth import Pair, Worth
from services.matcher.domain.cost import Arcs, Ints, arcs
from services.matcher.domain.plan import best_flow
from services.matcher.domain.values import Lot, Rules


class FullOptimum:
    """
    The optimum of all lots of *worth*, solved again at every change.

    *bonus* in cents per tonne holds what stands; 0 is the pure optimum.
    """

    def __init__(self, worth: Worth, *, bonus: int = 0) -> None:
        self.today = worth.today
        self.rules: Rules = replace(worth.rules, standing_bonus_cents_per_t=bonus)
        self.surpluses, self.needs = list(worth.surpluses), list(worth.needs)
        self.row_of: dict[UUID, int] = {
            lot.id: row for side in (self.surpluses, self.needs) for row, lot in enumerate(side)
        }
        self.supply, self.demand = worth.supply.copy(), worth.demand.copy()
        self.pairs = worth.arcs
        self.tonnes = self._solved(np.zeros(len(self.pairs.surplus), dtype=np.int64))

    def change(self, lot: Lot) -> None:
        """*lot*, one of those known, is now as told here."""
        row = self.row_of[lot.id]
        lots, left, column = (
            (self.surpluses, self.supply, self.pairs.surplus)
            if lot.is_surplus
            else (self.needs, self.demand, self.pairs.need)
        )
        stood = self.flows
        lots[row] = lot
        left[row] = lot.likely if lot.is_open else 0
        keep = column != row
        found = self._judged(lot, row)
        new = zip(found.surplus.tolist(), found.need.tolist(), strict=True)
        stands = [stood.get(self._pair(s, n), 0) for s, n in new]
        self.pairs = _joined(self.pairs.take(keep), found)
        self.tonnes = self._solved(np.append(self.tonnes[keep], np.array(stands, dtype=np.int64)))

    @property
    def flows(self) -> dict[Pair, int]:
        """The tonnes of each pair, surplus first."""
        return {
            self._pair(int(self.pairs.surplus[at]), int(self.pairs.need[at])): int(self.tonnes[at])
            for at in np.flatnonzero(self.tonnes)
        }

    def _pair(self, s: int, n: int) -> Pair:
        return self.surpluses[s].id, self.needs[n].id

    def _judged(self, lot: Lot, row: int) -> Arcs:
        if lot.is_surplus:
            found = arcs([lot], self.needs, self.rules, today=self.today)
            return found._replace(surplus=np.full_like(found.surplus, row))
        found = arcs(self.surpluses, [lot], self.rules, today=self.today)
        return found._replace(need=np.full_like(found.need, row))

    def _solved(self, stands: Ints) -> Ints:
        return best_flow(self.supply, self.demand, self.pairs, stands, self.rules)


def _joined(one: Arcs, other: Arcs) -> Arcs:
    return Arcs(*(np.concatenate(parts) for parts in zip(one, other, strict=True)))
