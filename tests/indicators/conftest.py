"""The indicators' database, empty, for real commits."""

from collections.abc import Awaitable, Callable

import pytest

from services.indicators import store
from shared.work import Database


@pytest.fixture
async def database(database_for: Callable[..., Awaitable[Database]]) -> Database:
    """An empty database with the indicators' tables."""
    return await database_for(store.ledger)
