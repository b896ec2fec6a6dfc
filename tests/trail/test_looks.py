"""Looks that wait at the same time share one commit, and each is durable or refused."""

import asyncio
from zoneinfo import ZoneInfo

import pytest
from asyncpg import DataError
from sqlalchemy import text

from shared.trail import Noted
from shared.work import Database, is_outage

HELSINKI = ZoneInfo("Europe/Helsinki")


def a_look(number: int, **what: str) -> dict[str, object]:
    noted = Noted("person/p", "GET /x", f"x/{number}", ("beta", "acme"), ("client",), what)
    return noted.row(HELSINKI, "c-1")


async def kept(database: Database) -> list[str]:
    async with database.engine.connect() as connection:
        return [*await connection.scalars(text("SELECT object FROM trail ORDER BY object"))]


async def test_looks_that_wait_together_share_a_commit_and_are_as_they_were_told(
    migrated: Database,
):
    """Whatever came before it began goes in one transaction."""
    rows = [a_look(number, query="a") for number in range(10, 50)]
    await asyncio.gather(*map(migrated.looks.add, rows))
    async with migrated.engine.connect() as connection:
        question = text("SELECT *, xmin::text FROM trail ORDER BY object")
        found = (await connection.execute(question)).all()
    assert len({one.xmin for one in found}) == 1
    assert [{name: getattr(one, name) for name in rows[0]} for one in found] == rows


async def test_a_look_that_cannot_be_kept_takes_no_other_with_it(migrated: Database):
    """A value that no text can be: whose it is is told, and the others are on the trail."""
    rows = [a_look(1), a_look(2, query="\x00"), a_look(3)]
    done = await asyncio.gather(*map(migrated.looks.add, rows), return_exceptions=True)
    assert [isinstance(one, DataError) for one in done] == [False, True, False]
    assert await kept(migrated) == ["x/1", "x/3"]


async def test_a_look_is_not_lost_when_who_waits_for_it_goes_away(migrated: Database):
    """Nor does it keep the others from theirs."""
    gone = asyncio.create_task(migrated.looks.add(a_look(1)))
    await asyncio.sleep(0)
    gone.cancel()
    await migrated.looks.add(a_look(2))
    assert await kept(migrated) == ["x/1", "x/2"]


async def test_looks_go_on_after_their_connection_broke(migrated: Database):
    """The one under way is refused, so that nothing is told; the next has a new connection."""
    await migrated.looks.add(a_look(1))
    async with migrated.engine.connect() as connection:
        await connection.execute(text(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ))  # fmt: skip
    with pytest.raises(Exception) as refused:
        await migrated.looks.add(a_look(2))
    assert is_outage(refused.value)
    await migrated.looks.add(a_look(3))
    assert await kept(migrated) == ["x/1", "x/3"]
