"""Known roads: kilometres that a routing engine told, by points rounded to about 10 metres."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from services.matcher.domain.values import Lot
from shared.vocabulary.distance import RATIO_VERSION, road_km, straight_km

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Pair = tuple[int, int]
"""Where a road begins and where it ends, as points."""

RATIO, ROUTE = "ratio", "route"

_PER_DEG: Final = 10_000
_WIDTH: Final = 3_600_001
_SHORTEST: Final = 0.9  # times the straight line; beyond, the engine means other places
_LONGEST: Final = 5.0
_LITTLE_KM: Final = 0.3
_LITTLE: Final = 0.02  # of the distance


def point_of(lat: float, lon: float) -> int:
    """The point of a WGS 84 place in degrees, rounded to 0.0001° (11 m from south to north)."""
    return round((lat + 90) * _PER_DEG) * _WIDTH + round((lon + 180) * _PER_DEG)


def points_of(lat: Floats, lon: Floats) -> Ints:
    """`point_of` of many."""
    rows, columns = np.rint((lat + 90) * _PER_DEG), np.rint((lon + 180) * _PER_DEG)
    return rows.astype(np.int64) * _WIDTH + columns.astype(np.int64)


def place_of(point: int) -> tuple[float, float]:
    """Latitude and longitude of *point*."""
    row, column = divmod(point, _WIDTH)
    return round(row / _PER_DEG - 90, 4), round(column / _PER_DEG - 180, 4)


class Road(NamedTuple):
    """What an engine told of one pair: km, None when it is not usable; which engine, its data."""

    pair: Pair
    km: float | None
    version: str


class Measured(NamedTuple):
    """How a distance was measured: `ratio` or `route`, and the version of the table or engine."""

    method: str
    version: str


BY_RATIO: Final = Measured(RATIO, RATIO_VERSION)


@dataclass(frozen=True)
class Roads:
    """
    The roads that are known between some lots, and those that are asked for already.

    *km* is NaN where a road is asked for, or was answered with nothing usable; *asked* is false
    where an answer is so old that it should be asked for again.
    """

    origins: Ints
    destinations: Ints
    keys: Ints
    km: Floats
    versions: Sequence[str]
    asked: Bools

    @classmethod
    def of(
        cls,
        origins: Sequence[int],
        destinations: Sequence[int],
        km: Sequence[float | None],
        versions: Sequence[str],
        asked: Sequence[bool],
    ) -> Self:
        """Columns of the same length, each pair once, in any order."""
        starts, row = np.unique(np.array(origins, np.int64), return_inverse=True)
        ends, column = np.unique(np.array(destinations, np.int64), return_inverse=True)
        keys = row * len(ends) + column
        order = np.argsort(keys)
        return cls(
            starts, ends, keys[order],
            np.array(km, np.float64)[order],  # None becomes NaN
            [versions[at] for at in order.tolist()],
            np.array(asked, np.bool_)[order],
        )  # fmt: skip

    def rows_of(self, origins: Ints, destinations: Ints) -> Ints:
        """The row here of each pair of points; -1 for those that are not here."""
        if not len(self.keys):
            return np.full(len(origins), -1, np.int64)
        row = np.minimum(np.searchsorted(self.origins, origins), len(self.origins) - 1)
        column = np.searchsorted(self.destinations, destinations)
        column = np.minimum(column, len(self.destinations) - 1)
        key = row * len(self.destinations) + column
        at = np.minimum(np.searchsorted(self.keys, key), len(self.keys) - 1)
        there = self.origins[row] == origins
        there &= (self.destinations[column] == destinations) & (self.keys[at] == key)
        return np.where(there, at, -1)

    def km_of(self, origins: Ints, destinations: Ints) -> Floats:
        """The road km of each pair of points; NaN where none is known."""
        at = self.rows_of(origins, destinations)
        if not len(self.keys):
            return np.full(len(at), np.nan)
        return np.where(at >= 0, self.km[at], np.nan)

    def measured(self, surplus: Lot, need: Lot) -> Measured:
        """How the distance of the pair is measured, with these roads known."""
        if not is_by_road(surplus, need):
            return BY_RATIO
        ends = (np.array([point_of(lot.lat, lot.lon)]) for lot in (surplus, need))
        at = int(self.rows_of(*ends)[0])
        if at < 0 or np.isnan(self.km[at]):
            return BY_RATIO
        return Measured(ROUTE, self.versions[at])


def is_by_road(surplus: Lot, need: Lot) -> bool:
    """Whether a public road leads from one to the other, and is known where it begins and ends."""
    if surplus.project_id == need.project_id:
        return False
    towns = [(lot.region, lot.municipality) for lot in (surplus, need)]
    return surplus.exact or need.exact or towns[0] != towns[1]


def roads_wanted(
    surpluses: Sequence[Lot],
    needs: Sequence[Lot],
    *,
    surplus: Ints,
    need: Ints,
    cents: Ints,
    tonnes: Ints,
    known: Roads,
    each: int,
) -> list[Pair]:
    """
    Roads worth asking for, in order: of what is planned, and of the best *each* of its lots.

    *surplus*, *need*, *cents* and *tonnes* are of the same feasible pairs. A road that is asked for
    already is left out.
    """
    busy = tonnes > 0
    chosen = busy.copy()
    for side in (surplus, need):
        chosen |= np.isin(side, side[busy]) & (_place_in(side, cents) < each)
    s, n = surplus[chosen], need[chosen]
    origins, destinations = _points(surpluses)[s], _points(needs)[n]
    at = known.rows_of(origins, destinations)
    fresh = origins != destinations
    if len(known.keys):
        fresh &= ~((at >= 0) & known.asked[at])
    pairs = zip(origins[fresh].tolist(), destinations[fresh].tolist(), strict=True)
    lots = zip(s[fresh].tolist(), n[fresh].tolist(), strict=True)
    return sorted({
        pair for pair, (giver, taker) in zip(pairs, lots, strict=True)
        if is_by_road(surpluses[giver], needs[taker])
    })  # fmt: skip


def _points(lots: Sequence[Lot]) -> Ints:
    lat = np.array([lot.lat for lot in lots], np.float64)
    return points_of(lat, np.array([lot.lon for lot in lots], np.float64))


def _place_in(side: Ints, cents: Ints) -> Ints:
    """The place of each pair among those of the same lot, the one worth most first: 0, 1 …"""
    order = np.lexsort((-cents, side))
    begins = np.searchsorted(side[order], side[order])
    places = np.empty(len(side), np.int64)
    places[order] = np.arange(len(side)) - begins
    return places


def tables_of(pairs: Iterable[Pair], points: int) -> Iterator[list[Pair]]:
    """*pairs* in tables of origins times destinations, of at most *points* (2 or more) points."""
    table: list[Pair] = []
    origins: set[int] = set()
    destinations: set[int] = set()
    for origin, destination in sorted(pairs):
        more = (origin not in origins) + (destination not in destinations)
        if table and len(origins) + len(destinations) + more > points:
            yield table
            table, origins, destinations = [], set(), set()
        table.append((origin, destination))
        origins.add(origin)
        destinations.add(destination)
    if table:
        yield table


def usable_km(metres: float | None, pair: Pair) -> float | None:
    """
    Road km of *metres* that an engine told, or None.

    Nothing told, less than 0.9 or more than 5 times the straight line is not usable.
    """
    straight = straight_km(*place_of(pair[0]), *place_of(pair[1]))
    if metres is None or not isfinite(metres):
        return None
    km = round(metres / 1000, 3)
    return km if _SHORTEST * straight <= km <= _LONGEST * straight else None


def differs(pair: Pair, before: float | None, now: float | None) -> bool:
    """Whether *now* is another distance than *before*, and by more than a little; None: ratio."""
    ratio = road_km(straight_km(*place_of(pair[0]), *place_of(pair[1])))
    was, is_ = (ratio if km is None else km for km in (before, now))
    return abs(is_ - was) > max(_LITTLE_KM, _LITTLE * was)
