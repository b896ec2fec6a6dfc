"""Where a thing lies: the point that was told, or the centre of its municipality."""

from collections.abc import Mapping
from typing import Any

from services.registry.domain.fields import closest
from services.registry.domain.values import Reason
from shared.vocabulary.regions import Region

_NORTHINGS = (6_500_000.0, 7_900_000.0)
_NATIONAL_EASTINGS = (50_000.0, 762_000.0)
_IN_METRES_ABOVE = 1000.0
_ZONES = range(19, 32)
_ZONE_HALF_WIDTH_M = 150_000.0


def place_reasons(told: Mapping[str, Any], region: Region) -> list[Reason]:
    """Every reason against the place in *told*: its municipality and its point."""
    return [*_municipality(told, region), *_point(told, region)]


def place_of(told: Mapping[str, Any], region: Region) -> dict[str, Any] | None:
    """
    The place in *told*, as announced; None where it tells neither municipality nor point.

    Without a point it is the municipality's centre, and says so; a point may be told as no better
    than that. Raises `UnknownPlace`.
    """
    if told.get("municipality") is None:
        return None
    known = region.place(told["municipality"])
    has_point = told.get("lat") is not None
    exact = has_point and told.get("precision") != "municipality"
    return {
        "municipality": known.code,
        "sub_region": known.subregion or "",
        "lat": told["lat"] if has_point else known.lat,
        "lon": told["lon"] if has_point else known.lon,
        "precision": "exact" if exact else "municipality",
    }


def _municipality(told: Mapping[str, Any], region: Region) -> list[Reason]:
    code = told.get("municipality")
    if code is None or any(each.code == code for each in region.places):
        return []
    known = tuple(each.code for each in region.places)
    zeros = [each for each in known if each.lstrip("0") == code.lstrip("0")]
    close = ("close", zeros) if zeros else closest(code, known)
    says = {"region": region.code, "close": close}
    return [Reason("municipality_unknown", "/municipality", code, says)]


def _point(told: Mapping[str, Any], region: Region) -> list[Reason]:
    lat, lon = told.get("lat"), told.get("lon")
    if lat is None and lon is None:
        return []
    if lat is None or lon is None:
        missing = "lat" if lat is None else "lon"
        return [Reason("coordinates_incomplete", f"/{missing}")]
    says: dict[str, Any] = {"lat": lat, "lon": lon, "region": region.code}
    if max(abs(lat), abs(lon)) > _IN_METRES_ABOVE:
        crs, east, north = metres_of(lat, lon, region.metric_crs)
        says |= {"crs": crs, "east": east, "north": north}
        return [Reason("coordinates_in_metres", "/lat", lat, says)]
    if region.looks_swapped(lat, lon):
        return [Reason("coordinates_swapped", "/lat", lat, says)]
    if not region.contains(lat, lon):
        return [Reason("coordinates_outside_region", "/lat", lat, says)]
    return []


def metres_of(first: float, second: float, metric_crs: str) -> tuple[str, float, float]:
    """
    What two numbers that are no degrees read as: the CRS by magnitude, easting, northing.

    The ranges of EPSG:3067 and of the Finnish GK zones do not overlap (facts of `crs.json`); what
    fits none is taken to be in the region's own *metric_crs*, in the order told.
    """
    for east, north in ((first, second), (second, first)):
        if not _NORTHINGS[0] <= north <= _NORTHINGS[1]:
            continue
        if _NATIONAL_EASTINGS[0] <= east <= _NATIONAL_EASTINGS[1]:
            return "EPSG:3067", east, north
        for zone in _ZONES:
            if abs(east - (zone * 1e6 + 500_000)) <= _ZONE_HALF_WIDTH_M:
                return f"EPSG:{3873 + zone - 19}", east, north
    return metric_crs, first, second
