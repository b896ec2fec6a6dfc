"""Cells: the same anywhere on earth."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.matcher.domain import (
    LotCount,
    cell_of,
    cells_around,
    centre_of,
    neighbourhood,
    tile_of,
)
from shared.vocabulary.distance import straight_km

LATS, LONS = st.floats(-85, 85), st.floats(-180, 180)


@given(LATS, LONS)
def test_a_point_lies_close_to_the_middle_of_its_cell(lat, lon):
    """No cell is wider or higher than about 10 km."""
    assert straight_km(lat, lon, *centre_of(cell_of(lat, lon))) < 7.5


@settings(max_examples=50, deadline=None)
@given(LATS, LONS)
def test_neighbours_are_neighbours_of_each_other(lat, lon):
    """If a cell is around another, so is the other around it; also across the date line."""
    cell = cell_of(lat, lon)
    for near in cells_around(cell, 20):
        assert cell in cells_around(near, 20)


def test_a_neighbourhood_covers_about_its_circle():
    """Within 20 km there are some 13 cells of 100 square kilometres."""
    assert 11 <= len(cells_around(cell_of(60.2, 24.9), 20)) <= 15
    assert 11 <= len(cells_around(cell_of(40.0, -86.0), 20)) <= 15


CENTRE = cell_of(60.2, 24.9)
NEAR = dict(radius_km=14.0, widest_km=46.0, lots=100)


@pytest.mark.parametrize(
    "counted, farthest_km",
    [
        (LotCount(50, 50), 14),
        (LotCount(5, 5), 18.4),
        (LotCount(1, 5), 36.8),
        (LotCount(0, 5), 46),
        (LotCount(0, 90), 14),
    ],
    ids=["many", "few", "one direction scarce", "no partner", "many without partner"],
)
def test_a_neighbourhood_grows_until_it_has_lots_to_bring_together(counted, farthest_km):
    """By the scarce direction, but not without an end: what it costs is bounded by all lots."""
    everywhere = dict.fromkeys(cells_around(CENTRE, 60), counted)
    assert neighbourhood(CENTRE, everywhere, **NEAR) == cells_around(CENTRE, farthest_km)


@given(LATS, LONS)
def test_a_tile_lies_around_its_cells(lat, lon):
    """The middle of a tile is never farther from its cells than a sweep reaches."""
    cell = cell_of(lat, lon)
    assert straight_km(*centre_of(cell), *centre_of(tile_of(cell))) < 40
