"""The bench of distance: on a small made-up grid, and on real roads where they lie at hand."""

import asyncio
import json
import math
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.bench.distance import GRID, Unreadable, banded, destinations, measure
from tests.conftest import ROOT

COLUMNS = "from_id;to_id;car_m_d"
SIDE_M = 250.0
WIDE = 60  # cells a side


def detour(straight_km: float) -> float:
    """Roads of the made-up grid: longer in proportion where it is near."""
    return 1.3 + 0.5 / (1 + straight_km / 5)


def a_grid(folder: Path) -> dict[int, tuple[float, float]]:
    """A square grid of cells as dBASE table and shapefile; the centres by id."""
    centres, rows, shapes = {}, b"", b""
    for number in range(WIDE * WIDE):
        west, south = 380_000 + number % WIDE * SIDE_M, 6_680_000 + number // WIDE * SIDE_M
        east, north = west + SIDE_M, south + SIDE_M
        centres[number] = west + SIDE_M / 2, south + SIDE_M / 2
        rows += b" " + f"{number}".rjust(9).encode()
        ring = struct.pack("<10d", west, south, west, north, east, north, east, south, west, south)
        shape = struct.pack("<i4diii", 5, west, south, east, north, 1, 5, 0) + ring
        shapes += struct.pack(">ii", number + 1, len(shape) // 2) + shape
    header = struct.pack("<4xIHH20x", len(centres), 32 + 32 + 1, 10)
    field = b"YKR_ID".ljust(11, b"\0") + b"N" + bytes(4) + bytes([9]) + bytes(15)
    (folder / f"{GRID}.dbf").write_bytes(header + field + b"\r" + rows)
    (folder / f"{GRID}.shp").write_bytes(bytes(100) + shapes)
    return centres


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like that of a travel time matrix: three destinations, and rows without a route."""
    folder = tmp_path_factory.mktemp("roads")
    centres = a_grid(folder)
    for number, name, more in ((0, "Corner", 0.97), (1830, "Middle", 1.03), (59, "Edge", 1.0)):
        here, rows = centres[number], [COLUMNS]
        for id, there in centres.items():
            away = math.dist(here, there)
            metres = away * detour(away / 1000) * more
            rows.append("5;-1;-1" if id == 5 else f"{id};{number};{metres:.0f}")
        (folder / f"TravelTimes_to_{number}_{name}.txt").write_text("\n".join(rows))
    return folder


def test_pairs_without_a_route_and_the_destination_itself_are_left_out(made_up):
    """The destination is that of the file's name, since a row without a route names none."""
    found = destinations(made_up)
    assert list(found) == ["Corner", "Middle", "Edge"]
    assert {len(pairs.road) for pairs in found.values()} == {WIDE * WIDE - 2}


def test_each_destination_is_tested_on_a_fit_without_it(made_up):
    """Fitted on the two others, each is off by just what they differ: 3 to 4.5 per cent."""
    report = asyncio.run(measure(made_up))
    figures = {one.figure: one for one in report.figures}
    assert 2.5 < figures["held out: Corner: bias"].value < 6
    assert -6 < figures["held out: Middle: bias"].value < -2.5
    assert figures["held out: median error"].reached
    assert figures["held out: bias, either way"].reached
    assert figures["held out: median error"].beside == "flat 1.3"


def test_the_command_tells_the_same_as_json(made_up):
    """`massakoppi bench distance --data FOLDER --json`, without any server."""
    command = [sys.executable, "-m", "deploy.cli", "bench", "distance", "--json", "--data"]
    done = subprocess.run(
        [*command, str(made_up)], capture_output=True, text=True, cwd=ROOT, check=True
    )
    told = json.loads(done.stdout)
    assert told["asked"]["destinations"] == ["Corner", "Middle", "Edge"]
    assert [one["reached"] for one in told["figures"] if one["goal"]] == [True, True]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("from_id;to_id\n1;2", "car_m_d"),
        (f"{COLUMNS}\n999999;0;12", "999999"),
        (f"{COLUMNS}\n1;0;far", "far"),
        (f"{COLUMNS}\n1;-1;-1", "no row has a route"),
    ],
)
def test_a_file_that_is_not_as_described_is_named(tmp_path, text, said):
    """With what is wrong in it, in one line."""
    a_grid(tmp_path)
    for name in ("0_One", "1_Two"):
        (tmp_path / f"TravelTimes_to_{name}.txt").write_text(text)
    with pytest.raises(Unreadable, match="TravelTimes_to_0_One") as refused:
        destinations(tmp_path)
    assert said in str(refused.value)


def test_one_destination_is_not_enough(tmp_path):
    """None could be held out."""
    a_grid(tmp_path)
    (tmp_path / "TravelTimes_to_0_One.txt").write_text(COLUMNS)
    with pytest.raises(Unreadable, match="give two or more"):
        destinations(tmp_path)


def test_on_real_roads_the_ratio_errs_less_than_a_flat_one_and_leans_little(shared_data):
    """Held out by destination: a lower median error than a flat 1.3, and a bias within 3 %."""
    folder = shared_data / "helsinki_road_distances"
    if not folder.is_dir():
        pytest.skip(f"road distances are absent: no {folder.name} in the development data")
    report = asyncio.run(measure(folder))
    figures = {one.figure: one for one in report.figures}
    assert figures["held out: median error"].value < figures["held out: median error"].beside_value
    assert figures["held out: bias, either way"].value <= 3
    assert abs(figures["the table as it ships: bias"].value) <= 3


def test_what_is_fitted_to_real_roads_never_makes_the_farther_nearer(shared_data):
    """Fitted to any one destination alone it grows with the straight line, as the table does."""
    folder = shared_data / "helsinki_road_distances"
    if not folder.is_dir():
        pytest.skip(f"road distances are absent: no {folder.name} in the development data")
    told = destinations(folder)
    for name in told:
        ratio = banded(told[name])
        straight = told[name].straight.copy()
        straight.sort()
        road = straight * ratio(straight)
        assert (road[1:] >= road[:-1]).all(), name
