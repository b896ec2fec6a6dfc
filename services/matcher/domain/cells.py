"""Boxes of latitude and longitude, about 10 km wide and high: the unit of marks and locks."""

from collections.abc import Mapping
from functools import lru_cache
from math import ceil, cos, floor, radians
from typing import Final, NamedTuple

from shared.vocabulary.distance import straight_km

STEP_DEG: Final = 0.0895
"""The height of a row: 9.95 km, so that the cell after the next lies within 20 km."""

TILE_KM: Final = 28.2
"""From the middle of a tile of 4 × 4 cells to its farthest corner."""

_SCARCE: Final = 4
_ACROSS: Final = 4030
_ROWS: Final = 2012
_KM_PER_DEG: Final = 111.195


def cell_of(lat: float, lon: float) -> int:
    """The cell of a WGS 84 point in degrees."""
    row = min(_ROWS - 1, max(0, floor((lat + 90) / STEP_DEG)))
    columns = _columns(row)
    return row * _ACROSS + floor((lon + 180) / 360 * columns) % columns


def centre_of(cell: int) -> tuple[float, float]:
    """The latitude and longitude of the middle of *cell*."""
    row, column = divmod(cell, _ACROSS)
    return _middle(row), (column + 0.5) / _columns(row) * 360 - 180


@lru_cache(maxsize=65536)
def cells_around(cell: int, radius_km: float) -> tuple[int, ...]:
    """The cells whose middle lies within *radius_km* of that of *cell*, itself included; sorted."""
    lat, lon = centre_of(cell)
    row = cell // _ACROSS
    reach = ceil(radius_km / (STEP_DEG * _KM_PER_DEG))
    found = {cell}
    for other in range(max(0, row - reach), min(_ROWS, row + reach + 1)):
        columns = _columns(other)
        width_km = 360 / columns * _KM_PER_DEG * max(0.01, cos(radians(_middle(other))))
        middle = floor((lon + 180) / 360 * columns)
        span = min(columns // 2, ceil(radius_km / width_km) + 1)
        for step in range(-span, span + 1):
            near = other * _ACROSS + (middle + step) % columns
            if straight_km(lat, lon, *centre_of(near)) <= radius_km:
                found.add(near)
    return tuple(sorted(found))


class LotCount(NamedTuple):
    """How many lots there are, by direction."""

    surpluses: int
    needs: int


def neighbourhood(
    cell: int, lots_in: Mapping[int, LotCount], *, radius_km: float, widest_km: float, lots: int
) -> tuple[int, ...]:
    """
    The cells to settle around *cell*: within *radius_km*, and farther where few lots lie.

    It grows up to *widest_km* as long as it holds at most *lots*, by the count *lots_in* each cell,
    half of them surpluses; where one direction is scarce, up to four times as many in all.
    """
    chosen = cells_around(cell, radius_km)
    for part in (0.4, 0.6, 0.8, 1.0):
        wider = cells_around(cell, max(radius_km, round(part * widest_km, 1)))
        counts = [lots_in[one] for one in wider if one in lots_in]
        surpluses = sum(counted.surpluses for counted in counts)
        needs = sum(counted.needs for counted in counts)
        if 2 * min(surpluses, needs) > lots or surpluses + needs > _SCARCE * lots:
            break
        chosen = wider
    return chosen


@lru_cache(maxsize=65536)
def tile_of(cell: int) -> int:
    """The middle cell of the tile of 4 × 4 cells that *cell* lies in: the unit of sweeps."""
    row, column = divmod(cell, _ACROSS)
    tile_row = min(_ROWS - 1, row // 4 * 4 + 2)
    columns = _columns(tile_row)
    across = floor((column + 0.5) / _columns(row) * columns)
    return tile_row * _ACROSS + min(columns - 1, across // 4 * 4 + 2)


@lru_cache(maxsize=4096)
def cells_of_tile(tile: int) -> frozenset[int]:
    """The cells that lie in *tile*, named by its middle cell."""
    return frozenset(cell for cell in cells_around(tile, 50.0) if tile_of(cell) == tile)


@lru_cache(maxsize=4096)
def _columns(row: int) -> int:
    return max(1, round(_ACROSS * cos(radians(_middle(row)))))


def _middle(row: int) -> float:
    return (row + 0.5) * STEP_DEG - 90
