"""The one place that decides about acknowledgement, retry and duplicates."""

import hashlib
import json
import random
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.ext.asyncio import AsyncSession

from shared import telemetry
from shared.contracts.base import Event, NotAnEvent, envelope, uuid7
from shared.service.card import Batch, Handler, Refused
from shared.work import Database, Work, point


class Delivery(Protocol):
    """One message of a stream, with its three answers."""

    subject: str
    headers: Mapping[str, str]
    body: bytes
    stream: str
    stream_seq: int
    deliveries: int

    async def ack(self) -> None: ...
    async def nak(self, delay_s: float) -> None: ...
    async def term(self) -> None: ...


OUTAGES = ("08", "53", "57P", "58", "40001", "40P01", "55P03", "57014", "25006")


def is_outage(error: BaseException) -> bool:
    """Whether *error* is of the infrastructure, so that nothing is counted against the event."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ConnectionError | TimeoutError | OSError | PoolExhausted):
            return True
        if isinstance(seen, InterfaceError):
            return True
        if isinstance(seen, DBAPIError) and seen.connection_invalidated:
            return True
        state = getattr(seen, "sqlstate", None) or getattr(
            getattr(seen, "orig", None), "sqlstate", None
        )
        if state and str(state).startswith(OUTAGES):
            return True
        if type(seen).__module__.startswith("nats."):
            return True
        seen = seen.__cause__
    return False


def delay_s(deliveries: int, *, first: float, cap: float) -> float:
    """How long to wait before delivery *deliveries* + 1: growing, capped, with jitter."""
    grown = first * 2.0 ** min(max(deliveries - 1, 0), 20)
    return float(min(cap, grown)) * random.uniform(0.8, 1.2)


def key_of(delivery: Delivery) -> str:
    """Source and event id; where there is no envelope, a digest. Never the stream's sequence."""
    try:
        attributes = envelope(delivery.headers)
        return f"{attributes['source']} {attributes['id']}"
    except NotAnEvent:
        told = json.dumps([delivery.subject, dict(delivery.headers or {})], sort_keys=True)
        return hashlib.sha256(told.encode() + delivery.body).hexdigest()


CLAIM = text(
    """
    INSERT INTO inbox (durable, source, event_id)
    SELECT :durable, source, event_id
    FROM unnest(CAST(:sources AS text[]), CAST(:ids AS text[])) AS told(source, event_id)
    WHERE NOT EXISTS (
        SELECT FROM dead_letter
        WHERE durable = :durable AND key = told.source || ' ' || told.event_id
          AND replayed_at IS NULL
    )
    ORDER BY source, event_id
    ON CONFLICT DO NOTHING
    RETURNING source, event_id
    """
)
COUNT = text(
    """
    INSERT INTO event_failure AS known (durable, key, failures, last_error)
    VALUES (:durable, :key, 1, :error)
    ON CONFLICT (durable, key)
    DO UPDATE SET failures = known.failures + 1, last_error = excluded.last_error
    RETURNING failures
    """
)
BURY = text(
    """
    INSERT INTO dead_letter (id, durable, key, stream, stream_seq, subject, headers, payload,
                             reason, error, failures)
    VALUES (:id, :durable, :key, :stream, :seq, :subject, CAST(:headers AS jsonb), :payload,
            :reason, :error, :failures)
    ON CONFLICT (durable, key) DO UPDATE SET reason = excluded.reason, error = excluded.error,
        replayed_at = NULL
    """
)
FORGET_FAILURE = text("DELETE FROM event_failure WHERE durable = :durable AND key = :key")


async def claim(session: AsyncSession, durable: str, events: Sequence[Event]) -> list[Event]:
    """Enter *events* in the inbox of *durable*; those that were new to it, each once."""
    once = {str(event.id): event for event in events}  # copies may come in one batch
    found = await session.execute(
        CLAIM,
        {
            "durable": durable,
            "sources": [f"/massakoppi/{event.owner()}" for event in once.values()],
            "ids": list(once),
        },
    )
    new = {row.event_id for row in found}
    return [event for id, event in once.items() if id in new]


async def hand_over(work: Work, handler: Handler | Batch, events: Sequence[Event]) -> None:
    """Give *events* to *handler*, together where it takes batches."""
    if isinstance(handler, Batch):
        await handler.handler(events, work)
        return
    for event in events:
        await handler(event, work)


class Consumer:
    """Brings the deliveries of one durable to one handler: once each, or to the dead letters."""

    def __init__(
        self,
        database: Database,
        durable: str,
        contract: type[Event],
        handler: Handler | Batch,
        *,
        failures_until_dead: int = 8,
        retry_first_s: float = 0.5,
        retry_cap_s: float = 30.0,
    ) -> None:
        self.database = database
        self.durable = durable
        self.contract = contract
        self.handler = handler
        self.failures_until_dead = failures_until_dead
        self.retry = {"first": retry_first_s, "cap": retry_cap_s}
        self.size = handler.size if isinstance(handler, Batch) else 1

    async def receive(self, deliveries: Sequence[Delivery]) -> None:
        """Apply *deliveries* in one transaction; where that fails, one by one."""
        begun = time.perf_counter()
        structlog.contextvars.bind_contextvars(durable=self.durable)
        readable: list[tuple[Delivery, Event]] = []
        for delivery in deliveries:
            event = await self._read(delivery)
            if event is not None:
                readable.append((delivery, event))
        if not readable:
            return
        try:
            await self._apply([event for _, event in readable])
        except Exception as error:
            if is_outage(error):
                telemetry.log().warning("events_wait", events=len(readable), error=repr(error))
                await self._come_back([delivery for delivery, _ in readable])
                return
            point("during-fallback")
            for delivery, event in readable:
                await self._single(delivery, event)
        else:
            point("after-commit-before-ack")
            for delivery, _ in readable:
                await delivery.ack()
        telemetry.work_seconds.labels(self.durable).observe(time.perf_counter() - begun)

    async def _read(self, delivery: Delivery) -> Event | None:
        try:
            return self.contract.from_message(delivery.headers, delivery.body)
        except NotAnEvent as error:
            try:
                await self.bury(delivery, "malformed", error.reason)
            except Exception as outage:
                telemetry.log().warning("events_wait", events=1, error=repr(outage))
                await self._come_back([delivery])
                return None
            point("after-dead-letter-before-term")
            await delivery.term()
            return None

    async def _apply(self, events: Sequence[Event]) -> None:
        correlation = str(events[0].id)
        async with self.database.begin_work(correlation=correlation) as work:
            fresh = await claim(work.session, self.durable, events)
            point("mid-batch")
            if fresh:
                await hand_over(work, self.handler, fresh)
        telemetry.events_applied.labels(self.durable).inc(len(fresh))
        telemetry.inbox_duplicates.labels(self.durable).inc(len(events) - len(fresh))

    async def _single(self, delivery: Delivery, event: Event) -> None:
        try:
            await self._apply([event])
        except Exception as error:
            if is_outage(error):
                await self._come_back([delivery])
            else:
                await self.failed(delivery, error)
        else:
            await delivery.ack()

    async def failed(self, delivery: Delivery, error: Exception) -> None:
        """Count one failure of *delivery*; at the limit it becomes a dead letter."""
        telemetry.event_failures.labels(self.durable).inc()
        key = key_of(delivery)
        never = isinstance(error, Refused)
        try:
            async with self.database.engine.begin() as connection:
                counted = await connection.execute(
                    COUNT, {"durable": self.durable, "key": key, "error": repr(error)[:2000]}
                )
                failures = counted.scalar_one()
        except Exception:
            await self._come_back([delivery])
            return
        told: Any = telemetry.log()
        told.warning("event_failed", key=key, failures=failures, error=repr(error))
        if never or failures >= self.failures_until_dead:
            await self.bury(delivery, "refused" if never else "gave_up", repr(error), failures)
            point("after-dead-letter-before-term")
            await delivery.term()
            told.error("event_given_up", key=key)
        else:
            await delivery.nak(delay_s(failures, **self.retry))

    async def bury(self, delivery: Delivery, reason: str, error: str, failures: int = 0) -> None:
        """Keep *delivery* as a dead letter, with why."""
        key = key_of(delivery)
        async with self.database.engine.begin() as connection:
            await connection.execute(
                BURY,
                {
                    "id": uuid7(),
                    "durable": self.durable,
                    "key": key,
                    "stream": delivery.stream,
                    "seq": delivery.stream_seq,
                    "subject": delivery.subject,
                    "headers": json.dumps(dict(delivery.headers or {})),
                    "payload": delivery.body,
                    "reason": reason,
                    "error": error[:4000],
                    "failures": failures,
                },
            )
            await connection.execute(FORGET_FAILURE, {"durable": self.durable, "key": key})
        telemetry.dead_letters.labels(self.durable, reason).inc()

    async def _come_back(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            await delivery.nak(delay_s(delivery.deliveries, **self.retry))


REPLAYED = text(
    """
    UPDATE dead_letter SET replayed_at = now(), settled_by = :by, note = :note
    WHERE id = :id AND replayed_at IS NULL AND discarded_at IS NULL
    """
)


async def replay(consumer: Consumer, letter: Any, *, by: str, note: str) -> None:
    """
    Run the stored bytes of dead *letter* through the same handler, in one transaction that settles
    it too. Raises what the handler raises: the letter then stays dead.
    """
    event = consumer.contract.from_message(letter.headers, letter.payload)
    async with consumer.database.begin_work(correlation=str(event.id)) as work:
        settled = await work.session.execute(REPLAYED, {"id": letter.id, "by": by, "note": note})
        if settled.rowcount == 0:  # type: ignore[attr-defined]
            raise Refused("this dead letter is settled already")
        if await claim(work.session, consumer.durable, [event]):
            await hand_over(work, consumer.handler, [event])
