"""GeoJSON: a feature collection read one feature at a time, and written."""

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from shared.client.cells import BadTable, Form
from shared.client.crs import WGS84, UnknownCrs
from shared.client.features import (
    MOST_FEATURES,
    Feature,
    FeatureRows,
    Features,
    FeatureTable,
    titles_of,
    weigh,
)
from shared.client.geometry import GEOMETRY, crs_of
from shared.client.said import said, say
from shared.client.tables import Headings

LARGEST_FEATURE: Final = 10_000_000  # characters
_CHUNK: Final = 1 << 16
_ID: Final = "id"


def is_geojson(file: Path) -> bool:
    """Whether the file begins as a JSON object does, in UTF-8 or in what it is refused for."""
    with file.open("rb") as opened:
        start = opened.read(64)
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return start.decode("utf-16", "replace").lstrip()[:1] == "{"
    return start.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{"


def open_geojson(
    file: Path, form: Form, *, columns: Collection[str] = (), headings: Headings | None = None
) -> FeatureTable:
    """
    The feature collection at *file* (RFC 7946, or with the older `crs` member) as a table.

    It is gone through once for its properties; rows are read anew, one feature at a time. Raises
    `BadTable`, `MissingColumns`.
    """
    weigh(file)
    reading = _Reading(file)
    names: dict[str, None] = {}
    for feature in reading.read():
        names.update(dict.fromkeys(feature.properties))
    titles = titles_of(names, file.name, columns, headings or {})
    letters = {title: name for name, title in titles.items()} | {GEOMETRY: GEOMETRY}
    return FeatureTable("", form, letters, FeatureRows(_Reading(file, reading.epsg), titles),
                        epsg=reading.epsg)  # fmt: skip


def feature_collection(
    features: Iterable[dict[str, Any]], *, crs: dict[str, Any] | None = None
) -> Iterator[str]:
    """The text of a feature collection of *features*, in pieces; *crs* where it is not degrees."""
    named = f'"crs":{json.dumps(crs)},' if crs else ""
    yield f'{{"type":"FeatureCollection",{named}"features":['
    for number, feature in enumerate(features):
        yield ("," if number else "") + "\n" + json.dumps(feature, ensure_ascii=False)
    yield "\n]}\n"


@dataclass(slots=True)
class _Reading(Features):
    """Goes through the file: *epsg* is known when it has been gone through once."""

    file: Path
    epsg: int = WGS84

    def read(self) -> Iterator[Feature]:
        try:
            with self.file.open(encoding="utf-8-sig") as text:
                yield from self._features(_Scanner(text.read))
        except UnicodeDecodeError as error:
            raise BadTable(value=self.file.name, remedy=say("geo_utf8")) from error
        except UnknownCrs as error:
            raise BadTable(value=self.file.name, remedy=said(error)) from error
        except RecursionError as error:
            raise self._bad(say("geojson_deep")) from error
        except ValueError as error:
            if isinstance(error, BadTable):
                raise
            why = said(error)
            raise self._bad(why if why.others else say("geojson_json", why=why)) from error

    def _features(self, scanner: "_Scanner") -> Iterator[Feature]:
        kind, seen = None, False
        for name in scanner.members():
            if name == "features" and not seen:
                seen = True
                for number, told in enumerate(scanner.items(), start=1):
                    if number > MOST_FEATURES:
                        raise self._bad(say("geojson_features", most=MOST_FEATURES))
                    yield self._feature(number, told)
            elif name == "features":
                raise self._bad(say("geojson_twice"))
            else:
                value = scanner.value()
                if name == "type":
                    kind = value
                elif name == "crs" and value is not None:
                    self.epsg = crs_of({"crs": value}) or WGS84
        scanner.end()
        if kind != "FeatureCollection" or not seen:
            raise self._bad(say("geojson_kind", kind=str(kind)[:40]))

    def _feature(self, number: int, told: Any) -> Feature:
        if not isinstance(told, dict) or told.get("type") != "Feature":
            raise self._bad(say("geojson_feature", number=number))
        properties = told.get("properties") or {}
        if not isinstance(properties, dict):
            raise self._bad(say("geojson_properties", number=number))
        if told.get(_ID) is not None and _ID not in properties:
            properties = {**properties, _ID: told[_ID]}
        properties.pop(GEOMETRY, None)
        geometry = told.get("geometry")
        if geometry is None:
            return Feature(number, properties, "")
        if isinstance(geometry, dict) and "crs" not in geometry:
            geometry = {**geometry, "crs": self.epsg}
        return Feature(number, properties, json.dumps(geometry))

    def _bad(self, why: str) -> BadTable:
        return BadTable(value=self.file.name, remedy=say("geojson_bad", why=why))


class _Scanner:
    """Reads a JSON object member by member, holding no more than one value of it."""

    def __init__(self, read: Any) -> None:
        self._read = read
        self._text, self._at, self._over = "", 0, False
        self._decode = json.JSONDecoder(parse_constant=_no_constant).raw_decode

    def members(self) -> Iterator[str]:
        """The names of the object's members; the value of each must be read before the next."""
        self._expect("{")
        if self._next() == "}":
            self._at += 1
            return
        while True:
            name = self.value()
            if not isinstance(name, str):
                raise ValueError(say("geojson_name"))
            self._expect(":")
            yield name
            if not self._goes_on("}"):
                return

    def items(self) -> Iterator[Any]:
        """The values of an array, one at a time."""
        self._expect("[")
        if self._next() == "]":
            self._at += 1
            return
        while True:
            yield self.value()
            if not self._goes_on("]"):
                return

    def value(self) -> Any:
        """The next value, whole."""
        self._next()
        while True:
            try:
                found, end = self._decode(self._text, self._at)
            except json.JSONDecodeError:
                if not self._more():
                    raise
                continue
            if end == len(self._text) and self._more():
                continue  # a number may go on
            self._at = end
            return found

    def end(self) -> None:
        """Nothing may follow."""
        if self._next():
            raise ValueError(say("geojson_follows"))

    def _goes_on(self, closing: str) -> bool:
        mark = self._next()
        if mark not in (",", closing):
            raise ValueError(say("geojson_comma", mark=mark))
        self._at += 1
        return mark == ","

    def _expect(self, mark: str) -> None:
        found = self._next()
        if found != mark:
            raise ValueError(say("geojson_mark", found=found, mark=mark))
        self._at += 1

    def _next(self) -> str:
        """The next character that is no white space; empty at the end."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in " \t\r\n":
                    return self._text[self._at]
                self._at += 1
            if not self._more():
                return ""

    def _more(self) -> bool:
        """Read on, each time as much again as is held, so that a long value costs its length."""
        if self._over:
            return False
        held = self._text[self._at :]
        if len(held) > LARGEST_FEATURE:
            raise ValueError(say("geojson_long", most=LARGEST_FEATURE))
        read = self._read(max(_CHUNK, len(held)))
        self._over = not read
        self._text, self._at = held + read, 0
        return bool(read)


def _no_constant(name: str) -> Any:
    raise ValueError(say("geojson_constant", name=name))
