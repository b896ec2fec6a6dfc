"""Early estimates: what a project of a kind digs up and needs, before there is a design."""

import pytest

from shared.vocabulary.enumerations import codes
from shared.vocabulary.estimates import (
    METHODS,
    UnknownProjectType,
    bounds_of,
    estimated,
    project_types,
    volume_of,
)
from shared.vocabulary.materials import MATERIALS
from shared.vocabulary.units import to_tonnes


def test_a_street_of_a_thousand_square_metres():
    """800 m3 dug up and 700 m3 of structure; the bounds are half and twice."""
    dug, needed = estimated("street", 1000)
    assert (dug.direction, dug.quantity, dug.unit) == ("surplus", 800, "m3ktr")
    assert (needed.direction, needed.quantity, needed.unit) == ("need", 700, "m3rtr")
    assert (dug.low, dug.high) == bounds_of(800) == (400, 1600)
    assert dug.estimate == {
        "method": "area_depth", "project_type": "street", "area_m2": 1000, "depth_m": 0.8,
    }  # fmt: skip


def test_what_is_known_better_stands_in_for_the_default():
    """A depth and a soil are of what is dug up; what is needed stays as usual."""
    dug, needed = estimated("street", 1000, depth_m=1.5, soil="till")
    assert (dug.quantity, dug.material) == (1500, "till")
    assert (needed.quantity, needed.material) == (700, "crushed_rock")


@pytest.mark.parametrize("type_id", project_types())
def test_every_type_gives_lines_that_can_be_told(type_id):
    """In three languages, of known materials and uses, with volumes that weigh something."""
    known = project_types()[type_id]
    assert known.names.keys() == {"fi", "sv", "en"}
    for line in estimated(type_id, 100):
        assert line.material in MATERIALS
        assert line.use is None or line.use in codes("use")
        assert volume_of(line.estimate) == pytest.approx(line.quantity)
        assert to_tonnes(line.quantity, line.unit, line.material).likely > 0
        assert (line.use is None) == (line.direction == "surplus")


def test_an_input_that_is_missing_leaves_the_volume_unknown():
    assert volume_of({"method": "area_depth", "area_m2": 10.0}) is None
    assert set(METHODS) == {"area_depth", "length_section"}


def test_an_unknown_type_is_refused_with_those_that_are_known():
    with pytest.raises(UnknownProjectType, match="street") as refused:
        list(estimated("castle", 10))
    assert refused.value.code == "project_type_unknown"
