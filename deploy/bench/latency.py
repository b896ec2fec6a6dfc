"""`bench latency`: from a changed forecast to its match announced, in a quiet system."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from random import Random
from typing import Final

import aiohttp
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from deploy.bench import door
from deploy.bench.driven import NotMeasured
from deploy.bench.figures import Figure, Goal, Report, Sheet, milliseconds
from deploy.bench.floor import FloorEcho, FloorTold, build, teller_card
from deploy.bench.ground import Ground, Module, fill, own_ground, until, waiting
from deploy.bench.lots import lots, more_lots, with_tonnes
from deploy.cli.terms import progress
from shared.access import Asker, read_key, sign
from shared.contracts import ForecastUpdated, MatchFound
from shared.contracts.base import Event, uuid7
from shared.outbox import Relay
from shared.service.bus import Bus
from shared.settings import SharedSettings
from shared.work import Database

PATIENCE_S: Final = 1.5  # then the next change is told
LATEST_S: Final = 3.0  # what is told later is told by now
PAUSE_S: Final = 0.05  # what a change leaves to be done is over
SETTLES_LATER: Final = {"MATCHER_SWEEP_AFTER_S": "86400", "MATCHER_MEASURE_UP_TO_LOTS": "0"}
_QUIET: Final = """
    SELECT (SELECT count(*) FROM dirty) + (SELECT count(*) FROM tell)
        + (SELECT count(*) FROM outbox WHERE published_at IS NULL)
"""
_MATCHED: Final = """
    SELECT array_agg(DISTINCT id::text) FROM (
        SELECT surplus_id AS id FROM match WHERE standing = 1 AND route = 'direct'
        UNION SELECT need_id FROM match WHERE standing = 1 AND route = 'direct'
    ) AS matched
"""


class Teller:
    """Tells events as a service does: into an outbox by a commit, then published by a relay."""

    def __init__(self, ground: Ground) -> None:
        settings = SharedSettings(
            nats_url=ground.system.nats_url,
            nats_seed_file=ground.ring.nats_seed("admin"),
            postgres_url=ground.postgres.url,
        )
        ledger = teller_card(settings).ledger
        assert ledger is not None
        self.bus = Bus("teller", settings)
        self.database = Database.open(ledger, settings)
        self.relay = Relay(self.database, self.bus.publish)
        self.database.handed = lambda work: self.relay.take(work.letters)

    async def tell(self, event: Event) -> None:
        """Tell *event*: returns when it is committed, and the relay has it."""
        async with self.database.begin_work() as work:
            work.announce(event)


@asynccontextmanager
async def telling(ground: Ground) -> AsyncIterator[Teller]:
    """A teller whose relay runs."""
    teller = Teller(ground)
    await teller.bus.connect(intake=False)
    relaying = asyncio.create_task(teller.relay.run())
    try:
        yield teller
    finally:
        teller.relay.stopping = True
        teller.relay.news.set()
        await relaying
        await teller.bus.close()
        await teller.database.close()


class Heard:
    """What a stream brings, and when: the first event that has a word as its cause or in it."""

    def __init__(self) -> None:
        self.open: dict[str, float] = {}
        self.seconds: dict[str, float] = {}
        self.news = asyncio.Event()

    async def take(self, message: Msg) -> None:
        now = time.perf_counter()
        cause = (message.headers or {}).get("ce-correlationid", "")
        for word in [one for one in self.open if one == cause or one.encode() in message.data]:
            self.seconds[word] = now - self.open.pop(word)
            self.news.set()

    def expect(self, word: str) -> None:
        """From now on the time runs until an event with *word* comes."""
        self.open[word] = time.perf_counter()

    async def heard(self, word: str) -> None:
        """Return when it came, or when patience is at its end; it may still come later."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                while word in self.open:
                    self.news.clear()
                    await self.news.wait()

    def figures(self) -> tuple[list[float], str]:
        """The seconds of all that came, and how many came late or never."""
        seconds = list(self.seconds.values())
        late = sum(one > PATIENCE_S for one in seconds)
        return seconds, f"{len(seconds)} announced, {late} of them late; {len(self.open)} never"


async def listen(client: Client, contract: type[Event]) -> Heard:
    """Hear every new event of the stream of *contract*, once the server has stored it."""
    heard = Heard()
    await client.jetstream().subscribe(
        f"events.{contract.owner()}.>",
        stream=contract.stream(),
        cb=heard.take,
        manual_ack=True,
        config=ConsumerConfig(deliver_policy=DeliverPolicy.NEW, ack_policy=AckPolicy.NONE),
    )
    return heard


async def measure(count: int, *, seed: int, changed: int, knocks: int) -> Report:
    """
    *changed* changes one at a time among *count* settled lots, each beside one of the floor; then
    *knocks* changes that a company hands in at the registry's door.
    """
    asked = {"lots": count, "seed": seed, "changes": changed, "knocks": knocks}
    began, clock = datetime.now(UTC), time.perf_counter()
    settings = SharedSettings()
    async with own_ground([teller_card(settings), build(settings)]) as ground:
        figures = await _measure(ground, count, seed=seed, changed=changed, knocks=knocks)
    return Report("latency", asked, figures, began, time.perf_counter() - clock)


async def _measure(
    ground: Ground, count: int, *, seed: int, changed: int, knocks: int
) -> list[Figure]:
    told = lots(count, seed=seed)
    await _settled_region(ground, told)
    await ground.begin(_floor(ground))
    async with ground.operator() as client, telling(ground) as teller:
        matcher = await listen(client, MatchFound)
        floor = await listen(client, FloorEcho)
        news = await _news(ground, told, changed, seed=seed)
        await _one_at_a_time(teller, matcher, floor, news)
        outside = await listen(client, MatchFound)
        if knocks:
            await _at_the_door(ground, outside, knocks, count, seed=seed)
    return _figures(matcher, floor, outside, count)


async def _settled_region(ground: Ground, told: Sequence[ForecastUpdated]) -> None:
    """A matcher in whose database *told* stand settled, with nothing left to do."""
    async with ground.operator() as client:
        with progress(f"{len(told)} lots into the stream", len(told)) as advance:
            await fill(client, told, advance)
        with progress("the matcher settles them"):
            await ground.begin(ground.add("matcher", **SETTLES_LATER))

            async def drained() -> bool:
                stream, durable = ForecastUpdated.stream(), "matcher-forecast-updated-v1"
                return await waiting(client, stream, durable) == 0

            await until(drained, seconds=300, what="forecasts kept")
            await _settle(ground)
            await _quiet(ground, 300)


async def _settle(ground: Ground) -> None:
    """Settle the whole region, as the operator does."""
    token = sign(Asker("operator", "operator"), read_key(ground.ring.signing))
    headers = {"Authorization": f"Bearer {token}"}
    timeout = aiohttp.ClientTimeout(total=600)
    async with (
        aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
        session.post(f"{ground.system.urls['matcher']}/settle", json={}) as answer,
    ):
        if answer.status != 200:
            tail = ground.processes["matcher"].tail()
            raise NotMeasured(f"the matcher did not settle: {await answer.text()}\n{tail}")


async def _quiet(ground: Ground, seconds: float) -> None:
    async def nothing_left() -> bool:
        return bool(await ground.ask("matcher", _QUIET) == 0)

    await until(nothing_left, seconds=seconds, every_s=0.2, what="a quiet matcher")


def _floor(ground: Ground) -> Module:
    seed = str(ground.ring.nats_seed("floor"))
    return Module(ground.system, "deploy.bench.floor", name="floor", NATS_SEED_FILE=seed)


async def _news(
    ground: Ground, told: Sequence[ForecastUpdated], count: int, *, seed: int
) -> list[ForecastUpdated]:
    """Four in five are other tonnes of a lot that stands in a match, one is a new lot."""
    random = Random(f"news {seed}")
    matched = set(await ground.ask("matcher", _MATCHED))
    standing = [one for one in told if str(one.forecast_id) in matched]
    new = more_lots(count, among=len(told), seed=seed)
    news: list[ForecastUpdated] = []
    for number, one in enumerate(random.sample(standing, min(count, len(standing)))):
        share = random.choice((0.6, 0.75, 0.9, 1.15, 1.4))
        tonnes = max(60, round(one.quantity.likely_t * share))
        news.append(new[number] if number % 5 == 4 else with_tonnes(one, tonnes, random))
    return news


async def _one_at_a_time(
    teller: Teller, matcher: Heard, floor: Heard, news: Sequence[ForecastUpdated]
) -> None:
    """Each change to the floor and to the matcher, and a pause in which nothing is left to do."""
    with progress("changes, one at a time", len(news)) as advance:
        for done, event in enumerate(news, start=1):
            beneath = FloorTold(**{**event.__dict__, "id": uuid7()})
            for stream, one in ((floor, beneath), (matcher, event)):
                stream.expect(str(one.id))
                await teller.tell(one)
                await stream.heard(str(one.id))
                await asyncio.sleep(PAUSE_S)
            advance(done)
        await asyncio.sleep(LATEST_S)


async def _at_the_door(
    ground: Ground, matcher: Heard, count: int, among: int, *, seed: int
) -> None:
    """Changes handed in by a company, each until a match of that very forecast is announced."""
    await ground.begin(ground.add("registry"))
    credentials = await door.opened(ground)
    random = Random(f"door {seed}")
    async with credentials.sender() as sender:
        projects, forecasts = door.handed_in(more_lots(count, among=among, seed=seed + 1))
        handed = [door.outgoing(one) for one in (*projects, *forecasts)]
        outcome = await sender.send(handed)
        if outcome.rejected:
            raise NotMeasured(f"the registry refused what the bench hands in: {outcome.reasons}")
        await _quiet(ground, 60)
        with progress("changes at the door", len(forecasts)) as advance:
            for done, forecast in enumerate(forecasts, start=1):
                known = outcome.verdicts[door.outgoing(forecast).key].canonical or {}
                quantity = max(60.0, round(forecast.quantity * random.choice((0.6, 0.8, 1.3))))
                changed = forecast.model_copy(update={"quantity": quantity})
                matcher.expect(str(known["id"]))
                sending = asyncio.create_task(sender.send([door.outgoing(changed, done)]))
                await matcher.heard(str(known["id"]))
                await sending
                await asyncio.sleep(PAUSE_S)
                advance(done)
            await asyncio.sleep(LATEST_S)


def _figures(inside: Heard, floor: Heard, outside: Heard, count: int) -> list[Figure]:
    sheet = Sheet(f"{count} lots")
    seconds, note = inside.figures()
    beneath, _ = floor.figures()
    for share, word, most in ((0.5, "p50", 15), (0.99, "p99", 100)):
        value = milliseconds(seconds, share)
        below = ("the same hops and commits", milliseconds(beneath, share))
        sheet.add(f"change → match announced, {word}", value, "ms", goal=Goal(most), note=note)
        sheet.add(f"change → match announced, {word} against the floor", value, "ms", below,
                  goal=Goal(5, of="ratio"))  # fmt: skip
    seconds, note = outside.figures()
    if seconds:
        sheet.times("change at the door → match announced", seconds, note)
    return sheet.figures
