"""Rows of the shape of planned earthwork pay items, drawn from a seed; and their region."""

import csv
import os
import random
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path

from shared.vocabulary.regions import Region, make_region

COLUMNS = (
    "project_id", "letting_date", "county", "county_fips", "job_desc", "pay_item", "description",
    "quantity", "unit", "side", "material_class", "quantity_si", "unit_si",
)  # fmt: skip
PLACES = (
    ("Aspen", 0.0, 0.0), ("Birch", 0.1, 0.2), ("Cedar", 0.25, 0.05), ("Dogwood", 0.3, 0.3),
    ("Elder", 0.05, 0.45), ("Hazel", 0.4, 0.15), ("Juniper", 0.5, 0.4), ("Linden", 0.15, 0.6),
    ("Maple", 0.6, 0.1), ("Oak", 0.45, 0.65), ("Poplar", 0.65, 0.35), ("Tamarack", 0.7, 0.6),
)  # fmt: skip
"""Twelve invented places, by degrees north and east of a corner: about 80 km across."""

# class → (share, median, sigma, unit, pay item, description): as planned quantities are spread
SUPPLIES = {
    "common_soil": (6, 900.0, 1.6, "C.Y.", "203-02000", "EXCAVATION, COMMON"),
    "rock": (1, 500.0, 1.5, "C.Y.", "203-02010", "EXCAVATION, ROCK"),
    "foundation_excavation": (2, 180.0, 1.2, "C.Y.", "206-51000", "EXCAVATION, FOUNDATION"),
    "waterway": (1, 150.0, 1.3, "C.Y.", "207-02030", "EXCAVATION, WATERWAY"),
}
NEEDS = {
    "fill_soil": (3, 1200.0, 1.7, "C.Y.", "203-02070", "BORROW"),
    "granular_fill_B": (3, 400.0, 1.4, "C.Y.", "211-02050", "B BORROW"),
    "structural_backfill": (2, 250.0, 1.3, "C.Y.", "211-09264", "STRUCTURE BACKFILL"),
    "base_aggregate": (2, 300.0, 1.5, "TON", "301-07448", "COMPACTED AGGREGATE"),
    "riprap": (2, 200.0, 1.2, "TON", "616-06405", "RIPRAP, REVETMENT"),
    "topsoil": (1, 120.0, 1.3, "C.Y.", "629-09107", "TOPSOIL"),
}
JOBS = ("BRIDGE REPLACEMENT", "ROAD RECONSTRUCTION", "SMALL STRUCTURE", "ADDED TRAVEL LANES")
YARD_M3, SHORT_TON_T = 0.764554857984, 0.90718474
WRITTEN_AT_NS = 1_900_000_000_000_000_000
"""The moment on every file written here: the same rows are the same edition, wherever they lie."""


def region(
    code: str,
    places: Sequence[tuple[str, float, float]] = PLACES,
    *,
    lat: float = 61.0,
    lon: float = 24.0,
) -> Region:
    """A region of *places*, meeting no other; *lat* and *lon* are its corner."""
    rows = [
        {"code": f"{at:02}", "name": name, "lat": f"{lat + north}", "lon": f"{lon + east}"}
        for at, (name, north, east) in enumerate(places, start=1)
    ]
    return make_region(
        code, {"en": code.title()}, rows, code_field="code", name_field="name", lat_field="lat",
        lon_field="lon", metric_crs="EPSG:3067", source="invented", licence="EUPL-1.2",
    )  # fmt: skip


def rows(count: int, *, seed: int, first_project: int = 1) -> Iterator[dict[str, str]]:
    """
    About *count* rows, the same for the same *seed*: projects of two to eight items each.

    Quantities are log-normal; lettings lie within two years from 2031; one project in twelve lies
    in two places at once, and one row in two hundred has a side that cannot be.
    """
    draw = random.Random(seed)
    project, told = first_project, 0
    while told < count:
        for row in _project(project, draw):
            yield row
            told += 1
        project += 1


def _project(number: int, draw: random.Random) -> Iterator[dict[str, str]]:
    at = draw.randrange(len(PLACES))
    letting = date(2031, 1, 1) + timedelta(days=draw.randrange(730))
    county, fips = PLACES[at][0], f"{at + 1:02}"
    if draw.random() < 1 / 12:
        county, fips = f"{county}, {PLACES[(at + 1) % len(PLACES)][0]}", ""
    job = draw.choice(JOBS)
    for item in range(draw.randint(2, 8)):
        side = draw.choice(("supply", "need"))
        kinds = SUPPLIES if side == "supply" else NEEDS
        kind = draw.choices(list(kinds), [one[0] for one in kinds.values()])[0]
        _, median, sigma, unit, pay_item, description = kinds[kind]
        quantity = round(median * draw.lognormvariate(0.0, sigma), 1)
        si = quantity * (YARD_M3 if unit == "C.Y." else SHORT_TON_T)
        yield {
            "project_id": f"G -{number:05}-A",
            "letting_date": letting.isoformat(),
            "county": county,
            "county_fips": fips,
            "job_desc": job,
            "pay_item": f"{pay_item}-{item}",
            "description": description,
            "quantity": str(quantity),
            "unit": unit,
            "side": "sideways" if draw.random() < 1 / 200 else side,
            "material_class": kind,
            "quantity_si": f"{si:.3f}",
            "unit_si": "m3" if unit == "C.Y." else "t",
        }


def write(path: Path, told: Sequence[dict[str, str]]) -> Path:
    """Write *told* as a file that says the same wherever and whenever it is written."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(told)
    os.utime(path, ns=(WRITTEN_AT_NS, WRITTEN_AT_NS))
    return path
