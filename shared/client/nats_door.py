"""The door over NATS: events published as an organisation, receipts by plain subscription."""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, Self

import aiohttp
import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import MaxPayloadError
from nats.js.api import PubAck
from nats.js.errors import APIError

from shared.client.https_door import Registry
from shared.client.outgoing import Outgoing
from shared.client.sending import NotSent, Sender, Told, Verdict, refusal, verdict_of
from shared.contracts.base import CONTENT_TYPE, NotAnEvent, encoded
from shared.contracts.intake import Receipt

Heard = tuple[Mapping[str, str], bytes]
"""A message: its headers and its body."""

IN_FLIGHT: Final = 256
ASKED_AT_ONCE: Final = 8
_CHECK_EVERY_S: Final = 0.25
_SUBJECT: Final = re.compile(r'publish to "([^"]+)"', re.IGNORECASE)
_TOO_LARGE: Final = 10054  # the stream takes no message of this size


class NatsSender(Sender):
    """
    Hands events in over NATS with an organisation's NKey *seed* (or *creds*, a credentials file).

    At most *in_flight* publishes wait for their PubAck. One that gets none is published again under
    the same `Nats-Msg-Id`, so nothing is doubled. Receipts are awaited until *patience_s* pass
    without one; those missed meanwhile are asked of the *registry*, where one is given.
    Raises `NotSent` on entry when the server cannot be reached or refuses the key.
    """

    def __init__(
        self,
        url: str,
        organisation: str,
        *,
        seed: str | None = None,
        creds: str | None = None,
        registry: Registry | None = None,
        in_flight: int = IN_FLIGHT,
        patience_s: float = 60.0,
        ask_after_s: float = 5.0,
        ack_timeout_s: float = 5.0,
        connect_timeout_s: float = 10.0,
    ) -> None:
        self.organisation = organisation
        self.registry = registry
        self.patience_s = patience_s
        self.ask_after_s = ask_after_s
        self.ack_timeout_s = ack_timeout_s
        self.connect_timeout_s = connect_timeout_s
        self._window = asyncio.Semaphore(in_flight)
        self._options: dict[str, Any] = {"servers": url, "nkeys_seed_str": seed}
        if creds is not None:
            self._options = {"servers": url, "user_credentials": creds}
        self._client: Client | None = None
        self._last_error: Exception | None = None
        self._refused: dict[str, asyncio.Future[None]] = {}
        self._waiting: dict[tuple[str, str], asyncio.Future[Verdict]] = {}
        self._duplicates: set[tuple[str, str]] = set()
        self._all_heard = asyncio.Event()
        self._heard_at = 0.0

    async def __aenter__(self) -> Self:
        if self.registry is not None:
            await self.registry.__aenter__()
        try:
            async with asyncio.timeout(self.connect_timeout_s):
                self._client = await nats.connect(
                    **self._options,
                    name=f"massakoppi client of {self.organisation}",
                    inbox_prefix=f"receipts.{self.organisation}.inbox",
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=1,
                    error_cb=self._on_error,
                )
            for verdict in ("accepted", "rejected"):
                await self._client.subscribe(
                    f"receipts.{self.organisation}.{verdict}.>", cb=self._on_receipt
                )
            await self._client.flush()
            if "subscription" in str(self._last_error).lower():
                raise self._last_error or NotSent("no receipts")
        except Exception as error:
            await self.__aexit__(None, None, None)
            raise NotSent(f"NATS does not let us in: {self._last_error or error!r}") from error
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._client is not None:
            await self._client.close()
        if self.registry is not None:
            await self.registry.__aexit__(kind, error, trace)

    async def hear(self, subject: str) -> AsyncIterator[Heard]:
        """What is told on *subject* from now on, also after a reconnect: headers and body."""
        if self._client is None:
            raise NotSent("open the sender first: async with")
        subscription = await self._client.subscribe(subject)
        await self._client.flush()

        async def heard() -> AsyncIterator[Heard]:
            async for message in subscription.messages:
                yield message.headers or {}, message.data

        return heard()

    async def hand_in(self, events: Sequence[Outgoing], told: Told) -> None:
        self._heard_at = time.monotonic()
        unanswered: dict[tuple[str, str], Outgoing] = {event.key: event for event in events}
        acknowledged: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._all_heard = asyncio.Event()
        for event in unanswered.values():
            self._expect(event, unanswered, told)
        try:
            async with asyncio.TaskGroup() as group:
                for event in list(unanswered.values()):
                    await self._window.acquire()
                    thing = (event.name, event.event.external_id)
                    publishing = self._publish(event, acknowledged.get(thing))
                    acknowledged[thing] = group.create_task(publishing)
                await self._await_receipts(unanswered)
        except* NotSent as errors:
            raise errors.exceptions[0] from None
        finally:
            for event in events:
                self._waiting.pop(event.key, None)

    def _expect(
        self, event: Outgoing, unanswered: dict[tuple[str, str], Outgoing], told: Told
    ) -> None:
        answer: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()

        def heard(done: asyncio.Future[Verdict]) -> None:
            if not done.cancelled() and unanswered.pop(event.key, None) is not None:
                told(event, done.result())
                if not unanswered:
                    self._all_heard.set()

        answer.add_done_callback(heard)
        self._waiting[event.key] = answer

    async def _publish(self, event: Outgoing, before: "asyncio.Task[None] | None") -> None:
        try:
            if before is not None:
                await asyncio.wait({before})
            await self._until_acknowledged(event)
        finally:
            self._window.release()

    async def _until_acknowledged(self, event: Outgoing) -> None:
        until = time.monotonic() + max(self.patience_s, self.ack_timeout_s)
        pause = 0.1
        while True:
            try:
                ack = await self._once(event)
            except MaxPayloadError:
                return self._answer(event, _too_large())
            except APIError as error:
                if error.err_code == _TOO_LARGE:
                    return self._answer(event, _too_large())
            except (TimeoutError, nats.errors.Error):
                pass
            else:
                return await self._known(event) if ack.duplicate else None
            if time.monotonic() > until:
                return self._answer(event, Verdict("unheard", "not_sent"))
            await asyncio.sleep(pause)
            pause = min(pause * 2, 5.0)

    async def _once(self, event: Outgoing) -> PubAck:
        """Publish *event* and await its PubAck, or the server's word that we may not."""
        if self._client is None:
            raise NotSent("open the sender first: async with")
        subject = f"intake.{self.organisation}.{event.name}"
        refused = self._refused.setdefault(subject, asyncio.get_running_loop().create_future())
        asked = asyncio.ensure_future(
            self._client.jetstream(timeout=self.ack_timeout_s).publish(
                subject, event.event.body(), headers=headers_of(event)
            )
        )
        either: set[asyncio.Future[Any]] = {asked, refused}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if refused.done():
            asked.cancel()
            raise NotSent(f"{self.organisation} may not publish on {subject}")
        return await asked

    async def _known(self, event: Outgoing) -> None:
        """An id the stream has already: its receipt came, comes, or came to someone before us."""
        self._duplicates.add(event.key)
        await self._ask(event)

    async def _await_receipts(self, unanswered: dict[tuple[str, str], Outgoing]) -> None:
        asked_at = time.monotonic()
        while unanswered:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._all_heard.wait(), _CHECK_EVERY_S)
            silent_s = time.monotonic() - max(asked_at, self._heard_at)
            if silent_s > self.ask_after_s:
                await self._catch_up(list(unanswered.values()))
                asked_at = time.monotonic()
            if time.monotonic() - self._heard_at > self.patience_s:
                for event in list(unanswered.values()):
                    self._answer(event, Verdict("unheard", "awaited"))

    async def _catch_up(self, missing: Sequence[Outgoing]) -> None:
        """Ask for receipts that were missed; without a registry to ask, tell what is known."""
        if self.registry is None:
            for event in missing:
                if event.key in self._duplicates:
                    self._answer(event, Verdict("known", "duplicate"))
            return
        for begin in range(0, len(missing), ASKED_AT_ONCE):
            await asyncio.gather(*map(self._ask, missing[begin : begin + ASKED_AT_ONCE]))

    async def _ask(self, event: Outgoing) -> None:
        if self.registry is None:
            return
        try:
            verdict = await self.registry.receipt(event.source, event.id)
        except (aiohttp.ClientError, TimeoutError):
            return
        if verdict is not None:
            self._heard_at = time.monotonic()
            self._answer(event, verdict)

    def _answer(self, event: Outgoing, verdict: Verdict) -> None:
        answer = self._waiting.get(event.key)
        if answer is not None and not answer.done():
            answer.set_result(verdict)

    async def _on_receipt(self, message: Msg) -> None:
        self._heard_at = time.monotonic()
        try:
            receipt = Receipt.from_message(message.headers or {}, message.data)
        except NotAnEvent:
            return
        answer = self._waiting.get((receipt.source, receipt.event_id))
        if answer is not None and not answer.done():
            answer.set_result(verdict_of(receipt.model_dump(mode="json")))

    async def _on_error(self, error: Exception) -> None:
        self._last_error = error
        named = _SUBJECT.search(str(error))
        if named is not None and (refused := self._refused.get(named[1])) and not refused.done():
            refused.set_result(None)


def headers_of(event: Outgoing) -> dict[str, str]:
    """*event* as a CloudEvent in binary mode, with the id by which the stream knows it again."""
    told = {
        "ce-specversion": "1.0",
        "ce-id": event.id,
        "ce-source": event.source,
        "ce-type": event.event.name,
        "ce-time": event.at.isoformat(),
        "content-type": CONTENT_TYPE,
    }
    headers = {name: encoded(value) for name, value in told.items()}
    return {**headers, "Nats-Msg-Id": encoded(f"{event.source}/{event.id}")}


def _too_large() -> Verdict:
    return refusal("too_large", "The event is larger than the door takes. Shorten its texts.")
