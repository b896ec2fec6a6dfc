"""A registry's database with regions and a few organisations, and who may ask over HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import uvicorn
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from services.registry import handlers, store
from services.registry.app import build
from services.registry.handlers import Outcome
from services.registry.settings import Settings
from shared.access import Asker, digest, new_key, new_signing_key, sign
from shared.http import application
from shared.service.card import Knock
from shared.settings import SharedSettings
from shared.work import Database
from tests.conftest import eventually
from tests.described import as_described


@dataclass
class Door:
    """The door of one registry: knocks in, outcomes out, and what was announced."""

    database: Database
    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    async def judge(self, *knocks: Knock, **how: Any) -> list[Outcome]:
        async with self.database.begin_work() as work:
            outcomes = await handlers.judge(knocks, work, **how)
            letters = list(work.letters)
        self.told += [(each.name.split(".")[1], json.loads(each.payload)) for each in letters]
        return outcomes

    async def codes(self, *knocks: Knock, **how: Any) -> list[str]:
        """The code of each receipt; of a rejected one, of its first reason; `later` and so on."""
        return [_code(outcome) for outcome in await self.judge(*knocks, **how)]

    def announced(self, name: str) -> list[dict[str, Any]]:
        return [body for told, body in self.told if told == name]


def _code(outcome: Outcome) -> str:
    if outcome.busy:
        return "busy"
    if outcome.receipt is None:
        return "later" if outcome.later_s is not None else "stray"
    if outcome.receipt.verdict == "rejected":
        return outcome.receipt.reasons[0].code
    return outcome.receipt.code


@pytest.fixture(scope="session")
async def emptied(postgres_url: str) -> AsyncIterator[Database]:
    """One database for all tests of the registry: emptied is quicker than made anew."""
    url = f"{postgres_url}/t_registry"
    admin = create_async_engine(
        f"{postgres_url}/postgres".replace("postgresql://", "postgresql+asyncpg://"),
        isolation_level="AUTOCOMMIT",
    )
    async with admin.connect() as connection:
        await connection.execute(text("CREATE DATABASE t_registry"))
    made = Database.open(store.ledger, SharedSettings(database_url=url, pool_connections=20))
    async with made.engine.begin() as connection:
        await connection.run_sync(store.ledger.metadata.create_all)
    async with made.begin_work() as work:
        await handlers.add_shipped_regions(work)
    yield made
    await made.close()
    async with admin.connect() as connection:
        await connection.execute(text("DROP DATABASE t_registry WITH (FORCE)"))
    await admin.dispose()


@pytest.fixture
async def database(emptied: Database) -> Database:
    """The shipped regions; acme and client (Uusimaa), north (Pirkanmaa), demo (the sample)."""
    async with emptied.engine.begin() as connection:
        for table in reversed(store.ledger.metadata.sorted_tables):
            if table.name != "region":
                await connection.execute(table.delete())
        await connection.execute(text("DELETE FROM region WHERE code NOT IN ('01', '06', '99')"))
    async with emptied.begin_work() as work:
        for token, region in (("acme", "01"), ("client", "01"), ("north", "06"), ("demo", "99")):
            await handlers.add_organisation(
                work, actor="test", token=token, title=token.title(), region=region
            )
    return emptied


@pytest.fixture
async def door(database: Database) -> Door:
    return Door(database)


async def rows(database: Database, question: str, **told: Any) -> Sequence[Any]:
    async with database.session() as session:
        return (await session.execute(text(question), told)).all()


@dataclass
class Http:
    """The registry's HTTP application, running, and tokens of whoever is wanted."""

    url: str
    session: aiohttp.ClientSession
    signing: Any
    operator_key: str
    matcher_key: str
    issuer: Any = None

    def as_(self, asker: Asker | None) -> dict[str, str]:
        return {} if asker is None else {"Authorization": f"Bearer {sign(asker, self.signing)}"}

    async def ask(
        self,
        method: str,
        path: str,
        *,
        by: Asker | None = None,
        headers: dict[str, str] | None = None,
        **how: Any,
    ) -> tuple[int, Any]:
        """Status and JSON of the answer."""
        async with self.session.request(
            method, self.url + path, headers={**self.as_(by), **(headers or {})}, **how
        ) as answer:
            body = await as_described("registry", answer)
            self.last = answer
            return answer.status, json.loads(body) if body else None


class _Ready:
    async def problems(self) -> Sequence[str]:
        return []


class _Server(uvicorn.Server):
    def capture_signals(self) -> Any:
        return nullcontext()


async def _has_started(server: _Server) -> bool:
    return server.started


@pytest.fixture
async def serve() -> AsyncIterator[Callable[[Any], Awaitable[str]]]:
    """Serves an ASGI application on a free port; its URL."""
    running: list[tuple[_Server, asyncio.Task[None]]] = []

    async def start(app: Any) -> str:
        config = uvicorn.Config(app, port=0, lifespan="off", log_level="warning", loop="none",
                                ws="none", timeout_graceful_shutdown=1)  # fmt: skip
        server = _Server(config)
        task = asyncio.create_task(server.serve())
        running.append((server, task))
        await eventually(partial(_has_started, server), every_s=0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    yield start
    for server, task in running:
        server.should_exit = True
        await task


@pytest.fixture
async def http(
    database: Database, tmp_path: Path, serve: Callable[[Any], Awaitable[str]]
) -> AsyncIterator[Http]:
    signing, operator_key, matcher_key = new_signing_key(), new_key(), new_key()
    (tmp_path / "signing.jwk").write_text(json.dumps(signing.as_dict(private=True)))
    (tmp_path / "platform.json").write_text(
        json.dumps({"operator": digest(operator_key), "matcher": digest(matcher_key)})
    )
    settings = Settings(
        registry_signing_key_file=tmp_path / "signing.jwk",
        registry_platform_keys_file=tmp_path / "platform.json",
    )
    app = application(
        name="registry",
        router=build(settings).api,
        database=database,
        public_key=signing,
        health=_Ready(),
        settings=settings,
    )
    url = await serve(app)
    async with aiohttp.ClientSession() as session:
        made = Http(url, session, signing, operator_key, matcher_key)
        made.app = app  # type: ignore[attr-defined]
        made.settings = settings  # type: ignore[attr-defined]
        yield made


OPERATOR = Asker("operator", "operator")
MATCHER = Asker("matcher", "service")
ACME = Asker("acme", "organisation", {"acme": ("reporter",)})
NORTH = Asker("north", "organisation", {"north": ("reporter",)})
UUSIMAA = Asker("p-regional", "person", {"client": ("regional_coordinator",)}, ("01",))
ACMES_COORDINATOR = Asker("p-acme", "person", {"acme": ("coordinator",)})
ACMES_READER = Asker("p-reader", "person", {"acme": ("reader",)})
