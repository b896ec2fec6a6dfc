"""
A whole platform under test: it takes rows in, is killed and restarted, and must be what it was.

`run` is one story: organisations, anchor matches that are decided on while things break, files of
rows, and what becomes of it all. The same story told in quiet gives the same `Outcome`.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import aiohttp
from nats.js.api import ConsumerConfig
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from deploy.allinone import PORTS, Platform, Process
from deploy.asking import Answered, Asking
from deploy.audit import Report, audit
from deploy.handing_in import Handed
from deploy.handing_in import send as hand_in
from deploy.organisations import add_organisation, open_doors
from deploy.provision import connected
from deploy.servers import NotStarted
from shared.client import NotSent, Outgoing, prepare, read_events, read_mapping
from shared.contracts.intake import HandedForecast, HandedProject
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
    """What must be the same however often things broke in between."""

    lots: Mapping[str, Any]
    receipts: Mapping[tuple[str, str, str], tuple[Any, ...]]
    decisions: frozenset[tuple[Any, ...]]
    value_cents: int
    optimum_cents: int


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
        async with Asking(self.system) as ask:
            await self._people(ask)
        await self._shorten_ack_wait()
        self.say("the platform runs")

    async def stop(self) -> None:
        try:
            for engine in self.engines.values():
                await engine.dispose()
        finally:
            self.platform.stop()

    def say(self, told: str) -> None:
        self.timeline.append(f"{time.monotonic() - self.begun:7.2f} s  {told}")

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

    async def _people(self, ask: Asking) -> None:
        for place in (rows.region("grove"), rows.region("anchors", FAR_APART)):
            await ask("registry", "POST", "/regions", place.to_json())
        for token in ORGANISATIONS:
            made = await add_organisation(
                self.system, ask, token=token, title=token.upper(), region="grove", open_door=False
            )
            made.save(self.system)
            await self._member(ask, token, "coordinator", [])
        await self._member(ask, ORGANISATIONS[0], "regional_coordinator", ["grove"])
        await open_doors(self.system, ask)

    async def _member(self, ask: Asking, token: str, role: str, regions: list[str]) -> None:
        told = {"name": f"{role} of {token}", "email": f"{role}@{token}.example", "roles": [role],
                "regions": regions, "language": "en"}  # fmt: skip
        with contextlib.suppress(Answered):
            await ask("registry", "POST", f"/organisations/{token}/members", told)

    async def _shorten_ack_wait(self) -> None:
        """As an operator would: an event that a killed process held comes back sooner."""
        for user in ("admin", "intake-admin"):
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

    async def all_ready(self) -> None:
        """Every process is up, and nobody ended but by us."""
        async with aiohttp.ClientSession() as session:
            for process in self.platform.processes.values():
                await process.ready(session)

    # -- the story ------------------------------------------------------------------------

    async def bring_in(self, name: str, told: Sequence[dict[str, str]]) -> Handed:
        """Hand in a file of rows by its mapping, as the organisations it names."""
        path = rows.write(self.folder / f"{name}.csv", told)

        done = Handed(prepare(read_events(path, read_mapping("indot"), rows.region("grove"))))
        await self.patiently(lambda: hand_in(self.system, done))
        assert not done.outcome.no_receipt, [one.id for one in done.outcome.unheard][:5]
        return done

    async def anchor(self) -> None:
        """Lay the anchors: pairs apart from everybody, to be decided on while things break."""
        events = [one for at, name in enumerate(ANCHORS) for one in _anchor(at, name)]
        done = Handed(prepare([*events, _refused()]))
        await hand_in(self.system, done)
        told = done.outcome
        assert (told.rejected, told.no_receipt) == (1, 0), (told.reasons, told.unheard)

    async def decide(self) -> None:
        """Decide on the anchors, each decision as often as it takes, under one key."""
        give, take = ORGANISATIONS[:2]
        story = {
            "agreed": [(give, "accept", None), (take, "accept", None)],
            "accepted": [(take, "accept", None)],
            "declined": [(give, "decline", "timing")],
            "undone": [(give, "accept", None), (give, "undo", None)],
        }
        for name, steps in story.items():
            for at, (side, decision, reason) in enumerate(steps):
                await self.patiently(self._decision(name, side, decision, reason, f"{name}-{at}"))

    def _decision(
        self, name: str, side: str, decision: str, reason: str | None, key: str
    ) -> Callable[[], Awaitable[None]]:
        async def go() -> None:
            async with Asking(self.system) as ask:
                match = await self._match_of(ask, name)
                told = {"decision": decision, "organisation": side}
                if reason:
                    told["reason"] = reason
                headers = {**await ask.tokens.headers(), "Idempotency-Key": key,
                           "If-Match": f'"{match["revision"]}"'}  # fmt: skip
                url = f"{self.system.urls['matcher']}/matches/{match['match_id']}/decisions"
                async with ask.session.post(url, json=told, headers=headers) as answer:
                    if answer.status != 200:
                        raise Answered(answer.status, await answer.json())

        return go

    async def _match_of(self, ask: Asking, name: str) -> Any:
        """The match of the anchor *name*, once it is there."""
        found = await ask("matcher", "GET", "/matches", region="anchors", limit=200)
        place = f"{ANCHORS.index(name) + 1:02}"
        for match in found["items"]:
            if match["surplus"]["place"]["municipality"] == place:
                return match
        raise Answered(404, {"code": "not_yet"})

    async def patiently(self, go: Callable[[], Awaitable[Any]], *, within_s: float = 60.0) -> Any:
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

    async def outcome(self, *, wait_s: float = 60.0) -> Outcome:
        """Wait for quiet, settle, audit, and read what must be the same in any run."""
        await self.all_ready()
        first = await self.audited(wait_s=wait_s)
        assert first.clean, _broken(first)
        settled = await self.settle_all()
        last = await self.audited(wait_s=wait_s)
        assert last.clean, _broken(last)
        assert settled["value_cents"] == settled["optimum_cents"]
        lots = await self._rows(
            "registry",
            "SELECT id::text AS id, revision, state FROM forecast",
        )
        receipts = await self._rows(
            "registry",
            "SELECT organisation, source, event_id, verdict, code, thing_id::text, revision, "
            "reasons FROM intake",
        )
        decisions = await self._rows(
            "matcher",
            "SELECT surplus_id::text, need_id::text, organisation, decision, reason "
            "FROM decision JOIN match ON match.id = decision.match_id",
        )
        return Outcome(
            {row[0]: tuple(row[1:]) for row in lots},
            {tuple(row[:3]): tuple(row[3:]) for row in receipts},
            frozenset(tuple(row) for row in decisions),
            settled["value_cents"],
            settled["optimum_cents"],
        )

    async def _rows(self, service: str, question: str) -> list[Any]:
        async with self.engines[service].connect() as connection:
            return list((await connection.execute(text(question))).all())


def _broken(report: Report) -> str:
    return "\n".join(f"{one.promise}: {one.counted}; {one.found}" for one in report.broken)


def _anchor(at: int, name: str) -> Iterable[Outgoing]:
    """A surplus and a need of two organisations at one place, beyond reach of any other."""
    for side, organisation in (("surplus", ORGANISATIONS[0]), ("need", ORGANISATIONS[1])):
        project = HandedProject(
            external_id=f"anchor {name} {side}", title=f"Anchor {name}", region="anchors",
            municipality=f"{at + 1:02}",
        )  # fmt: skip
        yield Outgoing(organisation, project, "test:anchors", f"project {name} {side}")
        yield Outgoing(
            organisation, _sand(project, side, 1000 + 10 * at), "test:anchors", f"{name} {side}"
        )


def _refused() -> Outgoing:
    """A forecast that ends before it begins: the door refuses it."""
    project = HandedProject(external_id="anchor agreed surplus", title="-")
    event = _sand(project, "surplus", 7).model_copy(
        update={"external_id": "backwards", "available_to": date(2030, 1, 1)}
    )
    return Outgoing(ORGANISATIONS[0], event, "test:anchors", "backwards")


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
