"""One PostgreSQL transaction that holds what was heard, what changed and what is announced."""

import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from asyncpg import InterfaceError as ConnectionClosed
from asyncpg import InternalClientError as ConnectionEnds
from sqlalchemy import (
    TIMESTAMP,
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlmodel import Field, SQLModel

from shared.contracts.base import Event
from shared.looks import Looks
from shared.plain import plain_rows
from shared.settings import SharedSettings
from shared.trail import Noted, trail_tables, write_noted

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
MOMENT = TIMESTAMP(timezone=True)
LARGEST_PAYLOAD = 900_000  # bytes; the server's default limit is 1 MiB with headers


class DueRow(SQLModel):
    """The columns of rows that are worked off by lease, beside their key: `shared.service.Due`."""

    due_at: datetime = Field(sa_type=MOMENT)
    claimed_by: UUID | None = None
    claimed_until: datetime | None = Field(default=None, sa_type=MOMENT)
    attempts: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})


class TooLarge(Exception):
    """An announced event is larger than a stream takes."""


class Ledger:
    """
    The tables of one service: its own and the mechanism's, under a `MetaData` of its own.

    *heard* lists the tables that hold what others told: a rebuild empties these, and the inbox.
    """

    def __init__(self, service: str) -> None:
        self.service = service
        self.metadata = MetaData(naming_convention=NAMING)
        self.heard: list[str] = []
        self.outbox = Table(
            "outbox",
            self.metadata,
            Column("id", Uuid, primary_key=True),
            Column("name", Text, nullable=False),
            Column("stream", Text, nullable=False),
            Column("subject", Text, nullable=False),
            Column("headers", JSONB, nullable=False),
            Column("payload", LargeBinary, nullable=False),
            Column("created_at", MOMENT, nullable=False),
            Column("attempts", Integer, nullable=False, server_default="0"),
            Column("claimed_by", Uuid),
            Column("claimed_until", MOMENT),
            Column("published_at", MOMENT),
            Column("stream_seq", BigInteger),
            # the relay's claim: what is unsent, oldest first
            Index("ix_outbox_unsent", "created_at", postgresql_where=text("published_at IS NULL")),
        )
        self.inbox = Table(
            "inbox",
            self.metadata,
            Column("durable", Text, primary_key=True),
            Column("source", Text, primary_key=True),
            Column("event_id", Text, primary_key=True),
            Column("heard_at", MOMENT, nullable=False, server_default=text("now()")),
        )
        self.failure = Table(
            "event_failure",
            self.metadata,
            Column("durable", Text, primary_key=True),
            Column("key", Text, primary_key=True),
            Column("failures", Integer, nullable=False),
            Column("last_error", Text, nullable=False),
            Column("first_at", MOMENT, nullable=False, server_default=text("now()")),
        )
        self.dead_letter = Table(
            "dead_letter",
            self.metadata,
            Column("id", Uuid, primary_key=True),
            Column("durable", Text, nullable=False),
            Column("key", Text, nullable=False),
            Column("stream", Text, nullable=False),
            Column("stream_seq", BigInteger, nullable=False),
            Column("subject", Text, nullable=False),
            Column("headers", JSONB, nullable=False),
            Column("payload", LargeBinary, nullable=False),
            Column("reason", Text, nullable=False),
            Column("error", Text, nullable=False),
            Column("failures", Integer, nullable=False, server_default="0"),
            Column("dead_at", MOMENT, nullable=False, server_default=text("now()")),
            Column("replayed_at", MOMENT),
            Column("discarded_at", MOMENT),
            Column("settled_by", Text),
            Column("note", Text),
            UniqueConstraint("durable", "key"),
        )
        self.trail, self.trail_seal = trail_tables(self.metadata)

    def hears(self, *tables: str) -> None:
        """Say that *tables* hold what others told and can be made again from their journals."""
        self.heard.extend(tables)


@dataclass(frozen=True, slots=True)
class Letter:
    """An announced event on its way: the row of the outbox that carries it."""

    id: UUID
    name: str
    stream: str
    subject: str
    headers: dict[str, str]
    payload: bytes
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Signal:
    """«Look again», without content, for open pages."""

    topic: str
    region: str
    organisation: str = "-"
    id: str = ""
    revision: int = 0
    origin: str = ""


@dataclass
class Work:
    """
    One transaction: the session, what will be announced with it, and the only clock.

    *today* is in the installation's time zone. *origin* is the browser tab that asked, if one did.
    """

    session: AsyncSession
    now: datetime
    today: date
    correlation: str | None = None
    origin: str = ""
    letters: list[Letter] = field(default_factory=list)
    signals: list[Signal] = field(default_factory=list)
    woken: set[str] = field(default_factory=set)
    noted: list[Noted] = field(default_factory=list)

    def announce(self, event: Event) -> None:
        """Tell *event* when, and only if, this transaction commits."""
        payload = event.body()
        if len(payload) > LARGEST_PAYLOAD:
            raise TooLarge(f"{event.name} {event.id}: {len(payload)} bytes > {LARGEST_PAYLOAD}")
        headers = event.headers(correlation=self.correlation)
        self.letters.append(
            Letter(event.id, event.name, event.stream(), event.subject, headers, payload, event.at)
        )

    def signal(self, topic: str, region: str, organisation: str = "-", *, about: object = "",
               revision: int = 0) -> None:  # fmt: skip
        """Let open pages look again at *topic* after the commit."""
        self.signals.append(Signal(topic, region, organisation, str(about), revision, self.origin))

    def wake(self, due: str) -> None:
        """Something of *due* became due: its worker looks at once after the commit."""
        self.woken.add(due)

    def note(self, subject: str, action: str, object: str, *about: str, **what: Any) -> None:
        """Put on the trail who did what to what, of which organisations: `shared.trail.Noted`."""
        self.noted.append(Noted(subject, action, object, about, what=what))


WRITE_LETTERS = """
    INSERT INTO outbox (id, name, stream, subject, headers, payload, created_at,
                        claimed_by, claimed_until)
    SELECT id, name, stream, subject, headers::jsonb, payload, created_at,
           -- by the server's clock, which also ends the lease
           $8, clock_timestamp() + $9 * interval '1 second'
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[],
                $7::timestamptz[])
         AS told(id, name, stream, subject, headers, payload, created_at)
"""


async def write_letters(
    session: AsyncSession, letters: Sequence[Letter], claimed_by: UUID, lease_s: float
) -> None:
    """Put *letters* in the outbox, claimed by the relay that gets them after the commit."""
    await plain_rows(
        session,
        WRITE_LETTERS,
        [letter.id for letter in letters],
        [letter.name for letter in letters],
        [letter.stream for letter in letters],
        [letter.subject for letter in letters],
        [json.dumps(letter.headers) for letter in letters],
        [letter.payload for letter in letters],
        [letter.created_at for letter in letters],
        claimed_by,
        lease_s,
    )


class Database:
    """
    A service's database, and where its works begin.

    *handed* is told the letters and signals of each work after its commit, and what woke.
    """

    def __init__(self, ledger: Ledger, engine: AsyncEngine, settings: SharedSettings) -> None:
        self.ledger = ledger
        self.engine = engine
        self.zone: ZoneInfo = settings.zone
        self.relay_token = uuid4()
        self.lease_s = settings.relay_lease_s
        self.handed: Callable[[Work], None] = lambda work: None
        self.looks = Looks(engine)

    @classmethod
    def open(cls, ledger: Ledger, settings: SharedSettings) -> "Database":
        """A pool for *ledger*; nothing is connected before the first work."""
        opened = cls(ledger, _pool(ledger, settings, settings.pool_connections), settings)
        opened.looks = Looks(_pool(ledger, settings, 1))
        return opened

    async def close(self) -> None:
        await self.engine.dispose()
        await self.looks.engine.dispose()

    def session(self) -> AsyncSession:
        """A session that keeps its rows readable after the commit."""
        return AsyncSession(self.engine, expire_on_commit=False, autoflush=False)

    @asynccontextmanager
    async def begin_work(
        self, *, correlation: str | None = None, origin: str = ""
    ) -> AsyncIterator[Work]:
        """One transaction: committed with its announcements at the end, or nothing of it."""
        async with self.session() as session:
            work = self.work_in(session, correlation=correlation, origin=origin)
            yield work
            await self.write(work)
            await session.commit()
            self.handed(work)

    def work_in(
        self, session: AsyncSession, *, correlation: str | None = None, origin: str = ""
    ) -> Work:
        """A work in a transaction that somebody else commits."""
        now = datetime.now(UTC)
        return Work(session, now, now.astimezone(self.zone).date(), correlation, origin)

    async def write(self, work: Work) -> None:
        """Write what *work* announces and notes into its transaction."""
        if work.letters:
            await write_letters(work.session, work.letters, self.relay_token, self.lease_s)
        if work.noted:
            noted, trail = work.noted, self.ledger.trail
            await write_noted(work.session, trail, noted, self.zone, work.correlation)


def _pool(ledger: Ledger, settings: SharedSettings, connections: int) -> AsyncEngine:
    return create_async_engine(
        settings.database_of(ledger.service),
        pool_size=connections,
        max_overflow=0,
        pool_pre_ping=False,
        connect_args={
            "timeout": 5,
            "server_settings": {
                "application_name": f"massakoppi-{ledger.service}",
                "statement_timeout": "60000",
                "lock_timeout": "20000",
                "idle_in_transaction_session_timeout": "60000",
                "jit": "off",
            },
        },
    )


OUTAGES = ("08", "53", "57P", "58", "40001", "40P01", "55P03", "57014", "25006")


def is_outage(error: BaseException) -> bool:
    """Whether *error* is of the infrastructure, so that nothing is counted against the event."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ConnectionError | TimeoutError | OSError | PoolExhausted):
            return True
        broken = isinstance(seen, InterfaceError | ConnectionClosed | ConnectionEnds)
        if broken and not isinstance(seen, ValueError):
            return True
        if isinstance(seen, DBAPIError) and seen.connection_invalidated:
            return True
        state = getattr(seen, "sqlstate", None) or getattr(
            getattr(seen, "orig", None), "sqlstate", None
        )
        if state and str(state).startswith(OUTAGES):
            return True
        if type(seen).__module__.startswith("nats."):
            return True
        seen = seen.__cause__
    return False


_crash_at: dict[str, int] = {}


def crash_at(points: Iterable[str]) -> None:
    """Arm the named points, as `name` or `name:nth`: the process kills itself there. For tests."""
    for told in points:
        name, _, nth = told.partition(":")
        _crash_at[name] = int(nth or 1)


def point(name: str) -> None:
    """A place between two effects where a test may end the process, and nothing else."""
    if not _crash_at or name not in _crash_at:
        return
    _crash_at[name] -= 1
    if _crash_at[name] == 0:
        os.kill(os.getpid(), signal.SIGKILL)


crash_at(filter(None, os.environ.get("MASSAKOPPI_CRASH_AT", "").split(",")))
