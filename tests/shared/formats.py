"""The same few masses as a file of every format that is read, and what came of reading it."""

import csv
import io
import json
import sqlite3
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from deploy.bench.workbooks import (
    biff,
    ods_cell,
    ods_row,
    write_ods,
    write_xls,
    write_xlsx,
    xlsx_cell,
)
from shared.client import slices
from shared.client.crs import from_degrees
from shared.client.designs import measure, read_surfaces
from shared.client.outgoing import RowError
from shared.client.said import said
from shared.client.said import spoken as said_in
from shared.client.scale import letter_of
from shared.client.template import headings
from shared.client.texts import spoken
from shared.client.words import LANGUAGES
from shared.vocabulary.errors import Refused
from shared.vocabulary.regions import shipped
from tests.designs import write_road

REGION = shipped()["01"]
LON, LAT = 24.6559, 60.2055
"""A point of Espoo, whose code is 049."""

Mass = dict[str, Any]
MASS: Final[Mass] = {
    "id": "A", "name": "Katu", "amount": 1200.5, "first": "2031-05-01", "last": "2031-09-30",
    "point": None, "note": "",
}  # fmt: skip
_TEMPLATE: Final = {name: "=" for name in headings("en")} | {
    "Project ID": "id", "Project name": "name", "Municipality": "=049", "Latitude": "lat",
    "Longitude": "lon", "Mass ID": "=a", "Surplus or need": "=surplus", "Material": "=clay",
    "Quality class": "=U2", "Contamination": "=P0", "Quantity": "amount", "Unit": "=t",
    "From": "first", "Until": "last", "Note": "note",
}  # fmt: skip
_SEUTUMASSA: Final = {
    "Kohteen id": "id", "Kohteen nimi": "name", "Massan laji": "=savi",
    "Massan ryhmä": "=hienorakeiset maalajit", "Kelpoisuusluokka": "=u2",
    "Pilaantuneisuus": "=pilaantumaton maa", "Kohdetyyppi": "=työmaa",
    "Maamassan tila": "=ylijäämä/kaivettava", "Suunniteltu aikataulu (alku)": "first",
    "Suunniteltu aikataulu (loppu)": "last", "Massan määrä": "amount", "Massan yksikkö": "=t",
    "Omistajan nimi (massan)": "=", "Omistajan sähköposti": "=", "Omistajan puhelinnumero": "=",
    "Omistajan organisaatio": "=Acme", "Kunta": "=Espoo", "Hankealue": "=", "GeoJSON": "point",
}  # fmt: skip
"""Column → what of the mass stands in it; after `=` what stands there always."""


@dataclass(frozen=True, slots=True)
class Formula:
    """A cell that counts 1 + 1; *kept* is its result as the file keeps it, `#REF!`, or None."""

    kept: float | str | None


@dataclass(frozen=True, slots=True)
class Came:
    """
    What came of a file: the code it was refused under (else empty), faults as (code, cell), and by
    the mass's id what was read of it.
    """

    refused: str
    faults: tuple[tuple[str, str], ...]
    masses: Mapping[str, Mapping[str, Any]]
    form: str = ""
    notes: str = ""


def cells(mass: Mass, mapping: Mapping[str, str]) -> list[Any]:
    """What stands in each column for *mass*."""
    lon, lat = mass["point"] or (None, None)
    told = {**mass, "lat": lat, "lon": lon}
    if mapping is _SEUTUMASSA and mass["point"] is not None:
        at = mass["point"] if "epsg" in mass else from_degrees(lon, lat, 3879)
        told["point"] = json.dumps(mass.get("geometry") or {"type": "Point", "coordinates": at})
    return [each[1:] if each.startswith("=") else told[each] for each in mapping.values()]


def _separated(
    mapping: Mapping[str, str], masses: Sequence[Mass], delimiter: str = ";", mark: str = "."
) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerow(mapping)
    for mass in masses:
        told = ["=1+1" if isinstance(each, Formula) else each for each in cells(mass, mapping)]
        told = [str(each).replace(".", mark) if isinstance(each, float) else each for each in told]
        writer.writerow(told)
    return out.getvalue()


def write_csv(file: Path, masses: Sequence[Mass], encoding: str = "utf-8", **how: str) -> None:
    file.write_bytes(_separated(_TEMPLATE, masses, **how).encode(encoding, "surrogatepass"))


def write_seutumassa(
    file: Path, masses: Sequence[Mass], encoding: str = "utf-8", **how: str
) -> None:
    file.write_bytes(_separated(_SEUTUMASSA, masses, **how).encode(encoding, "surrogatepass"))


def write_new_workbook(
    file: Path,
    masses: Sequence[Mass],
    again: str = "",
    merged: bool = False,
    name: str = "NAME",
    parts: dict[str, str] | None = None,
) -> None:
    """*again* is a heading that stands twice; *merged* the name over two rows, *name* as XML."""
    rows = []
    for at, row in enumerate(_rows(masses, again), start=1):
        told = [(f"{letter_of(place)}{at}", value) for place, value in enumerate(row)]
        rows.append("".join(map(_xlsx, *zip(*told, strict=True))).replace("NAME", name))
    after = '<mergeCells count="1"><mergeCell ref="B2:B3"/></mergeCells>' if merged else ""
    write_xlsx(file, rows, after, parts)


def _xlsx(at: str, value: Any) -> str:
    match value:
        case Formula(kept=None):
            return f'<c r="{at}"><f>1+1</f></c>'
        case Formula(kept=str(fault)):
            return f'<c r="{at}" t="e"><f>1+A99</f><v>{fault}</v></c>'
        case Formula(kept=kept):
            return f'<c r="{at}"><f>1+1</f><v>{kept}</v></c>'
    return xlsx_cell(at, value)


def write_open_document(
    file: Path,
    masses: Sequence[Mass],
    again: str = "",
    merged: bool = False,
    name: str = "NAME",
    parts: dict[str, str] | None = None,
) -> None:
    """As `write_new_workbook` says."""
    rows = [[_ods(value) for value in row] for row in _rows(masses, again)]
    if merged:
        rows[1][1] = ods_cell(masses[0]["name"], 'table:number-rows-spanned="2"')
        rows[2][1] = "<table:covered-table-cell/>"
    write_ods(file, [ods_row(row).replace("NAME", name) for row in rows], parts)


def _ods(value: Any) -> str:
    match value:
        case Formula(kept=None):
            return '<table:table-cell table:formula="of:=1+1"/>'
        case Formula(kept=str(fault)):
            return ods_cell(fault, 'table:formula="of:=[.A99]" calcext:value-type="error"')
        case Formula(kept=kept):
            return ods_cell(kept, 'table:formula="of:=1+1"')
    return ods_cell(value)


def write_old_workbook(
    file: Path, masses: Sequence[Mass], again: str = "", merged: bool = False, also: str = ""
) -> None:
    """As `write_new_workbook` says; *also* is a storage beside it."""
    rows = _rows(masses, again)
    after = struct.pack("<HHHHHHH", 0x00E5, 10, 1, 1, 2, 1, 1) if merged else b""
    for at, row in enumerate(rows):
        for place, value in enumerate(row):
            if isinstance(value, Formula):
                after += _counted(at, place, value.kept)
                row[place] = ""
    write_xls(file, biff(rows, after=after), also=also)


def _counted(row: int, place: int, kept: float | str | None) -> bytes:
    if isinstance(kept, str):
        result = b"\x02\0\x17\0\0\0\xff\xff"
    else:
        result = b"\x03\0\0\0\0\0\xff\xff" if kept is None else struct.pack("<d", kept)
    one_and_one = b"\x1e\x01\x00\x1e\x01\x00\x03"
    body = struct.pack("<HHH", row, place, 0) + result + struct.pack("<HIH", 0, 0, 7)
    return struct.pack("<HH", 0x0006, len(body) + 7) + body + one_and_one


def _rows(masses: Sequence[Mass], again: str = "") -> list[list[Any]]:
    twice = [again] if again else []
    return [[*_TEMPLATE, *twice], *([*cells(mass, _TEMPLATE), *twice] for mass in masses)]


def _properties(mass: Mass) -> dict[str, Any]:
    told = cells({**mass, "point": None}, _TEMPLATE)
    return dict(zip(_TEMPLATE, told, strict=True))


def write_geojson(file: Path, masses: Sequence[Mass], encoding: str = "utf-8") -> None:
    features = [
        {"type": "Feature", "properties": _properties(each), "geometry": _geometry(each)}
        for each in masses
    ]
    told = json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False)
    file.write_bytes(told.encode(encoding, "surrogatepass"))


def _geometry(mass: Mass) -> Any:
    at = mass["point"]
    return mass.get("geometry") or (at and {"type": "Point", "coordinates": list(at)})


def write_geopackage(file: Path, masses: Sequence[Mass]) -> None:
    columns = list(_TEMPLATE)
    opened = sqlite3.connect(file)
    opened.executescript(f"""
        CREATE TABLE gpkg_contents (table_name TEXT, data_type TEXT);
        CREATE TABLE gpkg_geometry_columns (table_name TEXT, column_name TEXT, srs_id INTEGER);
        CREATE TABLE gpkg_spatial_ref_sys (
            srs_id INTEGER, organization TEXT, organization_coordsys_id INTEGER);
        CREATE TABLE massat (geom BLOB, {", ".join(f'"{name}"' for name in columns)});
        INSERT INTO gpkg_contents VALUES ('massat', 'features');
        INSERT INTO gpkg_geometry_columns VALUES ('massat', 'geom', 4326);
        INSERT INTO gpkg_spatial_ref_sys VALUES (4326, 'EPSG', 4326);
    """)
    marks = ",".join("?" * (len(columns) + 1))
    for mass in masses:
        geometry = _geometry(mass)
        values = [_wkb(geometry) if geometry else None, *_properties(mass).values()]
        opened.execute(f"INSERT INTO massat VALUES ({marks})", values)
    opened.commit()
    opened.close()


def _wkb(geometry: dict[str, Any]) -> bytes:
    told = geometry["coordinates"]
    head = struct.pack("<2sBBi", b"GP", 0, 1, 4326)
    if geometry["type"] == "Point":
        return head + struct.pack("<BI2d", 1, 1, *told)
    (ring,) = told
    axes = [axis for pair in ring for axis in pair]
    return head + struct.pack(f"<BIII{len(axes)}d", 1, 3, 1, len(ring), *axes)


Write = Callable[..., None]
TABLES: Final[dict[str, tuple[Write, str]]] = {
    "CSV": (write_csv, "template"),
    "XLSX": (write_new_workbook, "template"),
    "ODS": (write_open_document, "template"),
    "XLS": (write_old_workbook, "template"),
    "GeoJSON": (write_geojson, "template"),
    "GeoPackage": (write_geopackage, "template"),
    "SeutuMassa": (write_seutumassa, "seutumassa"),
}
LANDXML: Final = "LandXML"
FORMATS: Final = (*TABLES, LANDXML)


def came_of(file: Path, format: str, most_rows: int = 100_000) -> Came:
    """
    What a reading process tells of the table at *file*.

    Whatever it is, it ends, in JSON that any program reads; each fault has a stable code, and its
    words in each language.
    """
    order = {
        "mapping": TABLES[format][1], "region": REGION.to_json(), "edition": "1", "sheet": None,
        "organisation": "acme", "most_rows": most_rows,
    }  # fmt: skip
    told = list(slices.lines(file, order))
    json.dumps(told, allow_nan=False).encode("utf-8")
    refused, faults, masses = "", [], {}
    form, notes = "", ""
    for line in told:
        match line:
            case {"problem": {"code": code, "text": text}}:
                assert len({text[each] for each in LANGUAGES}) == len(LANGUAGES), text
                refused = code
            case {"error": error}:
                words = {spoken(RowError(**error), each) for each in LANGUAGES}
                assert len(words) == len(LANGUAGES), words
                faults.append((error["code"], error["cell"]))
            case {"slice": {"items": items}}:
                for _, body in items:
                    _add(masses, json.loads(body))
            case {"form": form, "notes": found}:
                notes = " ".join(each["en"] for each in found)
    assert refused or "end" in told[-1]
    return Came(refused, tuple(faults), masses, form, notes)


def _add(masses: dict[str, dict[str, Any]], event: dict[str, Any]) -> None:
    data = event["data"]
    if "quantity" in data:
        masses.setdefault(data["project"], {}).update(data)
    else:
        named = ("title", "lat", "lon")
        masses.setdefault(data["external_id"], {}).update({name: data.get(name) for name in named})


def came_of_design(folder: Path, broken: Callable[[bytes], bytes]) -> str:
    """The code under which a road is refused whose lowest surface is *broken*; else `measured`."""
    file = write_road(folder) / "2012 Lowest" / "Katu.xml"
    file.write_bytes(broken(file.read_bytes()))
    try:
        measure(read_surfaces([folder]))
    except Refused as error:
        assert len({said_in(said(error), each) for each in LANGUAGES}) == len(LANGUAGES)
        return error.code
    return "measured"
