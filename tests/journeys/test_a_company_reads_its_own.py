"""A company's system reads back what it told, its receipts and its matches, typed and by page."""

import pytest

from deploy.allinone import Platform
from shared.client import Credentials, NotSent, Reader
from tests.platform import a_forecast, a_need, a_project, company, first_match


async def test_a_company_reads_its_own_to_the_end(platform: Platform) -> None:
    """One item a page, so that every list has several; only what changed since, after that."""
    who, other = await company(platform, "lukija"), await company(platform, "luettu")
    await who.hand_in(a_project("L-1"), *(a_forecast(f"L-1/{n}", "L-1") for n in range(3)))
    await other.hand_in(a_project("M-1", visibility="region"), a_need("M-1/a", "M-1"))
    match = await first_match(who)

    async with Reader(Credentials(**who.credentials.to_json()), page=1) as reader:
        projects = [one async for one in reader.projects(organisation=who.token)]
        forecasts = [one async for one in reader.forecasts(organisation=who.token)]
        receipts = [one async for one in reader.receipts()]
        matches = [one async for one in reader.matches(region="01")]
        since = reader.as_of
        again = [one async for one in reader.matches(since=since, state=["agreed", "done"])]

    assert [one.title for one in projects] == ["Hanke L-1"]
    assert sorted(one.external_id or "" for one in forecasts) == ["L-1/0", "L-1/1", "L-1/2"]
    assert all(one.quantity.likely_t == 1000 for one in forecasts)
    assert [one.about for one in receipts] == ["project-added"] + ["forecast-updated"] * 3
    assert str(match["match_id"]) in [str(one.match_id) for one in matches]
    assert all(one.surplus.organisation == who.token for one in matches)
    assert again == []


async def test_a_reader_without_what_it_needs_says_so() -> None:
    """No key, and no address of the matcher."""
    with pytest.raises(NotSent, match="HTTPS key"):
        Reader(Credentials("lukija"))
    told = Credentials("lukija", https_key="k", registry_url="http://localhost")
    with pytest.raises(NotSent, match="matcher_url"):
        _ = [one async for one in Reader(told).matches()]
