"""The one place that decides about acknowledgement, retry and duplicates."""

import hashlib
import json
import random
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from shared import telemetry
from shared.contracts.base import Event, NotAnEvent, envelope, uuid7
from shared.plain import plain_rows
from shared.service.card import Batch, Handler, Refused
from shared.work import Database, Work, is_outage, point


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


TIRESOME = 20  # deliveries, after which an operator may want to set the event aside


def delay_s(deliveries: int, *, first: float, cap: float) -> float:
    """How long to wait before delivery *deliveries* + 1: growing, capped, with jitter."""
    grown = first * 2.0 ** min(max(deliveries - 1, 0), 20)
    return float(min(cap, grown)) * random.uniform(0.8, 1.2)


def storable(value: str) -> str:
    """*value* without what PostgreSQL keeps in no text: NUL and lone surrogates, as escapes."""
    return value.replace("\0", "\\0").encode(errors="backslashreplace").decode()


def key_of(delivery: Delivery) -> str:
    """Source and event id; where there is no envelope, a digest. Never the stream's sequence."""
    try:
        attributes = envelope(delivery.headers)
        return storable(f"{attributes['source']} {attributes['id']}")
    except NotAnEvent:
        told = json.dumps([delivery.subject, dict(delivery.headers or {})], sort_keys=True)
        return hashlib.sha256(told.encode() + delivery.body).hexdigest()


CLAIM = text(
    """
    INSERT INTO inbox (durable, source, event_id)
    SELECT :durable, :source, event_id FROM unnest(CAST(:ids AS text[])) AS told(event_id)
    ORDER BY event_id
    ON CONFLICT DO NOTHING
    RETURNING event_id
    """
)
# a statement of its own: the claim may have waited for somebody who buried the event meanwhile
BURIED = """
    SELECT key FROM dead_letter
    WHERE durable = $1 AND key = ANY($2::text[]) AND replayed_at IS NULL
"""
UNCLAIM = text(
    "DELETE FROM inbox WHERE durable = :durable AND source = :source "
    "AND event_id = ANY(CAST(:ids AS text[]))"
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
    """Enter *events* in the inbox of *durable*; those neither known nor dead yet, each once."""
    once = {str(event.id): event for event in events}  # copies may come in one batch
    if not once:
        return []
    source = source_of(events[0])
    told = {"durable": durable, "source": source, "ids": list(once)}
    new = {row.event_id for row in await session.execute(CLAIM, told)}
    if new:
        keys = {f"{source} {id}": id for id in new}
        found = await plain_rows(session, BURIED, durable, list(keys))
        if dead := [keys[key] for (key,) in found]:
            await session.execute(UNCLAIM, told | {"ids": dead})
            new -= set(dead)
    return [event for id, event in once.items() if id in new]


def source_of(event: Event) -> str:
    """The `ce-source` of *event*."""
    return f"/massakoppi/{event.owner()}"


async def set_aside(
    connection: AsyncConnection, event: Event | None, letter: dict[str, Any]
) -> bool:
    """
    Keep *letter* as a dead letter; False, and nothing kept, when its *event* is applied already.

    Entering the event in the inbox for the moment waits for whoever has it in work: it is applied
    or dead, never both.
    """
    if event is None:
        await connection.execute(BURY, letter)
        return True
    told = {"durable": letter["durable"], "source": source_of(event), "ids": [str(event.id)]}
    if (await connection.execute(CLAIM, told)).first() is None:
        return False
    await connection.execute(BURY, letter)
    await connection.execute(UNCLAIM, told)
    return True


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
            if delivery.deliveries >= TIRESOME:
                telemetry.log().error(
                    "event_comes_again", stream=delivery.stream, seq=delivery.stream_seq,
                    deliveries=delivery.deliveries,
                )  # fmt: skip
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
                await self.failed(delivery, error, event)
        else:
            await delivery.ack()

    async def failed(
        self, delivery: Delivery, error: Exception, event: Event | None = None
    ) -> None:
        """Count one failure of *delivery*; at the limit it becomes a dead letter."""
        telemetry.event_failures.labels(self.durable).inc()
        key = key_of(delivery)
        never = isinstance(error, Refused)
        try:
            async with self.database.engine.begin() as connection:
                why = storable(repr(error))[:2000]
                counted = await connection.execute(
                    COUNT, {"durable": self.durable, "key": key, "error": why}
                )
                failures = counted.scalar_one()
        except Exception:
            await self._come_back([delivery])
            return
        told: Any = telemetry.log()
        told.warning("event_failed", key=key, failures=failures, error=repr(error))
        if never or failures >= self.failures_until_dead:
            reason = "refused" if never else "gave_up"
            dead = await self.bury(delivery, reason, repr(error), failures, event)
            point("after-dead-letter-before-term")
            await delivery.term()
            if dead:
                told.error("event_given_up", key=key)
        else:
            await delivery.nak(delay_s(failures, **self.retry))

    async def bury(
        self,
        delivery: Delivery,
        reason: str,
        error: str,
        failures: int = 0,
        event: Event | None = None,
    ) -> bool:
        """Keep *delivery* as a dead letter, with why; False when another applied it meanwhile."""
        key = key_of(delivery)
        headers = {storable(k): storable(v) for k, v in (delivery.headers or {}).items()}
        letter = {
            "id": uuid7(),
            "durable": self.durable,
            "key": key,
            "stream": delivery.stream,
            "seq": delivery.stream_seq,
            "subject": storable(delivery.subject),
            "headers": json.dumps(headers),
            "payload": delivery.body,
            "reason": reason,
            "error": storable(error)[:4000],
            "failures": failures,
        }
        async with self.database.engine.begin() as connection:
            dead = await set_aside(connection, event, letter)
            await connection.execute(FORGET_FAILURE, {"durable": self.durable, "key": key})
        if dead:
            telemetry.dead_letters.labels(self.durable, reason).inc()
        return dead

    async def _come_back(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            await delivery.nak(delay_s(delivery.deliveries, **self.retry))


CAME_AGAIN = text(
    """
    UPDATE dead_letter SET replayed_at = now(), settled_by = 'door', note = 'came again, was taken'
    WHERE durable = :durable AND key = ANY(CAST(:keys AS text[]))
      AND replayed_at IS NULL AND discarded_at IS NULL
    """
)
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
        work.note(f"operator/{by}", "dead-letter-replayed", f"dead-letters/{letter.id}")
        if await claim(work.session, consumer.durable, [event]):
            await hand_over(work, consumer.handler, [event])
