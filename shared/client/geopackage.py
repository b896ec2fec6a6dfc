"""GeoPackage: a layer's features read from its SQLite file, read only; nothing in it is run."""

import json
import sqlite3
import struct
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from shared.client.cells import BadTable, Form, MissingColumns
from shared.client.crs import WGS84, UnknownCrs, epsg_of
from shared.client.features import (
    MOST_FEATURES,
    Feature,
    FeatureRows,
    Features,
    FeatureTable,
    titles_of,
    weigh,
)
from shared.client.geometry import GEOMETRY, MOST_POSITIONS, BadGeometry
from shared.client.said import said, say
from shared.client.tables import Headings

_MAGIC: Final = b"SQLite format 3\0"
_LARGEST_VALUE: Final = 20_000_000
_READS: Final = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_TRANSACTION)
_WORDS: Final = ("features", "attributes")


def is_geopackage(file: Path) -> bool:
    """Whether the file begins as SQLite's do."""
    with file.open("rb") as opened:
        return opened.read(len(_MAGIC)) == _MAGIC


def open_geopackage(
    file: Path, form: Form, *, columns: Collection[str] = (), headings: Headings | None = None
) -> FeatureTable:
    """
    A layer of the GeoPackage at *file* as a table: *form.sheet*, or the first with the columns.

    Only plain tables are read: no view, no virtual table. Raises `BadTable`, `MissingColumns`.
    """
    weigh(file)
    with _unreadable_told(file), closing(_connected(file)) as opened:
        layers = list(_layers(opened, file))
    if form.sheet != "auto":
        layers = [each for each in layers if each.name == form.sheet] or _no_layer(
            file, form.sheet, layers
        )
    if not layers:
        raise BadTable(value=file.name, remedy=say("gpkg_no_layer"))
    missing: MissingColumns | None = None
    for layer in layers:
        try:
            titles = titles_of(layer.properties, file.name, columns, headings or {})
        except MissingColumns as error:
            missing = missing or error
            continue
        letters = {title: name for name, title in titles.items()} | {GEOMETRY: GEOMETRY}
        rows = FeatureRows(_Reading(file, layer), titles)
        return FeatureTable(layer.name, form, letters, rows, epsg=layer.epsg)
    raise missing or BadTable(value=file.name, remedy=say("gpkg_no_layer"))


def geometry_in(blob: bytes, epsg: int) -> str:
    """
    The GeoPackage geometry *blob* as GeoJSON text, its system beside it; empty for an empty one.

    Raises `BadGeometry`.
    """
    try:
        magic, _, flags = struct.unpack_from("<2sBB", blob)
        envelope = (0, 32, 48, 48, 64)[flags >> 1 & 0b111]
        if magic != b"GP" or flags & 0b10_0000:
            raise ValueError(say("geometry_head"))
        if flags & 0b1_0000:
            return ""
        told = _Wkb(blob, 8 + envelope).geometry()
    except (struct.error, IndexError, ValueError) as error:
        if isinstance(error, BadGeometry):
            raise
        remedy = say("geometry_broken", why=said(error))
        raise BadGeometry(value=f"{len(blob)} bytes", remedy=remedy) from error
    return json.dumps({**told, "crs": epsg})


class _Layer(NamedTuple):
    """A table of features: its *properties*, its column of geometries (none: empty)."""

    name: str
    properties: tuple[str, ...]
    geometry: str
    epsg: int


@dataclass(frozen=True, slots=True)
class _Reading(Features):
    file: Path
    layer: _Layer

    def read(self) -> Iterator[Feature]:
        layer = self.layer
        wanted = [*layer.properties, *filter(None, (layer.geometry,))]
        asked = f"SELECT {', '.join(map(_quoted, wanted))} FROM {_quoted(layer.name)}"
        with _unreadable_told(self.file), closing(_connected(self.file)) as opened:
            for number, values in enumerate(opened.execute(asked), start=1):
                if number > MOST_FEATURES:
                    remedy = say("table_many_features", most=MOST_FEATURES)
                    raise BadTable(value=self.file.name, remedy=remedy)
                properties = dict(zip(layer.properties, values, strict=False))
                blob = values[-1] if layer.geometry else None
                yield _feature(number, properties, blob, layer.epsg)


def _feature(number: int, properties: dict[str, Any], blob: Any, epsg: int) -> Feature:
    if blob is None:
        return Feature(number, properties, "")
    try:
        if not isinstance(blob, bytes):
            raise BadGeometry(value=str(blob)[:40], remedy=say("geometry_not_gpkg"))
        return Feature(number, properties, geometry_in(blob, epsg))
    except BadGeometry as error:
        return Feature(number, properties, "", str(error))


def _connected(file: Path) -> sqlite3.Connection:
    address = f"file:{quote(str(file.resolve()))}?mode=ro&immutable=1"
    opened = sqlite3.connect(address, uri=True, isolation_level=None)
    opened.execute("PRAGMA trusted_schema=OFF")
    opened.execute("PRAGMA cell_size_check=ON")
    opened.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LARGEST_VALUE)
    opened.set_authorizer(
        lambda action, *_: sqlite3.SQLITE_OK if action in _READS else sqlite3.SQLITE_DENY
    )
    return opened


@contextmanager
def _unreadable_told(file: Path) -> Iterator[None]:
    """Tells as `BadTable` why the file cannot be read."""
    try:
        yield
    except sqlite3.Error as error:
        remedy = say("gpkg_broken", why=error)
        raise BadTable(value=file.name, remedy=remedy) from error


def _layers(opened: sqlite3.Connection, file: Path) -> Iterator[_Layer]:
    plain = {
        str(name) for (name,) in opened.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND rootpage > 0"
        )
    }  # fmt: skip
    if "gpkg_contents" not in plain:
        raise BadTable(value=file.name, remedy=say("gpkg_contents"))
    shapes: dict[str, tuple[str, Any]] = {}
    systems: dict[Any, str] = {}
    if "gpkg_geometry_columns" in plain:
        asked = "SELECT table_name, column_name, srs_id FROM gpkg_geometry_columns"
        shapes = {str(table): (str(column), srs) for table, column, srs in opened.execute(asked)}
    if "gpkg_spatial_ref_sys" in plain:
        asked = "SELECT srs_id, organization, organization_coordsys_id FROM gpkg_spatial_ref_sys"
        systems = {srs: f"{whose}:{code}" for srs, whose, code in opened.execute(asked)}
    contents = opened.execute("SELECT table_name, data_type FROM gpkg_contents").fetchall()
    for name, kind in contents:
        if kind not in _WORDS or name not in plain:
            continue
        column, srs = shapes.get(name, ("", None))
        head = opened.execute(f"SELECT * FROM {_quoted(name)} LIMIT 0").description
        fields = [str(each[0]) for each in head]
        found = next((each for each in fields if each.casefold() == column.casefold()), "")
        properties = tuple(each for each in fields if each not in (found, GEOMETRY))
        yield _Layer(name, properties, found, _epsg(systems.get(srs), file) if found else WGS84)


def _epsg(named: str | None, file: Path) -> int:
    try:
        return epsg_of(named or "")
    except UnknownCrs as error:
        raise BadTable(value=file.name, remedy=said(error)) from error


def _no_layer(file: Path, asked: str, layers: list[_Layer]) -> list[_Layer]:
    there = ", ".join(each.name for each in layers)
    remedy = say("table_no_layer", layer=asked, there=there)
    raise BadTable(value=file.name, remedy=remedy)


def _quoted(name: str) -> str:
    """*name* as SQL names a thing: whatever stands in it stays a name."""
    return '"' + name.replace('"', '""') + '"'


_NAMES: Final = {
    1: "Point", 2: "LineString", 3: "Polygon", 4: "MultiPoint", 5: "MultiLineString",
    6: "MultiPolygon",
}  # fmt: skip
_PARTS: Final = {4: 1, 5: 2, 6: 3}


class _Wkb:
    """Well-known binary, x and y of it; heights and measures are left out."""

    def __init__(self, blob: bytes, at: int) -> None:
        self.blob, self.at, self.left = blob, at, MOST_POSITIONS

    def geometry(self, only: int | None = None) -> dict[str, Any]:
        order = "<" if self.blob[self.at] else ">"
        (told,) = struct.unpack_from(f"{order}I", self.blob, self.at + 1)
        self.at += 5
        kind, dimensions = told % 1000, 2 + (0, 1, 1, 2)[told // 1000]
        if kind not in _NAMES or (only is not None and kind != only):
            raise ValueError(say("geometry_wkb_kind", kind=told))
        coordinates: Any
        if kind == 1:
            coordinates = self._pairs(order, dimensions, 1)[0]
        elif kind == 2:
            coordinates = self._run(order, dimensions)
        elif kind == 3:
            coordinates = [self._run(order, dimensions) for _ in range(self._count(order, 4))]
        else:
            parts = range(self._count(order, 5))
            coordinates = [self.geometry(_PARTS[kind])["coordinates"] for _ in parts]
        return {"type": _NAMES[kind], "coordinates": coordinates}

    def _count(self, order: str, smallest: int) -> int:
        """How many follow; no more than the bytes that are left can hold."""
        (count,) = struct.unpack_from(f"{order}I", self.blob, self.at)
        self.at += 4
        if count * smallest > len(self.blob) - self.at:
            raise ValueError(say("geometry_breaks_off"))
        return int(count)

    def _run(self, order: str, dimensions: int) -> list[list[float]]:
        return self._pairs(order, dimensions, self._count(order, 8 * dimensions))

    def _pairs(self, order: str, dimensions: int, count: int) -> list[list[float]]:
        self.left -= count
        if self.left < 0:
            remedy = say("geometry_positions", most=MOST_POSITIONS)
            raise BadGeometry(value="geometry", remedy=remedy)
        numbers = struct.unpack_from(f"{order}{count * dimensions}d", self.blob, self.at)
        self.at += 8 * count * dimensions
        return [[numbers[at], numbers[at + 1]] for at in range(0, count * dimensions, dimensions)]
