"""Geometries, as GeoJSON tells them: one point that stands for each, inside of it where it can."""

import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import isfinite
from typing import Any, ClassVar, Final

from shared.client.crs import WGS84, Position, epsg_of, read_position
from shared.client.said import say
from shared.vocabulary.errors import Refused

Pair = tuple[float, float]
Ring = list[Pair]

GEOMETRY: Final = "geometry"
"""The column in which a geographic file's geometry stands, as GeoJSON."""
MOST_POSITIONS: Final = 200_000
_DEPTHS: Final = {
    "Point": 0, "MultiPoint": 1, "LineString": 1, "MultiLineString": 2, "Polygon": 2,
    "MultiPolygon": 3,
}  # fmt: skip
_RING: Final = 4


class BadGeometry(Refused):
    """The geometry {value!r} cannot be read. {remedy}"""

    code: ClassVar[str] = "geometry_unreadable"


def position_in(text: str, crs: str | None = None) -> Position:
    """
    The point that stands for the GeoJSON geometry *text*.

    Its system is the one of its own `crs` member, else *crs*, else WGS 84. Raises `BadGeometry`,
    and what `read_position` raises.
    """
    try:
        told = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadGeometry(value=text[:80], remedy=say("geometry_json")) from error
    if not isinstance(told, dict):
        raise BadGeometry(value=text[:80], remedy=say("geometry_json"))
    epsg = crs_of(told) or (epsg_of(crs) if crs else WGS84)
    return read_position(*point_of(told), epsg)


def crs_of(told: dict[str, Any]) -> int | None:
    """The system that the `crs` member of a GeoJSON object names; None without one."""
    named = told.get("crs")
    if named is None:
        return None
    if isinstance(named, dict):
        properties = named.get("properties")
        named = properties.get("name", "") if isinstance(properties, dict) else ""
    return epsg_of(named if isinstance(named, str | int) else "")


def point_of(geometry: dict[str, Any]) -> Pair:
    """
    x, y of the point that stands for *geometry*, in its own system.

    Of a polygon a point inside (of several, inside of the largest), of a line its middle point, of
    points the one nearest to their mean. Raises `BadGeometry`.
    """
    kind = geometry.get("type")
    if kind not in _DEPTHS:
        remedy = say("geometry_kinds", kinds=", ".join(_DEPTHS))
        raise BadGeometry(value=str(kind)[:80], remedy=remedy)
    coordinates: Any = geometry.get("coordinates")
    pairs = list(_pairs(coordinates, _DEPTHS[kind]))
    if not pairs:
        raise BadGeometry(value=kind, remedy=say("geometry_empty"))
    if kind == "Point":
        return pairs[0]
    if kind == "MultiPoint":
        return _nearest_to_mean(pairs)
    if kind == "LineString":
        return pairs[len(pairs) // 2]
    if kind == "MultiLineString":
        longest = max((list(_pairs(line, 1)) for line in coordinates), key=len)
        return longest[len(longest) // 2]
    polygons = [coordinates] if kind == "Polygon" else coordinates
    return _inside(max((_rings(each) for each in polygons), key=lambda rings: _area(rings[0])))


def _pairs(told: Any, depth: int) -> Iterator[Pair]:
    """The positions in *told*, lists of lists to *depth*; heights and measures are left out."""
    level = [told]
    for _ in range(depth):
        if not all(isinstance(each, list) for each in level):
            raise BadGeometry(value=str(told)[:80], remedy=say("geometry_depth"))
        level = [inner for each in level for inner in each]
        if len(level) > MOST_POSITIONS:
            remedy = say("geometry_positions", most=MOST_POSITIONS)
            raise BadGeometry(value=f"{len(level)} positions", remedy=remedy)
    for each in level:
        if not isinstance(each, list) or len(each) < 2 or not all(map(_is_number, each[:2])):
            if each == [] and depth == 0:
                return
            raise BadGeometry(value=str(each)[:80], remedy=say("geometry_pair"))
        yield float(each[0]), float(each[1])


def _is_number(told: Any) -> bool:
    if isinstance(told, bool) or not isinstance(told, int | float):
        return False
    try:
        return isfinite(float(told))
    except OverflowError:
        return False


def _rings(polygon: Any) -> list[Ring]:
    rings = [list(_pairs(ring, 1)) for ring in polygon] if isinstance(polygon, list) else []
    if not rings or any(len(ring) < _RING or ring[0] != ring[-1] for ring in rings):
        raise BadGeometry(value=str(polygon)[:80], remedy=say("geometry_ring"))
    return rings


def _nearest_to_mean(pairs: Sequence[Pair]) -> Pair:
    x, y = (sum(axis) / len(pairs) for axis in zip(*pairs, strict=True))
    return min(pairs, key=lambda pair: (pair[0] - x) ** 2 + (pair[1] - y) ** 2)


def _area(ring: Ring) -> float:
    """Twice the area, from the ring's first corner so that large coordinates lose nothing."""
    x0, y0 = ring[0]
    moved = [(x - x0, y - y0) for x, y in ring]
    return abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise(moved)))


def _inside(rings: list[Ring]) -> Pair:
    """
    A point inside of the polygon: the middle of the longest run within it, on a line through the
    middle of its height.
    """
    heights = sorted({y for x, y in rings[0]})
    if len(heights) < 2:
        return _nearest_to_mean(rings[0])
    middle = (heights[0] + heights[-1]) / 2
    below = max((y for ring in rings for _, y in ring if y <= middle), default=heights[0])
    above = min((y for ring in rings for _, y in ring if y > middle), default=heights[-1])
    y = (below + above) / 2  # between two corners, so that the line meets none
    crossings = sorted(
        a[0] + (y - a[1]) * (b[0] - a[0]) / (b[1] - a[1])
        for ring in rings
        for a, b in pairwise(ring)
        if (a[1] > y) != (b[1] > y)
    )
    runs = list(zip(crossings[::2], crossings[1::2], strict=False))
    if not runs:
        return _nearest_to_mean(rings[0])
    left, right = max(runs, key=lambda run: run[1] - run[0])
    return (left + right) / 2, y
