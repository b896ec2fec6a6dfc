"""Features of a geographic file as a table: a feature is a row, its properties are the columns."""

import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from shared.client.cells import BadTable, Cell, MissingColumns, Row, folded, no_text, normal
from shared.client.geometry import GEOMETRY
from shared.client.said import Said, say
from shared.client.tables import Headings, Source, Table

LARGEST_FILE_BYTES: Final = 200_000_000
MOST_FEATURES: Final = 1_000_000
MOST_COLUMNS: Final = 1_000


@dataclass(frozen=True, slots=True)
class FeatureTable(Table):
    """A table whose cells are properties of features; *epsg* is the system of its geometries."""

    epsg: int = 4326

    def address(self, column: str, row: int) -> str:
        """Where a value stands: `feature 12, laji`, with the layer before it where there is one."""
        place = f"feature {row}, {self.columns.get(column, column)}".removesuffix(", ")
        return f"{self.sheet}!{place}" if self.sheet else place

    def told(self) -> Said:
        """Its system and how many properties it has, in words."""
        key = "form_layer" if self.sheet else "form_features"
        return say(key, layer=self.sheet, epsg=self.epsg, many=len(self.columns))


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature: its *number* from 1, its properties, its geometry as GeoJSON text."""

    number: int
    properties: Mapping[str, Any]
    geometry: str
    fault: str = ""


class FeatureRows(Source):
    """The rows of a file's features; *titles* gives the column of each property."""

    def __init__(self, features: "Features", titles: Mapping[str, str]) -> None:
        self.features, self.titles = features, titles
        self.empty = dict.fromkeys(titles.values(), "")

    def rows(self) -> Iterator[Row]:
        for feature in self.features.read():
            cells = self.empty | {GEOMETRY: feature.geometry}
            for name, value in feature.properties.items():
                title = self.titles.get(name)
                if title is not None:
                    cells[title] = cell_of(value)
            faults = {GEOMETRY: feature.fault} if feature.fault else {}
            faults |= {title: told for title, cell in cells.items() if (told := no_text(cell))}
            yield Row(feature.number, cells, (), faults)


class Features(ABC):
    """Where features come from, as often as asked."""

    @abstractmethod
    def read(self) -> Iterator[Feature]:
        """The features, from the first on."""


def weigh(file: Path) -> None:
    """Raise `BadTable` for a file that is larger than is read."""
    size = file.stat().st_size
    if size > LARGEST_FILE_BYTES:
        remedy = say("table_bytes", size=size, most=LARGEST_FILE_BYTES)
        raise BadTable(value=file.name, remedy=remedy)


def titles_of(
    properties: Collection[str], name: str, columns: Collection[str], headings: Headings
) -> dict[str, str]:
    """
    Property → column, by its own name or one of *headings*.

    Raises `MissingColumns` naming all of *columns* that no feature has, `BadTable` where two
    properties are one column or there are too many.
    """
    if len(properties) > MOST_COLUMNS:
        remedy = say("table_many_properties", most=MOST_COLUMNS)
        raise BadTable(value=name, remedy=remedy)
    names = {folded(other): column for column, others in headings.items() for other in others}
    names |= {folded(column): column for column in (*headings, *columns)}
    if any(map(no_text, properties)):
        raise BadTable(value=name, remedy=say("table_property_text"))
    titles = {each: names.get(folded(each)) or normal(each) for each in properties}
    twice = [title for title, times in Counter(titles.values()).items() if times > 1]
    if twice:
        remedy = say("table_property_twice", columns=", ".join(twice))
        raise BadTable(value=name, remedy=remedy)
    missing = [each for each in columns if each not in titles.values()]
    if missing:
        there = ", ".join(titles.values()) or say("table_no_properties")
        remedy = say("table_properties_there", columns=there)
        raise MissingColumns(value=", ".join(missing), remedy=remedy)
    return titles


def cell_of(value: Any) -> str:
    """A property's value as a cell; a number is kept as one."""
    match value:
        case str():
            return value.strip()
        case None | bytes():
            return ""
        case bool():
            return "true" if value else "false"
        case int() if abs(value) < 1 << 53:
            return Cell(str(value), float(value))
        case float():
            return Cell(str(int(value)) if value.is_integer() else repr(value), value)
    return json.dumps(value, ensure_ascii=False)
