"""Services are killed while news is on its way: it waits, and everything happens once."""

import asyncio

import aiohttp

from deploy.allinone import Platform
from tests.conftest import eventually
from tests.platform import a_forecast, a_need, a_project, company, matches_of


async def test_news_handed_in_while_services_are_dead_is_worked_off_later(
    platform: Platform,
) -> None:
    """Registry and matcher are dead when a forecast comes; once they live, its match is found."""
    giver = await company(platform, "sitkea")
    taker = await company(platform, "sopu")
    place = {"region": "01", "municipality": "434"}
    await taker.hand_in(a_project("p", **place), a_need("n", "p"))
    for name in ("registry", "matcher"):
        platform.processes[name].kill()

    handing_in = asyncio.create_task(giver.hand_in(a_project("p", **place), a_forecast("s", "p")))
    await asyncio.sleep(1)
    assert not handing_in.done(), "nobody can have answered"
    async with aiohttp.ClientSession() as session:
        for name in ("registry", "matcher"):
            platform.processes[name].start()
        for name in ("registry", "matcher"):
            await platform.processes[name].ready(session)
    done = await handing_in

    assert (done.outcome.accepted, done.outcome.no_receipt) == (2, 0)

    async def found() -> object:
        return await matches_of(giver, state="proposed")

    (match,) = await eventually(found, within_s=45)
    assert match["tonnes"]["likely"] == 800
