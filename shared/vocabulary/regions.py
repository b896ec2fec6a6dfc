"""A region as data: code, names, box, metric CRS and places; nothing else knows a region."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from math import isfinite
from pathlib import Path
from typing import Any, ClassVar, Final

from shared.vocabulary.errors import Refused

LANGUAGES: Final = ("fi", "sv", "en")
Box = tuple[float, float, float, float]

_CODE: Final = re.compile(r"[a-z0-9-]{2,16}", re.ASCII)
_PLACE_CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}", re.ASCII)
_CRS: Final = re.compile(r"EPSG:\d{4,6}", re.ASCII)
_WORLD: Final[Box] = (-180.0, -90.0, 180.0, 90.0)
_SIDES: Final = 4


class BadRegion(Refused):
    """The region's {field} cannot be {value!r}. {remedy}"""

    code: ClassVar[str] = "region_invalid"


class UnknownPlace(Refused):
    """The region {region} has no place {value!r}. {remedy}"""

    code: ClassVar[str] = "place_unknown"


@dataclass(frozen=True, slots=True)
class Place:
    """A municipality or the like: its code as text, names, and a point in WGS 84 degrees."""

    code: str
    names: Mapping[str, str] = field(hash=False)
    lat: float
    lon: float
    subregion: str | None = None

    def name(self, lang: str) -> str:
        """The name in *lang*, else in another language; never inflected."""
        return _name(self.names, lang)


@dataclass(frozen=True, slots=True)
class Region:
    """
    Where masses are: *bounding_box* is (min_lon, min_lat, max_lon, max_lat) in WGS 84 degrees.

    *meets* are the codes of other regions whose masses this one's may meet; a *sample* meets none,
    so invented masses never meet real ones.
    """

    code: str
    names: Mapping[str, str] = field(hash=False)
    bounding_box: Box
    metric_crs: str
    sample: bool
    meets: tuple[str, ...]
    places: tuple[Place, ...]
    source: str
    licence: str

    def name(self, lang: str) -> str:
        """The name in *lang*, else in another language; never inflected."""
        return _name(self.names, lang)

    def place(self, code: str) -> Place:
        """The place *code*; `UnknownPlace` when the region has none."""
        for each in self.places:
            if each.code == code:
                return each
        raise UnknownPlace(region=self.code, value=code, remedy=_place_remedy(self.places, code))

    def contains(self, lat: float, lon: float) -> bool:
        """Whether the point lies in the region's box, borders included."""
        return _inside(self.bounding_box, lat, lon)

    def looks_swapped(self, lat: float, lon: float) -> bool:
        """Whether the point lies outside, but inside once its two numbers change places."""
        return not self.contains(lat, lon) and self.contains(lon, lat)

    def to_json(self) -> dict[str, Any]:
        """The region in the form of a region file; `region_from` reads it back as an equal."""
        return {
            "code": self.code,
            "names": dict(self.names),
            "bounding_box": list(self.bounding_box),
            "metric_crs": self.metric_crs,
            "sample": self.sample,
            "meets": list(self.meets),
            "source": self.source,
            "licence": self.licence,
            "places": [_place_to_json(each) for each in self.places],
        }


def region_from(told: Mapping[str, Any]) -> Region:
    """
    The region that a region file tells.

    Raises `BadRegion`, naming the field, the value and the remedy: code of a wrong form, no name,
    box not in order, CRS without EPSG code, no place, a place twice or outside the box.
    """
    if not isinstance(told, Mapping):
        raise BadRegion(case="file", field="file", value=told, remedy="It holds one JSON object.")
    code = _matching(told, "code", _CODE, "Use two digits, or 2 to 16 of a-z, 0-9 and hyphen.")
    box = _box(told.get("bounding_box"))
    sample = told.get("sample", False)
    if not isinstance(sample, bool):
        raise BadRegion(case="sample", field="sample", value=sample, remedy="Say true or false.")
    return Region(
        code=code,
        names=_names(told.get("names"), "names"),
        bounding_box=box,
        metric_crs=_matching(told, "metric_crs", _CRS, 'Write it like "EPSG:3067".'),
        sample=sample,
        meets=_meets(told.get("meets", []), code, sample),
        places=_places(told.get("places"), box),
        source=_text(told, "source"),
        licence=_text(told, "licence"),
    )


def read_region(path: str | Path) -> Region:
    """The region in the file *path*; `BadRegion` when it is not one, `OSError` when unreadable."""
    try:
        told = json.loads(Path(path).read_text("utf-8-sig"))
    except ValueError as error:
        remedy = f"It is not JSON in UTF-8: {error}."
        raise BadRegion(case="file", field="file", value=str(path), remedy=remedy) from error
    return region_from(told)


def shipped() -> dict[str, Region]:
    """The regions that come with the platform, by code: 01 Uusimaa, 06 Pirkanmaa, 99 sample."""
    return dict(_shipped())


def make_region(
    code: str,
    names: Mapping[str, str],
    rows: Iterable[Mapping[str, Any]],
    *,
    code_field: str,
    name_field: str,
    lat_field: str,
    lon_field: str,
    metric_crs: str,
    meets: Iterable[str] = (),
    margin_deg: float = 0.5,
    source: str,
    licence: str,
    subregion_field: str | None = None,
    sample: bool = False,
) -> Region:
    """
    A region from any table of places, one row each, as `csv.DictReader` gives them.

    The box is the extent of the points and *margin_deg* degrees around it; decimal commas are read.
    Raises `BadRegion` as `region_from` does, with the number of the row.
    """
    places = []
    for number, row in enumerate(rows, start=1):
        name = _cell(row, name_field, number)
        places.append(
            {
                "code": _cell(row, code_field, number),
                "names": dict.fromkeys(LANGUAGES, name),
                "lat": _degrees(row, lat_field, number),
                "lon": _degrees(row, lon_field, number),
                "subregion": row.get(subregion_field) if subregion_field else None,
            }
        )
    if not places:
        raise BadRegion(case="places", field="places", value=[], remedy="Give at least one row.")
    return region_from(
        {
            "code": code,
            "names": names,
            "bounding_box": _around(places, margin_deg),
            "metric_crs": metric_crs,
            "sample": sample,
            "meets": list(meets),
            "places": places,
            "source": source,
            "licence": licence,
        }
    )


@cache
def _shipped() -> Mapping[str, Region]:
    folder = files(__package__).joinpath("data", "regions")
    found = (
        region_from(json.loads(each.read_text("utf-8")))
        for each in folder.iterdir()
        if each.name.endswith(".json")
    )
    return {each.code: each for each in sorted(found, key=lambda region: region.code)}


def _name(names: Mapping[str, str], lang: str) -> str:
    return names.get(lang) or names.get("en") or next(iter(names.values()))


def _inside(box: Box, lat: float, lon: float) -> bool:
    min_lon, min_lat, max_lon, max_lat = box
    return min_lon <= lon <= max_lon and min_lat <= lat <= max_lat


def _place_remedy(places: tuple[Place, ...], code: str) -> str:
    for each in places:
        if each.code.lstrip("0") == str(code).lstrip("0"):
            return f"Leading zeros are part of the code: {each.code}."
    return f"Use one of its {len(places)} codes, such as {places[0].code}."


def _place_to_json(place: Place) -> dict[str, Any]:
    return {
        "code": place.code,
        "names": dict(place.names),
        "lat": place.lat,
        "lon": place.lon,
        "subregion": place.subregion,
    }


def _text(told: Mapping[str, Any], name: str) -> str:
    value = told.get(name)
    if not isinstance(value, str) or not value.strip():
        raise BadRegion(case="text", field=name, value=value, remedy="Say it in words, as text.")
    return value


def _matching(told: Mapping[str, Any], name: str, form: re.Pattern[str], remedy: str) -> str:
    value = told.get(name)
    if not isinstance(value, str) or not form.fullmatch(value):
        raise BadRegion(case=name, field=name, value=value, remedy=remedy)
    return value


def _names(told: object, where: str) -> dict[str, str]:
    given = told if isinstance(told, Mapping) else {}
    names = {str(k): v.strip() for k, v in given.items() if isinstance(v, str) and v.strip()}
    if not names:
        remedy = 'Give one at least: {"en": "…"}.'
        raise BadRegion(case="names", field=where, value=told, remedy=remedy)
    first = next((names[lang] for lang in ("en", "fi", "sv") if lang in names), None)
    spare = first or next(iter(names.values()))
    return {**{lang: names.get(lang, spare) for lang in LANGUAGES}, **names}


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return None
    return float(value)


def _box(told: object) -> Box:
    sides = [_number(each) for each in told] if isinstance(told, list | tuple) else []
    if len(sides) != _SIDES or None in sides:
        remedy = "Give [min_lon, min_lat, max_lon, max_lat] in degrees."
        raise BadRegion(case="bounding_box", field="bounding_box", value=told, remedy=remedy)
    min_lon, min_lat, max_lon, max_lat = (side for side in sides if side is not None)
    if not (min_lon < max_lon and min_lat < max_lat):
        remedy = (
            "Order it min_lon, min_lat, max_lon, max_lat; split a region at the 180th meridian."
        )
        raise BadRegion(case="box_order", field="bounding_box", value=told, remedy=remedy)
    if not (_inside(_WORLD, min_lat, min_lon) and _inside(_WORLD, max_lat, max_lon)):
        remedy = "Degrees: longitude within 180, latitude within 90; longitude first."
        raise BadRegion(case="box_degrees", field="bounding_box", value=told, remedy=remedy)
    return min_lon, min_lat, max_lon, max_lat


def _meets(told: object, own: str, sample: bool) -> tuple[str, ...]:
    codes: dict[str, None] = {}
    for each in told if isinstance(told, list | tuple) else [told]:
        if not isinstance(each, str) or not _CODE.fullmatch(each):
            remedy = "List codes of other regions."
            raise BadRegion(case="meets", field="meets", value=each, remedy=remedy)
        if each == own:
            remedy = "Its own masses meet anyway: drop it."
            raise BadRegion(case="meets_itself", field="meets", value=each, remedy=remedy)
        if sample:
            remedy = "Sample masses meet no others: leave the list empty."
            raise BadRegion(case="sample_meets", field="meets", value=each, remedy=remedy)
        codes[each] = None
    return tuple(codes)


def _places(told: object, box: Box) -> tuple[Place, ...]:
    if not isinstance(told, list | tuple) or not told:
        raise BadRegion(
            case="places", field="places", value=told, remedy="List at least one place."
        )
    places: dict[str, Place] = {}
    for number, each in enumerate(told, start=1):
        place = _place(each, number, box)
        if place.code in places:
            where, remedy = f"places[{number}].code", "It stands twice."
            raise BadRegion(case="place_twice", field=where, value=place.code, remedy=remedy)
        places[place.code] = place
    return tuple(places.values())


def _place(told: object, number: int, box: Box) -> Place:
    where = f"places[{number}]"
    if not isinstance(told, Mapping):
        remedy = "Give code, names, lat and lon."
        raise BadRegion(case="place", field=where, value=told, remedy=remedy)
    code = told.get("code")
    if not isinstance(code, str) or not _PLACE_CODE.fullmatch(code):
        remedy = "Give it as text, leading zeros kept: letters, digits, hyphen."
        raise BadRegion(case="place_code", field=f"{where}.code", value=code, remedy=remedy)
    lat, lon = _number(told.get("lat")), _number(told.get("lon"))
    if lat is None or lon is None:
        point = (told.get("lat"), told.get("lon"))
        where, remedy = f"{where} lat, lon", "Give two numbers."
        raise BadRegion(case="point", field=where, value=point, remedy=remedy)
    if not _inside(box, lat, lon):
        swapped = _inside(box, lon, lat)
        remedy = "Latitude and longitude look swapped." if swapped else "It lies outside the box."
        case, where = "swapped" if swapped else "outside", f"{where} lat, lon"
        raise BadRegion(case=case, field=where, value=(lat, lon), remedy=remedy)
    subregion = told.get("subregion")
    if subregion is not None and not isinstance(subregion, str):
        where, remedy = f"{where}.subregion", "Text, or null."
        raise BadRegion(case="text", field=where, value=subregion, remedy=remedy)
    return Place(code, _names(told.get("names"), f"{where}.names"), lat, lon, subregion or None)


def _cell(row: Mapping[str, Any], column: str, number: int) -> str:
    value = row.get(column)
    if value is None or not str(value).strip():
        remedy = f"Row {number} needs it; its columns are {', '.join(map(str, row))}."
        raise BadRegion(case="text", field=f"column {column}", value=value, remedy=remedy)
    return str(value).strip()


def _degrees(row: Mapping[str, Any], column: str, number: int) -> float:
    written = _cell(row, column, number)
    try:
        return float(written.replace(",", "."))
    except ValueError:
        remedy = f"Row {number} needs decimal degrees."
        raise BadRegion(
            case="text", field=f"column {column}", value=written, remedy=remedy
        ) from None


def _around(places: Iterable[Mapping[str, Any]], margin: float) -> list[float]:
    lats, lons = zip(*((each["lat"], each["lon"]) for each in places), strict=True)
    sides = (min(lons) - margin, min(lats) - margin, max(lons) + margin, max(lats) + margin)
    west, south, east, north = (round(side, 6) for side in sides)
    return [max(west, -180.0), max(south, -90.0), min(east, 180.0), min(north, 90.0)]
