"""`bench intake`: how many forecasts a second one matcher keeps, and one registry takes in."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from nats.aio.client import Client

from deploy.allinone import Process
from deploy.bench import door
from deploy.bench.figures import Figure, Goal, Report
from deploy.bench.ground import Ground, Module, fill, own_ground, until, waiting
from deploy.bench.lots import lots
from deploy.cli.terms import progress
from deploy.provision import connected
from shared.contracts import ForecastUpdated
from shared.service import durable_of, intake_durable, intake_stream

PATIENCE_S: Final = 300.0
_DURABLE: Final = durable_of("matcher", ForecastUpdated)
_FLOOR: Final = "pulled, committed, acknowledged"
_DIRTY: Final = "SELECT count(*) FROM dirty"


async def measure(count: int, *, seed: int, knocks: int) -> Report:
    """
    *count* forecasts, in the stream beforehand, through one matcher with everything durable; the
    same through the floor; then *knocks* events of a company through one registry.
    """
    asked = {"events": count, "seed": seed, "knocks": knocks}
    began, clock = datetime.now(UTC), time.perf_counter()
    async with own_ground() as ground:
        figures = await _matcher(ground, count, seed=seed)
        if knocks:
            figures.append(await _door(ground, knocks, seed=seed))
    return Report("intake", asked, figures, began, time.perf_counter() - clock)


async def _matcher(ground: Ground, count: int, *, seed: int) -> list[Figure]:
    told = lots(count, seed=seed)
    async with ground.operator() as client:
        with progress(f"{count} forecasts into the stream", count) as advance:
            await fill(client, told, advance)
        floor = await _alone(ground, client, "nothing", count)
        keeping = await _alone(ground, client, "keep", count)
        await ground.empty_matcher()
        matcher = ground.add("matcher")
        rate = await _drained(ground, client, matcher, count, "kept and settled")
        lag = await _settled_after(ground)
        matcher.stop()
    note = f"settled {lag:.1f} s after the last was kept" if lag is not None else ""
    name = f"forecast-updated kept, {count} events"
    return [
        Figure(f"{name}, settling as always", rate, "events/s", goal=Goal(2_000, least=True),
               note=note),
        Figure(f"{name}, settling as always, against the floor", rate, "events/s", _FLOOR, floor,
               goal=Goal(0.25, least=True, of="ratio")),
        Figure(f"{name}, without settling", keeping, "events/s", _FLOOR, floor),
    ]  # fmt: skip


async def _alone(ground: Ground, client: Client, kind: str, count: int) -> float:
    """Events a second of a reader of that *kind*, in a process of its own."""
    await ground.empty_matcher()
    process = Module(ground.system, "deploy.bench.readers", kind, name=f"reader-{kind}")
    rate = await _drained(ground, client, process, count, kind)
    process.stop()
    return rate


async def _drained(
    ground: Ground, client: Client, process: Process, count: int, what: str
) -> float:
    """Start *process* and let it read all; events a second from its first on."""
    return await _rate(ground, client, process, (ForecastUpdated.stream(), _DURABLE), count, what)


async def _rate(
    ground: Ground,
    client: Client,
    process: Process,
    reader: tuple[str, str],
    count: int,
    what: str,
) -> float:
    samples: list[tuple[float, int]] = []
    starting = asyncio.create_task(ground.begin(process))
    with progress(what, count) as advance:

        async def all_read() -> bool:
            left = await waiting(client, *reader)
            samples.append((time.perf_counter(), left))
            advance(count - left)
            return left == 0

        await until(all_read, seconds=PATIENCE_S, every_s=0.02, what=what)
    await starting
    return _events_a_second(samples)


def _events_a_second(samples: Sequence[tuple[float, int]]) -> float:
    """From the last sample in which all was still waiting to the first in which nothing was."""
    most = max(left for _, left in samples)
    begun = [at for at, left in samples if left == most][-1]
    ended = next(at for at, left in samples if left == 0)
    return most / max(1e-9, ended - begun)


async def _settled_after(ground: Ground) -> float | None:
    """Seconds until no neighbourhood is dirty."""
    begun = time.perf_counter()

    async def clean() -> bool:
        return bool(await ground.ask("matcher", _DIRTY) == 0)

    with progress("settling the rest"):
        return await until(clean, seconds=PATIENCE_S, what="everything settled") - begun


async def _door(ground: Ground, knocks: int, *, seed: int) -> Figure:
    registry = await ground.begin(ground.add("registry"))
    await door.opened(ground)
    registry.stop()
    projects, forecasts = door.handed_in(lots(knocks // 2, seed=seed + 1))
    events = [door.outgoing(one) for one in (*projects, *forecasts)]
    seed_of_operator = ground.ring.nats_seed("intake-admin").read_text()
    async with connected(ground.system.nats_url, seed_of_operator, "bench") as client:
        await door.leave(client, events, is_read=False)
        reader = intake_stream(door.ORGANISATION), intake_durable(door.ORGANISATION)
        rate = await _rate(ground, client, ground.add("registry"), reader, len(events), "door")
    note = f"{len(events)} events of one company: projects, then their forecasts, each a receipt"
    return Figure("knocks at the registry's door", rate, "events/s", note=note)
