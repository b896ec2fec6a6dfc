"""Volumes between surfaces are exact: solids whose volume is known, and laws that always hold."""

from math import cos, pi, sin

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.client.volumes import (
    between,
    common_area,
    doubled_area,
    pooled,
    surface,
    under_both,
)
from tests.designs import sheet

ORIGIN = (0.0, 0.0)
EXACT = 1e-9


def flat(z, x=(0, 10), y=(0, 10), columns=1, rows=1):
    return surface(*sheet(lambda *_: z, x, y, columns, rows), ORIGIN)


def cone(sides, radius=5.0, height=3.0):
    """A cone of *sides* faces on z = 0."""
    ring = [(radius * cos(2 * pi * k / sides), radius * sin(2 * pi * k / sides), 0.0)
            for k in range(sides)]  # fmt: skip
    points = np.array([(0.0, 0.0, height), *ring])
    faces = np.array([(0, k + 1, (k + 1) % sides + 1) for k in range(sides)])
    return surface(points, faces, ORIGIN)


def test_two_planes_hold_their_distance_times_their_area():
    found = between(flat(1.5), flat(4, columns=7, rows=5))
    assert found.above == pytest.approx(250, rel=EXACT)
    assert (found.below, found.area) == (0, pytest.approx(100, rel=EXACT))


def test_a_wedge_is_cut_and_fill_apart():
    """A slope that crosses the ground in its middle: what is cut does not hide what is filled."""
    slope = surface(*sheet(lambda x, y: x - 5, (0, 10), (0, 8), 3, 2), ORIGIN)
    found = between(slope, flat(0, y=(0, 8), columns=4, rows=3))
    assert found.above == pytest.approx(12.5 * 8, rel=EXACT)
    assert found.below == pytest.approx(12.5 * 8, rel=EXACT)


@pytest.mark.parametrize("ground", [0.0, 1.0, 2.5])
def test_a_pyramid_over_any_ground_is_a_third_of_its_box(ground):
    pyramid = cone(4, radius=8**0.5, height=3.0)
    found = between(flat(ground, (-9, 9), (-9, 9), 5, 4), pyramid)
    assert found.above == pytest.approx(16 * ((3 - ground) / 3) ** 3, rel=EXACT)


def test_a_cone_of_many_faces_is_a_cone():
    found = between(flat(0, (-6, 6), (-6, 6), 9, 9), cone(720))
    assert found.above == pytest.approx(pi * 25 * 3 / 3, rel=1e-3)
    assert found.above == pytest.approx(720 / 2 * sin(2 * pi / 720) * 25, rel=EXACT)


def test_where_one_surface_is_not_there_is_no_volume():
    """A hole, an edge, and surfaces that lie apart."""
    points, faces = sheet(lambda *_: 2, (0, 10), (0, 10), 10, 10)
    middles = points[faces].mean(axis=1)
    hole = (abs(middles[:, 0] - 5) < 1) & (abs(middles[:, 1] - 5) < 1)
    holed = between(flat(0), surface(points, faces[~hole], ORIGIN))
    assert (holed.area, holed.above) == (
        pytest.approx(96, rel=EXACT),
        pytest.approx(192, rel=EXACT),
    )
    half = between(flat(0), flat(2, x=(7, 20)))
    assert (half.area, half.above) == (pytest.approx(30, rel=EXACT), pytest.approx(60, rel=EXACT))
    apart = between(flat(0), flat(2, x=(11, 20)))
    assert (apart.area, apart.above, apart.below) == (0, 0, 0)


def test_rock_is_what_lies_under_the_ground_and_under_the_rock():
    slope = surface(*sheet(lambda x, y: x, (0, 4), (0, 4), 3, 2), ORIGIN)
    volume, area = under_both(flat(0, (0, 5), (0, 4)), flat(2, (0, 9), (0, 9), 4, 4), slope)
    assert volume == pytest.approx((2 + 4) * 4, rel=EXACT)
    assert area == pytest.approx(16, rel=EXACT)


def test_rock_below_the_lowest_surface_is_not_cut():
    volume, area = under_both(flat(0), flat(2), flat(-1))
    assert (volume, area) == (0, pytest.approx(100))


def test_a_surface_told_twice_is_seen():
    once = flat(3)
    assert doubled_area(once) == pytest.approx(0, abs=1e-9)
    assert doubled_area(pooled([once, flat(4, x=(5, 15))])) == pytest.approx(50)
    assert common_area(once, flat(9, x=(5, 15))) == pytest.approx(50)


def test_an_upright_face_holds_nothing_and_the_turn_of_a_face_does_not_matter():
    points, faces = sheet(lambda *_: 2, (0, 10), (0, 10))
    walled = np.concatenate([points, [(0.0, 0.0, 9.0)]])
    made = surface(walled, np.concatenate([faces[:, ::-1], [(0, 1, 4)]]), ORIGIN)
    assert made.vertical == 1
    assert between(flat(0), made).above == pytest.approx(200)


def test_the_bounds_are_the_upper_surface_moved():
    slope = surface(*sheet(lambda x, y: x - 5, (0, 10), (0, 8), 3, 2), ORIGIN)
    ground = flat(0, y=(0, 8))
    found = between(slope, ground, 0.25)
    assert found.above_low == pytest.approx(between(slope, ground.moved(-0.25)).above)
    assert found.above_high == pytest.approx(between(slope, ground.moved(0.25)).above)
    assert found.below_low == pytest.approx(between(slope, ground.moved(0.25)).below)
    assert found.below_high == pytest.approx(between(slope, ground.moved(-0.25)).below)


def test_large_coordinates_cost_no_accuracy():
    origin = (21_530_000.0, 6_782_000.0)
    far = np.array([*origin, 0.0])
    low, high = (sheet(lambda *_: 0, (0, 10), (0, 10), 3, 3) for _ in range(2))
    lower = surface(low[0] + far, low[1], origin)
    upper = surface(high[0] + far + [0, 0, 0.1], high[1], origin)
    assert between(lower, upper).above == pytest.approx(10, rel=1e-6)
    assert lower.centroid == pytest.approx((21_530_005.0, 6_782_005.0))


@st.composite
def ground(draw):
    """A rough surface of a few faces, somewhere about the same place."""
    columns, rows = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    corner, size = draw(st.floats(-4, 4)), draw(st.floats(1, 12))
    heights = np.random.default_rng(draw(st.integers(0, 10**6))).uniform(-3, 3, 36)
    points, faces = sheet(lambda *_: 0, (corner, corner + size), (-3, 5), columns, rows)
    points[:, 2] = heights[: len(points)]
    return surface(points, faces, ORIGIN)


def halved(one):
    """The same surface of four times as many faces."""
    a, b, c = one.corners[:, 0], one.corners[:, 1], one.corners[:, 2]
    ab, bc, ca = (a + b) / 2, (b + c) / 2, (c + a) / 2
    pieces = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    points = np.concatenate([np.stack(piece, axis=1).reshape(-1, 3) for piece in pieces])
    return surface(points, np.arange(len(points)).reshape(-1, 3), ORIGIN)


@given(ground(), ground())
@settings(max_examples=40, deadline=None)
def test_volume_does_not_depend_on_the_order_or_the_faces(one, other):
    """Cut seen from the other side is fill, and finer faces of the same surface change nothing."""
    found, back = between(one, other), between(other, one)
    assert back.above == pytest.approx(found.below, abs=1e-7)
    assert back.below == pytest.approx(found.above, abs=1e-7)
    finer = between(one, halved(other))
    assert finer.above == pytest.approx(found.above, abs=1e-7)
    assert finer.area == pytest.approx(found.area, abs=1e-7)
    assert found.area <= min(one.area, other.area) + 1e-7


@given(ground(), ground())
@settings(max_examples=20, deadline=None)
def test_rock_is_never_more_than_the_cut(lower, rock):
    terrain = flat(1.0, (-10, 20), (-10, 20), 2, 3)
    cut = between(lower, terrain)
    volume, _ = under_both(lower, terrain, rock)
    assert -1e-9 <= volume <= cut.above + 1e-7
    assert under_both(lower, rock, terrain)[0] == pytest.approx(volume, abs=1e-7)
