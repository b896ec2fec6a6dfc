"""`bench trail`: what it costs to note who looked, and what a long trail costs to keep."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from statistics import median
from typing import Final

import aiohttp
import psutil

from deploy.allinone import Process
from deploy.bench import door
from deploy.bench.figures import Figure, Goal, Report, Sheet, milliseconds
from deploy.bench.ground import Ground, Module, own_ground, until, waiting
from deploy.bench.lots import lots
from deploy.cards import card
from deploy.cli.terms import progress
from deploy.provision import connected
from shared.access import Asker, read_key, sign
from shared.contracts.base import uuid7
from shared.service import intake_durable, intake_stream
from shared.settings import SharedSettings
from shared.trail import Noted
from shared.work import Database

_ITEMS: Final = 50
_LEAST: Final = Goal(0.85, least=True, of="ratio")
_FLOOR: Final = "without a trail"
_LOOKER: Final = Asker("p-bench", "person", {"other": ("regional_coordinator",)}, (door.LAND,))


async def measure(seconds: float, *, rounds: int, clients: Sequence[int], seed: int) -> Report:
    """
    A page of 50 forecasts of another, asked for by so many *clients* at once.

    Once of a registry as it is and once of one that notes nothing, *rounds* times in turn, each
    for *seconds*.
    """
    asked = {"seconds": seconds, "rounds": rounds, "clients": list(clients), "seed": seed}
    began, clock = datetime.now(UTC), time.perf_counter()
    async with own_ground() as ground:
        figures = await _looks(ground, seconds, rounds, clients, seed)
    return Report("trail", asked, figures, began, time.perf_counter() - clock)


async def _looks(
    ground: Ground, seconds: float, rounds: int, clients: Sequence[int], seed: int
) -> list[Figure]:
    any_rate = {"HTTP_REQUESTS_PER_S": "0"}
    noting = await ground.begin(ground.add("registry", **any_rate))
    await _handed_in(ground, seed)
    silent = await ground.begin(
        Module(ground.system, "deploy.bench.unseen", name="unseen", service="registry", **any_rate)
    )
    sheet = Sheet(f"GET /forecasts, {_ITEMS} items of another")
    for many in clients:
        with progress(f"{many} at once", 2 * rounds) as advance:
            found: tuple[list[Round], list[Round]] = ([], [])
            for turn in range(rounds):
                for place, process in enumerate((noting, silent)):
                    found[place].append(await _asked(ground, process, many, seconds))
                    advance(2 * turn + place + 1)
        _tell(sheet, f"{many} at once", *found)
    alone = await _written_alone(ground)
    sheet.add("one look written alone, p50", milliseconds(alone, 0.5), "ms",
              note="one commit; who asks alone waits for it")  # fmt: skip
    looks = await ground.ask("registry", "SELECT count(*) FROM trail WHERE subject LIKE 'person/%'")
    sheet.add("looks on the trail", looks, "rows")
    return sheet.figures


@dataclass(frozen=True)
class Round:
    """The seconds of each answer, the seconds of all, and the processor's."""

    took: Sequence[float]
    lasted: float
    processor: float


def _tell(sheet: Sheet, name: str, noted: Sequence[Round], floor: Sequence[Round]) -> None:
    rate, least = (median(len(one.took) / one.lasted for one in told) for told in (noted, floor))
    sheet.add(f"{name}, answers", rate, "/s", (_FLOOR, least), goal=_LEAST,
              note=f"median of {len(noted)} rounds")  # fmt: skip
    waited, less = ([each for one in told for each in one.took] for told in (noted, floor))
    sheet.add(f"{name}, p50", milliseconds(waited, 0.5), "ms", (_FLOOR, milliseconds(less, 0.5)))
    worked, spared = (
        1000 * sum(one.processor for one in told) / sum(len(one.took) for one in told)
        for told in (noted, floor)
    )
    sheet.add(f"{name}, processor of the registry, an answer", worked, "ms", (_FLOOR, spared))


async def _handed_in(ground: Ground, seed: int) -> None:
    """A company's forecasts at the registry, enough for a page."""
    told = lots(2 * _ITEMS, seed=seed)
    await door.opened(ground, region=door.land_of(told))
    projects, forecasts = door.import_of(told)
    operator = ground.ring.nats_seed("intake-admin").read_text()
    async with connected(ground.system.nats_url, operator, "bench") as client:
        await door.leave(client, [door.outgoing(one) for one in (*projects, *forecasts)])
        reader = intake_stream(door.ORGANISATION), intake_durable(door.ORGANISATION)

        async def read() -> bool:
            return await waiting(client, *reader) == 0

        await until(read, seconds=120, what="the forecasts read")


async def _written_alone(ground: Ground, count: int = 100) -> list[float]:
    """The seconds of *count* looks, one after the other."""
    ledger = card("registry").ledger
    assert ledger is not None
    settings = SharedSettings(postgres_url=ground.postgres.url, pool_connections=2)
    database = Database.open(ledger, settings)
    look = Noted(f"person/{_LOOKER.subject}", "GET /forecasts", "forecasts", (door.ORGANISATION,))
    took = []
    for _ in range(count):
        row = replace(look, id=uuid7()).row(database.zone, None)
        begun = time.perf_counter()
        await database.looks.add(row)
        took.append(time.perf_counter() - begun)
    await database.close()
    return took


async def _asked(ground: Ground, process: Process, many: int, seconds: float) -> Round:
    """What *many* clients got of *process* in *seconds*."""
    assert process.process is not None
    worker = psutil.Process(process.process.pid)
    token = sign(_LOOKER, read_key(ground.ring.signing))
    url = f"{process.url}/forecasts?limit={_ITEMS}"
    took: list[float] = []
    async with aiohttp.ClientSession(
        headers={"Authorization": f"Bearer {token}"}, raise_for_status=True
    ) as session:

        async def ask() -> None:
            begun = time.perf_counter()
            async with session.get(url) as answer:
                told = await answer.json()
            assert len(told["items"]) == _ITEMS
            took.append(time.perf_counter() - begun)

        await ask()  # the first opens connections
        took.clear()
        before, begun = worker.cpu_times(), time.perf_counter()
        await asyncio.gather(*(_again(ask, begun + seconds) for _ in range(many)))
        lasted, after = time.perf_counter() - begun, worker.cpu_times()
    processor = after.user + after.system - before.user - before.system
    return Round(took, lasted, processor)


async def _again(ask: Callable[[], Awaitable[None]], over: float) -> None:
    while time.perf_counter() < over:
        await ask()
