"""The trail only grows, and what was rewritten all the same is found."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from deploy.trail import Kept, NotASeal, compared, read_kept
from shared.service import Service
from shared.trail import NotPruned, Verified, last_seal, prune, seal_days, verify
from shared.work import Database
from tests.trail.conftest import KEEPING, Made, made

HELSINKI = ZoneInfo("Europe/Helsinki")
TODAY = datetime(2026, 5, 20, 12, tzinfo=UTC)
FIRST = date(2026, 5, 16)


async def as_superuser(database: Database, *commands: str) -> None:
    """Do what no trigger sees."""
    async with database.engine.begin() as connection:
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        for command in commands:
            await connection.execute(text(command))


@pytest.fixture
async def four_days(migrated: Database) -> Database:
    """Rows on the 16th, 17th and 19th, none on the 18th; all four days are sealed."""
    for day, objects in ((16, "ab"), (17, "cde"), (19, "f")):
        for number, object in enumerate(objects):
            await add(migrated, day, number, object)
    sealed = await seal_days(migrated.engine, HELSINKI, TODAY)
    assert [(one.day.day, one.rows) for one in sealed] == [(16, 2), (17, 3), (18, 0), (19, 1)]
    return migrated


async def add(database: Database, day: int, number: int, object: str) -> None:
    async with database.engine.begin() as connection:
        await connection.execute(
            text("INSERT INTO trail (id, at, day, subject, acting_for, action, object, about, "
                 "correlation, what) VALUES (:id, :at, :day, 'person/p', '{acme}', 'GET /x', "
                 ":object, '{beta}', NULL, '{\"query\": []}')"),
            {"id": f"019e{day:04}-0000-7000-8000-{number:012}", "object": object,
             "at": datetime(2026, 5, day, 9, number, tzinfo=UTC), "day": date(2026, 5, day)},
        )  # fmt: skip


async def test_a_trail_as_it_was_written_verifies(four_days: Database):
    """Every day that is over, and the rows of today are said to wait."""
    await add(four_days, 20, 0, "g")
    found = await verify(four_days.engine)
    assert (found.fault, found.days, found.rows) == (None, 4, 7)
    assert (found.until, found.waiting) == (date(2026, 5, 19), (date(2026, 5, 20),))


@pytest.mark.parametrize(
    ("done", "day"),
    [
        ("UPDATE trail SET object = 'x' WHERE object = 'd'", 17),
        ("UPDATE trail SET what = '{\"query\": [\"a\"]}' WHERE object = 'f'", 19),
        ("DELETE FROM trail WHERE object = 'a'", 16),
        ("DELETE FROM trail WHERE day = '2026-05-17'", 17),
        ("INSERT INTO trail SELECT '019e0018-0000-7000-8000-000000000009', at, '2026-05-18', "
         "subject, acting_for, action, object, about, correlation, what FROM trail "
         "WHERE object = 'a'", 18),
        ("INSERT INTO trail SELECT '019e0001-0000-7000-8000-000000000009', at, '2026-05-01', "
         "subject, acting_for, action, object, about, correlation, what FROM trail "
         "WHERE object = 'a'", 1),
        ("UPDATE trail SET object = CASE object WHEN 'c' THEN 'd' ELSE 'c' END "
         "WHERE object IN ('c', 'd')", 17),
        ("UPDATE trail SET day = '2026-05-18' WHERE object = 'e'", 17),
        ("DELETE FROM trail_seal WHERE day = '2026-05-17'", 17),
        ("UPDATE trail_seal SET rows = 5 WHERE day = '2026-05-18'", 18),
    ],
    ids=["changed", "its-details-changed", "removed", "a-day-removed", "added", "added-before-all",
         "reordered", "moved-to-another-day", "a-seal-removed", "a-seal-changed"],
)  # fmt: skip
async def test_what_a_superuser_rewrites_is_found(four_days: Database, done: str, day: int):
    """The first day that does not agree is named."""
    await as_superuser(four_days, done)
    fault = (await verify(four_days.engine)).fault
    assert fault is not None
    assert fault[0] == date(2026, 5, day)


async def test_a_chain_that_was_written_anew_is_told_by_a_seal_kept_elsewhere(four_days: Database):
    """Whoever rewrites the end with new seals is consistent, but the last seal is another."""
    kept = await last_seal(four_days.engine)
    assert kept is not None
    outside = [Kept(kept[1], "indicators", kept[0])]
    assert compared({"indicators": await verify(four_days.engine)}, outside) == []
    await as_superuser(four_days, "DELETE FROM trail WHERE day = '2026-05-19'",
                       "DELETE FROM trail_seal WHERE day >= '2026-05-19'")  # fmt: skip
    before = await verify(four_days.engine)
    assert compared({"indicators": before}, outside)[0].endswith("and is gone")
    await seal_days(four_days.engine, HELSINKI, TODAY)
    after = await verify(four_days.engine)
    assert (before.fault, after.fault) == (None, None)
    assert compared({"indicators": after}, outside)[0].endswith(f"and is now {after.seal}")
    assert compared({"indicators": after}, [Kept(kept[1])]) == [
        f"the seal {kept[1]} is that of no day"
    ]


def test_seals_are_kept_as_they_were_printed_or_logged(tmp_path: Path):
    """Lines of other things are passed over; a file without a seal, and a mistyped one, are not."""
    seal, kept = "5e" * 32, tmp_path / "registry.log"
    told = {"service": "registry", "day": "2026-05-19", "seal": seal}
    kept.write_text("starting\n" + json.dumps({"event": "trail_sealed", **told, "rows": 3}) + "\n")
    assert read_kept(str(kept)) == [Kept(seal, "registry", date(2026, 5, 19))]
    assert read_kept(seal) == [Kept(seal)]
    kept.write_text("{}\n")
    for wrong in (str(kept), seal[:-1]):
        with pytest.raises(NotASeal):
            read_kept(wrong)


@pytest.mark.parametrize("service", KEEPING, ids=lambda one: one.name)
@pytest.mark.parametrize(
    "command",
    ["UPDATE {} SET day = day", "DELETE FROM {}", "TRUNCATE {}"],
    ids=["update", "delete", "truncate"],
)
async def test_every_services_trail_only_grows(bare: Made, service: Service, command: str):
    """Its own account cannot change a row, remove one, or empty the table."""
    database = await made(bare, service)
    await add(database, 16, 0, "a")
    await seal_days(database.engine, HELSINKI, TODAY)
    for table in ("trail", "trail_seal"):
        with pytest.raises(DBAPIError, match=f"{table} only grows"):
            async with database.engine.begin() as connection:
                await connection.execute(text(command.format(table)))


async def test_a_day_is_sealed_a_quarter_past_its_end_and_once(migrated: Database):
    """In the installation's zone; two that seal at once make one seal a day."""
    await add(migrated, 16, 0, "a")
    midnight = datetime(2026, 5, 17, tzinfo=HELSINKI)
    early = await seal_days(migrated.engine, HELSINKI, midnight + timedelta(minutes=14))
    late = await seal_days(migrated.engine, HELSINKI, midnight + timedelta(minutes=15))
    again = await seal_days(migrated.engine, HELSINKI, midnight + timedelta(minutes=16))
    assert ([len(early), len(late), len(again)]) == [0, 1, 0]


async def test_a_day_waits_for_who_still_writes_in_it(migrated: Database):
    """A transaction that is open might hold a row of the day."""
    later = datetime.now(UTC) + timedelta(days=2)
    async with migrated.session() as session:
        await session.execute(text("SELECT pg_current_xact_id()"))  # as the first change does
        assert await seal_days(migrated.engine, HELSINKI, later) == []
    assert len(await seal_days(migrated.engine, HELSINKI, later)) == 1


async def test_pruning_is_the_only_way_out_and_leaves_the_seals(four_days: Database):
    """It says so itself, the chain still holds, and young rows stay."""
    trail = four_days.ledger.trail
    with pytest.raises(NotPruned, match="kept for 6 years"):
        await prune(four_days.engine, trail, HELSINKI, before=date(2026, 5, 18), keep_years=6,
                    by="operator/operator")  # fmt: skip
    gone = await prune(four_days.engine, trail, HELSINKI, before=date(2026, 5, 18), keep_years=0,
                       by="operator/operator")  # fmt: skip
    found: Verified = await verify(four_days.engine)
    assert gone == 5
    assert (found.fault, found.days, found.pruned_before) == (None, 4, date(2026, 5, 18))
    await as_superuser(four_days, "DELETE FROM trail WHERE object = 'f'")
    fault = (await verify(four_days.engine)).fault
    assert fault is not None and fault[0] == date(2026, 5, 19)


async def test_days_that_are_not_sealed_are_not_pruned(migrated: Database):
    """Nothing leaves before there is a seal of it."""
    await add(migrated, 16, 0, "a")
    with pytest.raises(NotPruned, match="sealed only until never"):
        await prune(migrated.engine, migrated.ledger.trail, HELSINKI, before=date(2026, 5, 18),
                    keep_years=0, by="operator/operator")  # fmt: skip
