"""The page without a script: what it shows to whom, in what state, under which headers."""

import re
from html import unescape

import aiohttp
import pytest

from tests.portal.conftest import Portal, Services, a_match, sign_in

OWN = {"Sec-Fetch-Site": "same-origin"}


async def read(browser: aiohttp.ClientSession, url: str, **headers: str) -> tuple[int, str]:
    """Status and text of a page."""
    async with browser.get(url, headers=headers) as answer:
        return answer.status, unescape(await answer.text())


async def test_anybody_sees_the_aggregates_and_no_match(
    portal: Portal, services: Services, browser: aiohttp.ClientSession
) -> None:
    """Counts, balance and figures by the portal's own token; matches are not even asked for."""
    status, page = await read(browser, portal.url)

    assert status == 200
    for told in ("Avoimia eriä", "Massatase kuukausittain", "K6", "Kirjaudu nähdäksesi",
                 "Esimerkkiseutu – ei oikeita massoja"):  # fmt: skip
        assert told in page
    assert "Moreeni" not in page
    assert "matcher /matches" not in services.asked


async def test_a_page_is_a_handful_of_questions(
    portal: Portal, services: Services, browser: aiohttp.ClientSession
) -> None:
    """Few calls, whatever the number of rows."""
    await sign_in(browser, portal)
    services.matches += [a_match() for _ in range(40)]
    services.asked.clear()

    await read(browser, portal.url)

    asked = [one for one in services.asked if not one.startswith("registry")]
    assert sorted({*asked, "matcher /matches", "indicators /balance"}) == sorted(set(asked))
    assert len(asked) <= 9


async def test_the_table_has_the_numbers_of_the_chart(
    portal: Portal, browser: aiohttp.ClientSession
) -> None:
    """Month by month the same text in the bars' titles and in the cells."""
    _, page = await read(browser, f"{portal.url}/fragments/balance")
    drawn = re.findall(
        r"<title>(\w+ \d{4}): Ylijäämä (.+?) t, Tarve (.+?) t, Ylijäämä − tarve (.+?) t<", page
    )
    cells = re.findall(
        r'<th scope="row">(.+?)</th><td>(.+?)</td><td>(.+?)</td><td>(.+?)</td>', page
    )
    assert len(drawn) == 12
    assert drawn == cells


async def test_a_sample_region_says_so_in_every_language_and_a_real_one_does_not(
    portal: Portal, browser: aiohttp.ClientSession
) -> None:
    """The band is the region's, not a setting's."""
    for language, words in (("fi", "ei oikeita massoja"), ("sv", "inga verkliga massor"),
                            ("en", "no real masses")):  # fmt: skip
        _, page = await read(browser, portal.url, **{"Accept-Language": language})
        assert words in page
        assert f'<html lang="{language}' in page
    _, page = await read(browser, f"{portal.url}/?region=01")
    assert "Uusimaa: massat nyt" in page
    assert "oikeita massoja" not in page
    assert (await read(browser, f"{portal.url}/?region=xx"))[0] == 404


async def test_a_chosen_language_stays(portal: Portal, browser: aiohttp.ClientSession) -> None:
    """The form answers 303 to the page it came from; numbers keep their Finnish form."""
    form = {"to": "en", "then": "/?region=99"}
    async with browser.post(f"{portal.url}/language", data=form, headers=OWN) as answer:
        page = await answer.text()
    assert str(answer.url).endswith("/?region=99")
    assert "Mass balance by month" in page
    assert "222\u00a0400\u00a0t" in page or re.search("\\d\u00a0\\d{3}\u00a0t", page)


@pytest.mark.parametrize(
    ("service", "broken", "whole"),
    [("indicators", "balance", "counts"), ("matcher", "counts", "figures")],
)
async def test_one_service_away_leaves_the_rest_of_the_page(
    portal: Portal, services: Services, browser: aiohttp.ClientSession,
    service: str, broken: str, whole: str,
) -> None:  # fmt: skip
    """Its parts say so and offer to try again; first load and refresh behave alike."""
    services.down.add(service)
    status, page = await read(browser, portal.url)
    assert status == 200
    assert "Tiedot eivät ole juuri nyt saatavilla" in page
    status, part = await read(browser, f"{portal.url}/fragments/{broken}")
    assert status == 503
    assert "Yritä uudelleen" in part
    assert (await read(browser, f"{portal.url}/fragments/{whole}"))[0] == 200


async def test_a_service_that_hangs_is_not_waited_for(
    portal: Portal, services: Services, browser: aiohttp.ClientSession
) -> None:
    """All parts are asked at once, each at most as long as the setting says."""
    services.hangs |= {"indicators", "notifier"}
    async with browser.get(portal.url, timeout=aiohttp.ClientTimeout(total=3)) as answer:
        assert answer.status == 200


async def test_with_the_notifier_away_what_waits_is_still_there(
    portal: Portal, services: Services, browser: aiohttp.ClientSession
) -> None:
    """The matcher is asked for the state, the notifier only for what was read."""
    await sign_in(browser, portal)
    services.down.add("notifier")
    _, part = await read(browser, f"{portal.url}/fragments/inbox")
    assert "Ilmoitukset eivät ole juuri nyt saatavilla" in part
    assert "Hyväksy" in part


async def test_what_almost_fits_is_shown_to_who_was_told_of_it(
    portal: Portal, services: Services, browser: aiohttp.ClientSession
) -> None:
    """In the notifier's words for the reader's language; who is not signed in has no such part."""
    told = {"id": "n-1", "material": "till", "title": "moreeni 800 t, Espoo → Vantaa",
            "text": "jos massa luovutetaan viikon myöhemmin"}  # fmt: skip
    services.notices.append(told)
    _, page = await read(browser, portal.url)
    assert 'id="near"' not in page
    await sign_in(browser, portal)
    _, page = await read(browser, portal.url)
    assert 'id="near"' in page
    assert "moreeni 800 t, Espoo → Vantaa" in page
    assert "jos massa luovutetaan viikon myöhemmin (fi)" in page


async def test_an_unchanged_part_costs_a_304(
    portal: Portal, browser: aiohttp.ClientSession
) -> None:
    """The same mark for the same content; another reader's or language's part has another."""
    await sign_in(browser, portal)
    url = f"{portal.url}/fragments/inbox"
    async with browser.get(url) as first:
        mark = first.headers["ETag"]
    async with browser.get(url, headers={"If-None-Match": mark}) as again:
        assert again.status == 304
    async with browser.get(url, headers={"If-None-Match": mark, "Accept-Language": "sv"}) as other:
        assert other.status == 200


async def test_a_decision_without_a_script_is_handed_on_once_and_seen(
    portal: Portal, services: Services, browser: aiohttp.ClientSession
) -> None:
    """If-Match is the revision seen, the key is the same for a form sent twice; then a 303."""
    await sign_in(browser, portal)
    match = services.matches[0]["match_id"]
    url = f"{portal.url}/matches/{match}/decisions"
    form = {"decision": "decline", "reason": "timing", "revision": "1", "organisation": "kiviset",
            "region": "99"}  # fmt: skip

    async with browser.post(url, data=form, headers=OWN, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, "/?region=99&did=decline")
    async with browser.post(url, data=form, headers=OWN) as answer:
        assert answer.status == 409

    _, told, headers = services.decisions[0]
    assert told == {"decision": "decline", "reason": "timing", "organisation": "kiviset"}
    assert headers["If-Match"] == '"1"'
    keys = {one["Idempotency-Key"] for _, _, one in services.decisions}
    assert len(keys) == 1


async def test_a_match_that_changed_meanwhile_asks_again_and_says_what_changed(
    portal: Portal, services: Services, browser: aiohttp.ClientSession
) -> None:
    """409 with the whole page, the new revision in its forms."""
    await sign_in(browser, portal)
    services.matches[0]["revision"] = 7
    services.matches[0]["tonnes"] = {"likely": 4000}
    match = services.matches[0]["match_id"]
    form = {"decision": "accept", "revision": "6", "organisation": "kiviset"}

    async with browser.post(
        f"{portal.url}/matches/{match}/decisions", data=form, headers=OWN
    ) as answer:
        page = unescape(await answer.text())

    assert answer.status == 409
    assert "määrä 6\u00a0200\u00a0t → 4\u00a0000\u00a0t" in page
    assert 'name="revision" value="7"' in page


async def test_who_is_not_signed_in_decides_nothing(
    portal: Portal, services: Services, browser: aiohttp.ClientSession
) -> None:
    """The form leads to the sign-in."""
    match = services.matches[0]["match_id"]
    form = {"decision": "accept", "revision": "1", "organisation": "kiviset"}
    async with browser.post(
        f"{portal.url}/matches/{match}/decisions", data=form, headers=OWN, allow_redirects=False
    ) as answer:
        assert answer.headers["Location"].startswith("/login?")
    assert services.decisions == []


async def test_words_from_machines_stay_words(
    portal: Portal, services: Services, browser: aiohttp.ClientSession
) -> None:
    """Markup in a material, a place, an organisation or a name is shown, not run."""
    evil = "<script>alert(1)</script>"
    match = a_match(asks=["kiviset"])
    match["surplus"] |= {"material": evil, "place": {"municipality": evil}}
    services.matches[:] = [match]
    await sign_in(browser, portal, "aino")
    async with browser.get(portal.url) as answer:
        text = await answer.text()
    assert evil not in text
    assert "&lt;script&gt;alert(1)" in text
    await sign_in(browser, portal, "elsa")
    async with browser.get(portal.url) as answer:
        assert "Elsa &lt;Seutu&gt;" in await answer.text()


@pytest.mark.parametrize("path", ["/", "/fragments/counts", "/nowhere", "/login", "/static/x/y"])
async def test_every_answer_bears_the_strict_headers(
    portal: Portal, browser: aiohttp.ClientSession, path: str
) -> None:
    """Also errors and redirects."""
    async with browser.get(portal.url + path, allow_redirects=False) as answer:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def test_an_unknown_address_gets_plain_words_and_a_code(
    portal: Portal, browser: aiohttp.ClientSession
) -> None:
    """A page, not JSON; the code finds the log line."""
    status, page = await read(browser, f"{portal.url}/nowhere", **{"X-Correlation-Id": "trace-1"})
    assert status == 404
    assert "Sivua ei löydy" in page
    assert "trace-1" in page


async def test_a_form_that_cannot_be_taken_is_answered_with_the_fields_to_mend(
    portal: Portal, browser: aiohttp.ClientSession
) -> None:
    """By name, in the reader's language; an address that names nothing is no page."""
    await sign_in(browser, portal)
    id = "00000000-0000-7000-8000-000000000001"
    form = {"decision": "perhaps", "revision": "none", "organisation": "o"}
    url = f"{portal.url}/matches/{id}/decisions"
    async with browser.post(url, data=form, headers=OWN) as answer:
        page = await answer.text()
    assert answer.status == 422
    assert re.findall(r'data-field="(\w+)"', page) == ["decision", "revision"]
    assert "Tarkista kentät" in page

    status, page = await read(browser, f"{portal.url}/matches/none")
    assert status == 404 and "Sivua ei löydy" in page


async def test_static_files_may_be_kept_for_ever(
    portal: Portal, browser: aiohttp.ClientSession
) -> None:
    """Their addresses bear the hash of what is in them."""
    _, page = await read(browser, portal.url)
    paths = re.findall(r"/static/[0-9a-f]{12}/[\w.]+", page)
    assert {"site.css", "live.js", "icon.svg"} == {path.rpartition("/")[2] for path in paths}
    for path in paths:
        async with browser.get(portal.url + path) as answer:
            assert "immutable" in answer.headers["Cache-Control"]


async def test_the_page_is_built_of_native_parts(
    portal: Portal, browser: aiohttp.ClientSession
) -> None:
    """One h1, a skip link to main, every table with caption and scopes, every id once."""
    await sign_in(browser, portal)
    _, page = await read(browser, portal.url)
    assert page.count("<h1") == 1
    assert 'href="#main"' in page
    assert page.count("<table") == page.count("<caption")
    assert not re.search(r"<th(?! scope=|ead)", page)
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    for name in re.findall(r'aria-labelledby="([^"]+)"', page):
        assert set(name.split()) <= set(ids)
    assert page.count("<select") == page.count("<label")
