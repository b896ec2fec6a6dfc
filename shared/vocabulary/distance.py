"""How far it is by road, from a straight line and the ratio measured for its length."""

from collections.abc import Sequence
from itertools import pairwise
from math import asin, cos, radians, sin, sqrt
from typing import Final

from shared.vocabulary.provenance import Tag
from shared.vocabulary.tables import table, version_of

RATIO_VERSION: Final = version_of("distance_ratio")
"""The version kept beside every distance computed here, as text."""

SAME_PLACE_KM: Final[float] = table("distance_ratio")["same_place"]["km"]
"""
Straight-line kilometres between two lots known only by the same municipality: never 0, for masses
that share a centre point do not share a site. A rule of this product and a setting.
"""

EARTH_RADIUS_KM: Final = 6371.0088
"""Mean radius of the earth, IUGG."""

_BANDS: Final = table("distance_ratio")["bands"]
_MIDPOINTS: Final[tuple[tuple[float, float], ...]] = tuple(
    ((band["from_km"] + band["to_km"]) / 2, band["ratio"]) for band in _BANDS
)
_MEASURED_TO_KM: Final[float] = _BANDS[-1]["to_km"]


def straight_km(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    """The great-circle distance in kilometres between two WGS 84 points in degrees (haversine)."""
    phi1, phi2 = radians(lat1), radians(lat2)
    half_lat, half_lon = (phi2 - phi1) / 2, radians(lon2 - lon1) / 2
    chord = sin(half_lat) ** 2 + cos(phi1) * cos(phi2) * sin(half_lon) ** 2
    return 2 * EARTH_RADIUS_KM * asin(sqrt(min(1.0, chord)))


def road_ratio(straight_km: float) -> float:
    """
    Road kilometres per straight-line kilometre.

    Linear between the midpoints of 5 km bands and held outside them: 1.72 below 2.5 km, 1.36 above
    32.5 km. A step at a band's edge would make 4.99 km farther by road than 5.01 km. Medians of car
    routes in the Helsinki region, 2015; trucks and other regions are not measured.
    """
    return ratio_between(straight_km, _MIDPOINTS)


def ratio_between(straight_km: float, midpoints: Sequence[tuple[float, float]]) -> float:
    """
    The ratio at *straight_km*: linear between *midpoints* (km, ratio) and held outside them.

    As it is for the midpoints of this table, and for others that a measurement fits.
    """
    if straight_km <= midpoints[0][0]:
        return midpoints[0][1]
    for (near, ratio), (far, next_ratio) in pairwise(midpoints):
        if straight_km <= far:
            return ratio + (next_ratio - ratio) * (straight_km - near) / (far - near)
    return midpoints[-1][1]


def road_km(straight_km: float) -> float:
    """The distance by road in kilometres; grows with the straight line. A real route overrides."""
    return straight_km * road_ratio(straight_km)


def ratio_tag(straight_km: float) -> Tag:
    """The tag of the ratio at this length: derived as far as was measured, then unverified."""
    return "derived" if straight_km <= _MEASURED_TO_KM else "unverified"
