"""The plan by month and what-if over HTTP: what they say, to whom, and that they change nothing."""

from datetime import timedelta

import pytest

from services.matcher import store
from services.matcher.domain import Rules
from shared.access import Asker
from tests.matcher import test_api
from tests.matcher.builders import CLEAN, a_need, a_surplus, some_id
from tests.matcher.test_api import ACME, BOLT, COORDINATOR, OPERATOR, OTHER
from tests.matcher.test_handlers import amount, later, some_forecasts
from tests.matcher.test_handlers_areas import AUTUMN, SPRING, hears_of
from tests.matcher.test_handlers_areas import told as depot

desk = test_api.desk
ELSEWHERE = Asker("aino", "person", {}, ("06",))


async def every_match(desk, asker, **query):
    """All matches that *asker* may see, page by page."""
    found, after = [], {}
    while True:
        _, answer = await desk.get("/matches", asker, limit="200", **query, **after)
        found += answer["items"]
        if not answer["next"]:
            return found
        after = {"after": answer["next"]}


async def every_row(matcher):
    """Every row of every table as it lies on its page: what wrote it, where, and what it says."""
    return {
        table.name: await matcher.rows(
            f'SELECT xmin::text, ctid::text, t.*::text FROM "{table.name}" t ORDER BY 3'
        )
        for table in store.ledger.metadata.sorted_tables
        if table.name != "trail"  # who asked is noted
    }


def noticed(matches):
    """What stands, by pair, as somebody would notice it."""
    return {
        (one.surplus_id, one.need_id, one.state): (
            one.tonnes, one.cents_per_t, one.first, one.last,
        )
        for one in matches
    }  # fmt: skip


def foretold(standing, answer):
    """What stands, by pair and state, after what *answer* says happened to it."""
    tonnes = {(str(s), str(n), state): it[0] for (s, n, state), it in noticed(standing).items()}
    for one in answer["matches"]:
        key = one["surplus"]["forecast_id"], one["need"]["forecast_id"], one["state"]
        assert tonnes.pop(key, 0) == one["tonnes"]["before"]
        if one["tonnes"]["after"]:
            tonnes[key] = one["tonnes"]["after"]
    return tonnes


async def stands_now(matcher):
    told = noticed(await matcher.standing())
    return {(str(s), str(n), state): it[0] for (s, n, state), it in told.items()}


# -- the plan by month ------------------------------------------------------------------------


async def test_the_plan_is_the_matches_to_the_tonne_the_cent_and_the_gram(matcher, desk):
    """Some are agreed, some on their own site: what the plan sums up is what the list sums up."""
    await matcher.hears_and_settles(*some_forecasts(80, seed=3))
    matches = await every_match(desk, OPERATOR)
    proposed = [one for one in matches if one["state"] == "proposed"]
    for match in proposed[:2]:
        _, accepted = await desk.decides(match, OPERATOR, "accept", organisation="acme")
        await desk.decides(accepted, OPERATOR, "accept", organisation="bolt")
    await matcher.works_off()
    matches = await every_match(desk, OPERATOR)
    matches = [one for one in matches if one["state"] in ("proposed", "agreed")]

    status, plan = await desk.get("/plan", COORDINATOR, region="99")

    assert status == 200
    assert {row["state"] for row in plan["rows"]} == {"proposed", "agreed"}
    for route, name in (("direct", "moved"), ("onsite", "onsite")):
        here = [one for one in matches if one["route"] == route]
        assert here
        told = plan["totals"][name]
        for bound in ("low", "likely", "high"):
            assert told["tonnes"][bound] == sum(one["tonnes"][bound] for one in here)
        assert told["value_cents"] == sum(one["value"]["total_cents"] for one in here)
        assert told["tonne_km"] == pytest.approx(sum(one["tonne_km"] for one in here), abs=1e-6)
        grams = sum(one["climate"]["saved_g_per_t"] * one["tonnes"]["likely"] for one in here)
        assert told["saved_kg"] == pytest.approx(grams / 1000, abs=1e-9)
        expected = sum(round(one["tonnes"]["likely"] * one["likelihood"]) for one in here)
        assert told["tonnes"]["expected"] == expected
    for name in ("moved", "onsite"):
        by_month = (one[name]["tonnes"]["likely"] for one in plan["months"])
        assert sum(by_month) == plan["totals"][name]["tonnes"]["likely"]


async def test_what_no_match_takes_is_left_beside_it(matcher, desk):
    """800 t wanted and 500 t to be had: 300 t of need are left, over its own window."""
    surplus, need = a_surplus(tonnes=500), a_need(tonnes=800, north_km=5, low=600, high=900)
    await matcher.hears_and_settles(surplus, need, a_need(tonnes=70, material="till"))
    _, plan = await desk.get("/plan", COORDINATOR)
    left = plan["totals"]["unmatched"]
    assert left["surplus"] == {"low": 0, "likely": 0, "high": 250, "expected": 0}
    assert left["need"]["likely"] == 370
    assert {(one["direction"], one["material"]) for one in plan["unmatched"]} == {
        ("need", "sand"), ("need", "till"), ("surplus", "sand"),
    }  # fmt: skip
    assert [one["month"] for one in plan["months"]] == [f"2027-{at:02}" for at in range(3, 9)]
    assert sum(one["tonnes"]["likely"] for one in plan["rows"]) == 500
    assert {(one["from"], one["to"], one["via"]) for one in plan["rows"]} == {("091", "091", None)}
    assert (plan["tag"], plan["likelihood"]["tag"]) == ("unverified", "unverified")
    _, part = await desk.get("/plan", COORDINATOR, **{"from": "2027-04", "to": "2027-05"})
    assert [one["month"] for one in part["months"]] == ["2027-04", "2027-05"]


async def test_a_company_sees_its_own_part_of_the_plan(matcher, desk):
    """Its matches and its lots; a stranger nothing, a coordinator and the operator the whole."""
    await matcher.hears_and_settles(
        a_surplus(tonnes=500), a_need(tonnes=800, north_km=5),
        a_surplus(tonnes=300, organisation="cog", lat=61.2),
        a_need(tonnes=300, organisation="dig", lat=61.2),
    )  # fmt: skip
    for asker, moved, needed in (
        (ACME, 500, 0), (BOLT, 500, 300), (OTHER, 300, 0), (ELSEWHERE, 0, 0),
        (COORDINATOR, 800, 300), (OPERATOR, 800, 300),
    ):  # fmt: skip
        status, plan = await desk.get("/plan", asker, region="99")
        told = plan["totals"]
        assert (status, told["moved"]["tonnes"]["likely"]) == (200, moved)
        assert told["unmatched"]["need"]["likely"] == needed
    assert (await desk.get("/plan", None))[0] == 401
    _, elsewhere = await desk.get("/plan", OPERATOR, region="06")
    assert elsewhere["rows"] == []


async def test_months_that_are_none_are_refused(desk):
    status, problem = await desk.get("/plan", OPERATOR, **{"from": "2027-13"})
    assert (status, problem["reasons"][0]["pointer"]) == (422, "/from")
    status, problem = await desk.get("/plan", OPERATOR, **{"from": "2027-05", "to": "2027-04"})
    assert (status, problem["code"]) == (422, "months_backwards")


async def test_a_match_says_how_likely_both_sides_are_to_come_about(matcher, desk):
    """By reliability and phase of both; what is not told counts as unknown."""
    sure = {"reliability": "A", "phase": "construction"}
    await matcher.hears_and_settles(a_surplus(**sure), a_need(north_km=5, **sure))
    (match,) = await every_match(desk, ACME)
    assert match["likelihood"] == 0.9025
    (told,) = await matcher.told("matcher.match-found")
    assert told["likelihood"] == 0.9025
    await matcher.changes("UPDATE lot SET beside = beside::jsonb - 'reliability' - 'phase'")
    (match,) = await every_match(desk, ACME)
    assert match["likelihood"] == 0.2916


# -- what would happen if ---------------------------------------------------------------------


async def test_asking_changes_nothing(matcher, desk):
    """Every row of every table lies where it lay, byte for byte; nothing is waiting to be told."""
    forecasts = some_forecasts(40)
    await matcher.hears_and_settles(*forecasts)
    await matcher.hears(amount(forecasts[3], 777))  # and something is still to be settled
    before = await every_row(matcher)
    for scope in ("near", "region"):
        told = {
            "scope": scope,
            "changes": [
                {"forecast": str(forecasts[0].forecast_id), "days": 21},
                {"project": str(forecasts[1].project_id), "withdrawn": True},
                {"add": an_added()},
            ],
        }
        status, answer = await desk.post("/what-if", OPERATOR, told)
        assert (status, answer["scope"]) == (200, scope)
    assert (await desk.get("/plan", OPERATOR))[0] == 200
    assert await every_row(matcher) == before


def an_added(**told):
    """A need of 900 t of sand as a question tells it."""
    return {
        "direction": "need", "material": "sand", "tonnes": 900, "use": "general_fill",
        "accepts_unknown_quality": True, "region": "99", **CLEAN,
        "window": {"first": "2027-03-01", "last": "2027-08-31"},
        "place": {"municipality": "091", "lat": 60.22, "lon": 24.9}, **told,
    }  # fmt: skip


def as_told(event, change):
    """The news that would make *change* of *event* true."""
    if "days" in change:
        days = timedelta(days=change["days"])
        window = {"first": event.window.first + days, "last": event.window.last + days}
        return later(event, window=event.window.model_copy(update=window))
    if "withdrawn" in change:
        return later(event, status="cancelled")
    told = change.get("tonnes", event.quantity.likely_t + change.get("tonnes_change", 0))
    return amount(event, told)


CHANGES = ({"days": 21}, {"days": -60}, {"tonnes": 2345}, {"tonnes_change": 800},
           {"withdrawn": True})  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=str)
async def test_the_matcher_then_does_what_was_foretold(matcher, desk, change):
    """Asked about the region; then the change is really told and the region settled."""
    forecasts = some_forecasts(60, seed=8)
    await matcher.hears(*forecasts)
    await matcher.settles_all()
    standing = await matcher.standing()
    event = max(forecasts, key=lambda one: one.quantity.likely_t)
    told = {"changes": [{"forecast": str(event.forecast_id), **change}], "scope": "region"}
    _, answer = await desk.post("/what-if", COORDINATOR, told)
    assert answer["before"]["matches"] == len(standing)

    await matcher.hears(as_told(event, change))
    figures = await matcher.settles_all()

    assert answer["matches"]
    assert await stands_now(matcher) == foretold(standing, answer)
    assert answer["after"]["value_cents"] == figures["value_cents"]
    assert answer["after"]["matches"] == figures["matches"]
    both = answer["after"]["tonnes"] + answer["after"]["onsite_tonnes"]
    assert both == figures["tonnes"]


async def test_a_whole_project_and_a_forecast_more(matcher, desk):
    """Several changes in one question, and again it happens as was foretold."""
    forecasts = some_forecasts(60, seed=11)
    await matcher.hears(*forecasts)
    await matcher.settles_all()
    standing = await matcher.standing()
    project = forecasts[7].project_id
    members = [one for one in forecasts if one.project_id == project]
    told = {
        "changes": [{"project": str(project), "days": 30}, {"add": an_added()}],
        "scope": "region",
    }
    _, answer = await desk.post("/what-if", OPERATOR, told)
    added = [one for one in answer["matches"] if one["need"]["added"]]
    assert added
    assert all(one["need"]["forecast_id"] is None and one["match_id"] is None for one in added)

    news = [as_told(one, {"days": 30}) for one in members]
    more = a_need(tonnes=900, lat=60.22, organisation="what-if", forecast_id=some_id(77))
    await matcher.hears(*news, more)
    figures = await matcher.settles_all()

    for one in added:
        one["need"]["forecast_id"] = str(more.forecast_id)
    assert await stands_now(matcher) == foretold(standing, answer)
    assert answer["after"]["value_cents"] == figures["value_cents"]


@pytest.mark.parametrize("scope", ["near", "region"])
async def test_a_larger_area_and_what_then_waits_there(matcher, desk, scope):
    """An area's room is changed by who told it, and the sand waits as was foretold."""
    small = depot(capacity_t=400)
    await hears_of(matcher, small)
    await matcher.hears(a_surplus(window=SPRING), a_need(window=AUTUMN, north_km=5))
    await matcher.works_off()
    (before,) = await matcher.standing()
    assert (before.tonnes, before.via) == (400, small.area_id)
    change = {"area": str(small.area_id), "capacity_change_t": 300}
    told = {"changes": [change], "scope": scope}
    assert (await desk.post("/what-if", ACME, told))[1]["code"] == "area_not_found"
    status, answer = await desk.post("/what-if", COORDINATOR, told)
    (one,) = answer["matches"]
    assert (status, one["tonnes"]) == (200, {"before": 400, "after": 700})
    assert (one["route"], one["via"]) == ("area", str(small.area_id))
    assert answer["areas"][one["via"]]["title"] == "Depot"

    await hears_of(matcher, depot(capacity_t=700, revision=2))
    await matcher.works_off()

    (after,) = await matcher.standing()
    assert (after.tonnes, after.cents_per_t) == (700, one["cents_per_t"])
    _, plan = await desk.get("/plan", COORDINATOR)
    assert [(row["via"], row["tonnes"]["likely"]) for row in plan["rows"]] == [(one["via"], 700)]
    matches = await every_match(desk, OPERATOR)
    assert plan["totals"]["moved"]["value_cents"] == matches[0]["value"]["total_cents"]


async def test_near_is_as_far_as_the_matcher_looks(matcher, desk):
    """Marks and sweeps worked off after the news: the same; and what lies far is not read."""
    far = [a_surplus(tonnes=100, lat=63.0), a_need(tonnes=100, lat=63.0)]
    surplus = a_surplus(tonnes=500)
    near, farther = a_need(tonnes=400, north_km=5), a_need(tonnes=400, north_km=25)
    await matcher.hears_and_settles(*far, surplus, near, farther)
    await matcher.works_off()
    standing = await matcher.standing()
    told = {"changes": [{"forecast": str(near.forecast_id), "withdrawn": True}]}
    _, answer = await desk.post("/what-if", COORDINATOR, told)
    assert {(one["what"], one["tonnes"]["before"], one["tonnes"]["after"])
            for one in answer["matches"]} == {("gone", 400, 0), ("changed", 100, 400)}  # fmt: skip
    assert answer["before"]["matches"] == 2

    await matcher.hears_and_settles(later(near, status="cancelled"))
    await matcher.works_off()

    assert await stands_now(matcher) == foretold(standing, answer)


async def test_an_agreement_that_would_break_is_told(matcher, desk):
    """The tonnes agreed stay; which forecast no longer carries them, and why."""
    surplus = a_surplus(tonnes=500)
    await matcher.hears_and_settles(surplus, a_need(tonnes=800, north_km=5))
    (match,) = await every_match(desk, ACME)
    _, accepted = await desk.decides(match, ACME, "accept")
    await desk.decides(accepted, BOLT, "accept")
    await matcher.works_off()
    told = {"changes": [{"forecast": str(surplus.forecast_id), "tonnes": 300}]}
    _, answer = await desk.post("/what-if", ACME, told)
    (broken,) = answer["broken"]
    assert broken["match_id"] == match["match_id"]
    assert (broken["reason"], broken["tonnes"], broken["forecast_tonnes"]) == (
        "forecast_below_agreed", 500, 300,
    )  # fmt: skip
    assert broken["need"]["organisation"] == "bolt"
    assert answer["counts"] == {"new": 0, "changed": 0, "gone": 0, "broken": 1}


async def test_a_company_asks_of_its_own_and_hears_of_its_own(matcher, desk):
    """What its need lets go is another's gain, of which it hears nothing; names as in proposals."""
    surplus = a_surplus(tonnes=400)
    mine = a_need(tonnes=400, north_km=5)
    others = a_need(tonnes=400, north_km=15, organisation="cog")
    await matcher.hears_and_settles(surplus, mine, others)
    told = {"changes": [{"forecast": str(mine.forecast_id), "withdrawn": True}]}
    _, whole = await desk.post("/what-if", COORDINATOR, told)
    assert {one["what"] for one in whole["matches"]} == {"gone", "new"}
    assert whole["matches"][0]["surplus"]["organisation"] == "acme"
    _, part = await desk.post("/what-if", BOLT, told)
    (gone,) = part["matches"]
    assert gone["what"] == "gone"
    assert (gone["surplus"]["organisation"], gone["need"]["organisation"]) == (None, "bolt")
    assert "lat" not in str(part)
    assert part["before"]["tonnes"] == 400
    assert part["after"] == dict.fromkeys(part["after"], 0)
    assert part["difference"]["value_cents"] == gone["worth_cents"]
    for asker in (ACME, OTHER, ELSEWHERE):
        status, problem = await desk.post("/what-if", asker, told)
        assert (status, problem["code"]) == (404, "forecast_not_found")


async def test_a_company_adds_for_itself_only(matcher, desk):
    """Not for another organisation, nor to another's project, whose site it would look into."""
    surplus = a_surplus(tonnes=400)
    await matcher.hears_and_settles(surplus)
    status, answer = await desk.post("/what-if", BOLT, {"changes": [{"add": an_added()}]})
    assert (status, answer["counts"]["new"]) == (200, 1)
    assert answer["matches"][0]["surplus"]["organisation"] is None
    for told in ({"organisation": "acme"}, {"project": str(surplus.project_id)}):
        changes = {"changes": [{"add": an_added(**told)}]}
        status, problem = await desk.post("/what-if", BOLT, changes)
        assert (status, problem["code"]) == (403, "not_allowed")
    of_project = {"changes": [{"project": str(surplus.project_id), "days": 7}]}
    status, problem = await desk.post("/what-if", BOLT, of_project)
    assert (status, problem["code"]) == (404, "project_not_found")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"forecast": str(some_id(1)), "days": 3}, "forecast_not_found"),
        ({"area": str(some_id(1)), "capacity_change_t": 50_000}, "area_not_found"),
        ({"add": an_added(material="sandd")}, "material_unknown"),
        ({"add": an_added(use="fun")}, "use_unknown"),
        (
            {"add": an_added(window={"first": "2027-05-01", "last": "2027-04-01"})},
            "request_invalid",
        ),
        ({"add": an_added(max_contamination="P9")}, "max_contamination_unknown"),
        ({"forecast": str(some_id(1))}, "request_invalid"),
        ({"forecast": str(some_id(1)), "project": str(some_id(2)), "days": 1}, "request_invalid"),
        ({"project": str(some_id(1)), "tonnes": 1}, "request_invalid"),
        ({"forecast": str(some_id(1)), "tonnes": 1, "tonnes_change": 1}, "request_invalid"),
        ({"forecast": str(some_id(1)), "days": 100_000}, "request_invalid"),
        ({"days": 1}, "request_invalid"),
    ],
    ids=str,
)
async def test_a_question_that_cannot_be_thought_through_is_refused(desk, change, code):
    """With a stable code, and what to say instead."""
    status, problem = await desk.post("/what-if", OPERATOR, {"changes": [change]})
    assert problem["code"] == code
    assert status in (404, 422)
    assert problem["detail"] != ""
    _, finnish = await desk.post("/what-if?language=fi", OPERATOR, {"changes": [change]})
    assert finnish["code"] == code and finnish["detail"] != problem["detail"]
    for reason in finnish.get("reasons", ()):
        assert "…" not in reason["text"]


async def test_nothing_can_be_taken_that_is_not_there(matcher, desk):
    surplus = a_surplus(tonnes=500)
    await matcher.hears(surplus)
    change = {"forecast": str(surplus.forecast_id), "tonnes_change": -600}
    status, problem = await desk.post("/what-if", ACME, {"changes": [change]})
    assert (status, problem["code"]) == (422, "tonnes_below_zero")
    assert "500 t" in problem["detail"]
    for language, said in (("fi", "on 500 t, ja siinä olisi -100 t"), ("sv", "har 500 t")):
        path = f"/what-if?language={language}"
        _, problem = await desk.post(path, ACME, {"changes": [change]})
        assert said in problem["detail"] and str(surplus.forecast_id) in problem["detail"]


async def test_zero_days_and_zero_tonnes_are_changes_too(matcher, desk):
    """Nothing less is meant by 0 than 0."""
    surplus = a_surplus(tonnes=500)
    await matcher.hears_and_settles(surplus, a_need(tonnes=500))
    for change, gone in (({"days": 0}, 0), ({"tonnes": 0}, 1)):
        told = {"changes": [{"forecast": str(surplus.forecast_id), **change}]}
        status, answer = await desk.post("/what-if", ACME, told)
        assert (status, answer["counts"]["gone"]) == (200, gone)


async def test_rules_of_the_question_alone(matcher, desk):
    """A smallest load of 1 000 t: nothing so small is proposed, neither before nor after."""
    surplus = a_surplus(tonnes=500)
    await matcher.hears_and_settles(surplus, a_need(tonnes=500))
    told = {
        "changes": [{"forecast": str(surplus.forecast_id), "days": 1}],
        "rules": {"smallest_load": 1000, "standing_bonus": 0, "co2e_cents_per_t": 5000},
    }
    _, answer = await desk.post("/what-if", ACME, told)
    assert answer["rules"] == {
        "standing_bonus_cents_per_t": 0, "smallest_load_t": 1000, "co2e_cents_per_t": 5000,
    }  # fmt: skip
    assert (answer["before"]["matches"], answer["after"]["matches"]) == (0, 0)
    _, usual = await desk.post("/what-if", ACME, {"changes": told["changes"]})
    assert usual["rules"]["standing_bonus_cents_per_t"] == Rules().sweep_bonus_cents_per_t
    assert usual["before"]["matches"] == 1


@pytest.fixture
def small(monkeypatch):
    """A matcher that thinks through a few lots only."""
    monkeypatch.setenv("MATCHER_WHAT_IF_UP_TO_LOTS", "6")
    monkeypatch.setenv("MATCHER_PLAN_UP_TO_LOTS", "6")


async def test_a_question_too_large_is_refused_with_what_to_do(small, matcher, desk):
    """The region whole is too much, its surroundings are not; then the setting is named."""
    far = [a_surplus(lat=62.0 + at / 2) for at in range(5)]
    surplus = a_surplus()
    await matcher.hears(*far, surplus, a_need())
    changes = [{"forecast": str(surplus.forecast_id), "days": 1}]
    told = {"changes": changes, "scope": "region"}
    status, problem = await desk.post("/what-if", OPERATOR, told)
    assert (status, problem["code"], problem["limit"]) == (413, "what_if_too_large", 6)
    assert "scope near" in problem["detail"]
    assert (await desk.post("/what-if", OPERATOR, {"changes": changes}))[0] == 200
    status, problem = await desk.get("/plan", OPERATOR)
    assert (status, problem["code"]) == (413, "plan_too_large")
    assert "MATCHER_PLAN_UP_TO_LOTS" in problem["detail"]
