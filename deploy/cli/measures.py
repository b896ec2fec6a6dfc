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

app = typer.Typer(no_args_is_help=True, help="Measure latency, intake and settling in one run.")

Seed = Annotated[int, typer.Option(help="the same lots and changes for the same seed")]


@app.callback()
def _() -> None:
    """
    Measure latency, intake and settling, against a floor and peers in the same run.

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
    missed = [figure for figure in report.figures if figure.reached is False]
    if missed:
        err.print(f"{len(missed)} goals not reached")
