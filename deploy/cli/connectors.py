"""The command that runs a connector."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from deploy.cli.terms import AsJson, Language, out, show, tell


def register(app: typer.Typer) -> None:
    app.command()(connect)


def connect(
    kind: Annotated[str, typer.Argument(help="programme, street-works or loads")],
    config: Annotated[Path, typer.Option(help="the connector's YAML file")],
    once: Annotated[bool, typer.Option(help="tell what there is now, and end")] = False,
    dry_run: Annotated[bool, typer.Option(help="say what would be told, send nothing")] = False,
    again: Annotated[bool, typer.Option(help="tell anew what stands refused")] = False,
    refused: Annotated[bool, typer.Option(help="show what stands refused and why; end")] = False,
    language: Language = None,  # type: ignore[assignment]
    as_json: AsJson = False,
) -> None:
    """
    Bring in what another system knows: a programme's stream, a list of street works, loads.

    It runs until it is stopped and goes on where it was. `docs/connectors.md` tells each file.

    Example: `massakoppi connect street-works --config katutyot.yaml --once --dry-run`
    """
    from deploy.connectors import Cursor, read_config
    from deploy.connectors import connect as run
    from deploy.connectors.desk import told_in
    from shared.telemetry import set_up

    told = read_config(kind, config)
    if refused:
        with Cursor(told.cursor) as cursor:
            found = cursor.refused()
        if as_json:
            tell(found)
        else:
            rows = [
                {"thing": one["external_id"], "code": each["code"], "why": told_in(each, language)}
                for one in found
                for each in one["reasons"]
            ]
            show(rows, "thing", "code", "why", empty="nothing stands refused")
        return
    set_up(service=f"connector-{kind}", level="INFO", as_json=True)
    state = asyncio.run(run(told, once=once, dry_run=dry_run, again=again))
    if as_json:
        tell(state)
    elif once or dry_run:
        counts = ", ".join(f"{count} {name}" for name, count in state["counts"].items())
        out.print(f"{kind}: {counts or 'nothing new'}; {state['refused']} stand refused")
