"""The same mass told by two: once linked, it is matched and counted once, until it is unlinked."""

from typing import Any

from deploy.allinone import Platform
from deploy.asking import Asking
from deploy.audit import audit
from tests.conftest import eventually
from tests.platform import Company, a_forecast, a_need, a_project, company, matches_of

PLACE = {"region": "06", "municipality": "418"}
SITE = {"lat": 61.3, "lon": 23.75}


async def test_a_linked_mass_is_matched_and_counted_once(platform: Platform) -> None:
    """The copy's proposal is withdrawn, its tonnes leave the balance, and unlinking brings back."""
    city = await company(platform, "kaksonen", region="06")
    contractor = await company(platform, "kopioija", region="06")
    taker = await company(platform, "ottaja", region="06")
    told = {"material": "sand", **SITE}  # of a material that no other test tells
    for teller in (city, contractor):
        await teller.hand_in(
            a_project("p", visibility="forum", **PLACE), a_forecast("s", "p", **told)
        )
    await taker.hand_in(
        a_project("p", visibility="forum", **PLACE),
        a_need("n", "p", material="sand", quantity=2000.0, **SITE),
    )

    async def surplus() -> float:
        async with Asking(platform.system) as ask:
            found = await ask("indicators", "GET", "/balance", region="06",
                              scope="municipality", code="418")  # fmt: skip
        sand = [row for row in found["items"] if row["material"] == "sand"]
        return round(sum(row["surplus_t"] for row in sand), 3)

    async def proposed(who: Company) -> bool:
        return bool(await matches_of(who, state="proposed"))

    async def is_told_by_both() -> Any:
        return await proposed(city) and await proposed(contractor) and await surplus() == 2000

    async def is_told_once() -> Any:
        gone = not await proposed(contractor)
        return gone and await proposed(city) and await surplus() == 1000

    await eventually(is_told_by_both, within_s=30)
    async with Asking(platform.system) as ask:
        found = await ask("registry", "GET", "/duplicates", region="06")
        (pair,) = found["items"]
        ids = {one["reporter"]: one["forecast_id"] for one in pair["forecasts"]}
        decision = {"counts": ids["kaksonen"], "duplicate": ids["kopioija"]}
        await ask("registry", "POST", "/duplicates", {"decision": "link", **decision})
    await eventually(is_told_once, within_s=30)
    report = await audit(platform.system)
    assert report.clean, report.broken

    async with Asking(platform.system) as ask:
        await ask("registry", "POST", "/duplicates", {"decision": "unlink", **decision})
    await eventually(is_told_by_both, within_s=30)
