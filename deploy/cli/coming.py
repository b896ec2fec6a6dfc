"""The command that lists projects seen coming that nobody has told any masses of."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.cli.organisations import asking
from deploy.cli.terms import AsJson, Data, show, tell
from deploy.system import System

if TYPE_CHECKING:
    from deploy.asking import Asking


def register(app: typer.Typer) -> None:
    """Adds the command to *app*."""
    app.command("to-call")(to_call)


def to_call(
    region: Annotated[str | None, typer.Option(help="code of one region; else all")] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """
    List projects that are seen coming and have no forecast yet, soonest first: whom to call.

    Where a project's programme tells its type and size, what it would dig up and need is estimated.

    Example: `massakoppi to-call --region 01`
    """

    async def go(_: System, ask: "Asking") -> Any:
        found: list[Any] = []
        query = {"without": "forecasts", "limit": "200"} | ({"region": region} if region else {})
        while True:
            told = await ask("registry", "GET", "/projects", **query)
            found += told["items"]
            if not told.get("next"):
                return found
            query["after"] = told["next"]

    found = sorted(asking(data, go), key=_soonest)
    if as_json:
        tell(found)
        return
    rows = [
        {
            "begins": (one.get("window") or {}).get("first", "not told"),
            "project": one["title"],
            "organisation": one["organisation"],
            "municipality": one["place"]["municipality"],
            "programme": (one.get("programme") or {}).get("title", ""),
            "may bring": ", ".join(
                f"{part['direction']} {part['material']} {round(part['likely_t'])} t"
                for part in one["early_estimate"]
            ),
        }
        for one in found
    ]
    show(rows, "begins", "project", "organisation", "municipality", "programme", "may bring",
         empty="every project has a forecast")  # fmt: skip


def _soonest(one: dict[str, Any]) -> tuple[str, str]:
    return (one.get("window") or {}).get("first", "9999"), one["title"]
