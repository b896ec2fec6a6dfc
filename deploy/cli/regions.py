"""`massakoppi region`: regions are data; none is in code."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.cli.organisations import asking
from deploy.cli.terms import AsJson, Data, out, show, tell
from deploy.system import System

if TYPE_CHECKING:
    from deploy.asking import Asking

app = typer.Typer(no_args_is_help=True, help="Regions: add one from a file, list, make a file.")


@app.command()
def add(
    file: Annotated[Path, typer.Argument(help="region file (JSON)", exists=True, dir_okay=False)],
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """
    Add a region, or replace it: code, names, bounding box, metric CRS, places.

    `massakoppi region make` writes such a file from any CSV of places.
    """
    from shared.vocabulary.regions import read_region

    region = read_region(file)

    async def go(_: System, ask: "Asking") -> Any:
        return await ask("registry", "POST", "/regions", region.to_json())

    made = asking(data, go)
    tell(made) if as_json else out.print(f"region {region.code} with {len(region.places)} places")


@app.command("list")
def list_(data: Data = None, as_json: AsJson = False) -> None:
    """The regions of this system."""

    async def go(_: System, ask: "Asking") -> list[dict[str, Any]]:
        return await ask.every("registry", "/regions")

    found = asking(data, go)
    if as_json:
        tell(found)
        return
    rows = [
        {**one, "name": one["names"].get("en") or one["names"].get("fi")} for one in found
    ]  # fmt: skip
    show(rows, "code", "name", "places", "metric_crs", "sample", "meets")


@app.command()
def make(
    file: Annotated[Path, typer.Argument(help="CSV of places", exists=True, dir_okay=False)],
    mapping: Annotated[Path, typer.Option(help="which columns are what (YAML)")],
    to: Annotated[Path, typer.Option("--to", help="the region file to write")],
) -> None:
    """Make a region file from a CSV with a code, a name and a WGS 84 point a row."""
    from shared.client import region_from_csv

    region = region_from_csv(file, mapping)
    to.write_text(json.dumps(region.to_json(), indent=1, ensure_ascii=False) + "\n")
    out.print(f"{to}: region {region.code} with {len(region.places)} places")
