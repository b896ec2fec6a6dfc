"""A coordinator signs in, sees a match arrive, accepts it, offers other terms, tells its loads."""

import re
import shutil
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import async_playwright

from deploy.allinone import Platform
from deploy.asking import Asking
from tests.journeys.test_two_coordinators_agree import decide
from tests.platform import a_forecast, a_need, a_project, company, first_match
from tests.signing_in import sign_in_beside

SWITCHES = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip

pytestmark = pytest.mark.skipif(
    shutil.which("chromium") is None, reason="the distribution's chromium is not installed"
)


@pytest.fixture(scope="module")
async def sign_in_server(platform: Platform) -> AsyncIterator[None]:
    """The demo's sign-in, as `massakoppi up` starts it."""
    people = {"sisu": "Sisu Savi", "hilja": "Hilja Hieta"}
    async with sign_in_beside(platform, people):
        yield


async def test_a_match_arrives_and_is_accepted_on_the_page(
    platform: Platform, sign_in_server: None
) -> None:
    """No reload, no polling: the page hears that something changed, and asks for it."""
    giver = await company(platform, "savenvalajat", region="06")
    taker = await company(platform, "tiilitehdas", region="06")
    async with Asking(platform.system) as ask:
        await ask(
            "registry", "POST", f"/organisations/{giver.token}/members",
            {"name": "Sisu Savi", "email": "sisu@example.invalid", "roles": ["coordinator"],
             "subject": "sisu"},
        )  # fmt: skip
    async with async_playwright() as engine:
        browser = await engine.chromium.launch(
            executable_path=shutil.which("chromium"), args=list(SWITCHES)
        )
        page = await browser.new_page(locale="fi-FI")
        page.set_default_timeout(20_000)
        loads: list[Any] = []
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        await page.goto(f"{platform.system.urls['portal']}/login?then=/%3Fregion%3D06")
        await page.get_by_role("link", name="Sisu Savi").click()
        await page.wait_for_url("**/?region=06")
        page.on("load", lambda _: loads.append(1))
        inbox = page.locator("#inbox")

        place = {"region": "06", "municipality": "619"}
        await giver.hand_in(a_project("p", **place), a_forecast("s", "p", quantity=777.0))
        await taker.hand_in(a_project("p", **place), a_need("n", "p"))
        match = await first_match(giver, state="proposed")
        accept = inbox.get_by_role("button", name=re.compile("^Hyväksy")).first
        await accept.wait_for()
        assert loads == [], "the page was not loaded again"
        assert "777" in await inbox.inner_text()
        await accept.click()
        await accept.wait_for(state="hidden")
        await browser.close()

    _, now = await giver.ask("matcher", "GET", f"/matches/{match['match_id']}")
    assert (now["state"], now["accepted_by"]) == ("accepted", ["savenvalajat"])
    assert wrong == []


async def test_an_offer_is_made_agreed_moved_and_closed_on_the_pages(
    platform: Platform, sign_in_server: None
) -> None:
    """Other tonnes, the other side's yes, loads with and without the match, and what is left."""
    giver = await company(platform, "hietala", region="06")
    taker = await company(platform, "harjunen", region="06")
    async with Asking(platform.system) as ask:
        await ask(
            "registry", "POST", f"/organisations/{giver.token}/members",
            {"name": "Hilja Hieta", "email": "hilja@example.invalid", "roles": ["coordinator"],
             "subject": "hilja"},
        )  # fmt: skip
    place = {"region": "06", "municipality": "887"}
    await giver.hand_in(a_project("p", **place), a_forecast("s", "p"))
    await taker.hand_in(a_project("p", **place), a_need("n", "p"))
    match = await first_match(giver, state="proposed")
    url = platform.system.urls["portal"]
    async with async_playwright() as engine:
        browser = await engine.chromium.launch(
            executable_path=shutil.which("chromium"), args=list(SWITCHES)
        )
        page = await browser.new_page(locale="fi-FI")
        page.set_default_timeout(20_000)
        await page.goto(f"{url}/matches/{match['match_id']}")
        await page.get_by_role("link", name="Hilja Hieta").click()

        await page.get_by_role("heading", name="Moreeni").wait_for()
        await page.get_by_text("Vastatarjous", exact=True).click()
        await page.get_by_role("textbox", name="Tonnia").fill("500")
        await page.get_by_role("textbox", name="Viesti toiselle").fill("puolet riittää")
        await page.get_by_role("button", name="Lähetä vastatarjous").click()
        await page.get_by_text("Hietala tarjoaa: 500\u00a0t").wait_for()

        _, offered = await taker.ask("matcher", "GET", f"/matches/{match['match_id']}")
        status, agreed = await decide(taker, offered, "accept")
        assert (status, agreed["state"], agreed["left_t"]) == (200, "agreed", 500)

        await page.get_by_role("button", name="Kirjaa kuorma").wait_for()  # without a reload
        await page.get_by_role("textbox", name="Tonnia").fill("120,5")
        await page.get_by_role("button", name="Kirjaa kuorma").click()
        await page.get_by_text("379,5\u00a0t", exact=True).wait_for()
        await page.get_by_text("Päätä osuma").click()
        await page.get_by_role("button", name="Päätä ja vapauta loput").click()
        await page.get_by_text("Toimittamatta jäi 379,5\u00a0t").wait_for()

        await page.goto(f"{url}/deliveries?region=06")
        await page.get_by_label("Ennuste").select_option(index=0)
        await page.get_by_role("textbox", name="Tonnia").fill("30")
        await page.get_by_role("button", name="Kirjaa kuorma").click()
        await page.get_by_text("Kuorma otettu vastaan").wait_for()
        await page.get_by_role("listitem").filter(has_text="loppusijoitus").wait_for()
        for path, heading in (("near-misses", "Yksi asia puuttuu"), ("plan", "Mitä siirtyy")):
            await page.goto(f"{url}/{path}?region=06")
            await page.get_by_role("heading", name=heading).wait_for()
            assert await page.get_by_text("eivät ole juuri nyt saatavilla").count() == 0
            assert await page.get_by_text("Palvelu ei vastaa").count() == 0
        await browser.close()

    _, done = await giver.ask("matcher", "GET", f"/matches/{match['match_id']}")
    assert (done["state"], done["closed_by"], done["delivered_t"]) == ("done", "hietala", 120.5)
    _, told = await giver.ask("matcher", "GET", "/deliveries")
    assert sorted(one["tonnes"] for one in told["items"]) == [30, 120.5]
