"""
Coordinates of the Finnish systems as WGS 84 degrees and back: always x, y (east, north; lon, lat).

ETRS89 is taken as WGS 84, as EPSG's null transformation does.
"""

import re
from functools import cache
from math import isfinite
from typing import ClassVar, Final, NamedTuple

from pyproj import Transformer

from shared.client.said import say
from shared.vocabulary.errors import Refused
from shared.vocabulary.regions import Region

WGS84: Final = 4326
_DEGREES: Final = (4326, 4258)
_TM35: Final = 3067
_GK: Final = range(3873, 3886)
METRIC: Final = (_TM35, *_GK)
"""Systems in metres, as plans are drawn in."""

KNOWN: Final = (*METRIC, *_DEGREES)

_FIRST_ZONE: Final = 19
_NORTH: Final = (6_580_000.0, 7_800_000.0)
_EAST_3067: Final = (50_000.0, 762_000.0)
_GK_HALF_M: Final = 100_000.0
_NAMES: Final = re.compile(r"(?:.*\bEPSG[:/](?:[\d.]*[:/])?)?(\d{4,5})", re.ASCII | re.IGNORECASE)
_CRS84: Final = re.compile(r".*\bOGC[:/](?:[\d.]*[:/])?CRS84", re.ASCII | re.IGNORECASE)


class UnknownCrs(Refused):
    """The coordinate system {value!r} is not read. {remedy}"""

    code: ClassVar[str] = "crs_unknown"


class BadPosition(Refused):
    """The pair does not lie in {crs}: {value}. {remedy}"""

    code: ClassVar[str] = "coordinates_mismatched"


class Swapped(Refused):
    """The pair is the wrong way round for {crs}: {value}. {remedy}"""

    code: ClassVar[str] = "coordinates_swapped"


class OutsideRegion(Refused):
    """The point lies outside of {region}: {value}. {remedy}"""

    code: ClassVar[str] = "coordinates_outside_region"


class Position(NamedTuple):
    """A point in WGS 84 degrees."""

    lon: float
    lat: float


def epsg_of(name: str | int) -> int:
    """
    The EPSG code that *name* writes: `3879`, `EPSG:3879`, `urn:ogc:def:crs:EPSG::3879`, CRS84.

    Raises `UnknownCrs` for any that is not read here.
    """
    told = str(name).strip()
    found = _NAMES.fullmatch(told)
    code = WGS84 if _CRS84.fullmatch(told) else int(found[1]) if found else 0
    if code not in KNOWN:
        raise UnknownCrs(value=told[:200], remedy=say("crs_known"))
    return code


def read_position(x: float, y: float, epsg: int) -> Position:
    """
    The point of the pair *x*, *y* of *epsg*, in degrees.

    A pair is read by its magnitude as well, and never by it alone: one that lies in another system
    raises `BadPosition`, one that is the wrong way round `Swapped`, each with both readings.
    """
    if not (isfinite(x) and isfinite(y)):
        raise BadPosition(value=_pair(x, y), crs=f"EPSG:{epsg}", remedy=say("crs_two_numbers"))
    if _fits(x, y, epsg):
        return to_degrees(x, y, epsg)
    if _fits(y, x, epsg):
        turned = f"{_pair(x, y)} = {_written(to_degrees(y, x, epsg))}"
        raise Swapped(value=turned, crs=f"EPSG:{epsg}", remedy=say("crs_x_first"))
    reading = _other_reading(x, y)
    if reading is None:
        remedy = say("crs_no_place")
        raise BadPosition(value=_pair(x, y), crs=f"EPSG:{epsg}", remedy=remedy)
    told = f"{_pair(x, y)} = {reading}"
    raise BadPosition(value=told, crs=f"EPSG:{epsg}", remedy=say("crs_other"))


def systems_of(x: float, y: float) -> tuple[int, ...]:
    """The systems in which the pair is a place of Finland, by magnitude: one, or none."""
    return tuple(each for each in (*METRIC, WGS84) if _in_finland(x, y, each))


def question_outside(position: Position, region: Region) -> None:
    """Raise `OutsideRegion`, with the point and the box, where *position* lies out of *region*."""
    if region.contains(position.lat, position.lon):
        return
    west, south, east, north = region.bounding_box
    raise OutsideRegion(
        value=f"{_written(position)} ∉ {south:g}…{north:g} N, {west:g}…{east:g} E",
        region=region.name("en"),
        remedy=say("crs_outside"),
    )


def to_degrees(x: float, y: float, epsg: int) -> Position:
    """The pair *x*, *y* of *epsg* in degrees, whatever its magnitude; raises `UnknownCrs`."""
    if epsg in _DEGREES:
        return Position(x, y)
    return Position(*_between(_known(epsg), WGS84).transform(x, y))


def from_degrees(lon: float, lat: float, epsg: int) -> tuple[float, float]:
    """The point as x, y of *epsg*; raises `UnknownCrs`."""
    if epsg in _DEGREES:
        return lon, lat
    x, y = _between(WGS84, _known(epsg)).transform(lon, lat)
    return x, y


def eastings_of(epsg: int) -> tuple[float, float]:
    """Between which eastings, in metres, the places of Finland lie in the metric system *epsg*."""
    if epsg == _TM35:
        return _EAST_3067
    middle = (epsg - _GK.start + _FIRST_ZONE) * 1e6 + 500_000.0
    return middle - _GK_HALF_M, middle + _GK_HALF_M


def epsg_by_easting(east: float) -> int | None:
    """The GK zone whose number an easting begins with, EPSG:3873 to 3885; None for another."""
    zone = _GK.start + int(east // 1_000_000) - _FIRST_ZONE
    return zone if zone in _GK else None


@cache
def _between(one: int, other: int) -> Transformer:
    # always x, y: the registry's own order of axes is north, east for GK zones and degrees
    return Transformer.from_crs(one, other, always_xy=True)


def _known(epsg: int) -> int:
    if epsg not in KNOWN:
        raise UnknownCrs(value=str(epsg), remedy=say("crs_known"))
    return epsg


def _fits(x: float, y: float, epsg: int) -> bool:
    """Whether the pair may be one of *epsg*: of degrees, whether it is one on the earth at all and
    not a place of Finland the wrong way round."""
    if epsg not in _DEGREES:
        return _in_finland(x, y, epsg)
    return abs(x) <= 180 and abs(y) <= 90 and not _in_finland(y, x, WGS84)


def _in_finland(x: float, y: float, epsg: int) -> bool:
    if epsg in _DEGREES:
        return 19 <= x <= 32 and 59 <= y <= 71
    low, high = eastings_of(epsg)
    return low <= x <= high and _NORTH[0] <= y <= _NORTH[1]


def _other_reading(x: float, y: float) -> str | None:
    """The system that the pair lies in by its size, either way round, and the point there."""
    readings = [(each, x, y) for each in systems_of(x, y)]
    readings += [(each, y, x) for each in systems_of(y, x)]
    return next(
        (f"EPSG:{epsg} {_written(to_degrees(e, n, epsg))}" for epsg, e, n in readings), None
    )


def _written(position: Position) -> str:
    return f"{position.lat:.5f} N, {position.lon:.5f} E"


def _pair(x: float, y: float) -> str:
    return f"({x:.10g}, {y:.10g})"
