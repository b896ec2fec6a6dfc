"""Dead letters of every service: read, replayed, discarded, taken aside."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import text

from deploy.cards import cards
from deploy.provision import connected
from deploy.system import System
from shared.contracts.base import uuid7
from shared.service import Answered, Door, Knock, Refused, Service, durable_of, intake_durable
from shared.service.consume import REPLAYED, Consumer, replay, set_aside, source_of
from shared.work import Database


class NoSuchLetter(ValueError):
    """There is no open dead letter of that id."""


OPERATOR = "operator/operator"
OPEN = "replayed_at IS NULL AND discarded_at IS NULL"


@asynccontextmanager
async def databases(system: System, only: str | None = None) -> AsyncIterator[dict[str, Any]]:
    """The services that keep something, each with its database: name → (card, database)."""
    opened: dict[str, tuple[Service, Database]] = {}
    try:
        for service in cards(postgres_url=system.postgres_url):
            if service.ledger is not None and only in (None, service.name):
                opened[service.name] = (service, Database.open(service.ledger, service.settings))
        yield opened
    finally:
        for _, database in opened.values():
            await database.close()


def _plain(service: str, row: Any) -> dict[str, Any]:
    told = dict(row._mapping)
    told["payload"] = bytes(told["payload"]).decode(errors="replace")
    return {"service": service, **{key: value for key, value in told.items()}}


async def list_letters(
    system: System, service: str | None, *, settled: bool = False
) -> list[dict[str, Any]]:
    """The dead letters of *service*, or of all; only open ones unless *settled*."""
    found = []
    async with databases(system, service) as opened:
        for name, (_, database) in opened.items():
            where = "" if settled else f"WHERE {OPEN}"
            async with database.engine.connect() as connection:
                rows = await connection.execute(
                    text(f"SELECT * FROM dead_letter {where} ORDER BY dead_at")
                )
                found += [_plain(name, row) for row in rows]
    return found


async def show_letter(system: System, id: str) -> dict[str, Any]:
    """The one dead letter whose id begins with *id*."""
    found = [one for one in await list_letters(system, None, settled=True)
             if str(one["id"]).startswith(id)]  # fmt: skip
    if len(found) != 1:
        raise NoSuchLetter(f"{len(found)} dead letters begin with {id!r}")
    return found[0]


async def replay_letters(
    system: System, id: str | None, only: str | None, note: str
) -> list[dict[str, Any]]:
    """Replay the letter *id*, or every open one; what became of each."""
    done = []
    async with databases(system, only) as opened:
        for name, (service, database) in opened.items():
            async with database.engine.connect() as connection:
                rows = (
                    await connection.execute(
                        text(f"SELECT * FROM dead_letter WHERE {OPEN} ORDER BY dead_at")
                    )
                ).all()
            for row in rows:
                if id is not None and not str(row.id).startswith(id):
                    continue
                result = await _replay(service, database, row, note)
                done.append({"id": row.id, "service": name, "result": result})
    if not done and id is not None:
        raise NoSuchLetter(f"no open dead letter begins with {id!r}")
    return done


async def _replay(service: Service, database: Database, row: Any, note: str) -> str:
    for contract, handler in service.reacts_to.items():
        if durable_of(service.name, contract) == row.durable:
            consumer = Consumer(database, row.durable, contract, handler)
            try:
                await replay(consumer, row, by="operator", note=note)
            except Exception as error:
                return f"still dead: {error!r}"
            return "replayed"
    organisation = row.stream.removeprefix("intake-")
    if service.takes_in is not None and row.durable == intake_durable(organisation):
        try:
            await _knock_again(service.takes_in, database, organisation, row, note)
        except Exception as error:
            return f"still dead: {error!r}"
        return "replayed"
    return "still dead: its reader is not on the service's card any more"


async def _knock_again(
    door: Door, database: Database, organisation: str, row: Any, note: str
) -> None:
    """Let the letter knock once more: its receipt, and its end as a dead letter, in one."""
    event_name = row.subject.split(".", 2)[2]
    knock = Knock(organisation, event_name, row.headers, bytes(row.payload), row.stream_seq)
    async with database.begin_work() as work:
        told = {"id": row.id, "by": "operator", "note": note}
        settled = await work.session.execute(REPLAYED, told)
        if settled.rowcount == 0:  # type: ignore[attr-defined]
            raise Refused("this dead letter is settled already")
        work.note(OPERATOR, "dead-letter-replayed", f"dead-letters/{row.id}", organisation)
        (answer,) = await door.take_in([knock], work)
        if not isinstance(answer, Answered):
            raise Refused(f"no verdict yet: {answer}")


async def discard(system: System, id: str, note: str) -> None:
    """Settle the letter *id* without applying it."""
    letter = await show_letter(system, id)
    async with databases(system, letter["service"]) as opened:
        _, database = opened[letter["service"]]
        async with database.begin_work() as work:
            work.note(OPERATOR, "dead-letter-discarded", f"dead-letters/{letter['id']}")
            done = await work.session.execute(
                text(
                    "UPDATE dead_letter SET discarded_at = now(), settled_by = 'operator', "
                    f"note = :note WHERE id = :id AND {OPEN}"
                ),
                {"id": letter["id"], "note": note},
            )
            if done.rowcount == 0:
                raise NoSuchLetter(f"{id} is settled already")


async def take_message(system: System, service: str, durable: str, seq: int, note: str) -> None:
    """
    Enter message *seq* as a dead letter of *durable* before its reader sees it again.

    Its redelivery is then acknowledged unread; a replay applies it.
    """
    async with databases(system, service) as opened:
        if service not in opened:
            raise ValueError(f"no service {service!r} that keeps events")
        told, database = opened[service]
        contract = next(
            (one for one in told.reacts_to if durable_of(service, one) == durable), None
        )
        if contract is None:
            raise ValueError(f"{service} has no durable {durable!r}")
        seed = system.ring.nats_seed("admin").read_text()
        async with connected(system.nats_url, seed, "operator") as client:
            message = await client.jetstream().get_msg(contract.stream(), seq)
        headers = dict(message.headers or {})
        event = contract.from_message(headers, message.data or b"")
        letter = {
            "id": uuid7(), "durable": durable, "key": f"{source_of(event)} {event.id}",
            "stream": contract.stream(), "seq": seq, "subject": message.subject,
            "headers": json.dumps(headers), "payload": message.data, "reason": "taken",
            "error": note, "failures": 0,
        }  # fmt: skip
        async with database.begin_work() as work:
            work.note(OPERATOR, "dead-letter-taken", f"dead-letters/{letter['id']}")
            if not await set_aside(await work.session.connection(), event, letter):
                raise ValueError(f"message {seq} is applied already: nothing to set aside")
