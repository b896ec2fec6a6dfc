"""Every page in a real browser, in three languages, at two widths: what axe-core finds fails."""

import os
import shutil
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page, expect

from tests.portal.conftest import (
    Portal,
    Services,
    a_coming_project,
    a_load,
    a_match,
    a_near_miss,
    a_pair,
    a_pair_told,
    a_webhook,
    an_agreement,
    an_own_forecast,
)
from tests.portal.test_browser import chromium, context, signed_in
from tests.portal.test_imports import Registry, desk, registry

__all__ = ["chromium", "context", "desk", "registry"]
AXE = Path(__file__).parents[1] / "tools" / "node_modules" / "axe-core" / "axe.min.js"
pytestmark = [
    pytest.mark.skipif(
        shutil.which("chromium") is None, reason="the distribution's chromium is not installed"
    ),
    pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed: make setup"),
]
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LANGUAGES = ("fi", "sv", "en")
LONGEST = "fi"
WIDTHS = {"wide": (1280, 900), "phone": (390, 844)}
FORECAST = "018f0000-0000-7000-8000-00000000000a"


async def findings(page: Page) -> list[str]:
    """What axe-core finds wrong on *page*, however grave: rule, impact, and the first element."""
    told = await page.evaluate(
        "tags => axe.run(document, {runOnly: tags, resultTypes: ['violations']})", TAGS
    )
    return [
        f"{one['id']} ({one['impact']}): {one['nodes'][0]['html'][:200]}"
        f" — {one['nodes'][0]['failureSummary'][:200]} ({len(one['nodes'])})"
        for one in told["violations"]
    ]


def a_counter(match: dict[str, Any], who: str = "soraset") -> dict[str, Any]:
    """*who* offers other terms on *match*."""
    match |= {"state": "accepted", "asks": ["kiviset"], "accepted_by": [who], "revision": 2}
    match["need"]["organisation"] = who
    match["tonnes"] = {"low": 2800, "likely": 2800, "high": 2800}
    return {
        "organisation": who, "decision": "counter", "at": "2026-05-04T07:42:00+00:00",
        "note": "Vain yksi kone on vapaana kesäkuussa.", "tonnes": 2800,
        "first": "2026-05-18", "last": "2026-06-14",
    }  # fmt: skip


def a_rich_desk(services: Services) -> dict[str, str]:
    """Something on every page; the pages by what they show."""
    offered, agreed, done = services.matches[0], an_agreement(), an_agreement()
    services.said[offered["match_id"]] = [a_counter(offered)]
    agreed |= {"delivered_t": 1224.5, "left_t": 2075.5, "state": "moving"}
    done |= {"delivered_t": 3000, "left_t": 300, "state": "done", "closed_by": "soraset"}
    proposed = a_match()
    declined = a_match(state="declined", asks=[], decline_reason="timing")
    services.matches += [agreed, done, proposed, declined]
    services.said[agreed["match_id"]] = [
        {"organisation": one, "decision": "accept", "at": "2026-05-06T10:00:00+00:00"}
        for one in ("kiviset", "soraset")
    ]
    services.said[declined["match_id"]] = [
        {"organisation": "kiviset", "decision": "decline", "reason": "timing", "note": "Myöhässä.",
         "at": "2026-05-06T10:00:00+00:00"}
    ]  # fmt: skip
    day = date(2026, 5, 20)
    services.loads += [
        a_load(match_id=agreed["match_id"], tonnes=1200, waybill="W-2", haul_km=17.4),
        a_load(match_id=agreed["match_id"], moved_on=(day + timedelta(1)).isoformat()),
        a_load(match_id=agreed["match_id"], refused="waybill_told_already", reporter="soraset"),
        a_load(match_id=agreed["match_id"], tonnes=0, waybill=None),
        a_load(material="clay", outlet="disposal", waybill=None),
        a_load(match_id=done["match_id"], tonnes=3000),
    ]
    services.near += [
        a_near_miss(),
        a_near_miss(remedies=[{"who": "surplus", "what": "fact", "code": "laboratory report"}]),
        a_near_miss(remedies=[{"who": "need", "what": "class", "code": "S3"},
                              {"who": "region", "what": "reach", "km": 12.5}]),
    ]  # fmt: skip
    services.openings += [
        {"change": {"who": "surplus", "what": what, "days": days}, "tonnes": 1800 + days,
         "total_cents": 912_300, "partners": 3}
        for what, days in (("window_later", 10), ("window_earlier", 21))
    ]  # fmt: skip
    services.forecasts += [
        {"forecast_id": FORECAST, "external_id": "P-1/till", "organisation": "kiviset",
         "reporter": "kiviset", "direction": "surplus", "material": "till",
         "place": {"municipality": "049"}, "quantity": {"likely_t": 1000}}
    ]  # fmt: skip
    services.forecasts += [
        an_own_forecast(),
        an_own_forecast(freshness={"asked_at": "2026-04-04T06:30:00+00:00", "stale": True}),
    ]
    services.twice += [a_pair(), a_pair(state="linked", decided_by="person/p-aino",
                                        decided_at="2026-05-06T10:00:00+00:00")]  # fmt: skip
    services.coming += [a_coming_project(), a_coming_project(phase=None, window=None)]
    services.notices.append(
        {"id": "n-1", "material": "till", "title": "moreeni 800 t, Espoo → Vantaa", "text": "jos"}
    )
    services.plan_rows = 12
    services.told_twice += [a_pair_told(), a_pair_told(change="suggested", unread=False)]
    services.webhooks += [a_webhook(), a_webhook(status="active", reason=None)]
    opening = services.near[0]["surplus"]["forecast_id"]
    return {
        "desk": "/",
        "match-proposed": f"/matches/{proposed['match_id']}",
        "match-offered": f"/matches/{offered['match_id']}",
        "match-moving": f"/matches/{agreed['match_id']}",
        "match-done": f"/matches/{done['match_id']}",
        "match-declined": f"/matches/{declined['match_id']}",
        "near-misses": "/near-misses",
        "openings": f"/openings/{opening}",
        "plan": "/plan",
        "loads": "/deliveries",
        "confirm": "/confirm",
        "duplicates": "/duplicates",
        "duplicates-linked": "/duplicates?show=linked",
        "calls": "/to-call",
        "contacts": "/to-call/kiviset",
        "confirm-named": f"/confirm?forecast={services.forecasts[-1]['forecast_id']}",
        "notifications": "/settings/notifications",
        "connections": "/settings/connections",
        "loads-refused": "/deliveries?show=refused",
        "no-such-page": "/nowhere",
    }


async def looked_at(
    page: Page, portal: Portal, pages: dict[str, str], state: str, folder: Path | None
) -> list[str]:
    """
    What is found on every one of *pages*, in each language and width, with all opened.

    On a phone axe-core looks in one language: there the words differ, not what they stand in.
    """
    wrong: list[str] = []
    for language in LANGUAGES:
        await page.context.add_cookies(
            [{"name": "massakoppi_language", "value": language, "url": portal.url}]
        )
        for width, (across, down) in WIDTHS.items():
            await page.set_viewport_size({"width": across, "height": down})
            for name, path in pages.items():
                await page.goto(portal.url + path)
                await page.evaluate(
                    "document.querySelectorAll('details').forEach((one) => { one.open = true; })"
                )
                where = f"{state} {name} {language} {width}"
                if width == "wide" or language == LONGEST:
                    wrong += [f"{where}: {one}" for one in await findings(page)]
                scrolled = await page.evaluate("document.documentElement.scrollWidth")
                if scrolled > across:
                    wrong.append(f"{where}: {scrolled} px wide on {across}")
                if folder is not None:
                    file = folder / f"{state}-{name}-{language}-{width}.png"
                    await page.screenshot(path=file, full_page=True)
    return wrong


@pytest.fixture
def folder() -> Path | None:
    """Where pictures of the pages are put, when somebody wants to look at them."""
    told = os.environ.get("LOOK_AT")
    return Path(told) if told else None


async def ready(context: BrowserContext, portal: Portal, who: str = "Aino") -> Page:
    """A page of *who*, with axe-core in each document; the content policy stays as it is."""
    page = await signed_in(context, portal, who)
    await page.add_init_script(AXE.read_text("utf-8"))
    return page


async def test_what_is_wrong_on_a_page_is_found(portal: Portal, context: BrowserContext) -> None:
    """A picture without words and a field without a label, put there by the test."""
    page = await context.new_page()
    await page.add_init_script(AXE.read_text("utf-8"))
    await page.goto(portal.url)
    await page.evaluate(
        "document.querySelector('main').append(new Image(), document.createElement('input'))"
    )
    assert {one.split()[0] for one in await findings(page)} == {"image-alt", "label"}


async def test_no_page_bears_a_finding(
    portal: Portal, services: Services, context: BrowserContext, folder: Path | None
) -> None:
    """Full of matches, loads and near misses; every detail open; nothing scrolls sideways."""
    pages = a_rich_desk(services)
    del pages["no-such-page"]  # its 404 is an error in the console: looked at without a watch
    page = await ready(context, portal)
    assert await looked_at(page, portal, pages, "full", folder) == []


async def test_empty_pages_bear_no_finding(
    portal: Portal, services: Services, context: BrowserContext, folder: Path | None
) -> None:
    """Before anything has happened in the region."""
    services.matches.clear()
    services.months.clear()
    services.figures.clear()
    pages = {"desk": "/", "near-misses": "/near-misses", "loads": "/deliveries", "plan": "/plan",
             "confirm": "/confirm", "duplicates": "/duplicates", "calls": "/to-call",
             "connections": "/settings/connections"}  # fmt: skip
    page = await ready(context, portal)
    assert await looked_at(page, portal, pages, "empty", folder) == []


async def test_pages_that_anybody_sees_bear_no_finding(
    portal: Portal, services: Services, context: BrowserContext, folder: Path | None
) -> None:
    """Signed out: the live page of a region."""
    page = await context.new_page()
    await page.add_init_script(AXE.read_text("utf-8"))
    await page.goto(portal.url)
    await expect(page.get_by_text("Ajan tasalla")).to_be_visible()
    assert await looked_at(page, portal, {"desk": "/"}, "public", folder) == []


@pytest.mark.parametrize("trouble", ["away", "refused", "gone"])
async def test_troubled_pages_bear_no_finding(
    portal: Portal, services: Services, chromium: Any, folder: Path | None, trouble: str
) -> None:
    """The matcher away, a form refused, a page that is none: read by whoever meets them."""
    pages = a_rich_desk(services)
    made = await chromium.new_context(locale="fi-FI")
    page = await ready(made, portal)
    troubles: dict[str, Callable[[], dict[str, str]]] = {
        "away": lambda: {name: pages[name] for name in ("desk", "match-moving", "near-misses",
                                                        "plan", "loads")},
        "gone": lambda: {"no-such-page": "/nowhere", "no-such-match": f"/matches/{FORECAST}"},
        "refused": lambda: {"plan": "/plan?first=tammi"},
    }  # fmt: skip
    if trouble == "away":
        services.down |= {"matcher", "indicators"}
    assert await looked_at(page, portal, troubles[trouble](), trouble, folder) == []
    await made.close()


async def test_an_import_bears_no_finding_while_it_runs_and_when_it_is_checked(
    desk: Portal, registry: Registry, context: BrowserContext, folder: Path | None
) -> None:
    """The form, how far it is, and the faults by cell; the page goes on by itself."""
    page = await ready(context, desk)
    await page.goto(f"{desk.url}/imports")
    table = {"name": "massat.csv", "mimeType": "text/csv", "buffer": b"a table"}
    await page.get_by_label("Tiedosto").set_input_files(files=[table])  # type: ignore[list-item]
    registry.state = "checking"
    await page.get_by_role("button", name="Tarkista").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("massat.csv")
    ((id, told),) = registry.imports.items()
    pages = {"imports": "/imports", "import": f"/imports/{id}"}
    assert await looked_at(page, desk, pages, "running", folder) == []

    await page.goto(f"{desk.url}/imports/{id}")
    told["state"] = "checked"
    await expect(page.get_by_role("table")).to_be_visible()  # without a reload
    assert await looked_at(page, desk, pages, "checked", folder) == []


async def test_a_page_after_an_act_bears_no_finding(
    portal: Portal, services: Services, context: BrowserContext, folder: Path | None
) -> None:
    """An offer that cannot be read, mended and sent: the page as it then is, each time."""
    page = await ready(context, portal)
    await page.goto(f"{portal.url}/matches/{services.matches[0]['match_id']}")
    await page.get_by_text("Vastatarjous", exact=True).click()
    tonnes = page.get_by_role("textbox", name="Tonnia")
    await tonnes.fill("2800")
    assert await findings(page) == []
    await page.get_by_role("button", name="Lähetä vastatarjous").click()
    await expect(page.locator("#notice").get_by_role("status")).to_contain_text("lähetetty")
    assert await findings(page) == []
