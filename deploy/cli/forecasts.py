"""Commands that hand events in as an organisation: import a file, emit events."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deploy.cli.terms import AsJson, Data, Language, err, out, progress, show, tell
from deploy.system import find

if TYPE_CHECKING:
    from deploy.handing_in import Handed
    from shared.client import RowError


def register(app: typer.Typer) -> None:
    app.command("import")(import_)
    app.command()(template)
    app.command()(export)
    app.command()(emit)


def import_(
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV, XLSX, ODS, XLS, GeoJSON or GeoPackage file", exists=True, dir_okay=False
        ),
    ],
    mapping: Annotated[
        str,
        typer.Option(
            help="mapping file, or the name of a shipped one: template, seutumassa, indot"
        ),
    ] = "template",
    org: Annotated[
        str | None,
        typer.Option(help="organisation to import as; none where the mapping says it by column"),
    ] = None,
    region: Annotated[
        str | None, typer.Option(help="region of the rows; else the mapping's own")
    ] = None,
    sheet: Annotated[
        str | None, typer.Option(help="sheet or layer; else the first that has the columns")
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="read and check only, send nothing")] = False,
    only_good: Annotated[
        bool, typer.Option(help="send the good rows although others are bad; else nothing is sent")
    ] = False,
    errors: Annotated[
        Path | None,
        typer.Option(help="write every refused row, by cell, to this CSV or XLSX file"),
    ] = None,
    language: Language = None,  # type: ignore[assignment]
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """
    Bring a spreadsheet in through its mapping, as an organisation over NATS.

    The whole file is checked before anything is sent, by the registry's rules too; begin with
    `--dry-run`. Ends with 1 where a row was refused. Sending the same file again changes nothing.
    Needs saved credentials (`massakoppi org add … --save`) of each organisation, also to check.

    Example: `massakoppi import massat.xlsx --org kaupunki --region 01 --dry-run --errors bad.csv`
    """
    from deploy.importing import import_file

    with progress("events") as advance:
        done = asyncio.run(
            import_file(
                find(data), file, mapping, organisation=org, region=region, sheet=sheet,
                dry_run=dry_run, only_good=only_good, progress=advance, language=language,
            )
        )  # fmt: skip
    if errors is not None:
        write_errors(errors, done.refused(), language)
    _report(done, as_json, language)
    if done.held_back and not as_json:
        err.print("Nothing was sent. Mend the rows, or send the others with --only-good.")
    if done.refused():
        raise typer.Exit(1)


def template(
    output: Annotated[Path, typer.Option("--output", "-o", help="where to write the workbook")],
    language: Annotated[str, typer.Option(help="fi, sv or en")] = "fi",
    region: Annotated[
        str, typer.Option(help="region whose municipalities may be chosen from; a shipped one")
    ] = "01",
) -> None:
    """
    Write the XLSX template that `massakoppi import` reads, in whichever language it is filled.

    Example: `massakoppi template --language sv -o pohja.xlsx`
    """
    from shared.client.template import template as made
    from shared.vocabulary.regions import shipped

    regions = shipped()
    if region not in regions:
        raise ValueError(f"{region!r} does not ship with the platform: {', '.join(regions)} do")
    output.write_bytes(made(language, regions[region]))
    out.print(f"{output}", highlight=False)


def export(
    file: Annotated[Path, typer.Argument(help="where to write", dir_okay=False)],
    org: Annotated[str, typer.Option(help="organisation whose view it is")],
    region: Annotated[str, typer.Option(help="region of the forecasts")],
    form: Annotated[
        str, typer.Option(help="geojson, seutumassa, seutumassa-full or seutumassa-geojson")
    ] = "geojson",
    others: Annotated[
        bool, typer.Option("--others", help="others' forecasts, too, in a form of SeutuMassa")
    ] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """
    Write the forecasts that an organisation may see to a file, and say what its form lost.

    A form of SeutuMassa holds those alone that the organisation reports, so that it may be read
    back; with --others also what it sees of others, which would then be its own.

    Example: `massakoppi export massat.csv --org kaupunki --region 01 --form seutumassa`
    """
    from deploy.exporting import export_file

    done = asyncio.run(
        export_file(find(data), file, form, organisation=org, region=region, others=others)
    )
    lost = Counter(loss.field for loss in done.losses)
    if as_json:
        tell({"rows": done.rows, "others": done.others, "lost": dict(lost)})
        return
    out.print(f"{done.rows} forecasts written to {file}", highlight=False)
    if done.others:
        err.print(f"  {done.others} of others were left out: --others", highlight=False)
    for name, count in lost.most_common():
        err.print(f"  {count} × {name} cannot be held there", highlight=False)


def write_errors(path: Path, errors: "list[RowError]", language: str) -> None:
    """Write *errors* as XLSX where *path* ends so, else as CSV."""
    from shared.client.errors_table import errors_csv, errors_xlsx

    if path.suffix.casefold() == ".xlsx":
        path.write_bytes(errors_xlsx(errors, language))
    else:
        path.write_text(errors_csv(errors, language), "utf-8-sig", newline="")


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


def _report(done: "Handed", as_json: bool, language: str = "en") -> None:
    from shared.client.said import spoken
    from shared.client.texts import spoken as row_spoken

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
        if told.get("form"):
            form = spoken(getattr(done, "form", ""), language)
            out.print(f"read as: {form}; {told['rows_per_s']} rows/s", highlight=False)
        show(told["tonnes"], "direction", "material", "tonnes", empty="no tonnes")
        for code, count in Counter(told["reasons"]).most_common():
            err.print(f"  {count} × {code}", highlight=False)
        refused = done.refused()
        for one in refused[:20]:
            where = one.cell or f"row {one.row}, {one.column}"
            err.print(f"  {where} {one.value!r}: {row_spoken(one, language)}", highlight=False)
        if len(refused) > 20:
            err.print(f"  … and {len(refused) - 20} more: --errors FILE writes them all")
    if told["no_receipt"]:
        raise typer.Exit(1)
