"""Rows that are due: handed one by one, or all that were claimed together."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import text

from shared.service.card import Due
from shared.service.due import Worker
from shared.work import Work
from tests.shared.listener import MakeDatabase, listener


async def test_rows_claimed_together_are_handed_in_one_work_and_fail_together(
    database_for: MakeDatabase,
) -> None:
    """All of a claim in one call; where that fails each comes back later, and none is lost."""
    database = await database_for(listener)
    async with database.engine.begin() as connection:
        await connection.execute(text("INSERT INTO errand (word) VALUES ('a'), ('b'), ('c')"))
    calls: list[list[str]] = []

    async def run_errands(rows: Sequence[Any], work: Work) -> None:
        calls.append(sorted(row.word for row in rows))
        await work.session.execute(text("DELETE FROM errand WHERE word <> 'c'"))
        if len(calls) == 1:
            raise RuntimeError("not yet")

    worker = Worker(database, Due("errand", ("word",), size=10, together=True), run_errands)
    await worker.hand_over(await worker.claim())
    async with database.engine.begin() as connection:
        found = (await connection.execute(text("SELECT * FROM errand"))).all()
        assert [(row.attempts, row.claimed_by) for row in found] == [(1, None)] * 3
        await connection.execute(text("UPDATE errand SET due_at = now()"))
    await worker.hand_over(await worker.claim())
    await worker.hand_over([])

    assert calls == [["a", "b", "c"]] * 2
    async with database.engine.connect() as connection:
        left = (await connection.execute(text("SELECT word FROM errand"))).scalars().all()
    assert left == ["c"]
