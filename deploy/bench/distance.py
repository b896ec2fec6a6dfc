"""`bench distance`: how far from real roads the ratio is, on destinations it was not fitted on."""

import csv
import struct
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deploy.bench.figures import Figure, Goal, Report, Sheet
from shared.vocabulary.distance import RATIO_VERSION, ratio_between, road_ratio
from shared.vocabulary.tables import table

Floats = NDArray[np.float64]
Ratio = Callable[[Floats], Floats]
"""The ratio at each straight-line distance in km."""

GRID: Final = "MetropAccess_YKR_grid_EurefFIN"
ROUTES: Final = "TravelTimes_to_*.txt"
FLAT: Final = 1.3
"""What is often taken for every distance; the peer that the ratio is held against."""

_FEWEST: Final = 50  # pairs; a band of fewer has no median worth having
_STEPS: Final = 100  # of reweighting, until the least absolute error is found
_BETTER: Final = Goal(1.0, of="ratio")
_LITTLE_BIAS: Final = Goal(3.0)


class Unreadable(ValueError):
    """The folder is not as its README describes it: file, what is wrong."""


class Pairs(NamedTuple):
    """Straight-line and road kilometres of the same pairs."""

    straight: Floats
    road: Floats


class Errors(NamedTuple):
    """
    In per cent: the median absolute error, the mean error with its sign, and that of the sum of km.
    """

    median: float
    bias: float
    total: float


async def measure(folder: Path) -> Report:
    """
    Fit on all destinations in *folder* but one, test on that one, each in turn; all errors pooled.

    Raises `Unreadable` and `FileNotFoundError`, with the name of the file.
    """
    began, clock = datetime.now(UTC), time.perf_counter()
    told = destinations(folder)
    asked = {"destinations": list(told), "table": RATIO_VERSION}
    figures = _figures(told)
    return Report("distance", asked, figures, began, time.perf_counter() - clock)


def _figures(told: Mapping[str, Pairs]) -> list[Figure]:
    straight, road = _joined(list(told.values()))
    bands, flat = _held_out(told, banded), straight * FLAT
    mine, beside = errors(bands, road), errors(flat, road)
    peer = f"flat {FLAT}"

    held = Sheet("held out")
    note = f"{len(road)} pairs, each tested on a fit without its destination"
    held.add("median error", mine.median, "%", (peer, beside.median), goal=_BETTER, note=note)
    held.add("bias, either way", abs(mine.bias), "%", goal=_LITTLE_BIAS, note=f"{mine.bias:+.2f} %")
    held.add("bias", mine.bias, "%", (peer, beside.bias))
    held.add("error of the sum of km", mine.total, "%", (peer, beside.total))
    for low, high in _bands():
        inside = (straight >= low) & (straight < high)
        if inside.any():
            _both(f"{low:g}–{high:g} km", held, bands, flat, road, inside)
    start = 0
    for name, pairs in told.items():
        inside = np.zeros(len(road), np.bool_)
        inside[start : start + len(pairs.road)] = True
        start += len(pairs.road)
        _both(name, held, bands, flat, road, inside)

    others = Sheet("other models, held out")
    for name, fit in (("flat, fitted", flat_fitted), ("bands of 2.5 km", narrow),
                      ("a + b / straight km", hyperbola)):  # fmt: skip
        found = errors(_held_out(told, fit), road)
        others.add(f"{name}: median error", found.median, "%", (peer, beside.median))
        others.add(f"{name}: bias", found.bias, "%", (peer, beside.bias))

    table_km = straight * np.array([road_ratio(km) for km in straight.tolist()])
    shipped, asked = errors(table_km, road), Sheet("the table as it ships")
    note = "fitted on these destinations and two more, so not held out"
    asked.add("median error", shipped.median, "%", (peer, beside.median), note=note)
    asked.add("bias", shipped.bias, "%", (peer, beside.bias), note=note)
    return [*held.figures, *others.figures, *asked.figures]


def _both(
    name: str, sheet: Sheet, mine: Floats, flat: Floats, road: Floats, inside: NDArray[np.bool_]
) -> None:
    one, other = errors(mine[inside], road[inside]), errors(flat[inside], road[inside])
    note = f"{int(inside.sum())} pairs"
    sheet.add(f"{name}: median error", one.median, "%", (f"flat {FLAT}", other.median), note=note)
    sheet.add(f"{name}: bias", one.bias, "%", (f"flat {FLAT}", other.bias), note=note)


def errors(told: Floats, road: Floats) -> Errors:
    """How far *told* kilometres are from those by *road*."""
    off = told / road - 1
    return Errors(
        float(np.median(np.abs(off)) * 100),
        float(off.mean() * 100),
        float((told.sum() / road.sum() - 1) * 100),
    )


def _held_out(told: Mapping[str, Pairs], fit: Callable[[Pairs], Ratio]) -> Floats:
    """Kilometres of all pairs, each by a fit on the destinations that are not its own."""
    found = []
    for name, pairs in told.items():
        ratio = fit(_joined([other for key, other in told.items() if key != name]))
        found.append(pairs.straight * ratio(pairs.straight))
    return np.concatenate(found)


def _joined(parts: Sequence[Pairs]) -> Pairs:
    return Pairs(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


# --- models -----------------------------------------------------------------------------------


def _bands() -> list[tuple[float, float]]:
    return [(band["from_km"], band["to_km"]) for band in table("distance_ratio")["bands"]]


def banded(pairs: Pairs) -> Ratio:
    """The form of the table: medians of its bands, linear between their midpoints."""
    return _medians(pairs, _bands())


def narrow(pairs: Pairs) -> Ratio:
    """The same with bands half as wide."""
    halves = [(low, (low + high) / 2) for low, high in _bands()]
    return _medians(pairs, sorted([*halves, *((mid, 2 * mid - low) for low, mid in halves)]))


def _medians(pairs: Pairs, bands: Sequence[tuple[float, float]]) -> Ratio:
    midpoints = []
    for low, high in bands:
        inside = (pairs.straight >= low) & (pairs.straight < high)
        if inside.sum() >= _FEWEST:
            median = float(np.median(pairs.road[inside] / pairs.straight[inside]))
            midpoints.append(((low + high) / 2, median))
    return lambda straight: np.array([ratio_between(km, midpoints) for km in straight.tolist()])


def flat_fitted(pairs: Pairs) -> Ratio:
    """One ratio for all: the median."""
    ratio = float(np.median(pairs.road / pairs.straight))
    return lambda straight: np.full_like(straight, ratio)


def hyperbola(pairs: Pairs) -> Ratio:
    """`a + b / straight km`, so that a road is a fixed detour and a share; least absolute error."""
    columns = np.stack((pairs.straight / pairs.road, 1 / pairs.road), axis=1)
    weights = np.ones(len(pairs.road))
    a = b = 0.0
    for _ in range(_STEPS):
        root = np.sqrt(weights)
        a, b = np.linalg.lstsq(columns * root[:, None], root, rcond=None)[0].tolist()
        weights = 1 / np.maximum(np.abs(columns @ (a, b) - 1), 1e-4)
    return lambda straight: a + b / straight


# --- the files --------------------------------------------------------------------------------


def destinations(folder: Path) -> dict[str, Pairs]:
    """The pairs of each destination in *folder*, by its name; pairs without a route left out."""
    centres = _centres(folder / f"{GRID}.dbf", folder / f"{GRID}.shp")
    files = sorted(folder.glob(ROUTES))
    if len(files) < 2:
        raise Unreadable(f"{folder.name} has {len(files)} files {ROUTES}: give two or more")
    return dict(_routes(path, centres) for path in files)


def _routes(path: Path, centres: Mapping[int, tuple[float, float]]) -> tuple[str, Pairs]:
    # a row without a route has no destination either: the file's name has
    _, _, number, name = path.stem.split("_", 3)
    straight, road = [], []
    try:
        here = centres[int(number)]
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter=";"):
                metres, there = float(row["car_m_d"]), centres[int(row["from_id"])]
                away = float(np.hypot(there[0] - here[0], there[1] - here[1]))
                if metres > 0 and away > 0:
                    straight.append(away / 1000)
                    road.append(metres / 1000)
    except (KeyError, TypeError, ValueError) as error:
        raise Unreadable(f"{path.name}: no such column, cell or number: {error}") from error
    if not road:
        raise Unreadable(f"{path.name}: no row has a route")
    return name, Pairs(np.array(straight), np.array(road))


def _centres(attributes: Path, shapes: Path) -> dict[int, tuple[float, float]]:
    """The middle of each cell in metres, east and north, by its id; in the order of both files."""
    try:
        ids = [int(float(row["YKR_ID"])) for row in _dbf(attributes.read_bytes())]
        return dict(zip(ids, _middles(shapes.read_bytes()), strict=True))
    except (KeyError, ValueError, struct.error, IndexError) as error:
        told = f"{attributes.name} and {shapes.name} are not one grid of polygons: {error}"
        raise Unreadable(told) from error


def _dbf(told: bytes) -> Iterator[dict[str, Any]]:
    """The rows of a dBASE table: a header of 32 bytes a field, then texts of fixed widths."""
    count, header, width = struct.unpack("<IHH", told[4:12])
    fields = []
    at = 32
    while told[at] != 0x0D:
        fields.append((told[at : at + 11].split(b"\0")[0].decode("ascii"), told[at + 16]))
        at += 32
    for number in range(count):
        row, start = {}, header + number * width + 1
        for name, size in fields:
            row[name] = told[start : start + size].decode("ascii").strip()
            start += size
        yield row


def _middles(told: bytes) -> Iterator[tuple[float, float]]:
    """The middle of the box of each polygon of a shapefile: a square cell's centre."""
    at = 100
    while at < len(told):
        (words,) = struct.unpack(">I", told[at + 4 : at + 8])
        west, south, east, north = struct.unpack("<4d", told[at + 12 : at + 44])
        yield (west + east) / 2, (south + north) / 2
        at += 8 + 2 * words
