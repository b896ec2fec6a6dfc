"""Balance and figures over HTTP: rows that close, and who may see which scope."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import date
from typing import Any

import aiohttp
import pytest
import uvicorn

from services.indicators import api
from shared.access import Asker, new_signing_key, sign
from shared.contracts import OrganisationUpdated
from shared.http import application
from shared.work import Database
from tests.conftest import eventually, free_port
from tests.described import as_described
from tests.indicators.telling import NOON, a_forecast, a_match, hear, named

KEY = new_signing_key()
MEMBER = Asker("erkki", "person", {"muhkea": ("coordinator",)})
STRANGER = Asker("stranger", "organisation", {"kivikasa": ()})
COORDINATOR = Asker("region", "person", {}, ("01",))
OPERATOR = Asker("operator", "operator")


class Ready:
    """A service that is ready."""

    async def problems(self) -> list[str]:
        return []


class Site:
    """The running API, asked as somebody."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session, self.url = session, url

    async def ask(
        self, path: str, asker: Asker | None = COORDINATOR, *, accept: str = "application/json"
    ) -> tuple[int, Any]:
        headers = {"Accept": accept}
        if asker is not None:
            headers["Authorization"] = f"Bearer {sign(asker, KEY)}"
        async with self.session.get(self.url + path, headers=headers) as answer:
            await as_described("indicators", answer)
            if "json" in answer.content_type:
                return answer.status, await answer.json()
            return answer.status, await answer.text()


@pytest.fixture
async def site(database: Database) -> AsyncIterator[Site]:
    """The indicators' API on a free port, over a database with two lots and their match."""
    surplus = a_forecast("pit", tonnes=1140)
    need = a_forecast(
        "bank", direction="need", tonnes=620, municipality="091", organisation="kivikasa",
        project_id=named("other"), window=(date(2026, 7, 1), date(2026, 7, 31)),
    )  # fmt: skip
    title = OrganisationUpdated(
        region="01", organisation="muhkea", revision=1, title="=HYPERLINK(1)", at=NOON
    )
    await hear(database, [surplus, need], [title])
    await hear(database, [a_match("pair", surplus, need, tonnes=300, state="proposed")])
    app = application(
        name="indicators", router=api.router, database=database, public_key=KEY, health=Ready()
    )
    port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", lifespan="off")
    )
    running = asyncio.create_task(server.serve())

    async def started() -> bool:
        return server.started

    await eventually(started)
    async with aiohttp.ClientSession() as session:
        yield Site(session, f"http://127.0.0.1:{port}")
    server.should_exit = True
    with suppress(asyncio.CancelledError):
        await running


async def test_the_balance_of_a_region_by_month_and_material(site: Site) -> None:
    """Both sides, whole and by state; the states add up, low and high stand beside."""
    status, told = await site.ask("/balance?region=01")

    assert status == 200
    assert [row["month"] for row in told["items"]] == ["2026-05", "2026-06", "2026-07", "2026-08"]
    july = told["items"][2]
    assert (july["material"], july["surplus_t"], july["need_t"]) == ("till", 310.0, 620.0)
    assert (july["net_t"], july["surplus_low_t"], july["surplus_high_t"]) == (310.0, 248.0, 403.0)
    assert july["states"]["proposed"]["need_t"] == 300.0
    for row in told["items"]:
        for name in ("surplus_t", "need_t", "surplus_low_t", "need_high_t", "net_t"):
            whole = sum(state[name] for state in row["states"].values())
            assert whole == pytest.approx(row[name])
    assert sum(row["states"]["proposed"]["surplus_t"] for row in told["items"]) == 300.0
    assert told["as_of"] == "2026-05-04T12:01:01+00:00"


async def test_coarser_grains_and_spans_sum_the_same_cells(site: Site) -> None:
    """Quarters and years are sums of months; from and to cut by month."""
    _, quarters = await site.ask("/balance?region=01&grain=quarter")
    _, years = await site.ask("/balance?region=01&grain=year")
    _, cut = await site.ask("/balance?region=01&from=2026-06&to=2026-07")

    assert [(row["period"], row["surplus_t"]) for row in quarters["items"]] == [
        ("2026-Q2", 520.0), ("2026-Q3", 620.0)
    ]  # fmt: skip
    assert [(row["period"], row["surplus_t"]) for row in years["items"]] == [("2026", 1140.0)]
    assert [row["period"] for row in cut["items"]] == ["2026-06", "2026-07"]


async def test_pages_follow_each_other_without_gap(site: Site) -> None:
    """`next` of a page begins the following one; the last has none."""
    _, first = await site.ask("/balance?region=01&limit=3")
    _, last = await site.ask(f"/balance?region=01&limit=3&after={first['next']}")

    assert [row["month"] for row in first["items"]] == ["2026-05", "2026-06", "2026-07"]
    assert [row["month"] for row in last["items"]] == ["2026-08"]
    assert last["next"] is None


async def test_municipalities_sum_to_their_region(site: Site) -> None:
    """Over HTTP too: parts and whole close for both sides."""
    _, whole = await site.ask("/balance?region=01&grain=year")
    parts = [
        (
            await site.ask(
                f"/balance?region=01&scope=municipality&code={code}&grain=year", COORDINATOR
            )
        )[1]
        for code in ("049", "091")
    ]
    rows = [row for part in parts for row in part["items"]]

    assert sum(row["surplus_t"] for row in rows) == whole["items"][0]["surplus_t"]
    assert sum(row["need_t"] for row in rows) == whole["items"][0]["need_t"]


async def test_a_place_of_few_organisations_is_summed_for_its_coordinators_alone(
    site: Site,
) -> None:
    """A sum of two organisations tells each of them about the other."""
    asked = "/balance?region=01&scope=municipality&code=049"
    status, problem = await site.ask(asked, MEMBER)
    seen, _ = await site.ask(asked, COORDINATOR)

    assert (status, problem["code"], seen) == (403, "too_few_organisations", 200)


async def test_figures_say_state_definition_and_counterfactual(site: Site) -> None:
    """Every figure is a projection until loads are counted, and says what it is held against."""
    status, told = await site.ask("/figures?region=01&state=proposed")

    assert status == 200
    figures = {one["indicator"]: one for one in told["items"]}
    assert list(figures) == ["K1a", "K1b", "K2", "K3", "K4", "K5", "K6", "K7", "K8", "K11"]
    assert figures["K1a"]["value"] == pytest.approx(300 / 1140)
    assert figures["K6"]["value"] == pytest.approx(12)
    assert figures["K8"]["value"] == pytest.approx(2550)
    assert figures["K8"]["counterfactual"] == "CF-1@2026-11-24"
    assert figures["K2"]["value"] is None
    assert "virgin deliveries" in figures["K2"]["why"]
    assert all(one["projection"] and one["state"] == "proposed" for one in told["items"])
    assert figures["K11"]["value"] == 1, "from 049 to 091"
    _, delivered = await site.ask("/figures?region=01&state=delivered")
    assert {"K9", "K10", "K13", "K15", "M1", "M3"} <= {
        one["indicator"] for one in delivered["items"]
    }
    assert all(one["value"] is None and not one["projection"] for one in delivered["items"])


async def test_savings_count_where_the_mass_comes_from(site: Site) -> None:
    """By the municipality of the origin; the destination has none of it."""
    _, origin = await site.ask(
        "/figures?region=01&scope=municipality&code=049&state=proposed&indicator=K8", COORDINATOR
    )
    _, destination = await site.ask(
        "/figures?region=01&scope=municipality&code=091&state=proposed&indicator=K8", COORDINATOR
    )

    assert [one["value"] for one in origin["items"]] == [2550.0]
    assert [one["value"] for one in destination["items"]] == [0.0]


async def test_a_period_cuts_the_figures_by_the_months_of_the_matches(site: Site) -> None:
    """16 of 36 days of the match are in June."""
    _, june = await site.ask("/figures?region=01&period=2026-06&state=proposed&indicator=K5")

    assert june["items"][0]["value"] == pytest.approx(3600 * 16 / 36)


@pytest.mark.parametrize(
    ("path", "value", "finnish", "swedish"),
    [
        ("/balance?region=01&from=2027-05&to=2027-03", "2027-05", "Vaihda ne", "Byt plats"),
        ("/balance?region=01&from=tomorrow", "«tomorrow»", "2027-01", "2027-01"),
        ("/figures?region=01&period=2027-Q7", "«2027-Q7»", "Jakso", "Perioden"),
        ("/figures?region=01&indicator=K99", "«K99»", "jotakin: K1a", "en av: K1a"),
        ("/figures?scope=municipality&code=049", "«municipality»", "seudun", "region"),
        ("/balance?region=01&code=02", "«02»", "vain toinen", "bara det ena"),
    ],
)
async def test_a_question_that_is_none_is_told_with_its_value_in_the_language_asked_for(
    site: Site, path: str, value: str, finnish: str, swedish: str
) -> None:
    for language, remedy in (("fi", finnish), ("sv", swedish), ("en", "")):
        status, problem = await site.ask(f"{path}&language={language}")
        assert status == 422
        assert value in problem["detail"] and remedy in problem["detail"]


async def test_definitions_come_with_names_and_version(site: Site) -> None:
    """Three languages, formula, trap; and the counterfactual in full."""
    status, told = await site.ask("/figures/definitions")

    assert status == 200
    assert told["items"][0]["definition"] == "K1a@2026-11-24"
    assert {"fi", "sv", "en"} == set(told["items"][0]["names"])
    assert told["counterfactuals"][0]["id"] == "CF-1"


SEEN: list[tuple[Asker | None, str, int]] = [
    (None, "/balance?region=01", 401),
    (STRANGER, "/balance?region=01", 403),
    (STRANGER, "/figures?scope=country", 403),
    (OPERATOR, "/figures?scope=country", 200),
    (OPERATOR, "/figures?scope=country&bounded=true", 403),
    (COORDINATOR, "/figures?scope=country&region=01", 403),
    (COORDINATOR, "/balance?region=01&bounded=true", 403),
    (STRANGER, "/balance?scope=organisation&code=muhkea", 403),
    (STRANGER, "/figures?scope=organisation&code=muhkea&region=01", 403),
    (STRANGER, "/balance.csv?scope=organisation&code=muhkea", 403),
    (MEMBER, "/balance?scope=organisation&code=muhkea", 200),
    (COORDINATOR, "/balance?scope=organisation&code=muhkea&region=01", 200),
    (COORDINATOR, "/balance?scope=organisation&code=muhkea&region=06", 403),
    (COORDINATOR, "/balance?scope=organisation&code=muhkea", 403),
    (OPERATOR, "/balance?scope=organisation&code=muhkea", 200),
    (MEMBER, f"/balance?scope=project&code={named('project')}", 200),
    (COORDINATOR, f"/balance?scope=project&code={named('project')}", 200),
    (STRANGER, f"/balance?scope=project&code={named('project')}", 404),
    (OPERATOR, f"/balance?scope=project&code={named('nowhere')}", 404),
]


async def test_each_sees_aggregates_and_what_is_its_own(site: Site) -> None:
    """Sums of a place, here of two, are for its coordinators; what is one's own, for oneself."""
    answers = [(asker, path, (await site.ask(path, asker))[0]) for asker, path, _ in SEEN]

    assert answers == SEEN


REFUSED = [
    ("/balance", "code_missing"),
    ("/balance?scope=municipality&code=049", "region_missing"),
    ("/balance?region=01&code=06", "code_invalid"),
    ("/balance?region=01&from=2026-13", "from_invalid"),
    ("/balance?region=01&from=2026-05&to=2026-04", "period_reversed"),
    ("/balance?region=01&after=x", "cursor_invalid"),
    ("/balance?region=01&grain=week", "request_invalid"),
    ("/balance?scope=project&code=x", "code_invalid"),
    ("/figures?region=01&period=soon", "period_invalid"),
    ("/figures?region=01&indicator=K99", "indicator_unknown"),
]


async def test_a_question_that_is_none_is_told_what_to_mend(site: Site) -> None:
    """422 with a stable code; the text names field, value and remedy."""
    for path, code in REFUSED:
        status, told = await site.ask(path)

        assert (status, told["code"]) == (422, code)


async def test_the_csv_is_the_same_balance_with_formulas_disarmed(site: Site) -> None:
    """By suffix or by Accept; a title that a spreadsheet would run begins with an apostrophe."""
    _, told = await site.ask("/balance?region=01")
    status, by_suffix = await site.ask("/balance.csv?region=01")
    _, by_accept = await site.ask("/balance?region=01", accept="text/csv")
    _, own = await site.ask("/balance.csv?scope=organisation&code=muhkea", MEMBER)

    lines = list(csv.DictReader(io.StringIO(by_suffix)))
    assert status == 200
    assert by_accept == by_suffix
    whole = sum(row["surplus_t"] for row in told["items"])
    assert sum(float(line["surplus_t"]) for line in lines) == pytest.approx(whole)
    assert {line["projection"] for line in lines} == {"true"}
    titles = {line["title"] for line in csv.DictReader(io.StringIO(own))}
    assert titles == {"'=HYPERLINK(1)"}
    assert any(float(line["net_t"]) < 0 for line in lines)
