"""A matcher on a database of its own: hears events, works off what is due, shows what it told."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from services.matcher import handlers, store
from services.matcher.domain import Rules, Stands
from shared.service.due import Worker
from shared.settings import SharedSettings
from shared.work import Database

WORKERS = {
    "dirty": (store.dirty, handlers.settle),
    "sweep": (store.sweep, handlers.sweep),
    "tell": (store.tell, handlers.tell),
    "near": (store.near, handlers.near),
}


@dataclass
class Matcher:
    """One matcher process, as far as it reaches without NATS and HTTP."""

    database: Database
    rules: Rules

    async def hears(self, *events: Any) -> None:
        """The batch handler gets *events* in one work."""
        async with self.database.begin_work(correlation="heard") as work:
            await handlers.keep_forecasts(events, work, rules=self.rules)

    async def hears_as_it_runs(self, *events: Any) -> None:
        """The handler of its card gets *events* in one work: alone in the quiet, one is settled."""
        async with self.database.begin_work(correlation="heard") as work:
            await handlers.keep_and_settle(events, work, rules=self.rules)

    async def works_off(self, *tables: str) -> int:
        """Everything due in *tables* (all of them, unless told), until nothing is due."""
        done = 0
        while True:
            found = [await self._once(name) for name in tables or WORKERS]
            done += sum(found)
            if not any(found):
                return done

    async def _once(self, name: str) -> int:
        due, handler = WORKERS[name]
        worker = Worker(self.database, due, partial(handler, rules=self.rules))
        rows = await worker.claim()
        await worker.hand_over(rows)
        return len(rows)

    async def hears_and_settles(self, *events: Any) -> list[Stands]:
        """Hear of *events*, then settle what became dirty; what stands then."""
        await self.hears(*events)
        await self.works_off("dirty")
        return await self.standing()

    async def standing(self) -> list[Stands]:
        async with self.database.session() as session:
            return [one for one in await store.what_stands(session) if one.standing == 1]

    async def settles_all(self, **told: int) -> dict[str, Any]:
        async with self.database.begin_work() as work:
            return await handlers.settle_all(work, self.rules, **told)

    async def told(self, name: str = "") -> list[dict[str, Any]]:
        """The bodies announced so far whose event's name contains *name*, in their order."""
        rows = await self.rows("SELECT name, subject, headers, payload FROM outbox ORDER BY id")
        return [
            {"name": row.name, "subject": row.subject, **json.loads(row.payload)}
            for row in rows
            if name in row.name
        ]

    async def rows(self, question: str, **told: Any) -> Sequence[Any]:
        async with self.database.session() as session:
            return (await session.execute(text(question), told)).all()

    async def changes(self, statement: str, **told: Any) -> None:
        async with self.database.session() as session:
            await session.execute(text(statement), told)
            await session.commit()

    def beside(self, **rules: Any) -> "Matcher":
        """Another matcher on the same database."""
        return Matcher(self.database, replace(self.rules, **rules))


@pytest.fixture(scope="session")
async def emptied(postgres_url: str) -> AsyncIterator[Database]:
    """One database for all tests of the matcher: emptied is quicker than made anew."""
    admin = create_async_engine(
        f"{postgres_url}/postgres".replace("postgresql://", "postgresql+asyncpg://"),
        isolation_level="AUTOCOMMIT",
    )
    async with admin.connect() as connection:
        await connection.execute(text("CREATE DATABASE t_matcher"))
    made = Database.open(
        store.ledger,
        SharedSettings(database_url=f"{postgres_url}/t_matcher", pool_connections=20),
    )
    async with made.engine.begin() as connection:
        await connection.run_sync(store.ledger.metadata.create_all)
    yield made
    await made.close()
    async with admin.connect() as connection:
        await connection.execute(text("DROP DATABASE t_matcher WITH (FORCE)"))
    await admin.dispose()


@pytest.fixture
async def matcher(emptied: Database) -> AsyncIterator[Matcher]:
    """A matcher with nothing in it yet, that sweeps at once."""
    tables = ", ".join(table.name for table in store.ledger.metadata.sorted_tables)
    async with emptied.engine.begin() as connection:
        await connection.execute(text(f"TRUNCATE {tables}"))
    yield Matcher(emptied, Rules(sweep_after_s=0.0, near_after_s=0.0))


async def over_committed(matcher: Matcher) -> list[Any]:
    """Lots whose standing matches take more than their forecast says."""
    return list(
        await matcher.rows(
            """
            SELECT lot.id, likely, sum(tonnes) FROM lot JOIN match
                ON standing = 1 AND lot.id IN (surplus_id, need_id)
            GROUP BY lot.id HAVING sum(tonnes) > likely
            """
        )
    )
