"""Rows as the driver gives them, for the questions of settlers: hundreds of rows at a time."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_BEGIN = text("SELECT 1")


async def plain_rows(session: AsyncSession, question: str, *told: Any) -> Sequence[Any]:
    """
    The rows that answer *question* (`$1`, `$2` …) in the transaction of *session*.

    Takes a third of the time of `session.execute`: 0.7 ms of processor for 240 lots, not 2.1.
    """
    driver = await _driver(session)
    if not driver.is_in_transaction():  # the session's own first statement begins it
        await session.execute(_BEGIN)
    rows: Sequence[Any] = await driver.fetch(question, *told)
    return rows


async def _driver(session: AsyncSession) -> Any:
    connection = await session.connection()
    return (await connection.get_raw_connection()).driver_connection
