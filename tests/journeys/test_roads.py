"""A routing engine that comes while the platform runs: two matchers take its roads."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from deploy.allinone import Platform
from deploy.audit import audit
from tests.conftest import eventually
from tests.matcher.osrm import Osrm, nobody_listens, serving
from tests.platform import (
    a_forecast,
    a_need,
    a_project,
    company,
    first_match,
    matches_of,
    platform_running,
)


@asynccontextmanager
async def two_matchers(osrm: Osrm) -> AsyncIterator[Platform]:
    """A platform whose matchers are told where the engine will be."""
    told = {
        "MATCHER_ROUTING_URL": osrm.url,
        "MATCHER_ROUTING_REST_S": "0.2",
        "MATCHER_ROUTING_TIMEOUT_S": "2",
    }
    async with platform_running(settings={"matcher": told}, oidc=False) as platform:
        second = platform.add("matcher", name="matcher-2")
        second.start()
        async with aiohttp.ClientSession() as session:
            await second.ready(session, 120)
        yield platform


@pytest.mark.timeout(240)
async def test_roads_come_to_a_running_region() -> None:
    """By ratio while the engine is away, by the road once it is there, and the audit is clean."""
    osrm = Osrm(port=nobody_listens(), times=2.2)
    async with two_matchers(osrm) as platform:
        giver, taker = await company(platform, "antaja"), await company(platform, "saaja")
        await giver.hand_in(a_project("p"), a_forecast("s", "p", lat=60.21, lon=24.66))
        await taker.hand_in(a_project("q"), a_need("n", "q", lat=60.30, lon=24.95))
        by_ratio = await first_match(giver, state="proposed")
        assert by_ratio["distance_method"] == "ratio"
        report = await audit(platform.system)
        assert report.clean, report.broken

        async with serving(osrm):

            async def by_road() -> Any:
                found = await matches_of(giver, state="proposed")
                return [one for one in found if one["distance_method"] == "route"]

            (match,) = await eventually(by_road, within_s=60)
        assert match["match_id"] == by_ratio["match_id"]
        assert match["distance_version"] == "driving 2026-11-01"
        assert match["distance_km"] > 1.3 * by_ratio["distance_km"]
        assert match["value"]["total_cents"] < by_ratio["value"]["total_cents"]
        status, told = await giver.ask(
            "matcher", "GET", "/explain",
            surplus=match["surplus"]["forecast_id"], need=match["need"]["forecast_id"],
        )  # fmt: skip
        assert (status, told["distance_method"], told["distance_km"]) == (
            200, "route", match["distance_km"],
        )  # fmt: skip
        report = await audit(platform.system)
        assert report.clean, report.broken
