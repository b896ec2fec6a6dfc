"""Looking ahead: what almost fits, what one change would open, and the plan by month."""

import aiohttp
import pytest

from services.portal.domain import outlook
from services.portal.domain.near import Change, NearRow, by_kind, weeks_or_days
from services.portal.domain.whole import End
from tests.portal.conftest import Portal, Services, a_near_miss, sign_in
from tests.portal.test_page import read


async def test_what_almost_fits_is_grouped_by_what_would_have_to_change(
    portal: Portal, services: Services, browser: aiohttp.ClientSession
) -> None:
    """Each with its worth and its one change, in words; one's own side leads to its openings."""
    lab = {"who": "surplus", "what": "fact", "code": "laboratory report"}
    strange = {"who": "region", "what": "weather", "code": "<sun>"}
    services.near += [
        a_near_miss(),
        a_near_miss(remedies=[lab, strange], value={"total_cents": 10_000_00}),
    ]
    await sign_in(browser, portal)
    status, page = await read(browser, f"{portal.url}/near-misses?region=99")
    assert status == 200
    assert page.index(">Aika ") < page.index(">Puuttuva tieto ")
    assert "jos massa luovutetaan 3 viikkoa myöhemmin" in page
    assert "jos massasta saadaan laboratoriotulos" in page
    assert "region weather <sun>" in page
    assert "5\u00a0123\u00a0€" in page
    own = [one["surplus"]["forecast_id"] for one in services.near]
    assert all(f'href="/openings/{one}?region=99"' in page for one in own)
    assert f"/openings/{services.near[0]['need']['forecast_id']}" not in page


async def test_one_change_of_a_forecast_and_what_it_would_open(
    portal: Portal, services: Services, browser: aiohttp.ClientSession
) -> None:
    """For its own side; of another's forecast there is nothing to see."""
    services.near.append(a_near_miss())
    services.openings.append(
        {"change": {"who": "surplus", "what": "window_later", "days": 10}, "tonnes": 1800,
         "total_cents": 912_300, "partners": 3}
    )  # fmt: skip
    await sign_in(browser, portal)
    own = services.near[0]["surplus"]["forecast_id"]
    _, page = await read(browser, f"{portal.url}/openings/{own}?region=99")
    assert "jos massa luovutetaan 10 päivää myöhemmin" in page
    assert "1\u00a0800\u00a0t" in page
    _, page = await read(browser, f"{portal.url}/openings/018f0000-0000-7000-8000-000000000001")
    assert "Tietoja ei ole, tai ne eivät kuulu sinulle." in page
    services.openings.clear()
    _, page = await read(browser, f"{portal.url}/openings/{own}")
    assert "Mikään yksittäinen muutos ei avaisi" in page


async def test_nothing_that_almost_fits_says_so(
    portal: Portal, browser: aiohttp.ClientSession
) -> None:
    """An empty list says when something will appear in it."""
    await sign_in(browser, portal)
    _, page = await read(browser, f"{portal.url}/near-misses")
    assert "Massat, jotka melkein sopivat yhteen, ilmestyvät tähän." in page


async def test_the_plan_tells_months_totals_and_movements(
    portal: Portal, services: Services, browser: aiohttp.ClientSession
) -> None:
    """Low, likely and high; at most two hundred rows, and it says how many there are."""
    services.plan_rows = 240
    await sign_in(browser, portal)
    status, page = await read(browser, f"{portal.url}/plan?region=99&first=2027-01&last=2027-03")
    assert status == 200
    assert 'value="2027-01"' in page
    assert "tammi 2027" in page
    assert "Osumien mukaan siirtyy 1\u00a0300\u00a0t, josta odotettavissa 910\u00a0t" in page
    assert "<small>1\u00a0040–1\u00a0560</small>" in page
    assert page.count('<td class="unit">Moreeni</td>') == 200
    assert "Näet 200 riviä, kaikkiaan 240" in page


async def test_the_plan_comes_whole_as_a_table(
    portal: Portal, services: Services, browser: aiohttp.ClientSession
) -> None:
    """Every row, with decimal commas, for the months that the page shows."""
    services.plan_rows = 240
    await sign_in(browser, portal)
    status, table = await read(browser, f"{portal.url}/plan.csv?first=2027-01&last=2027-03")
    lines = table.splitlines()
    assert (status, len(lines)) == (200, 241)
    assert lines[1] == "2027-01;Moreeni;Espoo;Vantaa;;Sovittu;1040;1300;1560;910;22646"
    status, _ = await read(browser, f"{portal.url}/plan.csv?first=x")
    assert status == 422
    status, part = await read(browser, f"{portal.url}/fragments/plan?about=2027-01:2027-03")
    assert (status, "tammi 2027" in part) == (200, True)


@pytest.mark.parametrize("asked", ["first=2027-13", "first=tammi", "first=2027-05&last=2027-01"])
async def test_months_that_are_none_are_asked_for_again(
    portal: Portal, browser: aiohttp.ClientSession, asked: str
) -> None:
    """With the field that is to be mended; nothing is asked of the matcher."""
    await sign_in(browser, portal)
    status, page = await read(browser, f"{portal.url}/plan?{asked}")
    assert status == 422
    assert "Kirjoita kuukaudet muodossa 2027-01" in page
    assert 'href="#plan-first"' in page


async def test_a_plan_that_is_too_large_or_away_says_so(
    portal: Portal, services: Services, browser: aiohttp.ClientSession
) -> None:
    """The form stays, so that fewer months can be asked for."""
    await sign_in(browser, portal)
    services.plan_rows = 2000
    status, page = await read(browser, f"{portal.url}/plan")
    assert (status, "liikaa eriä yhteen suunnitelmaan" in page) == (413, True)
    services.down.add("matcher")
    status, page = await read(browser, f"{portal.url}/plan")
    assert (status, "Palvelu ei vastaa" in page, 'id="plan-first"' in page) == (503, True, True)


def test_months_are_a_year_from_now_unless_told() -> None:
    """Either end may be left out; a year ends eleven months later."""
    assert outlook.span_of("", "", "2026-11") == ("2026-11", "2027-10")
    assert outlook.span_of("2027-03", "", "2026-11") == ("2027-03", "2028-02")
    assert outlook.span_of("", "2026-05", "2026-11") == ("2026-05", "2026-05")
    assert outlook.span_of("2027-1", "", "2026-11") is None
    assert outlook.month_after("2026-11", 3) == "2027-02"


def test_changes_are_grouped_and_days_written_as_weeks_where_they_are() -> None:
    """A change that is not known here comes last."""
    end = End(None, "049", "")
    rows = [
        NearRow(what, "till", end, end, 1, 1, None, (Change("need", what),))
        for what in ("weather", "class", "window_earlier", "window_later")
    ]
    kinds = [(kind, [row.id for row in every]) for kind, every in by_kind(rows)]
    assert kinds == [
        ("time", ["window_earlier", "window_later"]),
        ("quality", ["class"]),
        ("other", ["weather"]),
    ]
    assert [weeks_or_days(days) for days in (1, 7, 10, 21)] == [
        ("day", 1), ("week", 1), ("days", 10), ("weeks", 3),
    ]  # fmt: skip
