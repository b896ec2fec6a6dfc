"""`bench settle`: how near to the optimum the region settles, how calmly, and at what cost."""

import time
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text

from deploy.bench.beside import Beside
from deploy.bench.driven import Driven, changed_pairs
from deploy.bench.figures import Figure, Goal, Report, Sheet, percentile
from deploy.bench.ground import own_postgres
from deploy.bench.lots import batches, changes, lots
from deploy.bench.peers import Worth
from deploy.cli.terms import progress
from services.matcher.domain.cells import tile_of
from services.matcher.domain.values import Lot
from shared.contracts import ForecastUpdated

ONE_BY_ONE_UP_TO: Final = 2_000
"""Lots; a larger region is told in batches, as an import comes."""

BATCH: Final = 250
_SWEEP: Final = text(
    "INSERT INTO sweep (tile, due_at) SELECT unnest(CAST(:tiles AS int[])), now() "
    "ON CONFLICT DO NOTHING"
)
_BEFORE: Final = Goal(0.97, least=True, of="ratio")
_AFTER: Final = Goal(0.999, least=True, of="ratio")


async def measure(
    sizes: Sequence[int],
    *,
    seed: int,
    changed: int,
    seconds: float,
    smallest_load: int | None = None,
) -> Report:
    """
    Settle a region of each of *sizes* lots, then *changed* changes of it, beside the peers.

    A peer that has not taken all lots in *seconds* is told without a value. *smallest_load*, in
    tonnes, is the matcher's instead of the one it has.
    """
    turned = {} if smallest_load is None else {"matcher_smallest_load_t": smallest_load}
    asked = {"lots": list(sizes), "seed": seed, "changes": changed, "seconds": seconds, **turned}
    began, clock = datetime.now(UTC), time.perf_counter()
    figures: list[Figure] = []
    with own_postgres() as server:
        for count in sizes:
            sheet = Sheet(f"{count} lots")
            forecasts = lots(count, seed=seed)
            news = changes(forecasts, changed, seed=seed)
            matcher = await Driven.open(server.url, **turned)
            beside = await _one_size(matcher, sheet, forecasts, news, began.date(), seconds)
            await beside.all_peers(server.url, matcher.rules.standing_bonus_cents_per_t)
            figures += sheet.figures
    return Report("settle", asked, figures, began, time.perf_counter() - clock)


async def _one_size(
    matcher: Driven,
    sheet: Sheet,
    forecasts: Sequence[ForecastUpdated],
    news: Sequence[ForecastUpdated],
    today: date,
    seconds: float,
) -> Beside:
    """What the matcher makes of it; what the peers are to be given."""
    try:
        before = await _arrive(matcher, forecasts, sheet)
        worth = Worth(list(before.values()), matcher.rules, today)
        optimum = _solve(worth, sheet)
        await _values(matcher, optimum, sheet)
        after = await _changes(matcher, news, sheet, today)
    finally:
        await matcher.close()
    arriving = [before[one.forecast_id] for one in forecasts]
    changing = [after[one.forecast_id] for one in news]
    return Beside(sheet, worth, optimum, arriving, changing, seconds)


async def _arrive(
    matcher: Driven, forecasts: Sequence[ForecastUpdated], sheet: Sheet
) -> dict[UUID, Lot]:
    """Tell *forecasts* to the matcher, and settle after each or after each batch."""
    size = 1 if len(forecasts) <= ONE_BY_ONE_UP_TO else BATCH
    settles: list[float] = []
    arrivals: list[float] = []
    with progress(f"{sheet.about} arrive", len(forecasts)) as advance:
        for number, batch in enumerate(batches(forecasts, size), start=1):
            begun = time.perf_counter()
            await matcher.tell(batch)
            settles += await matcher.settle()
            arrivals.append(time.perf_counter() - begun)
            advance(min(len(forecasts), number * size))
    how = "one by one" if size == 1 else f"in batches of {size}"
    if size == 1:
        sheet.times("one arrival, kept and settled", arrivals, "durable, without the bus")
    if settles:
        sheet.times("one settle", settles, f"{len(settles)} settles, lots arriving {how}; durable")
    return {lot.id: lot for lot in await matcher.lots()}


def _solve(worth: Worth, sheet: Sheet) -> int:
    """The full optimum in cents, and what there is to choose from."""
    begun = time.perf_counter()
    optimum = worth.optimum_cents()
    took = time.perf_counter() - begun
    sheet.add("full solve", took * 1000, "ms", note="pairs judged beforehand")
    feasible = len(worth.arcs.surplus)
    every = max(1, len(worth.surpluses) * len(worth.needs))
    lots_there = max(1, len(worth.surpluses) + len(worth.needs))
    note = (
        f"{feasible / every:.2%} of all pairs are feasible; "
        f"of these {worth.contained:.0%} have one window within the other"
    )
    sheet.add("feasible partners of a lot", 2 * feasible / lots_there, note=note)
    return optimum


async def _values(matcher: Driven, optimum: int, sheet: Sheet) -> None:
    """What stands before any sweep, and after sweeping until nothing improves."""
    beside = ("optimum", optimum / 100)
    value = await matcher.value_cents()
    sheet.add("value before any sweep", value / 100, "EUR", beside, goal=_BEFORE)
    with progress(f"{sheet.about}: sweeping"):
        swept = await matcher.sweep()
    value = await matcher.value_cents()
    note = f"{len(swept)} sweeps"
    sheet.add("value after the sweep", value / 100, "EUR", beside, goal=_AFTER, note=note)
    sheet.times("one sweep", swept)
    stands = await matcher.standing()
    tiles = {tile_of(lot.cell) for lot in await matcher.lots()}
    async with matcher.database.engine.begin() as connection:
        await connection.execute(_SWEEP, {"tiles": sorted(tiles)})
    again = await matcher.sweep()
    moved = changed_pairs(stands, await matcher.standing())
    gain = (await matcher.value_cents() - value) / max(1, optimum)
    note = f"{len(again)} sweeps that brought {gain:.5%} of the optimum"
    sheet.add("proposals changed by sweeping again, nothing told", moved, note=note)


async def _changes(
    matcher: Driven, news: Sequence[ForecastUpdated], sheet: Sheet, today: date
) -> dict[UUID, Lot]:
    """
    Tell the changes one at a time: how many proposals each moves, and what it costs.

    After each the region is swept until nothing improves, and what that moves is counted too.
    """
    moved: list[float] = []
    in_all: list[float] = []
    sweeps = 0
    seconds: list[float] = []
    stands = await matcher.standing()
    with progress(f"{sheet.about}: changes", len(news)) as advance:
        for done, event in enumerate(news, start=1):
            begun = time.perf_counter()
            await matcher.tell([event])
            await matcher.settle()
            seconds.append(time.perf_counter() - begun)
            moved.append(changed_pairs(stands, await matcher.standing()))
            sweeps += len(await matcher.sweep())
            now = await matcher.standing()
            in_all.append(changed_pairs(stands, now))
            stands = now
            advance(done)
    sheet.times("one change, kept and settled", seconds, "durable, without the bus")
    bonus = f"standing bonus {matcher.rules.standing_bonus_cents_per_t / 100:g} EUR/t"
    swept = f"{sweeps} sweeps after {len(news)} changes"
    for counted, how, note in ((moved, "", bonus), (in_all, " and the sweeps after it", swept)):
        for share, word, most in ((0.5, "median", 3), (0.95, "p95", 15)):
            figure = f"proposals changed by one change{how}, {word}"
            sheet.add(figure, percentile(counted, share), goal=Goal(most), note=note)
        mean = sum(counted) / max(1, len(counted))
        sheet.add(f"proposals changed by one change{how}, mean", mean, note=note)
    after = await matcher.lots()
    optimum = Worth(after, matcher.rules, today).optimum_cents()
    value = await matcher.value_cents()
    sheet.add("value after the changes and their sweeps", value / 100, "EUR",
              ("optimum", optimum / 100), goal=_AFTER)  # fmt: skip
    return {lot.id: lot for lot in after}
