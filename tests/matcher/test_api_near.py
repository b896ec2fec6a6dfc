"""Near misses and openings over HTTP: who may see what of them."""

from tests.matcher.builders import a_need, a_surplus
from tests.matcher.test_api import ACME, BOLT, COORDINATOR, OPERATOR, OTHER, desk  # noqa: F401
from tests.matcher.test_near import SPRING, SUMMER


async def test_a_near_miss_is_listed_to_its_sides_and_its_coordinators(matcher, desk):  # noqa: F811
    """Each side without the other's name and exact place; a stranger sees nothing."""
    await matcher.hears(a_surplus(window=SPRING), a_need(window=SUMMER, north_km=5))
    await matcher.works_off()
    for asker, count in ((ACME, 1), (BOLT, 1), (COORDINATOR, 1), (OPERATOR, 1), (OTHER, 0)):
        status, answer = await desk.get("/near-misses", asker)
        assert (status, len(answer["items"])) == (200, count)
    assert (await desk.get("/near-misses", None))[0] == 401

    _, answer = await desk.get("/near-misses", ACME)
    (seen,) = answer["items"]
    assert seen["change_needed"] == "surplus window_later 21 d | need window_earlier 21 d"
    assert seen["need"]["organisation"] is None
    assert seen["need"]["contacts"] == []
    assert seen["need"]["place"]["precision"] == "municipality"
    assert seen["who_could"] == ["acme"]
    assert "visibility" not in seen["need"]
    _, whole = await desk.get("/near-misses", COORDINATOR)
    assert whole["items"][0]["who_could"] == ["acme", "bolt"]


async def test_the_list_leads_from_the_best_to_the_last(matcher, desk):  # noqa: F811
    """Worth most first, page by page, each once."""
    for at in range(5):
        tonnes = 200 + 100 * at
        await matcher.hears(
            a_surplus(window=SPRING, tonnes=tonnes, lat=60.2 + 2 * at),
            a_need(window=SUMMER, tonnes=tonnes, lat=60.2 + 2 * at),
        )
    await matcher.works_off()
    seen, after = [], None
    while True:
        more = {"after": after} if after else {}
        _, answer = await desk.get("/near-misses", OPERATOR, limit="2", region="99", **more)
        seen += [one["tonnes"]["likely"] for one in answer["items"]]
        after = answer["next"]
        if not after:
            break
    assert seen == [600, 500, 400, 300, 200]
    assert (await desk.get("/near-misses", OPERATOR, after="nonsense"))[0] == 422
    _, none = await desk.get("/near-misses", OPERATOR, organisation="cog")
    assert none["items"] == []


async def test_openings_are_for_ones_own_forecast(matcher, desk):  # noqa: F811
    """The owner and the coordinator are told what to change; the other side is not."""
    surplus = a_surplus(window=SPRING)
    await matcher.hears(surplus, a_need(window=SUMMER, tonnes=800))
    path = f"/openings/{surplus.forecast_id}"
    for asker in (ACME, COORDINATOR):
        status, answer = await desk.get(path, asker)
        assert status == 200
        (one,) = answer["items"]
        assert (one["change_needed"], one["tonnes"]) == ("surplus window_later 21 d", 800)
        assert one["total_cents"] > 0
    assert (await desk.get(path, BOLT))[0] == 404
    assert (await desk.get(path, None))[0] == 401
