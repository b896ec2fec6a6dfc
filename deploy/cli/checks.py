"""Commands that check and mend: settle, audit, reconcile, rebuild."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.cli.organisations import asking
from deploy.cli.terms import AsJson, Data, out, progress, show, tell
from deploy.system import System, find

if TYPE_CHECKING:
    from deploy.asking import Asking


def register(app: typer.Typer) -> None:
    app.command()(settle)
    app.command()(audit)
    app.command()(reconcile)
    app.command()(rebuild)


def settle(
    standing_bonus: Annotated[
        int | None, typer.Option(help="cents per tonne for what stands; 0: off; else as set")
    ] = None,
    smallest_load: Annotated[
        int | None, typer.Option(help="tonnes; 0: off; else as the matcher is set")
    ] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """
    Sweep until nothing improves, and wait for it.

    With `--standing-bonus 0 --smallest-load 0` the result is the full optimum, to the cent,
    whatever order the news came in.
    """
    told = {"standing_bonus": standing_bonus, "smallest_load": smallest_load}

    async def go(_: System, ask: "Asking") -> Any:
        body = {name: value for name, value in told.items() if value is not None}
        return await ask("matcher", "POST", "/settle", body)

    found = asking(data, go)
    if as_json:
        tell(found)
        return
    show([{"figure": key, "value": value} for key, value in found.items()], "figure", "value")


def audit(data: Data = None, as_json: AsJson = False) -> None:
    """
    Check that nothing was lost, doubled or miscounted, by code that shares none with the services.

    Waits until the system is quiet. Exit 1 when a promise is broken; each finding is named.
    """
    from deploy.audit import audit as check

    report = asyncio.run(check(find(data)))
    if as_json:
        tell(report.to_json())
    else:
        show([vars(line) for line in report.lines], "promise", "held", "counted", "found")
        out.print("[green]clean[/]" if report.clean else "[red]broken[/]")
    if not report.clean:
        raise typer.Exit(1)


def reconcile(
    check: Annotated[bool, typer.Option(help="only count what is missing")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Resend what was published and is missing in a stream, under the same ids."""
    from deploy.journal import reconcile as resend

    found = asyncio.run(resend(find(data), check=check))
    rows = [{"stream": stream, **counts} for stream, counts in found.items()]
    tell(rows) if as_json else show(rows, "stream", "published", "resent")


def rebuild(
    service: Annotated[str, typer.Argument(help="matcher, indicators or notifier")],
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """
    Make anew what a service keeps of others' events, from their journals.

    Empties what it heard and its inbox, never what it tells itself, and gives it the history with
    original ids and times. Works after the streams were lost.
    """
    from deploy.journal import rebuild as again

    with progress(f"rebuilding {service}") as advance:
        applied = asyncio.run(again(find(data), service, advance))
    tell({"service": service, "applied": applied}) if as_json else out.print(
        f"{service}: {applied} events applied"
    )
