"""`massakoppi trail`: who saw and changed what."""

import asyncio
import json
import sys
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

import typer

from deploy.cli.terms import AsJson, Data, out, show, tell
from deploy.system import find

app = typer.Typer(
    no_args_is_help=True,
    help=(
        "Who saw and changed what: list, export, seal, verify, prune.\n\n"
        "Every change over HTTP, every look at another organisation's data and every command that "
        "changes something leaves a row in the service that did it. Rows only grow; after each "
        "day they are sealed in a chain, which `verify` works out anew."
    ),
)
Since = Annotated[str | None, typer.Option(help="first day, e.g. 2026-11-01; else a week ago")]
Until = Annotated[str | None, typer.Option(help="last day; else today")]
Subject = Annotated[str | None, typer.Option(help="who, e.g. person/0190… or organisation/acme")]
Organisation = Annotated[str | None, typer.Option(help="whose data, or on whose behalf")]
Object = Annotated[
    str | None, typer.Option("--object", help="a part of the object, e.g. the id of a match")
]


@app.command("list")
def list_(
    since: Since = None,
    until: Until = None,
    subject: Subject = None,
    organisation: Organisation = None,
    object_: Object = None,
    most: Annotated[int, typer.Option(min=1, help="rows at most")] = 200,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """
    The newest rows of all services, with events at the door and decisions on matches.

    Example: `massakoppi trail list --organisation soramaa --since 2026-11-01`
    """
    found = _read(data, since, until, subject, organisation, object_, most)
    if as_json:
        tell(found)
    else:
        show(found, "at", "service", "subject", "acting_for", "action", "object", "about",
             empty="nothing in these days")  # fmt: skip


@app.command()
def export(
    since: Since = None,
    until: Until = None,
    subject: Subject = None,
    organisation: Organisation = None,
    object_: Object = None,
    data: Data = None,
) -> None:
    """
    The same as JSON, one row a line, without a limit.

    Example: `massakoppi trail export --since 2026-01-01 --until 2026-03-31 > trail.jsonl`
    """
    for row in _read(data, since, until, subject, organisation, object_, None):
        sys.stdout.write(json.dumps(row, default=str, ensure_ascii=False) + "\n")


@app.command()
def verify(
    service: Annotated[str | None, typer.Option(help="only of this service")] = None,
    seal: Annotated[
        list[str] | None,
        typer.Option("--seal", help="kept outside: 64 digits, or a file; may be said again"),
    ] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """
    Work out every seal anew; says the first day that does not agree, and then exits with 1.

    Who may rewrite a whole database can also write new seals, but not those that you keep: print
    them with `trail seal`, keep them elsewhere, and compare with `--seal`.

    Example: `massakoppi trail verify --seal seals.jsonl`
    """
    from deploy.trail import NotASeal, compared, read_kept, verify_trails

    try:
        kept = [each for told in seal or () for each in read_kept(told)]
    except NotASeal as error:
        raise typer.BadParameter(str(error)) from error
    found = asyncio.run(verify_trails(find(data), service))
    kept = [one for one in kept if one.service is None or one.service in found]
    wrong = compared(found, kept)
    if as_json:
        told = {name: _told(one) for name, one in found.items()}
        tell({**told, "seals": {"compared": len(kept), "wrong": wrong}} if kept else told)
    else:
        for name, one in found.items():
            out.print(f"{name}: {_in_words(one)}", highlight=False, soft_wrap=True)
        for one_wrong in wrong:
            out.print(f"NOT AS IT WAS: {one_wrong}", highlight=False, soft_wrap=True)
        if kept and not wrong:
            out.print(f"{len(kept)} seals kept outside: as they were", highlight=False)
    if wrong or any(one.fault for one in found.values()):
        raise typer.Exit(1)


@app.command("seal")
def seal_(
    service: Annotated[str | None, typer.Option(help="only of this service")] = None,
    data: Data = None,
) -> None:
    """
    The newest seal of each service, one line each, to be kept where this system cannot write.

    It stands for every day up to its own. Each day, for example:
    `massakoppi trail seal >> seals.jsonl`
    """
    from deploy.trail import last_seals

    for one in asyncio.run(last_seals(find(data), service)):
        sys.stdout.write(json.dumps(one) + "\n")


@app.command("prune")
def prune_(
    before: Annotated[
        str | None, typer.Option(help="first day that stays; else so many years ago")
    ] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """
    Remove rows older than the years to keep: six, or TRAIL_KEEP_YEARS. The seals stay.

    Example: `massakoppi trail prune --before 2021-01-01`
    """
    from deploy.trail import prune_trails

    day = None if before is None else _day(before)
    done = asyncio.run(prune_trails(find(data), before=day))
    if as_json:
        tell(done)
    else:
        show([{"service": name, "removed": rows} for name, rows in done.items()],
             "service", "removed")  # fmt: skip


def _read(
    data: Any, since: str | None, until: str | None, subject: str | None,
    organisation: str | None, object_: str | None, most: int | None,
) -> list[dict[str, Any]]:  # fmt: skip
    from deploy.trail import Wanted, read_trail

    today = datetime.now(UTC).date() + timedelta(days=1)  # days of zones ahead of it too
    last = today if until is None else _day(until)
    first = last - timedelta(days=8) if since is None else _day(since)
    wanted = Wanted(first, last, subject, organisation, object_, most)
    return asyncio.run(read_trail(find(data), wanted))


def _day(told: str) -> date:
    try:
        return date.fromisoformat(told)
    except ValueError as error:
        raise typer.BadParameter(f"{told!r}: give a day as 2026-11-01") from error


def _told(one: Any) -> dict[str, Any]:
    fault = one.fault and {"day": one.fault[0], "why": one.fault[1]}
    return {"rows": one.rows, "days": one.days, "until": one.until, "seal": one.seal,
            "pruned_before": one.pruned_before, "not_sealed": one.waiting,
            "fault": fault}  # fmt: skip


def _in_words(one: Any) -> str:
    if one.fault:
        return f"NOT AS IT WAS from {one.fault[0]}: {one.fault[1]}"
    sealed = f"{one.days} days sealed until {one.until}, {one.seal}" if one.days else "none sealed"
    waiting = ", ".join(map(str, one.waiting)) or "none"
    pruned = f"; rows before {one.pruned_before} were pruned" if one.pruned_before else ""
    return f"as it was; {one.rows} rows, {sealed}; days not sealed yet: {waiting}{pruned}"
