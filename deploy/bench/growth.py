"""`bench growth`: what one change costs as the region grows at the same density."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any, Final

from sqlalchemy import text

from deploy.bench.driven import Driven, changed_pairs
from deploy.bench.figures import Figure, Goal, Report, Sheet, milliseconds, percentile
from deploy.bench.filled import Watched, fill, settle_around
from deploy.bench.ground import own_postgres
from deploy.bench.lots import changes, project_by_project, spots, with_tonnes
from deploy.cli.terms import progress
from services.matcher.domain.cells import LotCount, cells_around, neighbourhood
from shared.contracts import ForecastUpdated
from shared.service.due import Worker
from shared.work import Work

_NEAR_KM: Final = 8.0
_GROWS: Final = Goal(1.3, of="ratio")
_FLOOR: Final = "the same reads and commit"
_LOTS_PER_CELL: Final = """
    SELECT cell, count(*) FILTER (WHERE direction = 'surplus'),
           count(*) FILTER (WHERE direction <> 'surplus')
    FROM lot WHERE cell = ANY($1::int[]) GROUP BY cell
"""
_LOTS: Final = "SELECT * FROM lot WHERE cell = ANY($1::int[])"
_MATCHES: Final = """
    SELECT * FROM match WHERE standing > 0
        AND (surplus_id = ANY($1::uuid[]) OR need_id = ANY($1::uuid[]))
"""
_PARTNERS: Final = "SELECT * FROM lot WHERE id = ANY($1::uuid[])"
_DONE: Final = "DELETE FROM dirty WHERE cell = $1"


async def measure(sizes: Sequence[int], *, seed: int, changed: int) -> Report:
    """
    *changed* changes among each of *sizes* lots, one at a time, kept and settled with real commits.

    Only around the changed lots is the region settled before; the floor takes turns with each.
    """
    asked = {"lots": list(sizes), "seed": seed, "changes": changed}
    began, clock = datetime.now(UTC), time.perf_counter()
    figures: list[Figure] = []
    smallest: tuple[int, list[float], list[float]] | None = None
    with own_postgres() as server:
        for count in sorted(sizes):
            sheet = Sheet(f"{count} lots")
            matcher = await Driven.open(server.url)
            try:
                seconds, beneath = await _one_size(matcher, sheet, count, seed, changed)
            finally:
                await matcher.close()
            if smallest is None:
                smallest = count, seconds, beneath
            else:
                _grown(sheet, smallest, seconds, beneath)
            figures += sheet.figures
    return Report("growth", asked, figures, began, time.perf_counter() - clock)


async def _one_size(
    matcher: Driven, sheet: Sheet, count: int, seed: int, changed: int
) -> tuple[list[float], list[float]]:
    """The seconds of each change, and of each turn of the floor."""
    # not near the edge: else the smallest region would be cheap for having so much of it
    where = spots(max(4, changed // 6), count, matcher.rules.radius_km, seed=seed)
    near = Watched(where, _NEAR_KM)
    with progress(f"{sheet.about}: filling", count) as advance:
        filling = await fill(matcher, near.among(project_by_project(count, seed=seed)), advance)
    sheet.add("filling", filling, "s", note="every lot through the matcher's own handler")
    news = changes(near.events, changed, seed=seed)
    with progress(f"{sheet.about}: settling around those that will change"):
        before = await settle_around(matcher, where)
    note = f"{len(before)} settles in {sum(before):.1f} s, before anything is measured"
    sheet.times("one settle of the preparation", before, note)
    return await _changes(matcher, sheet, news, seed)


async def _changes(
    matcher: Driven, sheet: Sheet, news: Sequence[ForecastUpdated], seed: int
) -> tuple[list[float], list[float]]:
    random = Random(f"floor {seed}")
    floor = Floor(matcher)
    seconds: list[float] = []
    beneath: list[float] = []
    moved: list[float] = []
    stands = await matcher.standing()
    with progress(f"{sheet.about}: changes, one at a time", len(news)) as advance:
        for done, event in enumerate(news, start=1):
            begun = time.perf_counter()
            await matcher.tell([event])
            await matcher.settle()
            seconds.append(time.perf_counter() - begun)
            now = await matcher.standing()
            moved.append(changed_pairs(stands, now))
            stands = now
            if event.status == "offered":
                beneath.append(await floor.turn(event, random))
            advance(done)
    note = f"{len(seconds)} changes, durable, without the bus"
    for share, word in ((0.5, "p50"), (0.99, "p99")):
        sheet.add(f"one change, kept and settled, {word}", milliseconds(seconds, share), "ms",
                  (_FLOOR, milliseconds(beneath, share)), note=note)  # fmt: skip
    note = "so many change where a region is settled, or the preparation was too short"
    sheet.add("proposals changed by one change, median", percentile(moved, 0.5), note=note)
    return seconds, beneath


def _grown(
    sheet: Sheet,
    smallest: tuple[int, list[float], list[float]],
    seconds: Sequence[float],
    beneath: Sequence[float],
) -> None:
    """How much dearer a change and the floor are than among the fewest lots."""
    count, few, few_beneath = smallest
    for share, word, goal in ((0.5, "p50", _GROWS), (0.99, "p99", None)):
        beside = f"{count} lots", milliseconds(few, share)
        sheet.add(f"growth of one change, {word}", milliseconds(seconds, share), "ms", beside,
                  goal=goal)  # fmt: skip
    sheet.add("growth of the floor, p50", milliseconds(beneath, 0.5), "ms",
              (f"{count} lots", milliseconds(few_beneath, 0.5)))  # fmt: skip


class Floor:
    """What any settler must do: keep the change, read the neighbourhood, take the mark off."""

    def __init__(self, matcher: Driven) -> None:
        self.matcher = matcher
        self.worker = Worker(matcher.database, matcher.workers["dirty"].due, self._look)

    async def turn(self, event: ForecastUpdated, random: Random) -> float:
        """The seconds for *event* told with other tonnes; then it is told again as it was."""
        other = with_tonnes(event, round(event.quantity.likely_t) + 100, random)
        begun = time.perf_counter()
        await self._keep_and_look(other)
        took = time.perf_counter() - begun
        await self._keep_and_look(with_tonnes(other, round(event.quantity.likely_t), random))
        return took

    async def _keep_and_look(self, event: ForecastUpdated) -> None:
        await self.matcher.tell([event])
        while rows := await self.worker.claim(1):
            await self.worker.hand_over(rows)

    async def _look(self, row: Any, work: Work) -> None:
        rules = self.matcher.rules
        widest = max(rules.radius_km, rules.widest_km)
        await work.session.execute(text("SELECT 1"))
        connection = await work.session.connection()
        driver: Any = (await connection.get_raw_connection()).driver_connection
        found = await driver.fetch(_LOTS_PER_CELL, list(cells_around(row.cell, widest)))
        counted = {cell: LotCount(*counts) for cell, *counts in found}
        cells = neighbourhood(
            row.cell, counted, radius_km=rules.radius_km, widest_km=widest,
            lots=rules.neighbourhood_lots,
        )  # fmt: skip
        lots = {one["id"] for one in await driver.fetch(_LOTS, list(cells))}
        matches = await driver.fetch(_MATCHES, list(lots))
        ends = {one[end] for one in matches for end in ("surplus_id", "need_id")}
        await driver.fetch(_PARTNERS, list(ends - lots))
        await driver.fetch(_DONE, row.cell)
