"""A world for tests of the mechanism: one stream, one service that listens."""

from collections.abc import AsyncIterator

import pytest

from deploy.servers import Nats
from tests.shared.listener import MakeDatabase, World, listener, listening


@pytest.fixture
async def world(nats_server: Nats, database_for: MakeDatabase) -> AsyncIterator[World]:
    """A listener that runs, with nothing told yet."""
    async with listening(nats_server, await database_for(listener)) as made:
        yield made
