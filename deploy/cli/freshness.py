"""The command that shows which forecasts await an answer, and gives it."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.cli.organisations import asking
from deploy.cli.terms import AsJson, Data, out, show, tell
from deploy.system import System

if TYPE_CHECKING:
    from deploy.asking import Asking


def register(app: typer.Typer) -> None:
    """Adds the command to *app*."""
    app.command()(confirm)


def confirm(
    forecasts: Annotated[
        list[str] | None, typer.Argument(help="ids of forecasts that hold as told; none: list")
    ] = None,
    org: Annotated[str | None, typer.Option(help="list those of one organisation")] = None,
    region: Annotated[str | None, typer.Option(help="list those of one region")] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """
    Say that forecasts still hold; without ids, list those whose owners were asked.

    An owner is asked after 90 days of silence and 8 weeks before the window opens. Without an
    answer the grade of reliability drops after 14 days; after 14 more the forecast is offered no
    longer, until it is confirmed or told again. (Settings: REGISTRY_CONFIRM_…)

    Example: `massakoppi confirm --org kaupunki`
    """
    if forecasts:
        found = asking(data, _confirming(forecasts))
        if as_json:
            tell(found)
        else:
            out.print(f"{len(found['confirmed'])} confirmed, {len(found['left_out'])} not known")
        if found["left_out"]:
            raise typer.Exit(1)
        return
    query = {"asked": "true", "organisation": org, "region": region, "limit": "200"}
    found = asking(data, _listing({name: told for name, told in query.items() if told}))
    if as_json:
        tell(found)
        return
    rows = [
        {
            "forecast": one["forecast_id"], "organisation": one["organisation"],
            "material": one["material"], "tonnes": round(one["quantity"]["likely_t"]),
            "window": f"{one['window']['first']} – {one['window']['last']}",
            "asked": one["freshness"]["asked_at"][:10],
            "stale": "yes" if one["freshness"]["stale"] else "",
        }
        for one in found
    ]  # fmt: skip
    show(rows, "forecast", "organisation", "material", "tonnes", "window", "asked", "stale",
         empty="no owner is asked about anything")  # fmt: skip


def _confirming(forecasts: list[str]) -> Any:
    async def go(_: System, ask: "Asking") -> Any:
        return await ask("registry", "POST", "/forecasts/confirm", {"forecasts": forecasts})

    return go


def _listing(query: dict[str, str]) -> Any:
    async def go(_: System, ask: "Asking") -> Any:
        return (await ask("registry", "GET", "/forecasts", **query))["items"]

    return go
