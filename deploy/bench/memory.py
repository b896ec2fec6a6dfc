"""`bench memory`: what the matcher needs at many lots, and the whole platform at fewer."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import psutil
from nats.aio.client import Client

from deploy.bench import door
from deploy.bench.driven import Driven
from deploy.bench.figures import Figure, Goal, Report, Sheet
from deploy.bench.filled import Watched
from deploy.bench.filled import fill as fill_database
from deploy.bench.ground import Ground, fill, own_ground, until, waiting
from deploy.bench.lots import changes, lots, project_by_project, spots
from deploy.cli.terms import progress
from deploy.provision import connected
from shared.contracts import ForecastUpdated
from shared.service import durable_of, intake_durable, intake_stream

PATIENCE_S: Final = 1_800.0
NEAR_KM: Final = 8.0
_MIB: Final = 1024 * 1024
_MATCHER: Final = Goal(500)
_PLATFORM: Final = Goal(2 * 1024)
_DIRTY: Final = "SELECT count(*) FROM dirty"
_LOTS: Final = "SELECT count(*) FROM lot"


async def measure(
    sizes: Sequence[int], *, seed: int, changed: int, platform: int, seconds: float
) -> Report:
    """
    The most resident memory of a matcher that takes *changed* changes among each of *sizes* lots.

    Then of all services and servers, shared pages counted once, while *platform* lots come in at
    the door and for up to *seconds* of settling after; 0 leaves that out.
    """
    asked = {"lots": list(sizes), "seed": seed, "changes": changed, "platform": platform,
             "seconds": seconds}  # fmt: skip
    began, clock = datetime.now(UTC), time.perf_counter()
    figures: list[Figure] = []
    for count in sizes:
        async with own_ground() as ground:
            figures += await _matcher(ground, count, seed=seed, changed=changed)
    if platform:
        async with own_ground() as ground:
            figures += await _platform(ground, platform, seed=seed, seconds=seconds)
    return Report("memory", asked, figures, began, time.perf_counter() - clock)


async def _matcher(ground: Ground, count: int, *, seed: int, changed: int) -> list[Figure]:
    sheet = Sheet(f"{count} lots")
    near = Watched(spots(max(4, changed // 20), count, 0, seed=seed), NEAR_KM)
    driven = await Driven.open(ground.postgres.url)
    with progress(f"{sheet.about}: filling", count) as advance:
        told = near.among(project_by_project(count, seed=seed))
        filling = await fill_database(driven, told, advance)
    await driven.close()
    news = changes(near.events, changed, seed=seed)
    process = await ground.begin(ground.add("matcher"))
    assert process.process is not None
    pid = process.process.pid
    idle = psutil.Process(pid).memory_info().rss
    async with ground.operator() as client, watched(lambda: _resident(pid)) as seen:
        with progress(f"{sheet.about}: {len(news)} changes"):
            await fill(client, news)
            await _settled(ground, client, PATIENCE_S)
    note = f"{len(news)} changes taken and settled, sweeps going on; filled in {filling:.0f} s"
    sheet.add("matcher, resident, just started", idle / _MIB, "MiB")
    sheet.add("matcher, resident, most", max(seen.peak, _high_water(pid)) / _MIB, "MiB",
              goal=_MATCHER, note=note)  # fmt: skip
    return sheet.figures


async def _platform(ground: Ground, count: int, *, seed: int, seconds: float) -> list[Figure]:
    sheet = Sheet(f"the whole platform, {count} lots")
    told = lots(count, seed=seed)
    with progress("five services start"):
        await ground.start_services()
    await door.opened(ground, region=(land := door.land_of(told)))
    projects, forecasts = door.import_of(told, land.code)
    events = [door.outgoing(one) for one in (*projects, *forecasts)]
    del told, projects, forecasts
    seed_of_door = ground.ring.nats_seed("intake-admin").read_text()
    async with (
        watched(lambda: _all_of(ground), every_s=2.0) as seen,
        connected(ground.system.nats_url, seed_of_door, "bench") as client,
        ground.operator() as operator,
    ):
        with progress(f"{sheet.about}: handed in", len(events)) as advance:
            await door.leave(client, events, advance)
        with progress(f"{sheet.about}: taken in and settled"):
            reader = intake_stream(door.ORGANISATION), intake_durable(door.ORGANISATION)

            async def taken_in() -> bool:
                return await waiting(client, *reader) == 0

            await until(taken_in, seconds=PATIENCE_S, every_s=0.5, what="everything taken in")
            with contextlib.suppress(TimeoutError):
                await _settled(ground, operator, seconds)
    kept = await ground.ask("matcher", _LOTS)
    left = await ground.ask("matcher", _DIRTY)
    note = f"{kept} lots kept through the door; {left} neighbourhoods still to settle at the end"
    sheet.add("all processes, proportional, most", seen.peak / _MIB, "MiB", goal=_PLATFORM,
              note=note)  # fmt: skip
    for name, most in sorted(seen.parts.items()):
        sheet.add(f"{name}, at that moment", most / _MIB, "MiB")
    return sheet.figures


async def _settled(ground: Ground, client: Client, seconds: float) -> None:
    """Return when every change is kept and no neighbourhood is dirty; raises `TimeoutError`."""
    reader = ForecastUpdated.stream(), durable_of("matcher", ForecastUpdated)

    async def still() -> bool:
        if await waiting(client, *reader):
            return False
        return bool(await ground.ask("matcher", _DIRTY) == 0)

    async with asyncio.timeout(seconds):
        await until(still, seconds=seconds + 1, every_s=0.5, what="everything settled")


@dataclass
class Seen:
    """The most that was seen at once, in bytes, and what it was made of."""

    peak: int = 0
    parts: dict[str, int] = field(default_factory=dict)

    def look(self, parts: dict[str, int]) -> None:
        total = sum(parts.values())
        if total > self.peak:
            self.peak, self.parts = total, parts


@asynccontextmanager
async def watched(
    look: Callable[[], dict[str, int]], *, every_s: float = 0.1
) -> AsyncIterator[Seen]:
    """Look again and again while the block runs."""
    seen = Seen()

    async def watch() -> None:
        while True:
            seen.look(await asyncio.to_thread(look))
            await asyncio.sleep(every_s)

    watching = asyncio.create_task(watch())
    try:
        yield seen
        seen.look(look())
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching


def _resident(pid: int) -> dict[str, int]:
    return {"matcher": psutil.Process(pid).memory_info().rss}


def _high_water(pid: int) -> int:
    """The kernel's own peak of *pid*, bytes; 0 where it tells none."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def _all_of(ground: Ground) -> dict[str, int]:
    """Bytes of each service and server with all its processes; a shared page counts once."""
    servers = {"NATS": ground.nats.process, "PostgreSQL": ground.postgres.process}
    services = {name: one.process for name, one in ground.processes.items()}
    return {
        name: _proportional(process.pid)
        for name, process in {**servers, **services}.items()
        if process is not None
    }


def _proportional(pid: int) -> int:
    total = 0
    with contextlib.suppress(psutil.NoSuchProcess):
        family = psutil.Process(pid)
        for one in _family(family):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                told = one.memory_full_info()
                total += getattr(told, "pss", told.uss)
    return total


def _family(process: psutil.Process) -> Iterable[psutil.Process]:
    return [process, *process.children(recursive=True)]
