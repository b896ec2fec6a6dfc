"""Loads, offers and the calendar: on a real database, and at the door."""

import asyncio
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

from services.matcher import handlers
from services.matcher.domain import Rules
from shared.contracts import DeliveryReported
from shared.contracts.base import now
from tests.matcher.builders import a_need, a_surplus
from tests.matcher.conftest import over_committed
from tests.matcher.test_api import (
    ACME,
    BOLT,
    COORDINATOR,
    OTHER,
    desk,
    proposal,
)
from tests.matcher.test_handlers import amount, later

__all__ = ["desk", "proposal"]

APRIL = date(2027, 4, 1)


def a_report(tonnes: float, **told: Any) -> DeliveryReported:
    """Loads as the registry tells them, by acme."""
    return DeliveryReported(
        **{
            "delivery_id": uuid4(),
            "revision": 1,
            "region": "99",
            "organisation": "acme",
            "reporter": "acme",
            "outlet": "need_direct",
            "material": "sand",
            "quantity": {
                "value": tonnes, "unit": "t", "method": "weighed", "low_t": tonnes,
                "likely_t": tonnes, "high_t": tonnes, "factor": "t", "factor_version": "1",
                "tag": "told",
            },
            "moved_on": APRIL,
            **told,
        }
    )  # fmt: skip


def corrected(report: DeliveryReported, tonnes: float, **told: Any) -> DeliveryReported:
    """The next revision of *report*, with other tonnes."""
    quantity = report.quantity.model_copy(update={"likely_t": tonnes, "value": tonnes})
    return report.model_copy(update={"revision": report.revision + 1, "quantity": quantity, **told})


async def hears_of_loads(matcher, *events: DeliveryReported) -> None:
    async with matcher.database.begin_work() as work:
        await handlers.keep_deliveries(events, work, rules=matcher.rules)


async def agree(desk, match) -> Any:
    _, accepted = await desk.decides(match, ACME, "accept")
    _, agreed = await desk.decides(accepted, BOLT, "accept")
    assert agreed["state"] == "agreed", agreed
    return agreed


async def as_it_is(desk, match) -> Any:
    return (await desk.get(f"/matches/{match['match_id']}", COORDINATOR))[1]


# --- loads ------------------------------------------------------------------------------------


async def test_loads_make_it_moving_and_the_last_one_done(matcher, desk, proposal):
    """Of 500 t agreed: each load is told with what is left, until nothing is."""
    match = await agree(desk, proposal)
    first = a_report(200.5, match_id=match["match_id"], haul_km=6.5, vehicle="combo_76")
    await hears_of_loads(matcher, first)
    now_is = await as_it_is(desk, match)
    assert (now_is["state"], now_is["delivered_t"], now_is["left_t"]) == ("moving", 200.5, 299.5)
    await hears_of_loads(matcher, a_report(299.5, match_id=match["match_id"]))
    now_is = await as_it_is(desk, match)
    assert (now_is["state"], now_is["change"], now_is["left_t"]) == ("done", "done", 0)
    told = await matcher.told("delivery-recorded")
    assert [(one["tonnes"], one["left_t"]) for one in told] == [(200.5, 299.5), (299.5, 0)]
    assert told[0]["haul_km"] == 6.5
    assert (told[1]["haul_km"], told[1]["haul_measured"]) == (match["distance_km"], False)
    assert told[0]["surplus"]["organisation"] == "acme"
    assert told[0]["need"]["organisation"] == "bolt"
    assert told[0]["baseline"]["gate_fee_cents_per_t"] > 0


async def test_a_lot_has_no_more_to_give_than_is_not_moved(matcher, desk):
    """1 000 t, of which 300 agreed and moved and 100 taken to disposal: 600 t are left."""
    surplus, need = a_surplus(tonnes=1000), a_need(tonnes=300, north_km=3)
    await matcher.hears_and_settles(surplus, need)
    _, answer = await desk.get("/matches", ACME)
    match = await agree(desk, answer["items"][0])
    await hears_of_loads(
        matcher,
        a_report(300, match_id=match["match_id"]),
        a_report(100, forecast_id=surplus.forecast_id, outlet="disposal"),
    )
    standing = await matcher.hears_and_settles(a_need(tonnes=900, organisation="cog", north_km=4))
    assert [one.tonnes for one in standing] == [600]
    assert await over_committed(matcher) == []


async def test_the_amount_is_what_remained_on_its_day(matcher):
    """700 t told for 2 April have the load of 1 April behind them; for 1 April they have not."""
    surplus, need = a_surplus(tonnes=1000, amount_as_of=date(2027, 3, 1)), a_need(tonnes=2000)
    await matcher.hears(surplus)
    await hears_of_loads(matcher, a_report(300, forecast_id=surplus.forecast_id))
    assert [one.tonnes for one in await matcher.hears_and_settles(need)] == [700]
    same_day = later(amount(surplus, 700), amount_as_of=APRIL)
    assert [one.tonnes for one in await matcher.hears_and_settles(same_day)] == [400]
    after = later(same_day, amount_as_of=date(2027, 4, 2))
    assert [one.tonnes for one in await matcher.hears_and_settles(after)] == [700]


async def test_a_load_that_is_heard_of_before_its_forecast_waits_for_it(matcher):
    """It is told when the forecast comes, and off it from the first."""
    surplus = a_surplus(tonnes=1000)
    await hears_of_loads(matcher, a_report(400, forecast_id=surplus.forecast_id))
    assert await matcher.told("delivery-recorded") == []
    standing = await matcher.hears_and_settles(surplus, a_need(tonnes=2000))
    assert [one.tonnes for one in standing] == [600]
    told = await matcher.told("delivery-recorded")
    assert [(one["tonnes"], one["surplus_forecast_id"]) for one in told] == [
        (400, str(surplus.forecast_id))
    ]


async def test_reports_late_twice_and_corrected_leave_the_same_balance(matcher, desk, proposal):
    """The highest revision counts once, in whatever order; 0 t take a report back."""
    match = await agree(desk, proposal)
    first = a_report(200, match_id=match["match_id"])
    second = corrected(first, 150)
    await hears_of_loads(matcher, second)
    await hears_of_loads(matcher, first, second)
    assert (await as_it_is(desk, match))["delivered_t"] == 150
    await hears_of_loads(matcher, corrected(second, 0))
    now_is = await as_it_is(desk, match)
    assert (now_is["state"], now_is["change"], now_is["left_t"]) == (
        "agreed", "delivery_corrected", 500,
    )  # fmt: skip
    told = await matcher.told("delivery-recorded")
    assert [(one["revision"], one["tonnes"]) for one in told] == [(1, 150), (2, 0)]


async def test_a_correction_moves_loads_to_the_match_they_belong_to(matcher, desk):
    """Both balances change, and both matches are told."""
    surplus = a_surplus(tonnes=1000)
    await matcher.hears_and_settles(surplus, a_need(tonnes=400, north_km=2),
                                    a_need(tonnes=600, north_km=3))  # fmt: skip
    _, answer = await desk.get("/matches", COORDINATOR)
    one, other = [await agree(desk, each) for each in answer["items"]]
    report = a_report(100, match_id=one["match_id"])
    await hears_of_loads(matcher, report)
    await hears_of_loads(matcher, corrected(report, 100, match_id=UUID(other["match_id"])))
    assert [(await as_it_is(desk, each))["delivered_t"] for each in (one, other)] == [0, 100]
    assert [(await as_it_is(desk, each))["state"] for each in (one, other)] == ["agreed", "moving"]


async def test_more_than_agreed_is_told_to_both_and_taken_off_the_lots(matcher, desk):
    """520 t of 500: done, 20 t beyond, told as such; the surplus has 480 t left."""
    surplus, need = a_surplus(tonnes=1000), a_need(tonnes=500, north_km=5)
    await matcher.hears_and_settles(surplus, need)
    _, answer = await desk.get("/matches", ACME)
    match = await agree(desk, answer["items"][0])
    await hears_of_loads(matcher, a_report(520, match_id=match["match_id"]))
    told = (await matcher.told("matches.match-changed"))[-2:]
    assert {(one["organisation"], one["change"], one["left_t"]) for one in told} == {
        ("acme", "over_delivered", -20), ("bolt", "over_delivered", -20),
    }  # fmt: skip
    standing = await matcher.hears_and_settles(a_need(tonnes=900, organisation="cog", north_km=6))
    assert [one.tonnes for one in standing] == [480]


async def test_loads_that_count_for_nothing_are_kept_with_their_reason(matcher, desk, proposal):
    """Nothing is dropped: of a stranger, of no match, of a waybill told by the other side."""
    match = await agree(desk, proposal)
    of_match = {"match_id": match["match_id"]}
    await hears_of_loads(
        matcher,
        a_report(10, **of_match, waybill="W-1"),
        a_report(10, organisation="cog", reporter="cog", **of_match),
        a_report(10, match_id=uuid4()),
    )
    await hears_of_loads(
        matcher, a_report(10, organisation="bolt", reporter="bolt", waybill="W-1", **of_match)
    )
    assert (await as_it_is(desk, match))["delivered_t"] == 10
    assert len(await matcher.told("delivery-recorded")) == 1
    _, mine = await desk.get("/deliveries", ACME, refused="true")
    assert [one["refused"] for one in mine["items"]] == ["match_unknown"]
    _, all_of_it = await desk.get("/deliveries", COORDINATOR, refused="true")
    assert sorted(one["refused"] for one in all_of_it["items"]) == [
        "match_unknown", "not_a_side", "waybill_told_already",
    ]  # fmt: skip


async def test_loads_are_listed_by_when_they_were_told_either_way(matcher, desk):
    """Page by page to the end, the newest first or last."""
    for tonnes in (10, 20, 30):
        await hears_of_loads(matcher, a_report(tonnes, match_id=uuid4()))
    for order, awaited in (("newest", [30, 20, 10]), ("oldest", [10, 20, 30])):
        _, page = await desk.get("/deliveries", ACME, order=order, limit=2)
        _, rest = await desk.get("/deliveries", ACME, order=order, limit=2, after=page["next"])
        assert [one["tonnes"] for one in (*page["items"], *rest["items"])] == awaited


async def test_virgin_material_fills_a_need_and_comes_from_no_lot(matcher):
    """300 t bought for a need of 1 000: 700 t of it are still looked for."""
    need = a_need(tonnes=1000)
    await matcher.hears(need)
    await hears_of_loads(matcher, a_report(
        300, forecast_id=need.forecast_id, origin="virgin", organisation="bolt"
    ))  # fmt: skip
    standing = await matcher.hears_and_settles(a_surplus(tonnes=2000, north_km=4))
    assert [one.tonnes for one in standing] == [700]
    told = (await matcher.told("delivery-recorded"))[0]
    assert (told["origin"], told.get("surplus"), told["need"]["organisation"]) == (
        "virgin", None, "bolt",
    )  # fmt: skip


async def test_both_sides_tell_loads_at_the_door(matcher, desk, proposal):
    """Once under each key; corrected under its id; a stranger sees no such match."""
    path = f"/matches/{proposal['match_id']}/deliveries"
    load = {"tonnes": 120, "moved_on": "2026-11-02", "waybill": "W-7"}
    key = {"Idempotency_Key": "k-1"}
    assert (await desk.post(path, ACME, load, **key))[1]["code"] == "not_agreed"
    await agree(desk, proposal)
    assert (await desk.post(path, ACME, load))[1]["code"] == "idempotency_key_missing"
    assert (await desk.post(path, OTHER, load, **key))[0] == 404
    status, first = await desk.post(path, ACME, load, **key)
    assert (status, first["delivered_t"], first["left_t"]) == (200, 120, 380)
    status, again = await desk.post(path, ACME, load, **key)
    assert (status, again["delivery_id"], again["delivered_t"]) == (200, first["delivery_id"], 120)
    better = {**load, "tonnes": 130, "delivery_id": first["delivery_id"]}
    status, now_is = await desk.post(path, ACME, better, Idempotency_Key="k-2")
    assert (status, now_is["delivered_t"], now_is["revision"]) == (200, 130, 2)
    assert (await desk.post(path, BOLT, better, Idempotency_Key="k-3"))[0] == 404
    status, twice = await desk.post(path, BOLT, load, Idempotency_Key="k-4")
    assert (twice["refused"], twice["delivered_t"]) == ("waybill_told_already", 130)
    late = {**load, "moved_on": str(now().date() + timedelta(days=3))}
    assert (await desk.post(path, BOLT, late, Idempotency_Key="k-5"))[1]["code"] == (
        "moved_in_the_future"
    )
    _, listed = await desk.get(path, BOLT)
    assert [one["tonnes"] for one in listed["items"] if not one["refused"]] == [130]
    assert (listed["agreed_t"], listed["left_t"]) == (500, 370)
    assert (await desk.get(path, OTHER))[0] == 404


async def test_the_loads_and_the_words_of_a_match_are_the_same_page_by_page(
    matcher, desk, proposal
):
    """By day and id, with one balance on every page; a cursor that is not ours is refused."""
    path = f"/matches/{proposal['match_id']}"
    await agree(desk, proposal)
    for n in range(5):
        load = {"tonnes": 10 + n, "moved_on": f"2026-11-0{1 + n // 2}"}
        await desk.post(f"{path}/deliveries", ACME, load, Idempotency_Key=f"p-{n}")
    for told in ("deliveries", "decisions"):
        _, whole = await desk.get(f"{path}/{told}", BOLT)
        assert (len(whole["items"]), whole["next"]) == (5 if told == "deliveries" else 2, None)
        found, page = [], {"next": ""}
        while page["next"] is not None:
            _, page = await desk.get(f"{path}/{told}", BOLT, after=page["next"], limit="1")
            found += page["items"]
            assert page.get("left_t") == whole.get("left_t")
        assert found == whole["items"]
        status, problem = await desk.get(f"{path}/{told}", BOLT, after="nothing-of-ours")
        assert (status, problem["code"]) == (422, "cursor_invalid")


async def test_reports_at_once_close_one_balance(matcher, desk, proposal):
    """Four readers and a settler on the same match: every load counts once."""
    match = await agree(desk, proposal)
    reports = [a_report(10, match_id=match["match_id"]) for _ in range(24)]
    await asyncio.gather(
        *(hears_of_loads(matcher, *reports[at : at + 6]) for at in range(0, 24, 6)),
        *(hears_of_loads(matcher, one) for one in reports[::5]),
        matcher.works_off("dirty"),
    )
    now_is = await as_it_is(desk, match)
    assert (now_is["delivered_t"], now_is["left_t"]) == (240, 260)
    told = await matcher.told("delivery-recorded")
    assert len(told) == 24
    assert min(one["left_t"] for one in told) == 260


# --- offers and closing -----------------------------------------------------------------------


async def test_an_offer_goes_back_and_forth_until_one_side_accepts(matcher, desk, proposal):
    """Each offer is a revision; the other side's acceptance falls; notes are for the two sides."""
    _, accepted = await desk.decides(proposal, ACME, "accept")
    offer = {"tonnes": 300, "note": "only 300 fit",
             "window": {"first": "2027-04-01", "last": "2027-05-31"}}  # fmt: skip
    status, offered = await desk.decides(accepted, BOLT, "counter", **offer)
    assert (status, offered["state"], offered["asks"]) == (200, "accepted", ["acme"])
    assert (offered["tonnes"]["likely"], offered["window"]["last"]) == (300, "2027-05-31")
    assert offered["value"]["total_cents"] == 300 * offered["value"]["cents_per_t"]
    again = await desk.decides(accepted, BOLT, "counter", **offer)
    assert (again[0], again[1]["revision"]) == (200, offered["revision"])
    status, changed = await desk.decides(accepted, BOLT, "counter", tonnes=200)
    assert (status, changed["code"]) == (409, "match_changed")
    _, higher = await desk.decides(offered, ACME, "counter", tonnes=400)
    assert (higher["accepted_by"], higher["tonnes"]["likely"]) == (["acme"], 400)
    _, agreed = await desk.decides(higher, BOLT, "accept")
    assert (agreed["state"], agreed["tonnes"]["likely"]) == ("agreed", 400)
    await matcher.works_off()
    assert ("agreed", 400) in [(one.state, one.tonnes) for one in await matcher.standing()]
    path = f"/matches/{proposal['match_id']}/decisions"
    _, said = await desk.get(path, ACME)
    assert [(one["decision"], one["tonnes"]) for one in said["items"]] == [
        ("accept", None), ("counter", 300), ("counter", 400), ("accept", None),
    ]  # fmt: skip
    assert said["items"][1]["note"] == "only 300 fit"
    assert "only 300 fit" not in str(await matcher.told()), "notes are in no event"


async def test_an_offer_beyond_what_is_left_names_the_tonnes_left(matcher, desk, proposal):
    """The surplus has 500 t: 501 are refused, with the number in the answer."""
    status, problem = await desk.decides(proposal, BOLT, "counter", tonnes=501)
    assert (status, problem["code"], problem["tonnes_left"]) == (409, "too_many_tonnes", 500)
    assert "500 t or less" in problem["detail"]
    swedish = {"Accept-Language": "sv"}
    _, problem = await desk.decides(proposal, BOLT, "counter", tonnes=501, headers=swedish)
    assert problem["detail"].startswith("501 t är mer än de 500 t")
    status, problem = await desk.decides(proposal, BOLT, "counter")
    assert (status, problem["code"]) == (422, "terms_missing")
    status, problem = await desk.decides(proposal, BOLT, "accept", tonnes=3)
    assert (status, problem["code"]) == (422, "terms_not_asked")


async def test_two_offers_at_once_never_take_more_than_there_is(matcher, desk):
    """Both needs offer 850 t of the same 1 000: one is taken, the other hears what is left."""
    await matcher.hears_and_settles(
        a_surplus(tonnes=1000),
        a_need(tonnes=900, north_km=2),
        a_need(tonnes=900, north_km=3),
    )
    _, answer = await desk.get("/matches", BOLT)
    assert sorted(one["tonnes"]["likely"] for one in answer["items"]) == [100, 900]
    answers = await asyncio.gather(
        *(desk.decides(one, BOLT, "counter", tonnes=850) for one in answer["items"])
    )
    refused = next(told for status, told in answers if status == 409)
    assert (refused["code"], refused["tonnes_left"]) == ("too_many_tonnes", 150)
    assert [status for status, _ in answers if status == 200] == [200]
    await matcher.works_off()
    assert sorted(one.tonnes for one in await matcher.standing()) == [150, 850]
    assert await over_committed(matcher) == []


async def test_closing_gives_the_rest_back_to_both_lots(matcher, desk):
    """Of 500 t agreed 200 moved: closed, and the rest finds another partner."""
    surplus, need = a_surplus(tonnes=500), a_need(tonnes=500, north_km=5)
    await matcher.hears_and_settles(surplus, need)
    _, answer = await desk.get("/matches", ACME)
    match = await agree(desk, answer["items"][0])
    await hears_of_loads(matcher, a_report(200, match_id=match["match_id"]))
    now_is = await as_it_is(desk, match)
    status, closed = await desk.decides(now_is, BOLT, "close", note="site full")
    assert (status, closed["state"], closed["closed_by"], closed["left_t"]) == (
        200, "done", "bolt", 300,
    )  # fmt: skip
    standing = await matcher.hears_and_settles(a_need(tonnes=900, organisation="cog", north_km=1))
    assert [(one.state, one.tonnes) for one in standing] == [("proposed", 300)]


# --- alarms and the calendar ------------------------------------------------------------------


async def test_a_closed_forecast_alarms_of_what_is_agreed_once(matcher, desk, proposal):
    """The agreement stays; both are told once per revision, and the next revision again."""
    match = await agree(desk, proposal)
    await matcher.works_off()
    row = (await matcher.rows("SELECT surplus_id FROM match"))[0]
    events = await matcher.rows("SELECT * FROM lot WHERE id = :id", id=row.surplus_id)
    surplus = a_surplus(tonnes=500, forecast_id=row.surplus_id, project_id=events[0].project_id)
    closed = later(surplus, status="cancelled", revision=2)
    for event in (closed, closed, later(closed)):
        await matcher.hears_and_settles(event)
        await matcher.hears_and_settles(a_need(tonnes=70, organisation="cog"))
    changes = [one["change"] for one in await matcher.told("matcher.match-changed")
               if one["match_id"] == match["match_id"]]  # fmt: skip
    assert changes.count("forecast_below_agreed") == 2
    assert (await as_it_is(desk, match))["state"] == "agreed"


async def test_loads_of_an_agreement_raise_no_alarm(matcher, desk, proposal):
    """300 of 500 t are moved and the forecast is told anew with the 200 t that remain."""
    match = await agree(desk, proposal)
    await hears_of_loads(matcher, a_report(300, match_id=match["match_id"]))
    lot = (await matcher.rows("SELECT * FROM lot WHERE direction = 'surplus'"))[0]
    remains = a_surplus(tonnes=200, forecast_id=lot.id, project_id=lot.project_id, revision=2,
                        amount_as_of=date(2027, 4, 2))  # fmt: skip
    await matcher.hears_and_settles(remains)
    assert (await as_it_is(desk, match))["change"] == "delivered"
    await matcher.hears_and_settles(later(amount(remains, 150), amount_as_of=date(2027, 4, 2)))
    assert (await as_it_is(desk, match))["change"] == "forecast_below_agreed"


async def test_what_is_over_expires_though_nothing_changes_there(matcher, desk):
    """Proposed and accepted by one end; agreed alarms both sides, once."""
    past = (date(2026, 1, 1), date(2026, 3, 31))
    history = matcher.beside(closes_past_windows=False)
    for lat in (60.2, 62.2, 64.2):
        await history.hears_and_settles(
            a_surplus(window=past, lat=lat), a_need(window=past, lat=lat + 0.01)
        )
    _, answer = await desk.get("/matches", COORDINATOR)
    matches = answer["items"]
    await matcher.changes("UPDATE match SET last = '2027-12-31'")  # as if it were still open
    await desk.decides(matches[1], COORDINATOR, "accept", organisation="acme")
    agreed = await agree(desk, matches[2])
    await matcher.changes("UPDATE match SET last = '2026-03-31'")
    await matcher.changes("INSERT INTO calendar (id, due_at) VALUES (1, now())")
    present = matcher.beside(closes_past_windows=True)
    for _ in range(2):
        row = (await matcher.rows("SELECT * FROM calendar"))[0]
        async with present.database.begin_work() as work:
            await handlers.look_at_calendar(row, work, rules=present.rules)
    states = {one["match_id"]: one["state"] for one in
              [await as_it_is(desk, each) for each in matches]}  # fmt: skip
    assert [states[each["match_id"]] for each in matches] == ["expired", "expired", "agreed"]
    told = await matcher.told("matcher.match-changed")
    changes = [one["change"] for one in told if one["match_id"] == agreed["match_id"]]
    assert changes == ["accepted", "agreed", "window_over"]
    rows = await matcher.rows("SELECT due_at > now() + interval '5 minutes' AS later FROM calendar")
    assert rows[0].later
    async with present.database.begin_work() as work:  # nothing of the past ends in a history
        await handlers.look_at_calendar(row, work, rules=Rules(closes_past_windows=False))


async def test_declines_are_counted_by_reason(matcher, desk, proposal):
    """As sums of what who asks may see, and as a metric."""
    await desk.decides(proposal, BOLT, "decline", reason="papers")
    for asker, found in ((BOLT, {"papers": 1}), (COORDINATOR, {"papers": 1}), (OTHER, {})):
        _, told = await desk.get("/declines", asker, region="99")
        assert told["by_reason"] == found
    async with desk.session.get(f"{desk.url}/metrics") as answer:
        assert 'matcher_decisions_total{decision="decline",reason="papers"}' in await answer.text()


async def test_a_pair_too_far_for_one_is_explained(matcher, desk):
    """Declined for the distance at 9 km, the need's other pair at 12 km fails the exclusion."""
    near, far = a_surplus(tonnes=500, north_km=9), a_surplus(tonnes=500, north_km=12)
    need = a_need(tonnes=500)
    await matcher.hears_and_settles(near, need)
    _, answer = await desk.get("/matches", BOLT)
    await desk.decides(answer["items"][0], BOLT, "decline", reason="distance")
    assert await matcher.hears_and_settles(far) == []
    _, why = await desk.get("/explain", COORDINATOR, surplus=str(far.forecast_id),
                            need=str(need.forecast_id))  # fmt: skip
    assert [one["gate"] for one in why["reasons"] if one["verdict"] == "fail"] == ["exclusion"]
    closer = a_surplus(tonnes=500, north_km=2)
    standing = await matcher.hears_and_settles(closer)
    assert [one.surplus_id for one in standing] == [closer.forecast_id]
