"""Commands that hand events in as an organisation: import a file, emit events."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.cli.terms import AsJson, Data, err, out, progress, show, tell
from deploy.system import find

if TYPE_CHECKING:
    from deploy.handing_in import Handed


def register(app: typer.Typer) -> None:
    app.command("import")(import_)
    app.command()(emit)


def import_(
    file: Annotated[Path, typer.Argument(help="CSV file", exists=True, dir_okay=False)],
    mapping: Annotated[
        str, typer.Option(help="mapping file, or the name of a shipped one: seutumassa, indot")
    ],
    org: Annotated[
        str | None,
        typer.Option(help="organisation to import as; none where the mapping says it by column"),
    ] = None,
    region: Annotated[
        str | None, typer.Option(help="region of the rows; else the mapping's own")
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="read and check only, send nothing")] = False,
    errors: Annotated[
        Path | None, typer.Option(help="write every refused row with its reason to this CSV")
    ] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """
    Bring a spreadsheet in through its mapping, as an organisation over NATS.

    Every row is accepted or refused with a reason. Sending the same file again changes nothing.
    Needs saved credentials (`massakoppi org add … --save`) of each organisation.

    Example: `massakoppi import massat.csv --mapping seutumassa --org kaupunki`
    """
    from deploy.handing_in import hand_in_file

    with progress("rows") as advance:
        done = asyncio.run(
            hand_in_file(
                find(data), file, mapping, organisation=org, region=region, dry_run=dry_run,
                progress=advance,
            )
        )  # fmt: skip
    if errors is not None:
        done.write_errors(errors)
    _report(done, as_json)


def emit(
    file: Annotated[Path, typer.Argument(help="one event a line (JSONL)", exists=True)],
    org: Annotated[str, typer.Option(help="organisation to publish as")],
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """
    Publish events as an organisation over NATS, and show their receipts.

    A line: `{"event": "forecast-updated", "data": {"external_id": "…", "project": "…", …}}`
    """
    from deploy.handing_in import hand_in_events

    with progress("events") as advance:
        done = asyncio.run(hand_in_events(find(data), file, org, progress=advance))
    _report(done, as_json)


def _report(done: "Handed", as_json: bool) -> None:
    told: dict[str, Any] = done.to_json()
    if as_json:
        tell(told)
    else:
        out.print(
            f"{told['rows']} rows: {told['rows_taken']} taken, {told['rows_skipped']} left out, "
            f"{told['rows_refused']} refused; {told['events']} events: {told['accepted']} accepted "
            f"({told['unchanged']} unchanged, {told['superseded']} superseded), "
            f"{told['rejected']} rejected, {told['no_receipt']} without a receipt, "
            f"in {told['seconds']} s",
            highlight=False,
        )
        show(told["tonnes"], "direction", "material", "tonnes", empty="no tonnes")
        for code, count in Counter(told["reasons"]).most_common():
            err.print(f"  {count} × {code}", highlight=False)
        for one in told["refused"][:20]:
            err.print(
                f"  row {one['row']}, {one['column']} {one['value']!r}: {one['text']}",
                highlight=False,
            )
        if len(told["refused"]) > 20:
            err.print(f"  … and {len(told['refused']) - 20} more: --errors FILE writes them all")
    if told["no_receipt"]:
        raise typer.Exit(1)
