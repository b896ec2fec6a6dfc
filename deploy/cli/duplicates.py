"""The command that shows which forecasts may be about the same mass."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.cli.organisations import asking
from deploy.cli.terms import AsJson, Data, show, tell
from deploy.system import System

if TYPE_CHECKING:
    from deploy.asking import Asking


def register(app: typer.Typer) -> None:
    """Adds the command to *app*."""
    app.command()(duplicates)


def duplicates(
    state: Annotated[str, typer.Option(help="suggested, linked or refused")] = "suggested",
    region: Annotated[str | None, typer.Option(help="list those of one region")] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """
    List pairs of forecasts that may be about the same mass.

    Example: `massakoppi duplicates --region 01`
    """
    query = {"state": state, "region": region, "limit": "200"}
    found = asking(data, _listing({name: told for name, told in query.items() if told}))
    if as_json:
        tell(found)
        return
    rows = [
        {
            "score": one["score"],
            "forecasts": "\n".join(each["forecast_id"] for each in one["forecasts"]),
            "told by": "\n".join(each["reporter"] for each in one["forecasts"]),
            "material": "\n".join(each["material"] for each in one["forecasts"]),
            "tonnes": "\n".join(
                str(round(each["quantity"]["likely_t"])) for each in one["forecasts"]
            ),
            "why": ", ".join(f"{name} {value}" for name, value in one["reasons"].items()),
            "counts": one["counts"] or "",
        }
        for one in found
    ]
    show(rows, "score", "forecasts", "told by", "material", "tonnes", "why", "counts",
         empty="nothing is told twice")  # fmt: skip


def _listing(query: dict[str, str]) -> Any:
    async def go(_: System, ask: "Asking") -> Any:
        return (await ask("registry", "GET", "/duplicates", **query))["items"]

    return go
