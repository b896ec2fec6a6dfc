"""Every named place between two effects, once: the process ends itself there, and nothing shows."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web

from deploy.organisations import saved
from deploy.provision import connected
from shared.access import TokenSource
from shared.contracts import ForecastUpdated, MatchFound
from shared.contracts.base import Event, uuid7
from tests.conftest import eventually
from tests.faults.conftest import FILES, WAIT_S
from tests.world import ORGANISATIONS, Outcome, Story, World

pytestmark = pytest.mark.usefixtures("tells")

# the sending first: its lease is the longest, and runs out while the others are done
ON_THE_WAY = [
    ("notifier", "after-send-before-record"),
    *(
        (service, point)
        for point in ("after-commit-before-ack", "after-publish-before-mark", "mid-batch")
        for service in ("registry", "matcher", "indicators", "notifier")
        if (service, point) != ("registry", "mid-batch")  # the door has no inbox to claim in
    ),
]
READS: dict[str, type[Event]] = {
    "matcher": ForecastUpdated, "indicators": ForecastUpdated, "notifier": MatchFound,
}  # fmt: skip
"""What each reader is given of which nothing can be made."""


@dataclass
class Sink:
    """A webhook's receiver: the ids it has seen, each as often as it was sent."""

    url: str = ""
    seen: list[str] = field(default_factory=list)

    async def take(self, request: web.BaseRequest) -> web.StreamResponse:
        await request.read()
        self.seen.append(request.headers["webhook-id"])
        return web.Response(status=204)


@asynccontextmanager
async def sink() -> AsyncIterator[Sink]:
    """A receiver on a free port of loopback."""
    made = Sink()
    runner = web.ServerRunner(web.Server(made.take))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    yield made
    await runner.cleanup()


@pytest.mark.timeout(900)
async def test_a_process_that_ends_at_any_named_point_leaves_no_trace(here: World, quiet: Outcome):
    """Each service at each point on its way, and with events that nothing can be made of."""
    here.seed = random.randrange(10**6)
    before = await here.settled(wait_s=WAIT_S)
    story = Story(here, "pointed")
    await story.begin()
    files = iter((f"{at}", told) for at, told in enumerate(FILES))
    async with sink() as receiver:
        await _subscribe(here, story, receiver.url)
        async with asyncio.TaskGroup() as group:
            group.create_task(story.decide())
            for service, point in ON_THE_WAY:
                await here.restart_armed(service, point)
                group.create_task(story.bring_in(*next(files)))
                await here.crashed(service, within_s=60)
            await here.all_ready()
            for service, contract in READS.items():
                for point in ("during-fallback", "after-dead-letter-before-term"):
                    await here.restart_armed(service, point)
                    await _poison(here, contract, malformed=point != "during-fallback")
                    await here.crashed(service, within_s=60)
            for file in files:
                group.create_task(story.bring_in(*file))

        outcome = await story.outcome(before, wait_s=WAIT_S)
        await here.clean(wait_s=WAIT_S)
        assert outcome == quiet
        assert await _buried(here) == 4 * len(READS)  # two kinds, each read by two services
        await _seen_under_one_id(here, receiver)


async def _subscribe(here: World, story: Story, url: str) -> None:
    """The six organisations let their systems be told by webhook."""
    system = here.system
    async with aiohttp.ClientSession() as session:
        for token in map(story.organisation, ORGANISATIONS):
            key = TokenSource(system.urls["registry"], saved(system, token)["https_key"])
            told = {"url": url, "events": ["match-found", "match-changed"], "organisation": token}
            async with session.post(
                f"{system.urls['notifier']}/webhooks", json=told, headers=await key.headers()
            ) as answer:
                assert answer.status == 201, await answer.text()


async def _poison(here: World, contract: type[Event], *, malformed: bool) -> None:
    """An event in the stream that no journal knows: bytes that are none, or a sign no row takes."""
    asked = "SELECT subject, headers::text, payload FROM outbox WHERE name = :name LIMIT 1"
    subject, headers, payload = (await here.rows(contract.owner(), asked, name=contract.name))[0]
    body = json.loads(payload)
    told = {**json.loads(headers), "ce-id": str(uuid7())}
    side = body.get("surplus", body)
    side["place"]["municipality"] = "nowhere\0"
    for name in ("forecast_id", "match_id"):
        if name in body:
            body[name] = str(uuid7())
    seed = here.system.ring.nats_seed("admin").read_text()
    async with connected(here.system.nats_url, seed, "test") as client:
        content = b"{no event" if malformed else json.dumps(body).encode()
        await client.jetstream().publish(
            subject, content, stream=contract.stream(),
            headers={**told, "Nats-Msg-Id": told["ce-id"]},
        )  # fmt: skip
    here.say(
        f"a {'malformed' if malformed else 'poisoned'} {contract.event_name()} is in the stream"
    )


async def _buried(here: World) -> int:
    count = 0
    for service in ("matcher", "indicators", "notifier"):
        asked = "SELECT count(*) FROM dead_letter WHERE reason IN ('malformed', 'gave_up')"
        count += (await here.rows(service, asked))[0][0]
    return count


async def _seen_under_one_id(here: World, receiver: Sink) -> None:
    """Each posting that was sent arrived at least once, under the id of its notification."""

    async def sent() -> set[str]:
        asked = (
            "SELECT id::text, result FROM notification WHERE channel = 'webhook' "
            "AND NOT EXISTS (SELECT FROM posting WHERE next_at IS NOT NULL)"
        )
        return {row[0] for row in await here.rows("notifier", asked) if row[1] == "sent"}

    told = await eventually(sent, within_s=WAIT_S, every_s=1.0)
    assert set(receiver.seen) == told
    here.say(f"{len(told)} postings arrived, in {len(receiver.seen)} requests")
