"""Databases without tables, for migrations."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from shared.settings import SharedSettings
from shared.work import Database, Ledger

Made = Callable[[Ledger], Awaitable[Database]]


@pytest.fixture
async def bare(postgres_url: str) -> AsyncIterator[Made]:
    """`await bare(ledger)`: an empty database, dropped at the end of the test."""
    admin = create_async_engine(
        postgres_url.replace("postgresql://", "postgresql+asyncpg://") + "/postgres",
        isolation_level="AUTOCOMMIT",
    )
    opened: list[tuple[Database, str]] = []

    async def make(ledger: Ledger) -> Database:
        name = f"trail_{time.time_ns()}"
        async with admin.connect() as connection:
            await connection.execute(text(f"CREATE DATABASE {name}"))
        settings = SharedSettings(database_url=f"{postgres_url}/{name}", pool_connections=3)
        opened.append((Database.open(ledger, settings), name))
        return opened[-1][0]

    yield make
    for database, name in opened:
        await database.close()
        async with admin.connect() as connection:
            await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    await admin.dispose()
