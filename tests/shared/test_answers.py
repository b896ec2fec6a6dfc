"""What HTTP answers when something is wrong with the asking, with us, or with a server."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from fastapi import APIRouter
from sqlalchemy import text

from deploy.servers import Nats
from shared.http import Reading
from tests.shared.listener import MakeDatabase, World, listener, listening

router = APIRouter()


@router.get("/word")
async def word(session: Reading, is_: str = "") -> str:
    """The same word, by way of the database."""
    return str((await session.execute(text("SELECT CAST(:is AS text)"), {"is": is_})).scalar_one())


@router.get("/fault")
async def fault(session: Reading) -> None:
    """A fault of ours."""
    await session.execute(text("SELECT * FROM nothing_of_that_name"))


@router.get("/away")
async def away() -> None:
    """The database is away."""
    raise ConnectionRefusedError


@pytest.fixture
async def asked(nats_server: Nats, database_for: MakeDatabase) -> AsyncIterator[World]:
    """A listener with a page."""
    async with listening(nats_server, await database_for(listener), api=router) as made:
        yield made


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/word?is_=%00", 422, "request_invalid"),
        ("/fault", 500, "failed"),
        ("/away", 503, "database_away"),
    ],
)
async def test_what_is_wrong_is_told_as_what_it_is(
    asked: World, path: str, status: int, code: str
) -> None:
    """Only a server that is away asks the caller to come again."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{asked.live.url}{path}") as answer,
    ):
        told = await answer.json(content_type=None)
    assert (answer.status, told["code"]) == (status, code)
    assert ("Retry-After" in answer.headers) == (status == 503)
