"""A real browser on the live page: a match arrives without reload, a decision is one reply."""

import os
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page, async_playwright, expect

from tests.portal.conftest import Portal, Services, a_match

SWITCHES = ["--no-sandbox", "--disable-gpu", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--no-first-run"]  # fmt: skip
pytestmark = pytest.mark.skipif(
    shutil.which("chromium") is None, reason="the distribution's chromium is not installed"
)


@pytest.fixture(scope="module")
async def chromium() -> AsyncIterator[Any]:
    """The distribution's own browser, once."""
    async with async_playwright() as engine:
        made = await engine.chromium.launch(
            executable_path=shutil.which("chromium"), args=SWITCHES, headless=True
        )
        yield made
        await made.close()


@pytest.fixture
async def context(chromium: Any) -> AsyncIterator[BrowserContext]:
    """A fresh profile; any error in the console fails the test, and so does any far request."""
    made = await chromium.new_context(locale="fi-FI", viewport={"width": 1280, "height": 900})
    made.set_default_timeout(5000)
    wrong: list[str] = []

    def watch(page: Page) -> None:
        page.on("console", lambda told: wrong.append(told.text) if told.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))

    def far(request: Any) -> None:
        if not request.url.startswith("http://127.0.0.1:"):
            wrong.append(request.url)

    made.on("page", watch)
    made.on("request", far)
    yield made
    await made.close()
    assert wrong == []


async def signed_in(context: BrowserContext, portal: Portal, who: str) -> Page:
    """The live page of a demo person, signed in by clicking."""
    page = await context.new_page()
    await page.goto(f"{portal.url}/")
    await page.get_by_role("link", name="Kirjaudu").click()
    await page.get_by_role("link", name=re.compile(who)).click()
    await expect(page.get_by_text("Ajan tasalla")).to_be_visible()
    return page


async def test_a_match_arrives_on_an_open_page_without_reload(
    portal: Portal, services: Services, context: BrowserContext
) -> None:
    """The matcher's signal makes the row, the counts and the inbox appear; the page stays."""
    page = await signed_in(context, portal, "Aino")
    rows = page.get_by_role("list", name="Osumat, uusin ensin").get_by_role("listitem")
    await expect(rows).to_have_count(1)
    await page.evaluate("window.same = true")

    services.matches.append(a_match(tonnes={"low": 1, "likely": 12_350, "high": 2}))
    await portal.hears("matcher", "match")

    await expect(rows).to_have_count(2)
    await expect(rows.filter(has_text="12\u00a0350\u00a0t")).to_have_count(1)
    await expect(page).to_have_title(re.compile(r"^\(2\) "))
    await expect(page.get_by_role("status").filter(has_text="1 uusi osuma")).to_have_count(1)
    assert await page.evaluate("window.same")


async def test_a_decision_changes_list_inbox_and_counts_in_one_reply(
    portal: Portal, services: Services, context: BrowserContext
) -> None:
    """Accepted: the case leaves at once, is told, and focus is still in the inbox."""
    services.matches.append(a_match())
    page = await signed_in(context, portal, "Aino")
    waiting = page.get_by_role("list", name="Päätöstäsi odottavat, arvokkain ensin")
    await expect(waiting.get_by_role("listitem")).to_have_count(2)

    await page.get_by_role("button", name="Hyväksy").first.click()

    await expect(waiting.get_by_role("listitem")).to_have_count(1)
    await expect(page.get_by_role("heading", name="Odottaa vastapuolta")).to_be_visible()
    await expect(page.locator("#notice").get_by_role("status")).to_contain_text("Hyväksytty")
    assert await page.evaluate("document.getElementById('inbox').contains(document.activeElement)")
    assert [told["decision"] for _, told, _ in services.decisions] == ["accept"]


async def test_a_second_tab_hears_through_the_first_and_takes_over(
    portal: Portal, services: Services, context: BrowserContext
) -> None:
    """One stream for two tabs; when the tab that holds it goes, the other opens its own."""
    first = await signed_in(context, portal, "Aino")
    second = await context.new_page()
    await second.goto(f"{portal.url}/")
    await expect(second.get_by_text("Ajan tasalla")).to_be_visible()
    streams = portal.app.state.desk.streams
    assert len(streams.clients) == 1
    rows = second.get_by_role("list", name="Osumat, uusin ensin").get_by_role("listitem")

    services.matches.append(a_match())
    await portal.hears("matcher", "match")
    await expect(rows).to_have_count(2)
    await first.close()
    services.matches.append(a_match())
    await expect(rows).to_have_count(3)  # the new leader fetches all again


async def test_the_page_works_at_320_px_without_scrolling_sideways(
    portal: Portal, services: Services, context: BrowserContext, tmp_path: Path
) -> None:
    """Reflow: nothing but the chart and tables scroll sideways, each in its own box."""
    states = ("proposed", "accepted", "agreed", "moving", "declined")
    materials = ("till", "blasted_rock_loose", "clay", "crushed_concrete", "topsoil", "sand")
    places = ("049", "092", "091", "858", "638")
    for number in range(12):
        one = a_match(state=states[number % 5], tonnes={"likely": 900 + 1730 * number})
        one["surplus"]["material"] = materials[number % 6]
        one["surplus"]["place"] = {"municipality": places[number % 5]}
        one["need"]["place"] = {"municipality": places[(number * 2 + 1) % 5]}
        one["asks"] = ["kiviset"] if number % 5 < 1 else ["soraset"]
        services.matches.append(one)
    page = await signed_in(context, portal, "Elsa" if os.environ.get("LOOK") == "elsa" else "Aino")
    folder = Path(os.environ.get("LOOK_AT", tmp_path))
    await page.screenshot(path=folder / "wide.png", full_page=True)
    await page.set_viewport_size({"width": 320, "height": 700})
    wide = await page.evaluate("document.documentElement.scrollWidth")
    await page.screenshot(path=folder / "narrow.png", full_page=True)
    assert wide <= 320
