"""`bench latency`: from a changed forecast to its match announced, in a quiet system."""

import asyncio
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

PATIENCE_S: Final = 1.5  # a change without an announcement by then has none
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

    async def tell(self, event: Event) -> float:
        """Tell *event*; the moment just before."""
        begun = time.perf_counter()
        async with self.database.begin_work() as work:
            work.announce(event)
        return begun


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
    """What a stream brought, and when: by the event that caused it, and the first since asked."""

    def __init__(self) -> None:
        self.since: asyncio.Future[float] | None = None
        self.awaited: tuple[str, asyncio.Future[float]] | None = None

    async def take(self, message: Msg) -> None:
        now = time.perf_counter()
        cause = (message.headers or {}).get("ce-correlationid", "")
        if self.since is not None and not self.since.done():
            self.since.set_result(now)
        if self.awaited is not None and self.awaited[0] == cause and not self.awaited[1].done():
            self.awaited[1].set_result(now)

    async def caused_by(self, id: str) -> float | None:
        """When the first event caused by *id* came; None when none does in time."""
        assert self.awaited is not None and self.awaited[0] == id
        return await _in_time(self.awaited[1])

    def expect(self, id: str) -> None:
        """From now on look for what *id* causes."""
        self.awaited = (id, asyncio.get_running_loop().create_future())

    def expect_any(self) -> asyncio.Future[float]:
        """The moment of the next event there is."""
        self.since = asyncio.get_running_loop().create_future()
        return self.since


async def _in_time(moment: asyncio.Future[float]) -> float | None:
    try:
        return await asyncio.wait_for(moment, PATIENCE_S)
    except TimeoutError:
        return None


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
        inside, below, silent = await _one_at_a_time(teller, matcher, floor, news)
        outside: list[float] = []
        if knocks:
            outside = await _at_the_door(ground, matcher, knocks, count, seed=seed)
    return _figures(inside, below, silent, outside, count)


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
) -> tuple[list[float], list[float], int]:
    """Seconds of each announced change, seconds of the floor, and how many were not announced."""
    inside: list[float] = []
    below: list[float] = []
    with progress("changes, one at a time", len(news)) as advance:
        for done, event in enumerate(news, start=1):
            beneath = FloorTold(**{**event.__dict__, "id": uuid7()})
            for heard, one, seconds in ((floor, beneath, below), (matcher, event, inside)):
                heard.expect(str(one.id))
                begun = await teller.tell(one)
                seen = await heard.caused_by(str(one.id))
                if seen is not None:
                    seconds.append(seen - begun)
                await asyncio.sleep(PAUSE_S)
            advance(done)
    return inside, below, len(news) - len(inside)


async def _at_the_door(
    ground: Ground, matcher: Heard, count: int, among: int, *, seed: int
) -> list[float]:
    """Seconds from handing a change in to its match, through the registry."""
    await ground.begin(ground.add("registry"))
    credentials = await door.opened(ground)
    random = Random(f"door {seed}")
    seconds: list[float] = []
    async with credentials.sender() as sender:
        projects, forecasts = door.handed_in(more_lots(count, among=among, seed=seed + 1))
        outcome = await sender.send([door.outgoing(one) for one in (*projects, *forecasts)])
        if outcome.rejected:
            raise NotMeasured(f"the registry refused what the bench hands in: {outcome.reasons}")
        await _quiet(ground, 60)
        with progress("changes at the door", len(forecasts)) as advance:
            for done, forecast in enumerate(forecasts, start=1):
                quantity = max(60.0, round(forecast.quantity * random.choice((0.6, 0.8, 1.3))))
                changed = forecast.model_copy(update={"quantity": quantity})
                first = matcher.expect_any()
                begun = time.perf_counter()
                sending = asyncio.create_task(sender.send([door.outgoing(changed, done)]))
                seen = await _in_time(first)
                await sending
                if seen is not None:
                    seconds.append(seen - begun)
                await asyncio.sleep(PAUSE_S)
                advance(done)
    return seconds


def _figures(
    inside: Sequence[float],
    below: Sequence[float],
    silent: int,
    outside: Sequence[float],
    count: int,
) -> list[Figure]:
    sheet = Sheet(f"{count} lots")
    note = f"{len(inside)} announced; {silent} changes led to no announcement"
    for share, word, most in ((0.5, "p50", 15), (0.99, "p99", 100)):
        value = milliseconds(inside, share)
        floor = ("the same hops and commits", milliseconds(below, share))
        sheet.add(f"change → match announced, {word}", value, "ms", goal=Goal(most), note=note)
        sheet.add(f"change → match announced, {word} against the floor", value, "ms", floor,
                  goal=Goal(5, of="ratio"))  # fmt: skip
    if outside:
        sheet.times("change at the door → match announced", outside, f"{len(outside)} announced")
    return sheet.figures
