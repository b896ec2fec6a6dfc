"""The command that brings design files in: surfaces become a project's surplus and needs."""

import asyncio
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from deploy.cli.terms import AsJson, Data, Language, err, out, progress, show, tell
from deploy.system import find

if TYPE_CHECKING:
    from shared.client.designs import Role
    from shared.client.sending import Outcome
    from shared.vocabulary.regions import Region


def register(app: typer.Typer) -> None:
    app.command("import-design")(import_design)


def import_design(
    paths: Annotated[
        list[Path], typer.Argument(help="Inframodel or LandXML files, or folders", exists=True)
    ],
    org: Annotated[str, typer.Option(help="organisation to import as")],
    project: Annotated[str, typer.Option(help="your id of the project; again, it is replaced")],
    region: Annotated[str, typer.Option(help="region of the project")],
    first: Annotated[
        datetime, typer.Option("--from", help="first day masses move", formats=["%Y-%m-%d"])
    ],
    last: Annotated[
        datetime, typer.Option("--to", help="last day masses move", formats=["%Y-%m-%d"])
    ],
    municipality: Annotated[
        str | None, typer.Option(help="code of its municipality; else the nearest by its middle")
    ] = None,
    title: Annotated[
        str | None, typer.Option(help="name of the project; else the design's own")
    ] = None,
    role: Annotated[
        list[str] | None,
        typer.Option(help="FILE=terrain|rock|lowest|highest, where the coding does not tell it"),
    ] = None,
    epsg: Annotated[
        int | None, typer.Option(help="coordinate system of files that tell none")
    ] = None,
    soil: Annotated[str | None, typer.Option(help="material cut that is not rock; till")] = None,
    fill: Annotated[str | None, typer.Option(help="material to fill with; friction_soil")] = None,
    layers: Annotated[str | None, typer.Option(help="material of the layers; crushed_rock")] = None,
    reliability: Annotated[str, typer.Option(help="grade A, B or C")] = "B",
    phase: Annotated[str | None, typer.Option(help="stage of the project")] = None,
    height_accuracy: Annotated[
        float, typer.Option(help="how far off the terrain's heights may be, m", min=0)
    ] = 0.1,
    dry_run: Annotated[bool, typer.Option(help="measure and show only, send nothing")] = False,
    language: Language = None,  # type: ignore[assignment]
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """
    Bring design files in as a project: cut and rock are its surplus, fill and layers its needs.

    Needs a terrain and a lowest surface; a rock and a highest surface tell more. The same files
    again change nothing; a new edition replaces the amounts.

    Example: `massakoppi import-design katu-17 --org kaupunki --project K17 --region 01
    --municipality 049 --from 2027-05-01 --to 2027-10-31 --dry-run`
    """
    from shared.client.designs import Assumed, Window, measure, municipality_of, read_surfaces
    from shared.client.designs import tell as told_by
    from shared.client.outgoing import prepare
    from shared.client.said import spoken
    from shared.contracts.intake import HandedProject

    if last < first:
        raise ValueError(f"--to {last:%Y-%m-%d} is before --from {first:%Y-%m-%d}: check both.")
    model = read_surfaces(paths, roles=_roles(role or []), epsg=epsg)
    measured = measure(model, height_accuracy)
    said = {"soil": soil, "fill": fill, "layers": layers}
    named = {name: material for name, material in said.items() if material is not None}
    assumed = Assumed(**named, reliability=reliability, told=frozenset(named))
    code, about_place = municipality_of(model, _region(data, region), municipality)
    there = HandedProject(
        external_id=project, title=title or model.title or project, region=region,
        municipality=code, available_from=first.date(), available_to=last.date(),
        **({} if phase is None else {"phase": phase}),
    )  # fmt: skip
    window = Window(first.date(), last.date())
    prepared = prepare(told_by(measured, model, there, org, window, assumed))
    outcome = None
    if not dry_run:
        from deploy.handing_in import Handed, send

        done = Handed(prepared)
        with progress("events") as advance:
            asyncio.run(send(find(data), done, advance))
        outcome = done.outcome
    events = [event.event.model_dump(mode="json", exclude_unset=True) for event in prepared.events]
    about = [*filter(None, (about_place,)), *prepared.notes]
    notes = [spoken(note.text, language) for note in about]
    surfaces = [
        {"role": one.role, "surface": one.name, "file": one.file, "faces": one.faces,
         "m2": one.area_m2}
        for one in model.named
    ]  # fmt: skip
    report = {
        "epsg": model.epsg,
        "surfaces": surfaces,
        "volumes": measured.to_json(),
        "project": events[0],
        "masses": events[1:],
        "notes": notes,
        "outcome": None if outcome is None else _came_of(outcome),
    }
    if as_json:
        tell(report)
    else:
        _show(report)
    if outcome is not None and (outcome.rejected or outcome.no_receipt):
        raise typer.Exit(1)


def _region(data: Path | None, code: str) -> "Region":
    """The region *code* as it ships; one that was added is asked for at the registry."""
    from deploy.importing import region_of
    from shared.vocabulary.regions import shipped

    return shipped().get(code) or asyncio.run(region_of(find(data), code))


def _roles(told: list[str]) -> "dict[str, Role]":
    from shared.client.designs import Role

    found: dict[str, Role] = {}
    for each in told:
        file, _, role = each.rpartition("=")
        if not file or role not in get_args(Role):
            raise ValueError(f"--role {each!r}: write FILE={'|'.join(get_args(Role))}.")
        found[file] = role  # type: ignore[assignment]
    return found


def _came_of(outcome: "Outcome") -> dict[str, Any]:
    return {
        "accepted": outcome.accepted,
        "unchanged": outcome.unchanged,
        "known": outcome.known,
        "rejected": outcome.rejected,
        "no_receipt": outcome.no_receipt,
        "refused": [
            {"event": event.event.external_id, "pointer": reason.pointer, "code": reason.code,
             "text": reason.text}
            for event, verdict in outcome.refused
            for reason in verdict.reasons
        ],
    }  # fmt: skip


def _show(report: dict[str, Any]) -> None:
    show(report["surfaces"], "role", "surface", "faces", "m2")
    volumes = report["volumes"]
    rows = [
        {"volume": name, **(told if isinstance(told, dict) else {"likely": told})}
        for name in ("cut_m3", "rock_m3", "fill_m3", "layers_m3")
        if (told := volumes[name]) is not None
    ]
    out.print()
    show(rows, "volume", "low", "likely", "high")
    out.print(
        f"exact between the surfaces; low and high for a terrain {volumes['height_accuracy_m']} m "
        f"off. Lowest surface {volumes['lowest_m2']} m2, with terrain {volumes['terrain_m2']} m2\n",
        highlight=False,
    )
    columns = ("external_id", "direction", "material", "use", "quantity", "unit", "low", "high")
    show(report["masses"], *columns)
    assumptions = [text for mass in report["masses"] for text in mass["assumptions"]]
    for text in dict.fromkeys(assumptions):
        err.print(f"  assumed: {text}", highlight=False)
    for text in report["notes"]:
        err.print(f"  {text}", highlight=False)
    outcome = report["outcome"]
    if outcome is not None:
        out.print(
            f"{outcome['accepted']} accepted ({outcome['unchanged']} unchanged), "
            f"{outcome['known']} known, {outcome['rejected']} rejected, "
            f"{outcome['no_receipt']} without a receipt",
            highlight=False,
        )
        for one in outcome["refused"]:
            err.print(f"  {one['event']}{one['pointer']}: {one['text']}", highlight=False)
