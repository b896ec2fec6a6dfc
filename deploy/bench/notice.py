"""`bench notice`: from a forecast handed in at the door to the notice on a coordinator's desk."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from math import inf
from random import Random
from typing import Final

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.client import JetStreamContext

from deploy.asking import Asking
from deploy.bench import door
from deploy.bench.driven import NotMeasured
from deploy.bench.figures import Goal, Report, Sheet, percentile
from deploy.bench.ground import Ground, NotInTime, own_ground, until, waiting
from deploy.bench.lots import lots
from deploy.cli.terms import progress
from deploy.provision import connected
from shared.client import Outgoing
from shared.contracts import ForecastUpdated, MatchFound, NotificationSent
from shared.contracts.intake import HandedForecast, HandedProject
from shared.service import durable_of, intake_durable, intake_stream

REGIONAL, IMPORTING = "bench", "bench-import"
PATIENCE_S: Final = 120.0
_GOAL: Final = Goal(1.0)
_PROBES_A_S: Final = 5.0
_MOST_PROBES: Final = 200
_TONNES: Final = 1_000.0
_TICK_S: Final = 0.01
_QUIET: Final = """
    SELECT (SELECT count(*) FROM dirty) + (SELECT count(*) FROM tell)
        + (SELECT count(*) FROM outbox WHERE published_at IS NULL)
"""
_IDS: Final = """
    SELECT json_object_agg(external_id, id) FROM forecast
    WHERE reporter = 'bench' AND external_id LIKE 'probe %'
"""


async def measure(count: int, *, seed: int, rate: float, seconds: float, rows: int) -> Report:
    """
    Probes among *rate* events a second for *seconds*, in a region of *count* settled lots.

    Then probes while another company imports *rows* rows; 0 leaves that out. All five services and
    both servers run as they do for users.
    """
    asked = {"lots": count, "seed": seed, "rate": rate, "seconds": seconds, "rows": rows}
    began, clock = datetime.now(UTC), time.perf_counter()
    sheet = Sheet(f"{count} lots")
    told = lots(count + rows, seed=seed)
    at_home, imported = _parted(told, count)
    async with own_ground() as ground:
        with progress("five services start"):
            await ground.start_services()
        await _people(ground, told)
        seed_of_door = ground.ring.nats_seed("intake-admin").read_text()
        async with (
            connected(ground.system.nats_url, seed_of_door, "bench") as client,
            ground.operator() as operator,
        ):
            places = [*_places(at_home, round(seconds * _PROBES_A_S), seed),
                      *_places(imported, _MOST_PROBES if rows else 0, seed)]  # fmt: skip
            probes = [Probe(number, *place) for number, place in enumerate(places)]
            stands = await _settled_region(ground, client, operator, at_home, probes)
            async with hearing(operator) as heard:
                trial = Trial(ground, client, heard, seed=seed)
                some = probes[: round(seconds * _PROBES_A_S)]
                took = await trial.steadily(some, stands, rate, seconds)
                what = f"{took:.0f} events/s at the door"
                await _tell(sheet, trial, f"forecast at the door → notice on the desk, {what}")
                if rows:
                    trial = Trial(ground, client, heard, seed=seed)
                    took = await trial.during_import(probes[len(some) :], imported, door.LAND)
                    what = f"during an import of {len(imported)} rows"
                    note = f"taken in at {took:.0f} events/s"
                    await _tell(sheet, trial, f"forecast at the door → notice, {what}", note)
    return Report("notice", asked, sheet.figures, began, time.perf_counter() - clock)


async def _tell(sheet: Sheet, trial: "Trial", what: str, note: str = "") -> None:
    stages = await trial.seconds()
    seconds = [at_desk for *_, at_desk in stages]
    never = sum(one == inf for one in seconds)
    note = f"{note}; " if note else ""
    note += f"{len(seconds)} probes, each a new pair; {never} without a notice in {PATIENCE_S:g} s"
    for share, word, goal in ((0.5, "p50", None), (0.95, "p95", _GOAL), (1.0, "the slowest", None)):
        found = min(PATIENCE_S, percentile(seconds, share) or 0.0)
        sheet.add(f"{what}, {word}", found, "s", goal=goal, note=note)
    for at, word in enumerate(("the forecast told", "its match told")):
        for share, name in ((0.5, "p50"), (0.95, "p95")):
            found = min(PATIENCE_S, percentile([one[at] for one in stages], share) or 0.0)
            sheet.add(f"… of which until {word}, {name}", found, "s")


def _parted(
    told: Sequence[ForecastUpdated], count: int
) -> tuple[list[ForecastUpdated], list[ForecastUpdated]]:
    """The *count* forecasts in the middle of the map, and the others."""
    north = sum(one.place.lat for one in told) / len(told)
    east = sum(one.place.lon for one in told) / len(told)

    def off(one: ForecastUpdated) -> float:
        return max(abs(one.place.lat - north), abs(one.place.lon - east) / 2)

    inside = {one.forecast_id for one in sorted(told, key=off)[:count]}
    return (
        [one for one in told if one.forecast_id in inside],
        [one for one in told if one.forecast_id not in inside],
    )


def _places(
    told: Sequence[ForecastUpdated], wanted: int, seed: int
) -> list[tuple[str, float, float]]:
    """Municipality and point of *wanted* probes, each at one of *told*."""
    random = Random(f"probes {seed}")
    return [
        (one.place.municipality, one.place.lat, one.place.lon)
        for one in random.choices(told, k=wanted)
    ]


@dataclass(frozen=True)
class Probe:
    """A surplus whose need is there already; of boulders, which nothing else here can serve."""

    number: int
    municipality: str
    lat: float
    lon: float

    @property
    def id(self) -> str:
        return f"probe {self.number:06}"

    def project(self, region: str, *, need: bool) -> HandedProject:
        return HandedProject(
            external_id=f"{self.id} {'need' if need else 'surplus'}", title="Probe", region=region,
            municipality=self.municipality, lat=self.lat, lon=self.lon,
        )  # fmt: skip

    def forecast(self, *, need: bool) -> HandedForecast:
        side = "need" if need else "surplus"
        told = (
            {"direction": "need", "use": "landscaping", "accepts_unknown_quality": True}
            if need
            else {
                "direction": "surplus", "contamination": "P0",
                "contamination_basis": "site_survey", "acid_sulphate": "none",
                "invasive_status": "none_observed", "waste_status": "not_waste",
            }
        )  # fmt: skip
        return HandedForecast.model_validate(
            {
                "external_id": f"{self.id} {side}" if need else self.id,
                "project": f"{self.id} {side}",
                "material": "boulders",
                "quantity": _TONNES,
                "unit": "t",
                "available_from": date(2027, 3, 1),
                "available_to": date(2027, 10, 31),
                **told,
            }
        )


async def _people(ground: Ground, told: Sequence[ForecastUpdated]) -> None:
    """A region, two companies, and a coordinator of each with a desk."""
    region = door.land_of(told)
    await door.opened(ground, REGIONAL, region)
    await door.opened(ground, IMPORTING, region.code)
    async with Asking(ground.system) as ask:
        for token in (REGIONAL, IMPORTING):
            person = {"name": f"Coordinator of {token}", "email": f"coordinator@{token}.example",
                      "roles": ["coordinator"], "regions": [], "language": "en"}  # fmt: skip
            await ask("registry", "POST", f"/organisations/{token}/members", person)


async def _settled_region(
    ground: Ground,
    client: Client,
    operator: Client,
    at_home: Sequence[ForecastUpdated],
    probes: Sequence[Probe],
) -> list[HandedForecast]:
    """Everything that stands before: the region's lots, and the needs of all probes; all quiet."""
    region = door.LAND
    projects, forecasts = door.import_of(at_home, region)
    own: list[Outgoing] = [door.outgoing(one) for one in projects]
    own += [door.outgoing(one.project(region, need=False)) for one in probes]
    own += [door.outgoing(one) for one in forecasts]
    others = [door.outgoing(one.project(region, need=True), 0, IMPORTING) for one in probes]
    others += [door.outgoing(one.forecast(need=True), 0, IMPORTING) for one in probes]
    with progress("what stands before is handed in", len(own) + len(others)) as advance:
        await door.leave(client, own, advance)
        await door.leave(client, others, lambda done: advance(len(own) + done))
    with progress("and settled"):
        for organisation in (REGIONAL, IMPORTING):
            await _read(client, organisation)
        reader = ForecastUpdated.stream(), durable_of("matcher", ForecastUpdated)

        async def quiet() -> bool:
            if await waiting(operator, *reader):
                return False
            return bool(await ground.ask("matcher", _QUIET) == 0)

        await until(quiet, seconds=900, every_s=0.5, what="a settled region")
        await ground.ask_matcher("POST", "/settle", {})
        await until(quiet, seconds=900, every_s=0.5, what="a quiet matcher")
        await asyncio.sleep(2)  # the desk takes in the last of it
    return forecasts


async def _read(client: Client, organisation: str) -> None:
    reader = intake_stream(organisation), intake_durable(organisation)

    async def read() -> bool:
        return await waiting(client, *reader) == 0

    await until(read, seconds=1_800, every_s=0.2, what=f"all that {organisation} handed in read")


@dataclass
class Heard:
    """When each forecast was told, found its match, and when that match was first on a desk."""

    at: dict[str, float] = field(default_factory=dict)
    match_of: dict[str, str] = field(default_factory=dict)
    told_at: dict[str, float] = field(default_factory=dict)
    found_at: dict[str, float] = field(default_factory=dict)

    async def told(self, message: Msg) -> None:
        now = time.perf_counter()
        told = json.loads(message.data)
        if told["material"] == "boulders":
            self.told_at.setdefault(told["forecast_id"], now)

    async def found(self, message: Msg) -> None:
        now = time.perf_counter()
        told = json.loads(message.data)
        if told["surplus"]["material"] == "boulders":
            self.match_of.setdefault(told["surplus"]["forecast_id"], told["match_id"])
            self.found_at.setdefault(told["surplus"]["forecast_id"], now)

    async def sent(self, message: Msg) -> None:
        now = time.perf_counter()
        told = json.loads(message.data)
        if told["channel"] == "desk":
            self.at.setdefault(told["subject_id"], now)


@asynccontextmanager
async def hearing(client: Client) -> AsyncIterator[Heard]:
    """Every new match and every notice, once the server has stored it."""
    heard = Heard()
    config = ConsumerConfig(deliver_policy=DeliverPolicy.NEW, ack_policy=AckPolicy.NONE)
    for contract, take in (
        (ForecastUpdated, heard.told),
        (MatchFound, heard.found),
        (NotificationSent, heard.sent),
    ):
        await client.jetstream().subscribe(
            contract.subjects(), stream=contract.stream(), cb=take, manual_ack=True, config=config
        )
    yield heard


class Trial:
    """Hands probes in among other news, and knows when each was left at the door."""

    def __init__(self, ground: Ground, client: Client, heard: Heard, *, seed: int) -> None:
        self.ground, self.client, self.heard = ground, client, heard
        self.random = Random(f"trial {seed}")
        self.left_at: dict[str, float] = {}
        self.turn = 0

    async def steadily(
        self,
        probes: Sequence[Probe],
        stands: Sequence[HandedForecast],
        rate: float,
        seconds: float,
    ) -> float:
        """*rate* events a second, *probes* spread among them; the rate that was kept."""
        js = self.client.jetstream()
        every = max(1, round(rate * seconds / max(1, len(probes))))
        waiting_probes = iter(probes)
        begun, done = time.perf_counter(), 0
        with progress(f"{rate:g} events/s", round(rate * seconds)) as advance:
            async with asyncio.TaskGroup() as group:
                while (passed := time.perf_counter() - begun) < seconds:
                    while done < passed * rate:
                        probe = next(waiting_probes, None) if done % every == 0 else None
                        group.create_task(
                            self._probe(js, probe) if probe else self._change(js, stands)
                        )
                        done += 1
                    advance(done)
                    await asyncio.sleep(_TICK_S)
        return done / (time.perf_counter() - begun)

    async def during_import(
        self, probes: Sequence[Probe], imported: Sequence[ForecastUpdated], region: str
    ) -> float:
        """A probe every second while *imported* come in; the events a second that were read."""
        js = self.client.jetstream()
        projects, forecasts = door.import_of(imported, region)
        events = [door.outgoing(one, 1, IMPORTING) for one in (*projects, *forecasts)]
        begun = time.perf_counter()
        with progress(f"an import of {len(imported)} rows", len(events)) as advance:

            async def brought_in() -> None:
                await door.leave(self.client, events, advance)
                await _read(self.client, IMPORTING)

            importing = asyncio.create_task(brought_in())
            for probe in probes:
                await self._probe(js, probe)
                done, _ = await asyncio.wait([importing], timeout=1.0)
                if done:
                    break
            await importing
        return len(events) / (time.perf_counter() - begun)

    async def _probe(self, js: JetStreamContext, probe: Probe) -> None:
        event = door.outgoing(probe.forecast(need=False))
        self.left_at[probe.id] = time.perf_counter()
        await self._publish(js, event)

    async def _change(self, js: JetStreamContext, stands: Sequence[HandedForecast]) -> None:
        one = self.random.choice(stands)
        quantity = float(max(60, round(one.quantity * self.random.uniform(0.7, 1.3))))
        self.turn += 1
        changed = one.model_copy(update={"quantity": quantity})
        await self._publish(js, door.outgoing(changed, self.turn))

    async def _publish(self, js: JetStreamContext, event: Outgoing) -> None:
        subject, body, headers = door.knock(event)
        await js.publish(subject, body, headers=headers, timeout=30)

    async def seconds(self) -> list[tuple[float, float, float]]:
        """
        Of each probe, from the door to its forecast told, to its match told, to its notice;
        infinite where that did not come in time.
        """
        ids: dict[str, str] = {}

        async def all_told() -> bool:
            ids.update(await self.ground.ask("registry", _IDS) or {})
            return all(self._told(ids.get(id, "")) < inf for id in self.left_at)

        if not self.left_at:
            raise NotMeasured("no probe was handed in: let it run longer")
        with progress("the last notices"), contextlib.suppress(NotInTime):
            await until(all_told, seconds=PATIENCE_S, every_s=0.5, what="notices")
        heard = self.heard
        return [
            (heard.told_at.get(one, inf) - at, heard.found_at.get(one, inf) - at,
             max(0.0, self._told(one) - at))
            for one, at in ((ids.get(id, ""), at) for id, at in self.left_at.items())
        ]  # fmt: skip

    def _told(self, forecast: str) -> float:
        return self.heard.at.get(self.heard.match_of.get(forecast, ""), inf)
