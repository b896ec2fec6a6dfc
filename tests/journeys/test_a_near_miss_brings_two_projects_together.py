"""Three weeks lie between two projects: both are told, one moves, and the masses meet."""

from typing import Any

from deploy.allinone import Platform
from deploy.asking import Asking
from tests.conftest import eventually
from tests.flows.test_recovery import rows
from tests.platform import a_forecast, a_need, a_project, ask_as, company, first_match, matches_of

PLACE = {"region": "06", "municipality": "562"}
SPRING = {"available_from": "2027-03-01", "available_to": "2027-06-30"}
SUMMER = {"available_from": "2027-07-21", "available_to": "2027-10-31"}
LATER = {"available_from": "2027-03-22", "available_to": "2027-07-21"}


async def test_a_gap_of_three_weeks_is_told_to_both_and_closes_when_one_moves(
    platform: Platform,
) -> None:
    """The near miss names the weeks and not the other side; moved, it is a match and is gone."""
    giver = await company(platform, "kevatkaivu", region="06")
    taker = await company(platform, "kesapenger", region="06")
    people = set()
    async with Asking(platform.system) as ask:
        for who, name in ((giver, "Pilvi"), (taker, "Tuuli")):
            made = await ask(
                "registry", "POST", f"/organisations/{who.token}/members",
                {"name": name, "email": f"{name.lower()}@example.invalid",
                 "roles": ["coordinator"], "language": "en"},
            )  # fmt: skip
            people.add(made["person"])
    await giver.hand_in(a_project("p", **PLACE), a_forecast("s", "p", **SPRING))
    await taker.hand_in(a_project("p", **PLACE), a_need("n", "p", **SUMMER))

    async def near() -> Any:
        status, answer = await giver.ask("matcher", "GET", "/near-misses")
        assert status == 200
        return answer["items"]

    (found,) = await eventually(near, within_s=30)
    assert found["change_needed"] == "surplus window_later 21 d | need window_earlier 21 d"
    assert found["need"]["organisation"] is None
    assert found["tonnes"]["likely"] == 800
    assert await matches_of(giver) == []

    async def told() -> Any:
        asked = f"SELECT person FROM notice WHERE near_miss_id = '{found['near_miss_id']}'"
        there = {str(row[0]) for row in await rows(platform, "notifier", asked)}
        return people <= there

    await eventually(told)
    status, answer = await ask_as(
        platform, giver.credentials.https_key, "matcher", "GET",
        f"/openings/{found['surplus']['forecast_id']}",
    )  # fmt: skip
    assert status == 200
    assert answer["items"][0]["change_needed"] == "surplus window_later 21 d"
    assert answer["items"][0]["total_cents"] == found["value"]["total_cents"]

    await giver.hand_in(a_forecast("s", "p", **LATER))
    match = await first_match(giver, state="proposed")
    assert match["tonnes"]["likely"] == 800

    async def gone() -> bool:
        return not await near()

    await eventually(gone, within_s=30)
    asked = f"SELECT is_open FROM near_miss WHERE id = '{found['near_miss_id']}'"

    async def closed() -> bool:
        return [row[0] for row in await rows(platform, "notifier", asked)] == [False]

    await eventually(closed)
