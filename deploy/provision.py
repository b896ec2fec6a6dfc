"""The only maker of streams, durables and databases: the same result however often it runs."""

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nats
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)
from nats.js.errors import NotFoundError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from shared.contracts.base import Event
from shared.service import Service, durable_of, intake_durable, intake_stream

DAY_S = 86_400.0
EVENTS_AGE_S = 30 * DAY_S
INBOX_AGE_S = 45 * DAY_S
DUPLICATE_WINDOW_S = 1_800.0
ACK_WAIT_S = 30.0


@dataclass(frozen=True)
class Quota:
    """
    What one organisation may leave at its door before the registry has read it.

    The server reserves the megabytes of every organisation against the account's limit.
    """

    messages: int = 200_000
    megabytes: int = 64
    message_kib: int = 256


@dataclass
class Drift:
    """What differs from the declaration: made, changed, or left as the operator set it."""

    made: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not (self.made or self.changed or self.left)

    def to_json(self) -> dict[str, list[str]]:
        return {"made": self.made, "changed": self.changed, "left": self.left}


@asynccontextmanager
async def connected(url: str, seed: str, name: str) -> AsyncIterator[Client]:
    """A connection as a user of the server, closed at the end."""

    async def quietly(_: Exception) -> None:
        """What is wrong is raised to the caller, not logged beside."""

    client = await nats.connect(
        url,
        nkeys_seed_str=seed.strip(),
        name=f"massakoppi-{name}",
        inbox_prefix=b"_INBOX_system" if name == "system" else b"_INBOX",
        connect_timeout=5,
        max_reconnect_attempts=3,
        error_cb=quietly,
    )
    try:
        yield client
    finally:
        await client.close()


def stream_of(name: str, subjects: Sequence[str], *, age_s: float = EVENTS_AGE_S) -> StreamConfig:
    """A stream of events or receipts: kept on disk for *age_s*, old ones make room."""
    return StreamConfig(
        name=name,
        subjects=list(subjects),
        retention=RetentionPolicy.LIMITS,
        storage=StorageType.FILE,
        discard=DiscardPolicy.OLD,
        max_age=age_s,
        duplicate_window=DUPLICATE_WINDOW_S,
        num_replicas=1,
        allow_direct=True,
    )


def intake_stream_of(organisation: str, quota: Quota) -> StreamConfig:
    """The door of *organisation*: a stream of its own, so no other's id or flood reaches it."""
    return StreamConfig(
        name=intake_stream(organisation),
        subjects=[f"intake.{organisation}.>"],
        # an answered event makes room; under *limits* it counts against the quota until it ages
        retention=RetentionPolicy.WORK_QUEUE,
        storage=StorageType.FILE,
        discard=DiscardPolicy.NEW,
        max_age=14 * DAY_S,
        max_msgs=quota.messages,
        max_bytes=quota.megabytes * 1024 * 1024,
        max_msg_size=quota.message_kib * 1024,
        duplicate_window=DUPLICATE_WINDOW_S,
        num_replicas=1,
        allow_direct=True,
    )


def durable_config(durable: str, subject: str, *, batch: int) -> ConsumerConfig:
    """A durable that starts at the stream's beginning; the inbox makes a repetition harmless."""
    return ConsumerConfig(
        durable_name=durable,
        filter_subject=subject,
        deliver_policy=DeliverPolicy.ALL,
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=ACK_WAIT_S,
        max_deliver=-1,
        # replicas × batches and room: a delayed event counts as pending too
        max_ack_pending=max(1_000, 16 * batch),
    )


STREAM_KEPT = ("subjects", "max_age", "max_bytes", "max_msgs", "max_msg_size", "duplicate_window")
DURABLE_KEPT = ("filter_subject", "max_ack_pending", "ack_wait", "max_deliver")


def differences(wanted: Any, found: Any, names: Sequence[str]) -> list[str]:
    """`name: found ≠ wanted` for each of *names* that differs."""
    told = []
    for name in names:
        one, other = getattr(wanted, name), getattr(found, name)
        if one is not None and one != other and not (one in (-1, 0) and other in (-1, 0, None)):
            told.append(f"{name} is {other}, declared {one}")
    return told


class Provision:
    """Compares the server with the declaration; makes what is missing unless only checking."""

    def __init__(
        self, js: JetStreamContext, *, check: bool = False, overwrite: bool = False
    ) -> None:
        self.js = js
        self.check = check
        self.overwrite = overwrite
        self.drift = Drift()

    async def stream(self, wanted: StreamConfig) -> None:
        """See to one stream. An existing one that differs is told, and changed only on demand."""
        name = str(wanted.name)
        wanted.metadata = {"massakoppi": _digest(wanted)}
        try:
            found = (await self.js.stream_info(name)).config
        except NotFoundError:
            self.drift.made.append(f"stream {name}")
            if not self.check:
                await self.js.add_stream(wanted)
            return
        differ = differences(wanted, found, STREAM_KEPT)
        if not differ:
            return
        told = f"stream {name}: {'; '.join(differ)}"
        if self.overwrite and not self.check:
            wanted.num_replicas = found.num_replicas  # the cluster's, and the operator's
            await self.js.update_stream(wanted)
            self.drift.changed.append(told)
        else:
            self.drift.left.append(told)

    async def durable(self, stream: str, wanted: ConsumerConfig) -> None:
        """See to one durable, likewise."""
        name = str(wanted.durable_name)
        try:
            found = (await self.js.consumer_info(stream, name)).config
        except NotFoundError:
            self.drift.made.append(f"durable {name}")
            if not self.check:
                with contextlib.suppress(NotFoundError):
                    await self.js.add_consumer(stream, wanted)
            return
        differ = differences(wanted, found, DURABLE_KEPT)
        if not differ:
            return
        told = f"durable {name}: {'; '.join(differ)}"
        if self.overwrite and not self.check:
            await self.js.add_consumer(stream, wanted)
            self.drift.changed.append(told)
        else:
            self.drift.left.append(told)


def _digest(wanted: StreamConfig) -> str:
    told = {name: getattr(wanted, name) for name in STREAM_KEPT}
    return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()[:16]


def announced(services: list[Service]) -> dict[type[Event], str]:
    """Each announced event with the one service that tells it; raises when two do."""
    told: dict[type[Event], str] = {}
    for service in services:
        for contract in service.announces:
            if contract in told:
                raise ValueError(
                    f"{contract.name} is announced by {told[contract]} and {service.name}"
                )
            told[contract] = service.name
    return told


def awaited(services: list[Service]) -> list[tuple[str, type[Event]]]:
    """Each (reader, event) pair of the cards."""
    return [(service.name, contract) for service in services for contract in service.reacts_to]


async def provision_platform(
    js: JetStreamContext, services: list[Service], *, check: bool = False, overwrite: bool = False
) -> Drift:
    """Streams of every announcing service and a durable for every awaited event."""
    told = announced(services)
    orphans = [f"{reader} awaits {e.name}" for reader, e in awaited(services) if e not in told]
    if orphans:
        raise ValueError(f"nobody announces what is awaited: {'; '.join(orphans)}")
    work = Provision(js, check=check, overwrite=overwrite)
    for owner in dict.fromkeys(told.values()):
        await work.stream(stream_of(f"events-{owner}", [f"events.{owner}.>"]))
    for reader, contract in awaited(services):
        handler = next(s for s in services if s.name == reader).reacts_to[contract]
        await work.durable(
            contract.stream(),
            durable_config(
                durable_of(reader, contract),
                contract.subjects(),
                batch=getattr(handler, "size", 1),
            ),
        )
    return work.drift


async def provision_intake(
    js: JetStreamContext,
    organisations: Sequence[str],
    *,
    quota: Quota | None = None,
    check: bool = False,
    overwrite: bool = False,
) -> Drift:
    """The streams of receipts and matches, and a door for each of *organisations*."""
    work = Provision(js, check=check, overwrite=overwrite)
    verdicts = ["receipts.*.accepted.*", "receipts.*.rejected.*"]
    await work.stream(stream_of("receipts", verdicts, age_s=7 * DAY_S))
    await work.stream(stream_of("matches", ["matches.>"], age_s=7 * DAY_S))
    for organisation in organisations:
        await work.stream(intake_stream_of(organisation, quota or Quota()))
        durable = durable_config(
            intake_durable(organisation), f"intake.{organisation}.>", batch=100
        )
        durable.max_ack_pending = 400
        await work.durable(intake_stream(organisation), durable)
    return work.drift


async def remove_intake(js: JetStreamContext, organisation: str) -> None:
    """Take the door of *organisation* away, with what is unread in it."""
    with contextlib.suppress(NotFoundError):
        await js.delete_stream(intake_stream(organisation))


async def reload(url: str, system_seed: str) -> bool:
    """Ask the server to read its configuration again; whether it did."""
    async with connected(url, system_seed, "system") as client:
        server = client._server_info["server_id"]  # nats-py shows the id nowhere else
        answer = await client.request(f"$SYS.REQ.SERVER.{server}.RELOAD", b"", timeout=5)
        told = json.loads(answer.data)
        return "error" not in told


async def sync_always(url: str, system_seed: str) -> bool:
    """Whether the server flushes each acknowledged event to the disk."""
    async with connected(url, system_seed, "system") as client:
        answer = await client.request("$SYS.REQ.SERVER.PING.VARZ", b"", timeout=5)
        data = json.loads(answer.data)["data"]
        config = data.get("jetstream", {}).get("config", {})
        return bool(config.get("sync_always"))


def migrations_of(service: str) -> Path:
    return Path(__file__).parents[1] / "services" / service / "migrations"


async def provision_databases(
    postgres_url: str, services: Sequence[Service], *, check: bool = False
) -> Drift:
    """A database for each service that keeps something, at the newest migration."""
    drift = Drift()
    base = postgres_url.rstrip("/").replace("postgresql://", "postgresql+asyncpg://", 1)
    admin = create_async_engine(f"{base}/postgres", isolation_level="AUTOCOMMIT")
    try:
        for service in services:
            if service.ledger is None:
                continue
            name = f"massakoppi_{service.name}"
            async with admin.connect() as connection:
                known = await connection.execute(
                    text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": name}
                )
                if known.first() is None:
                    drift.made.append(f"database {name}")
                    if check:
                        continue
                    await connection.execute(text(f'CREATE DATABASE "{name}"'))
            await _migrate(service, f"{base}/{name}", drift, check=check)
    finally:
        await admin.dispose()
    return drift


async def _migrate(service: Service, url: str, drift: Drift, *, check: bool) -> None:
    engine = create_async_engine(url)
    try:
        async with engine.begin() as connection:
            before = await connection.run_sync(_version)
            head = head_of(service)
            if before == head:
                return
            drift.made.append(f"database massakoppi_{service.name}: {before or 'empty'} → {head}")
            if not check:
                await connection.run_sync(upgrade, service)
    finally:
        await engine.dispose()


def alembic_of(service: Service) -> Config:
    """Alembic's configuration for the migrations of *service*."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "alembic"))
    config.set_main_option("version_locations", str(migrations_of(service.name)))
    config.set_main_option("path_separator", "os")
    config.attributes["metadata"] = service.ledger.metadata if service.ledger else None
    return config


def head_of(service: Service) -> str:
    """The newest migration of *service*."""
    return str(ScriptDirectory.from_config(alembic_of(service)).get_current_head())


def _version(connection: Any) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def upgrade(connection: Any, service: Service) -> None:
    """Bring the database behind *connection* to the newest migration of *service*."""
    config = alembic_of(service)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def retention_holds() -> bool:
    """The inbox must outlive the streams, or a replay would apply events twice."""
    return INBOX_AGE_S > EVENTS_AGE_S > DUPLICATE_WINDOW_S


async def wait_for(url: str, seed: str, seconds: float = 30) -> None:
    """Return when the server lets the user in; raises the last error."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while True:
        try:
            async with connected(url, seed, "operator"):
                return
        except Exception:
            if loop.time() > until:
                raise
            await asyncio.sleep(0.2)
