"""A mass that two tell is matched and counted once as soon as a person links what they told."""

from typing import Any

from deploy.allinone import Platform
from deploy.asking import Asking
from deploy.audit import audit
from tests.conftest import eventually
from tests.platform import Company, a_forecast, a_need, a_project, company, matches_of

PLACE = {"region": "06", "municipality": "922"}
SITE = {"lat": 61.31, "lon": 23.62}
TILL = {"material": "till", "quantity": 1000.0}


async def balanced(platform: Platform) -> tuple[float, float]:
    """Tonnes of the surplus in the municipality, and those of them that are proposed."""
    async with Asking(platform.system) as ask:
        told = await ask("indicators", "GET", "/balance", region="06", scope="municipality",
                         code=PLACE["municipality"])  # fmt: skip
    rows = told["items"]
    return (
        round(sum(row["surplus_t"] for row in rows)),
        round(sum(row["states"]["proposed"]["surplus_t"] for row in rows)),
    )


async def proposed(taker: Company, *forecasts: str) -> int:
    """Tonnes that *taker* is proposed of the *forecasts* together."""
    found = [
        one["tonnes"]["likely"]
        for one in await matches_of(taker, state="proposed")
        if one["surplus"]["forecast_id"] in forecasts
    ]
    return round(sum(found))


async def test_a_mass_told_twice_is_matched_and_counted_once(platform: Platform) -> None:
    """Linked it counts once; unlinked twice again; the books are in order all the while."""
    city = await company(platform, "kaksoiskunta", region="06")
    digger = await company(platform, "kaksoismaansiirto", region="06")
    taker = await company(platform, "kaksoispenger", region="06")
    for who in (city, digger):
        await who.hand_in(a_project("p", **PLACE),
                          a_forecast("s", "p", **SITE, **TILL))  # fmt: skip
    await taker.hand_in(a_project("p", **PLACE),
                        a_need("n", "p", **SITE, quantity=2000.0))  # fmt: skip

    async def suggested() -> Any:
        async with Asking(platform.system) as ask:
            told = await ask("registry", "GET", "/duplicates", region="06")
        pairs = [one["forecasts"] for one in told["items"]]
        return [pair for pair in pairs if {"kaksoiskunta", "kaksoismaansiirto"}
                == {one["organisation"] for one in pair}]  # fmt: skip

    (pair,) = await eventually(suggested)
    counts, duplicate = sorted(pair, key=lambda one: str(one["organisation"]))
    both = counts["forecast_id"], duplicate["forecast_id"]

    async def told(decision: str) -> None:
        async with Asking(platform.system) as ask:
            await ask("registry", "POST", "/duplicates", {
                "decision": decision, "counts": both[0], "duplicate": both[1],
            })  # fmt: skip

    async def until(tonnes: int) -> None:
        async def there() -> bool:
            if await proposed(taker, *both) != tonnes:
                return False
            return await balanced(platform) == (tonnes, tonnes)

        await eventually(there, within_s=30, every_s=0.3)

    await until(2000)
    await told("link")
    await until(1000)
    assert await proposed(taker, both[1]) == 0
    report = await audit(platform.system)
    assert report.clean, report.broken
    await told("unlink")
    await until(2000)
