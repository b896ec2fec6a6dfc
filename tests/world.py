"""
A whole platform under test: it takes rows in, is killed and restarted, and must be what it was.

A `Story` is told in it: organisations and a region of its own, anchor matches that are decided on,
files of rows. Told in quiet or while everything breaks, the same story must have the same
`Outcome`, under names that do not depend on which telling it was; and be worth the same.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
from nats.js.api import ConsumerConfig
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from deploy.allinone import PORTS, Platform, Process
from deploy.asking import Answered, Asking
from deploy.audit import Report, audit
from deploy.audit.quiet import still_moving
from deploy.audit.records import opened
from deploy.handing_in import Handed
from deploy.handing_in import send as hand_in
from deploy.organisations import add_organisation, open_doors
from deploy.provision import connected
from deploy.servers import NotStarted
from shared.client import NotSent, Outgoing, prepare, read_events, read_mapping
from shared.contracts.intake import HandedForecast, HandedProject
from shared.vocabulary.regions import Region
from tests import rows
from tests.conftest import eventually

SERVICES = ("registry", "matcher", "indicators", "notifier", "portal")
ORGANISATIONS = ("indot-a-c", "indot-d-g", "indot-h-k", "indot-l-n", "indot-o-s", "indot-t-w")
ANCHORS = ("agreed", "accepted", "declined", "undone")
"""Pairs of lots that can meet nobody else, by what their sides decide."""
FAR_APART = tuple((name.title(), float(at), 0.0) for at, name in enumerate(ANCHORS))
ACK_WAIT_S = 4.0
AWAY = (aiohttp.ClientError, OSError, TimeoutError, NotSent)


@dataclass(frozen=True)
class Outcome:
    """What must be the same however often things broke in between, by the reporters' own ids."""

    lots: frozenset[tuple[Any, ...]]
    receipts: frozenset[tuple[Any, ...]]
    decisions: frozenset[tuple[Any, ...]]
    value_cents: int


@dataclass
class World:
    """A platform in *folder*; every fault and what was in flight then is written in *timeline*."""

    folder: Path
    seed: int
    timeline: list[str] = field(default_factory=list)
    begun: float = field(default_factory=time.monotonic)
    kills: dict[str, int] = field(default_factory=dict)
    in_flight_at_kills: list[int] = field(default_factory=list)
    engines: dict[str, AsyncEngine] = field(default_factory=dict)
    platform: Platform = field(init=False)

    # -- the platform ---------------------------------------------------------------------

    def __post_init__(self) -> None:
        more = {
            name: {"ACK_WAIT_S": str(ACK_WAIT_S), "FAILURES_UNTIL_DEAD": "2", "RETRY_CAP_S": "3"}
            for name in SERVICES
        }
        more["notifier"]["NOTIFIER_WEBHOOK_NETWORKS"] = '["127.0.0.1/32"]'
        self.platform = Platform(self.folder, oidc=False, ports=dict.fromkeys(PORTS, 0), more=more)

    async def start(self) -> None:
        """Everything up, organisations and their people known, each door open."""
        await self.platform.start()
        self.system = self.platform.system
        base = self.system.postgres_url.replace("postgresql://", "postgresql+asyncpg://")
        self.engines = {
            name: create_async_engine(f"{base}/massakoppi_{name}", pool_pre_ping=True)
            for name in ("registry", "matcher", "indicators", "notifier")
        }
        await self.shorten_ack_wait("admin")
        self.say("the platform runs")

    async def stop(self) -> None:
        try:
            for engine in self.engines.values():
                await engine.dispose()
        finally:
            self.platform.stop()

    def say(self, told: str) -> None:
        self.timeline.append(f"{time.monotonic() - self.begun:7.2f} s  {told}")

    def forget(self) -> None:
        """Begin another timeline."""
        self.timeline, self.kills, self.in_flight_at_kills = [], {}, []
        self.begun = time.monotonic()

    @property
    def story(self) -> str:
        """Seed, timeline and counts, for whoever reads the run."""
        flying = self.in_flight_at_kills
        counts = ", ".join(f"{name} {count}" for name, count in sorted(self.kills.items()))
        told = [f"seed {self.seed}; killed: {counts or 'nothing'}", *self.timeline]
        if flying:
            told.append(
                f"events in flight at {len(flying)} kills: least {min(flying)}, "
                f"mean {sum(flying) / len(flying):.0f}, most {max(flying)}"
            )
        return "\n".join(told)

    async def shorten_ack_wait(self, *users: str) -> None:
        """As an operator would: an event that a killed process held comes back sooner."""
        for user in users:
            seed = self.system.ring.nats_seed(user).read_text()
            async with connected(self.system.nats_url, seed, "test") as client:
                js = client.jetstream()
                for stream in await js.streams_info():
                    for about in await js.consumers_info(str(stream.config.name)):
                        config: ConsumerConfig = about.config
                        config.ack_wait = ACK_WAIT_S
                        await js.add_consumer(str(stream.config.name), config)

    # -- faults ---------------------------------------------------------------------------

    async def in_flight(self) -> int:
        """Events on their way: in outboxes, and unread or unacknowledged in durables."""
        count = 0
        for engine in self.engines.values():
            async with engine.connect() as connection:
                asked = text("SELECT count(*) FROM outbox WHERE published_at IS NULL")
                count += (await connection.execute(asked)).scalar_one()
        for user in ("admin", "intake-admin"):
            seed = self.system.ring.nats_seed(user).read_text()
            async with connected(self.system.nats_url, seed, "test") as client:
                js = client.jetstream()
                for stream in await js.streams_info():
                    for about in await js.consumers_info(str(stream.config.name)):
                        count += (about.num_pending or 0) + (about.num_ack_pending or 0)
        return count

    async def _count(self) -> str:
        try:
            count = await self.in_flight()
        except Exception as error:  # a server is away at this moment: that is the test
            return f"in flight unknown ({type(error).__name__})"
        self.in_flight_at_kills.append(count)
        return f"{count} in flight"

    def process(self, service: str) -> Process:
        return self.platform.processes[service]

    def _note(self, name: str) -> None:
        self.kills[name] = self.kills.get(name, 0) + 1

    async def kill(self, service: str) -> None:
        """`kill -9` *service*, and start it again at once."""
        process = self.process(service)
        assert process.alive, f"{service} ended by itself:\n{process.tail()}"
        told = await self._count()
        process.kill()
        self._note(service)
        self.say(f"kill -9 {service}, {told}")
        process.start()

    async def restart_armed(self, service: str, point: str) -> None:
        """Start *service* anew, so that it ends itself at the named *point*."""
        process = self.process(service)
        process.kill()
        process.environment["MASSAKOPPI_CRASH_AT"] = point
        process.start()
        process.environment.pop("MASSAKOPPI_CRASH_AT")
        self.say(f"{service} will end itself at {point}")

    async def crashed(self, service: str, *, within_s: float = 30.0) -> None:
        """Wait until *service* has ended itself where it was told to, and start it again."""
        process = self.process(service)

        async def ended() -> bool:
            return not process.alive

        await eventually(ended, within_s=within_s)
        code = process.process.returncode if process.process else None
        assert code == -9, f"{service} ended with {code}:\n{process.tail()}"
        told = await self._count()
        self._note(service)
        self.say(f"{service} ended itself, {told}")
        process.start()

    async def kill_nats(self, away_s: float) -> None:
        """End NATS as a power cut would; it is back after *away_s* seconds."""
        told = await self._count()
        self.platform.nats.kill()
        self._note("NATS")
        self.say(f"kill -9 NATS for {away_s:.1f} s, {told}")
        await asyncio.sleep(away_s)
        self.platform.nats.start()
        self.say("NATS is back")

    async def kill_postgres(self, away_s: float) -> None:
        """End PostgreSQL as a power cut would; it is back after *away_s* seconds."""
        told = await self._count()
        self.platform.postgres.kill()
        self._note("PostgreSQL")
        self.say(f"kill -9 PostgreSQL for {away_s:.1f} s, {told}")
        await asyncio.sleep(away_s)
        until = time.monotonic() + 30
        while True:  # its orphans leave when they notice
            try:
                self.platform.postgres.start()
                break
            except NotStarted:
                assert time.monotonic() < until
                await asyncio.sleep(0.3)
        self.say("PostgreSQL is back")

    async def ready(self, service: str) -> None:
        """Wait until *service* says that it works."""
        async with aiohttp.ClientSession() as session:
            await self.process(service).ready(session, 120)

    async def all_ready(self) -> None:
        """Every process is up, and nobody ended but by us."""
        await asyncio.gather(*map(self.ready, SERVICES))

    # -- what must hold -------------------------------------------------------------------

    async def patiently(self, go: Callable[[], Awaitable[Any]], *, within_s: float = 300.0) -> Any:
        """The answer of *go*, asked again while somebody is away."""
        until = time.monotonic() + within_s
        while True:
            try:
                return await go()
            except (*AWAY, Answered) as error:
                lasting = isinstance(error, Answered) and error.status not in (404, 409, 503, 500)
                if lasting or time.monotonic() > until:
                    raise
            await asyncio.sleep(0.25)

    async def settle_all(self) -> dict[str, Any]:
        """The full optimum: standing bonus and smallest load off."""

        async def go() -> Any:
            async with Asking(self.system) as ask:
                body = {"standing_bonus": 0, "smallest_load": 0}
                return await ask("matcher", "POST", "/settle", body)

        found: dict[str, Any] = await self.patiently(go)
        self.say(f"settled: {found['matches']} matches worth {found['value_cents']} cents")
        return found

    async def audited(self, *, wait_s: float = 60.0) -> Report:
        """The oracle's report once it is quiet."""
        report = await audit(self.system, wait_s=wait_s)
        quiet = report.lines[0]
        self.say(f"audited after {quiet.counted['seconds_waited']} s: "
                 f"{'clean' if report.clean else 'broken'}")  # fmt: skip
        return report

    async def settled(self, *, wait_s: float = 60.0) -> int:
        """What stands at the optimum is worth, in cents. Nobody may have ended but by us."""
        await self.all_ready()
        await self.rest(wait_s=wait_s)
        settled = await self.settle_all()
        assert settled["value_cents"] == settled["optimum_cents"]
        return int(settled["value_cents"])

    async def rest(self, *, wait_s: float) -> None:
        """Wait until nothing moves but what is marked to be settled: settling all does that too."""
        async with opened(self.system) as sources:

            async def at_rest() -> bool:
                moving = (await still_moving(sources)).names
                marks = ("rows of dirty", "rows of sweep", "rows of near")
                return all(any(mark in one for mark in marks) for one in moving)

            await eventually(at_rest, within_s=wait_s, every_s=0.2)

    async def clean(self, *, wait_s: float) -> None:
        report = await self.audited(wait_s=wait_s)
        told = [f"{one.promise}: {one.counted}; {one.found}" for one in report.broken]
        assert report.clean, "\n".join(told)

    async def rows(self, service: str, question: str, **told: Any) -> list[Any]:
        """The answer of *service*'s database."""
        async with self.engines[service].connect() as connection:
            return list((await connection.execute(text(question), told)).all())


@dataclass
class Story:
    """One telling, under *name*: who hands in, what is decided, and what came of it."""

    world: World
    name: str

    @property
    def region(self) -> Region:
        return rows.region(f"grove-{self.name}")

    def organisation(self, token: str) -> str:
        return f"{self.name}-{token}"

    async def begin(self) -> None:
        """Two regions, six organisations with a coordinator each, the doors open, anchors laid."""
        system = self.world.system
        far_apart = rows.region(f"anchors-{self.name}", FAR_APART)
        async with Asking(system) as ask:
            for place in (self.region, far_apart):
                await ask("registry", "POST", "/regions", place.to_json())
            for token in map(self.organisation, ORGANISATIONS):
                made = await add_organisation(
                    system, ask, token=token, title=token, region=self.region.code, open_door=False
                )
                made.save(system)
                await _member(ask, token, "coordinator", [])
            first = self.organisation(ORGANISATIONS[0])
            await _member(ask, first, "regional_coordinator", [self.region.code])
            await open_doors(system, ask)
        await self.world.shorten_ack_wait("intake-admin")
        events = [one for at, name in enumerate(ANCHORS) for one in self._anchor(at, name)]
        done = Handed(prepare([*events, self._refused()]))
        await hand_in(system, done)
        told = done.outcome
        assert (told.rejected, told.no_receipt) == (1, 0), (told.reasons, told.unheard)
        self.world.say(f"the story «{self.name}» begins")

    async def bring_in(self, file: str, told: Sequence[dict[str, str]]) -> None:
        """Hand in a file of rows by its mapping, as the organisations it names, over NATS."""
        path = rows.write(self.world.folder / f"{self.name}-{file}.csv", told)
        items = read_events(path, read_mapping("indot"), self.region)
        prepared = prepare(items)
        prepared.events = [
            replace(one, organisation=self.organisation(one.organisation))
            for one in prepared.events
        ]
        done = Handed(prepared)
        for _ in range(3):  # as a company would: what got no receipt is handed in again
            await self.world.patiently(lambda: hand_in(self.world.system, done))
            if not done.outcome.no_receipt:
                return
        raise AssertionError(f"no receipt of {[one.id for one in done.outcome.unheard][:5]}")

    async def decide(self) -> None:
        """Decide on the anchors, each decision as often as it takes, under one key."""
        give, take = map(self.organisation, ORGANISATIONS[:2])
        story: dict[str, list[tuple[str, str, str | None]]] = {
            "agreed": [(give, "accept", None), (take, "accept", None)],
            "accepted": [(take, "accept", None)],
            "declined": [(give, "decline", "timing")],
            "undone": [(give, "accept", None), (give, "undo", None)],
        }
        for name, steps in story.items():
            for at, step in enumerate(steps):
                key = f"{self.name} {name} {at}"
                await self.world.patiently(partial(self._decide, name, *step, key))

    async def _decide(
        self, name: str, side: str, decision: str, reason: str | None, key: str
    ) -> None:
        system = self.world.system
        async with Asking(system) as ask:
            match = await self._match_of(ask, name)
            told = {"decision": decision, "organisation": side}
            if reason:
                told["reason"] = reason
            headers = {**await ask.tokens.headers(), "Idempotency-Key": key,
                       "If-Match": f'"{match["revision"]}"'}  # fmt: skip
            url = f"{system.urls['matcher']}/matches/{match['match_id']}/decisions"
            async with ask.session.post(url, json=told, headers=headers) as answer:
                if answer.status != 200:
                    raise Answered(answer.status, await answer.json())

    async def _match_of(self, ask: Asking, name: str) -> Any:
        """The match of the anchor *name*, once it is there."""
        region = f"anchors-{self.name}"
        found = await ask("matcher", "GET", "/matches", region=region, limit=200)
        place = f"{ANCHORS.index(name) + 1:02}"
        for match in found["items"]:
            if match["surplus"]["place"]["municipality"] == place:
                return match
        raise Answered(404, {"code": "not_yet"})

    async def outcome(self, before_cents: int, *, wait_s: float = 60.0) -> Outcome:
        """What came of it; *before_cents* is what all that stood before this story was worth."""
        value = await self.world.settled(wait_s=wait_s) - before_cents
        mine, ours = {"mine": f"{self.name}-%"}, len(self.name) + 2
        lots = await self.world.rows(
            "registry",
            f"""
            SELECT substr(reporter, {ours}), external_id, revision, told::text,
                   state->>'quantity', state->>'window', state->>'place', state->>'status'
            FROM forecast WHERE reporter LIKE :mine
            """,
            **mine,
        )
        receipts = await self.world.rows(
            "registry",
            f"""
            SELECT substr(intake.organisation, {ours}), about, verdict, code, intake.revision,
                   coalesce(forecast.external_id, project.external_id, event_id),
                   reasons::text
            FROM intake LEFT JOIN forecast ON forecast.id = thing_id
                        LEFT JOIN project ON project.id = thing_id
            WHERE intake.organisation LIKE :mine
            """,
            **mine,
        )
        decisions = await self.world.rows(
            "matcher",
            f"""
            SELECT lot.municipality, substr(decision.organisation, {ours}), decision.decision,
                   decision.reason, match.tonnes, match.state
            FROM decision JOIN match ON match.id = decision.match_id
                          JOIN lot ON lot.id = match.surplus_id
            WHERE decision.organisation LIKE :mine
            """,
            **mine,
        )
        assert len(set(map(tuple, receipts))) == len(receipts)
        told = (frozenset(map(tuple, each)) for each in (lots, receipts, decisions))
        return Outcome(*told, value)

    # -- what it tells --------------------------------------------------------------------

    def _anchor(self, at: int, name: str) -> Iterable[Outgoing]:
        """A surplus and a need of two organisations at one place, beyond reach of any other."""
        for side, token in zip(("surplus", "need"), ORGANISATIONS[:2], strict=True):
            project = HandedProject(
                external_id=f"anchor {name} {side}", title=f"Anchor {name}",
                region=f"anchors-{self.name}", municipality=f"{at + 1:02}",
            )  # fmt: skip
            organisation = self.organisation(token)
            yield Outgoing(organisation, project, "test:anchors", f"project {name} {side}")
            forecast = _sand(project, side, 1000 + 10 * at)
            yield Outgoing(organisation, forecast, "test:anchors", f"{name} {side}")

    def _refused(self) -> Outgoing:
        """A forecast that ends before it begins: the door refuses it."""
        project = HandedProject(external_id="anchor agreed surplus", title="-")
        event = _sand(project, "surplus", 7).model_copy(
            update={"external_id": "backwards", "available_to": date(2030, 1, 1)}
        )
        return Outgoing(self.organisation(ORGANISATIONS[0]), event, "test:anchors", "backwards")


async def _member(ask: Asking, token: str, role: str, regions: list[str]) -> None:
    told = {"name": f"{role} of {token}", "email": f"{role}@{token}.example", "roles": [role],
            "regions": regions, "language": "en"}  # fmt: skip
    await ask("registry", "POST", f"/organisations/{token}/members", told)


def _sand(project: HandedProject, side: str, tonnes: int) -> HandedForecast:
    return HandedForecast.model_validate(
        {
            "external_id": project.external_id,
            "project": project.external_id,
            "direction": side,
            "material": "sand",
            "use": "general_fill" if side == "need" else None,
            "quantity": tonnes,
            "unit": "t",
            "available_from": date(2031, 1, 1),
            "available_to": date(2031, 12, 31),
            "contamination": "P0",
            "contamination_basis": "declared",
            "acid_sulphate": "none",
            "waste_status": "not_waste",
            "invasive_status": "none_observed",
            "accepts_unknown_quality": True,
        }
    )


@asynccontextmanager
async def world(folder: Path, seed: int) -> AsyncIterator[World]:
    """A world that runs until the block ends; nothing of it is left behind."""
    here = World(folder, seed)
    try:
        await here.start()
        yield here
    finally:
        await here.stop()
