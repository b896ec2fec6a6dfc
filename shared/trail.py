"""Who saw and changed what: rows that only grow, sealed day by day in a chain of hashes."""

import hashlib
import json
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import (
    TIMESTAMP,
    Column,
    Date,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    insert,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from shared.contracts.base import uuid7

DAY = timedelta(days=1)
SETTLED = timedelta(minutes=15)
"""After midnight, until a day is sealed: longer than a clock differs or a request takes."""
BEFORE_ALL = "0" * 64
PRUNED = "trail-pruned"


class NotPruned(ValueError):
    """The trail keeps its rows: too young, or of a day that is not sealed."""


def trail_tables(metadata: MetaData) -> tuple[Table, Table]:
    """
    The tables `trail` and `trail_seal`.

    Migrations refuse their change and loss by triggers (`ONLY_GROWS`); *day* is the installation's.
    """
    trail = Table(
        "trail",
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("at", TIMESTAMP(timezone=True), nullable=False),
        Column("day", Date, nullable=False),
        Column("subject", Text, nullable=False),
        Column("acting_for", ARRAY(Text), nullable=False),
        Column("action", Text, nullable=False),
        Column("object", Text, nullable=False),
        Column("about", ARRAY(Text), nullable=False),
        Column("correlation", Text),
        Column("what", JSONB, nullable=False),
        Index("ix_trail_day", "day", "id"),
    )
    seal = Table(
        "trail_seal",
        metadata,
        Column("day", Date, primary_key=True),
        Column("rows", Integer, nullable=False),
        Column("digest", Text, nullable=False),
        Column("seal", Text, nullable=False),
        Column("sealed_at", TIMESTAMP(timezone=True), nullable=False),
    )
    return trail, seal


ONLY_GROWS = """
CREATE OR REPLACE FUNCTION only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND TG_TABLE_NAME = 'trail' THEN
        IF OLD.day < NULLIF(current_setting('massakoppi.prune_before', true), '')::date THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION '% only grows: % refused', TG_TABLE_NAME, TG_OP;
END $$
"""


def only_grows(*tables: str) -> list[str]:
    """Commands for a migration, after which nobody changes or removes rows of *tables*."""
    told = [ONLY_GROWS]
    for table in tables:
        told += [
            f"CREATE TRIGGER {table}_keeps_rows BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION only_grows()",
            f"CREATE TRIGGER {table}_keeps_all BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION only_grows()",
        ]
    return told


@dataclass(frozen=True, slots=True)
class Noted:
    """
    One row to be: *subject* (`person/…`) did *action* to *object*, for organisations *acting_for*.

    *about*: the organisations concerned. *what*: ids, codes and counts, never names or free text.
    """

    subject: str
    action: str
    object: str
    about: Collection[str] = ()
    acting_for: Collection[str] = ()
    what: dict[str, Any] = field(default_factory=dict)
    id: UUID = field(default_factory=uuid7)

    def acting(self, organisations: Collection[str]) -> "Noted":
        """The same, done for *organisations*."""
        return replace(self, acting_for=organisations)

    def row(self, zone: ZoneInfo, correlation: str | None) -> dict[str, Any]:
        """The columns, at this moment."""
        at = datetime.now(UTC)
        return {
            "id": self.id,
            "at": at,
            "day": at.astimezone(zone).date(),
            "subject": self.subject,
            "acting_for": sorted(set(self.acting_for)),
            "action": self.action,
            "object": self.object[:300],
            "about": sorted(set(self.about)),
            "correlation": correlation and correlation[:100],
            "what": self.what,
        }


async def write_noted(
    session: AsyncSession | AsyncConnection,
    trail: Table,
    noted: Iterable[Noted],
    zone: ZoneInfo,
    correlation: str | None,
) -> None:
    """Add *noted* in the transaction of *session*."""
    await session.execute(insert(trail), [one.row(zone, correlation) for one in noted])


_CHANGED = text("""
    SELECT CASE WHEN current_setting('track_counts')::boolean THEN (
        SELECT sum(pg_stat_get_xact_tuples_inserted(oid) + pg_stat_get_xact_tuples_updated(oid)
                   + pg_stat_get_xact_tuples_deleted(oid))
        FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace
    ) END
""")


async def rows_changed(session: AsyncSession) -> int | None:
    """
    A count that grows with each row changed in this transaction, and not with a mere lock.

    It begins anywhere. None where the server does not count.
    """
    counted = (await session.execute(_CHANGED)).scalar_one()
    return None if counted is None else int(counted)


# the chain


def canonical(row: Any) -> bytes:
    """The bytes that stand for *row*, one line."""
    told = [str(row.id), row.at.astimezone(UTC).isoformat(), str(row.day), row.subject,
            row.acting_for, row.action, row.object, row.about, row.correlation,
            row.what]  # fmt: skip
    return json.dumps(told, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode() + (
        b"\n"
    )


def sealed(previous: str, day: date, rows: int, digest: str) -> str:
    """The seal of *day*, which also stands for every day before it."""
    return hashlib.sha256(f"{previous}|{day}|{rows}|{digest}".encode()).hexdigest()


_ALONE = text("SELECT pg_try_advisory_xact_lock(hashtext('massakoppi seals'))")
_LAST_SEAL = text("SELECT day, seal FROM trail_seal ORDER BY day DESC LIMIT 1")
_FIRST_ROW = text("SELECT min(day) FROM trail")
_STILL_WRITING = text("""
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
      AND backend_xid IS NOT NULL AND xact_start < :over
""")
_ROWS = text("SELECT * FROM trail WHERE day = :day ORDER BY id")
_SEAL = text("""
    INSERT INTO trail_seal (day, rows, digest, seal, sealed_at)
    VALUES (:day, :rows, :digest, :seal, :now)
""")


@dataclass(frozen=True, slots=True)
class Seal:
    """A sealed day."""

    day: date
    rows: int
    seal: str


async def seal_days(engine: AsyncEngine, zone: ZoneInfo, now: datetime) -> list[Seal]:
    """
    Seal each day that is over, also one without rows; those sealed now.

    One process at a time; the others find nothing to do. A day waits while a transaction that
    began in it still writes.
    """
    found = []
    while (one := await _seal_next(engine, zone, now)) is not None:
        found.append(one)
    return found


async def _seal_next(engine: AsyncEngine, zone: ZoneInfo, now: datetime) -> Seal | None:
    finished = (now - SETTLED).astimezone(zone).date() - DAY
    async with engine.begin() as connection:
        if not (await connection.execute(_ALONE)).scalar_one():
            return None
        last = (await connection.execute(_LAST_SEAL)).first()
        day = last.day + DAY if last else (
            (await connection.execute(_FIRST_ROW)).scalar_one() or finished
        )  # fmt: skip
        if day > finished:
            return None
        over = datetime.combine(day + DAY, datetime.min.time(), zone)
        if (await connection.execute(_STILL_WRITING, {"over": over})).scalar_one():
            return None
        rows, digest = 0, hashlib.sha256()
        async with connection.stream(_ROWS, {"day": day}) as streamed:
            async for row in streamed:
                digest.update(canonical(row))
                rows += 1
        seal = sealed(last.seal if last else BEFORE_ALL, day, rows, digest.hexdigest())
        told = {"day": day, "rows": rows, "digest": digest.hexdigest(), "seal": seal, "now": now}
        await connection.execute(_SEAL, told)
    return Seal(day, rows, seal)


@dataclass(frozen=True, slots=True)
class Verified:
    """
    What a check of one trail found: *fault* is the first day that disagrees, and why.

    *seals*: day → seal; *seal* is the last one. *waiting*: days with rows after it, of which
    nothing is proved yet.
    """

    rows: int
    days: int
    until: date | None
    seal: str
    seals: Mapping[date, str]
    pruned_before: date | None
    waiting: tuple[date, ...]
    fault: tuple[date, str] | None


async def last_seal(engine: AsyncEngine) -> tuple[date, str] | None:
    """The newest sealed day and its seal; None before the first."""
    async with engine.connect() as connection:
        found = (await connection.execute(_LAST_SEAL)).first()
    return (found.day, found.seal) if found else None


_SEALS = text("SELECT * FROM trail_seal ORDER BY day")
_ALL = text("SELECT * FROM trail ORDER BY day, id")
_LAST_PRUNED = text(f"SELECT max(what ->> 'before') FROM trail WHERE action = '{PRUNED}'")


async def verify(engine: AsyncEngine) -> Verified:
    """Work out every seal anew, from one snapshot."""
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ")
        await connection.execute(text("SET LOCAL statement_timeout = 0"))
        seals = {one.day: one for one in await connection.execute(_SEALS)}
        told = (await connection.execute(_LAST_PRUNED)).scalar_one()
        pruned = date.fromisoformat(told) if told else None
        found = {day: found async for day, found in _days(connection)}
    last = max(seals, default=None)
    return Verified(
        rows=sum(count for count, _ in found.values()),
        days=len(seals),
        until=last,
        seal=seals[last].seal if last else "",
        seals={day: one.seal for day, one in seals.items()},
        pruned_before=pruned,
        waiting=tuple(day for day in sorted(found) if last is None or day > last),
        fault=_first_fault(seals, found, pruned),
    )


async def _days(connection: AsyncConnection) -> AsyncIterator[tuple[date, tuple[int, str]]]:
    """Each day that has rows, with their count and digest."""
    day, count, summed = None, 0, hashlib.sha256()
    async with connection.stream(_ALL) as streamed:
        async for row in streamed:
            if day is not None and row.day != day:
                yield day, (count, summed.hexdigest())
                count, summed = 0, hashlib.sha256()
            day, count = row.day, count + 1
            summed.update(canonical(row))
    if day is not None:
        yield day, (count, summed.hexdigest())


def _first_fault(
    seals: dict[date, Any], found: dict[date, tuple[int, str]], pruned: date | None
) -> tuple[date, str] | None:
    if not seals:
        return None
    first, last = min(seals), max(seals)
    if early := [day for day in found if day < first]:
        return min(early), "rows before the first sealed day"
    previous, day = BEFORE_ALL, first
    while day <= last:
        seal = seals.get(day)
        if why := _fault(seal, previous, found.get(day), day < (pruned or first)):
            return day, why
        assert seal is not None
        previous, day = seal.seal, day + DAY
    return None


def _fault(
    seal: Any | None, previous: str, found: tuple[int, str] | None, pruned: bool
) -> str | None:
    if seal is None:
        return "its seal is missing"
    if seal.seal != sealed(previous, seal.day, seal.rows, seal.digest):
        return "the seal is not that of its row and of the day before"
    if found is None and pruned:
        return None
    count, digest = found or (0, hashlib.sha256().hexdigest())
    if count != seal.rows:
        return f"{count} rows, sealed were {seal.rows}"
    return None if digest == seal.digest else "a row is not as it was sealed"


# the only way out


def years_before(day: date, years: int) -> date:
    """The same day, *years* earlier."""
    try:
        return day.replace(year=day.year - years)
    except ValueError:  # the 29th of February
        return date(day.year - years, 3, 1)


async def prune(
    engine: AsyncEngine, trail: Table, zone: ZoneInfo, *, before: date, keep_years: int, by: str
) -> int:
    """
    Remove the rows of days before *before*; how many. The seals stay, and a new row says so.

    Raises `NotPruned` for days that are younger than *keep_years* or not sealed.
    """
    youngest = years_before(datetime.now(zone).date(), keep_years)
    if before > youngest:
        raise NotPruned(
            f"--before {before}: the trail is kept for {keep_years} years; "
            f"give {youngest} or earlier"
        )
    async with engine.begin() as connection:
        last = (await connection.execute(_LAST_SEAL)).first()
        first = (await connection.execute(_FIRST_ROW)).scalar_one()
        if first is not None and first < before and (last is None or last.day < before - DAY):
            raise NotPruned(
                f"--before {before}: sealed only until {last.day if last else 'never'}; "
                "let the service run until its days are sealed"
            )
        await connection.execute(text("SET LOCAL statement_timeout = 0"))
        await connection.execute(
            text("SELECT set_config('massakoppi.prune_before', :before, true)"),
            {"before": str(before)},
        )
        gone = await connection.execute(
            text("DELETE FROM trail WHERE day < :before"), {"before": before}
        )
        if gone.rowcount:
            what = {"before": str(before), "rows": gone.rowcount}
            await write_noted(
                connection, trail, [Noted(by, PRUNED, "trail", what=what)], zone, None
            )
    return int(gone.rowcount)
