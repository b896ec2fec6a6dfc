"""`bench settle`: how near to the optimum the region settles, how calmly, and at what cost."""

import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Final

from deploy.bench.driven import Driven, Pair, changed_pairs
from deploy.bench.figures import Figure, Goal, Report, percentile
from deploy.bench.ground import own_postgres
from deploy.bench.lots import batches, changes, lots
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
from services.matcher.domain import Lot
from shared.contracts import ForecastUpdated

ONE_BY_ONE_UP_TO: Final = 2_000
BATCH: Final = 250
_BONUSES: Final = (0,)


@dataclass
class Told:
    """What one size of region gave."""

    count: int
    figures: list[Figure] = field(default_factory=list)

    def add(
        self,
        figure: str,
        value: float | None,
        unit: str,
        beside: str = "",
        beside_value: float | None = None,
        *,
        goal: Goal | None = None,
        note: str = "",
    ) -> None:
        name = f"{self.count} lots: {figure}"
        self.figures.append(Figure(name, value, unit, beside, beside_value, goal, note))

    def times(self, figure: str, seconds: Sequence[float], note: str = "") -> None:
        """Median and 99th percentile of *seconds*, in milliseconds."""
        for share, word in ((0.5, "p50"), (0.99, "p99")):
            found = percentile(seconds, share)
            self.add(f"{figure}, {word}", found and found * 1000, "ms", note=note)


async def measure(
    sizes: Sequence[int], *, seed: int, changed: int, seconds: float
) -> Report:
    """
    Settle a region of each of *sizes* lots, then *changed* changes of it, beside the peers.

    A peer that is not done with its part in *seconds* is told without a value.
    """
    asked = {"lots": list(sizes), "seed": seed, "changes": changed, "seconds": seconds}
    began, clock = datetime.now(UTC), time.perf_counter()
    figures: list[Figure] = []
    with own_postgres() as server:
        for count in sizes:
            found = await _one_size(server.url, count, seed=seed, changed=changed, seconds=seconds)
            figures += found.figures
    return Report("settle", asked, figures, began, time.perf_counter() - clock)


async def _one_size(
    url: str, count: int, *, seed: int, changed: int, seconds: float
) -> Told:
    told = Told(count)
    forecasts = lots(count, seed=seed)
    news = changes(forecasts, changed, seed=seed)
    matcher = await Driven.open(url)
    try:
        before = await _arrivals(matcher, forecasts, told)
        worth = Worth(before, matcher.rules, date.today())  # noqa: DTZ011  (no rule looks at it)
        optimum = _optimum(worth, told)
        await _values(matcher, optimum, told)
        after = await _calm(matcher, news, told)
    finally:
        await matcher.close()
    order = {lot.id: lot for lot in before}
    arriving = [order[forecast.forecast_id] for forecast in forecasts]
    changing = [after[forecast.forecast_id] for forecast in news]
    run = _Run(told, worth, optimum, arriving, changing, seconds)
    await _in_memory(run, "(a) filter search", FilterSearch(worth.rules, worth.today))
    await _in_memory(run, "(b) nearest first", NearestFirst(worth.rules, worth.today))
    told.add("(b) nearest first, all at once: value", nearest_first_at_once(worth) / 100, "EUR",
             "optimum", optimum / 100)  # fmt: skip
    await _in_sql(run, url, [*arriving, *changing])
    await _full(run, bonus=0)
    await _full(run, bonus=matcher.rules.standing_bonus_cents_per_t)
    return told


async def _arrivals(
    matcher: Driven, forecasts: Sequence[ForecastUpdated], told: Told
) -> list[Lot]:
    """Tell *forecasts* to the matcher and settle after each, or after each batch."""
    size = 1 if len(forecasts) <= ONE_BY_ONE_UP_TO else BATCH
    settles: list[float] = []
    arrivals: list[float] = []
    with progress(f"{told.count} lots arrive", len(forecasts)) as advance:
        done = 0
        for batch in batches(forecasts, size):
            begun = time.perf_counter()
            await matcher.tell(batch)
            settles += await matcher.settle()
            arrivals.append(time.perf_counter() - begun)
            done += len(batch)
            advance(done)
    how = "one by one" if size == 1 else f"in batches of {size}"
    told.times("one settle", settles, f"{len(settles)} settles, lots arriving {how}")
    if size == 1:
        told.times("one arrival, kept and settled", arrivals, "two commits or more, no bus")
    return await matcher.lots()


def _optimum(worth: Worth, told: Told) -> int:
    begun = time.perf_counter()
    optimum = worth.optimum_cents()
    told.add("full solve", (time.perf_counter() - begun) * 1000, "ms", note="pairs judged before")
    every = max(1, len(worth.surpluses) * len(worth.needs))
    pairs = len(worth.arcs.surplus)
    told.add("feasible pairs a lot", 2 * pairs / max(1, told.count), "pairs",
             note=f"{pairs / every:.2%} of all pairs; of the feasible ones {worth.contained:.0%} "
                  "have one window within the other")  # fmt: skip
    return optimum


async def _values(matcher: Driven, optimum: int, told: Told) -> None:
    beside = ("optimum", optimum / 100)
    value = await matcher.value_cents()
    told.add("value before any sweep", value / 100, "EUR", *beside,
             goal=Goal(0.97, least=True, of="ratio"))  # fmt: skip
    with progress(f"{told.count} lots: sweeping"):
        swept = await matcher.sweep()
    value = await matcher.value_cents()
    told.add("value after the sweep", value / 100, "EUR", *beside,
             goal=Goal(0.999, least=True, of="ratio"), note=f"{len(swept)} sweeps")  # fmt: skip
    told.times("one sweep", swept)


async def _calm(
    matcher: Driven, news: Sequence[ForecastUpdated], told: Told
) -> dict[object, Lot]:
    """Tell the changes one at a time; how many proposals each moves, and what it costs."""
    near: list[float] = []
    wide: list[float] = []
    seconds: list[float] = []
    stands = await matcher.standing()
    with progress(f"{told.count} lots: changes", len(news)) as advance:
        for done, event in enumerate(news, start=1):
            begun = time.perf_counter()
            await matcher.tell([event])
            await matcher.settle()
            seconds.append(time.perf_counter() - begun)
            settled = await matcher.standing()
            near.append(changed_pairs(stands, settled))
            await matcher.sweep()
            swept = await matcher.standing()
            wide.append(changed_pairs(stands, swept))
            stands = swept
            advance(done)
    told.times("one change, kept and settled", seconds, f"{len(news)} changes, no bus")
    bonus = f"bonus {matcher.rules.standing_bonus_cents_per_t / 100:g} EUR/t"
    for moved, when in ((near, bonus), (wide, f"{bonus}, and the sweep after it")):
        told.add(f"proposals changed by one change, median ({when})", percentile(moved, 0.5), "",
                 goal=Goal(3))  # fmt: skip
        told.add(f"proposals changed by one change, p95 ({when})", percentile(moved, 0.95), "",
                 goal=Goal(15))  # fmt: skip
    after = await matcher.lots()
    optimum = Worth(after, matcher.rules, date.today()).optimum_cents()  # noqa: DTZ011
    told.add("value after the changes", await matcher.value_cents() / 100, "EUR", "optimum",
             optimum / 100, goal=Goal(0.999, least=True, of="ratio"))  # fmt: skip
    return {lot.id: lot for lot in after}


@dataclass(frozen=True)
class _Run:
    """What every peer is given: lots in their order, then changes."""

    told: Told
    worth: Worth
    optimum: int
    arriving: Sequence[Lot]
    changing: Sequence[Lot]
    seconds: float

    async def arrive(self, name: str, change: Callable[[Lot], Awaitable[None]]) -> bool:
        """Give it every lot one by one; whether it was done in time."""
        until = time.perf_counter() + self.seconds
        with progress(f"{self.told.count} lots: {name}", len(self.arriving)) as advance:
            for done, lot in enumerate(self.arriving, start=1):
                await change(lot)
                if done % 50 == 0:
                    advance(done)
                if time.perf_counter() > until:
                    self.told.add(f"{name}: value", None, "EUR",
                                  note=f"took {done} lots in {self.seconds:g} s")  # fmt: skip
                    return False
        return True

    async def change(self, name: str, change: Callable[[Lot], Awaitable[None]]) -> Iterator[float]:
        """Give it the changes one by one; the seconds each took."""
        seconds: list[float] = []
        until = time.perf_counter() + self.seconds
        for lot in self.changing:
            begun = time.perf_counter()
            await change(lot)
            seconds.append(time.perf_counter() - begun)
            if time.perf_counter() > until:
                break
        self.told.times(f"{name}: one change", seconds, f"{len(seconds)} changes")
        return iter(seconds)

    def value(self, name: str, flows: dict[Pair, int]) -> None:
        self.told.add(f"{name}: value", self.worth.cents(flows) / 100, "EUR", "optimum",
                      self.optimum / 100)  # fmt: skip


async def _in_memory(run: _Run, name: str, peer: InMemory) -> None:
    async def change(lot: Lot) -> None:
        peer.change(lot)

    if await run.arrive(name, change):
        run.value(name, peer.flows)
        await run.change(name, change)


async def _in_sql(run: _Run, url: str, known: Sequence[Lot]) -> None:
    name = "(c) scored in SQL"
    peer = await ScoredInSql.open(url, known, run.worth.rules)
    taken = 0

    async def change(lot: Lot) -> None:
        nonlocal taken
        await peer.change(lot)
        taken += 1
        if taken % 500 == 0:
            await peer.refresh()

    try:
        if await run.arrive(name, change):
            run.value(name, await peer.flows())
            await run.change(name, change)
    finally:
        await peer.close()


async def _full(run: _Run, *, bonus: int) -> None:
    name = f"(d) full optimum, bonus {bonus / 100:g} EUR/t"
    peer = FullOptimum(run.worth, bonus=bonus)
    moved: list[float] = []
    stands = peer.flows

    async def change(lot: Lot) -> None:
        peer.change(lot)

    seconds: list[float] = []
    until = time.perf_counter() + run.seconds / 4
    for lot in run.changing:
        begun = time.perf_counter()
        await change(lot)
        seconds.append(time.perf_counter() - begun)
        now = peer.flows
        moved.append(changed_pairs(stands, now))
        stands = now
        if time.perf_counter() > until:
            break
    run.told.times(f"{name}: one change", seconds, f"a sample of {len(seconds)} changes")
    for share, word in ((0.5, "median"), (0.95, "p95")):
        run.told.add(f"{name}: pairs changed by one change, {word}", percentile(moved, share), "")
