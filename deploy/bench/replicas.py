"""`bench replicas`: settling by one, two and four matchers at once, and what comes of it."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Final

import asyncpg

from deploy.bench.driven import Driven, NotMeasured
from deploy.bench.figures import Goal, Report, Sheet, percentile
from deploy.bench.filled import fill, mark
from deploy.bench.ground import Ground, own_ground
from deploy.bench.lots import lots
from deploy.cli.terms import Advance, progress
from services.matcher.domain.cells import cell_of

PATIENCE_S: Final = 900.0
_FALLS_NOT: Final = Goal(1.0, least=True, of="ratio")
_SAME: Final = Goal(0)
_QUIET_SWEEPS: Final = {"MATCHER_SWEEP_AFTER_S": "86400", "MATCHER_MEASURE_UP_TO_LOTS": "0"}
_DIRTY: Final = "SELECT count(*) FROM dirty"


@dataclass
class Run:
    """One go: neighbourhoods a second, how many each process settled, cents after a full settle."""

    rate: float
    settles: list[int]
    cents: int
    optimum: int


async def measure(count: int, *, seed: int, replicas: Sequence[int], rounds: int) -> Report:
    """
    Settle *count* lots, every neighbourhood dirty at once, by each number of *replicas*.

    *rounds* times in turn; of each number the median is told. After each the whole region is
    settled with standing bonus and smallest load off: the value is the same, to the cent.
    """
    asked = {"lots": count, "seed": seed, "replicas": list(replicas), "rounds": rounds}
    began, clock = datetime.now(UTC), time.perf_counter()
    async with own_ground() as ground:
        cells = await _filled(ground, count, seed=seed)
        runs: dict[int, list[Run]] = {many: [] for many in replicas}
        for turn in range(rounds):
            for many in replicas:
                what = f"round {turn + 1}: {many} {'process' if many == 1 else 'processes'}"
                with progress(what, len(cells)) as advance:
                    runs[many].append(await _one(ground, many, cells, advance))
    sheet = Sheet(f"{count} lots")
    _tell(sheet, runs, len(cells))
    return Report("replicas", asked, sheet.figures, began, time.perf_counter() - clock)


def _tell(sheet: Sheet, runs: dict[int, list[Run]], cells: int) -> None:
    before: tuple[int, float] | None = None
    for many, found in runs.items():
        rate = percentile([one.rate for one in found], 0.5)
        assert rate is not None
        settles = "; ".join(", ".join(map(str, one.settles)) for one in found)
        note = f"{cells} neighbourhoods; settles of each process: {settles}"
        beside = ("", None) if before is None else (f"by {before[0]}", before[1])
        goal = _FALLS_NOT if before is not None and before[0] > 1 else None
        sheet.add(f"settled by {many}", rate, "neighbourhoods/s", beside, goal=goal, note=note)
        before = many, rate
    every = [one for found in runs.values() for one in found]
    values = [one.cents for one in every]
    sheet.add("value after a full settle, largest less smallest", max(values) - min(values),
              "cents", goal=_SAME, note=f"standing bonus and smallest load off; {values[0]} cents",
              )  # fmt: skip
    sheet.add("value after a full settle, less than the optimum by",
              max(one.optimum - one.cents for one in every), "cents", goal=_SAME)  # fmt: skip


async def _filled(ground: Ground, count: int, *, seed: int) -> list[int]:
    """The matcher's database with *count* lots and nothing settled; their cells, mixed."""
    told = lots(count, seed=seed)
    driven = await Driven.open(ground.postgres.url)
    with progress(f"{count} lots: filling", count) as advance:
        await fill(driven, told, advance)
    await driven.close()
    cells = sorted({cell_of(one.place.lat, one.place.lon) for one in told})
    Random(f"cells {seed}").shuffle(cells)
    return cells


async def _one(ground: Ground, many: int, cells: Sequence[int], advance: Advance) -> Run:
    names = [f"matcher-{number}" for number in range(1, many + 1)]
    driven = await Driven.with_lots_kept(ground.postgres.url)
    await asyncio.gather(
        *(ground.begin(ground.add("matcher", name=name, **_QUIET_SWEEPS)) for name in names)
    )
    watch = await asyncpg.connect(f"{ground.postgres.url}/massakoppi_matcher")
    await mark(driven, cells)
    begun = await _when(watch, len(cells) - 1, advance, len(cells))
    ended = await _when(watch, 0, advance, len(cells))
    await watch.close()
    await driven.close()
    told = [await ground.ask_matcher("GET", "/settled", process=name) for name in names]
    settled = await ground.ask_matcher(
        "POST", "/settle", {"standing_bonus": 0, "smallest_load": 0}, process=names[0]
    )
    for name in names:
        ground.processes.pop(name).stop()
    rate = (len(cells) - 1) / max(1e-9, ended - begun)
    cents, optimum = int(settled["value_cents"]), int(settled["optimum_cents"])
    return Run(rate, [int(one["settles"]) for one in told], cents, optimum)


async def _when(watch: asyncpg.Connection, left: int, advance: Advance, count: int) -> float:
    """When at most *left* neighbourhoods were first seen dirty."""
    limit = time.perf_counter() + PATIENCE_S
    while (dirty := await watch.fetchval(_DIRTY)) > left:
        advance(count - dirty)
        if time.perf_counter() > limit:
            raise NotMeasured(f"{dirty} neighbourhoods are still dirty after {PATIENCE_S:g} s")
        await asyncio.sleep(0.02)
    return time.perf_counter()
