"""
Coordinates of the Finnish systems as WGS 84 degrees and back: always x, y (east, north; lon, lat).

Transverse Mercator on GRS 80 by Krüger's series to the fourth power of n, below a millimetre in
the whole country. ETRS89 is taken as WGS 84, as EPSG's null transformation does.
"""

import re
from dataclasses import dataclass
from functools import cache
from math import asinh, atan, atan2, atanh, cos, cosh, degrees, hypot, isfinite, radians, sin, sinh
from typing import ClassVar, Final, NamedTuple

from shared.vocabulary.errors import Refused
from shared.vocabulary.regions import Region

WGS84: Final = 4326
_DEGREES: Final = (4326, 4258)
_TM35: Final = 3067
_GK: Final = range(3873, 3886)
KNOWN: Final = (_TM35, *_GK, *_DEGREES)

_A: Final = 6378137.0
_F: Final = 1 / 298.257222101
_N: Final = _F / (2 - _F)
_E: Final = (_F * (2 - _F)) ** 0.5
_R: Final = _A / (1 + _N) * (1 + _N**2 / 4 + _N**4 / 64)
_FORWARD: Final = (
    _N / 2 - 2 * _N**2 / 3 + 5 * _N**3 / 16 + 41 * _N**4 / 180,
    13 * _N**2 / 48 - 3 * _N**3 / 5 + 557 * _N**4 / 1440,
    61 * _N**3 / 240 - 103 * _N**4 / 140,
    49561 * _N**4 / 161280,
)
_BACK: Final = (
    _N / 2 - 2 * _N**2 / 3 + 37 * _N**3 / 96 - _N**4 / 360,
    _N**2 / 48 + _N**3 / 15 - 437 * _N**4 / 1440,
    17 * _N**3 / 480 - 37 * _N**4 / 840,
    4397 * _N**4 / 161280,
)

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
        remedy = "Use EPSG:3067, EPSG:3873 to 3885, 4258 or 4326."
        raise UnknownCrs(value=told[:200], remedy=remedy)
    return code


def read_position(x: float, y: float, epsg: int) -> Position:
    """
    The point of the pair *x*, *y* of *epsg*, in degrees.

    A pair is read by its magnitude as well, and never by it alone: one that lies in another system
    raises `BadPosition`, one that is the wrong way round `Swapped`, each with both readings.
    """
    if not (isfinite(x) and isfinite(y)):
        raise BadPosition(value=_pair(x, y), crs=f"EPSG:{epsg}", remedy="Give two numbers.")
    if _fits(x, y, epsg):
        return to_degrees(x, y, epsg)
    if _fits(y, x, epsg):
        turned = f"{_pair(x, y)} = {_written(to_degrees(y, x, epsg))}"
        raise Swapped(value=turned, crs=f"EPSG:{epsg}", remedy="Write x (east) first.")
    reading = _other_reading(x, y)
    if reading is None:
        remedy = "It is no place of Finland in any system that is read: check both numbers."
        raise BadPosition(value=_pair(x, y), crs=f"EPSG:{epsg}", remedy=remedy)
    remedy = (
        "Say the system that their size shows where the file says another, or mend the numbers."
    )
    raise BadPosition(value=f"{_pair(x, y)} = {reading}", crs=f"EPSG:{epsg}", remedy=remedy)


def systems_of(x: float, y: float) -> tuple[int, ...]:
    """The systems in which the pair is a place of Finland, by magnitude: one, or none."""
    return tuple(each for each in (_TM35, *_GK, WGS84) if _in_finland(x, y, each))


def question_outside(position: Position, region: Region) -> None:
    """Raise `OutsideRegion`, with the point and the box, where *position* lies out of *region*."""
    if region.contains(position.lat, position.lon):
        return
    west, south, east, north = region.bounding_box
    raise OutsideRegion(
        value=f"{_written(position)} ∉ {south:g}…{north:g} N, {west:g}…{east:g} E",
        region=region.name("en"),
        remedy="Check the coordinates and their system, or say the region it lies in.",
    )


def to_degrees(x: float, y: float, epsg: int) -> Position:
    """The pair *x*, *y* of *epsg* in degrees, whatever its magnitude; raises `UnknownCrs`."""
    if epsg in _DEGREES:
        return Position(x, y)
    grid = _grid(epsg)
    xi, eta = y / (grid.scale * _R), (x - grid.false_east) / (grid.scale * _R)
    steps = tuple(enumerate(_BACK, start=1))
    xi, eta = (
        xi - sum(b * sin(2 * k * xi) * cosh(2 * k * eta) for k, b in steps),
        eta - sum(b * cos(2 * k * xi) * sinh(2 * k * eta) for k, b in steps),
    )
    tau = wanted = sin(xi) / hypot(sinh(eta), cos(xi))
    for _ in range(3):
        sigma = sinh(_E * atanh(_E * tau / hypot(1, tau)))
        near = tau * hypot(1, sigma) - sigma * hypot(1, tau)
        slope = (1 + (1 - _E**2) * tau**2) / ((1 - _E**2) * hypot(1, tau))
        tau += (wanted - near) / hypot(1, near) * slope
    lon = grid.meridian + degrees(atan2(sinh(eta), cos(xi)))
    return Position(lon, degrees(atan(tau)))


def from_degrees(lon: float, lat: float, epsg: int) -> tuple[float, float]:
    """The point as x, y of *epsg*; raises `UnknownCrs`."""
    if epsg in _DEGREES:
        return lon, lat
    grid = _grid(epsg)
    sine, away = sin(radians(lat)), radians(lon - grid.meridian)
    tau = sinh(atanh(sine) - _E * atanh(_E * sine))
    xi, eta = atan2(tau, cos(away)), asinh(sin(away) / hypot(tau, cos(away)))
    steps = tuple(enumerate(_FORWARD, start=1))
    north = xi + sum(a * sin(2 * k * xi) * cosh(2 * k * eta) for k, a in steps)
    east = eta + sum(a * cos(2 * k * xi) * sinh(2 * k * eta) for k, a in steps)
    return grid.false_east + grid.scale * _R * east, grid.scale * _R * north


@dataclass(frozen=True, slots=True)
class _Grid:
    """A transverse Mercator grid: degrees, metres."""

    meridian: float
    scale: float
    false_east: float


@cache
def _grid(epsg: int) -> _Grid:
    if epsg == _TM35:
        return _Grid(27.0, 0.9996, 500_000.0)
    if epsg in _GK:
        zone = epsg - _GK.start + 19
        return _Grid(float(zone), 1.0, zone * 1e6 + 500_000.0)
    raise UnknownCrs(value=str(epsg), remedy="Use EPSG:3067, EPSG:3873 to 3885, 4258 or 4326.")


def _fits(x: float, y: float, epsg: int) -> bool:
    """Whether the pair may be one of *epsg*: of degrees, whether it is one on the earth at all and
    not a place of Finland the wrong way round."""
    if epsg not in _DEGREES:
        return _in_finland(x, y, epsg)
    return abs(x) <= 180 and abs(y) <= 90 and not _in_finland(y, x, WGS84)


def _in_finland(x: float, y: float, epsg: int) -> bool:
    if epsg in _DEGREES:
        return 19 <= x <= 32 and 59 <= y <= 71
    grid = _grid(epsg)
    low, high = (
        _EAST_3067
        if epsg == _TM35
        else (grid.false_east - _GK_HALF_M, grid.false_east + _GK_HALF_M)
    )
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
