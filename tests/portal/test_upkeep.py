"""Keeping the register true from a page: confirm, link what is told twice, see whom to call."""

from typing import Any
from urllib.parse import urlencode

import aiohttp

from tests.portal.conftest import (
    Portal,
    Services,
    a_coming_project,
    a_pair,
    a_pair_told,
    an_own_forecast,
    sign_in,
)
from tests.portal.test_page import read


async def send(browser: aiohttp.ClientSession, url: str, told: Any) -> tuple[int, str]:
    """Where a form without script leads: its status, and where to."""
    headers = {"Origin": url.rsplit("/", 1)[0]}
    async with browser.post(url, data=told, headers=headers, allow_redirects=False) as answer:
        return answer.status, answer.headers.get("Location", await answer.text())


async def test_forecasts_asked_about_are_confirmed_one_or_all(
    portal: Portal, services: Services, browser: aiohttp.ClientSession
) -> None:
    """Those of others are shown without a button; what was confirmed leaves the list."""
    strange = an_own_forecast(organisation="soraset", reporter="soraset")
    services.forecasts += [an_own_forecast(), an_own_forecast(), strange]
    await sign_in(browser, portal)
    _, page = await read(browser, f"{portal.url}/confirm")
    own = [one["forecast_id"] for one in services.forecasts[:2]]
    assert "Vahvista kaikki omat (2)" in page
    assert f'id="confirm-{strange["forecast_id"]}"' not in page
    status, where = await send(browser, f"{portal.url}/confirm", [("forecast", one) for one in own])
    assert (status, where) == (303, "/confirm?region=99&did=confirmed")
    assert services.upkept == [{"forecasts": own}]
    _, page = await read(browser, portal.url + where)
    assert "Vahvistettu: ennuste pitää paikkansa." in page
    assert own[0] not in page


async def test_the_forecast_that_a_letter_asks_about_comes_first(
    portal: Portal, services: Services, browser: aiohttp.ClientSession
) -> None:
    """Also after signing in; when it waits no longer, the page says so."""
    services.forecasts += [an_own_forecast(), an_own_forecast()]
    first, second = (one["forecast_id"] for one in services.forecasts)
    where = f"/confirm?region=99&forecast={second}"
    async with browser.get(portal.url + where, allow_redirects=False) as answer:
        assert answer.headers["Location"] == f"/login?{urlencode({'then': where})}"
    await sign_in(browser, portal)
    _, page = await read(browser, portal.url + where)
    assert page.index(f'id="confirm-{second}"') < page.index(f'id="confirm-{first}"')
    assert f'<li class="row named" data-key="{second}" aria-current="true">' in page
    services.forecasts.pop()
    _, page = await read(browser, portal.url + where)
    assert "Kysytty ennuste ei enää odota vastausta" in page


async def test_a_pair_is_shown_side_by_side_with_what_differs_and_decided(
    portal: Portal, services: Services, browser: aiohttp.ClientSession
) -> None:
    """Linked, it is in the other list, with who decided, and can be unlinked there."""
    services.twice.append(a_pair())
    one, other = (each["forecast_id"] for each in services.twice[0]["forecasts"])
    await sign_in(browser, portal)
    _, page = await read(browser, f"{portal.url}/duplicates")
    assert "1\u00a0000\u00a0t</td><td>1\u00a0200\u00a0t</td><td>eroaa" in page
    assert "Moreeni</td><td>Moreeni</td><td>sama" in page
    told = {"decision": "link", "counts": one, "duplicate": other}
    status, where = await send(browser, f"{portal.url}/duplicates", told)
    assert (status, where) == (303, "/duplicates?region=99&did=link&show=suggested")
    assert services.upkept == [told]
    _, page = await read(browser, f"{portal.url}/duplicates?show=linked")
    assert "Päätti sinä 6.5.2026" in page
    assert "tämä lasketaan" in page
    assert "Pura yhdistäminen" in page


async def test_a_pairs_amounts_are_shown_with_their_ranges(
    portal: Portal, services: Services, browser: aiohttp.ClientSession
) -> None:
    """Likely amounts may differ; of a linked pair whose ranges part the page says so."""
    pair = a_pair(state="linked", decided_by="person/p-aino", decided_at="2026-05-06T10:00:00Z")
    one, other = pair["forecasts"]
    one["quantity"] = {"low_t": 800, "likely_t": 1000, "high_t": 1300}
    other["quantity"] = {"low_t": 900, "likely_t": 1200, "high_t": 1500}
    other["status"] = "draft"
    services.twice.append(pair)
    await sign_in(browser, portal)
    _, page = await read(browser, f"{portal.url}/duplicates?show=linked")
    assert "(800–1\u00a0300\u00a0t)" in page and "eroaa, vaihteluvälit kohtaavat" in page
    assert "<td>eroaa</td>" not in page.partition("Materiaali</th>")[2]
    assert "sittemmin" not in page
    other["quantity"] = {"low_t": 1400, "likely_t": 1600, "high_t": 1900}
    _, page = await read(browser, f"{portal.url}/duplicates?show=linked")
    assert "Määrät ovat sittemmin eronneet." in page and "<td>eroaa</td>" in page


async def test_a_decision_that_cannot_be_says_why_in_words(
    portal: Portal, services: Services, browser: aiohttp.ClientSession
) -> None:
    """The page comes again with the remedy; nothing is lost."""
    services.twice.append(a_pair())
    one, other = (each["forecast_id"] for each in services.twice[0]["forecasts"])
    services.refuses = {"code": "linked_already", "detail": "unlink it first"}
    await sign_in(browser, portal)
    told = {"decision": "link", "counts": one, "duplicate": other}
    status, page = await send(browser, f"{portal.url}/duplicates", told)
    assert (status, "Pura se ensin." in page) == (409, True)


async def test_whom_to_call_is_chosen_by_place_stage_and_year(
    portal: Portal, services: Services, browser: aiohttp.ClientSession
) -> None:
    """Soonest first, with an estimate marked as one; contacts for those who may see them."""
    services.coming += [
        a_coming_project(title="Myöhempi", window={"first": "2028-01-01", "last": "2028-02-01"}),
        a_coming_project(),
        a_coming_project(title="Toisaalla", place={"municipality": "092"}, organisation="soraset"),
    ]
    await sign_in(browser, portal)
    _, page = await read(browser, f"{portal.url}/to-call")
    assert page.index("Kehäkatu <1>") < page.index("Myöhempi")
    assert "Savi 2\u00a0400\u00a0t" in page
    assert page.count('href="/to-call/kiviset?region=99"') == 2
    assert "/to-call/soraset" not in page
    _, page = await read(browser, f"{portal.url}/to-call?municipality=049&year=2028")
    assert ("Myöhempi" in page, "Kehäkatu" in page, "Toisaalla" in page) == (True, False, False)
    _, page = await read(browser, f"{portal.url}/to-call?phase=detailed_plan&year=1999")
    assert "Näillä ehdoilla ei ole hankkeita." in page


async def test_contacts_are_shown_to_those_who_may_see_them(
    portal: Portal, services: Services, browser: aiohttp.ClientSession
) -> None:
    """A name is a name, never markup; another organisation's members are not told."""
    await sign_in(browser, portal)
    _, page = await read(browser, f"{portal.url}/to-call/kiviset")
    assert ("Matti <Malli>" in page, 'href="mailto:matti@example.fi"' in page) == (True, True)
    _, page = await read(browser, f"{portal.url}/to-call/soraset")
    assert "Tietoja ei ole, tai ne eivät kuulu sinulle." in page
    status, _ = await read(browser, f"{portal.url}/fragments/contacts?about=../regions")
    assert status == 404


async def test_what_waits_is_counted_on_the_front_page(
    portal: Portal, services: Services, browser: aiohttp.ClientSession
) -> None:
    """For members and coordinators; anybody else neither sees nor asks."""
    _, page = await read(browser, portal.url)
    assert "/to-call" not in page
    services.forecasts.append(an_own_forecast())
    services.coming += [a_coming_project(), a_coming_project()]
    await sign_in(browser, portal)
    _, page = await read(browser, portal.url)
    assert 'Vahvistettavat</a> <span class="count">1</span>' in page
    assert 'Kahdesti kerrotut</a> <span class="count quiet">0</span>' in page
    assert 'Soitettavat</a> <span class="count">2</span>' in page


async def test_an_owner_sees_what_is_told_twice_on_the_front_page(
    portal: Portal, services: Services, browser: aiohttp.ClientSession
) -> None:
    """With a link to the pairs; that of a link goes when it was read, and misses nobody."""
    services.told_twice += [a_pair_told(), a_pair_told(change="suggested")]
    read_id = services.told_twice[0]["id"]
    await sign_in(browser, portal)
    _, page = await read(browser, portal.url)
    for shown in ("linked", "suggested"):
        assert f'href="/duplicates?region=99&show={shown}">moreeni 1 000 t, Espoo' in page
    assert page.count('/read"') == 1
    where = f"{portal.url}/duplicates/{read_id}/read"
    headers = {"Origin": portal.url}
    async with browser.post(where, data={}, headers=headers, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, "/?region=99")
    _, page = await read(browser, portal.url)
    assert 'show=linked">' not in page
    services.down.add("notifier")
    _, page = await read(browser, portal.url)
    assert 'show=suggested">' not in page and "Soitettavat" in page


async def test_two_forecasts_that_nobody_suggested_are_linked_by_their_ids(
    portal: Portal, services: Services, browser: aiohttp.ClientSession
) -> None:
    """Also out of an address; what is no id, or not to be seen, is said beside what was typed."""
    await sign_in(browser, portal)
    one, other = (an_own_forecast()["forecast_id"] for _ in range(2))
    address = f"https://desk.example/openings/{other.upper()}?region=99"
    told = {"decision": "link", "named": "true", "show": "linked", "counts": f" {one} ",
            "duplicate": address}  # fmt: skip
    status, where = await send(browser, f"{portal.url}/duplicates", told)
    assert (status, where) == (303, "/duplicates?region=99&did=link&show=linked")
    assert services.upkept == [{"decision": "link", "counts": one, "duplicate": other}]

    status, page = await send(browser, f"{portal.url}/duplicates", {**told, "duplicate": "P-1"})
    assert status == 422 and "ei ole ennusteen tunnus" in page and 'href="#named-duplicate"' in page
    assert f'name="counts" type="text" value=" {one} "' in page
    services.refuses = {"code": "duplicate_unknown"}
    services.refused_with = 404
    status, page = await send(browser, f"{portal.url}/duplicates", told)
    assert (status, "et saa nähdä niitä molempia" in page) == (404, True)
