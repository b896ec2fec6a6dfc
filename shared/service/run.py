"""How a service runs: from its card to a process that can be stopped, killed and scaled alone."""

import asyncio
import contextlib
import gc
import signal
import socket
import time
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import structlog
import uvicorn
from nats.js.api import ConsumerInfo
from nats.js.errors import NotFoundError
from sqlalchemy import text

from shared import signals, telemetry
from shared.access import read_key
from shared.contracts.base import Event
from shared.http import application
from shared.outbox import Relay
from shared.service.bus import Bus, Delivered, end_process
from shared.service.card import (
    Answered,
    Batch,
    Door,
    Handler,
    Knock,
    Later,
    NotOurs,
    Service,
    durable_of,
    intake_durable,
    intake_stream,
)
from shared.service.consume import CAME_AGAIN, Consumer, delay_s, key_of
from shared.service.due import Worker
from shared.trail import seal_days
from shared.work import Database, Work, is_outage, point

OPEN_DEAD_LETTERS = text(
    "SELECT count(*) FROM dead_letter WHERE replayed_at IS NULL AND discarded_at IS NULL"
)
PRUNE_INBOX = text("DELETE FROM inbox WHERE heard_at < now() - interval '45 days'")
PRUNE_FAILURES = text("DELETE FROM event_failure WHERE first_at < now() - interval '45 days'")
PRUNE_EVERY_S = 3600.0
ALONE = text("SELECT pg_try_advisory_xact_lock(hashtext('massakoppi prunes'))")


class _Http(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield  # the process decides about signals, not one of its parts


class Running:
    """One service, running: its connections, tasks and health."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.settings = service.settings
        self.database = Database.open(service.ledger, service.settings) if service.ledger else None
        self.bus = Bus(service.name, service.settings)
        self.relay: Relay | None = None
        self.workers: dict[str, Worker] = {}
        self.tasks: list[asyncio.Task[Any]] = []
        self.stopping = asyncio.Event()
        self.started = False
        self.missing: list[str] = []
        self.url = ""
        self.http: _Http | None = None
        self.consumers: dict[str, Consumer] = {}
        self._readers: dict[str, asyncio.Task[None]] = {}
        self._background: set[asyncio.Task[Any]] = set()

    # -- starting -------------------------------------------------------------------------

    async def start(self) -> None:
        """Connect, check what is needed, begin to read, work and answer."""
        key = self.settings.access_public_key_file
        self.app = application(
            name=self.service.name,
            router=self.service.api,
            database=self.database,
            public_key=read_key(key) if key else None,
            health=self,
            settings=self.settings,
            before_scrape=self._measure,
        )
        self.app.state.running = self
        self._serve_http()
        if self.database is not None:
            self.database.handed = self._hand_on
            await self._await_schema(self.database)
        await self.bus.connect(intake=self.service.needs_intake)
        await self._require_durables()
        await self._prepare()
        if self.database is not None:
            self._begin_relay(self.database)
            self._begin_workers(self.database)
            self._subscribe(self.database)
        if self.service.listens is not None:
            await self._begin_listening()
        await self.bus.start()
        if self.service.takes_in is not None:
            self._task(self._keep_door(self.service.takes_in), "door")
        self._task(self._watch(), "watch")
        self.started = True
        telemetry.log().info("service_runs", url=self.url)

    def _serve_http(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((self.settings.http_host, self.settings.http_port))
        listener.set_inheritable(True)
        self.url = f"http://{self.settings.http_host}:{listener.getsockname()[1]}"
        config = uvicorn.Config(
            self.app,
            lifespan="off",
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=2,
            server_header=False,
        )
        self.http = _Http(config)
        self._task(self.http.serve(sockets=[listener]), "http")

    async def _await_schema(self, database: Database) -> None:
        while True:
            try:
                async with database.engine.connect() as connection:
                    await connection.execute(text("SELECT 1 FROM outbox LIMIT 1"))
                return
            except Exception as error:
                telemetry.log().warning("database_waits", error=repr(error)[:300])
                await asyncio.sleep(1)

    async def _prepare(self) -> None:
        """The service's own beginning, again while a server is away."""
        while self.service.on_start is not None:
            try:
                return await self.service.on_start(self.app)
            except Exception as error:
                if not is_outage(error):
                    raise
                telemetry.log().warning("start_waits", error=repr(error)[:300])
                await asyncio.sleep(1)

    async def _require_durables(self) -> None:
        """Raise `SystemExit` where a durable is missing, or is not what this service needs."""
        unmet: list[str] = []
        for contract, handler in self.service.reacts_to.items():
            durable = durable_of(self.service.name, contract)
            about = await self.bus.patiently(partial(self._seen, contract.stream(), durable))
            if about is None:
                self.missing.append(durable)
            else:
                unmet += self._unmet(contract, handler, about.config)
        if self.missing:
            raise SystemExit(
                f"{self.service.name}: no durable {', '.join(self.missing)} on the server; "
                "run `massakoppi provision` first"
            )
        if unmet:
            raise SystemExit(
                f"{self.service.name}: {'; '.join(unmet)}; `massakoppi provision --check` shows "
                "all, `--overwrite` mends it"
            )

    def _unmet(self, contract: type[Event], handler: Handler | Batch, config: Any) -> list[str]:
        """What of a durable's *config* loses events or lets them go round; as bounds, not equal."""
        durable = durable_of(self.service.name, contract)
        size = handler.size if isinstance(handler, Batch) else 1
        found = []
        if (config.max_deliver or -1) > 0:
            found.append(f"max_deliver is {config.max_deliver}, needs -1: this code owns the limit")
        if config.ack_wait is not None and config.ack_wait < self.settings.ack_wait_s:
            found.append(f"ack_wait is {config.ack_wait} s, needs {self.settings.ack_wait_s} s")
        if 0 < (config.max_ack_pending or 0) < size:
            found.append(f"max_ack_pending is {config.max_ack_pending}, needs {size}")
        if config.filter_subject != contract.subjects():
            found.append(f"filter_subject is {config.filter_subject}, needs {contract.subjects()}")
        return [f"durable {durable}: {one}" for one in found]

    def _durables(self) -> list[tuple[str, str]]:
        return [
            (durable_of(self.service.name, contract), contract.stream())
            for contract in self.service.reacts_to
        ]

    async def _seen(self, stream: str, durable: str) -> ConsumerInfo | None:
        """What the server knows of *durable*, its lag noted; None when it is not there."""
        try:
            about: ConsumerInfo = await self.bus.consumer(stream, durable)
        except NotFoundError:
            return None
        waiting = (about.num_pending or 0) + (about.num_ack_pending or 0)
        telemetry.consumer_lag.labels(durable).set(waiting)
        return about

    def _begin_relay(self, database: Database) -> None:
        self.relay = Relay(database, self.bus.publish)
        self._task(self.relay.run(), "relay")

    def _begin_workers(self, database: Database) -> None:
        for due, handler in self.service.works_off.items():
            worker = Worker(database, due, handler)
            self.workers[due.table] = worker
            self._task(worker.run(), f"due {due.table}")

    def _subscribe(self, database: Database) -> None:
        for contract, handler in self.service.reacts_to.items():
            durable = durable_of(self.service.name, contract)
            consumer = Consumer(
                database,
                durable,
                contract,
                handler,
                failures_until_dead=self.settings.failures_until_dead,
                retry_first_s=self.settings.retry_first_s,
                retry_cap_s=self.settings.retry_cap_s,
            )
            self.consumers[durable] = consumer
            self.bus.subscribe(
                contract.stream(), durable, contract.subjects(), consumer.size, consumer.receive
            )

    async def _begin_listening(self) -> None:
        listens = self.service.listens
        if listens is None:
            return

        async def heard(subject: str, body: bytes) -> None:
            await listens(self.app, subject, body)

        async def resync() -> None:
            await listens(self.app, "resync", b"")

        await self.bus.listen("signals.>", heard)
        self.bus.resyncs.append(resync)

    # -- what commits, goes out -----------------------------------------------------------

    def _hand_on(self, work: Work) -> None:
        if self.relay is not None:
            self.relay.take(work.letters)
        for due in work.woken:
            if due in self.workers:
                self.workers[due].news.set()
        if work.signals:
            sending = asyncio.ensure_future(
                signals.send(self.service.name, work.signals, self.bus.send_signal)
            )
            self._background.add(sending)
            sending.add_done_callback(self._background.discard)

    # -- the company door -----------------------------------------------------------------

    async def _keep_door(self, door: Door) -> None:
        """One reader an organisation, opened and closed as organisations come and go."""
        while not self.stopping.is_set():
            try:
                wanted = set(await door.organisations(self.database))
            except Exception as error:
                telemetry.log().warning("door_waits", error=repr(error))
                wanted = set(self._readers)
            for organisation in wanted - set(self._readers):
                self._readers[organisation] = asyncio.create_task(
                    self._read_door(door, organisation)
                )
            for organisation in set(self._readers) - wanted:
                self._readers.pop(organisation).cancel()
            for organisation, reader in list(self._readers.items()):
                if reader.done():
                    self._readers.pop(organisation)
                    if not reader.cancelled() and reader.exception():
                        telemetry.log().warning(
                            "reader_ended",
                            organisation=organisation,
                            error=repr(reader.exception()),
                        )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), door.every_s)

    async def _read_door(self, door: Door, organisation: str) -> None:
        async def receive(deliveries: Sequence[Delivered]) -> None:
            await self.receive_knocks(door, organisation, deliveries)

        await self.bus.pull(
            intake_stream(organisation),
            intake_durable(organisation),
            door.size,
            receive,
            self.stopping,
        )

    async def receive_knocks(
        self, door: Door, organisation: str, deliveries: Sequence[Delivered]
    ) -> None:
        """Answer *deliveries* in one transaction; where that fails, one by one."""
        try:
            await self._answer(door, organisation, deliveries)
        except Exception as error:
            if is_outage(error):
                telemetry.log().warning("knocks_wait", error=repr(error))
                for delivery in deliveries:
                    await delivery.nak(self._delay(delivery))
                return
            telemetry.log().warning("knocks_one_by_one", error=repr(error))
            point("during-fallback")
            for delivery in deliveries:
                await self._answer_alone(door, organisation, delivery)

    async def _answer_alone(self, door: Door, organisation: str, delivery: Delivered) -> None:
        if self.database is None:
            return
        consumer = Consumer(
            self.database,
            intake_durable(organisation),
            door.contracts[0],  # type: ignore[arg-type]  # only its burial is used here
            door.take_in,  # type: ignore[arg-type]
            failures_until_dead=self.settings.failures_until_dead,
            retry_first_s=self.settings.retry_first_s,
            retry_cap_s=self.settings.retry_cap_s,
        )
        try:
            await self._answer(door, organisation, [delivery])
        except Exception as error:
            if is_outage(error):
                await delivery.nak(self._delay(delivery))
            else:
                await consumer.failed(delivery, error)

    async def _answer(self, door: Door, organisation: str, deliveries: Sequence[Delivered]) -> None:
        if self.database is None:
            return
        knocks = [
            Knock(
                organisation,
                delivery.subject.split(".", 2)[2],
                delivery.headers,
                delivery.body,
                delivery.stream_seq,
                delivery.deliveries,
            )
            for delivery in deliveries
        ]
        async with self.database.begin_work() as work:
            answers = await door.take_in(knocks, work)
            answered = [
                key_of(delivery)
                for delivery, answer in zip(deliveries, answers, strict=True)
                if isinstance(answer, Answered)
            ]
            told = {"durable": intake_durable(organisation), "keys": answered}
            await work.session.execute(CAME_AGAIN, told)
        point("after-commit-before-ack")
        for delivery, answer in zip(deliveries, answers, strict=True):
            match answer:
                case Answered():
                    await delivery.ack()
                case Later(seconds):
                    await delivery.nak(seconds)
                case NotOurs():
                    telemetry.not_an_event.inc()
                    await delivery.term()

    def _delay(self, delivery: Delivered) -> float:
        return delay_s(
            delivery.deliveries, first=self.settings.retry_first_s, cap=self.settings.retry_cap_s
        )

    # -- health ---------------------------------------------------------------------------

    async def problems(self) -> Sequence[str]:
        """What keeps the service from being ready."""
        found = []
        if self.stopping.is_set():
            found.append("stopping")
        elif not self.started:
            found.append("starting")
        if not self.bus.connected:
            found.append("not connected to NATS")
        found += [f"no durable {durable}" for durable in self.missing]
        if self.database is not None:
            try:
                async with asyncio.timeout(2), self.database.engine.connect() as connection:
                    await connection.execute(text("SELECT 1 FROM outbox LIMIT 1"))
            except Exception as error:
                found.append(f"database: {type(error).__name__}")
        found += [f"task {task.get_name()} ended" for task in self.tasks if task.done()]
        return found

    async def _measure(self) -> None:
        if self.database is None:
            return
        with contextlib.suppress(Exception):
            async with asyncio.timeout(2), self.database.engine.connect() as connection:
                count = (await connection.execute(OPEN_DEAD_LETTERS)).scalar_one()
            telemetry.dead_letters_open.set(count)
        if self.bus.connected:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(2):
                    for durable, stream in self._durables():
                        await self._seen(stream, durable)

    async def _watch(self) -> None:
        """Now and then: do the durables still exist? A missing one ends the process."""
        pruned = -PRUNE_EVERY_S
        while True:
            await asyncio.sleep(self.settings.watch_every_s)
            for durable, stream in self._durables():
                try:
                    if await self._seen(stream, durable) is None:
                        end_process(f"durable {durable} is gone from the server")
                except Exception as error:  # merely away: the readers come back by themselves
                    telemetry.log().warning("durable_unseen", error=repr(error))
            if time.monotonic() > pruned + PRUNE_EVERY_S:
                pruned = time.monotonic()
                await self._prune()
            await self._seal()

    async def _prune(self) -> None:
        if self.database is None:
            return
        with contextlib.suppress(Exception):
            async with self.database.engine.begin() as connection:
                if (await connection.execute(ALONE)).scalar_one():
                    await connection.execute(PRUNE_INBOX)
                    await connection.execute(PRUNE_FAILURES)

    async def _seal(self) -> None:
        """Seal what is over of the trail; the seals are told to the log, outside the database."""
        if self.database is None:
            return
        try:
            found = await seal_days(self.database.engine, self.settings.zone, datetime.now(UTC))
        except Exception as error:
            telemetry.log().warning("trail_not_sealed", error=repr(error))
            return
        for one in found:
            telemetry.log().info("trail_sealed", day=str(one.day), rows=one.rows, seal=one.seal)

    # -- stopping -------------------------------------------------------------------------

    def _task(self, work: Coroutine[Any, Any, Any], name: str) -> None:
        self.tasks.append(asyncio.create_task(work, name=name))

    async def failed(self) -> BaseException | None:
        """Wait until a task of the service ends; its error. For ever while all is well."""
        done, _ = await asyncio.wait(self.tasks, return_when=asyncio.FIRST_COMPLETED)
        task = next(iter(done))
        if self.stopping.is_set() or task.cancelled():
            return None
        return task.exception() or RuntimeError(f"task {task.get_name()} ended")

    async def stop(self) -> None:
        """Not ready; nothing new; what runs may end; the relay sends what that told; close."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self.settings.stop_grace_s
        self.stopping.set()
        for worker in self.workers.values():
            worker.stopping = True
            worker.news.set()
        if self.service.on_stop is not None:
            with contextlib.suppress(Exception):
                await self.service.on_stop(self.app)
        await self.bus.stop_reading(self.settings.stop_grace_s)
        if self.http is not None:
            self.http.should_exit = True
        ending = [t for t in self.tasks if t.get_name() not in ("watch", "door", "relay")]
        if ending := [*ending, *self._readers.values()]:
            await asyncio.wait(ending, timeout=max(0.0, until - loop.time()))
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        if self.relay is not None:  # last: the others announced until now
            self.relay.stopping = True
            self.relay.news.set()
            sending = [task for task in self.tasks if task.get_name() == "relay"]
            await asyncio.wait(sending, timeout=max(1.0, until - loop.time()))
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.bus.close()
        if self.database is not None:
            await self.database.close()


@asynccontextmanager
async def running(service: Service) -> AsyncIterator[Running]:
    """*service*, running in this event loop until the block ends."""
    live = Running(service)
    try:
        await live.start()
        yield live
    finally:
        await live.stop()


_LEFT_TO_REFERENCES = 50_000
"""Objects before a collection: more than one change makes, so that none is held up by it."""


async def _until_told(service: Service) -> None:
    live = Running(service)
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    starting = asyncio.create_task(live.start())
    asked = asyncio.create_task(told.wait())
    try:
        await asyncio.wait([starting, asked], return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            gc.collect()
            gc.freeze()  # what was made until now stays: no later collection looks through it
            gc.set_threshold(_LEFT_TO_REFERENCES)
            failing = asyncio.create_task(live.failed())
            await asyncio.wait([failing, asked], return_when=asyncio.FIRST_COMPLETED)
            if failing.done() and (error := failing.result()):
                telemetry.log().error("service_failed", error=repr(error))
                raise SystemExit(1)
            failing.cancel()
        else:
            starting.cancel()
            await asyncio.wait([starting], timeout=5)
    finally:
        await live.stop()


def run(service: Service) -> None:
    """Run *service* as this process until SIGTERM or SIGINT; exits non-zero if it cannot go on."""
    telemetry.set_up(
        service=service.name,
        level=service.settings.log_level,
        as_json=service.settings.log_json,
    )
    structlog.contextvars.bind_contextvars(service=service.name)
    with asyncio.Runner(loop_factory=_loop) as runner:
        runner.run(_until_told(service))


def _loop() -> asyncio.AbstractEventLoop:
    import uvloop  # noqa: PLC0415  (not on every platform of a developer)

    return uvloop.new_event_loop()
