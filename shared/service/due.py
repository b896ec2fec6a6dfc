"""Works off rows that are due: claimed by lease, handed one by one, never two at once."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import text

from shared import telemetry
from shared.service.card import Due, Handler
from shared.service.consume import delay_s
from shared.work import Database


class Worker:
    """Claims due rows of one table and hands each to *handler* with a work of its own."""

    def __init__(self, database: Database, due: Due, handler: Handler) -> None:
        self.database = database
        self.due = due
        self.handler = handler
        self.news = asyncio.Event()
        self.stopping = False
        self._working: set[asyncio.Task[None]] = set()
        key = ", ".join(due.key)
        same = " AND ".join(f"{name} = :{name}" for name in due.key)
        self._claim = text(
            f"""
            UPDATE {due.table} SET claimed_by = :token,
                claimed_until = now() + :lease * interval '1 second'
            WHERE ({key}) IN (
                -- a lease lost in a power cut is taken again: its commit need not wait for the disk
                SELECT {key} FROM {due.table},
                    (SELECT set_config('synchronous_commit', 'off', true)) AS lax
                WHERE due_at <= now() AND (claimed_until IS NULL OR claimed_until < now())
                ORDER BY due_at LIMIT :size FOR UPDATE OF {due.table} SKIP LOCKED
            )
            RETURNING *
            """
        )
        self._failed = text(
            f"""
            UPDATE {due.table} SET attempts = attempts + 1, claimed_by = NULL,
                claimed_until = NULL, due_at = now() + :delay * interval '1 second'
            WHERE {same} AND claimed_by = :token
            """
        )

    async def run(self) -> None:
        """Work off until stopped; look at once when woken, and every poll."""
        try:
            while not self.stopping:
                await self._look()
            if self._working:
                await asyncio.wait(self._working)
        finally:
            for task in self._working:
                task.cancel()

    async def _look(self) -> None:
        free = self.due.at_once - len(self._working)
        self.news.clear()  # before the claim: what wakes during it is looked for again
        try:
            rows = await self.claim(self.due.size if self.due.at_once == 1 else free)
        except Exception as error:
            telemetry.log().warning("due_waits", due=self.due.table, error=repr(error))
            await asyncio.sleep(1)
            return
        if rows and self.due.at_once == 1:
            begun = time.perf_counter()
            await self.hand_over(rows)
            await asyncio.sleep(min(1.0, (time.perf_counter() - begun) * self.due.rest))
        elif rows:
            await self._begin(rows)
        else:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.news.wait(), self.due.poll_s)

    async def _begin(self, rows: Sequence[Any]) -> None:
        # never wait for the slowest: one dead receiver would hold all others
        for row in rows:
            task = asyncio.create_task(self._one(row))
            self._working.add(task)
            task.add_done_callback(self._working.discard)
        if len(self._working) >= self.due.at_once:
            await asyncio.wait(self._working, return_when=asyncio.FIRST_COMPLETED)

    async def claim(self, size: int | None = None) -> Sequence[Any]:
        """Up to *size* due rows (else the card's number), now under this process's lease."""
        told = {
            "token": self.database.relay_token,
            "lease": self.due.lease_s,
            "size": min(self.due.size, size or self.due.size),
        }
        async with self.database.engine.begin() as connection:
            return (await connection.execute(self._claim, told)).all()

    async def hand_over(self, rows: Sequence[Any]) -> None:
        """Hand each of *rows* over, as many at once as the card allows."""
        if self.due.together and rows:
            await self._work(rows, rows)
        elif self.due.at_once == 1:
            for row in rows:
                await self._one(row)
        else:
            await asyncio.gather(*map(self._one, rows))

    async def _one(self, row: Any) -> None:
        await self._work(row, [row])

    async def _work(self, handed: Any, rows: Sequence[Any]) -> None:
        begun = time.perf_counter()
        try:
            async with self.database.begin_work() as work:
                await self.handler(handed, work)
            telemetry.due_worked.labels(self.due.table).inc(len(rows))
        except Exception as error:
            telemetry.log().warning(
                "due_failed", due=self.due.table, attempts=rows[0].attempts, error=repr(error)
            )
            for row in rows:
                await self._comes_back(row)
        telemetry.work_seconds.labels(self.due.table).observe(time.perf_counter() - begun)

    async def _comes_back(self, row: Any) -> None:
        told = {name: getattr(row, name) for name in self.due.key}
        told |= {
            "token": self.database.relay_token,
            "delay": delay_s(row.attempts + 1, first=0.2, cap=30.0),
        }
        with contextlib.suppress(Exception):  # the lease runs out by itself
            async with self.database.engine.begin() as connection:
                await connection.execute(self._failed, told)
