"""Commands that look ahead: the plan by month, and what would happen if."""

import csv
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from deploy.cli.organisations import asking
from deploy.cli.terms import AsJson, Data, out, show, tell
from deploy.system import System

if TYPE_CHECKING:
    from deploy.asking import Asking

_ROW = ("month", "material", "from", "to", "route", "via", "state", "matches")
_TONNES = ("low", "likely", "high", "expected")
_AMOUNTS = ("tonne_km", "value_cents", "saved_kg")


def register(app: typer.Typer) -> None:
    app.command()(plan)
    app.command("what-if")(what_if)


def plan(
    region: Annotated[
        str | None, typer.Option(help="code of the region, as 01; none: all of them")
    ] = None,
    first: Annotated[str | None, typer.Option("--from", help="first month, as 2027-01")] = None,
    last: Annotated[str | None, typer.Option("--to", help="last month, as 2027-12")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="print the rows as CSV")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """
    What moves where and when by the matches that stand, and what is left, month by month.

    Tonnes are likely ones; *expected* counts how likely both sides are to come about (unverified).

    Example: `massakoppi plan --region 01 --from 2027-01 --to 2027-12 --csv > plan.csv`
    """

    async def go(_: System, ask: "Asking") -> tuple[Any, dict[str, str]]:
        query = {"region": region, "from": first, "to": last}
        told = await ask("matcher", "GET", "/plan", **query)
        return told, {} if as_json or as_csv else await _places(ask)

    found, places = asking(data, go)
    if as_json:
        tell(found)
        return
    if as_csv:
        _write_csv(found["rows"])
        return
    columns = ("month", "material", "way", "state", "t", "expected", "tkm", "EUR", "kg CO2e")
    areas = {id: area["title"] for id, area in found["areas"].items()}
    rows = [{**row, **_figures(row), "way": _way(row, places, areas)} for row in found["rows"]]
    show(rows, *columns, empty="nothing moves")
    months = [_month(row["month"], row) for row in found["months"]]
    if months:
        months.append(_month("all", found["totals"]))
        out.print()
        show(months, "month", "t", "on site t", "expected", "tkm", "EUR", "kg CO2e",
             "surplus left t", "need left t")  # fmt: skip
        out.print("values and expected tonnes are unverified", style="dim")


async def _places(ask: "Asking") -> dict[str, str]:
    """What the municipalities of all regions are called, by code."""
    regions = await ask.every("registry", "/regions")
    whole = [await ask("registry", "GET", f"/regions/{one['code']}") for one in regions]
    return {
        place["code"]: place["names"].get("en") or place["names"].get("fi") or place["code"]
        for region in whole
        for place in region["places"]
    }


def _write_csv(rows: list[dict[str, Any]]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([*_ROW, *(f"tonnes_{name}" for name in _TONNES), *_AMOUNTS])
    for row in rows:
        tonnes = [row["tonnes"][name] for name in _TONNES]
        writer.writerow([*(row[name] for name in _ROW), *tonnes, *(row[it] for it in _AMOUNTS)])


def _way(row: Mapping[str, Any], places: Mapping[str, str], areas: Mapping[str, str]) -> str:
    origin, target = (places.get(row[end], row[end]) for end in ("from", "to"))
    if row["route"] == "onsite":
        return f"{origin}, own site"
    between = f"{areas.get(row['via'], row['via'])} → " if row["via"] else ""
    return f"{origin} → {between}{target}"


def _month(month: str, told: Mapping[str, Any]) -> dict[str, Any]:
    left = told["unmatched"]
    return {
        "month": month,
        **_figures(told["moved"]),
        "on site t": _whole(told["onsite"]["tonnes"]["likely"]),
        "surplus left t": _whole(left["surplus"]["likely"]),
        "need left t": _whole(left["need"]["likely"]),
    }


def _figures(told: Mapping[str, Any]) -> dict[str, str]:
    return {
        "t": _whole(told["tonnes"]["likely"]),
        "expected": _whole(told["tonnes"]["expected"]),
        "tkm": _whole(told["tonne_km"]),
        "EUR": _whole(told["value_cents"] / 100),
        "kg CO2e": _whole(told["saved_kg"]),
    }


def _whole(number: float, *, signed: bool = False) -> str:
    rounded = round(number)
    text = f"{rounded:+,}" if signed and rounded else f"{rounded:,}"
    return text.replace(",", " ")


def what_if(
    project: Annotated[
        UUID | None, typer.Option(help="all forecasts of this project; with --days")
    ] = None,
    forecast: Annotated[
        UUID | None, typer.Option(help="this forecast; with --days or --tonnes")
    ] = None,
    withdraw: Annotated[UUID | None, typer.Option(help="this forecast, gone")] = None,
    area: Annotated[UUID | None, typer.Option(help="this area; with --capacity")] = None,
    days: Annotated[int | None, typer.Option(help="later; below 0: earlier")] = None,
    tonnes: Annotated[
        str | None, typer.Option(help="5000: so many; +5000 or -300: more or fewer")
    ] = None,
    capacity: Annotated[int | None, typer.Option(help="tonnes more, or fewer below 0")] = None,
    file: Annotated[
        Path | None,
        typer.Option(help="changes as JSON: a list, or a whole question", exists=True),
    ] = None,
    scope: Annotated[
        str | None, typer.Option(help="near: as far as the matcher looks (default), or region")
    ] = None,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """
    What the matcher would do if a forecast changed; nothing is changed by asking.

    Value, tonnes and haul before and after, the matches that would be new, changed or gone, and
    agreements that would break. The options make one change; a file makes many.

    Example: `massakoppi what-if --project ID --days 21`
    """
    body: dict[str, Any] = _read(file) if file else {"changes": []}
    body["changes"] += _told(project, forecast, withdraw, area, days, tonnes, capacity)
    if scope:
        body["scope"] = scope
    if not body["changes"]:
        raise ValueError("say what changes: --project, --forecast, --withdraw, --area or --file")

    async def go(_: System, ask: "Asking") -> tuple[Any, dict[str, str]]:
        told = await ask("matcher", "POST", "/what-if", body)
        return told, {} if as_json else await _places(ask)

    found, places = asking(data, go)
    tell(found) if as_json else _show_answer(found, places)


def _read(file: Path) -> dict[str, Any]:
    told = json.loads(file.read_text())
    if isinstance(told, list):
        told = {"changes": told}
    if not isinstance(told, dict) or not isinstance(told.get("changes"), list):
        raise ValueError(f'{file}: write a list of changes, or {{"changes": […]}}')
    return told


def _told(
    project: UUID | None,
    forecast: UUID | None,
    withdraw: UUID | None,
    area: UUID | None,
    days: int | None,
    tonnes: str | None,
    capacity: int | None,
) -> list[dict[str, Any]]:
    """The changes that the options mean; the service says what does not belong together."""
    told: list[dict[str, Any]] = []
    subjects = {"project": project, "forecast": forecast, "area": area}
    said = {"days": days, "capacity_change_t": capacity, **_tonnes_said(tonnes)}
    said = {name: value for name, value in said.items() if value is not None}
    for name, id in subjects.items():
        if id is not None:
            told.append({name: str(id), **said})
    if said and not told:
        raise ValueError("say what that is of: --project, --forecast or --area")
    if withdraw is not None:
        told.append({"forecast": str(withdraw), "withdrawn": True})
    return told


def _tonnes_said(tonnes: str | None) -> dict[str, int]:
    if tonnes is None:
        return {}
    try:
        number = int(tonnes)
    except ValueError:
        raise ValueError(f"--tonnes is {tonnes!r}: write 5000, +5000 or -300") from None
    return {"tonnes_change" if tonnes[0] in "+-" else "tonnes": number}


def _show_answer(found: Mapping[str, Any], places: Mapping[str, str]) -> None:
    before, after, difference = found["before"], found["after"], found["difference"]
    figures = (
        ("value, EUR", "value_cents", 100), ("tonnes", "tonnes", 1),
        ("on site, t", "onsite_tonnes", 1), ("tonne-km", "tonne_km", 1),
        ("CO2e saved, kg", "saved_kg", 1), ("matches", "matches", 1),
    )  # fmt: skip
    show(
        [
            {
                "figure": title,
                "as it is": _whole(before[name] / by),
                "as it would be": _whole(after[name] / by),
                "difference": _whole(difference[name] / by, signed=True),
            }
            for title, name, by in figures
        ],
        "figure", "as it is", "as it would be", "difference",
    )  # fmt: skip
    out.print()
    areas = {id: area["title"] for id, area in found["areas"].items()}
    rows = [
        {**_match(one, places), "over": areas.get(one["via"], one["via"])}
        for one in found["matches"]
    ]
    ends = ("from", "over", "to") if areas else ("from", "to")
    columns = ("match", "material", *ends, "t", "weeks", "km", "EUR")
    show(rows, *columns, empty="no match would change")
    if found["left_off"]:
        out.print(f"… and {found['left_off']} more")
    if found["broken"]:
        out.print("\nagreements that would break", style="bold red")
        show(
            [{**_match(one, places), "why": one["reason"].replace("_", " "), "t": one["tonnes"],
              "left t": one["forecast_tonnes"]} for one in found["broken"]],
            "match", "material", "from", "to", "t", "why", "left t",
        )  # fmt: skip
    out.print("values are unverified", style="dim")


def _match(one: Mapping[str, Any], places: Mapping[str, str]) -> dict[str, Any]:
    tonnes = one["tonnes"]
    return {
        "match": f"{one['what']}, {one['state']}" if "what" in one else one["state"],
        "material": one["surplus"]["material"],
        "from": _side(one["surplus"], places),
        "to": _side(one["need"], places),
        "t": f"{tonnes['before']} → {tonnes['after']}" if isinstance(tonnes, dict) else tonnes,
        "weeks": f"{one['window']['first']} – {one['window']['last']}",
        "km": f"{one['distance_km']:.1f}",
        "EUR": _whole(one.get("worth_cents", 0) / 100, signed=True),
    }


def _side(side: Mapping[str, Any], places: Mapping[str, str]) -> str:
    who = "added" if side["added"] else side["organisation"] or "–"
    return f"{places.get(side['municipality'], side['municipality'])}, {who}"
