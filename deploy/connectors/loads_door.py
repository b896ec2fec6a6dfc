"""Where a haulage system posts its loads: each is answered with its verdict."""

import hmac
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import aiohttp
import structlog
from aiohttp import web

from deploy.connectors.config import BadConfig
from deploy.connectors.desk import Desk
from deploy.connectors.load_rows import LoadReader
from deploy.connectors.loads import Loads
from shared.access import NotKnown
from shared.client import NotSent, Verdict
from shared.client.said import say

MOST_LOADS: Final = 1000
LARGEST_BODY: Final = 4 << 20  # bytes
SHORTEST_KEY: Final = 16
log = structlog.get_logger()


class LoadsDoor:
    """`POST /loads`: one load or a list of them, for a system that holds the key."""

    def __init__(self, loads: Loads, desk: Desk, key_file: Path) -> None:
        self._loads = loads
        self._desk = desk
        try:
            self._key = key_file.read_text("utf-8").strip().encode()
        except (OSError, UnicodeError) as error:
            raise BadConfig(value="key_file", remedy=say("config_read", why=error)) from error
        if len(self._key) < SHORTEST_KEY:
            raise BadConfig(value="key_file", remedy=say("load_key"))

    async def post(self, request: web.Request) -> web.Response:
        """200 with a verdict on each load; 503 when none is certain, and the same may be sent."""
        if not self._holds_key(request):
            return _problem(401, "key_refused", "Send the key: Authorization: Bearer …")
        try:
            told = json.loads(await request.text())
        except (ValueError, RecursionError, LookupError) as error:
            return _problem(400, "not_json", f"The body is not JSON in UTF-8: {error}.")
        except web.HTTPRequestEntityTooLarge:
            told = [None] * (MOST_LOADS + 1)
        each = told if isinstance(told, list) else [told]
        if len(each) > MOST_LOADS:
            text = f"Send at most {MOST_LOADS} loads and {LARGEST_BODY} bytes at once."
            return _problem(413, "too_many_loads", text)
        try:
            answers = await self._told(each)
        except (NotSent, NotKnown, aiohttp.ClientError, TimeoutError) as error:
            log.warning("loads_not_told", error=str(error))
            text = "Send the same again later: nothing is counted twice."
            return _problem(503, "door_away", text, {"Retry-After": "5"})
        if isinstance(told, list):
            return web.json_response({"items": answers})
        rejected = answers[0]["verdict"] == "rejected"
        return web.json_response(answers[0], status=422 if rejected else 200)

    async def _told(self, each: list[Any]) -> list[dict[str, Any]]:
        if self._desk.sender is None:
            raise NotSent("the registry is away")
        reader = LoadReader(self._loads.mapping, self._desk.cursor)
        read = [reader.from_json(number, one) for number, one in enumerate(each, start=1)]
        return [_answer(id, verdict) for id, verdict in await self._loads.tell(self._desk, read)]

    def _holds_key(self, request: web.Request) -> bool:
        told = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return hmac.compare_digest(told.encode("utf-8", "replace"), self._key)


def _answer(external_id: str, verdict: Verdict) -> dict[str, Any]:
    reasons = [one.model_dump(mode="json", exclude_none=True) for one in verdict.reasons]
    told = {"external_id": external_id, "verdict": verdict.verdict, "code": verdict.code}
    return {**told, "reasons": reasons} if reasons else told


def _problem(
    status: int, code: str, detail: str, headers: Mapping[str, str] | None = None
) -> web.Response:
    told = {"status": status, "code": code, "detail": detail}
    return web.json_response(
        told, status=status, headers=headers, content_type="application/problem+json"
    )
