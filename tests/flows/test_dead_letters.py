"""An operator sets an event aside by hand, and gives it back later: applied once, then."""

import json
from typing import Any

import aiohttp
import pytest
from sqlalchemy import text

from deploy.allinone import Platform
from deploy.letters import (
    NoSuchLetter,
    databases,
    discard,
    list_letters,
    replay_letters,
    take_message,
)
from deploy.provision import connected
from shared.contracts.base import uuid7
from shared.service.consume import BURY
from tests.conftest import eventually
from tests.flows.test_recovery import rows
from tests.platform import a_forecast, a_project, company

DURABLE = "matcher-forecast-updated-v1"


async def test_a_taken_event_is_not_applied_until_it_is_replayed(platform: Platform) -> None:
    """Set aside while the reader is dead; the reader passes over it; a replay applies it."""
    who = await company(platform, "syrja")
    await who.hand_in(a_project("p"))
    platform.processes["matcher"].kill()
    done = await who.hand_in(a_forecast("s", "p"))
    (verdict,) = done.outcome.verdicts.values()
    forecast = str((verdict.canonical or {})["id"])

    async def in_stream() -> Any:
        seed = platform.ring.nats_seed("admin").read_text()
        async with connected(platform.system.nats_url, seed, "test") as client:
            js = client.jetstream()
            last = (await js.stream_info("events-registry")).state.last_seq
            for seq in range(last, max(last - 20, 0), -1):
                message = await js.get_msg("events-registry", seq)
                if forecast in (message.data or b"").decode():
                    return seq
        return None

    seq = await eventually(in_stream)
    await take_message(platform.system, "matcher", DURABLE, seq, "it killed the matcher")
    platform.processes["matcher"].start()
    async with aiohttp.ClientSession() as session:
        await platform.processes["matcher"].ready(session)
    await who.hand_in(a_forecast("after", "p"))
    known = f"SELECT count(*) FROM lot WHERE id = '{forecast}'"

    async def another() -> Any:
        return await rows(platform, "matcher", "SELECT 1 FROM lot LIMIT 1")

    await eventually(another)
    assert await rows(platform, "matcher", known) == [(0,)]
    (letter,) = [
        one for one in await list_letters(platform.system, "matcher") if forecast in one["payload"]
    ]
    assert letter["reason"] == "taken"

    (again,) = await replay_letters(platform.system, str(letter["id"]), "matcher", "mended")
    assert again["result"] == "replayed"
    assert await rows(platform, "matcher", known) == [(1,)]
    with pytest.raises(NoSuchLetter):
        await discard(platform.system, str(letter["id"]), "too late")


async def test_a_dead_knock_gets_its_receipt_when_it_is_replayed(platform: Platform) -> None:
    """A fault of ours at the door kept an event; the receipt comes with the replay."""
    who = await company(platform, "ovella")
    event = a_project("dead")
    headers = {
        "ce-specversion": "1.0", "ce-id": "dead-1", "ce-source": "/ovella",
        "ce-type": event.name, "content-type": "application/json",
    }  # fmt: skip
    letter = uuid7()
    async with databases(platform.system, "registry") as opened:
        _, database = opened["registry"]
        async with database.engine.begin() as connection:
            await connection.execute(
                text(BURY.text),
                {
                    "id": letter, "durable": "registry-intake-ovella", "key": "/ovella dead-1",
                    "stream": "intake-ovella", "seq": 1, "reason": "gave_up", "error": "a fault",
                    "subject": "intake.ovella.project-added", "headers": json.dumps(headers),
                    "payload": event.body(), "failures": 8,
                },
            )  # fmt: skip

    (done,) = await replay_letters(platform.system, str(letter), "registry", "mended")

    assert done["result"] == "replayed"
    status, told = await who.ask("registry", "GET", "/receipts", source="/ovella", id="dead-1")
    assert (status, told["items"][0]["verdict"]) == (200, "accepted")
