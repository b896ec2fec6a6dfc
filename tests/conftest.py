"""A real NATS, a real PostgreSQL, nothing else: once a run, on free ports."""

import asyncio
import email
import email.policy
import os
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from aiosmtpd.controller import Controller
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from deploy.allinone import Platform
from deploy.servers import Nats, Postgres, free_port
from shared.settings import SharedSettings
from shared.work import Database, Ledger

ROOT = Path(__file__).parents[1]
hypothesis.settings.register_profile("on any machine", deadline=None)
hypothesis.settings.load_profile("on any machine")


async def eventually(
    ask: Callable[[], Awaitable[Any]], *, within_s: float = 20.0, every_s: float = 0.05
) -> Any:
    """The first truthy answer of *ask*; fails with the last one when none comes in time."""
    until = time.monotonic() + within_s
    while True:
        answer = await ask()
        if answer:
            return answer
        assert time.monotonic() < until, f"not within {within_s} s; last answer: {answer!r}"
        await asyncio.sleep(every_s)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of development data; the test is skipped where it is absent."""
    told = os.environ.get("MASSAKOPPI_SHARED_DATA")
    folder = Path(told) if told else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"development data is absent: no {folder.name} folder beside the project")
    return folder


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL of this run's own, in a folder that its user can walk to."""
    with tempfile.TemporaryDirectory(prefix="massakoppi-test-") as folder:
        Path(folder).chmod(0o711)
        server = Postgres(Path(folder) / "postgres")
        server.start()
        yield server.url
        server.stop()


@pytest.fixture(scope="session")
def nats_server() -> Iterator[Nats]:
    """A NATS of this run's own, without accounts: for the mechanism, not for rights."""
    with tempfile.TemporaryDirectory(prefix="massakoppi-test-") as folder:
        server = Nats(Path(folder), free_port())
        (Path(folder) / "nats.conf").write_text(
            f'listen: "127.0.0.1:{server.port}"\n'
            f'jetstream {{ store_dir: "{folder}/store", sync_interval: always }}\n'
        )
        server.start()
        yield server
        server.stop()


_made: set[str] = set()


@pytest.fixture
async def database_for(
    postgres_url: str,
) -> AsyncIterator[Callable[..., Awaitable[Database]]]:
    """
    Makes a database with the tables of a ledger, empty, for real commits.

    `await database_for(ledger)`; dropped at the end of the test.
    """
    opened: list[tuple[Database, str]] = []
    admin = create_async_engine(
        postgres_url.replace("postgresql://", "postgresql+asyncpg://") + "/postgres",
        isolation_level="AUTOCOMMIT",
    )

    async def make(ledger: Ledger, settings: SharedSettings | None = None) -> Database:
        template = f"template_{ledger.service}"
        if template not in _made:
            async with admin.connect() as connection:
                await connection.execute(text(f"DROP DATABASE IF EXISTS {template}"))
                await connection.execute(text(f"CREATE DATABASE {template}"))
            url = postgres_url.replace("postgresql://", "postgresql+asyncpg://")
            engine = create_async_engine(f"{url}/{template}")
            async with engine.begin() as connection:
                await connection.run_sync(ledger.metadata.create_all)
            await engine.dispose()
            _made.add(template)
        name = f"t_{ledger.service}_{time.time_ns()}"
        async with admin.connect() as connection:
            await connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
        told = (settings or SharedSettings()).model_copy(
            update={"database_url": f"{postgres_url}/{name}"}
        )
        database = Database.open(ledger, told)
        opened.append((database, name))
        return database

    yield make
    for database, name in opened:
        await database.close()
        async with admin.connect() as connection:
            await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    await admin.dispose()


class Letterbox:
    """A real SMTP server's handler: keeps what was delivered."""

    def __init__(self) -> None:
        self.mails: list[Any] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        self.mails.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return "250 kept"


@pytest.fixture(scope="session")
def mail_server() -> Iterator[tuple[Letterbox, int]]:
    """An SMTP server of this run's own, and its port."""
    letterbox, port = Letterbox(), free_port()
    server = Controller(letterbox, hostname="127.0.0.1", port=port)
    server.start()
    yield letterbox, port
    server.stop()


@pytest.fixture(scope="session")
async def platform(mail_server: tuple[Letterbox, int]) -> AsyncIterator[Platform]:
    """The whole platform as processes, once a run: for journeys and flows."""
    from tests.platform import platform_running  # noqa: PLC0415  (it uses this file)

    notifier = {
        "NOTIFIER_SMTP_HOST": "127.0.0.1",
        "NOTIFIER_SMTP_PORT": str(mail_server[1]),
        "NOTIFIER_WEBHOOK_NETWORKS": '["127.0.0.0/8"]',
    }
    async with platform_running(settings={"notifier": notifier}) as running:
        yield running
