"""One reading of a file by a mapping: rows become events, one row at a time."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from shared.client.cells import NUL, SURROGATE, Row, folded
from shared.client.features import FeatureTable
from shared.client.geojson import is_geojson, open_geojson
from shared.client.geometry import GEOMETRY
from shared.client.geopackage import is_geopackage, open_geopackage
from shared.client.mapping import BadMapping, FileMapping, Shape
from shared.client.outgoing import Item, Note, Outgoing, RowError, Skipped, event_id
from shared.client.places import Gazetteer, Where, place_fields
from shared.client.rules import CellError
from shared.client.said import Said, say
from shared.client.tables import Table, open_table
from shared.contracts.intake import Handed, HandedArea, HandedForecast, HandedProject, Refusal
from shared.vocabulary.regions import Region
from shared.vocabulary.units import BadUnit, si, to_tonnes


def read_events(
    path: str | Path,
    mapping: FileMapping,
    region: Region,
    *,
    organisation: str | None = None,
    organisations: Mapping[str, str] | None = None,
    edition: str | None = None,
) -> Iterator[Item]:
    """
    What the rows of the CSV file or workbook at *path* tell by *mapping*, as they are read.

    Every row that is not empty gives exactly one of: a forecast (a project or area before it where
    it is the first to name one), one or more `RowError`, a `Skipped`; a `Note` beside it.
    *organisation* stands in for the mapping's own rule; *organisations* gives tokens by title, for
    a mapping that names them `by: title`. *edition* sets this state of the file apart from an
    earlier one, else the time it was last written does: the same file read twice gives the same
    ids. Raises `BadTable`, `MissingColumns`, `BadMapping`.
    """
    told = edition if edition is not None else str(Path(path).stat().st_mtime_ns)
    table = table_of(path, mapping)
    yield from events_of(
        table, mapping, region, told, organisation=organisation, organisations=organisations
    )


def table_of(path: str | Path, mapping: FileMapping) -> Table:
    """
    The table at *path* as *mapping* reads it: a CSV file, a workbook, GeoJSON or a GeoPackage.

    Its content says which it is, not its name. Raises `BadTable`, `MissingColumns`.
    """
    file = Path(path)
    needed = [each for each in mapping.columns if each not in mapping.optional]
    if is_geopackage(file):
        return open_geopackage(file, mapping.form, columns=needed, headings=mapping.headings)
    if is_geojson(file):
        return open_geojson(file, mapping.form, columns=needed, headings=mapping.headings)
    return open_table(
        file,
        mapping.form,
        columns=needed,
        headings=mapping.headings,
        numbers=mapping.columns_of("number"),
        dates=mapping.columns_of("date"),
    )


def events_of(
    table: Table,
    mapping: FileMapping,
    region: Region,
    edition: str,
    *,
    organisation: str | None = None,
    organisations: Mapping[str, str] | None = None,
) -> Iterator[Item]:
    """What the rows of *table* tell by *mapping*, as `read_events` says."""
    if organisation is None and mapping.organisation is None:
        raise BadMapping(value=mapping.name, remedy=say("mapping_no_organisation"))
    titles = {folded(title): token for title, token in (organisations or {}).items()}
    read = replace(mapping, form=table.form)
    if isinstance(table, FeatureTable):
        read = replace(read, place=replace(mapping.place, geometry=GEOMETRY))
    missing = dict.fromkeys(sorted(mapping.optional - table.columns.keys()), "")
    yield from (Note(0, "column_missing", f"{column}: not in the file") for column in missing)
    reader = _Reader(read, Gazetteer(region), organisation, titles, edition)
    yield from (Note(0, code, text) for code, text in table.notes)
    for column, because in mapping.unread.items():
        yield Note(0, "column_not_read", f"{column}: {because}")
    for row in table.rows():
        if missing:
            row = row._replace(cells={**missing, **row.cells})  # noqa: PLW2901
        for item in reader.items(row):
            if isinstance(item, RowError):
                yield replace(item, cell=table.address(item.column, item.row))
            else:
                yield item


def refusals_of(
    table: Table, mapping: FileMapping, event: Outgoing, reasons: Iterable[Refusal]
) -> Iterator[RowError]:
    """What the registry said of *event*, each reason at the cell that it speaks of."""
    shape = mapping.forecast if event.name == "forecast-updated" else mapping.project
    row = event.row or 0
    for reason in reasons:
        rule = shape.fields.get(reason.pointer.removeprefix("/").partition("/")[0])
        column = next(rule.columns(), "") if rule is not None else ""
        value = "" if reason.value is None else str(reason.value)
        cell = table.address(column, row)
        yield RowError(row, column or reason.pointer, value, reason.code, reason.text, cell)


def form_told(table: Table) -> Said:
    """How the file writes, in words: what was found, and what its cells leave open."""
    if isinstance(table, FeatureTable):
        return table.told()
    form = table.form
    told = {
        "header": form.header,
        "decimal": say({",": "form_comma", ".": "form_point"}.get(form.decimal, "form_no_mark")),
        "dates": ", ".join(form.dates),
    }
    if table.sheet:
        return say("form_sheet", sheet=table.sheet, **told)
    mark = say("form_tab") if form.delimiter == "\t" else form.delimiter
    return say("form_text", encoding=form.encoding, mark=mark, **told)


@dataclass(slots=True)
class _Seen:
    """What the rows before told: a project is told once, and an identity not used twice."""

    projects: dict[tuple[str, str], tuple[int, Handed]] = field(default_factory=dict)
    areas: set[tuple[str, str]] = field(default_factory=set)
    forecasts: dict[tuple[str, str], list[int]] = field(default_factory=dict)


class _Bad(Exception):
    def __init__(self, errors: list[RowError]) -> None:
        super().__init__(errors)
        self.errors = errors


@dataclass(slots=True)
class _Reader:
    """One reading of one file."""

    mapping: FileMapping
    gazetteer: Gazetteer
    organisation: str | None
    titles: Mapping[str, str]
    edition: str
    seen: _Seen = field(default_factory=_Seen)
    read: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        self.read = frozenset(self.mapping.columns)

    def items(self, row: Row) -> Iterator[Item]:
        """What *row* tells: a forecast and what it needs, or errors, or that it is left out."""
        try:
            yield from self._area(row)
            for because, condition in self.mapping.skip:
                if condition.holds(row):
                    yield Skipped(row.number, because)
                    return
            yield from self._told(row)
        except _Bad as bad:
            yield from dict.fromkeys(bad.errors)  # one bad cell may feed several fields

    def _told(self, row: Row) -> Iterator[Item]:
        if row.beyond:
            text = "The row has more cells than the header: is a delimiter in a cell not quoted?"
            raise _Bad([RowError(row.number, "", "; ".join(row.beyond), "row_too_long", text)])
        errors = self._faults(row)
        token = self._whose(row, errors)
        where = self._where(row, errors)
        project, _, told_by = self._fields(row, self.mapping.project, errors)
        values, assumed, columns = self._fields(row, self.mapping.forecast, errors)
        if errors or where is None:
            faulty = {error.column for error in errors if error.code == "cell_error"}
            raise _Bad([e for e in errors if e.code == "cell_error" or e.column not in faulty])
        at_place = {"region": self.gazetteer.region.code} | place_fields(where)
        project_event = self._event(row, HandedProject, project | at_place, told_by)
        values |= {
            "project": project_event.external_id,
            "assumptions": self._assumed(row, where.assumed, assumed),
        }
        self._measured(row, values, columns)
        note = self._identity(row, token, values)
        forecast = self._event(row, HandedForecast, values, columns)
        self._weighable(row, forecast, columns)
        yield from self._project(row, token, project_event)
        if note is not None:
            yield note
        yield from (Note(row.number, "municipality_questioned", each) for each in where.questions)
        yield self._outgoing(token, forecast, row)

    def _faults(self, row: Row) -> list[RowError]:
        """The cells of it that hold an error of the spreadsheet, where the mapping reads them."""
        return [
            RowError(row.number, column, told, "cell_error", _FAULTS.get(told, _FAULT))
            if column != GEOMETRY
            else RowError(row.number, column, "", "geometry_unreadable", told)
            for column, told in row.faults.items()
            if column in self.read or column == self.mapping.place.geometry
        ]

    def _whose(self, row: Row, errors: list[RowError]) -> str:
        rule = self.mapping.organisation
        if self.organisation is not None or rule is None:
            return self.organisation or ""
        try:
            found = rule.find(row, self.mapping.form)
            if found.value is None:
                raise CellError(found.column, "", "organisation_missing", "Say whose mass it is.")
            if not self.mapping.by_title:
                return str(found.value)
            token = self.titles.get(folded(found.value))
            if token is None:
                text = f"No organisation is known by the title {found.value!r}. Confirm it first."
                raise CellError(found.column, found.value, "organisation_unknown", text)
            return token
        except CellError as error:
            errors.append(_row_error(row, error))
            return ""

    def _where(self, row: Row, errors: list[RowError]) -> Where | None:
        try:
            return self.mapping.place.find(row, self.mapping.form, self.gazetteer)
        except CellError as error:
            errors.append(_row_error(row, error))
            return None

    def _fields(
        self, row: Row, shape: Shape, errors: list[RowError]
    ) -> tuple[dict[str, Any], list[str], dict[str, str]]:
        values: dict[str, Any] = {}
        assumed: list[str] = []
        columns: dict[str, str] = {}
        for name, rule in shape.fields.items():
            try:
                found = rule.find(row, self.mapping.form)
            except CellError as error:
                errors.append(_row_error(row, error))
                continue
            columns[name] = found.column
            if found.value is not None:
                values[name] = found.value
                assumed.extend(found.assumed)
        return values, assumed, columns

    def _assumed(self, row: Row, *lists: Any) -> tuple[str, ...]:
        general = [
            each.text
            for each in self.mapping.assumptions
            if each.condition is None or each.condition.holds(row)
        ]
        return tuple(dict.fromkeys(text for texts in (general, *lists) for text in texts))

    def _measured(self, row: Row, values: dict[str, Any], columns: dict[str, str]) -> None:
        """Turn a foreign measure into cubic metres or tonnes; tonnes need no state of a metre."""
        measure = values.pop("measure", None)
        if measure is None or "quantity" not in values:
            return
        values["quantity"], base = si(values["quantity"], measure)
        if base == "t":
            unsaid = self.mapping.forecast.fields["unit"].find(row, self.mapping.form).assumed
            values["assumptions"] = tuple(a for a in values["assumptions"] if a not in unsaid)
            values["unit"] = "t"
            columns["unit"] = columns.get("measure", "")

    def _identity(self, row: Row, token: str, values: dict[str, Any]) -> Note | None:
        identity = str(values.get("external_id", ""))
        rows = self.seen.forecasts.setdefault((token, identity), [])
        if rows and self.mapping.same_identity == "refuse":
            text = (
                f"Row {rows[0]} has the same identity, {identity!r}. "
                "Add the two up in one row, or make them differ."
            )
            raise _Bad([RowError(row.number, "", identity, "identity_repeated", text)])
        rows.append(row.number)
        if len(rows) == 1:
            return None
        values["external_id"] = f"{identity}#{len(rows)}"
        text = f"Row {rows[0]} has the same identity, {identity!r}: this one is number {len(rows)}."
        return Note(row.number, "identity_numbered", text)

    def _event(
        self, row: Row, contract: type[Handed], values: dict[str, Any], columns: dict[str, str]
    ) -> Any:
        try:
            return contract(**values)
        except ValidationError as error:
            raise _Bad([_invalid(row, each, columns) for each in error.errors()]) from error

    def _weighable(self, row: Row, forecast: HandedForecast, columns: dict[str, str]) -> None:
        errors = []
        if forecast.available_to < forecast.available_from:
            text = f"It ends before it begins, {forecast.available_from}. Check both dates."
            ends = str(forecast.available_to)
            errors.append(
                RowError(row.number, columns.get("available_to", ""), ends, "window_reversed", text)
            )
        try:
            to_tonnes(forecast.quantity, forecast.unit, forecast.material)
        except BadUnit as error:
            errors.append(
                RowError(row.number, columns.get("unit", ""), forecast.unit, error.code, str(error))
            )
        if errors:
            raise _Bad(errors)

    def _project(self, row: Row, token: str, project: HandedProject) -> Iterator[Item]:
        told = self.seen.projects.setdefault((token, project.external_id), (row.number, project))
        number, first = told
        if number == row.number:
            yield self._outgoing(token, project, row)
        elif first != project:
            differing = [
                name
                for name in HandedProject.model_fields
                if getattr(first, name) != getattr(project, name)
            ]
            text = f"Project {project.external_id!r} differs from row {number} in "
            yield Note(
                row.number, "project_differs", f"{text}{', '.join(differing)}: row {number} holds."
            )

    def _area(self, row: Row) -> Iterator[Item]:
        shape = self.mapping.area
        if shape is None or (shape.condition is not None and not shape.condition.holds(row)):
            return
        errors: list[RowError] = []
        token = self._whose(row, errors)
        where = self._where(row, errors)
        values, _, columns = self._fields(row, shape, errors)
        if errors or where is None:
            raise _Bad(errors)
        at_place = {"region": self.gazetteer.region.code} | place_fields(where)
        at_place.pop("precision", None)
        area = self._event(row, HandedArea, values | at_place, columns)
        if (token, area.external_id) not in self.seen.areas:
            self.seen.areas.add((token, area.external_id))
            yield self._outgoing(token, area, row)

    def _outgoing(self, token: str, event: Handed, row: Row) -> Outgoing:
        source = f"import:{self.mapping.name}"
        return Outgoing(token, event, source, event_id(self.edition, event), row.number)


_FAULT = "The spreadsheet shows an error here. Mend its formula, or write the value."
_FAULTS = {
    "=": "The formula has no result kept. Open the file in a spreadsheet, and save it again.",
    NUL: "The cell holds a NUL byte, which no text does. Write the cell again.",
    SURROGATE: "The cell holds half a character, which no text does. Write the cell again.",
}


def _row_error(row: Row, error: CellError) -> RowError:
    return RowError(row.number, error.column, error.value, error.code, error.text)


def _invalid(row: Row, error: Any, columns: Mapping[str, str]) -> RowError:
    name = str(error["loc"][0]) if error["loc"] else ""
    missing = error["type"] == "missing"
    value = "" if missing else str(error["input"])
    text = f"{name} is not told: fill in the cell." if missing else f"{name}: {error['msg']}."
    return RowError(
        row.number, columns.get(name) or name, value, "missing" if missing else "invalid", text
    )
