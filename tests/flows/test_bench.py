"""The benches at their smallest: that they measure something, and how they tell it."""

import json
import subprocess
import sys
from typing import Any

import pytest

from deploy.bench.figures import Figure, Goal, percentile
from deploy.bench.lots import changes, lots
from tests.conftest import ROOT

SMALLEST = {
    "settle": ["--lots", "60", "--changes", "4", "--seconds", "5"],
    "intake": ["--events", "300", "--knocks", "0"],
    "latency": ["--lots", "80", "--changes", "5", "--knocks", "3"],
}
PATIENCE_S = 200.0


@pytest.fixture(scope="module")
def reports() -> dict[str, dict[str, Any]]:
    """What each bench told at its smallest; all three at once, since most of it is starting up."""
    command = [sys.executable, "-m", "deploy.cli", "bench"]
    running = {
        name: subprocess.Popen(
            [*command, name, *options, "--json"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
        )
        for name, options in SMALLEST.items()
    }  # fmt: skip
    told: dict[str, dict[str, Any]] = {}
    try:
        for name, process in running.items():
            out, err = process.communicate(timeout=PATIENCE_S)
            assert process.returncode == 0, f"{name}: {err[-3000:]}"
            told[name] = json.loads(out)
    finally:
        for process in running.values():
            process.terminate()
            process.communicate(timeout=PATIENCE_S)
    return told


def by_name(report: dict[str, Any], part: str) -> dict[str, Any]:
    (found,) = [one for one in report["figures"] if part in one["figure"]]
    return found


@pytest.mark.parametrize("name", SMALLEST)
def test_every_figure_says_what_it_stands_beside_and_whether_its_goal_is_reached(
    name: str, reports: dict[str, dict[str, Any]]
) -> None:
    """One JSON object on standard output: the machine, the date, what was asked, the figures."""
    report = reports[name]

    assert report["bench"] == name
    assert report["asked"]["seed"] == 1
    assert report["machine"]["cores"] >= 1
    assert report["machine"]["versions"]["ortools"]
    assert report["date"].endswith("+00:00")
    for figure in report["figures"]:
        assert (figure["goal"] is None) == (figure["reached"] is None), figure
        assert figure["value"] is None or figure["value"] >= 0
        if figure["beside"]:
            assert figure["beside_value"] > 0
            assert figure["ratio"] == pytest.approx(
                figure["value"] / figure["beside_value"], rel=0.001
            )


def test_the_matcher_settles_nearer_to_the_optimum_than_a_filter_search(
    reports: dict[str, dict[str, Any]],
) -> None:
    """Nobody beats the optimum, and every peer is told."""
    figures = reports["settle"]["figures"]
    shares = {one["figure"]: one["ratio"] for one in figures if one["unit"] == "EUR"}

    assert len(shares) == 7
    assert all(0 <= share <= 1.000001 for share in shares.values())
    assert shares["60 lots: value after the sweep"] > 0.9
    assert shares["60 lots: (a) filter search: value"] < shares["60 lots: value after the sweep"]
    assert shares["60 lots: (b) nearest first: value"] == pytest.approx(
        shares["60 lots: (c) scored in SQL: value"], abs=0.02
    )


def test_intake_and_latency_are_measured_beside_their_floors(
    reports: dict[str, dict[str, Any]],
) -> None:
    """Something was taken in, and something was announced, by the floor too."""
    assert by_name(reports["intake"], "without settling")["beside_value"] > 10
    announced = by_name(reports["latency"], "announced, p50 against the floor")
    assert announced["value"] > 0.5
    assert announced["beside_value"] > 0.5
    assert by_name(reports["latency"], "door → match announced, p50")["value"] > 0.5


def test_the_same_seed_makes_the_same_lots_and_changes() -> None:
    """To the last field, ids included; another seed makes others."""
    one, other = lots(200, seed=7), lots(200, seed=7)

    assert [each.body() for each in one] == [each.body() for each in other]
    assert [each.id for each in one] == [each.id for each in other]
    assert changes(one, 20, seed=3) == changes(other, 20, seed=3)
    assert lots(200, seed=8) != one


def test_a_change_is_a_newer_revision_of_a_lot_that_is_there() -> None:
    """Of another lot each time, and one more than it had."""
    told = lots(100, seed=1)
    revisions = {each.forecast_id: each.revision for each in told}

    news = changes(told, 40, seed=1)

    assert len({each.forecast_id for each in news}) == 40
    assert all(each.revision == revisions[each.forecast_id] + 1 for each in news)


def test_a_goal_may_be_of_the_value_or_of_its_ratio_to_what_stands_beside_it() -> None:
    """At least or at most; unknown where nothing was measured."""
    assert Figure("rate", 2500, "events/s", goal=Goal(2000, least=True)).reached is True
    assert Figure("p50", 16, "ms", goal=Goal(15)).reached is False
    assert Figure("p50", 16, "ms", "floor", 4, goal=Goal(5, of="ratio")).reached is True
    assert Figure("p50", None, "ms", goal=Goal(15)).reached is None


def test_a_percentile_is_a_value_that_was_seen() -> None:
    """The smallest that the share does not exceed."""
    assert percentile([3, 1, 2], 0.5) == 2
    assert percentile(range(1, 101), 0.99) == 99
    assert percentile([5], 0.01) == 5
    assert percentile([], 0.5) is None
