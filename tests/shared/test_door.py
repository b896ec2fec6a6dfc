"""The door stays open for all, whatever one company writes on its messages."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import nats
import pytest
from nats.aio.client import Client
from nats.js.api import StreamConfig

from deploy.provision import durable_config
from deploy.servers import Nats
from shared.contracts.intake import HandedProject
from shared.service import Answered, Door, Knock, intake_durable, intake_stream
from shared.work import Work
from tests.conftest import eventually
from tests.shared.listener import HEAR, MakeDatabase, World, listener, listening

COMPANIES = ("acme", "beta")
fails: list[str] = []


async def take_in(knocks: Sequence[Knock], work: Work) -> Sequence[Any]:
    """Hear the body of each knock, as its company's word; fail where told to."""
    for knock in knocks:
        word = knock.body.decode()
        if word in fails:
            raise ValueError(f"cannot take {word!r}")
        await work.session.execute(HEAR, {"word": f"{knock.organisation} {word}"})
    return [Answered()] * len(knocks)


async def companies(_: Any) -> list[str]:
    return list(COMPANIES)


@pytest.fixture
async def door(nats_server: Nats, database_for: MakeDatabase) -> AsyncIterator[World]:
    """A service that takes in what two companies send."""
    fails.clear()
    client = await nats.connect(f"nats://127.0.0.1:{nats_server.port}")
    js = client.jetstream()
    for company in COMPANIES:
        await js.add_stream(
            StreamConfig(name=intake_stream(company), subjects=[f"intake.{company}.>"])
        )
        await js.add_consumer(
            intake_stream(company),
            durable_config(intake_durable(company), f"intake.{company}.>", batch=100),
        )
    takes_in = Door((HandedProject,), take_in, companies, size=10, every_s=0.2)
    card = {"reacts_to": {}, "takes_in": takes_in}
    async with listening(nats_server, await database_for(listener), **card) as made:
        yield made
    for company in COMPANIES:
        await js.delete_stream(intake_stream(company))
    await client.close()


async def knock_raw(client: Client, subject: str, headers: bytes, body: bytes) -> None:
    """Publish exactly these bytes, as a client of the company's own making may."""
    size = len(headers)
    command = f"HPUB {subject} {size} {size + len(body)}\r\n".encode()
    await client._send_command(command + headers + body + b"\r\n")
    await client.flush()


HEADERS = {
    "no line end": b"NATS/1.0",
    "a status that is no text": b"NATS/1.0 \xff\xfe\xfd\r\n\r\n",
    "a description that is no text": b"NATS/1.0 404 \xff\xfe\r\n\r\n",
    "a status of the server": b"NATS/1.0 503\r\n\r\n",
    "a beat of the server": b"NATS/1.0 100 Idle Heartbeat\r\n\r\n",
    "a beat in lines": b"NATS/1.0\r\nStatus: 100\r\nDescription: Idle\r\n\r\n",
    "flow control in lines": b"NATS/1.0\r\nStatus: 100\r\nDescription: FlowControl\r\n\r\n",
    "half a first line": b"NATS/1.0\r\n",
    "another protocol": b"HTTP/1.1 200 OK\r\n\r\n",
    "a stall": b"NATS/1.0\r\nNats-Consumer-Stalled: x\r\n\r\n",
    "a name that is no text": b"NATS/1.0\r\n\xff\xfe: x\r\n\r\n",
}


@pytest.mark.parametrize("written", HEADERS, ids=list(HEADERS))
async def test_no_header_of_one_company_closes_the_door_for_another(
    door: World, written: str
) -> None:
    """What acme writes before its message, beta's next message is taken, and acme's own too."""
    body = b"" if "beat" in written or "flow" in written else b"odd"
    await knock_raw(door.client, "intake.acme.thing", HEADERS[written], body)
    await door.js.publish("intake.acme.thing", b"next")
    await door.js.publish("intake.beta.thing", b"word")

    async def taken() -> bool:
        return await door.heard() == {f"acme {body.decode()}": 1, "acme next": 1, "beta word": 1}

    await eventually(taken, within_s=5)


async def test_a_subject_that_is_no_text_closes_the_door_for_nobody(door: World) -> None:
    """Bytes that are no UTF-8 in a subject: the message is taken or passed over, others go on."""
    await door.client._send_command(b"PUB intake.acme.\xff\xfe 3\r\nodd\r\n")
    await door.js.publish("intake.acme.thing", b"next")
    await door.js.publish("intake.beta.thing", b"word")

    async def taken() -> bool:
        heard = await door.heard()
        return heard.keys() >= {"acme next", "beta word"}

    await eventually(taken, within_s=5)


@pytest.mark.parametrize("id", ["7", "%00", "a%00b", "%ED%A0%80", "\ufffd"])
async def test_what_we_cannot_take_becomes_a_dead_letter_whatever_it_is_called(
    door: World, id: str
) -> None:
    """A failure of ours is kept with its reason, also under an id that no database takes."""
    fails.append("bad")
    headers = {"ce-specversion": "1.0", "ce-source": "/a", "ce-id": id, "ce-type": "thing"}
    await door.js.publish("intake.acme.thing", b"bad", headers=headers)
    await door.js.publish("intake.acme.thing", b"good")

    async def dead() -> Any:
        return await door.ask("SELECT * FROM dead_letter")

    (letter,) = await eventually(dead, within_s=5)
    assert (letter.durable, letter.reason) == ("registry-intake-acme", "gave_up")
    assert await door.heard() == {"acme good": 1}


async def test_a_dead_knock_that_comes_again_and_is_taken_is_dead_no_more(door: World) -> None:
    """Its end was lost in a crash, or the company sent it again: taken or dead, never both."""
    fails.append("twice")
    headers = {"ce-specversion": "1.0", "ce-source": "/a", "ce-id": "7", "ce-type": "thing"}
    await door.js.publish("intake.acme.thing", b"twice", headers=headers)
    open_ones = "SELECT 1 FROM dead_letter WHERE replayed_at IS NULL"
    await eventually(lambda: door.ask(open_ones))
    fails.clear()
    await door.js.publish("intake.acme.thing", b"twice", headers=headers)

    await eventually(door.heard)

    assert await door.heard() == {"acme twice": 1}
    assert await door.ask(open_ones) == []
