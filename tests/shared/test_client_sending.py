"""Both ways through the door, against a real NATS server and a small door keeper."""

import asyncio
import json
import tempfile
import time
from collections import Counter
from contextlib import asynccontextmanager
from pathlib import Path

import nats
import pytest
from aiohttp import web

from deploy.keyring import new_nats_key
from deploy.servers import Nats, free_port
from shared.client import (
    Credentials,
    HttpSender,
    NatsSender,
    NotSent,
    Outgoing,
    Registry,
    event_id,
    send_all,
)
from shared.contracts.intake import Canonical, HandedForecast, HandedProject, Receipt, Refusal
from tests.conftest import eventually

KEY = new_nats_key()


def project(number, *, title="Pit", organisation="acme"):
    event = HandedProject(external_id=f"P{number}", title=title)
    return Outgoing(organisation, event, "test", event_id("1", event))


def forecast(number, *, of=None, quantity=10.0, note=None, edition="1"):
    event = HandedForecast(
        external_id=f"F{number}",
        project=f"P{number if of is None else of}",
        direction="surplus" if number % 2 else "need",
        material="till",
        quantity=quantity,
        unit="t",
        available_from="2031-01-01",
        available_to="2031-12-31",
        note=note,
    )
    return Outgoing("acme", event, "test", event_id(edition, event))


class Keeper:
    """Keeps the door: one verdict for each event, the same again for the same id."""

    def __init__(self):
        self.receipts = {}
        self.order = []

    def verdict(self, source, id, name, body):
        """The receipt of one event; a project called Bad is refused, a quantity of 0 unchanged."""
        if (source, id) not in self.receipts:
            self.order.append((name, body["external_id"], body.get("quantity")))
            bad = body.get("title") == "Bad"
            self.receipts[source, id] = Receipt(
                region="99",
                organisation="acme",
                verdict="rejected" if bad else "accepted",
                about=name,
                source=source,
                event_id=id,
                code="refused" if bad else "unchanged" if body.get("quantity") == 0 else "taken",
                reasons=(Refusal(pointer="/title", code="title_bad", text="Better."),) * bad,
                canonical=Canonical(kind="project", id=f"{len(self.order):032x}", revision=1),
            )
        return self.receipts[source, id]


class Door:
    """A NATS server with one organisation's user, and a keeper behind it."""

    def __init__(self, folder):
        self.port = free_port()
        self.server = Nats(folder, self.port)
        self.keeper = Keeper()
        (folder / "nats.conf").write_text(
            f"""
            listen: 127.0.0.1:{self.port}
            jetstream {{ store_dir: "{folder}/js" }}
            max_payload: 64KB
            authorization {{ users: [
              {{user: keeper, password: keeper}}
              {{nkey: {KEY.public}, permissions: {{
                publish: ["intake.acme.>"], subscribe: ["receipts.acme.>"]}}}}
            ]}}
            """
        )

    @property
    def url(self):
        return f"nats://127.0.0.1:{self.port}"

    async def open(self):
        self.server.start()
        self.client = await nats.connect(
            self.url, user="keeper", password="keeper", max_reconnect_attempts=-1,
            reconnect_time_wait=0.1, error_cb=_silent,
        )  # fmt: skip
        self.stream = self.client.jetstream()
        await self.stream.add_stream(name="intake-acme", subjects=["intake.acme.>"])
        reader = await self.stream.pull_subscribe("intake.acme.>", durable="keeper")
        self.task = asyncio.create_task(self._keep(reader))

    async def _keep(self, reader):
        while True:
            try:
                messages = await reader.fetch(100, timeout=0.5)
            except (TimeoutError, nats.errors.Error):
                continue
            for message in messages:
                headers = message.headers
                name = message.subject.split(".")[2]
                receipt = self.keeper.verdict(
                    headers["ce-source"], headers["ce-id"], name, json.loads(message.data)
                )
                await message.ack()
                await self.client.publish(
                    receipt.subject, receipt.body(), headers=receipt.headers()
                )

    async def close(self):
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.client.close()
        self.server.stop()

    def sender(self, organisation="acme", **options):
        return NatsSender(self.url, organisation, seed=KEY.seed, **options)


async def _silent(error):
    del error


@pytest.fixture
async def door():
    with tempfile.TemporaryDirectory() as folder:
        opened = Door(Path(folder))
        await opened.open()
        yield opened
        await opened.close()


@asynccontextmanager
async def registry_of(keeper, *, failures=0):
    """The keeper's door over HTTPS, on loopback; it is away for the first *failures* posts."""
    seen = Counter()

    async def tokens(request):
        if (await request.json())["key"] != "right":
            return web.json_response({}, status=401)
        return web.json_response({"token": "t", "expires_in": 300})

    async def intake(request):
        seen["posts"] += 1
        events = await request.json()
        seen["largest"] = max(seen["largest"], len(events))
        for event in events:  # taken, though the answer may get lost
            name = event["type"].split(".")[1]
            keeper.verdict(event["source"], event["id"], name, event["data"])
        if seen["posts"] <= failures:
            return web.json_response({}, status=503, headers={"Retry-After": "0"})
        keys = [(event["source"], event["id"]) for event in events]
        return web.json_response([keeper.receipts[key].model_dump(mode="json") for key in keys])

    async def receipts(request):
        found = keeper.receipts.get((request.query["source"], request.query["id"]))
        items = [found.model_dump(mode="json")] if found else []
        return web.json_response({"items": items, "next": None, "as_of": None})

    app = web.Application(client_max_size=4 << 20)
    app.add_routes(
        [web.post("/tokens", tokens), web.post("/intake", intake), web.get("/receipts", receipts)]
    )
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{port}", seen
    finally:
        await runner.cleanup()


async def test_projects_go_first_and_every_event_gets_its_verdict(door):
    """Forecasts of a rejected project are not sent; tonnes are of what was accepted."""
    events = [forecast(number) for number in range(600)]
    events += [project(number, title="Bad" if number == 7 else "Pit") for number in range(600)]
    answered = []
    async with door.sender() as sender:
        outcome = await sender.send(events, lambda done, total: answered.append((done, total)))
    assert (outcome.accepted, outcome.rejected, outcome.no_receipt) == (1198, 2, 0)
    assert outcome.reasons == {"title_bad": 1, "project_rejected": 1}
    assert outcome.tonnes == {("need", "till"): 3000.0, ("surplus", "till"): 2990.0}
    assert answered[-1] == (1200, 1200)
    names = [name for name, _, _ in door.keeper.order]
    assert names == ["project-added"] * 600 + ["forecast-updated"] * 599


async def test_one_thing_told_twice_keeps_its_order(door):
    """The second news of a forecast is published after the first is safe."""
    told = [forecast(1, quantity=float(step + 1)) for step in range(50)]
    async with door.sender() as sender:
        outcome = await sender.send([project(1), *told])
    assert outcome.accepted == 51
    quantities = [quantity for name, _, quantity in door.keeper.order if quantity]
    assert quantities == [float(step + 1) for step in range(50)]


async def test_what_was_handed_in_before_is_not_told_again(door):
    """Without a registry to ask it is known; with one it gets the receipt it got."""
    events = [project(1), forecast(1, quantity=0.0)]
    async with door.sender(ask_after_s=0.3) as sender:
        first = await sender.send(events)
        again = await sender.send(events)
    assert (first.accepted, first.unchanged) == (2, 1)
    assert (again.accepted, again.known) == (0, 2)
    async with (
        registry_of(door.keeper) as (url, _),
        door.sender(registry=Registry(url, "right")) as sender,
    ):
        asked = await sender.send(events)
    assert (asked.accepted, asked.unchanged, asked.known) == (2, 1, 0)
    assert len(door.keeper.order) == 2


async def test_receipts_that_were_missed_are_asked_for(door):
    """The keeper answered while nobody listened."""
    door.task.cancel()
    event = project(1)
    async with (
        registry_of(door.keeper) as (url, _),
        door.sender(registry=Registry(url, "right"), ask_after_s=0.3) as sender,
    ):
        sending = asyncio.create_task(sender.send([event]))
        door.keeper.verdict(*event.key, event.name, {"external_id": "P1", "title": "Bad"})
        outcome = await sending
    assert outcome.reasons == {"title_bad": 1}


async def test_without_a_receipt_the_event_is_told_as_unheard(door):
    """It waits at the door: nobody says that it was lost or taken."""
    door.task.cancel()
    async with door.sender(patience_s=0.6) as sender:
        outcome = await sender.send([project(1)])
    assert (outcome.no_receipt, outcome.accepted) == (1, 0)
    assert outcome.verdicts[project(1).key].code == "awaited"


async def test_a_server_that_is_killed_and_comes_back_doubles_and_loses_nothing(door):
    """Publishes without a PubAck are published again under the same id."""
    events = [project(number) for number in range(3000)]

    async def some_are_kept():
        return len(door.keeper.order) >= 200

    async with registry_of(door.keeper) as (url, _):
        registry = Registry(url, "right")
        async with door.sender(registry=registry, ask_after_s=1.0, ack_timeout_s=1.0) as sender:
            sending = asyncio.create_task(sender.send(events))
            await eventually(some_are_kept, every_s=0.01)
            door.server.kill()
            door.server.start()
            outcome = await sending
    assert (outcome.accepted, outcome.no_receipt) == (3000, 0)
    assert Counter(id for _, id, _ in door.keeper.order) == {f"P{n}": 1 for n in range(3000)}


async def test_a_foreign_subject_is_refused_at_once(door):
    """Not as a time-out: the server's word comes with the refusal."""
    begun = time.monotonic()
    with pytest.raises(NotSent, match=r"(receipts|intake)\.brink"):
        async with door.sender("brink") as sender:
            await sender.send([project(1, organisation="brink")])
    async with door.sender() as sender:
        sender.organisation = "brink"
        with pytest.raises(NotSent, match=r"may not publish on intake\.brink\.project-added"):
            await sender.send([project(1, organisation="brink")])
    assert time.monotonic() - begun < 5


async def test_a_wrong_key_and_a_server_that_is_away_are_told_on_entry(door):
    """Nothing is sent into the void."""
    for url, seed in ((door.url, new_nats_key().seed), ("nats://127.0.0.1:1", KEY.seed)):
        with pytest.raises(NotSent, match="does not let us in"):
            async with NatsSender(url, "acme", seed=seed, connect_timeout_s=1.0):
                pass


async def test_an_event_too_large_for_the_door_is_rejected_here(door):
    """The others go on."""
    event = HandedProject(
        external_id="P2", title="Pit", contacts=[f"{n:032x}" for n in range(3000)]
    )
    large = Outgoing("acme", event, "test", "large")
    async with door.sender() as sender:
        outcome = await sender.send([project(1), large])
    assert (outcome.accepted, outcome.reasons) == (1, {"too_large": 1})


async def test_over_https_events_go_in_batches_and_a_lost_answer_doubles_nothing():
    """At most 500 in a post; the same ids again after a failure."""
    keeper = Keeper()
    events = [project(n, title="Bad" if n == 3 else "Pit") for n in range(700)]
    events += [forecast(n) for n in range(700)]
    async with (
        registry_of(keeper, failures=1) as (url, seen),
        HttpSender(url, "right", "acme") as sender,
    ):
        outcome = await sender.send(events)
    assert (outcome.accepted, outcome.rejected) == (1398, 2)
    assert (seen["posts"], seen["largest"]) == (5, 500)
    assert len(keeper.order) == 1399


async def test_a_key_that_the_registry_refuses_is_told():
    """At the first post."""
    async with registry_of(Keeper()) as (url, _), HttpSender(url, "wrong", "acme") as sender:
        with pytest.raises(NotSent, match="refused this key"):
            await sender.send([project(1)])


async def test_over_https_nothing_is_lost_in_silence_when_the_registry_stays_away():
    """Told as unheard after the patience is over."""
    async with HttpSender("http://127.0.0.1:1", "k", "acme", patience_s=0.4) as sender:
        outcome = await sender.send([project(1)])
    assert outcome.no_receipt == 1


async def test_events_of_several_organisations_need_the_credentials_of_each(door, tmp_path):
    """What is missing is told before anything is sent."""
    told = {"organisation": "acme", "nats_seed": KEY.seed, "nats_url": door.url}
    (tmp_path / "acme.json").write_text(json.dumps(told))
    async with Credentials.read(tmp_path / "acme.json").sender() as sender:
        outcome = await send_all([project(1)], {"acme": sender})
        with pytest.raises(NotSent, match="no credentials of brink"):
            await send_all([project(2), project(2, organisation="brink")], {"acme": sender})
    assert outcome.accepted == 1
    assert [id for _, id, _ in door.keeper.order] == ["P1"]
    with pytest.raises(NotSent, match="massakoppi org add brink"):
        Credentials.read(tmp_path / "brink.json")
    with pytest.raises(NotSent, match="open no door"):
        Credentials("acme").sender()
