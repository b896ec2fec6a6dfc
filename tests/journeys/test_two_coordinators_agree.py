"""Two coordinators are told, decide, and meet a conflict when the match has changed meanwhile."""

from typing import Any

from deploy.allinone import Platform
from deploy.asking import Asking
from tests.conftest import eventually
from tests.platform import Company, a_forecast, a_need, a_project, company, first_match


async def member(platform: Platform, who: Company, name: str, role: str, **told: Any) -> str:
    async with Asking(platform.system) as ask:
        made = await ask(
            "registry",
            "POST",
            f"/organisations/{who.token}/members",
            {"name": name, "email": f"{name.lower()}@example.invalid", "roles": [role], **told},
        )
    return str(made["person"])


async def decide(who: Company, match: dict[str, Any], decision: str, **told: Any) -> Any:
    return await who.ask(
        "matcher",
        "POST",
        f"/matches/{match['match_id']}/decisions",
        {"decision": decision, **told},
        headers={"If-Match": f'"{match["revision"]}"'},
    )


async def test_two_coordinators_agree_and_each_was_told_once(platform: Platform) -> None:
    """Found → both on the desk; one accepts → the other is asked; the other accepts → agreed."""
    giver = await company(platform, "louhos")
    taker = await company(platform, "valli")
    await member(platform, giver, "Lempi", "coordinator")
    await member(platform, taker, "Veikko", "coordinator")
    place = {"region": "06", "municipality": "211"}
    await giver.hand_in(a_project("p", **place), a_forecast("s", "p"))
    await taker.hand_in(a_project("p", **place), a_need("n", "p"))
    match = await first_match(giver, state="proposed")

    status, accepted = await decide(giver, match, "accept")
    assert (status, accepted["state"]) == (200, "accepted")

    status, seen = await taker.ask("matcher", "GET", f"/matches/{match['match_id']}")
    assert seen["surplus"]["organisation"] == "louhos"
    assert seen["asks"] == ["valli"]
    status, agreed = await decide(taker, seen, "accept")
    assert (status, agreed["state"]) == (200, "agreed")

    await giver.hand_in(a_forecast("s", "p", quantity=500.0, external_revision=9))

    async def alarm() -> Any:
        _, now = await giver.ask("matcher", "GET", f"/matches/{match['match_id']}")
        return now if now["revision"] > agreed["revision"] else None

    told = await eventually(alarm)
    assert told["state"] == "agreed"
    assert told["tonnes"]["likely"] == 800, "agreed tonnes do not change by themselves"
    assert "below" in told["change"]


async def test_a_decision_on_what_has_changed_is_a_conflict_that_says_what(
    platform: Platform,
) -> None:
    """The old revision is refused with 409 and the fields that moved; nothing is decided."""
    giver = await company(platform, "monttu")
    taker = await company(platform, "kenttä".replace("ä", "a"))
    place = {"region": "06", "municipality": "702"}
    await giver.hand_in(a_project("p", **place), a_forecast("s", "p"))
    await taker.hand_in(a_project("p", **place), a_need("n", "p"))
    match = await first_match(giver, state="proposed")
    await giver.hand_in(a_forecast("s", "p", quantity=300.0, external_revision=5))

    async def smaller() -> Any:
        _, now = await giver.ask("matcher", "GET", f"/matches/{match['match_id']}")
        return now["tonnes"]["likely"] == 300

    await eventually(smaller)
    status, problem = await decide(giver, match, "accept")

    assert (status, problem["code"]) == (409, "match_changed")
    assert {"tonnes"} & {change["field"].split(".")[0] for change in problem["changed"]}


async def test_a_declined_pair_is_not_proposed_again_in_the_same_terms(platform: Platform) -> None:
    """A reason is kept; the pair stays apart until one of the two forecasts changes."""
    giver = await company(platform, "kaivanto")
    taker = await company(platform, "tasanne")
    place = {"region": "06", "municipality": "250"}
    await giver.hand_in(a_project("p", **place), a_forecast("s", "p"))
    await taker.hand_in(a_project("p", **place), a_need("n", "p"))
    match = await first_match(taker, state="proposed")

    status, declined = await decide(taker, match, "decline", reason="quality")
    assert (status, declined["state"], declined["decline_reason"]) == (200, "declined", "quality")

    await giver.hand_in(a_project("q", **place), a_forecast("other", "q", quantity=90.0))
    await first_match(giver, state="proposed")
    _, answer = await giver.ask("matcher", "GET", "/matches", state="proposed")

    def pair(one: dict[str, Any]) -> tuple[str, str]:
        return one["surplus"]["forecast_id"], one["need"]["forecast_id"]

    assert answer["items"] and pair(match) not in map(pair, answer["items"])
