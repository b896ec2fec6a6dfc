"""Distance: great circles, and a road ratio without steps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.vocabulary.distance import (
    EARTH_RADIUS_KM,
    RATIO_VERSION,
    SAME_PLACE_KM,
    ratio_tag,
    road_km,
    road_ratio,
    straight_km,
)

HELSINKI, TAMPERE = (60.1682, 24.9529), (61.4979, 23.7594)
lengths = st.floats(min_value=0, max_value=2000)
points = st.tuples(st.floats(-90, 90), st.floats(-180, 180))


def test_helsinki_and_tampere_are_161_kilometres_apart():
    assert straight_km(*HELSINKI, *TAMPERE) == pytest.approx(161.2, abs=0.5)


def test_the_poles_are_half_a_great_circle_apart():
    assert straight_km(90, 0, -90, 0) == pytest.approx(3.141592653589793 * EARTH_RADIUS_KM)


@given(points, points)
def test_a_straight_line_is_the_same_both_ways_and_never_negative(one, other):
    there = straight_km(*one, *other)
    assert there == pytest.approx(straight_km(*other, *one), abs=1e-9)
    assert 0 <= there <= 3.1416 * EARTH_RADIUS_KM
    assert straight_km(*one, *one) == 0


@given(points, points, points)
def test_no_detour_is_shorter_than_the_straight_line(one, other, third):
    detour = straight_km(*one, *other) + straight_km(*other, *third)
    assert straight_km(*one, *third) <= detour + 1e-6


@pytest.mark.parametrize(
    ("straight", "ratio"),
    [
        (2.5, 1.72),
        (7.5, 1.58),
        (12.5, 1.47),
        (17.5, 1.41),
        (22.5, 1.39),
        (27.5, 1.37),
        (32.5, 1.36),
    ],
)
def test_the_ratio_at_a_band_midpoint_is_the_measured_median(straight, ratio):
    assert road_ratio(straight) == pytest.approx(ratio)


def test_the_ratio_is_halfway_between_two_midpoints():
    assert road_ratio(5.0) == pytest.approx((1.72 + 1.58) / 2)


def test_the_ratio_is_held_outside_the_midpoints():
    assert road_ratio(0) == road_ratio(1) == 1.72
    assert road_ratio(33) == road_ratio(500) == 1.36


def test_just_under_five_kilometres_is_not_farther_than_just_over():
    assert road_km(4.99) < road_km(5.01)
    assert road_km(4.99) == pytest.approx(8.23, abs=0.01)


@pytest.mark.parametrize("edge", [2.5, 5, 7.5, 10, 12.5, 15, 20, 25, 30, 32.5, 35])
def test_the_ratio_has_no_step(edge):
    assert road_ratio(edge - 1e-9) == pytest.approx(road_ratio(edge + 1e-9), abs=1e-8)


@given(lengths, lengths)
def test_a_longer_straight_line_is_never_shorter_by_road(one, other):
    nearer, farther = sorted((one, other))
    assert road_km(nearer) <= road_km(farther)


@given(lengths)
def test_the_road_is_between_136_and_172_hundredths_of_the_straight_line(straight):
    assert 1.36 <= road_ratio(straight) <= 1.72
    assert road_km(straight) >= straight


def test_the_ratio_is_unverified_beyond_what_was_measured():
    assert ratio_tag(35) == "derived"
    assert ratio_tag(35.1) == "unverified"


def test_lots_known_only_by_the_same_municipality_are_five_kilometres_apart_and_never_zero():
    assert SAME_PLACE_KM == 5.0


def test_the_ratio_version_is_a_date():
    assert RATIO_VERSION == "2026-11-24"
