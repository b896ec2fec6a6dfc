"""What an answer holds for each of those who may ask: sums, reasons, names, prices, contacts."""

from typing import Any

from shared.access import Asker
from tests.matcher.builders import a_need, a_surplus, some_id
from tests.matcher.test_api import ACME, BOLT, COORDINATOR, OPERATOR, OTHER, desk  # noqa: F401
from tests.matcher.test_handlers_areas import AUTUMN, SPRING, hears_of, told

READER = Asker("reader", "person", {"acme": ("reader",)})
ELSEWHERE = Asker("elsewhere", "person", {}, ("06",))
CONTACT = some_id(900)
NOTHING = {"open_lots": 0, "proposed": 0, "proposed_t": 0, "agreed": 0, "agreed_t": 0}


async def counted(desk: Any, asker: Asker, **more: str) -> tuple[int, dict[str, int]]:  # noqa: F811
    status, told = await desk.get("/counts", asker, region="99", **more)
    return status, {name: told[name] for name in NOTHING if name in told}


async def test_counts_are_of_what_the_asker_may_see(matcher, desk):  # noqa: F811
    """Sides count their match, its region's coordinator all, others nothing."""
    await matcher.hears_and_settles(a_surplus(tonnes=500), a_need(tonnes=500, north_km=5))
    own = {"open_lots": 1, "proposed": 1, "proposed_t": 500, "agreed": 0, "agreed_t": 0}
    for asker, expected in (
        (ACME, own), (BOLT, own), (READER, own), (OTHER, NOTHING), (ELSEWHERE, NOTHING),
        (COORDINATOR, {**own, "open_lots": 2}), (OPERATOR, {**own, "open_lots": 2}),
    ):  # fmt: skip
        assert await counted(desk, asker) == (200, expected), asker.subject


async def test_counts_for_anybody_are_of_three_organisations_or_none(matcher, desk):  # noqa: F811
    """Whoever asks, the operator too: what anybody is told is bounded."""
    await matcher.hears_and_settles(a_surplus(tonnes=500), a_need(tonnes=500, north_km=5))
    for asker in (OTHER, OPERATOR):
        status, problem = await desk.get("/counts", asker, region="99", bounded="true")
        assert (status, problem["code"]) == (403, "too_few_organisations")
    await matcher.hears_and_settles(a_surplus(organisation="cog", material="clay"))
    for asker in (ACME, OTHER, ELSEWHERE, OPERATOR):
        status, told = await counted(desk, asker, bounded="true")
        assert (status, told["open_lots"]) == (200, 3)


async def test_declines_are_told_to_those_who_see_the_match(matcher, desk):  # noqa: F811
    """By reason, and nothing to others."""
    await matcher.hears_and_settles(a_surplus(tonnes=500), a_need(tonnes=500, north_km=5))
    (match,) = (await desk.get("/matches", ACME))[1]["items"]
    await desk.decides(match, BOLT, "decline", reason="price")
    for asker in (ACME, BOLT, READER, COORDINATOR, OPERATOR, OTHER, ELSEWHERE):
        status, found = await desk.get("/declines", asker, region="99")
        expected = {} if asker in (OTHER, ELSEWHERE) else {"price": 1}
        assert (status, found["by_reason"]) == (200, expected), asker.subject


async def test_a_counterpart_has_name_and_contacts_from_the_first_acceptance(
    matcher,
    desk,  # noqa: F811
):
    """Before, material, amount and municipality; the exact place only when both have agreed."""
    await matcher.hears_and_settles(
        a_surplus(tonnes=500, contacts=(CONTACT,)), a_need(tonnes=500, north_km=5)
    )

    async def seen(asker: Asker) -> tuple[Any, bool, str]:
        (match,) = (await desk.get("/matches", asker))[1]["items"]
        end = match["surplus"]
        return end["organisation"], bool(end["contacts"]), end["place"]["precision"]

    whole = ("acme", True, "exact")
    assert await seen(BOLT) == (None, False, "municipality")
    for asker in (ACME, READER, COORDINATOR, OPERATOR):
        assert await seen(asker) == whole
    for asker in (OTHER, ELSEWHERE):
        assert (await desk.get("/matches", asker))[1]["items"] == []
    (match,) = (await desk.get("/matches", BOLT))[1]["items"]
    await desk.decides(match, BOLT, "accept")
    assert await seen(BOLT) == ("acme", True, "municipality")
    (match,) = (await desk.get("/matches", ACME))[1]["items"]
    await desk.decides(match, ACME, "accept")
    assert await seen(BOLT) == whole


async def test_a_way_over_an_area_that_one_may_not_see_is_not_explained(matcher, desk):  # noqa: F811
    """An area for coordinators alone is to others as one that does not exist."""
    surplus, need = a_surplus(window=SPRING), a_need(window=AUTUMN, north_km=5, visibility="forum")
    await hears_of(matcher, told(visibility="region"), told(area_id=some_id(8)))
    await matcher.hears(surplus, need)
    pair = {"surplus": str(surplus.forecast_id), "need": str(need.forecast_id)}
    hidden, open_to_all, none = (str(some_id(number)) for number in (7, 8, 99))

    async def explained(asker: Asker, area: str) -> int:
        return int((await desk.get("/explain", asker, **pair, area=area))[0])

    for asker in (ACME, READER):
        assert [await explained(asker, one) for one in (hidden, open_to_all)] == [404, 200]
        answers = [await desk.get("/explain", asker, **pair, area=one) for one in (hidden, none)]
        assert [one["code"] for _, one in answers] == ["area_not_found"] * 2
    for asker in (COORDINATOR, OPERATOR):
        assert await explained(asker, hidden) == 200
    for asker in (OTHER, ELSEWHERE):
        assert await explained(asker, open_to_all) == 404
