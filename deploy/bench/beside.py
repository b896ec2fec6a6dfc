"""Runs the peers on the lots that the matcher had, in the same order."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from deploy.bench.driven import Pair, changed_pairs
from deploy.bench.figures import Sheet, percentile
from deploy.bench.peers import (
    FilterSearch,
    FullOptimum,
    InMemory,
    NearestFirst,
    ScoredInSql,
    Worth,
    nearest_first_at_once,
)
from deploy.cli.terms import progress
from services.matcher.domain.values import Lot

Take = Callable[[Lot], Awaitable[None]]
_ANALYSE_EVERY = 500  # lots; a server in use does so by itself


@dataclass(frozen=True)
class Beside:
    """
    What every peer is given: lots in their order, then changes; *seconds* for each of the two.

    *optimum* is of the lots before the changes, in cents.
    """

    sheet: Sheet
    worth: Worth
    optimum: int
    arriving: Sequence[Lot]
    changing: Sequence[Lot]
    seconds: float

    async def all_peers(self, postgres_url: str, bonus: int) -> None:
        """(a) to (d), one after the other; (d) without and with *bonus*, in cents per tonne."""
        rules, today = self.worth.rules, self.worth.today
        await self._in_memory("(a) filter search", FilterSearch(rules, today))
        await self._in_memory("(b) nearest first", NearestFirst(rules, today))
        self._flows("(b) nearest first, all known at once", nearest_first_at_once(self.worth))
        await self._in_sql("(c) scored in SQL", postgres_url)
        self._full("(d) full optimum", bonus=0)
        self._full(f"(d) full optimum, bonus {bonus / 100:g} EUR/t", bonus=bonus)

    async def _in_memory(self, name: str, peer: InMemory) -> None:
        async def take(lot: Lot) -> None:
            peer.change(lot)

        if await self._arrive(name, take):
            self._flows(name, peer.flows)
            await self._change(name, take, "in memory, nothing durable")

    async def _in_sql(self, name: str, postgres_url: str) -> None:
        known = [*self.arriving, *self.changing]
        peer = await ScoredInSql.open(postgres_url, known, self.worth.rules)
        taken = 0

        async def take(lot: Lot) -> None:
            nonlocal taken
            await peer.change(lot)
            taken += 1
            if taken % _ANALYSE_EVERY == 0:
                await peer.refresh()

        try:
            if await self._arrive(name, take):
                self._flows(name, await peer.flows())
                await self._change(name, take, "one call and one commit")
        finally:
            await peer.close()

    async def _arrive(self, name: str, take: Take) -> bool:
        """Every lot one by one; whether all were taken in time."""
        until = time.perf_counter() + self.seconds
        with progress(f"{self.sheet.about}: {name}", len(self.arriving)) as advance:
            for done, lot in enumerate(self.arriving, start=1):
                await take(lot)
                advance(done)
                if time.perf_counter() > until:
                    note = f"had taken {done} lots after {self.seconds:g} s"
                    self.sheet.add(f"{name}: value", None, "EUR", note=note)
                    return False
        return True

    async def _change(self, name: str, take: Take, note: str) -> None:
        seconds = []
        for lot in self.changing:
            begun = time.perf_counter()
            await take(lot)
            seconds.append(time.perf_counter() - begun)
        self.sheet.times(f"{name}: one change", seconds, note)

    def _full(self, name: str, *, bonus: int) -> None:
        peer = FullOptimum(self.worth, bonus=bonus)
        seconds: list[float] = []
        moved: list[float] = []
        stands = peer.flows
        for lot in self.changing:
            begun = time.perf_counter()
            peer.change(lot)
            seconds.append(time.perf_counter() - begun)
            now = peer.flows
            moved.append(changed_pairs(stands, now))
            stands = now
            if sum(seconds) > self.seconds / 4:
                break
        note = f"in memory, a sample of {len(seconds)} changes"
        self.sheet.times(f"{name}: one change", seconds, note)
        for share, word in ((0.5, "median"), (0.95, "p95")):
            self.sheet.add(f"{name}: proposals changed, {word}", percentile(moved, share))

    def _flows(self, name: str, flows: Mapping[Pair, int]) -> None:
        self._value(name, self.worth.cents(flows))

    def _value(self, name: str, cents: int) -> None:
        self.sheet.add(f"{name}: value", cents / 100, "EUR", ("optimum", self.optimum / 100))
