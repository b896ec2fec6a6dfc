"""Every feasible pair of a set of lots with what it is worth: the same yardstick for all."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import cached_property
from uuid import UUID

import numpy as np

from services.matcher.domain.cost import Arcs, Ints, arcs
from services.matcher.domain.plan import best_flow
from services.matcher.domain.values import Lot, Rules

Pair = tuple[UUID, UUID]


class Worth:
    """The pairs of *lots* under *rules*, judged once."""

    def __init__(self, lots: Sequence[Lot], rules: Rules, today: date) -> None:
        open_lots = sorted((lot for lot in lots if lot.is_open and lot.likely > 0),
                           key=lambda lot: lot.id)  # fmt: skip
        self.rules = replace(rules, standing_bonus_cents_per_t=0, smallest_load_t=0)
        self.today = today
        self.surpluses = [lot for lot in open_lots if lot.is_surplus]
        self.needs = [lot for lot in open_lots if not lot.is_surplus]
        self.arcs: Arcs = arcs(self.surpluses, self.needs, self.rules, today=today)
        self.supply = _tonnes(self.surpluses)
        self.demand = _tonnes(self.needs)

    def optimum_cents(self) -> int:
        """The full optimum, with bonus and smallest load off."""
        stands = np.zeros(len(self.arcs.surplus), dtype=np.int64)
        found = best_flow(self.supply, self.demand, self.arcs, stands, self.rules)
        return int((found * self.arcs.cents).sum())

    def cents(self, flows: Mapping[Pair, int]) -> int:
        """What *flows* are worth; tonnes on a pair that is not feasible are worth nothing."""
        cents, rows = self.arcs.cents, self._rows
        return sum(
            tonnes * int(cents[rows[pair]]) for pair, tonnes in flows.items() if pair in rows
        )

    def hauled(self, flows: Mapping[Pair, int]) -> tuple[int, float | None]:
        """The tonnes of *flows* that leave their own site, and how far on average, in road km."""
        rows = np.array([self._rows[pair] for pair in flows if pair in self._rows], dtype=np.int64)
        tonnes = np.array([flows[pair] for pair in flows if pair in self._rows], dtype=np.int64)
        leaves = ~self.arcs.onsite[rows]
        total = int(tonnes[leaves].sum())
        tonne_km = float((tonnes[leaves] * self.arcs.km[rows][leaves]).sum())
        return total, tonne_km / total if total else None

    @cached_property
    def _rows(self) -> dict[Pair, int]:
        """The row of each feasible pair."""
        ends = zip(self.arcs.surplus.tolist(), self.arcs.need.tolist(), strict=True)
        return {(self.surpluses[s].id, self.needs[n].id): row for row, (s, n) in enumerate(ends)}

    @property
    def contained(self) -> float:
        """The share of the feasible pairs of which one window lies within the other."""
        first = [np.array([lot.first.toordinal() for lot in side]) for side in self._sides]
        last = [np.array([lot.last.toordinal() for lot in side]) for side in self._sides]
        s, n = self.arcs.surplus, self.arcs.need
        inside = (first[0][s] >= first[1][n]) & (last[0][s] <= last[1][n])
        around = (first[0][s] <= first[1][n]) & (last[0][s] >= last[1][n])
        return float((inside | around).mean()) if len(s) else 0.0

    @property
    def _sides(self) -> tuple[list[Lot], list[Lot]]:
        return self.surpluses, self.needs


def _tonnes(lots: Sequence[Lot]) -> Ints:
    return np.array([lot.likely for lot in lots], dtype=np.int64)
