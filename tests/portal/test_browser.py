"""A real browser on the live page: a match arrives without reload, a decision is one reply."""

import os
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page, async_playwright, expect

from tests.portal.conftest import Portal, Services, a_load, a_match, an_agreement

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


async def opened(page: Page, portal: Portal, match: dict[str, Any]) -> Page:
    """The page of *match*, up to date."""
    await page.goto(f"{portal.url}/matches/{match['match_id']}")
    await expect(page.get_by_text("Ajan tasalla")).to_be_visible()
    return page


async def test_a_counter_offer_is_made_with_the_keyboard_alone(
    portal: Portal, services: Services, context: BrowserContext
) -> None:
    """From its button through each field to the answer; focus is on what it became."""
    page = await opened(await signed_in(context, portal, "Aino"), portal, services.matches[0])
    await page.evaluate("window.same = true")
    await page.locator("#match-accept").focus()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("textbox", name="Tonnia")).to_be_focused()
    await page.keyboard.press("Control+a")
    await page.keyboard.type("2800")
    await page.get_by_role("textbox", name="Viesti toiselle").focus()
    await page.keyboard.type("yksi kone")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")

    status = page.locator("#notice").get_by_role("status")
    await expect(status).to_contain_text("Vastatarjous lähetetty")
    await expect(page.get_by_text("Kiviset Oy tarjoaa: 2\u00a0800\u00a0t")).to_be_visible()
    await expect(page.get_by_role("button", name="Peru tarjous")).to_be_visible()
    await expect(page.get_by_role("textbox", name="Tonnia")).to_be_hidden()
    assert await page.evaluate("document.getElementById('match').contains(document.activeElement)")
    assert await page.evaluate("window.same")
    (told,) = [told for _, told, _ in services.decisions]
    assert (told["tonnes"], told["note"]) == (2800, "yksi kone")


async def test_an_offer_arrives_on_the_open_match_and_is_accepted(
    portal: Portal, services: Services, context: BrowserContext
) -> None:
    """The other side's terms appear without reload, and are agreed by one button."""
    match = services.matches[0]
    page = await opened(await signed_in(context, portal, "Aino"), portal, match)
    match |= {"state": "accepted", "asks": ["kiviset"], "accepted_by": ["soraset"], "revision": 2,
              "tonnes": {"likely": 2500}}  # fmt: skip
    match["need"]["organisation"] = "soraset"
    services.said[match["match_id"]] = [
        {"organisation": "soraset", "decision": "counter", "at": "2026-05-04T07:42:00+00:00",
         "tonnes": 2500, "note": "enempää ei mahdu"}
    ]  # fmt: skip
    await portal.hears("matcher", "match")
    await expect(page.get_by_text("Soraset <Oy> tarjoaa: 2\u00a0500\u00a0t")).to_be_visible()

    await page.get_by_role("button", name="Hyväksy tarjous").click()
    await expect(page.get_by_role("button", name="Kirjaa kuorma")).to_be_visible()
    await expect(page.get_by_text("Molemmat ovat hyväksyneet")).to_be_visible()


async def test_what_is_wrong_in_a_form_is_told_at_its_field_and_what_was_typed_stays(
    portal: Portal, services: Services, chromium: Any
) -> None:
    """Focus goes to the field, which bears the reason; a refusal keeps every word."""
    context = await chromium.new_context(locale="fi-FI")  # its console tells of 422 and 409
    context.set_default_timeout(5000)
    page = await opened(await signed_in(context, portal, "Aino"), portal, services.matches[0])
    await page.get_by_text("Vastatarjous", exact=True).click()
    tonnes, note = (page.get_by_role("textbox", name=name) for name in ("Tonnia", "Viesti"))
    await tonnes.fill("sata")
    await note.fill("pitkä selitys")
    for status, problem in ((422, None), (409, {"code": "too_many_tonnes", "tonnes_left": 1500})):
        services.refuses = problem
        async with page.expect_response(re.compile("/decisions$")) as answer:
            await page.get_by_role("button", name="Lähetä vastatarjous").click()
        assert (await answer.value).status == status
        await expect(tonnes).to_be_focused()
        await expect(tonnes).to_have_attribute("aria-invalid", "true")
        await expect(note).to_have_value("pitkä selitys")
        said = page.get_by_role("alert")
        await expect(said).to_contain_text("1\u00a0500\u00a0t" if problem else "”sata” ei ole")
        await tonnes.fill("2000")
        await expect(tonnes).not_to_have_attribute("aria-invalid", "true")
    await context.close()


async def test_news_take_nothing_from_a_form_that_is_being_filled_in(
    portal: Portal, services: Services, context: BrowserContext
) -> None:
    """A load of the other side arrives meanwhile: the list grows, what was typed is still there."""
    match = an_agreement()
    services.matches[:] = [match]
    page = await opened(await signed_in(context, portal, "Aino"), portal, match)
    tonnes = page.get_by_role("textbox", name="Tonnia")
    await tonnes.fill("24,5")
    await page.get_by_role("heading", name="Kuormat", exact=True).click()
    await tonnes.evaluate("(one) => one.blur()")
    services.loads.append(a_load(match_id=match["match_id"], reporter="soraset", tonnes=30))
    match |= {"state": "moving", "delivered_t": 30, "left_t": 3270, "revision": 4}
    await portal.hears("matcher", "delivery")

    loads = page.get_by_role("list", name="Kuormat, uusin päivä ensin").get_by_role("listitem")
    await expect(loads).to_have_count(1)
    await expect(tonnes).to_have_value("24,5")
    await page.get_by_role("button", name="Kirjaa kuorma").click()
    await expect(loads).to_have_count(2)
    await expect(tonnes).to_have_value("")
    await expect(page.get_by_text("3\u00a0245,5\u00a0t", exact=True)).to_be_visible()


async def test_loads_are_reported_and_the_match_is_closed_without_leaving_the_page(
    portal: Portal, services: Services, context: BrowserContext
) -> None:
    """Two loads in a row, one taken back, then the rest is set free."""
    match = an_agreement()
    services.matches[:] = [match]
    page = await opened(await signed_in(context, portal, "Aino"), portal, match)
    await page.evaluate("window.same = true")
    loads = page.get_by_role("list", name="Kuormat, uusin päivä ensin").get_by_role("listitem")
    for count in (1, 2):
        await page.get_by_role("textbox", name="Tonnia").fill("20")
        await page.get_by_role("button", name="Kirjaa kuorma").click()
        await expect(loads).to_have_count(count)
        await expect(page.get_by_role("button", name="Kirjaa kuorma")).to_be_focused()
    await loads.first.get_by_text("Korjaa").first.click()
    await loads.first.get_by_role("button", name="Peru kuorma").click()
    await expect(loads.filter(has_text="Peruttu.")).to_have_count(1)
    await expect(page.get_by_text("3\u00a0280\u00a0t", exact=True)).to_be_visible()

    await page.get_by_text("Päätä osuma").click()
    await page.get_by_role("button", name="Päätä ja vapauta loput").click()
    await expect(page.get_by_text("Toimittamatta jäi 3\u00a0280\u00a0t")).to_be_visible()
    await expect(page.get_by_role("button", name="Päätä ja vapauta loput")).to_have_count(0)
    assert await page.evaluate("window.same")


async def test_every_page_is_reached_by_the_keyboard_and_shows_where_one_is(
    portal: Portal, services: Services, context: BrowserContext
) -> None:
    """The links of the head, in their order; the one that is open says so."""
    page = await signed_in(context, portal, "Aino")
    for name in ("Melkein sopivat", "Suunnitelma", "Kuormat", "Nyt"):
        link = page.get_by_role("navigation", name="Sivut").get_by_role("link", name=name)
        await link.focus()
        await page.keyboard.press("Enter")
        await expect(link).to_have_attribute("aria-current", "page")
    await page.get_by_role("link", name="Moreeni").first.click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Moreeni: Espoo")
