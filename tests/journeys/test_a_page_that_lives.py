"""A coordinator signs in, sees a match arrive without a reload, and accepts it."""

import asyncio
import contextlib
import re
import shutil
from collections.abc import AsyncIterator
from typing import Any

import pytest
from playwright.async_api import async_playwright

from deploy.allinone import Platform
from deploy.asking import Asking
from deploy.demo_oidc import DemoOidc, DemoPerson
from tests.platform import a_forecast, a_need, a_project, company, first_match

SWITCHES = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip

pytestmark = pytest.mark.skipif(
    shutil.which("chromium") is None, reason="the distribution's chromium is not installed"
)


@pytest.fixture
async def sign_in_server(platform: Platform) -> AsyncIterator[None]:
    """The demo's sign-in, as `massakoppi up` starts it."""
    provider = DemoOidc(
        issuer=platform.system.urls["oidc"],
        people=[DemoPerson("sisu", "Sisu Savi", "Savenvalajat: coordinator")],
        client_id="massakoppi-portal",
        client_secret=platform.ring.client_secret.read_text().strip(),
        redirect_uris=(f"{platform.system.urls['portal']}/callback",),
    )
    server = provider.server("127.0.0.1", platform.ports["oidc"])
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
    serving = asyncio.create_task(server.serve())
    yield
    server.should_exit = True
    await serving


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
