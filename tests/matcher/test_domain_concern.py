"""Whom a change concerns."""

from collections import Counter

from services.matcher.domain import Rules, concern
from tests.matcher.builders import a_need, a_surplus, lot


def counted(*lots):
    return Counter((one.direction, one.kind) for one in lots)


def test_a_change_concerns_those_it_may_serve_and_its_like():
    """Sand concerns needs of sand and other sand, not clay and not needs of clay."""
    sand, clay = lot(a_surplus()), lot(a_surplus(material="clay"))
    fill, bund = lot(a_need()), lot(a_need(material="clay", use="noise_bund"))
    found = concern(sand, counted(sand, clay, fill, bund), Rules())
    assert (found.surpluses, found.needs) == ([sand.kind], [fill.kind])
    back = concern(fill, counted(sand, clay, fill, bund), Rules())
    assert sand.kind in back.surpluses
    assert back.needs == [fill.kind]


def test_where_many_are_concerned_only_the_nearer_are_asked():
    """Four times as many lots as set: half the radius, about a quarter of them."""
    sand = lot(a_surplus())
    few = concern(sand, {("surplus", sand.kind): 10}, Rules(single_lots=60))
    many = concern(sand, {("surplus", sand.kind): 240}, Rules(single_lots=60))
    assert (few.radius_km, many.radius_km) == (30, 15)


def test_a_lot_of_a_kind_nobody_has_concerns_at_least_itself():
    """A cancelled lot may be the last of its kind."""
    sand = lot(a_surplus())
    assert concern(sand, {}, Rules()).surpluses == [sand.kind]
