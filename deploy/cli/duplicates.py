"""The command that shows which forecasts may be about the same mass, and decides of them."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.cli.organisations import asking
from deploy.cli.terms import AsJson, Data, out, show, tell
from deploy.system import System

if TYPE_CHECKING:
    from deploy.asking import Asking


def register(app: typer.Typer) -> None:
    """Adds the command to *app*."""
    app.command()(duplicates)


def duplicates(
    counts: Annotated[str | None, typer.Argument(help="id of the forecast that counts")] = None,
    duplicate: Annotated[str | None, typer.Argument(help="id of the other one")] = None,
    decision: Annotated[str, typer.Option(help="link, refuse or unlink")] = "link",
    state: Annotated[str, typer.Option(help="suggested, linked or refused")] = "suggested",
    region: Annotated[str | None, typer.Option(help="list those of one region")] = None,
    look: Annotated[
        bool, typer.Option("--look", help="first look among all that was told before")
    ] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """
    List pairs of forecasts that may be about the same mass; with two ids, decide of one.

    Once they are linked, the first is counted and matched for both; the second is a draft until
    they are unlinked.

    Example: `massakoppi duplicates --region 01`
    """
    if counts is not None:
        if duplicate is None:
            raise typer.BadParameter("name the other forecast too", param_hint="duplicate")
        said = {"decision": decision, "counts": counts, "duplicate": duplicate}
        decided = asking(data, _deciding(said))
        if as_json:
            tell(decided)
        else:
            out.print(decided["state"])
        return
    if look:
        asking(data, _looking())
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


def _looking() -> Any:
    async def go(_: System, ask: "Asking") -> None:
        after: str | None = None
        while True:
            told = await ask("registry", "POST", "/duplicates/look", {"after": after})
            after = told["next"]
            if after is None:
                return

    return go


def _deciding(said: dict[str, str]) -> Any:
    async def go(_: System, ask: "Asking") -> Any:
        return await ask("registry", "POST", "/duplicates", said)

    return go


def _listing(query: dict[str, str]) -> Any:
    async def go(_: System, ask: "Asking") -> Any:
        return await ask.every("registry", "/duplicates", **query)

    return go
