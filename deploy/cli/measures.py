"""`massakoppi bench`: how fast it is, against a floor and peers in the same run."""

import asyncio
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.cli.terms import AsJson, err, out, show, tell
from shared import telemetry

if TYPE_CHECKING:
    from deploy.bench.figures import Report

app = typer.Typer(
    no_args_is_help=True, help="Measure speed, value, memory and calm, each in one run."
)

Seed = Annotated[int, typer.Option(help="the same lots and changes for the same seed")]


@app.callback()
def _() -> None:
    """
    Measure speed, value, memory and calm, against a floor and peers in the same run.

    Each runs on servers and a data folder of its own, beside a system that runs, and leaves nothing
    behind; `distance` starts none and reads real distances. What they mean and what was measured:
    docs/benchmarks.md.
    """


@app.command()
def latency(
    lots: Annotated[int, typer.Option(min=20, help="open lots, settled before")] = 10_000,
    changes: Annotated[int, typer.Option(min=1, help="one at a time in a quiet system")] = 250,
    knocks: Annotated[int, typer.Option(min=0, help="changes handed in at the door")] = 60,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """From a changed forecast to its match announced, beside the same hops with no work."""
    from deploy.bench.latency import measure

    _run(measure(lots, seed=seed, changed=changes, knocks=knocks), as_json)


@app.command()
def intake(
    events: Annotated[int, typer.Option(min=10, help="forecasts in the stream before")] = 20_000,
    knocks: Annotated[int, typer.Option(min=0, help="events at the registry's door")] = 2_000,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """How many forecasts a second one matcher keeps, beside a handler that does nothing."""
    from deploy.bench.intake import measure

    _run(measure(events, seed=seed, knocks=knocks), as_json)


@app.command()
def settle(
    lots: Annotated[
        list[int] | None, typer.Option(min=10, help="open lots; may be said again; 2000 and 8000")
    ] = None,
    changes: Annotated[int, typer.Option(min=1, help="after the region is settled")] = 60,
    seconds: Annotated[float, typer.Option(min=1, help="a peer may take for its part")] = 120,
    smallest_load: Annotated[
        int | None, typer.Option(min=0, help="tonnes; 0: off; else as the matcher is set")
    ] = None,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """How near to the optimum, how calmly and at what cost, beside four other ways to match."""
    from deploy.bench.settle import measure

    sizes = lots or [2_000, 8_000]
    measuring = measure(
        sizes, seed=seed, changed=changes, seconds=seconds, smallest_load=smallest_load
    )
    _run(measuring, as_json)


@app.command()
def distance(
    data: Annotated[Path, typer.Option("--data", help="folder of a travel time matrix and grid")],
    as_json: AsJson = False,
) -> None:
    """How far from real roads the ratio by distance is, beside a flat 1.3; nothing is started."""
    from deploy.bench.distance import measure

    _run(measure(data), as_json)


Sizes = Annotated[
    list[int] | None, typer.Option("--lots", min=10, help="open lots; may be said again")
]
Folder = Annotated[
    Path | None, typer.Option("--data", exists=True, file_okay=False, help="folder of the file")
]


@app.command()
def growth(
    lots: Sizes = None,
    changes: Annotated[int, typer.Option(min=1, help="one at a time, at each size")] = 60,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """
    What one change costs as the region grows at the same density, beside reads and commit alone.

    Of 1000, 10 000 and 100 000 lots unless said otherwise; `--lots 1000 --lots 1000000` compares
    with a million, which takes some minutes to fill. Only what lies around the changed lots is
    settled before.
    """
    from deploy.bench.growth import measure

    _run(measure(lots or [1_000, 10_000, 100_000], seed=seed, changed=changes), as_json)


@app.command()
def memory(
    lots: Sizes = None,
    changes: Annotated[int, typer.Option(min=1, help="that the matcher takes meanwhile")] = 200,
    platform: Annotated[
        int, typer.Option(min=0, help="lots through the door of all five services; 0: leave out")
    ] = 50_000,
    seconds: Annotated[float, typer.Option(min=1, help="of settling them, at most")] = 300,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """
    The most memory of a matcher at 100 000 and at 1 000 000 lots, then of the whole platform.

    The matcher's is resident, with the kernel's own peak where it tells one; the platform's is
    proportional: a page that processes share counts once.
    """
    from deploy.bench.memory import measure

    measuring = measure(
        lots or [100_000, 1_000_000], seed=seed, changed=changes, platform=platform,
        seconds=seconds,
    )  # fmt: skip
    _run(measuring, as_json)


@app.command()
def replicas(
    lots: Annotated[int, typer.Option(min=10, help="open lots, all neighbourhoods dirty")] = 6_000,
    processes: Annotated[
        list[int] | None, typer.Option(min=1, help="matchers; may be said again; 1, 2 and 4")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="of which the median is told")] = 3,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """Settling by one, two and four matcher processes, and whether the value is the same."""
    from deploy.bench.replicas import measure

    _run(measure(lots, seed=seed, replicas=processes or [1, 2, 4], rounds=rounds), as_json)


@app.command()
def notice(
    lots: Annotated[int, typer.Option(min=20, help="open lots, settled before")] = 2_000,
    rate: Annotated[float, typer.Option(min=1, help="events a second at the door")] = 300,
    seconds: Annotated[float, typer.Option(min=1, help="of that rate")] = 20,
    rows: Annotated[int, typer.Option(min=0, help="of an import after that; 0: none")] = 100_000,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """
    From a forecast at the door to the notice on a coordinator's desk, while much else comes in.

    Measured on probes, five a second among the changes and one a second during the import: each a
    surplus whose only use is there already, so that each must lead to a notice.
    """
    from deploy.bench.notice import measure

    _run(measure(lots, seed=seed, rate=rate, seconds=seconds, rows=rows), as_json)


@app.command()
def optimum(
    lots: Sizes = None,
    data: Folder = None,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """
    The settled region, the full optimum and what HiGHS finds for the same lots.

    HiGHS solves a linear program of its own where `highspy` is installed. With `--data FOLDER`,
    also each minimum-cost flow problem of that folder in DIMACS text (`*.min`, its optimum in a
    comment). Of 2000 and 8000 lots unless said otherwise.
    """
    from deploy.bench.optimum import measure

    _run(measure(lots or [2_000, 8_000], seed=seed, data=data), as_json)


@app.command()
def peers(
    data: Annotated[
        Path, typer.Option("--data", exists=True, file_okay=False, help="folder of both files")
    ],
    areas: Annotated[int, typer.Option(min=0, help="to wait in, opened at last; 0: none")] = 20,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """
    Real planned earthwork, matched by the matcher and in four other ways: tonnes, haul, value.

    The folder holds `earthwork_items*.csv`, read by the mapping `indot`, and
    `indiana_counties.csv`, read by `indiana-counties`; another file of these columns will do.
    """
    from deploy.bench.lettings import measure

    _run(measure(data, seed=seed, areas=areas), as_json)


@app.command()
def year(
    lots: Annotated[int, typer.Option(min=20, help="of the region, in the whole year")] = 400,
    days: Annotated[int, typer.Option(min=2, max=500, help="to live through")] = 365,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """
    A year in which forecasts change every month and people decline: what is really delivered.

    The matcher and each peer meet the same forecasts and the same people; told are the value
    delivered, proposals withdrawn and notices.
    """
    from deploy.bench.year import measure

    _run(measure(lots, seed=seed, days=days), as_json)


@app.command()
def trail(
    seconds: Annotated[float, typer.Option(min=0.5, help="of each round")] = 5,
    rounds: Annotated[int, typer.Option(min=1, help="of which the median is told")] = 5,
    clients: Annotated[
        list[int] | None, typer.Option(min=1, help="at once; may be said again; 1 and 16")
    ] = None,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """A page of another's forecasts with its look on the trail, beside the same without a trail."""
    from deploy.bench.trail import measure

    _run(measure(seconds, rounds=rounds, clients=clients or [1, 16], seed=seed), as_json)


async def _until_told(measuring: "Coroutine[Any, Any, Report]") -> "Report":
    """The report; SIGTERM ends what measures, so that nothing is left behind."""
    task = asyncio.ensure_future(measuring)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


def _run(measuring: "Coroutine[Any, Any, Report]", as_json: bool) -> None:
    import uvloop

    from deploy.bench.figures import COLUMNS

    telemetry.set_up(service="bench", level="WARNING", as_json=False)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        report = runner.run(_until_told(measuring))
    told = report.to_json()
    if as_json:
        tell(told)
        return
    machine = told["machine"]
    out.print(
        f"{report.bench}, {told['date']}, {told['seconds']} s; {machine['cores']} cores, "
        f"{machine['cpu']}, Python {machine['python']}"
    )
    show([figure.row() for figure in report.figures], *COLUMNS)
    for table in report.tables:
        out.print(f"\n{table.title}")
        show(table.rows, *table.columns)
    missed = [figure for figure in report.figures if figure.reached is False]
    if missed:
        err.print(f"{len(missed)} goals not reached")
