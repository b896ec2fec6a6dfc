"""The page of one match, and of loads, without a script: who sees what, and what forms answer."""

import re
from html import unescape

import aiohttp
import pytest
from yarl import URL

from tests.portal.conftest import (
    Portal,
    Services,
    a_load,
    a_match,
    an_agreement,
    sign_in,
)
from tests.portal.test_page import OWN, read

TERMS = {"tonnes": "2 800", "first": "2026-05-18", "last": "2026-06-14"}


async def post(
    browser: aiohttp.ClientSession, portal: Portal, path: str, told: dict[str, str], **more: str
) -> tuple[int, str, str]:
    """Status, address in the end, and text."""
    async with browser.post(f"{portal.url}{path}", data=told, headers={**OWN, **more}) as answer:
        return answer.status, str(answer.url), unescape(await answer.text())


async def test_who_is_not_signed_in_is_sent_there_and_back(
    portal: Portal, services: Services, browser: aiohttp.ClientSession
) -> None:
    """Every page of the desk: its own address is where the sign-in leads back to."""
    id = services.matches[0]["match_id"]
    for path in (f"/matches/{id}", "/near-misses?region=99", "/plan", "/deliveries"):
        async with browser.get(portal.url + path, allow_redirects=False) as answer:
            to = unescape(answer.headers["Location"])
        assert answer.status == 303
        assert to.startswith("/login?then=%2F")


async def test_an_address_too_long_to_come_back_to_leads_back_to_its_page(
    portal: Portal, browser: aiohttp.ClientSession
) -> None:
    """Who signs in first is on the page, not before a refusal; the answer's header stays short."""
    for more in ("x" * 501, "%F0%9D%95%8F" * 1000):
        path = f"/near-misses?x={more}"
        async with browser.get(URL(portal.url + path, encoded=True), allow_redirects=False) as to:
            assert (to.status, to.headers["Location"]) == (303, "/login?then=%2Fnear-misses")
        async with browser.get(portal.url + to.headers["Location"], allow_redirects=False) as to:
            assert to.status == 303


async def test_a_match_of_others_is_no_match(
    portal: Portal, services: Services, browser: aiohttp.ClientSession
) -> None:
    """As if there were none: the same words for what is not there and what is not yours."""
    other = a_match(asks=["soraset"])
    other["surplus"]["organisation"] = "soraset"
    services.matches.append(other)
    await sign_in(browser, portal, "aino")
    for id in (other["match_id"], "018f0000-0000-7000-8000-000000000000"):
        status, page = await read(browser, f"{portal.url}/matches/{id}")
        assert status == 404
        assert "Osumaa ei ole, tai se ei kuulu sinulle" in page
    assert (await read(browser, f"{portal.url}/matches/none"))[0] == 404


async def test_a_match_says_its_terms_its_papers_and_why_it_fits(
    portal: Portal, services: Services, browser: aiohttp.ClientSession
) -> None:
    """The other side has no name before somebody has accepted."""
    await sign_in(browser, portal, "aino")
    _, page = await read(browser, f"{portal.url}/matches/{services.matches[0]['match_id']}")
    for told in ("3\u00a0300\u00a0t", "18.5.2026–14.6.2026", "40\u00a0722\u00a0€", "Kiviset Oy",
                 "nimi näkyy, kun toinen on hyväksynyt", "Pilaantuneisuus",
                 "vastaanottaja maksaa luovuttajalle 1,50\u00a0€/t", "7,9 t CO₂e",
                 "Massakoppi ehdotti osumaa", "4.5.2026 klo\u00a09.30"):  # fmt: skip
        assert told in page, told


async def test_a_counter_offer_is_made_seen_and_answered(
    portal: Portal, services: Services, browser: aiohttp.ClientSession
) -> None:
    """Who offered what and when is on the page; its maker may withdraw it, a coordinator answer."""
    match = services.matches[0]
    path = f"/matches/{match['match_id']}"
    await sign_in(browser, portal, "aino")
    form = {"decision": "counter", "revision": "1", "organisation": "kiviset", "page": "match",
            "note": "vain yksi kone", **TERMS}  # fmt: skip
    status, url, page = await post(browser, portal, f"{path}/decisions", form)

    assert (status, url) == (200, f"{portal.url}{path}?did=counter")
    assert "Vastatarjous lähetetty" in page
    assert "Kiviset Oy tarjoaa: 2\u00a0800\u00a0t, 18.5.2026–14.6.2026." in page
    assert "Kiviset Oy teki vastatarjouksen: 2\u00a0800\u00a0t" in page
    assert "4.5.2026 klo\u00a010.42" in page
    assert "vain yksi kone" in page
    assert "Peru tarjous" in page
    assert ">Hyväksy tarjous<" not in page
    _, told, headers = services.decisions[0]
    assert told == {
        "decision": "counter", "organisation": "kiviset", "note": "vain yksi kone", "tonnes": 2800,
        "window": {"first": "2026-05-18", "last": "2026-06-14"},
    }  # fmt: skip
    assert headers["If-Match"] == '"1"'

    await sign_in(browser, portal, "elsa")  # the region's coordinator may answer for Soraset
    _, page = await read(browser, portal.url + path)
    assert "Hyväksy tarjous" in page
    assert 'value="soraset"' in page
    answer = {"decision": "accept", "revision": "2", "organisation": "soraset", "page": "match"}
    _, _, page = await post(browser, portal, f"{path}/decisions", answer)
    assert "Molemmat ovat hyväksyneet" in page
    assert "Soraset <Oy> hyväksyi" in page


@pytest.mark.parametrize(
    ("typed", "field", "why"),
    [
        ({"tonnes": "paljon"}, "counter-tonnes", "”paljon” ei ole kokonaisia tonneja"),
        ({"tonnes": "12,5"}, "counter-tonnes", "ei ole kokonaisia tonneja"),
        ({"last": "32.5.2026"}, "counter-last", "”32.5.2026” ei ole päivä"),
        ({"first": ""}, "counter-first", "ei ole päivä"),
    ],
)
async def test_a_counter_offer_that_cannot_be_read_says_what_to_mend(
    portal: Portal, services: Services, browser: aiohttp.ClientSession,
    typed: dict[str, str], field: str, why: str,
) -> None:  # fmt: skip
    """Nothing is sent; the form is open, what was typed stays, and the words lead to the field."""
    await sign_in(browser, portal)
    form = {"decision": "counter", "revision": "1", "organisation": "kiviset", "page": "match",
            "note": "säilyy", **TERMS, **typed}  # fmt: skip
    path = f"/matches/{services.matches[0]['match_id']}/decisions"
    status, _, page = await post(browser, portal, path, form)
    assert status == 422
    assert why in page
    assert f'href="#{field}"' in page
    assert re.search(rf'id="{field}"[^>]*aria-invalid="true"[^>]*aria-describedby="problem', page)
    assert '<details id="counter" open>' in page
    assert "säilyy" in page
    assert services.decisions == []


@pytest.mark.parametrize(
    ("refused", "why"),
    [
        ({"code": "too_many_tonnes", "tonnes_left": 1500}, "jäljellä 1\u00a0500\u00a0t"),
        ({"code": "window_beyond", "first": "2026-06-01", "last": "2026-06-30"},
         "1.6.2026–30.6.2026"),
        ({"code": "same_terms"}, "Nämä ovat ehdot jo nyt"),
        ({"code": "something_new"}, "Osuma ehti muuttua"),
    ],
)  # fmt: skip
async def test_what_the_matcher_refuses_is_said_with_its_numbers(
    portal: Portal, services: Services, browser: aiohttp.ClientSession,
    refused: dict[str, object], why: str,
) -> None:  # fmt: skip
    """In the reader's words; a reason that the portal does not know yet is a conflict."""
    services.refuses = refused
    await sign_in(browser, portal)
    form = {"decision": "counter", "revision": "1", "organisation": "kiviset", "page": "match",
            **TERMS}  # fmt: skip
    path = f"/matches/{services.matches[0]['match_id']}/decisions"
    status, _, page = await post(browser, portal, path, form)
    assert status == 409
    assert why in page
    assert 'value="2 800"' in page


async def test_over_an_area_no_other_days_are_offered(
    portal: Portal, services: Services, browser: aiohttp.ClientSession
) -> None:
    """Its days follow from the area's room: the form asks for tonnes alone."""
    via = {"area_id": "018f0000-0000-7000-8000-000000000001", "title": "Kenttä"}
    services.matches[:] = [a_match(route="area", via=via)]
    await sign_in(browser, portal)
    _, page = await read(browser, f"{portal.url}/matches/{services.matches[0]['match_id']}")
    assert 'id="counter-tonnes"' in page
    assert 'id="counter-first"' not in page
    assert "alueen Kenttä kautta" in page


async def test_loads_are_reported_corrected_taken_back_and_closed(
    portal: Portal, services: Services, browser: aiohttp.ClientSession
) -> None:
    """Agreed, moved and left add up at each step; a form sent twice is one load."""
    match = an_agreement()
    services.matches[:] = [match]
    path = f"/matches/{match['match_id']}"
    await sign_in(browser, portal)
    _, page = await read(browser, portal.url + path)
    assert "Kuormia ei ole vielä ilmoitettu" in page
    form = {"tonnes": "24,5", "moved_on": "20.5.2026", "waybill": "W-7", "haul_km": "17,4",
            "energy": "hvo", "organisation": "kiviset", "revision": "3"}  # fmt: skip

    _, url, page = await post(browser, portal, f"{path}/deliveries", form)
    await post(browser, portal, f"{path}/deliveries", form)
    assert url.endswith("?did=load")
    assert "Kuorma kirjattu" in page
    assert "24,5\u00a0t" in page
    assert "3\u00a0275,5\u00a0t" in page
    assert len(services.loads) == 1
    load = services.loads[0]
    assert (load["haul_km"], load["energy"], load["moved_on"]) == (17.4, "hvo", "2026-05-20")

    hidden = r'type="hidden" name="(\w+)" value="([^"]*)"'
    kept = dict(re.findall(hidden, page.split("mend-")[2]))
    _, _, page = await post(browser, portal, f"{path}/deliveries", {**kept, "tonnes": "26"})
    assert "Kuorma korjattu" in page
    assert "3\u00a0274\u00a0t" in page
    assert (load["waybill"], load["haul_km"], load["energy"]) == ("W-7", 17.4, "hvo")
    kept |= {"revision": str(match["revision"]), "tonnes": "0"}
    _, _, page = await post(browser, portal, f"{path}/deliveries", kept)
    assert "Kuorma peruttu" in page
    assert "Peruttu." in page

    await post(browser, portal, f"{path}/deliveries",
               {**form, "tonnes": "300", "revision": str(match["revision"])})  # fmt: skip
    close = {"decision": "close", "revision": str(match["revision"]), "organisation": "kiviset",
             "page": "match", "note": "täynnä"}  # fmt: skip
    _, _, page = await post(browser, portal, f"{path}/decisions", close)
    assert "Osuma päätetty" in page
    assert "Kiviset Oy päätti osuman. Toimittamatta jäi 3\u00a0000\u00a0t" in page
    assert "Päätä ja vapauta loput" not in page


async def test_two_loads_alike_on_one_day_are_two(
    portal: Portal, services: Services, browser: aiohttp.ClientSession
) -> None:
    """The page that shows the first load reports the second under a key of its own."""
    match = an_agreement()
    services.matches[:] = [match]
    await sign_in(browser, portal)
    path = f"/matches/{match['match_id']}/deliveries"
    form = {"tonnes": "20", "moved_on": "2026-05-20", "organisation": "kiviset"}
    for _ in range(2):
        await post(browser, portal, path, {**form, "revision": str(match["revision"])})
    assert [one["tonnes"] for one in services.loads] == [20, 20]


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"tonnes": "0"}, "load-tonnes"),
        ({"tonnes": "-3"}, "load-tonnes"),
        ({"moved_on": "1.1.2999"}, "load-moved_on"),
        ({"moved_on": "eilen"}, "load-moved_on"),
        ({"haul_km": "pitkä"}, "load-haul_km"),
    ],
)
async def test_a_load_that_cannot_be_read_says_what_to_mend(
    portal: Portal, services: Services, browser: aiohttp.ClientSession,
    typed: dict[str, str], field: str,
) -> None:  # fmt: skip
    """Nothing is recorded, and what was typed stays."""
    match = an_agreement()
    services.matches[:] = [match]
    await sign_in(browser, portal)
    form = {"tonnes": "20", "moved_on": "2026-05-20", "organisation": "kiviset", "revision": "3",
            "waybill": "W-99", **typed}  # fmt: skip
    path = f"/matches/{match['match_id']}/deliveries"
    status, _, page = await post(browser, portal, path, form)
    assert status == 422
    assert f'href="#{field}"' in page
    assert re.search(rf'id="{field}"[^>]*aria-invalid="true"', page)
    assert 'value="W-99"' in page
    assert services.loads == []


async def test_why_a_load_is_refused_is_told_in_the_readers_language(
    portal: Portal, services: Services, browser: aiohttp.ClientSession
) -> None:
    """The matcher says what is wrong with a field in the language of the page, by its field."""
    match = an_agreement()
    services.matches[:] = [match]
    await sign_in(browser, portal)
    reason = {"pointer": "/haul_km", "code": "field_less_than_equal",
              "text": "haul_km on 200000. Kerro enintään 100000."}  # fmt: skip
    services.refuses = {"fi": {"code": "request_invalid", "reasons": [reason]}}
    form = {"tonnes": "20", "moved_on": "2026-05-20", "organisation": "kiviset", "revision": "3",
            "haul_km": "200000"}  # fmt: skip
    status, _, page = await post(browser, portal, f"/matches/{match['match_id']}/deliveries", form)
    assert status == 422
    assert "haul_km on 200000. Kerro enintään 100000." in page
    assert re.search(r'id="load-haul_km"[^>]*aria-invalid="true"', page)


async def test_a_load_that_counts_for_nothing_says_why(
    portal: Portal, services: Services, browser: aiohttp.ClientSession
) -> None:
    """The other side has told the same waybill: said at once, and in the list after."""
    match = an_agreement()
    services.matches[:] = [match]
    services.loads.append(a_load(match_id=match["match_id"], reporter="soraset", waybill="W-7"))
    await sign_in(browser, portal)
    form = {"tonnes": "20", "moved_on": "2026-05-20", "organisation": "kiviset", "revision": "3",
            "waybill": "W-7"}  # fmt: skip
    path = f"/matches/{match['match_id']}/deliveries"
    status, _, page = await post(browser, portal, path, form)
    assert status == 409
    assert "Kuormaa ei laskettu: sama siirtoasiakirja on jo ilmoitettu." in page
    _, page = await read(browser, f"{portal.url}/deliveries?show=refused")
    assert "Ei laskettu: sama siirtoasiakirja on jo ilmoitettu." in page
    assert page.count('class="row"') == 1


async def test_only_a_loads_own_reporter_corrects_it(
    portal: Portal, services: Services, browser: aiohttp.ClientSession
) -> None:
    """The other side's load is seen without a form."""
    match = an_agreement()
    services.matches[:] = [match]
    services.loads += [
        a_load(match_id=match["match_id"], reporter="soraset"),
        a_load(match_id=match["match_id"], tonnes=11),
    ]
    await sign_in(browser, portal)
    _, page = await read(browser, f"{portal.url}/matches/{match['match_id']}")
    assert "Soraset <Oy>" in page
    assert page.count('id="mend-') == 2  # the details and its summary, of one load


async def test_a_load_without_a_match_goes_to_the_registrys_door(
    portal: Portal, services: Services, browser: aiohttp.ClientSession
) -> None:
    """As the organisation that reports the forecast, under its own id; a form twice is one."""
    forecast = {
        "forecast_id": "018f0000-0000-7000-8000-00000000000a", "external_id": "P-1/till",
        "organisation": "kiviset", "reporter": "kiviset", "direction": "surplus",
        "material": "till", "place": {"municipality": "049"}, "quantity": {"likely_t": 1000},
    }  # fmt: skip
    services.forecasts.append(forecast)
    await sign_in(browser, portal)
    _, page = await read(browser, f"{portal.url}/deliveries")
    assert "Ylijäämä: Moreeni 1\u00a0000\u00a0t, Espoo (P-1/till)" in page
    found = re.search(r'name="form" value="(\w+)"', page)
    assert found
    form = {"forecast": forecast["forecast_id"], "to": "disposal", "tonnes": "33,3",
            "moved_on": "2026-05-20", "form": found[1], "region": "99"}  # fmt: skip

    for _ in range(2):
        _, url, page = await post(browser, portal, "/deliveries", form)  # type: ignore[arg-type]
    assert url.endswith("/deliveries?region=99&did=reported")
    assert "Kuorma otettu vastaan" in page
    ((organisation, event),) = services.handed.values()
    assert organisation == "kiviset"
    assert event["type"] == "intake.delivery-reported.v1"
    assert event["data"] == {
        "external_id": event["id"], "forecast": "P-1/till", "material": "till", "quantity": 33.3,
        "unit": "t", "outlet": "disposal", "origin": "lot", "moved_on": "2026-05-20",
        "method": "weighed",
    }  # fmt: skip

    status, _, page = await post(browser, portal, "/deliveries", {**form, "to": "virgin"})  # type: ignore[dict-item]
    assert status == 422
    assert "Ostettu aines kuuluu tarpeeseen" in page
    services.refuses = {"code": "x", "reasons": [{"pointer": "/a", "code": "y", "text": "Syy 7."}]}
    status, _, page = await post(browser, portal, "/deliveries", form)  # type: ignore[arg-type]
    assert status == 422
    assert "Syy 7." in page


@pytest.mark.parametrize("match", [None, "018f0000-0000-7000-8000-00000000000b"])
async def test_loads_told_at_the_door_are_corrected_there(
    portal: Portal, services: Services, browser: aiohttp.ClientSession, match: str | None
) -> None:
    """Under their own id, with all else as it was told; also when they name a match."""
    mine = a_load(match_id=match, waybill=None, material="clay", outlet="disposal")
    others = a_load(reporter="soraset", organisation="soraset")
    services.loads[:] = [mine, others]
    services.told_loads[mine["delivery_id"]] = {
        "delivery_id": mine["delivery_id"], "external_id": "L-7", "reporter": "kiviset",
        "revision": 2,
        "told": {"forecast": "P-1/till", "area": "A-1", "outlet": "disposal", "origin": "lot",
                 "material": "clay", "quantity": 15.3, "unit": "m3ktr", "method": "weighed",
                 "moved_on": "2026-05-20", "vehicle": "4-akselinen"},
    }  # fmt: skip
    await sign_in(browser, portal)
    _, page = await read(browser, f"{portal.url}/deliveries")
    assert page.count('id="mend-') == 2  # the details and its summary, of one's own load
    hidden = r'type="hidden" name="(\w+)" value="([^"]*)"'
    kept = dict(re.findall(hidden, page.split("mend-")[2].split("</form>")[0]))
    where = f"/deliveries/{mine['delivery_id']}"
    told = {**kept, "tonnes": "23,4", "moved_on": "2026-05-21", "waybill": "W-8"}
    _, url, page = await post(browser, portal, where, told)
    assert url.endswith("/deliveries?region=99&did=handed_in")
    assert "Korjaus on annettu." in page
    ((organisation, event),) = services.handed.values()
    assert (organisation, event["type"]) == ("kiviset", "intake.delivery-reported.v1")
    assert event["data"] == {
        "external_id": "L-7", "forecast": "P-1/till", "area": "A-1", "outlet": "disposal",
        "origin": "lot", "material": "clay", "quantity": 23.4, "unit": "t", "method": "weighed",
        "moved_on": "2026-05-21", "waybill": "W-8",
    }  # fmt: skip
    await post(browser, portal, where, {**told, "tonnes": "0"})
    assert list(services.handed.values())[-1][1]["data"]["quantity"] == 0

    status, _, page = await post(browser, portal, where, {**told, "tonnes": "paljon"})
    assert status == 422 and f'id="load-{mine["delivery_id"]}-tonnes"' in page
    assert 'value="paljon"' in page


async def test_loads_that_came_in_elsewhere_are_not_corrected_at_the_door(
    portal: Portal, services: Services, browser: aiohttp.ClientSession
) -> None:
    """Those told on a match's page are the matcher's; all others are refused in words."""
    match = an_agreement()
    services.matches[:] = [match]
    mine = a_load(match_id=match["match_id"], waybill=None)
    services.loads[:] = [mine]
    await sign_in(browser, portal)
    told = {"tonnes": "20", "moved_on": "2026-05-20", "organisation": "kiviset", "revision": "1",
            "region": "99", "match": match["match_id"]}  # fmt: skip
    where = f"/deliveries/{mine['delivery_id']}"
    _, url, _ = await post(browser, portal, where, told)
    assert url.endswith("did=corrected")
    assert (services.loads[0]["tonnes"], services.handed) == (20, {})
    del told["match"]
    status, _, page = await post(browser, portal, where, told)
    assert (status, "Näitä kuormia ei voi korjata täältä" in page) == (404, True)


async def test_a_service_away_leaves_what_was_typed(
    portal: Portal, services: Services, browser: aiohttp.ClientSession
) -> None:
    """Without the matcher there is no page of a match; without the registry no form of loads."""
    await sign_in(browser, portal)
    services.down.add("matcher")
    path = f"/matches/{services.matches[0]['match_id']}"
    assert (await read(browser, portal.url + path))[0] == 503
    status, page = await read(browser, f"{portal.url}/deliveries")
    assert status == 200
    assert "Tiedot eivät ole juuri nyt saatavilla" in page


async def test_words_from_people_and_machines_stay_words_on_the_match(
    portal: Portal, services: Services, browser: aiohttp.ClientSession
) -> None:
    """Markup in notes, gates, waybills and titles is shown, not run."""
    evil = "<script>alert(1)</script>"
    match = an_agreement(reasons=[{"gate": evil, "verdict": evil, "offered": evil, "wanted": evil}])
    services.matches[:] = [match]
    services.said[match["match_id"]] = [
        {"organisation": evil, "decision": "counter", "at": None, "note": evil, "tonnes": 5}
    ]
    services.loads.append(a_load(match_id=match["match_id"], waybill=evil, method=evil))
    await sign_in(browser, portal)
    async with browser.get(f"{portal.url}/matches/{match['match_id']}") as answer:
        text = await answer.text()
    assert answer.status == 200
    assert evil not in text
    assert "&lt;script&gt;" in text
