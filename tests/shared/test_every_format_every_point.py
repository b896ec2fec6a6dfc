"""
Every format meets every point of malformed input that a file can have (B3 to B6 of bad inputs).

A point is a row, a format a column: what comes of it, or why it does not apply. The other points
(B1, B2, B7 to B10) are of routes, events, tokens and headers: tests/fuzz and tests/registry.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from shared.client import scale
from shared.client.crs import from_degrees
from tests.shared.formats import (
    FORMATS,
    LANDXML,
    LAT,
    LON,
    MASS,
    TABLES,
    Formula,
    came_of,
    came_of_design,
)

TEXT: Final = ("CSV", "SeutuMassa")
BOOKS: Final = ("XLSX", "ODS", "XLS")
FEATURES: Final = ("GeoJSON", "GeoPackage")
ALL: Final = tuple(TABLES)
GOOD: Final = ("first", "third")
"""The masses before and after the one that is looked at: they come in whatever it holds."""


@dataclass(frozen=True, slots=True)
class Mass:
    """
    Another value in the second of three rows. With *fault* its cell alone is refused under that
    code, with *refused* the whole file; else *reads* is what was read of it.
    """

    change: dict[str, Any]
    fault: str = ""
    refused: str = ""
    reads: dict[str, Any] = field(default_factory=dict)
    notes: str = ""
    most_rows: int = 100_000
    how: dict[str, Any] = field(default_factory=dict)
    broken: Callable[[bytes], bytes] = bytes
    patched: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Surface:
    """The lowest surface of a road, *broken*; `measured`, or the code that it is refused under."""

    code: str
    broken: Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class DoesNotApply:
    because: str


Case = Mass | Surface | DoesNotApply


def each(formats: tuple[str, ...], case: Case) -> dict[str, Case]:
    return dict.fromkeys(formats, case)


def told(amount: Any, fault: str = "", **reads: Any) -> Mass:
    return Mass({"amount": amount}, fault, reads=reads)


def swap(old: str, new: str, count: int = 1) -> Callable[[bytes], bytes]:
    """Text written over text, as bytes."""
    return partial(_swapped, old.encode("latin-1"), new.encode("latin-1"), count)


def _swapped(old: bytes, new: bytes, count: int, content: bytes) -> bytes:
    assert old in content, old
    return content.replace(old, new, count)


def raw(old: str, new: bytes) -> Callable[[bytes], bytes]:
    return partial(_swapped, old.encode(), new, 1)


NO_DAYS: Final = DoesNotApply("days are told on the command line, and read as every command's")
NO_ID: Final = DoesNotApply("the project's id is told on the command line")
ONLY_BOOKS: Final = DoesNotApply("only a workbook has them")
NOT_PACKED: Final = DoesNotApply("the file is not packed: what it holds is its size")
NOT_SEPARATED: Final = DoesNotApply("nothing separates its cells but the format itself")

X3879, Y3879 = from_degrees(LON, LAT, 3879)
BOW: Final = ((0, 0), (0.01, 0.01), (0.01, 0), (0, 0.01), (0, 0))


def bow(x: float, y: float, by: float = 1) -> dict[str, Any]:
    ring = [[x + dx * by, y + dy * by] for dx, dy in BOW]
    return {"point": (LON, LAT), "geometry": {"type": "Polygon", "coordinates": [ring]}}


def at(code: str, x: float, y: float) -> Mass:
    return Mass({"point": (x, y), "epsg": 0}, code)


def points_written(x: float, y: float) -> Callable[[bytes], bytes]:
    """The first point of a surface elsewhere: northing *y*, easting *x*."""

    def change(content: bytes) -> bytes:
        head, _, rest = content.partition(b'<P id="1">')
        height = rest.partition(b"</P>")[0].split()[-1]
        after = rest.partition(b"</P>")[2]
        return head + f'<P id="1">{y} {x} '.encode() + height + b"</P>" + after

    return change


def number_of_first_point(number: str) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        head, _, rest = content.partition(b'<P id="1">')
        pair = rest.partition(b"</P>")[0].rsplit(b" ", 1)[0]
        return head + b'<P id="1">' + pair + f" {number}</P>".encode() + rest.partition(b"</P>")[2]

    return change


def name(told: str) -> Callable[[bytes], bytes]:
    return swap('name="Katu"', f'name="{told}"')


def in_utf8(told: bytes) -> Callable[[bytes], bytes]:
    """The same file in UTF-8, its surface under the name of these bytes."""

    def change(content: bytes) -> bytes:
        text = content.decode("latin-1").replace("ISO-8859-1", "UTF-8").encode()
        return text.replace(b'name="Katu"', b'name="' + told + b'"', 1)

    return change


def with_mark(content: bytes) -> bytes:
    return b"\xef\xbb\xbf" + in_utf8(b"Katu")(content)


def utf_16(content: bytes) -> bytes:
    return content.decode("latin-1").replace("ISO-8859-1", "UTF-16").encode("utf-16")


def twice_over(content: bytes) -> bytes:
    """A second face over the first: the surface lies over itself."""
    face = content.partition(b"<F ")[2].partition(b"</F>")[0]
    return content.replace(b"</Faces>", (b"<F " + face + b"</F>") * 20 + b"</Faces>")


def point_again(content: bytes) -> bytes:
    return content.replace(b"<Pnts>", b'<Pnts><P id="1">6821000 24487000 3</P>', 1)


def laughs(content: bytes) -> bytes:
    head = b'<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'
    return content.replace(b"<LandXML", head + b"<LandXML", 1)


def deep(content: bytes) -> bytes:
    return content.replace(b"</LandXML>", b"<a>" * 10_000 + b"</a>" * 10_000 + b"</LandXML>")


LONG: Final = "x" * 1_000_000
REVERSED: Final = {"first": "2031-10-01", "last": "2031-05-01"}
WHOLE: Final = "table_unreadable"

POINTS: Final[dict[str, dict[str, Case]]] = {
    "B3 NaN": {
        **each((*TEXT, *BOOKS), told(math.nan, "not_a_number")),
        "GeoJSON": Mass({"amount": math.nan}, refused=WHOLE),
        "GeoPackage": told(math.nan, "missing"),  # SQLite keeps NULL for it
        LANDXML: Surface("surface_point_invalid", number_of_first_point("NaN")),
    },
    "B3 Infinity": {
        **each((*TEXT, *BOOKS, "GeoPackage"), told(math.inf, "not_a_number")),
        "GeoJSON": Mass({"amount": math.inf}, refused=WHOLE),
        LANDXML: Surface("surface_point_invalid", number_of_first_point("Infinity")),
    },
    "B3 1e400": {
        **each(ALL, told("1e400", "not_a_number")),
        LANDXML: Surface("surface_point_invalid", number_of_first_point("1e400")),
    },
    "B3 minus nought": {
        **each(ALL, told(-0.0, quantity=0.0)),
        LANDXML: Surface("measured", number_of_first_point("-0.0")),
    },
    "B3 huge integers": {  # 1e30 is a number; that it is no quantity is the registry's to say
        **each(ALL, told("9" * 400, "not_a_number")),
        LANDXML: Surface("surface_point_invalid", number_of_first_point("9" * 400)),
    },
    "B3 nesting of 10 000": {
        **each((*TEXT, *BOOKS), DoesNotApply("a cell holds no structure; geometries see GeoJSON")),
        "GeoJSON": Mass({"name": "DEEP"}, refused=WHOLE,
                        broken=swap('"DEEP"', "[" * 10_000 + "]" * 10_000)),
        "GeoPackage": DoesNotApply("a column holds no structure; its geometry is binary"),
        LANDXML: Surface("measured", deep),
    },
    "B3 duplicate keys": {
        "CSV": Mass({}, refused=WHOLE, broken=swap("Unit;", "Unit;Unit;")),
        "SeutuMassa": Mass({}, refused=WHOLE, broken=swap("Kunta;", "Kunta;Kunta;")),
        **each(BOOKS, Mass({}, refused=WHOLE, how={"again": "Unit"})),
        "GeoJSON": Mass({"amount": 7}, broken=swap('"Quantity": 7', '"Quantity": 1, "Quantity": 7'),
                        reads={"quantity": 7.0}),  # the last holds, as in every reader of JSON
        "GeoPackage": DoesNotApply("SQLite refuses a table with two columns of one name"),
        LANDXML: Surface("surface_point_repeated", point_again),
    },
    "B3 byte order mark": {
        **each(TEXT, Mass({}, how={"encoding": "utf-8-sig"}, reads={"title": "Katu"})),
        "GeoJSON": Mass({}, how={"encoding": "utf-8-sig"}, reads={"title": "Katu"}),
        **each((*BOOKS, "GeoPackage"), DoesNotApply("the container begins with its own mark")),
        LANDXML: Surface("measured", with_mark),
    },
    "B3 invalid UTF-8": {
        # the whole file is then taken for Windows-1252, and told so
        "CSV": Mass({"name": "NAME"}, broken=raw("NAME", b"K\xe4tu"), reads={"title": "Kätu"}),
        # its headings have letters beyond ASCII, which are then others
        "SeutuMassa": Mass({"name": "NAME"}, broken=raw("NAME", b"K\xe4tu"),
                           refused="columns_missing"),
        **each(("XLSX", "ODS"), DoesNotApply("packed: broken bytes do not meet their checksum")),
        "XLS": DoesNotApply("its texts are UTF-16, where every pair of bytes is a unit"),
        "GeoJSON": Mass({"name": "NAME"}, broken=raw("NAME", b"K\xe4tu"), refused=WHOLE),
        "GeoPackage": Mass({"name": "NAME"}, broken=raw("NAME", b"K\xe4tu"), refused=WHOLE),
        LANDXML: Surface("design_unreadable", in_utf8(b"K\xe4tu")),
    },
    "B3 NUL": {
        **each(TEXT, Mass({"name": "Ka\0tu"}, refused=WHOLE)),
        **each(("XLSX", "ODS"), Mass({"name": "Ka\0tu"}, refused=WHOLE)),
        **each(("XLS", *FEATURES), Mass({"name": "Ka\0tu"}, "cell_error")),
        LANDXML: Surface("design_unreadable", name("Ka\0tu")),
    },
    "B3 lone surrogates": {
        # they are no UTF-8, so the file is taken for Windows-1252
        "CSV": Mass({"name": "Ka\ud800tu"}, reads={"title": "Kaí\xa0€tu"}),
        "SeutuMassa": Mass({"name": "Ka\ud800tu"}, refused="columns_missing"),
        "GeoJSON": Mass({"name": "NAME"}, "cell_error", broken=swap("NAME", "Ka\\ud800tu")),
        "GeoPackage": Mass({"name": "NAME"}, broken=raw("NAME", b"a\xed\xa0\x80"), refused=WHOLE),
        **each(("XLSX", "ODS"), Mass({"name": "NAME"}, refused=WHOLE,
                                     how={"name": "Ka&#xD800;tu"})),
        "XLS": DoesNotApply("what is no UTF-16 becomes the replacement character in its reader"),
        LANDXML: Surface("design_unreadable", name("Ka&#xD800;tu")),
    },
    "B3 right to left and zero width": {
        **each(ALL, Mass({"name": "\u202eutaK\u200b"}, reads={"title": "\u202eutaK\u200b"})),
        LANDXML: Surface("measured", in_utf8("\u202eutaK\u200b".encode())),
    },
    "B3 texts of 1 MB": {
        **each((*TEXT, "XLSX", "ODS", *FEATURES), Mass({"name": LONG}, "invalid")),
        "XLS": Mass({"name": LONG[:32_000]}, "invalid"),  # it holds no longer one
        LANDXML: Surface("measured", name(LONG)),
    },
    "B3 ids composed and decomposed": {
        **each(ALL, Mass({"id": "Ma\u0308ki"}, reads={"project": "M\u00e4ki"})),
        LANDXML: NO_ID,
    },
    "B4 year 0": {**each(ALL, Mass({"first": "0000-01-01"}, "not_a_date")), LANDXML: NO_DAYS},
    "B4 year 9999": {
        **each(ALL, Mass({"last": "12/9999"}, reads={"available_to": "9999-12-31"})),
        LANDXML: NO_DAYS,
    },
    "B4 the hour that spring leaves out": {
        **each(("CSV", *BOOKS, *FEATURES),
               Mass({"first": "2031-03-30T03:30:00"}, reads={"available_from": "2031-03-30"})),
        "SeutuMassa": Mass({"first": "2031-03-30T03:30:00"},
                           reads={"available_from": "2031-03-01"}),
        LANDXML: NO_DAYS,
    },
    "B4 leap day": {
        **each(("CSV", *BOOKS, *FEATURES), Mass({"first": "2031-02-29"}, "not_a_date")),
        "SeutuMassa": Mass({"first": "2031-02-29"}, "not_a_date"),
        LANDXML: NO_DAYS,
    },
    "B4 naive times": {  # read as the mapping's zone, Helsinki, has them
        **each(ALL, Mass({"first": "2031-05-01T00:30:00"}, reads={"available_from": "2031-05-01"})),
        LANDXML: NO_DAYS,
    },
    "B4 the end before the start": {**each(ALL, Mass(REVERSED, "window_reversed")),
                                    LANDXML: NO_DAYS},
    "B4 2038": {
        **each(ALL, Mass({"first": "2038-02-01", "last": "2/2038"},
                         reads={"available_from": "2038-02-01", "available_to": "2038-02-28"})),
        LANDXML: NO_DAYS,
    },
    "B5 swapped coordinates": {
        **each(("CSV", *BOOKS, *FEATURES), at("coordinates_swapped", LAT, LON)),
        "SeutuMassa": at("coordinates_swapped", Y3879, X3879),
        LANDXML: Surface("design_crs_mismatch", points_written(6_821_000, 24_487_000)),
    },
    "B5 EPSG:3067 taken for another": {
        **each(ALL, at("coordinates_mismatched", 369_900.0, 6_676_400.0)),
        LANDXML: Surface("design_crs_mismatch", points_written(327_000, 6_821_000)),
    },
    "B5 EPSG:3879 taken for another": {
        **each(("CSV", *BOOKS, *FEATURES), at("coordinates_mismatched", X3879, Y3879)),
        "SeutuMassa": at("coordinates_mismatched", LON, LAT),  # here it is degrees for EPSG:3879
        LANDXML: Surface("design_crs_mismatch", points_written(X3879, Y3879)),
    },
    "B5 a polygon that crosses itself": {
        **each(("CSV", *BOOKS), DoesNotApply("the template has a point, no polygon")),
        **each(FEATURES, Mass(bow(LON, LAT), reads={"lat": pytest.approx(LAT + 0.005, abs=0.005)})),
        "SeutuMassa": Mass({**bow(X3879, Y3879, 1e5), "epsg": 0},
                           reads={"lat": pytest.approx(LAT + 0.005, abs=0.005)}),
        LANDXML: Surface("design_surfaces_overlap", twice_over),
    },
    "B5 the antimeridian": {
        **each(("CSV", *BOOKS, *FEATURES), at("coordinates_outside_region", 179.99, LAT)),
        "SeutuMassa": at("coordinates_mismatched", 179.99, LAT),
        LANDXML: Surface("design_crs_mismatch", points_written(179.99, 60.2)),
    },
    "B6 ; and , between cells": {
        **each(TEXT, Mass({"name": "Katu, länsi; itä"}, reads={"title": "Katu, länsi; itä"},
                          how={"delimiter": ","})),
        **each((*BOOKS, *FEATURES), NOT_SEPARATED),
        LANDXML: NOT_SEPARATED,
    },
    "B6 Finnish decimals": {
        **each(ALL, told("1\u00a0200,5", quantity=1200.5)),
        LANDXML: Surface("surface_point_invalid", number_of_first_point("1,5")),
    },
    "B6 UTF-16": {
        **each(TEXT, Mass({}, how={"encoding": "utf-16"}, reads={"title": "Katu"})),
        "GeoJSON": Mass({}, how={"encoding": "utf-16"}, refused=WHOLE),
        **each(BOOKS, DoesNotApply("the format settles the encoding of its texts")),
        "GeoPackage": DoesNotApply("SQLite settles the encoding of its texts"),
        LANDXML: Surface("measured", utf_16),
    },
    "B6 macros": {
        "XLSX": Mass({}, how={"parts": {"xl/vbaProject.bin": "x"}}, notes="macros"),
        "ODS": Mass({}, how={"parts": {"Basic/Standard/Module1.xml": "<x/>"}}, notes="macros"),
        "XLS": Mass({}, how={"also": "_VBA_PROJECT_CUR"}, notes="macros"),
        **each((*TEXT, *FEATURES), ONLY_BOOKS),
        LANDXML: ONLY_BOOKS,
    },
    "B6 formulas with their result": {
        **each(BOOKS, told(Formula(2.0), quantity=2.0)),
        **each(TEXT, told(Formula(2.0), "not_a_number")),  # nobody counts it
        **each(FEATURES, told("=1+1", "not_a_number")),
        LANDXML: Surface("surface_point_invalid", number_of_first_point("=1+1")),
    },
    "B6 formulas without a result": {
        **each(("XLSX", "ODS"), told(Formula(None), "cell_error")),
        "XLS": told(Formula(None), "missing"),  # it keeps an empty text
        **each((*TEXT, *FEATURES), ONLY_BOOKS),
        LANDXML: ONLY_BOOKS,
    },
    "B6 formulas that failed": {
        **each(BOOKS, told(Formula("#REF!"), "cell_error")),
        **each((*TEXT, *FEATURES), told("#REF!", "not_a_number")),
        LANDXML: Surface("surface_point_invalid", number_of_first_point("#REF!")),
    },
    "B6 zip bomb": {
        **each(("XLSX", "ODS"), Mass({}, refused=WHOLE, patched=("MOST_UNPACKED", 1 << 20),
                                     how={"parts": {"xl/sharedStrings.xml": " " * (3 << 20),
                                                    "META-INF/manifest.xml": " " * (5 << 20)}})),
        "XLS": Mass({"name": "x" * 3_000}, refused=WHOLE, patched=("MOST_TEXT", 1_000)),
        **each((*TEXT, *FEATURES), NOT_PACKED),
        LANDXML: Surface("design_with_entities", laughs),
    },
    "B6 more rows than are taken": {
        **each(ALL, Mass({}, refused=WHOLE, most_rows=2)),
        LANDXML: DoesNotApply("a surface has no rows; its faces are capped (test_client_landxml)"),
    },
    "B6 merged cells": {
        "XLSX": Mass({"name": None}, reads={"title": "Katu"}, how={"merged": True}),
        "ODS": Mass({"name": None}, reads={"title": "Katu"}, how={"merged": True}),
        "XLS": Mass({"name": None}, reads={"title": "Katu"}, how={"merged": True}),
        **each((*TEXT, *FEATURES), ONLY_BOOKS),
        LANDXML: ONLY_BOOKS,
    },
}  # fmt: skip


def cases(kind: type) -> list[Any]:
    return [
        pytest.param(format, case, id=f"{point}, {format}")
        for point, told in POINTS.items()
        for format, case in told.items()
        if isinstance(case, kind)
    ]


def test_every_format_has_a_row_for_every_point() -> None:
    """Or says why the point does not apply to it."""
    missing = {
        (point, format)
        for point, told in POINTS.items()
        for format in FORMATS
        if format not in told
    }
    assert not missing
    assert all(case.values[1].because for case in cases(DoesNotApply))


@pytest.mark.parametrize(("format", "case"), cases(Mass))
def test_a_malformed_table_is_told_by_its_cell_and_loses_nothing_else(
    format: str, case: Mass, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read as it was meant, or refused under a stable code in three languages, never broken off."""
    if case.patched is not None:
        name, most = case.patched
        monkeypatch.setattr(scale, name, most)
        monkeypatch.setattr(scale.pieces, "__defaults__", (scale.MOST_UNPACKED,))
    file = tmp_path / "massat"
    first, third = ({**MASS, "id": id} for id in GOOD)
    TABLES[format][0](file, [first, {**MASS, "id": "second", **case.change}, third], **case.how)
    file.write_bytes(case.broken(file.read_bytes()))
    came = came_of(file, format, case.most_rows)
    assert came.refused == case.refused
    if case.refused:
        assert not came.faults
        return
    assert set(GOOD) <= set(came.masses)
    assert [code for code, _ in came.faults] == [case.fault] * bool(case.fault)
    for _, cell in came.faults:
        assert ("feature 2, " if format in FEATURES else "3") in cell
    others = [told for id, told in came.masses.items() if id not in GOOD]
    assert len(others) == (not case.fault)
    for told in others:
        assert {name: told[name] for name in case.reads} == case.reads
    assert case.notes in came.notes


@pytest.mark.parametrize(("format", "case"), cases(Surface))
def test_a_malformed_design_is_refused_under_a_stable_code_or_measured(
    format: str, case: Surface, tmp_path: Path
) -> None:
    """By the file's name and in three languages; what does not matter for a volume is let be."""
    assert format == LANDXML
    assert came_of_design(tmp_path, case.broken) == case.code
