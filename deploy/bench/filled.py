"""Fills a matcher's database: every lot through the card's own handler, nothing settled."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from sqlalchemy import text

from deploy.bench.driven import Driven
from deploy.bench.lots import batches
from services.matcher.domain.cells import cell_of, cells_around
from shared.contracts import ForecastUpdated
from shared.vocabulary.distance import straight_km

BATCH = 1_000
_MARK = text(
    """
    INSERT INTO dirty (cell, due_at)
    SELECT cell, now() + number * interval '1 microsecond'
    FROM unnest(CAST(:cells AS int[])) WITH ORDINALITY AS told(cell, number)
    ON CONFLICT DO NOTHING
    """
)


async def fill(
    matcher: Driven, events: Iterable[ForecastUpdated], advance: Callable[[int], None]
) -> float:
    """
    Tell *events* as an import would, without the marks they leave; the seconds it took.

    The commits wait for no disk while it fills; afterwards the server is as safe as before, its
    tables are analysed and all is written out, so that none of it is left to be done later.
    """
    begun, done = time.perf_counter(), 0
    await _lax(matcher, "off")
    for batch in batches(events, BATCH):
        await matcher.tell(batch)
        done += len(batch)
        advance(done)
    await _lax(matcher, "on")
    async with matcher.database.engine.connect() as connection:
        alone = await connection.execution_options(isolation_level="AUTOCOMMIT")
        for statement in (
            "SET statement_timeout = 0", "TRUNCATE dirty", "VACUUM ANALYZE lot", "CHECKPOINT",
            "RESET statement_timeout",
        ):  # fmt: skip
            await alone.execute(text(statement))
    return time.perf_counter() - begun


async def mark(matcher: Driven, cells: Iterable[int]) -> None:
    """Let the neighbourhoods of *cells* be settled, in that order."""
    async with matcher.database.engine.begin() as connection:
        await connection.execute(_MARK, {"cells": list(cells)})


def cells_near(spots: Iterable[tuple[float, float]], km: float) -> list[int]:
    """The cells whose middle lies within *km* of the cell of any of *spots*."""
    found: dict[int, None] = {}
    for lat, lon in spots:
        found.update(dict.fromkeys(cells_around(cell_of(lat, lon), km)))
    return list(found)


class Watched:
    """Those of the forecasts that go by which lie within *km* of one of *spots*."""

    def __init__(self, spots: Sequence[tuple[float, float]], km: float) -> None:
        self.spots, self.km = spots, km
        self.cells = set(cells_near(spots, km + 10))
        self.events: list[ForecastUpdated] = []

    def among(self, told: Iterable[ForecastUpdated]) -> Iterator[ForecastUpdated]:
        """*told* as they are; those near are kept in `events`."""
        for one in told:
            lat, lon = one.place.lat, one.place.lon
            if cell_of(lat, lon) in self.cells and any(
                straight_km(lat, lon, *spot) <= self.km for spot in self.spots
            ):
                self.events.append(one)
            yield one


async def settle_around(matcher: Driven, spots: Sequence[tuple[float, float]]) -> list[float]:
    """Settle what lies around *spots*, from far to near, until changes there find it settled."""
    seconds: list[float] = []
    for part in (2.0, 1.5, 1.0, 0.5, 0.5):
        await mark(matcher, cells_near(spots, part * matcher.rules.radius_km))
        seconds += await matcher.settle()
        await matcher.announce()
    return seconds


async def _lax(matcher: Driven, commit: str) -> None:
    """Whether commits wait for the disk, *on* or *off*, from the next connection on."""
    async with matcher.database.engine.connect() as connection:
        alone = await connection.execution_options(isolation_level="AUTOCOMMIT")
        name = (await alone.execute(text("SELECT current_database()"))).scalar_one()
        await alone.execute(text(f"ALTER DATABASE {name} SET synchronous_commit = {commit}"))
    await matcher.database.engine.dispose()
