"""Growth, memory, replicas, notice, optimum, peers and the year, at their smallest."""

import asyncio
import csv
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from deploy.bench.door import import_of, land_of
from deploy.bench.living import Agreement, Calendar, Lived, answer_of
from deploy.bench.lots import lots, project_by_project
from deploy.bench.optimum import read_dimacs
from deploy.bench.peers import NearestFirst
from deploy.bench.ways import Greedy, Optimal, Peer
from deploy.bench.year import delivered
from services.matcher.domain.values import Lot, Rules
from tests import rows
from tests.conftest import ROOT
from tests.matcher.builders import a_need, a_surplus, lot

PATIENCE_S = 220.0


async def bench(name: str, *options: str) -> dict[str, Any]:
    """The report of `massakoppi bench` *name*, whose every figure must be whole."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "deploy.cli", "bench", name, *options, "--json",
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT,
    )  # fmt: skip
    try:
        async with asyncio.timeout(PATIENCE_S):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    assert process.returncode == 0, err.decode()[-3000:]
    report: dict[str, Any] = json.loads(out)
    assert report["bench"] == name
    assert report["asked"]["seed"] == 1
    for figure in report["figures"]:
        assert (figure["goal"] is None) == (figure["reached"] is None), figure
        assert figure["value"] is None or figure["value"] >= 0, figure
    return report


RULES = Rules(closes_past_windows=True)


def greedy(mornings: dict[date, list[Lot]]) -> Peer:
    return Greedy(mornings, NearestFirst(RULES, min(mornings)))


def optimal(mornings: dict[date, list[Lot]]) -> Peer:
    return Optimal(mornings, RULES, bonus=0)


def value_of(report: dict[str, Any], part: str) -> float:
    (found,) = [one["value"] for one in report["figures"] if part in one["figure"]]
    return float(found)


async def test_growth_is_told_beside_the_smallest_region_and_the_same_reads() -> None:
    """Every size has its change and its floor; the larger one is held against the smaller."""
    report = await bench("growth", "--lots", "60", "--lots", "150", "--changes", "4")

    grown = [one for one in report["figures"] if "growth of one change, p50" in one["figure"]]
    assert [one["beside"] for one in grown] == ["60 lots"]
    assert grown[0]["goal"] == "≤ 1.3 ×"
    for size in ("60 lots", "150 lots"):
        (one,) = [
            each
            for each in report["figures"]
            if each["figure"] == f"{size}: one change, kept and settled, p50"
        ]
        assert one["beside_value"] > 0


async def test_memory_is_of_real_processes_and_the_whole_is_the_sum_of_its_parts() -> None:
    """A matcher needs more than nothing; five services and two servers are told one by one."""
    report = await bench("memory", "--lots", "80", "--changes", "4", "--platform", "40",
                         "--seconds", "20")  # fmt: skip

    assert value_of(report, "80 lots: matcher, resident, most") > 20
    whole = value_of(report, "all processes, proportional")
    parts = [one["value"] for one in report["figures"] if "at that moment" in one["figure"]]
    assert len(parts) == 7
    assert sum(parts) == pytest.approx(whole, rel=0.01)


async def test_however_many_settle_the_value_is_the_same_to_the_cent() -> None:
    """Each process is told with its settles; the full settle afterwards finds the optimum."""
    report = await bench("replicas", "--lots", "80", "--processes", "1", "--processes", "2",
                         "--rounds", "1")  # fmt: skip

    assert value_of(report, "largest less smallest") == 0
    assert value_of(report, "less than the optimum") == 0
    assert value_of(report, "settled by 2") > 0


async def test_every_probe_gets_its_notice() -> None:
    """Among other news at the door, and while another company imports."""
    report = await bench("notice", "--lots", "40", "--rate", "20", "--seconds", "2",
                         "--rows", "60")  # fmt: skip

    slowest = [one for one in report["figures"] if "the slowest" in one["figure"]]
    assert len(slowest) == 2
    assert all("; 0 without a notice" in f"; {one['note']}" for one in slowest)
    assert all(0 < one["value"] < 120 for one in slowest)


async def test_two_solvers_agree_to_the_cent_and_find_the_known_optimum(tmp_path: Path) -> None:
    """Ours and HiGHS on the same lots; a problem whose optimum its file tells."""
    pytest.importorskip("highspy")
    (tmp_path / "small.min").write_text(
        "c two ways, the cheap one is narrow; optimum 700\np min 3 3\nn 1 100\nn 3 -100\n"
        "a 1 2 0 50 1\na 2 3 0 60 3\na 1 3 0 200 10\n"
    )

    report = await bench("optimum", "--lots", "50", "--data", str(tmp_path))

    assert value_of(report, "small.min: difference to the known optimum") == 0
    assert value_of(report, "50 lots: difference to HiGHS") == 0


async def test_the_peers_are_a_table_of_tonnes_haul_and_value(tmp_path: Path) -> None:
    """Rows through the door of a platform, then every way on the lots that came of them."""
    rows.write(tmp_path / "earthwork_items_invented.csv", list(rows.rows(120, seed=1)))
    with (tmp_path / "indiana_counties.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["fips", "county", "lat", "lon"])
        writer.writerows(
            (f"{at:02}", name, 40 + north, -86 + east)
            for at, (name, north, east) in enumerate(rows.PLACES, start=1)
        )

    report = await bench("peers", "--data", str(tmp_path))

    (table,) = report["tables"]
    shares = {row["way"]: row["share_of_optimum"] for row in table["rows"]}
    assert shares["(d) full optimum"] == 1
    assert shares["matcher"] > 0.9
    with_areas = shares.pop("matcher, 20 areas")  # beside the optimum without any
    assert with_areas >= shares["matcher"]
    assert all(0 <= share <= 1 for share in shares.values())
    assert set(table["columns"]) == set(table["rows"][0])


async def test_a_year_is_lived_by_every_way_with_the_same_people() -> None:
    """The matcher has goals; nobody delivers more than was agreed, nor than there was."""
    report = await bench("year", "--lots", "60", "--days", "45")

    (table,) = report["tables"]
    assert [row["way"].split()[0] for row in table["rows"]] == [
        "matcher", "(a)", "(b)", "(c)", "(d)", "(d)",
    ]  # fmt: skip
    best = value_of(report, "optimum in hindsight")
    for row in table["rows"]:
        assert row["delivered_t"] <= row["agreed_t"]
        assert 0 <= row["delivered_eur"] <= best
    goals = {one["goal"] for one in report["figures"] if ": matcher:" in one["figure"]}
    assert goals == {None, "≤ 1", "≤ 5"}


def test_what_two_sides_say_depends_on_the_pair_and_the_month_alone() -> None:
    """Whoever proposes it and on whatever day; about four in ten decline."""
    pairs = [(UUID(int=at), UUID(int=at + 1000)) for at in range(500)]
    answers = [answer_of(pair, date(2027, 3, 2), seed=1) for pair in pairs]

    assert answers == [answer_of(pair, date(2027, 3, 30), seed=1) for pair in pairs]
    assert answers != [answer_of(pair, date(2027, 4, 2), seed=1) for pair in pairs]
    assert 0.3 < sum(one.declines for one in answers) / len(answers) < 0.5


def test_a_forecast_whose_work_has_begun_is_not_told_again() -> None:
    """Each is told with rising revisions, and keeps its id, direction and kind."""
    calendar = Calendar(80, seed=1)
    first: dict[UUID, Any] = {}
    revisions: dict[UUID, int] = {}
    for day in sorted(calendar.news):
        for one in calendar.news[day]:
            assert one.revision == revisions.get(one.forecast_id, 0) + 1
            revisions[one.forecast_id] = one.revision
            was = first.setdefault(one.forecast_id, one)
            assert (was.direction, was.material) == (one.direction, one.material)
            assert one.revision == 1 or was.window.first > calendar.days[0]

    assert len(first) == 80
    assert max(revisions.values()) > 3


def test_no_more_is_delivered_than_both_sides_had_when_it_was_to_move() -> None:
    """The forecast fell to 60 t after 100 t were agreed; a window that is over moves nothing."""
    rules = Rules(closes_past_windows=True)
    giver, taker = lot(a_surplus(tonnes=60)), lot(a_need(tonnes=500))
    late = lot(a_surplus(tonnes=100))
    truth: dict[UUID, Lot] = {lot.id: lot for lot in (giver, taker, late)}
    over = max(lot.last for lot in truth.values())
    lived = Lived(
        agreements=[
            Agreement((giver.id, taker.id), 100, giver.first),
            Agreement((late.id, taker.id), 100, date(over.year + 1, 1, 1)),
        ]
    )

    had = delivered(lived, truth, rules, giver.first)

    assert had.tonnes == 60
    assert had.cents > 0
    assert had.onsite_tonnes == 0


def test_what_stays_on_its_own_site_is_delivered_before_anything_that_was_agreed() -> None:
    """It is worth what it saves, and only what the need still lacks can come from elsewhere."""
    rules = Rules(closes_past_windows=True)
    taker, giver = lot(a_need(tonnes=500)), lot(a_surplus(tonnes=500))
    own = lot(a_surplus(tonnes=300, project_id=taker.project_id))
    lived = Lived([Agreement((giver.id, taker.id), 500, giver.first)])
    lived.onsite[own.id, taker.id] = 300
    truth: dict[UUID, Lot] = {lot.id: lot for lot in (giver, taker, own)}

    had = delivered(lived, truth, rules, giver.first)

    assert (had.onsite_tonnes, had.tonnes) == (300, 200)
    assert had.onsite_cents > 0


@pytest.mark.parametrize("way", [greedy, optimal])
async def test_peers_offer_what_is_left_where_a_forecast_fell_below_what_one_side_accepted(
    way: Callable[..., Peer],
) -> None:
    """As the matcher's people do: agreed is what both have, once both have said so."""
    giver, taker = lot(a_surplus(tonnes=400)), lot(a_need(tonnes=400))
    first, pair = giver.first, (giver.id, taker.id)
    fell = giver._replace(revision=2, likely=300)
    peer = way({first: [giver, taker], first + timedelta(days=1): [fell]})

    await peer.morning(first)
    assert await peer.accept(pair, giver=True, first=True) == "waits"
    await peer.morning(first + timedelta(days=1))
    assert await peer.accept(pair, giver=False, first=False) == "waits"
    assert await peer.proposals() == {pair: 300}
    assert await peer.accept(pair, giver=True, first=False) == "agreed"
    await peer.evening()
    assert await peer.proposals() == {}


@pytest.mark.parametrize("way", [greedy, optimal])
async def test_what_waited_until_its_window_was_over_is_for_others(
    way: Callable[..., Peer],
) -> None:
    """One side of the first pair never answered."""
    brief, later = lot(a_surplus(tonnes=100)), lot(a_need(tonnes=100))
    first, over = brief.first, brief.last + timedelta(days=1)
    open_longer = later._replace(last=later.last + timedelta(days=60))
    other = lot(a_surplus(tonnes=100))._replace(last=open_longer.last)
    peer = way({first: [brief, open_longer], over: [other]})

    await peer.morning(first)
    await peer.accept((brief.id, open_longer.id), giver=True, first=True)
    await peer.morning(over)

    assert await peer.proposals() == {(other.id, open_longer.id): 100}


def test_lots_project_by_project_are_the_same_lots() -> None:
    """A million are made one at a time; they are those of the list, in another order."""
    listed = {one.forecast_id: one for one in lots(200, seed=4)}

    assert {one.forecast_id: one for one in project_by_project(200, seed=4)} == listed


def test_a_region_made_for_lots_holds_them_all() -> None:
    """Their projects and forecasts can be handed in: each names a place that is there."""
    told = lots(300, seed=2)
    region = land_of(told)
    projects, forecasts = import_of(told)

    codes = {place.code for place in region.places}
    assert all(project.municipality in codes for project in projects)
    assert all(region.contains(one.lat or 0, one.lon or 0) for one in projects)
    assert len(forecasts) == 300
    assert {one.project for one in forecasts} == {one.external_id for one in projects}


def test_a_problem_with_lower_bounds_is_refused_by_name(tmp_path: Path) -> None:
    """What the reader does not read, it says."""
    path = tmp_path / "bounded.min"
    path.write_text("p min 2 1\nn 1 5\nn 2 -5\na 1 2 3 9 1\n")

    with pytest.raises(ValueError, match=r"bounded.min: an arc must carry at least 3"):
        read_dimacs(path)
