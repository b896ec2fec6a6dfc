"""Amounts from before the design, and how likely a project is to happen."""

import pytest

from services.registry.domain import Accepted
from tests.registry.builders import a_forecast, a_project
from tests.registry.test_domain import a_register, tell
from tests.registry.test_domain_knowledge import refused, state

EARLY = {"method": "area_depth", "area_m2": 2000, "depth_m": 0.5}


def test_an_early_estimate_is_told_with_its_method_and_wide_bounds():
    """1 000 m3, anywhere between half and twice that."""
    told = state(estimate=EARLY, quantity=1000)
    assert told.estimate is not None
    assert (told.estimate.method, told.quantity.method) == ("area_depth", "estimate")
    assert told.quantity.low_t == pytest.approx(told.quantity.likely_t / 2, rel=1e-3)
    assert told.quantity.high_t == pytest.approx(told.quantity.likely_t * 2, rel=1e-3)


def test_better_data_replace_an_estimate():
    """The same forecast measured is no estimate any more, and its bounds are its own."""
    register = a_register()
    tell(register, "project-added", a_project())
    tell(register, "forecast-updated", a_forecast(estimate=EARLY))
    better = tell(
        register, "forecast-updated", a_forecast(quantity=900, method="measured", reliability="A")
    )
    assert isinstance(better, Accepted)
    assert "estimate" not in better.thing.state
    assert better.thing.revision == 2


@pytest.mark.parametrize(
    "told, code",
    [
        ({"estimate": {"method": "area_depth", "area_m2": 2000}}, "estimate_incomplete"),
        ({"estimate": EARLY, "reliability": "A"}, "estimate_too_sure"),
        ({"estimate": EARLY, "method": "weighed"}, "estimate_measured"),
        ({"estimate": EARLY, "unit": "t"}, "estimate_without_volume"),
        ({"estimate": EARLY, "quantity": 1100}, "estimate_differs"),
        ({"estimate": {**EARLY, "method": "guess"}}, "code_unknown"),
        ({"estimate": {**EARLY, "depth_m": 0}}, "number_not_positive"),
        ({"probability": 1.2}, "number_too_large"),
    ],
)
def test_what_contradicts_itself_is_refused(told, code):
    assert refused(**told).code == code


def test_a_forecast_is_as_probable_as_its_project_unless_it_says_otherwise():
    register = a_register()
    tell(register, "project-added", a_project(probability=0.3))
    inherited = tell(register, "forecast-updated", a_forecast())
    own = tell(register, "forecast-updated", a_forecast("F-2", probability=0.0))
    assert isinstance(inherited, Accepted) and isinstance(own, Accepted)
    assert inherited.thing.state["probability"] == 0.3
    assert own.thing.state["probability"] == 0.0
