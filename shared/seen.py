"""Who saw whose data: no answer that tells of others leaves before the trail has it."""

import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared import telemetry
from shared.access import Asker
from shared.trail import Noted
from shared.work import Database, Work

_TOLD = re.compile(rb'r(?:ganisation|eporter)":\s*"([^"]+)"')
"""Begins with a plain letter, so that it is looked for ten times as fast as `"\\w*organisation`."""
_NAMED = ("token", "owner", "organisation")
_WORD = re.compile(r"[\w.-]{1,80}", re.ASCII)
"""What a name of a question or a token of an organisation can be; all else is free text."""


def remember(request: Request, asker: Asker) -> None:
    """Let what wraps this request know who asks for what."""
    request.state.asker = asker
    request.state.route = request.scope["route"].path
    request.state.named = dict(request.path_params)


def tells_of(request: Request, organisations: Iterable[str]) -> None:
    """
    Say whom the answer to *request* tells of, also where it does not name them.

    To those *unnamed* the trail does not name who looked: a match has no names before it is agreed.
    """
    request.state.tells_of = tuple(organisations)


def subject_of(request: Request) -> str:
    """How the trail names who asks: `person/…`."""
    asker: Asker | None = getattr(request.state, "asker", None)
    return f"{asker.kind}/{asker.subject}" if asker else "nobody"


def note_change(work: Work, request: Request) -> None:
    """
    Put on the trail that *request* changed something, unless what it did has told more.

    It is about the asker's organisations, and those of whose facts the work tells.
    """
    state = request.state
    if not work.noted:
        told = [find for letter in work.letters for find in _organisations(letter.payload)]
        told += [one.organisation for one in work.signals if one.organisation != "-"]
        route = request.scope["route"].path
        work.noted.append(
            Noted(
                subject_of(request),
                f"{request.method} {route}",
                object_of(route, request.path_params),
                {*told, *_own(request)},
                what={"unnamed": sorted({*told} - {*_own(request)})},
            )
        )
    own = _own(request)
    work.noted = [one.acting(own) for one in work.noted]
    state.noted = {about for one in work.noted for about in one.about}


def object_of(route: str, named: Any) -> str:
    """What a request is about: the first part of its *route*, and what its path names."""
    return "/".join([route.split("/")[1], *map(str, named.values())])


def _own(request: Request) -> tuple[str, ...]:
    asker: Asker | None = getattr(request.state, "asker", None)
    return tuple(asker.organisations) if asker else ()


def _organisations(body: bytes) -> Iterable[str]:
    return (one.decode() for one in _TOLD.findall(body))


class Seen:
    """
    Wraps the application of a service: it puts each look at another's data on the trail.

    What is looked for is in the bytes of the answer, so that no route can forget it: the value of
    every key that ends in `organisation`, and who is named in path or query. What services ask of
    each other is not noted, nor what anybody may ask. Without the row, *unsaid* is the answer.
    """

    def __init__(self, app: ASGIApp, database: Database, unsaid: Callable[[], Response]) -> None:
        self.app = app
        self.database = database
        self.unsaid = unsaid

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hold the answer back until it is known whom it tells of."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope.setdefault("state", {})
        held: list[Message] = []

        async def hold(message: Message) -> None:
            if held or _is_json(message):
                held.append(message)
                return
            if message["type"] == "http.response.start":
                await self._note(scope, message, b"")
            await send(message)

        try:
            await self.app(scope, receive, hold)
            if held:
                body = b"".join(one.get("body", b"") for one in held[1:])
                await self._note(scope, held[0], body)
        except _NotNoted:
            await self.unsaid()(scope, receive, send)
            return
        for message in held:
            await send(message)

    async def _note(self, scope: Scope, start: Message, body: bytes) -> None:
        state = scope["state"]
        asker: Asker | None = state.get("asker")
        if asker is None or asker.kind == "service":
            return
        asked = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        named, told = list(_organisations(body)), []
        if start["status"] < 300:  # a refusal tells of those alone that it names
            named += [one for one in _asked_about(state, asked) if _WORD.fullmatch(one)]
            told += state.get("tells_of", ())
        told += named
        others = [one for one in told if one not in asker.organisations]
        if not others or set(others) <= state.get("noted", set()):
            return
        noted = Noted(
            f"{asker.kind}/{asker.subject}",
            f"{scope['method']} {state['route']}",
            object_of(state["route"], state["named"]),
            set(others),
            tuple(asker.organisations),
            {
                "query": sorted(name for name in asked if _WORD.fullmatch(name)),
                "mentions": len(others),
                "unnamed": sorted(set(others) - set(named)),
            },
        )
        try:
            await self._write(noted, dict(scope["headers"]).get(b"x-correlation-id"))
        except Exception as error:
            telemetry.log().error("look_not_noted", error=repr(error))
            raise _NotNoted from error

    async def _write(self, noted: Noted, correlation: bytes | None) -> None:
        told = correlation.decode("latin-1") if correlation else None
        await self.database.looks.add(noted.row(self.database.zone, told))


class _NotNoted(Exception):
    """The row could not be written, so nothing may be told."""


def _is_json(message: Message) -> bool:
    headers = dict(message.get("headers", ()))
    return "json" in headers.get(b"content-type", b"").decode("latin-1")


def _asked_about(state: dict[str, Any], asked: dict[str, str]) -> Iterable[str]:
    """Organisations named by path or query. Who takes part at all is known to everybody."""
    route, named = state["route"], state["named"]
    yield from (
        value for name, value in named.items() if name in _NAMED and not route.endswith("{token}")
    )
    if "organisation" in asked:
        yield asked["organisation"]
    if asked.get("scope") == "organisation" and "code" in asked:
        yield asked["code"]
