"""What a person chose of mail and language, and the webhooks of the organisation."""

import aiohttp

from tests.portal.conftest import CHOSEN, Portal, Services, a_webhook, sign_in
from tests.portal.test_page import read
from tests.portal.test_upkeep import send


async def test_a_person_chooses_mail_and_its_language(
    portal: Portal, services: Services, browser: aiohttp.ClientSession
) -> None:
    """What the page does not show stays as it was chosen."""
    await sign_in(browser, portal)
    _, page = await read(browser, f"{portal.url}/settings/notifications")
    assert 'name="mail" value="true" checked' in page
    url = f"{portal.url}/settings/notifications?region=99"
    status, where = await send(browser, url, {"language": "sv"})
    assert (status, where) == (303, "/settings/notifications?region=99&did=saved")
    assert services.chosen == {**CHOSEN, "language": "sv", "mail": False}
    _, page = await read(browser, portal.url + where)
    assert "Tallennettu." in page
    assert 'value="sv" lang="sv" selected' in page
    assert 'value="true" checked' not in page


async def test_a_disabled_webhook_is_taken_into_use_again(
    portal: Portal, services: Services, browser: aiohttp.ClientSession
) -> None:
    """Shown by its host and why it is disabled; its whole address may hold a secret."""
    services.webhooks.append(a_webhook())
    await sign_in(browser, portal)
    _, page = await read(browser, f"{portal.url}/settings/connections")
    assert "ours.example" in page and "HTTP 500" in page and "k=1" not in page
    told = {"webhook": services.webhooks[0]["id"]}
    status, where = await send(browser, f"{portal.url}/settings/connections?region=99", told)
    assert (status, where) == (303, "/settings/connections?region=99&did=enabled")
    assert services.webhooks[0]["status"] == "active"
    _, page = await read(browser, portal.url + where)
    assert "Rajapintakutsu on taas käytössä." in page and "HTTP 500" not in page
    strange = {"webhook": "018f0000-0000-7000-8000-00000000000a"}
    status, page = await send(browser, f"{portal.url}/settings/connections?region=99", strange)
    assert (status, "Et voi muuttaa tätä kutsua." in page) == (404, True)


async def test_the_page_says_when_the_notifier_is_away(
    portal: Portal, services: Services, browser: aiohttp.ClientSession
) -> None:
    """Nothing is chosen, and nobody is told that it was."""
    await sign_in(browser, portal)
    services.down.add("notifier")
    _, page = await read(browser, f"{portal.url}/settings/notifications")
    assert "Tiedot eivät ole juuri nyt saatavilla." in page
    url = f"{portal.url}/settings/notifications?region=99"
    status, _ = await send(browser, url, {"language": "sv"})
    assert (status, services.chosen) == (503, CHOSEN)
