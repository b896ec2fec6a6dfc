"""Plan metres of Finnish designs to degrees: GK zones and TM35FIN, by Krüger's series."""

from math import asinh, atan, atanh, cos, cosh, degrees, sin, sinh, sqrt
from typing import Final

TM35FIN: Final = 3067
FIRST_ZONE, LAST_ZONE = 19, 31
_FIRST_GK: Final = 3873

_A: Final = 6_378_137.0
_F: Final = 1 / 298.257222101
_N: Final = _F / (2 - _F)
_E: Final = sqrt(_F * (2 - _F))
_RADIUS: Final = _A / (1 + _N) * (1 + _N**2 / 4 + _N**4 / 64)
_BETA: Final = (
    _N / 2 - 2 * _N**2 / 3 + 37 * _N**3 / 96 - _N**4 / 360,
    _N**2 / 48 + _N**3 / 15 - 437 * _N**4 / 1440,
    17 * _N**3 / 480 - 37 * _N**4 / 840,
    4397 * _N**4 / 161280,
)
"""GRS 80 and the series to the fourth power of the third flattening: Krüger 1912, as in JHS 197."""


def zone_of(epsg: int) -> int | None:
    """The central meridian of a GK zone, EPSG:3873 to 3885; None for another code."""
    zone = epsg - _FIRST_GK + FIRST_ZONE
    return zone if FIRST_ZONE <= zone <= LAST_ZONE else None


def zone_by_easting(east: float) -> int | None:
    """The EPSG code that the first two digits of an easting tell; None where they tell none."""
    zone = int(east // 1_000_000)
    return zone - FIRST_ZONE + _FIRST_GK if FIRST_ZONE <= zone <= LAST_ZONE else None


def to_degrees(east: float, north: float, epsg: int) -> tuple[float, float]:
    """
    (lat, lon) of a point in *epsg*, within a millimetre in Finland.

    ETRS89 is taken for WGS 84: they differ by less than a metre. Raises `ValueError` for a code
    that is neither a GK zone nor TM35FIN.
    """
    zone = zone_of(epsg)
    if zone is None and epsg != TM35FIN:
        raise ValueError(f"EPSG:{epsg} is neither 3067 nor a GK zone, 3873 to 3885")
    middle, scale = (27, 0.9996) if zone is None else (zone, 1.0)
    false_east = 500_000.0 if zone is None else zone * 1_000_000 + 500_000.0
    xi, eta = north / (_RADIUS * scale), (east - false_east) / (_RADIUS * scale)
    up = xi - sum(b * sin(2 * k * xi) * cosh(2 * k * eta) for k, b in enumerate(_BETA, 1))
    side = eta - sum(b * cos(2 * k * xi) * sinh(2 * k * eta) for k, b in enumerate(_BETA, 1))
    tangent = sin(up) / sqrt(sinh(side) ** 2 + cos(up) ** 2)
    return _geodetic(tangent), middle + degrees(atan(sinh(side) / cos(up)))


def _geodetic(conformal: float) -> float:
    """The latitude whose conformal latitude has the tangent *conformal*, degrees."""
    lat = atan(conformal)
    for _ in range(6):
        shift = _E * atanh(_E * sin(lat))
        lat = atan(sinh(asinh(conformal) + shift))
    return degrees(lat)
