"""Projects seen coming that nobody has told any masses of: the list to call."""

from services.registry.domain import early_estimate
from tests.registry.builders import a_forecast, a_project, knock
from tests.registry.conftest import ACME, NORTH, UUSIMAA, Door, Http

STREET = {"title": "Street programme 2028", "project_type": "street", "area_m2": 4800}


async def test_what_has_no_forecast_is_listed_with_what_it_may_bring(door: Door, http: Http):
    """Until it has one, or will not happen; to those who may see it."""
    await door.judge(
        knock("project-added", a_project("P-1", programme=STREET)),
        knock("project-added", a_project("P-2")),
        knock("project-added", a_project("P-3")),
        knock("forecast-updated", a_forecast(project="P-2")),
        knock("project-withdrawn", {"external_id": "P-3"}),
    )

    for asker in (ACME, UUSIMAA):
        status, told = await http.ask("GET", "/projects?without=forecasts", by=asker)
        assert (status, [one["external_id"] for one in told["items"]]) == (200, ["P-1"])
    (one,) = told["items"]
    assert one["programme"] == STREET
    dug, needed = one["early_estimate"]
    assert (dug["direction"], dug["value"], dug["unit"]) == ("surplus", 3840, "m3ktr")
    assert dug["low_t"] * 2 == dug["likely_t"] == dug["high_t"] / 2
    assert needed["direction"] == "need"
    assert (await http.ask("GET", "/projects?without=forecasts", by=NORTH))[1]["items"] == []

    await door.judge(knock("forecast-updated", a_forecast("F-9", project="P-1")))
    assert (await http.ask("GET", "/projects?without=forecasts", by=ACME))[1]["items"] == []


def test_without_type_or_size_nothing_is_estimated():
    assert early_estimate({}) == []
    assert early_estimate({"programme": {"title": "x", "project_type": "street"}}) == []
    assert early_estimate({"programme": {**STREET, "area_m2": None, "length_m": 100}}) == []


async def test_a_programme_must_have_a_title(door: Door):
    codes = await door.codes(knock("project-added", a_project(programme={"area_m2": 100})))
    assert codes == ["field_missing"]
