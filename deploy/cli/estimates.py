"""`massakoppi estimate`: what a project will dig up and need, before anybody has designed it."""

import asyncio
from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from deploy.cli.terms import AsJson, Data, err, out, show, tell

if TYPE_CHECKING:
    from shared.vocabulary.estimates import Estimated


def register(app: typer.Typer) -> None:
    """Adds the command to *app*."""
    app.command()(estimate)


def estimate(
    type: Annotated[
        str, typer.Option(help="street, pipeline, building, park …; `list` shows them all")
    ],
    area: Annotated[float | None, typer.Option(help="m², of a type sized by area", min=0)] = None,
    length: Annotated[
        float | None, typer.Option(help="m; with --width an area, else of a type by length", min=0)
    ] = None,
    width: Annotated[float | None, typer.Option(help="m", min=0)] = None,
    depth: Annotated[
        float | None, typer.Option(help="m dug, instead of the default of the type", min=0)
    ] = None,
    section: Annotated[
        float | None, typer.Option(help="m² dug across, instead of the default", min=0)
    ] = None,
    soil: Annotated[
        str | None, typer.Option(help="material that is dug, instead of the default")
    ] = None,
    org: Annotated[str | None, typer.Option(help="organisation to tell it as")] = None,
    project: Annotated[
        str | None, typer.Option(help="external id of the project it belongs to; with --org")
    ] = None,
    first: Annotated[
        str | None, typer.Option("--from", help="first day, 2028-05-01; with --org")
    ] = None,
    last: Annotated[
        str | None, typer.Option("--to", help="last day, 2028-10-31; with --org")
    ] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """
    An early estimate by area × depth or length × cross-section; with --org it is told as forecasts.

    What is told is marked as an estimate with its method, wide bounds and reliability C. Telling
    the same forecasts again with a better amount replaces it. Every depth is an unverified default.

    Example: `massakoppi estimate --type street --length 400 --width 12 --org kaupunki
    --project P-7 --from 2028-05-01 --to 2028-10-31`
    """
    from shared.vocabulary.estimates import ESTIMATES_TAG, estimated, project_types

    known = project_types().get(type)
    if type == "list":
        rows = [
            {"type": one.id, "sized by": one.size, **one.names} for one in project_types().values()
        ]
        show(rows, "type", "sized by", "fi", "sv", "en", empty="no type is known")
        return
    size = _size(known.size if known else "area_m2", area, length, width)
    lines = list(estimated(type, size, depth_m=depth, section_m2=section, soil=soil))
    if org is None:
        _show(lines, as_json)
        if not as_json:
            out.print(f"{ESTIMATES_TAG}: replace it by what is known; --org tells it as forecasts")
        return
    if project is None or first is None or last is None:
        raise typer.BadParameter("with --org tell --project, --from and --to")
    days = date.fromisoformat(first), date.fromisoformat(last)
    asyncio.run(_told(lines, org, project, days, data, as_json))


def _size(by: str, area: float | None, length: float | None, width: float | None) -> float:
    if by == "length_m":
        if length is None:
            raise typer.BadParameter("this type is sized by length: tell --length in metres")
        return length
    if area is not None:
        return area
    if length is None or width is None:
        raise typer.BadParameter("this type is sized by area: tell --area, or --length and --width")
    return length * width


def _show(lines: "list[Estimated]", as_json: bool) -> None:
    rows = [
        {
            "direction": one.direction, "material": one.material, "use": one.use or "",
            "low": one.low, "likely": one.quantity, "high": one.high, "unit": one.unit,
        }
        for one in lines
    ]  # fmt: skip
    if as_json:
        tell(rows)
    else:
        show(rows, "direction", "material", "use", "low", "likely", "high", "unit", empty="nothing")


async def _told(
    lines: "list[Estimated]",
    org: str,
    project: str,
    days: tuple[date, date],
    data: Data,
    as_json: bool,
) -> None:
    from deploy.handing_in import Handed, send
    from deploy.system import find
    from shared.client import Outgoing, Prepared, event_id
    from shared.contracts.base import now
    from shared.contracts.intake import HandedForecast

    events = []
    for one in lines:
        told = HandedForecast.model_validate(
            {
                "external_id": f"{project}/{one.direction}/{one.material}", "project": project,
                "direction": one.direction, "material": one.material, "use": one.use,
                "quantity": one.quantity, "unit": one.unit, "estimate": one.estimate,
                "reliability": "C", "available_from": days[0], "available_to": days[1],
            }
        )  # fmt: skip
        events.append(Outgoing(org, told, "massakoppi/estimate", event_id(now().isoformat(), told)))
    done = Handed(Prepared(events=events))
    await send(find(data), done)
    if as_json:
        tell(done.to_json())
        return
    _show(lines, as_json=False)
    told_of = done.to_json()
    out.print(f"{told_of['accepted']} of {told_of['events']} forecasts accepted")
    for code in told_of["reasons"]:
        err.print(f"  {code}")
    if told_of["rejected"] or told_of["no_receipt"]:
        raise typer.Exit(1)
