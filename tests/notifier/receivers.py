"""Real receivers on loopback: a mail server, a webhook's receiver, and the registry's people."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any
from uuid import UUID

from aiohttp import web
from aiosmtpd.controller import Controller
from standardwebhooks.webhooks import Webhook


@dataclass
class MailServer:
    """Takes mail in a thread of its own; *answers* are given first, one a message."""

    answers: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    mails: list[EmailMessage] = field(default_factory=list)
    port: int = 0

    async def handle_RCPT(self, server, session, envelope, address, options) -> str:
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope) -> str:
        answer = self.answers.pop(0) if self.answers else "250 OK"
        if answer == "hang":
            await asyncio.sleep(5)
        if answer.startswith("2") or answer == "hang":
            self.mails.append(message_from_bytes(envelope.content, policy=default))
        return answer if answer != "hang" else "250 OK"


@contextmanager
def mail_server() -> Iterator[MailServer]:
    """A mail server on a free port of loopback."""
    handler = MailServer()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        handler.port = probe.getsockname()[1]
    controller = Controller(handler, hostname="127.0.0.1", port=handler.port)
    controller.start()
    yield handler
    controller.stop()


@dataclass
class Receiver:
    """What a webhook's receiver saw; *answer* makes its answers."""

    url: str = ""
    secret: str = ""
    seen: list[tuple[str, Any]] = field(default_factory=list)
    requests: list[web.BaseRequest] = field(default_factory=list)
    answer: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]] | None = None

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        self.requests.append(request)
        if self.secret:
            told = Webhook(self.secret).verify(body, dict(request.headers))
            self.seen.append((request.headers["webhook-id"], told))
        return await self.answer(request) if self.answer else web.Response(status=204)


@asynccontextmanager
async def serving(
    handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
) -> AsyncIterator[str]:
    """*handler* behind a free port of loopback; its address."""
    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    await runner.cleanup()


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    """A webhook's receiver."""
    found = Receiver()
    async with serving(found.handle) as url:
        found.url = f"{url}/hook"
        yield found


@dataclass
class People:
    """The registry, as far as the notifier asks it: tokens for a key, and people by id."""

    url: str = ""
    people: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    away: bool = False

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(request.path)
        if self.away:
            return web.Response(status=503)
        if request.path == "/tokens":
            assert (await request.json())["key"] == "mk_notifier"
            return web.json_response({"token": "signed", "expires_in": 300, "asker": {}})
        assert request.headers["authorization"] == "Bearer signed"
        if request.path.startswith("/regions/"):
            return web.Response(status=404)
        wanted = [UUID(one) for one in request.query["ids"].split(",")]
        found = [
            {"person": str(id), "organisations": [], "roles": [], **self.people[id]}
            for id in wanted
            if id in self.people
        ]
        return web.json_response(found)


@asynccontextmanager
async def people_of(**people: Any) -> AsyncIterator[People]:
    """A registry that knows nobody yet."""
    found = People()
    async with serving(found.handle) as url:
        found.url = url
        yield found
