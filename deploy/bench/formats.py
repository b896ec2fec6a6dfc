"""`bench formats`: rows a second of processor and the most memory of reading each format."""

import csv
import json
import sqlite3
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

import xlsxwriter

from deploy.bench.figures import Figure, Report, Sheet
from deploy.bench.ground import own_folder
from deploy.bench.workbooks import biff, ods_cell, ods_row, write_ods, write_xls
from deploy.cli.terms import progress
from shared.client.crs import from_degrees
from shared.client.template import headings
from shared.vocabulary.regions import shipped

_MIB: Final = 1024.0
"""The kernel tells KiB."""
_MOST_OF_XLS: Final = 65_535
_MOST_FACES: Final = 2_000_000
_MEMORY_MB: Final = 1_500
_REGION: Final = shipped()["01"]
_EASTING, _NORTHING = 24_487_000, 6_821_000

Cells = Sequence[str | float]


class Unread(RuntimeError):
    """A file that the bench wrote was not read whole: what was told."""


class Cost(NamedTuple):
    """Of one process: rows read, seconds of processor, and the most resident memory in MiB."""

    rows: int
    cpu_s: float
    peak_mib: float


@dataclass(frozen=True, slots=True)
class Format:
    """How the bench writes a file of it, by which mapping it is read, and its floor."""

    name: str
    write: Callable[[Path, int], None]
    mapping: str
    floor: str
    most: int | None = None


async def measure(
    rows: int, *, cells: int, triangles: int, formats: Sequence["Format"] | None = None
) -> Report:
    """
    *rows* rows of each of *formats* (else all), an XLSX of *cells* filled cells, a LandXML of
    *triangles* faces.

    Each is read by the registry's own reading process, checked and written out as events, of which
    none is kept; and by its bare library beside it. 0 cells or faces leaves that part out.
    """
    asked = {"rows": rows, "cells": cells, "triangles": triangles}
    began, clock = datetime.now(UTC), time.perf_counter()
    figures: list[Figure] = []
    columns = len(headings("en"))
    with own_folder() as folder:
        file = folder / "massat"
        for format in FORMATS if formats is None else formats:
            figures += _told(format, min(rows, format.most or rows), file)
        if cells:
            full = Format("XLSX at its cap", write_xlsx_full, "template", "calamine")
            figures += _told(full, cells // columns - 1, file, " of filled cells throughout")
        if triangles:
            figures += _design(min(triangles, _MOST_FACES), file)
    return Report("formats", asked, figures, began, time.perf_counter() - clock)


def _told(format: Format, rows: int, file: Path, note: str = "") -> list[Figure]:
    sheet = Sheet(f"{format.name}, {rows} rows")
    with progress(f"{sheet.about}: written"):
        format.write(file, 1)
        idle = _read(file, format.mapping, 1)
        format.write(file, rows)
    size = file.stat().st_size / 1e6
    with progress(f"{sheet.about}: read"):
        cost = _read(file, format.mapping, rows)
        floor = _bare(format.floor, file)
    if (cost.rows, floor.rows) != (rows, rows):
        raise Unread(f"{sheet.about}: {cost.rows} read, {floor.rows} by {format.floor}")
    rate = _rate(cost.rows, cost.cpu_s - idle.cpu_s)
    beside = floor.cpu_s - _start()
    about = f"{size:.1f} MB{note}; {cost.cpu_s:.1f} s of processor, {idle.cpu_s:.1f} to start"
    sheet.add("read, checked, told as events", rate, "rows/CPU s",
              (format.floor, _rate(floor.rows, beside)), note=about)  # fmt: skip
    sheet.add("most memory", cost.peak_mib, "MiB", (format.floor, floor.peak_mib),
              note=f"{idle.peak_mib:.0f} MiB with one row")  # fmt: skip
    return sheet.figures


def _design(faces: int, file: Path) -> list[Figure]:
    sheet = Sheet(f"LandXML, {faces} triangles")
    with progress(f"{sheet.about}: written and read"):
        write_landxml(file, 2)
        idle = _bare("design", file)
        write_landxml(file, faces)
        cost = _bare("design", file)
        floor = _bare("expat", file)
    if cost.rows != faces:
        raise Unread(f"{sheet.about}: {cost.rows} read")
    rate = _rate(faces, cost.cpu_s - idle.cpu_s)
    beside = _rate(faces, floor.cpu_s - _start())
    note = f"{file.stat().st_size / 1e6:.1f} MB; {cost.cpu_s:.1f} s of processor"
    sheet.add("read", rate, "triangles/CPU s", ("expat", beside), note=note)
    sheet.add("most memory", cost.peak_mib, "MiB", ("expat", floor.peak_mib),
              note=f"{idle.peak_mib:.0f} MiB with two triangles")  # fmt: skip
    return sheet.figures


def _rate(rows: int, cpu_s: float) -> float:
    return rows / max(cpu_s, 0.01)


def _start() -> float:
    """Seconds of processor that a floor takes to start."""
    return _spent([sys.executable, "-c", "import deploy.bench.bare"], b"")[1].cpu_s


def _read(file: Path, mapping: str, rows: int) -> Cost:
    """The registry's reading process on *file*; raises `Unread` for a fault or a refusal."""
    order = {
        "mapping": mapping, "region": _REGION.to_json(), "organisation": "bench", "edition": "1",
        "sheet": None, "language": "fi", "memory_mb": _MEMORY_MB, "most_rows": rows,
    }  # fmt: skip
    command = [sys.executable, "-m", "shared.client.slices", str(file)]
    last, cost = _spent(command, json.dumps(order).encode())
    end = json.loads(last or b"{}").get("end")
    if end is None or end["bad"]:
        raise Unread(f"{mapping}: {last[:500]!r}")
    return cost._replace(rows=end["rows"])


def _bare(kind: str, file: Path) -> Cost:
    last, cost = _spent([sys.executable, "-m", "deploy.bench.bare", kind, str(file)], b"")
    return cost._replace(rows=int(last))


def _spent(command: Sequence[str], told: bytes) -> tuple[bytes, Cost]:
    """The last line that a process prints, and what it cost."""
    watched = [sys.executable, "-m", "deploy.bench.spent", *command]
    process = subprocess.Popen(watched, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdin as order:
        order.write(told)
    last = spent = b""
    with process.stdout as lines:
        for line in lines:
            last, spent = spent, line
    if process.wait():
        raise Unread(f"{' '.join(command[1:3])}: exit {process.returncode}")
    cost = json.loads(spent)
    return last, Cost(0, cost["cpu_s"], cost["peak_kib"] / _MIB)


# what is written


def rows_of_template(count: int, *, full: bool = False) -> Iterator[Cells]:
    """Rows of the template in English, 23 of 27 columns filled; with *full* all of them."""
    columns = list(headings("en"))
    lon, lat = _place()
    told: dict[str, str | float] = {
        "Project name": "Ring road ditch", "Municipality": "049", "Latitude": lat,
        "Longitude": lon, "Site type": "construction_site", "Phase": "construction",
        "Surplus or need": "surplus", "Material": "till", "Quality class": "S2",
        "Contamination": "P0", "Basis of contamination": "site_survey",
        "Waste status": "not_waste", "Acid sulphate": "none",
        "Invasive plants": "none_observed", "Lowest": 500.0, "Highest": 9_000.0, "Unit": "t",
        "Reliability": "B", "From": "2031-05-01", "Until": "2031-09-30", "Visibility": "parties",
    }  # fmt: skip
    if full:
        told |= {"Price EUR/t": 2.5, "Use": "unspecified"}
    for number in range(count):
        row = {**told, "Project ID": f"P{number // 5}", "Mass ID": f"m{number}",
               "Quantity": 1_000.0 + number % 997}  # fmt: skip
        if full:
            row["Note"] = f"lot {number}, told in full"
        yield [row.get(column, "") for column in columns]


def _place() -> tuple[float, float]:
    """Longitude and latitude of Espoo."""
    place = _REGION.place("049")
    return place.lon, place.lat


def write_csv(file: Path, count: int) -> None:
    with file.open("w", encoding="utf-8", newline="") as text:
        writer = csv.writer(text, delimiter=";")
        writer.writerow(headings("en"))
        writer.writerows(rows_of_template(count))


def write_xlsx(file: Path, count: int, *, full: bool = False) -> None:
    with xlsxwriter.Workbook(file, {"constant_memory": True}) as book:
        sheet = book.add_worksheet("Massat")
        sheet.write_row(0, 0, list(headings("en")))
        for number, row in enumerate(rows_of_template(count, full=full), start=1):
            sheet.write_row(number, 0, row)


def write_xlsx_full(file: Path, count: int) -> None:
    """Every cell of the box filled."""
    write_xlsx(file, count, full=True)


def write_ods_table(file: Path, count: int) -> None:
    rows = ([*headings("en")], *rows_of_template(count))
    write_ods(file, (ods_row(map(ods_cell, row)) for row in rows))


def write_xls_table(file: Path, count: int) -> None:
    write_xls(file, biff([[*headings("en")], *rows_of_template(count)]))


def _features(count: int) -> Iterator[tuple[list[float], dict[str, str | float]]]:
    """A point of its own, some metres on, and the properties."""
    columns = list(headings("en"))
    lon, lat = _place()
    for number, row in enumerate(rows_of_template(count)):
        east = round(lon + number // 5 % 100 * 1e-5, 6)
        told = dict(zip(columns, row, strict=True)) | {"Latitude": "", "Longitude": ""}
        yield [east, lat], told


def write_geojson(file: Path, count: int) -> None:
    with file.open("w", encoding="utf-8") as text:
        text.write('{"type":"FeatureCollection","features":[')
        for number, (point, properties) in enumerate(_features(count)):
            geometry = {"type": "Point", "coordinates": point}
            told = {"type": "Feature", "geometry": geometry, "properties": properties}
            text.write(",\n"[: 2 * bool(number)] + json.dumps(told))
        text.write("]}")


def write_geopackage(file: Path, count: int) -> None:
    file.unlink(missing_ok=True)
    columns = ", ".join(f'"{name}"' for name in headings("en"))
    opened = sqlite3.connect(file)
    opened.executescript(f"""
        CREATE TABLE gpkg_contents (table_name TEXT, data_type TEXT);
        CREATE TABLE gpkg_geometry_columns (table_name TEXT, column_name TEXT, srs_id INTEGER);
        CREATE TABLE gpkg_spatial_ref_sys (
            srs_id INTEGER, organization TEXT, organization_coordsys_id INTEGER);
        CREATE TABLE massat (geom BLOB, {columns});
        INSERT INTO gpkg_contents VALUES ('massat', 'features');
        INSERT INTO gpkg_geometry_columns VALUES ('massat', 'geom', 4326);
        INSERT INTO gpkg_spatial_ref_sys VALUES (4326, 'EPSG', 4326);
    """)
    marks = ",".join("?" * (len(headings("en")) + 1))
    opened.executemany(
        f"INSERT INTO massat VALUES ({marks})",
        (
            (struct.pack("<2sBBiBI2d", b"GP", 0, 1, 4326, 1, 1, *point), *told.values())
            for point, told in _features(count)
        ),
    )
    opened.commit()
    opened.close()


def write_seutumassa(file: Path, count: int) -> None:
    """The search result of 19 columns with its geometry in EPSG:3879, five rows a site."""
    columns = (
        "Kohteen id", "Kohteen nimi", "Massan laji", "Massan ryhmä", "Kelpoisuusluokka",
        "Pilaantuneisuus", "Kohdetyyppi", "Maamassan tila", "Suunniteltu aikataulu (alku)",
        "Suunniteltu aikataulu (loppu)", "Massan määrä", "Massan yksikkö",
        "Omistajan nimi (massan)", "Omistajan sähköposti", "Omistajan puhelinnumero",
        "Omistajan organisaatio", "Kunta", "Hankealue", "GeoJSON",
    )  # fmt: skip
    x, y = from_degrees(*_place(), 3879)
    point = json.dumps({"type": "Point", "coordinates": [round(x, 2), round(y, 2)]})
    with file.open("w", encoding="utf-8", newline="") as text:
        writer = csv.writer(text, delimiter=";")
        writer.writerow(columns)
        for number in range(count):
            first, last = f"2031-{number % 6 + 1:02}", f"2032-{number % 12 + 1:02}"
            writer.writerow((
                number, "Kaivanto", "savi", "hienorakeiset maalajit", "u2", "pilaantumaton maa",
                "työmaa", "ylijäämä/kaivettava", first, last, 1_000 + number % 997, "m3", "", "",
                "", "Bench", "Espoo", "", point,
            ))  # fmt: skip


def write_landxml(file: Path, faces: int) -> None:
    """A terrain of *faces* triangles, one square of two after another in rows of 1 000."""
    squares = -(-faces // 2)
    wide = min(squares, 1_000)
    deep = -(-squares // wide)
    with file.open("w", encoding="utf-8") as text:
        text.write(
            '<?xml version="1.0" encoding="UTF-8"?><LandXML xmlns="http://www.inframodel.fi/'
            'inframodel" version="1.2"><Units><Metric linearUnit="meter"/></Units>'
            '<CoordinateSystem epsgCode="3878"/><Surfaces><Surface name="Maa">'
            '<Definition surfType="TIN"><Pnts>'
        )
        for north in range(deep + 1):
            for east in range(wide + 1):
                at = north * (wide + 1) + east + 1
                height = 10 + (east % 7) / 10 + (north % 5) / 10
                text.write(
                    f'<P id="{at}">{_NORTHING + north}.000 {_EASTING + east}.000 {height:.3f}</P>\n'
                )
        text.write("</Pnts><Faces>")
        for face in range(faces):
            north, east = divmod(face // 2, wide)
            a = north * (wide + 1) + east + 1
            b, c, d = a + 1, a + wide + 1, a + wide + 2
            text.write(f"<F>{a} {b} {d}</F>\n" if face % 2 else f"<F>{a} {d} {c}</F>\n")
        text.write("</Faces></Definition></Surface></Surfaces></LandXML>")


FORMATS: Final[tuple[Format, ...]] = (
    Format("CSV", write_csv, "template", "csv.DictReader"),
    Format("XLSX", write_xlsx, "template", "calamine"),
    Format("ODS", write_ods_table, "template", "calamine"),
    Format("XLS", write_xls_table, "template", "calamine", _MOST_OF_XLS),
    Format("GeoJSON", write_geojson, "template", "json.load"),
    Format("GeoPackage", write_geopackage, "template", "sqlite3"),
    Format("SeutuMassa", write_seutumassa, "seutumassa", "csv.DictReader"),
)
