"""The two connections to NATS, and what of them the services never see."""

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, PullSub
from faststream.nats.security import NatsNKey
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import ConnectionClosedError
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError

from shared import telemetry
from shared.settings import SharedSettings
from shared.work import Letter

INTAKE_STREAMS = ("receipts", "matches")
Receive = Callable[[Sequence["Delivered"]], Awaitable[None]]
_GATHER_S = 0.025


class Delivered:
    """A message of a stream as the consumer sees it, with its three answers."""

    def __init__(self, message: Msg) -> None:
        self.message = message
        self.subject: str = message.subject
        self.headers: Mapping[str, str] = message.headers or {}
        self.body: bytes = message.data
        about = message.metadata
        self.stream: str = about.stream
        self.stream_seq: int = about.sequence.stream
        self.deliveries: int = about.num_delivered
        self.answered = False

    async def ack(self) -> None:
        self.answered = True
        await self.message.ack()

    async def nak(self, delay_s: float) -> None:
        # always with a delay: a nak without one is a hot loop (nats-server issue 5856)
        self.answered = True
        await self.message.nak(delay=delay_s)

    async def term(self) -> None:
        self.answered = True
        await self.message.term()


class DoorClient(Client):
    """
    A connection that outlives whatever a company writes before its message.

    nats-py 2.16.0 ends its read loop over headers shorter than a line and over a subject that is no
    UTF-8 (both seen): one message of one company would close the door for all.
    """

    async def _process_headers(self, headers: Any) -> dict[str, str] | None:
        try:
            return await super()._process_headers(headers)
        except Exception as error:
            telemetry.log().warning("headers_unreadable", error=repr(error))
            return None  # the message itself is judged, and rejected

    def _build_message(self, sid: int, subject: bytes, *rest: Any) -> Any:
        told = subject.decode(errors="backslashreplace").encode()
        return super()._build_message(sid, told, *rest)


WAIT_S = 20.0


async def take(subscription: Any, size: int) -> list[Msg]:
    """
    The messages that lie ready, up to *size*; else the first that comes in 20 s, alone: nobody has
    to wait until the server was asked for its company, which lies ready next time.

    One request to the server at a time, each seen to its end. nats-py's own `fetch` (2.16.0) leaves
    requests behind when it times out twice: the next message then came 10 to 15 s late (seen).
    """
    got: list[Msg] = []
    try:
        await _ask(subscription, {"batch": size, "no_wait": True}, 2.0, got)
        if not got:
            await _ask(subscription, {"batch": 1, "expires": int(WAIT_S * 1e9)}, WAIT_S + 2, got)
    except BaseException:
        # else they come back only when their time to be answered is over
        with contextlib.suppress(Exception):
            while subscription._sub.pending_msgs:
                got.append(await subscription._sub.next_msg(0.1))
        await give_back([message for message in got if message.reply])
        raise
    return got


async def _ask(subscription: Any, request: dict[str, Any], within_s: float, got: list[Msg]) -> None:
    """Add to *got* what the server gives for one pull *request*, until its status or the last."""
    await subscription._nc.publish(
        subscription._nms, json.dumps(request).encode(), subscription._deliver
    )
    wanted = len(got) + request["batch"]
    until = time.monotonic() + within_s
    while len(got) < wanted:
        try:
            message = await _next(subscription._sub, max(0.001, until - time.monotonic()), got)
        except TimeoutError:
            break
        if message.reply:  # a company may put a header `Status` on what it hands in
            got.append(message)
            continue
        status = (message.headers or {}).get("Status", "")
        if status.startswith("4"):  # nothing there, time over
            break
        elif status.startswith("5"):
            raise ConnectionError(f"pull answered {status}")


async def _next(queue: Any, within_s: float, got: list[Msg]) -> Msg:
    """
    The next message of *queue*; when cut off, one that was on its way already is added to *got*.

    Cancelled from outside, nats-py's `next_msg` (2.16.0) loses a message that it has just taken.
    """
    coming = asyncio.create_task(queue.next_msg(within_s))
    try:
        found: Msg = await asyncio.shield(coming)
    except asyncio.CancelledError:
        for call in list(queue._pending_next_msgs_calls.values()) or [coming]:
            call.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            got.append(await coming)
        raise
    return found


async def _unread(message: Any) -> Any:
    """The raw messages: a malformed one must reach the wrapper, or nobody answers it."""
    return message.raw_message


async def give_back(messages: Sequence[Msg]) -> None:
    """Let somebody else have *messages*, soon."""
    for message in messages:
        with contextlib.suppress(Exception):
            await message.nak(delay=0.01)


def end_process(why: str) -> None:
    """End at once and loudly, not through the event loop: it may be starving."""
    telemetry.log().error("process_ends", why=why)
    sys.stderr.flush()
    os._exit(70)


class Bus:
    """
    The connection into the platform's account, and, where the card needs it, the companies'.

    FastStream reads the durables of the card; plain pull readers come and go with the companies.
    """

    def __init__(self, service: str, settings: SharedSettings) -> None:
        self.service = service
        self.settings = settings
        self.broker: NatsBroker | None = None
        self.platform: Client | None = None
        self.intake: Client | None = None
        self.closing = False
        self.reading = True
        self.resyncs: list[Callable[[], Awaitable[None]]] = []
        self.fetches: set[asyncio.Future[Any]] = set()

    async def connect(self, *, intake: bool) -> None:
        """Connect, for as long as it takes; raises nothing while NATS is merely away."""
        seed = self.settings.nats_seed_file
        self.broker = NatsBroker(
            self.settings.nats_url,
            security=NatsNKey.from_seed(seed.read_text().strip()) if seed else None,
            # without the dot here, with it at each subscriber: else the server refuses the fetch
            inbox_prefix=f"_INBOX_{self.service}".encode(),
            apply_types=False,
            logger=None,
            graceful_timeout=self.settings.stop_grace_s,
            **self._options(self.service),
        )
        self.platform = await self.patiently(self.broker.connect)
        if intake:
            second = self.settings.nats_intake_seed_file

            async def to_the_door() -> Client:
                client = DoorClient()
                await client.connect(
                    self.settings.nats_url,
                    nkeys_seed_str=second.read_text().strip() if second else None,
                    inbox_prefix=f"_INBOX_{self.service}-intake".encode(),
                    **self._options(f"{self.service}-intake"),
                )
                return client

            self.intake = await self.patiently(to_the_door)

    def _options(self, name: str) -> dict[str, Any]:
        return {
            "name": f"massakoppi-{name}",
            "max_reconnect_attempts": -1,
            "reconnect_time_wait": 0.5,
            "ping_interval": 10,
            "max_outstanding_pings": 2,
            "error_cb": self._on_error,
            "closed_cb": self._on_closed,
            "reconnected_cb": self._on_reconnected,
        }

    async def patiently(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        """The answer of *ask*, asked again while NATS is away; raises what is not found."""
        while True:
            try:
                return await ask()
            except NotFoundError:
                raise
            except (NatsError, OSError, TimeoutError) as error:
                if "authorization" in str(error).lower():
                    end_process(f"NATS refuses this service's key: {error}")
                telemetry.log().warning("nats_waits", error=repr(error))
                await asyncio.sleep(1)

    async def _on_error(self, error: Exception) -> None:
        told = str(error).lower()
        refused = "permissions violation" in told or "authorization violation" in told
        if refused and not self.closing:
            end_process(f"NATS refused: {error}")
        telemetry.log().warning("nats_error", error=repr(error))

    async def _on_closed(self) -> None:
        if not self.closing:
            end_process("the connection to NATS is closed for good")

    async def _on_reconnected(self) -> None:
        telemetry.log().info("nats_is_back")
        for fetch in list(self.fetches):  # a pull request dies with the server: ask again at once
            fetch.cancel()
        for resync in self.resyncs:
            try:
                await resync()
            except Exception as error:  # nats-py would take it for a failed reconnection
                telemetry.log().error("resync_failed", error=repr(error), exc_info=True)

    @property
    def connected(self) -> bool:
        clients = [client for client in (self.platform, self.intake) if client is not None]
        return bool(clients) and all(client.is_connected for client in clients)

    def _jetstream(self, stream: str) -> JetStreamContext:
        foreign = stream in INTAKE_STREAMS or stream.startswith("intake-")
        client = self.intake if foreign else self.platform
        if client is None:
            raise ConnectionError(f"no connection for stream {stream}")
        return client.jetstream()

    async def publish(self, letter: Letter) -> int:
        """Publish *letter* into its stream and await the acknowledgement; its sequence."""
        answer = await self._jetstream(letter.stream).publish(
            letter.subject,
            letter.payload,
            timeout=5,
            stream=letter.stream,
            headers={**letter.headers, "Nats-Msg-Id": str(letter.id)},
        )
        return int(answer.seq)

    async def send_signal(self, subject: str, body: bytes) -> None:
        if self.platform is not None and self.platform.is_connected:
            await self.platform.publish(subject, body)

    async def listen(self, subject: str, heard: Callable[[str, bytes], Awaitable[None]]) -> None:
        """Plain subscription to *subject*, for signals."""
        if self.platform is None:
            raise ConnectionError("not connected")

        async def pass_on(message: Msg) -> None:
            await heard(message.subject, message.data)

        await self.platform.subscribe(subject, cb=pass_on)

    async def consumer(self, stream: str, durable: str) -> Any:
        """What the server knows of *durable*; raises `nats.js.errors.NotFoundError`."""
        return await self._jetstream(stream).consumer_info(stream, durable)

    def subscribe(
        self, stream: str, durable: str, subject: str, size: int, receive: Receive
    ) -> None:
        """Read *durable* with FastStream, in batches of up to *size*, once the broker starts."""
        if self.broker is None:
            raise ConnectionError("not connected")
        subscriber = self.broker.subscriber(
            subject,
            durable=durable,
            # never declare: that would overwrite the operator's stream
            stream=JStream(stream, declare=False),
            pull_sub=PullSub(batch_size=size, timeout=20, batch=True),
            inbox_prefix=f"_INBOX_{self.service}.".encode(),
            ack_policy=AckPolicy.MANUAL,
            decoder=_unread,
            no_reply=True,
        )

        async def pass_on(messages: Any) -> None:
            await self.guarded([Delivered(message) for message in messages], receive)

        subscriber(pass_on)

        async def loop() -> None:
            await asyncio.sleep(0)  # `running` is set right after this task was made
            await self._fetch(
                subscriber.subscription, size, subscriber.consume, lambda: subscriber.running
            )

        # FastStream's own batch loop waits until the batch is full or its time is over (seen on
        # 0.7.8: 20 s); ours takes what lies ready
        subscriber._consume_pull = loop  # type: ignore[method-assign]

    async def _fetch(
        self,
        subscription: Any,
        size: int,
        consume: Callable[[list[Msg]], Awaitable[Any]],
        running: Callable[[], bool],
    ) -> None:
        """
        Fetch what lies ready, up to *size*, and hand it over, while *running*.

        While news comes faster than it is handed over it gathers for a moment between: one
        transaction for ten costs little more than for one.
        """
        while running() and self.reading:
            fetch = asyncio.ensure_future(take(subscription, size))
            self.fetches.add(fetch)
            try:
                await asyncio.wait({fetch})
                messages = [] if fetch.cancelled() else fetch.result()
            except asyncio.CancelledError:
                fetch.cancel()
                raise
            except ConnectionClosedError:
                return  # the connection's own callback has its say
            except (NatsError, ConnectionError) as error:
                telemetry.log().warning("fetch_waits", error=repr(error))
                await asyncio.sleep(0.5)
                continue
            finally:
                self.fetches.discard(fetch)
            if not messages:
                continue
            if running() and self.reading:
                await consume(messages)
                if 1 < len(messages) < size:
                    await asyncio.sleep(_GATHER_S)
            else:
                await give_back(messages)

    async def guarded(self, deliveries: Sequence[Delivered], receive: Receive) -> None:
        """Hand over *deliveries*, telling the server meanwhile that they are in work."""
        beat = asyncio.create_task(self._in_progress(deliveries))
        try:
            await receive(deliveries)
        except Exception as error:
            telemetry.log().error("delivery_failed", error=repr(error), exc_info=True)
        finally:
            beat.cancel()
            for delivery in deliveries:
                if not delivery.answered:
                    with contextlib.suppress(Exception):
                        await delivery.nak(0.5)

    async def _in_progress(self, deliveries: Sequence[Delivered]) -> None:
        while True:
            await asyncio.sleep(self.settings.ack_wait_s / 3)
            for delivery in deliveries:
                if not delivery.answered:
                    with contextlib.suppress(Exception):
                        await delivery.message.in_progress()

    async def pull(
        self, stream: str, durable: str, size: int, receive: Receive, stopping: asyncio.Event
    ) -> None:
        """Read *durable* in the companies' account until *stopping*; ends when it is gone."""
        subscription = await self._jetstream(stream).pull_subscribe_bind(
            durable=durable,
            stream=stream,
            inbox_prefix=f"_INBOX_{self.service}-intake.".encode(),
        )

        async def pass_on(messages: list[Msg]) -> None:
            await self.guarded([Delivered(message) for message in messages], receive)

        try:
            await self._fetch(subscription, size, pass_on, lambda: not stopping.is_set())
        finally:
            with contextlib.suppress(Exception):
                await subscription.unsubscribe()

    async def start(self) -> None:
        """Begin to read what was subscribed."""
        if self.broker is not None:
            await self.patiently(self.broker.start)

    async def stop_reading(self, grace_s: float) -> None:
        """Fetch no more; what is in work may end within *grace_s* seconds, then it is cancelled."""
        self.reading = False
        fetches = list(self.fetches)
        for fetch in fetches:
            fetch.cancel()
        if fetches:
            await asyncio.wait(fetches, timeout=2)  # what they hold is given back
        if self.broker is None:
            return
        subscribers = list(self.broker.subscribers)
        tasks = [task for one in subscribers for task in getattr(one, "tasks", ())]
        stopping = [asyncio.wait_for(one.stop(), grace_s) for one in subscribers]
        await asyncio.gather(*stopping, return_exceptions=True)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        """Stop reading, send what is buffered, close."""
        self.closing = True
        self.reading = False
        if self.broker is not None:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(self.broker.stop(), 5)
        for client in (self.intake, self.platform):
            if client is not None and not client.is_closed:
                with contextlib.suppress(Exception):
                    await asyncio.wait_for(client.drain(), 5)
