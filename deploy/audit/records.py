"""What is kept and what was told, read as plain rows, one transaction for each service."""

import json
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from nats.aio.client import Client
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from deploy.cards import cards
from deploy.provision import connected
from deploy.system import System
from shared.contracts.base import Event
from shared.service import Service, durable_of

Row = dict[str, Any]

TABLES: Mapping[str, tuple[str, ...]] = {
    "registry": ("intake", "organisation", "membership", "region", "project", "forecast", "area",
                 "delivery"),
    "matcher": ("lot", "area", "match", "match_past", "decision", "delivery", "road", "near_miss",
                "near"),
    "indicators": ("lot", "match", "load", "cell", "flow_cell", "load_cell", "title", "heard",
                   "figure"),
    "notifier": ("organisation", "member", "project", "match", "telling", "notification",
                 "inbox_entry", "near_miss", "notice", "duplicate", "duplicate_notice"),
}  # fmt: skip
"""The tables that are compared, by the service that keeps them; the mechanism's come beside."""

_JOURNAL = """
    SELECT id::text AS id, name, subject, created_at, published_at IS NOT NULL AS published,
           published_at IS NULL AND claimed_until > now() AS held, payload
    FROM outbox ORDER BY outbox.id
"""
_INBOX = "SELECT durable, source, event_id, heard_at FROM inbox"
_DEAD = "SELECT durable, key, reason, replayed_at, discarded_at FROM dead_letter"


@dataclass(frozen=True)
class Told:
    """An event as its owner's journal keeps it."""

    id: str
    name: str
    subject: str
    at: datetime
    is_published: bool
    is_held: bool
    payload: bytes = field(repr=False)

    @cached_property
    def body(self) -> Row:
        """What it says."""
        return dict(json.loads(self.payload))

    @property
    def region(self) -> str:
        return str(self.body["region"])


@dataclass(frozen=True)
class Sources:
    """Where the records are read: the cards, their databases, the two accounts of NATS."""

    services: Mapping[str, Service]
    engines: Mapping[str, AsyncEngine]
    platform: Client
    intake: Client


@asynccontextmanager
async def opened(system: System) -> AsyncIterator[Sources]:
    """The sources of *system*, closed at the end."""
    services = {one.name: one for one in cards(postgres_url=system.postgres_url)}
    ring = system.ring
    async with AsyncExitStack() as stack:
        engines = {}
        for name, service in services.items():
            if service.ledger is not None:
                engines[name] = create_async_engine(service.settings.database_of(name))
                stack.push_async_callback(engines[name].dispose)
        clients = [
            await stack.enter_async_context(
                connected(system.nats_url, ring.nats_seed(user).read_text(), "audit")
            )
            for user in ("admin", "intake-admin")
        ]
        yield Sources(services, engines, *clients)


@dataclass
class Kept:
    """One service's records: its tables, its journal, its inbox and its dead letters."""

    service: Service
    tables: dict[str, list[Row]] = field(default_factory=dict)
    journal: list[Told] = field(default_factory=list)
    inbox: list[Row] = field(default_factory=list)
    dead: list[Row] = field(default_factory=list)

    @cached_property
    def by_name(self) -> dict[str, list[Told]]:
        """The journal by the name of the event."""
        found: dict[str, list[Told]] = defaultdict(list)
        for told in self.journal:
            found[told.name].append(told)
        return found

    @cached_property
    def set_aside(self) -> dict[str, dict[str, Row]]:
        """Dead letters that were not replayed: durable → key → letter."""
        found: dict[str, dict[str, Row]] = defaultdict(dict)
        for row in self.dead:
            if row["replayed_at"] is None:
                found[row["durable"]][row["key"]] = row
        return found


@dataclass
class Records:
    """Everything that an audit looks at."""

    kept: dict[str, Kept]
    doors: dict[str, int]
    """Messages that wait in each intake stream."""

    @property
    def told(self) -> dict[str, int]:
        """How many events each service has told."""
        return {name: len(kept.journal) for name, kept in self.kept.items()}

    def __getitem__(self, name: str) -> Kept:
        return self.kept[name]

    def rows(self, service: str, table: str) -> list[Row]:
        return self.kept[service].tables[table]

    def announced(self, contract: type[Event]) -> list[Told]:
        """Every event of *contract* that its owner ever told, in the order of telling."""
        return self.kept[contract.owner()].by_name.get(contract.name, [])

    def heard(self, reader: str, *contracts: type[Event]) -> list[Told]:
        """What *reader* must have applied: all that was announced, but for its dead letters."""
        found = []
        for contract in contracts:
            dead = self.kept[reader].set_aside.get(durable_of(reader, contract), {})
            source = f"/massakoppi/{contract.owner()}"
            found += [one for one in self.announced(contract) if f"{source} {one.id}" not in dead]
        return found


def newest(told: Iterable[Told], key: str) -> dict[str, Told]:
    """Of each thing (named by the body's *key*) the event of the highest revision."""
    found: dict[str, Told] = {}
    for one in told:
        known = found.get(one.body[key])
        if known is None or known.body["revision"] < one.body["revision"]:
            found[one.body[key]] = one
    return found


async def read(sources: Sources) -> Records:
    """Read all of *sources*."""
    kept = {}
    for name, engine in sources.engines.items():
        async with engine.connect() as connection:
            await connection.execution_options(isolation_level="REPEATABLE READ")
            kept[name] = await _kept(connection, sources.services[name])
    streams = await sources.intake.jetstream().streams_info()
    doors = {
        str(one.config.name): int(one.state.messages)
        for one in streams
        if str(one.config.name).startswith("intake-")
    }
    return Records(kept, doors)


async def _kept(connection: AsyncConnection, service: Service) -> Kept:
    await connection.execute(text("SET LOCAL statement_timeout = 0"))
    await connection.execute(text("SET LOCAL TIME ZONE 'UTC'"))
    kept = Kept(service)
    for table in TABLES[service.name]:
        kept.tables[table] = await _rows(connection, f"SELECT * FROM {table}")
    kept.journal = [Told(*row) for row in await connection.execute(text(_JOURNAL))]
    kept.inbox = await _rows(connection, _INBOX)
    kept.dead = await _rows(connection, _DEAD)
    return kept


async def _rows(connection: AsyncConnection, question: str) -> list[Row]:
    # as JSON, so that every service's types read alike: ids and moments as text
    told = await connection.execute(text(f"SELECT row_to_json(t)::text FROM ({question}) AS t"))
    return [json.loads(row[0]) for row in told]
