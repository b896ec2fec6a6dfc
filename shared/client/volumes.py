"""
Volumes between triangulated surfaces, exact: by laying one over the other, not by sampling.

Where a face of one surface lies over a face of another in plan, their common part is a convex
polygon and the height between them a plane over it. Its integral above zero is a sum over the
triangles of the polygon that is clipped where the height changes sign. Coordinates are metres,
(n, 3) with easting, northing, height; faces (m, 3) hold rows of points.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_PAIRS: Final = 100_000
"""Pairs of faces clipped at a time: what bounds the memory."""
_CELLS_PER_FACE: Final = 8
_FLAT_M2: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Surface:
    """
    Faces as corners (m, 3, 3) that turn left, in plan metres from *origin* (easting, northing).

    *vertical* counts the faces without an area in plan, which are left out: they hold no volume.
    """

    corners: Floats
    origin: tuple[float, float]
    vertical: int = 0

    @property
    def areas(self) -> Floats:
        """Plan area of each face, m2."""
        return _areas(self.corners)

    @property
    def area(self) -> float:
        """Plan area of all faces, m2: what lies over itself counts twice."""
        return float(self.areas.sum())

    @property
    def centroid(self) -> tuple[float, float]:
        """Easting and northing of the middle of the plan area."""
        middles = self.corners[:, :, :2].mean(axis=1)
        weights = self.areas / self.area
        east, north = (middles * weights[:, None]).sum(axis=0) + np.array(self.origin)
        return float(east), float(north)

    def moved(self, up_m: float) -> "Surface":
        """The same, *up_m* higher."""
        return replace(self, corners=self.corners + np.array([0.0, 0.0, up_m]))


def pooled(parts: Sequence[Surface]) -> Surface:
    """All of *parts*, which share an origin, as one."""
    corners = np.concatenate([part.corners for part in parts])
    return Surface(corners, parts[0].origin, sum(part.vertical for part in parts))


def surface(points: Floats, faces: Ints, origin: tuple[float, float]) -> Surface:
    """The surface of *faces* over *points*; both surfaces of a volume share one *origin*."""
    corners = points[faces] - np.array([*origin, 0.0])
    twice = _turn(corners)
    corners[twice < 0] = corners[twice < 0][:, ::-1]
    standing = np.abs(twice) > 2 * _FLAT_M2
    return Surface(np.ascontiguousarray(corners[standing]), origin, int((~standing).sum()))


@dataclass(frozen=True, slots=True)
class Between:
    """
    What lies between a lower and an upper surface, m3 and m2 of plan where both are.

    *above* where the upper surface lies over the lower, *below* where it lies under it; *low* and
    *high* are both once the upper surface is moved down and up by the accuracy of its heights.
    """

    area: float = 0.0
    above: float = 0.0
    above_low: float = 0.0
    above_high: float = 0.0
    below: float = 0.0
    below_low: float = 0.0
    below_high: float = 0.0

    def __add__(self, other: "Between") -> "Between":
        names = [each.name for each in fields(self)]
        return Between(*(getattr(self, name) + getattr(other, name) for name in names))


def between(lower: Surface, upper: Surface, height_m: float = 0.0) -> Between:
    """The volumes from *lower* to *upper*, and with *upper* moved by *height_m* either way."""
    total = Between()
    for polygons, counts in _overlay(lower.corners, upper.corners):
        rise = polygons[..., 3] - polygons[..., 2]
        plan = polygons[..., :2]
        above = [_positive(plan, rise + by, counts) for by in (0.0, -height_m, height_m)]
        below = [_positive(plan, -rise + by, counts) for by in (0.0, -height_m, height_m)]
        total += Between(_integral(plan, np.ones_like(rise), counts), *above, *below)
    return total


def under_both(lower: Surface, first: Surface, second: Surface) -> tuple[float, float]:
    """(m3, m2): max(min(*first*, *second*) - *lower*, 0), over the plan where all three are."""
    volume = area = 0.0
    for polygons, counts in _overlay(lower.corners, first.corners):
        for pieces, sides in _over(polygons, counts, second.corners):
            plan = pieces[..., :2]
            one, two = pieces[..., 3] - pieces[..., 2], pieces[..., 4] - pieces[..., 2]
            area += _integral(plan, np.ones_like(one), sides)
            for rise, other in ((one, two), (two, one)):
                kept = np.concatenate([plan, rise[..., None]], axis=-1)
                part, left = _clip(kept, sides, other - rise)
                volume += _positive(part[..., :2], part[..., 2], left)
    return volume, area


def common_area(one: Surface, other: Surface) -> float:
    """Plan area where both are, m2."""
    return sum(
        _integral(polygons[..., :2], np.ones(polygons.shape[:2]), counts)
        for polygons, counts in _overlay(one.corners, other.corners)
    )


def doubled_area(one: Surface) -> float:
    """Plan area that faces of *one* cover a second time, m2."""
    return max(common_area(one, one) - one.area, 0.0) / 2


def _overlay(lower: Floats, upper: Floats) -> Iterator[tuple[Floats, Ints]]:
    """Common parts of faces of both: (k, v, 4) with x, y and both heights, and corners of each."""
    counts = np.full(len(lower), 3)
    yield from _over(lower, counts, upper)


def _over(polygons: Floats, counts: Ints, faces: Floats) -> Iterator[tuple[Floats, Ints]]:
    """The parts of *polygons* over *faces*, whose height is added to each corner as the last."""
    if not len(polygons) or not len(faces):
        return
    planes = _planes(faces)
    unused = np.arange(polygons.shape[1]) >= counts[:, None]
    plan = np.where(unused[..., None], polygons[:, :1, :2], polygons[..., :2])
    for ours, theirs in _pairs(_boxes(plan), _boxes(faces[..., :2])):
        part, sides = polygons[ours], counts[ours]
        corners = faces[theirs]
        for at in range(3):
            start, end = corners[:, at, :2], corners[:, (at + 1) % 3, :2]
            along = end - start
            off = part[..., :2] - start[:, None]
            inside = along[:, None, 0] * off[..., 1] - along[:, None, 1] * off[..., 0]
            part, sides = _clip(part, sides, inside)
        held = sides > 2
        part, sides, plane = part[held], sides[held], planes[theirs[held]]
        height = plane[:, None, 0] * part[..., 0] + plane[:, None, 1] * part[..., 1]
        yield np.concatenate([part, (height + plane[:, None, 2])[..., None]], axis=-1), sides


def _clip(polygons: Floats, counts: Ints, inside: Floats) -> tuple[Floats, Ints]:
    """
    The part of each convex polygon where *inside*, linear over it and told at its corners, is >= 0.

    Sutherland and Hodgman 1974, all polygons at a time.
    """
    many, width, values = polygons.shape
    if not many:
        return polygons, counts
    at = np.arange(width)
    valid = at < counts[:, None]
    after = np.where(at + 1 < counts[:, None], at + 1, 0)
    next_inside = np.take_along_axis(inside, after, axis=1)
    following = np.take_along_axis(polygons, after[..., None], axis=1)
    here, there = inside >= 0, next_inside >= 0
    crossing = valid & (here != there)
    apart = np.where(crossing, inside - next_inside, 1.0)
    share = np.where(crossing, inside / apart, 0.0)
    met = polygons + share[..., None] * (following - polygons)
    keep = np.stack([valid & here, crossing], axis=2).reshape(many, 2 * width)
    corners = np.stack([polygons, met], axis=2).reshape(many, 2 * width, values)
    left = keep.sum(axis=1)
    clipped = np.zeros((many, max(int(left.max()), 3), values))
    row, column = np.nonzero(keep)
    clipped[row, (np.cumsum(keep, axis=1) - 1)[row, column]] = corners[row, column]
    return clipped, left


def _positive(plan: Floats, heights: Floats, counts: Ints) -> float:
    """The integral of the heights above zero, m3."""
    part, left = _clip(np.concatenate([plan, heights[..., None]], axis=-1), counts, heights)
    return _integral(part[..., :2], part[..., 2], left)


def _integral(plan: Floats, heights: Floats, counts: Ints) -> float:
    """The integral of *heights*, linear over each polygon, by its fan of triangles."""
    total = 0.0
    for at in range(1, plan.shape[1] - 1):
        fan = counts > at + 1
        corners = plan[fan][:, [0, at, at + 1]]
        mean = heights[fan][:, [0, at, at + 1]].mean(axis=1)
        total += float((_areas(corners) * mean).sum())
    return total


def _turn(corners: Floats) -> Floats:
    first, second = corners[:, 1, :2] - corners[:, 0, :2], corners[:, 2, :2] - corners[:, 0, :2]
    turned: Floats = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    return turned


def _areas(corners: Floats) -> Floats:
    areas: Floats = np.abs(_turn(corners)) / 2
    return areas


def _planes(faces: Floats) -> Floats:
    """(m, 3): a, b and c of the height a x + b y + c over each face."""
    first, second = faces[:, 1] - faces[:, 0], faces[:, 2] - faces[:, 0]
    twice = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    a = (first[:, 2] * second[:, 1] - second[:, 2] * first[:, 1]) / twice
    b = (first[:, 0] * second[:, 2] - second[:, 0] * first[:, 2]) / twice
    c = faces[:, 0, 2] - a * faces[:, 0, 0] - b * faces[:, 0, 1]
    return np.stack([a, b, c], axis=1)


def _boxes(plan: Floats) -> Floats:
    """(n, 4): least x and y, greatest x and y."""
    return np.concatenate([plan.min(axis=1), plan.max(axis=1)], axis=1)


def _pairs(ours: Floats, theirs: Floats) -> Iterator[tuple[Ints, Ints]]:
    """
    Whose boxes meet, once each and some at a time.

    Both are entered in a grid; a pair is taken from that cell which holds the lower left corner of
    what they have in common.
    """
    both = np.concatenate([ours, theirs])
    corner = both[:, :2].min(axis=0)
    cell = max(float((both[:, 2:] - both[:, :2]).mean()), 1e-6)
    while _entries(both, corner, cell).sum() > _CELLS_PER_FACE * len(both):
        cell *= 1.5
    stride = int((both[:, 3].max() - corner[1]) / cell) + 2
    cells, faces = _entered(theirs, corner, cell, stride)
    order = np.argsort(cells, kind="stable")
    cells, faces = cells[order], faces[order]
    our_cells, our_faces = _entered(ours, corner, cell, stride)
    begin = np.searchsorted(cells, our_cells, "left")
    meeting = np.searchsorted(cells, our_cells, "right") - begin
    pairs_before = np.cumsum(meeting)
    start = 0
    while start < len(our_cells):
        done = pairs_before[start - 1] if start else 0
        stop = max(int(np.searchsorted(pairs_before, done + _PAIRS, "right")), start + 1)
        some = slice(start, stop)
        one = np.repeat(np.arange(start, stop), meeting[some])
        first = np.repeat(np.cumsum(meeting[some]) - meeting[some], meeting[some])
        other = faces[begin[one] + np.arange(len(one)) - first]
        mine = our_faces[one]
        low = np.maximum(ours[mine, :2], theirs[other, :2])
        high = np.minimum(ours[mine, 2:], theirs[other, 2:])
        column, row = ((low - corner) / cell).astype(np.int64).T
        take = (low < high).all(axis=1) & (column * stride + row == our_cells[one])
        for at in range(0, int(take.sum()), _PAIRS):
            yield mine[take][at : at + _PAIRS], other[take][at : at + _PAIRS]
        start = stop


def _spans(boxes: Floats, corner: Floats, cell: float) -> tuple[Ints, Ints]:
    least = ((boxes[:, :2] - corner) / cell).astype(np.int64)
    return least, ((boxes[:, 2:] - corner) / cell).astype(np.int64) - least + 1


def _entries(boxes: Floats, corner: Floats, cell: float) -> Ints:
    spans: Ints = _spans(boxes, corner, cell)[1].prod(axis=1)
    return spans


def _entered(boxes: Floats, corner: Floats, cell: float, stride: int) -> tuple[Ints, Ints]:
    """Each cell that a box touches, and the box."""
    least, spans = _spans(boxes, corner, cell)
    entries = spans.prod(axis=1)
    whose = np.repeat(np.arange(len(boxes)), entries)
    at = np.arange(len(whose)) - np.repeat(np.cumsum(entries) - entries, entries)
    column = least[whose, 0] + at // spans[whose, 1]
    row = least[whose, 1] + at % spans[whose, 1]
    return column * stride + row, whose
