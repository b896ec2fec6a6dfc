"""What a bench stands on: servers and a data folder of its own, gone when it ends."""

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
from nats.aio.client import Client
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from deploy.allinone import PORTS, Platform, Process
from deploy.cards import card, cards
from deploy.keyring import new_nats_key, write_secret
from deploy.nats_conf import nats_conf
from deploy.provision import Drift, connected, provision_platform
from deploy.servers import Postgres, end_with_parent, free_port
from deploy.system import System
from shared.access import Asker, read_key, sign
from shared.contracts.base import Event
from shared.service import Service, durable_of

_MANY = 256  # in flight at once while a stream is filled


async def empty(connection: AsyncConnection, tables: Iterable[str]) -> None:
    """Empty *tables*, also those that otherwise only grow."""
    await connection.execute(text("SET LOCAL session_replication_role = replica"))
    await connection.execute(text(f"TRUNCATE {', '.join(tables)}"))


class NotInTime(Exception):
    """What was waited for did not come in time."""


@contextmanager
def own_folder() -> Iterator[Path]:
    """A folder that the database's user can walk to, removed at the end."""
    with tempfile.TemporaryDirectory(prefix="massakoppi-bench-") as told:
        folder = Path(told)
        folder.chmod(0o711)
        yield folder


@contextmanager
def own_postgres() -> Iterator[Postgres]:
    """A PostgreSQL in a folder of its own, stopped and removed at the end."""
    with own_folder() as folder:
        server = Postgres(folder / "postgres")
        try:
            server.start()
            yield server
        finally:
            server.stop()


class Ground(Platform):
    """The servers and services of a bench, and *beside* them cards of its own."""

    def __init__(self, data: Path, beside: Sequence[Service] = ()) -> None:
        super().__init__(data, ports=dict.fromkeys(PORTS, 0), oidc=False)
        self.beside = beside

    def write_nats_conf(self) -> None:
        for one in self.beside:
            write_secret(self.ring.nats_seed(one.name), new_nats_key().seed)
        super().write_nats_conf()
        folder = self.data / "nats"
        told = nats_conf(
            [*cards(), *self.beside], self.ring, store=folder / "store", port=self.ports["nats"]
        )
        (folder / "nats.conf").write_text(told)

    async def provision(self) -> Drift:
        """As the platform's own cards say, and those beside."""
        drift = await super().provision()
        async with self.operator() as client:
            await provision_platform(client.jetstream(), [*cards(), *self.beside])
        for one in self.beside:
            await self._make_database(one)
        return drift

    async def _make_database(self, service: Service) -> None:
        if service.ledger is None:
            return
        url = self.postgres.url.replace("postgresql://", "postgresql+asyncpg://", 1)
        admin = create_async_engine(f"{url}/postgres", isolation_level="AUTOCOMMIT")
        async with admin.connect() as connection:
            await connection.execute(text(f"CREATE DATABASE massakoppi_{service.name}"))
        await admin.dispose()
        engine = create_async_engine(f"{url}/massakoppi_{service.name}")
        async with engine.begin() as connection:
            await connection.run_sync(service.ledger.metadata.create_all)
        await engine.dispose()

    @asynccontextmanager
    async def operator(self) -> AsyncIterator[Client]:
        """A connection to the platform's account that may do everything."""
        seed = self.ring.nats_seed("admin").read_text()
        async with connected(self.system.nats_url, seed, "bench") as client:
            yield client

    async def begin(self, process: Process) -> Process:
        """Start *process* and wait until it is ready."""
        self.processes[process.name] = process
        process.start()
        async with aiohttp.ClientSession() as session:
            await process.ready(session)
        return process

    async def ask_matcher(
        self, method: str, path: str, body: Any = None, *, process: str = "matcher"
    ) -> Any:
        """The JSON answer of a matcher to the operator; raises `aiohttp.ClientResponseError`."""
        token = sign(Asker("operator", "operator"), read_key(self.ring.signing))
        headers = {"Authorization": f"Bearer {token}"}
        async with (
            aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=3600), headers=headers, raise_for_status=True
            ) as session,
            session.request(method, f"{self.processes[process].url}{path}", json=body) as answer,
        ):
            return await answer.json()

    async def ask(self, service: str, question: str) -> Any:
        """The one value that *question* has in the database of *service*."""
        url = self.postgres.url.replace("postgresql://", "postgresql+asyncpg://", 1)
        engine = create_async_engine(f"{url}/massakoppi_{service}")
        async with engine.connect() as connection:
            found = (await connection.execute(text(question))).scalar()
        await engine.dispose()
        return found

    async def empty_matcher(self) -> None:
        """Nothing kept, nothing heard: the matcher's tables and durables as at the beginning."""
        matcher = card("matcher")
        tables = matcher.ledger.metadata.tables if matcher.ledger else ()
        url = self.postgres.url.replace("postgresql://", "postgresql+asyncpg://", 1)
        engine = create_async_engine(f"{url}/massakoppi_matcher")
        async with engine.begin() as connection:
            await empty(connection, tables)
        await engine.dispose()
        async with self.operator() as client:
            for contract in matcher.reacts_to:
                name = durable_of("matcher", contract)
                await client.jetstream().delete_consumer(contract.stream(), name)
            await provision_platform(client.jetstream(), [*cards(), *self.beside])


@asynccontextmanager
async def own_ground(beside: Sequence[Service] = ()) -> AsyncIterator[Ground]:
    """Servers with streams, durables and databases, and nothing running on them yet."""
    with own_folder() as folder:
        ground = Ground(folder, beside)
        try:
            await ground.start_servers()
            yield ground
        finally:
            ground.stop()


class Module(Process):
    """A Python module of the bench as a process, in the environment of *service*."""

    def __init__(
        self,
        system: System,
        module: str,
        *arguments: str,
        name: str,
        service: str = "matcher",
        **more: str,
    ) -> None:
        super().__init__(system, service, name=name, HTTP_PORT=str(free_port()), **more)
        self.command = [sys.executable, "-m", module, *arguments]

    def start(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=end_with_parent(),  # noqa: PLW1509  (one system call)
                cwd=Path(__file__).parents[2],
            )


async def fill(
    client: Client, events: Sequence[Event], advance: Callable[[int], None] = lambda _: None
) -> None:
    """Publish *events* into their stream, many at once, each acknowledged by the server."""
    js = client.jetstream()
    for start in range(0, len(events), _MANY):
        some = events[start : start + _MANY]
        await asyncio.gather(
            *(js.publish(one.subject, one.body(), headers=one.headers()) for one in some)
        )
        advance(start + len(some))


async def until(
    holds: Callable[[], Awaitable[bool]], *, seconds: float, every_s: float = 0.05, what: str
) -> float:
    """When *holds* was first seen to, on the clock of `time.perf_counter`; raises `NotInTime`."""
    limit = time.perf_counter() + seconds
    while not await holds():
        if time.perf_counter() > limit:
            raise NotInTime(f"{what}: not within {seconds:g} s")
        await asyncio.sleep(every_s)
    return time.perf_counter()


async def waiting(client: Client, stream: str, durable: str) -> int:
    """How many events *durable* has not acknowledged yet."""
    about = await client.jetstream().consumer_info(stream, durable)
    return (about.num_pending or 0) + (about.num_ack_pending or 0)
