"""The door over HTTPS: events posted in batches, receipts in the answer."""

import asyncio
import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self

import aiohttp

from shared.client.outgoing import Outgoing
from shared.client.sending import (
    NotSent,
    Outcome,
    Sender,
    Told,
    Verdict,
    refusal,
    verdict_of,
    without_project,
)

BATCH: Final = 500
TRIED: Final = 200  # events tried in one transaction
BATCH_BYTES: Final = 3 << 20  # the door takes 4 MiB
BATCH_TYPE: Final = "application/cloudevents-batch+json"
_AGAIN: Final = (409, 425, 429, 500, 502, 503, 504)
_UNAUTHORISED: Final = 401


class Registry:
    """The registry's HTTP API as one organisation's key sees it. Used as a context."""

    def __init__(self, url: str, key: str, *, timeout_s: float = 60.0) -> None:
        self.url = url.rstrip("/")
        self._key = key
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None
        self._token = ""
        self._until = 0.0
        self._renewing = asyncio.Lock()

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=self._timeout)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def receipt(self, source: str, id: str) -> Verdict | None:
        """The verdict on one event; None when the registry has no receipt for it."""
        status, told, _ = await self.ask("GET", "/receipts", params={"source": source, "id": id})
        if status != 200 or not isinstance(told, dict):
            return None
        found = told.get("items", [told])
        return verdict_of(found[0]) if found and "verdict" in found[0] else None

    async def ask(
        self, method: str, path: str, *, url: str | None = None, **more: Any
    ) -> tuple[int, Any, Mapping[str, str]]:
        """
        Status, JSON body and headers of one request under a valid token; *url* of another service.

        Raises `NotSent` when the key is refused, `aiohttp.ClientError` and `TimeoutError`.
        """
        for attempt in (1, 2):
            headers = {"Authorization": f"Bearer {await self._valid()}", **more.get("headers", {})}
            async with self._open.request(
                method, (url or self.url).rstrip("/") + path, **{**more, "headers": headers}
            ) as answer:
                if answer.status == _UNAUTHORISED and attempt == 1:
                    self._until = 0.0
                    continue
                return answer.status, await _json(answer), answer.headers
        raise NotSent("the registry refuses its own token")

    @property
    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise NotSent("open the sender first: async with")
        return self._session

    async def _valid(self) -> str:
        async with self._renewing:
            if time.monotonic() > self._until:
                async with self._open.post(f"{self.url}/tokens", json={"key": self._key}) as answer:
                    if answer.status in (400, 401, 403, 422):
                        raise NotSent("the registry refused this key: is it revoked or expired?")
                    answer.raise_for_status()
                    told = await answer.json()
                self._token = told["token"]
                self._until = time.monotonic() + max(5.0, float(told["expires_in"]) - 60.0)
            return self._token


class HttpSender(Sender):
    """
    Hands events in over HTTPS, up to 500 in a post.

    A post that fails is sent again with the same ids, so nothing is doubled, until *patience_s*
    have passed without an answer; what is then left is told as `unheard`.
    """

    def __init__(
        self,
        registry_url: str,
        key: str,
        organisation: str,
        *,
        patience_s: float = 120.0,
        language: str = "",
    ) -> None:
        self.organisation = organisation
        self.registry = Registry(registry_url, key)
        self.patience_s = patience_s
        self._headers = {"Content-Type": BATCH_TYPE} | (
            {"Accept-Language": language} if language else {}
        )
        self._projects: dict[str, Outgoing] = {}
        self._turned_away: set[str | None] = set()

    async def __aenter__(self) -> Self:
        await self.registry.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.registry.__aexit__(kind, error, trace)

    async def hand_in(self, events: Sequence[Outgoing], told: Told) -> None:
        for batch in batches(events):
            await self._answered(batch, told)

    async def try_out(self, events: Iterable[Outgoing]) -> list[tuple[Outgoing, Verdict]]:
        """
        Those of *events* that the registry would reject, and why; nothing is kept or told there.

        A project that this sender tried before counts as told. Raises `NotSent` without an answer.
        """
        found: list[tuple[Outgoing, Verdict]] = []
        for batch in _tried_at_once(events):
            own = {event.event.external_id: event for event in batch if _adds_project(event)}
            needed = dict.fromkeys(event.project for event in batch if event.project not in own)
            lead = [self._projects[each] for each in needed if each in self._projects]
            self._projects |= own
            outcome = Outcome()
            await self._answered([*lead, *batch], outcome.enter, trial=True)
            if outcome.no_receipt:
                raise NotSent("the registry did not answer whether it would take the events")
            for event in batch:
                verdict = outcome.verdicts[event.key]
                if verdict.verdict != "rejected":
                    continue
                if _adds_project(event):
                    self._turned_away.add(event.event.external_id)
                elif event.project in self._turned_away:
                    verdict = without_project(event)
                found.append((event, verdict))
        return found

    async def _answered(
        self, batch: Sequence[Outgoing], told: Told, *, trial: bool = False
    ) -> None:
        waiting = {event.key: event for event in batch}
        until = time.monotonic() + self.patience_s
        pause = 0.25
        while waiting and time.monotonic() < until:
            pause = await self._post(waiting, told, pause, trial=trial)
        for event in waiting.values():
            told(event, Verdict("unheard", "awaited"))

    async def _post(
        self,
        waiting: dict[tuple[str, str], Outgoing],
        told: Told,
        pause: float,
        *,
        trial: bool,
    ) -> float:
        """Post *waiting*, take out what was answered; the pause before the next attempt."""
        body = b"[" + b",".join(structured(event) for event in waiting.values()) + b"]"
        try:
            status, answer, headers = await self.registry.ask(
                "POST",
                "/intake",
                params={"organisation": self.organisation} | ({"trial": "true"} if trial else {}),
                data=body,
                headers=self._headers,
            )
        except (aiohttp.ClientError, TimeoutError):
            status, answer, headers = 503, None, {}
        if status == 200 and isinstance(answer, dict | list):
            found = answer if isinstance(answer, list) else answer.get("items", [])
            for receipt in found:
                event = waiting.pop((receipt.get("source"), receipt.get("event_id")), None)
                if event is not None:
                    told(event, verdict_of(receipt))
            if not waiting:
                return pause
        elif status not in _AGAIN:
            why = answer.get("detail") or answer.get("title") if isinstance(answer, dict) else ""
            if trial:
                raise NotSent(f"the registry answered {status}. {why or ''}")
            for event in waiting.values():
                told(event, refusal(f"http_{status}", f"The door answered {status}. {why or ''}"))
            waiting.clear()
            return pause
        await asyncio.sleep(_retry_after(headers, pause))
        return min(pause * 2, 10.0)


def structured(event: Outgoing) -> bytes:
    """*event* as a CloudEvent in structured JSON."""
    told = {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event.event.name,
        "time": event.at.isoformat(),
        "datacontenttype": "application/json",
    }
    return json.dumps(told).encode()[:-1] + b',"data":' + event.event.body() + b"}"


def batches(events: Sequence[Outgoing]) -> Iterator[list[Outgoing]]:
    """
    *events* in posts of at most 500 and 3 MiB.

    A thing told twice goes into two posts, so that its second news is read after the first.
    """
    batch: list[Outgoing] = []
    things: set[tuple[str, str]] = set()
    size = 0
    for event in events:
        thing = (event.name, event.event.external_id)
        length = len(event.event.body()) + 400
        if batch and (len(batch) == BATCH or size + length > BATCH_BYTES or thing in things):
            yield batch
            batch, things, size = [], set(), 0
        batch.append(event)
        things.add(thing)
        size += length
    if batch:
        yield batch


def _tried_at_once(events: Iterable[Outgoing]) -> Iterator[list[Outgoing]]:
    """*events* in batches so small that the projects of each find room before it."""
    batch: list[Outgoing] = []
    size = 0
    for event in events:
        batch.append(event)
        size += len(event.event.body()) + 400
        # not between a project and its first forecast, which are a row
        if (len(batch) >= TRIED or size > BATCH_BYTES // 2) and not _adds_project(event):
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _adds_project(event: Outgoing) -> bool:
    return event.name == "project-added"


async def _json(answer: aiohttp.ClientResponse) -> Any:
    try:
        return await answer.json(content_type=None)
    except ValueError:
        return None


def _retry_after(headers: Mapping[str, str], pause: float) -> float:
    told = headers.get("Retry-After", "")
    return min(float(told), 60.0) if told.isdecimal() else pause
