"""Databases without tables, and those that migrations made."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from deploy.cards import cards
from deploy.provision import upgrade
from shared.service import Service
from shared.settings import SharedSettings
from shared.work import Database, Ledger

Made = Callable[[Ledger], Awaitable[Database]]
KEEPING = [service for service in cards() if service.ledger is not None]
"""The services that have a database, and a trail in it."""


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


async def made(bare: Made, service: Service) -> Database:
    """The database of *service* as its migrations make it."""
    assert service.ledger is not None
    database: Database = await bare(service.ledger)
    async with database.engine.begin() as connection:
        await connection.run_sync(upgrade, service)
    return database


@pytest.fixture
async def migrated(bare: Made) -> Database:
    """The indicators' database as migrations make it."""
    return await made(bare, next(one for one in KEEPING if one.name == "indicators"))
