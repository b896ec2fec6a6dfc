"""What the matcher answers over HTTP, and to whom."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
import uvicorn

from services.matcher.api import router
from services.matcher.settings import Settings
from shared.access import Asker, new_signing_key, sign
from shared.http import application
from tests.conftest import eventually, free_port
from tests.described import as_described
from tests.matcher.builders import a_need, a_surplus
from tests.matcher.test_handlers import amount, later

KEY = new_signing_key()
ACME = Asker("acme-key", "organisation", {"acme": ("reporter",)})
BOLT = Asker("bolt-person", "person", {"bolt": ("coordinator",)})
OTHER = Asker("cog-key", "organisation", {"cog": ("reporter",)})
COORDINATOR = Asker("seppo", "person", {}, ("99",))
OPERATOR = Asker("operator", "operator")


class Ready:
    """Nothing keeps this service from being ready."""

    async def problems(self) -> list[str]:
        return []


@dataclass
class Desk:
    """Asks the running matcher as somebody."""

    session: aiohttp.ClientSession
    url: str

    async def get(self, path: str, asker: Asker | None, **query: str) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {sign(asker, KEY)}"} if asker else {}
        async with self.session.get(self.url + path, headers=headers, params=query) as answer:
            await as_described("matcher", answer)
            return answer.status, await answer.json()

    async def post(
        self, path: str, asker: Asker, body: Any = None, **headers: str
    ) -> tuple[int, Any]:
        told = {"Authorization": f"Bearer {sign(asker, KEY)}"}
        told |= {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.post(self.url + path, headers=told, json=body) as answer:
            await as_described("matcher", answer)
            return answer.status, await answer.json()

    async def decides(self, match: Any, asker: Asker, decision: str, **told: Any) -> Any:
        """*asker* decides on *match* as it was seen; status and body."""
        headers = {
            "If_Match": f'"{told.pop("seen", match["revision"])}"',
            **told.pop("headers", {}),
        }
        path = f"/matches/{match['match_id']}/decisions"
        return await self.post(path, asker, {"decision": decision, **told}, **headers)


@pytest.fixture
async def desk(matcher) -> AsyncIterator[Desk]:
    """The matcher's application on a free port."""
    app = application(
        name="matcher", router=router, database=matcher.database, public_key=KEY, health=Ready(),
        settings=Settings(),
    )  # fmt: skip
    port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", ws="none")
    )
    server.config.install_signal_handlers = False
    serving = asyncio.create_task(server.serve())

    async def started() -> bool:
        return server.started

    await eventually(started)
    async with aiohttp.ClientSession() as session:
        yield Desk(session, f"http://127.0.0.1:{port}")
    server.should_exit = True
    await serving


@pytest.fixture
async def proposal(matcher, desk) -> Any:
    """One proposal between acme and bolt, as the coordinator sees it."""
    await matcher.hears_and_settles(a_surplus(tonnes=500), a_need(tonnes=800, north_km=5))
    _, answer = await desk.get("/matches", COORDINATOR)
    return answer["items"][0]


async def test_a_match_is_listed_to_its_sides_its_coordinators_and_nobody_else(desk, proposal):
    """Each sees what is its own to see; a stranger an empty list and no such match."""
    for asker, count in ((ACME, 1), (BOLT, 1), (COORDINATOR, 1), (OPERATOR, 1), (OTHER, 0)):
        status, answer = await desk.get("/matches", asker)
        assert (status, len(answer["items"])) == (200, count)
    path = f"/matches/{proposal['match_id']}"
    assert (await desk.get(path, OTHER))[0] == 404
    assert (await desk.get(path, None))[0] == 401
    status, seen = await desk.get(path, ACME)
    assert status == 200
    assert seen["need"]["organisation"] is None
    assert seen["asks"] == ["acme"]
    assert proposal["need"]["organisation"] == "bolt"
    assert "visibility" not in seen["need"]


async def test_lists_go_on_where_they_ended(matcher, desk):
    """`next` leads through all of them, each once; `since` finds what changed."""
    for at in range(5):
        await matcher.hears_and_settles(
            a_surplus(tonnes=200, lat=60.2 + at), a_need(tonnes=200, lat=60.21 + at)
        )
    seen, after = [], None
    while True:
        more = {"after": after} if after else {}
        _, answer = await desk.get("/matches", OPERATOR, limit="2", **more)
        seen += [one["match_id"] for one in answer["items"]]
        after = answer["next"]
        if not after:
            break
    assert len(seen) == len(set(seen)) == 5
    _, recent = await desk.get("/matches", OPERATOR, since=answer["as_of"], state="proposed")
    assert len(recent["items"]) == 5
    _, none = await desk.get("/matches", OPERATOR, state="agreed")
    assert none["items"] == []
    assert (await desk.get("/matches", OPERATOR, after="nonsense"))[0] == 422


async def test_two_sides_accept_and_the_match_is_agreed(matcher, desk, proposal):
    """The first acceptance names both sides and asks the other; the second agrees."""
    status, accepted = await desk.decides(proposal, ACME, "accept")
    assert (status, accepted["state"], accepted["asks"]) == (200, "accepted", ["bolt"])
    assert accepted["need"]["organisation"] == "bolt"
    status, agreed = await desk.decides(accepted, BOLT, "accept")
    assert (status, agreed["state"], agreed["asks"]) == (200, "agreed", [])
    assert [one["change"] for one in await matcher.told("matcher.match-changed")] == [
        "accepted", "agreed",
    ]  # fmt: skip
    await matcher.works_off()
    assert [(one.state, one.tonnes) for one in await matcher.standing()] == [("agreed", 500)]


async def test_the_same_decision_said_twice_is_one(matcher, desk, proposal):
    """Repeated with its key, or on the same revision, it answers and changes nothing."""
    once = {"headers": {"Idempotency_Key": "k-1"}}
    first = await desk.decides(proposal, ACME, "accept", **once)
    again = await desk.decides(proposal, ACME, "accept", **once)
    plain = await desk.decides(proposal, ACME, "accept")
    assert first[0] == again[0] == plain[0] == 200
    assert again[1]["revision"] == plain[1]["revision"] == first[1]["revision"]
    assert len(await matcher.rows("SELECT * FROM decision")) == 1


async def test_a_decision_on_what_has_changed_says_what(matcher, desk):
    """500 t were seen, 300 t stand: a conflict with both, and the match as it is."""
    surplus, need = a_surplus(tonnes=500), a_need(tonnes=800)
    await matcher.hears_and_settles(surplus, need)
    _, answer = await desk.get("/matches", ACME)
    await matcher.hears_and_settles(amount(surplus, 300))
    status, problem = await desk.decides(answer["items"][0], ACME, "accept")
    assert (status, problem["code"]) == (409, "match_changed")
    assert {"field": "tonnes", "was": 500, "now": 300} in problem["changed"]
    assert problem["match"]["tonnes"]["likely"] == 300
    status, _ = await desk.decides(problem["match"], ACME, "accept")
    assert status == 200


async def test_a_decision_names_the_revision_it_saw(desk, proposal):
    """Without If-Match nothing is decided."""
    path = f"/matches/{proposal['match_id']}/decisions"
    status, problem = await desk.post(path, ACME, {"decision": "accept"})
    assert (status, problem["code"]) == (428, "revision_missing")


async def test_a_declined_pair_is_not_proposed_again(matcher, desk, proposal):
    """With its reason; the tonnes are free for others, and the other side is told why."""
    status, problem = await desk.decides(proposal, BOLT, "decline")
    assert (status, problem["code"]) == (409, "reason_missing")
    status, declined = await desk.decides(proposal, BOLT, "decline", reason="distance")
    assert (status, declined["state"], declined["decline_reason"]) == (200, "declined", "distance")
    await matcher.works_off()
    assert await matcher.standing() == []
    _, seen = await desk.get(f"/matches/{proposal['match_id']}", ACME)
    assert (seen["declined_by"], seen["decline_reason"]) == (None, "distance")
    other = a_need(tonnes=400, organisation="cog", north_km=9)
    standing = await matcher.hears_and_settles(other)
    assert [one.need_id for one in standing] == [other.forecast_id]
    _, why = await desk.get(
        "/explain", COORDINATOR, surplus=proposal["surplus"]["forecast_id"],
        need=proposal["need"]["forecast_id"],
    )  # fmt: skip
    assert [one["gate"] for one in why["reasons"] if one["verdict"] == "fail"] == ["exclusion"]


async def test_an_acceptance_can_be_undone_until_the_other_side_accepted(desk, proposal):
    """Undone it asks both again; agreed it cannot be undone."""
    _, accepted = await desk.decides(proposal, ACME, "accept")
    status, undone = await desk.decides(accepted, ACME, "undo")
    assert (status, undone["state"], undone["accepted_by"]) == (200, "proposed", [])
    _, accepted = await desk.decides(undone, ACME, "accept")
    _, agreed = await desk.decides(accepted, BOLT, "accept")
    status, problem = await desk.decides(agreed, ACME, "undo")
    assert (status, problem["code"]) == (409, "agreed_already")
    status, problem = await desk.decides(agreed, ACME, "decline", reason="other")
    assert (status, problem["code"]) == (409, "decided_already")


async def test_an_acceptance_is_undone_though_the_forecasts_have_moved_apart(matcher, desk):
    """Then no proposal is left of it."""
    surplus, need = a_surplus(), a_need()
    await matcher.hears_and_settles(surplus, need)
    _, answer = await desk.get("/matches", ACME)
    _, accepted = await desk.decides(answer["items"][0], ACME, "accept")
    window = need.window.model_copy(update={"first": date(2029, 3, 1), "last": date(2029, 3, 31)})
    await matcher.hears_and_settles(later(need, window=window))
    _, seen = await desk.get(f"/matches/{accepted['match_id']}", ACME)
    status, _ = await desk.decides(seen, ACME, "undo")
    assert status == 200
    await matcher.works_off()
    _, seen = await desk.get(f"/matches/{accepted['match_id']}", ACME)
    assert seen["state"] == "withdrawn"


async def test_only_the_sides_decide_or_a_coordinator_for_one_of_them(desk, proposal):
    """A stranger sees no such match; a coordinator must say for whom."""
    assert (await desk.decides(proposal, OTHER, "accept"))[0] == 404
    assert (await desk.decides(proposal, COORDINATOR, "accept"))[0] == 403
    assert (await desk.decides(proposal, ACME, "accept", organisation="bolt"))[0] == 403
    status, accepted = await desk.decides(proposal, COORDINATOR, "accept", organisation="bolt")
    assert (status, accepted["accepted_by"]) == (200, ["bolt"])


async def test_what_one_side_accepted_stays_as_it_is_while_it_waits(matcher, desk):
    """An accepted match is fixed: a better partner changes nothing of it."""
    surplus, need = a_surplus(tonnes=500), a_need(tonnes=500, north_km=25)
    await matcher.hears_and_settles(surplus, need)
    _, answer = await desk.get("/matches", ACME)
    await desk.decides(answer["items"][0], ACME, "accept")
    standing = await matcher.hears_and_settles(a_need(tonnes=500, organisation="cog"))
    assert [(one.state, one.need_id) for one in standing] == [("accepted", need.forecast_id)]


async def test_a_forecast_below_what_is_agreed_alarms_both_sides_once(matcher, desk):
    """The agreement of 500 t is kept; both are told, once per revision of the forecast."""
    surplus, need = a_surplus(tonnes=500), a_need(tonnes=500)
    await matcher.hears_and_settles(surplus, need)
    _, answer = await desk.get("/matches", ACME)
    _, accepted = await desk.decides(answer["items"][0], ACME, "accept")
    await desk.decides(accepted, BOLT, "accept")
    await matcher.works_off()
    await matcher.hears_and_settles(amount(surplus, 200))
    await matcher.hears_and_settles(a_need(tonnes=70, organisation="cog"))
    told = await matcher.told("matcher.match-changed")
    assert [one["change"] for one in told] == ["accepted", "agreed", "forecast_below_agreed"]
    assert told[-1]["tonnes"]["likely"] == 500
    assert [(one.state, one.tonnes) for one in await matcher.standing()] == [("agreed", 500)]
    assert len(await matcher.told("matches.match-changed")) == 6


async def test_agreed_terms_stay_as_they_were_when_forecasts_change(matcher, desk):
    """The window that was agreed is told on, though the forecast has another by now."""
    surplus, need = a_surplus(tonnes=500), a_need(tonnes=500)
    await matcher.hears_and_settles(surplus, need)
    _, answer = await desk.get("/matches", ACME)
    _, accepted = await desk.decides(answer["items"][0], ACME, "accept")
    _, agreed = await desk.decides(accepted, BOLT, "accept")
    await matcher.hears_and_settles(later(surplus, material="gravel"))
    _, now = await desk.get(f"/matches/{agreed['match_id']}", ACME)
    assert now["surplus"]["material"] == "sand"
    assert now["reasons"] == agreed["reasons"]


async def test_an_accepted_match_whose_forecast_is_cancelled_is_withdrawn(matcher, desk):
    """What only one side had accepted ends with its forecast."""
    surplus, need = a_surplus(), a_need()
    await matcher.hears_and_settles(surplus, need)
    _, answer = await desk.get("/matches", BOLT)
    await desk.decides(answer["items"][0], BOLT, "accept")
    await matcher.works_off()
    await matcher.hears_and_settles(later(surplus, status="cancelled"))
    assert await matcher.standing() == []
    assert (await matcher.told("matcher.match-changed"))[-1]["change"] == "withdrawn"


async def test_any_pair_is_explained_to_who_may_see_both(matcher, desk):
    """Every gate with both values; a lot one may not see is not there."""
    surplus = a_surplus(material="clay")
    need = a_need(use="filter_layer", visibility="forum")
    await matcher.hears_and_settles(surplus, need)
    pair = {"surplus": str(surplus.forecast_id), "need": str(need.forecast_id)}
    status, why = await desk.get("/explain", ACME, **pair)
    assert (status, why["verdict"], why["feasible"]) == (200, "fail", False)
    refused = {one["gate"]: one for one in why["reasons"] if one["verdict"] == "fail"}
    assert refused["G6_material"]["offered"] == "clay"
    assert (await desk.get("/explain", BOLT, **pair))[0] == 404
    assert (await desk.get("/explain", COORDINATOR, **pair))[0] == 200
    swapped = {"surplus": pair["need"], "need": pair["surplus"]}
    assert (await desk.get("/explain", OPERATOR, **swapped))[0] == 404
    assert (await desk.get("/explain", OPERATOR, surplus=str(uuid4()), need=pair["need"]))[0] == 404


async def test_the_operator_settles_the_region_and_sees_how_good_it_is(matcher, desk, proposal):
    """The figures name value, optimum and share; others may not."""
    assert (await desk.post("/settle", ACME))[0] == 403
    status, figures = await desk.post(
        "/settle", OPERATOR, {"standing_bonus": 0, "smallest_load": 0}
    )
    assert status == 200
    assert figures["value_cents"] == figures["optimum_cents"] > 0
    assert (figures["matches"], figures["tonnes"]) == (1, 500)
    status, settled = await desk.get("/settled", COORDINATOR)
    assert status == 200
    assert (settled["share"], settled["lots"], settled["dirty"]) == (1.0, 2, 0)
    assert (await desk.get("/settled", ACME))[0] == 403


async def test_metrics_show_what_was_settled(desk, proposal):
    """Settles and the share of the optimum are exported."""
    async with desk.session.get(f"{desk.url}/metrics") as answer:
        told = await answer.text()
    assert "matcher_settles_total" in told
    assert "matcher_optimum_share" in told
