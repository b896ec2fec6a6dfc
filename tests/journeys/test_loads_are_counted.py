"""From an agreement to its last load: what was moved is counted, corrected and closed."""

from typing import Any

from deploy.allinone import Platform
from deploy.asking import Asking
from deploy.audit import audit
from shared.contracts.base import now
from shared.contracts.intake import HandedDelivery
from tests.conftest import eventually
from tests.journeys.test_two_coordinators_agree import decide
from tests.platform import Company, a_forecast, a_need, a_project, company, first_match

PLACE = {"region": "06", "municipality": "562"}


def loads(external_id: str, tonnes: float, **told: Any) -> HandedDelivery:
    """Loads that moved today, weighed, unless told otherwise."""
    return HandedDelivery(
        **{"external_id": external_id, "outlet": "need_direct", "material": "till",
           "quantity": tonnes, "moved_on": now().date(), **told}
    )  # fmt: skip


async def figures(platform: Platform) -> dict[str, Any]:
    async with Asking(platform.system) as ask:
        told = await ask("indicators", "GET", "/figures", region="06", scope="municipality",
                         code=PLACE["municipality"], state="delivered")  # fmt: skip
    return {one["indicator"]: one for one in told["items"]}


async def as_it_is(who: Company, match: dict[str, Any]) -> Any:
    return (await who.ask("matcher", "GET", f"/matches/{match['match_id']}"))[1]


async def until(who: Company, match: dict[str, Any], **told: Any) -> Any:
    """The match once it is as *told*."""

    async def there() -> Any:
        seen = await as_it_is(who, match)
        return seen if all(seen[name] == value for name, value in told.items()) else None

    return await eventually(there, within_s=20)


async def test_loads_are_counted(platform: Platform) -> None:
    """Agreed, moved by two systems, corrected, closed; the figures are those of the loads."""
    giver, taker = await company(platform, "kuormala"), await company(platform, "penkerevayla")
    await giver.hand_in(a_project("p", **PLACE), a_forecast("s", "p"))
    await taker.hand_in(a_project("p", **PLACE), a_need("n", "p"))
    match = await first_match(giver, state="proposed")
    status, offered = await decide(taker, match, "counter", tonnes=700, note="700 fit")
    assert (status, offered["asks"]) == (200, ["kuormala"])
    status, agreed = await decide(giver, offered, "accept")
    assert (status, agreed["state"], agreed["left_t"]) == (200, "agreed", 700)

    # the haulier's system over NATS, the site over HTTPS
    await giver.hand_in(loads("D-1", 300, match_id=match["match_id"], haul_km=5.0, energy="hvo"))
    await until(giver, match, state="moving", left_t=400)
    today = now().date().isoformat()
    status, kept = await taker.ask(
        "matcher", "POST", f"/matches/{match['match_id']}/deliveries",
        {"tonnes": 200, "moved_on": today, "haul_km": 5.0, "energy": "electric"},
        headers={"Idempotency-Key": "weighbridge-1"},
    )  # fmt: skip
    assert (status, kept["delivered_t"], kept["left_t"]) == (200, 500, 200)

    # beside the match: what went to disposal, and what had to be bought
    await giver.hand_in(loads("D-2", 100, forecast="s", outlet="disposal", haul_km=30.0))
    await taker.hand_in(loads("V-1", 100, forecast="n", origin="virgin"))

    async def counted() -> Any:
        told = await figures(platform)
        return told if told["K10"]["value"] == 100 and told["K2"]["value"] else None

    told = await eventually(counted, within_s=20)
    assert round(told["K1a"]["value"], 4) == round(500 / 600, 4)
    assert round(told["K2"]["value"], 4) == round(500 / 600, 4)
    assert told["K5"]["value"] == 500 * 5 + 100 * 30
    assert round(told["K6"]["value"], 4) == round(5500 / 600, 4)
    assert round(told["K13"]["value"], 4) == round(1000 / 2500, 4)
    assert told["M1"]["value"] == told["K1a"]["value"]
    assert (told["K15"]["value"], told["M3"]["value"]) == (1, 0)

    # a correction, twice; then one side closes it and the rest is free
    better = loads("D-1", 250, match_id=match["match_id"], haul_km=5.0, external_revision=2)
    await giver.hand_in(better)
    await giver.hand_in(better)
    moving = await until(giver, match, left_t=250)
    status, closed = await decide(taker, moving, "close", note="the bank is full")
    assert (status, closed["state"], closed["closed_by"]) == (200, "done", "penkerevayla")

    async def free_again() -> Any:
        _, answer = await giver.ask("matcher", "GET", "/matches", state="proposed")
        return sum(one["tonnes"]["likely"] for one in answer["items"]) == 250

    await eventually(free_again, within_s=60)
    _, listed = await giver.ask("matcher", "GET", f"/matches/{match['match_id']}/deliveries")
    assert sorted(one["tonnes"] for one in listed["items"]) == [200, 250]
    report = await audit(platform.system)
    assert report.clean, report.broken
