"""The journals: published outboxes, from which streams and read models are made again."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

from nats.aio.client import Client
from nats.js.api import ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from deploy.cards import card, cards
from deploy.letters import OPERATOR, databases
from deploy.provision import EVENTS_AGE_S, announced, connected
from deploy.system import System
from deploy.trail import note_command
from shared.contracts.base import Event, uuid7
from shared.outbox import letter_of
from shared.service import Batch, Service, durable_of
from shared.service.bus import INTAKE_STREAMS
from shared.service.consume import claim, hand_over
from shared.work import Database, Letter

Progress = Callable[[int, int], None]
CHUNK = 500


class NotRebuilt(ValueError):
    """This service cannot be rebuilt."""


async def journal(engine: AsyncEngine, contract: type[Event]) -> AsyncIterator[list[Event]]:
    """Every event of *contract* that its owner ever announced, in chunks, oldest first."""
    async with engine.connect() as connection:
        rows = await connection.stream(
            text("SELECT headers, payload FROM outbox WHERE name = :name ORDER BY id"),
            {"name": contract.name},
        )
        async for part in rows.partitions(CHUNK):
            yield [contract.from_message(row.headers, bytes(row.payload)) for row in part]


async def rebuild(system: System, name: str, progress: Progress = lambda _d, _t: None) -> int:
    """
    Make anew what service *name* keeps of others' events; how many were applied.

    One transaction: what it heard and its inbox are emptied and the journals given to it alone,
    with their original ids and times. What it tells itself stays. Needs no stream.
    """
    service = card(name, postgres_url=system.postgres_url)
    if service.ledger is None or not service.ledger.heard:
        raise NotRebuilt(f"{name} keeps nothing of others' events")
    owners = announced(cards())
    async with databases(system) as opened:
        reader = opened[name][1]
        sources = [(contract, opened[owners[contract]][1].engine) for contract in service.reacts_to]
        total = await _count(sources)
        done = 0
        async with reader.session() as session:
            tables = ", ".join(service.ledger.heard)
            await session.execute(text("SET LOCAL statement_timeout = 0"))
            await session.execute(text("SET LOCAL lock_timeout = '60s'"))
            await session.execute(text(f"TRUNCATE {tables}"))
            await session.execute(
                text("DELETE FROM inbox WHERE durable = ANY(CAST(:durables AS text[]))"),
                {"durables": [durable_of(name, contract) for contract in service.reacts_to]},
            )
            for contract, engine in sources:
                async for events in journal(engine, contract):
                    await _apply(reader, session, service, contract, events)
                    done += len(events)
                    progress(done, total)
            work = reader.work_in(session)
            work.note(OPERATOR, "service-rebuilt", name, events=done)
            await reader.write(work)
            await session.commit()
    return done


async def _count(sources: Sequence[tuple[type[Event], AsyncEngine]]) -> int:
    total = 0
    for contract, engine in sources:
        async with engine.connect() as connection:
            counted = await connection.execute(
                text("SELECT count(*) FROM outbox WHERE name = :name"), {"name": contract.name}
            )
            total += int(counted.scalar_one())
    return total


async def _apply(
    reader: Database, session: Any, service: Service, contract: type[Event], events: list[Event]
) -> None:
    handler = service.reacts_to[contract]
    size = handler.size if isinstance(handler, Batch) else 1
    for part in _parts(events, size):
        work = reader.work_in(session)
        fresh = await claim(session, durable_of(service.name, contract), part)
        if fresh:
            await hand_over(work, handler, fresh)
        await reader.write(work)


def _parts(events: list[Event], size: int) -> Iterator[list[Event]]:
    for start in range(0, len(events), size):
        yield events[start : start + size]


async def reconcile(system: System, *, check: bool = False) -> dict[str, dict[str, int]]:
    """
    Resend what a journal says was published and its stream has not; stream → counts.

    Same event ids, so readers that know them drop them. Only what the stream would still keep.
    """
    told: dict[str, dict[str, int]] = {}
    ring = system.ring
    async with (
        databases(system) as opened,
        connected(system.nats_url, ring.nats_seed("admin").read_text(), "op") as platform,
        connected(system.nats_url, ring.nats_seed("intake-admin").read_text(), "op") as intake,
    ):
        for name, (_, database) in opened.items():
            for stream, letters in (await _published(database.engine)).items():
                client = intake if stream in INTAKE_STREAMS else platform
                there = await _ids_in(client, stream)
                missing = [letter for letter in letters if str(letter.id) not in there]
                if missing and not check:
                    await note_command(
                        system, "journal-resent", stream, service=name, events=len(missing)
                    )
                    await _resend(client, missing)
                told[stream] = {"published": len(letters), "resent": len(missing)}
    return told


async def _published(engine: AsyncEngine) -> dict[str, list[Letter]]:
    found: dict[str, list[Letter]] = {}
    async with engine.connect() as connection:
        rows = await connection.stream(
            text(
                "SELECT id, name, stream, subject, headers, payload, created_at FROM outbox "
                "WHERE published_at > now() - :age * interval '1 second' ORDER BY id"
            ),
            {"age": EVENTS_AGE_S},
        )
        async for row in rows:
            letter = letter_of(row)
            found.setdefault(letter.stream, []).append(letter)
    return found


async def _ids_in(client: Client, stream: str) -> set[str]:
    js = client.jetstream()
    try:
        waiting = (await js.stream_info(stream)).state.messages
    except NotFoundError as error:
        raise NotFoundError(
            code=404, description=f"no stream {stream}: run `massakoppi provision` first"
        ) from error
    found: set[str] = set()
    if not waiting:
        return found
    reader = await js.pull_subscribe(
        "", stream=stream,
        config=ConsumerConfig(headers_only=True, deliver_policy=DeliverPolicy.ALL,
                              ack_policy="none"),  # type: ignore[arg-type]
    )  # fmt: skip
    while len(found) < waiting:
        try:
            messages = await reader.fetch(1000, timeout=2)
        except TimeoutError:
            break
        for message in messages:
            found.add((message.headers or {}).get("ce-id", ""))
        if messages and messages[-1].metadata.num_pending == 0:
            break
    await reader.unsubscribe()
    return found


async def _resend(client: Client, letters: Sequence[Letter]) -> None:
    js, turn = client.jetstream(), uuid7()
    for start in range(0, len(letters), 256):
        part = letters[start : start + 256]
        await asyncio.gather(
            *(
                js.publish(
                    letter.subject,
                    letter.payload,
                    stream=letter.stream,
                    timeout=5,
                    # another message id each time: the server may still remember the last one
                    headers={**letter.headers, "Nats-Msg-Id": f"{letter.id} {turn}"},
                )
                for letter in part
            )
        )
