"""Looks on their way to the trail: those that wait at the same time share one commit."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any

from asyncpg import DataError
from sqlalchemy.ext.asyncio import AsyncEngine

_WRITE = """
    INSERT INTO trail (id, at, day, subject, acting_for, action, object, about, correlation, what)
    SELECT id, at, day, subject, acting_for, action, object, about, correlation, what
    FROM jsonb_to_recordset($1::jsonb) AS told(
        id uuid, at timestamptz, day date, subject text, acting_for text[], action text,
        object text, about text[], correlation text, what jsonb)
"""
_MOST = 200
"""Rows in one commit."""
Row = Mapping[str, Any]


class Looks:
    """
    Writes rows of the trail, each durable when `add` returns; raises what the driver raises.

    One statement is under way at a time; what comes meanwhile goes with the next. It has a
    connection of its own: who waits for a look may hold one of the pool's.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self._waiting: list[tuple[Row, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def add(self, row: Row) -> None:
        """Put *row*, as `Noted.row` tells it, on the trail."""
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((row, written))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all(), name="looks")
        await written

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                some, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
                await self._settle(some)
        finally:
            self._writing = None

    async def _settle(self, some: Sequence[tuple[Row, asyncio.Future[None]]]) -> None:
        """Write *some*; where the server cannot read a value of one, each alone."""
        error = await self._tried([row for row, _ in some])
        apart = isinstance(error, DataError) and len(some) > 1
        for row, written in some:
            alone = await self._tried([row]) if apart else error
            if written.done():  # who asked is gone
                continue
            if alone is None:
                written.set_result(None)
            else:
                written.set_exception(alone)

    async def _tried(self, rows: Sequence[Row]) -> Exception | None:
        try:
            await self._write(rows)
        except Exception as error:
            return error
        return None

    async def _write(self, rows: Sequence[Row]) -> None:
        told = json.dumps(rows, default=str)
        async with self.engine.connect() as connection:
            driver: Any = (await connection.get_raw_connection()).driver_connection
            try:
                await driver.execute(_WRITE, told)  # outside of a transaction: it commits itself
            except Exception:
                await connection.invalidate()
                raise
