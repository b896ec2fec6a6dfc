"""Two worlds that differ by one lot that the asker may not see: what it is answered is the same."""

import json
import random
from datetime import date, timedelta
from itertools import zip_longest
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from services.matcher import store
from shared.contracts import ForecastUpdated
from tests.matcher.builders import a_need, a_surplus
from tests.matcher.test_api import ACME, desk  # noqa: F401

PAIRS = settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
EQUAL_PLANS = 2**32 - 1
"""A region on one line, where two plans are worth the same to the cent."""
OF_THE_MOMENT = ("match_id", "near_miss_id", "as_of", "changed_at", "born_at")


def a_region(draw: random.Random) -> list[ForecastUpdated]:
    """Four to ten lots of acme, bolt and cog within 30 km, in windows that overlap or just not."""
    return [a_lot(draw, draw.choice(("acme", "bolt", "cog"))) for _ in range(draw.randint(4, 10))]


def a_lot(draw: random.Random, organisation: str, **told: Any) -> ForecastUpdated:
    """Some hundred tonnes of sand, to give or to take."""
    first = date(2027, 3, 1) + timedelta(days=draw.randint(0, 120))
    return draw.choice((a_surplus, a_need))(
        forecast_id=UUID(int=draw.getrandbits(128), version=4),
        project_id=UUID(int=draw.getrandbits(128), version=4),
        organisation=organisation,
        reporter=organisation,
        tonnes=draw.randint(100, 1200),
        north_km=draw.uniform(0, 30),
        window=(first, first + timedelta(days=60)),
        **told,
    )


async def everything_told(world: Any, site: Any, lots: list[ForecastUpdated]) -> str:
    """All that acme is answered in a world of *lots*, without what names only the moment."""
    tables = ", ".join(table.name for table in store.ledger.metadata.sorted_tables)
    async with world.database.engine.begin() as connection:
        await connection.execute(text(f"TRUNCATE {tables}"))
    await world.hears(*lots)
    await world.works_off()
    await world.settles_all()
    await world.works_off()
    answers: list[Any] = [
        await site.get("/matches", ACME, limit="200"),
        await site.get("/near-misses", ACME, limit="200"),
        await site.get("/counts", ACME, region="99"),
        await site.get("/declines", ACME, region="99"),
        await site.get("/plan", ACME, region="99"),
    ]
    for lot in lots:
        if lot.organisation == "acme":
            change = {"changes": [{"forecast": str(lot.forecast_id), "days": 14}]}
            answers += [await site.get(f"/openings/{lot.forecast_id}", ACME),
                        await site.post("/what-if", ACME, change)]  # fmt: skip
    assert {status for status, _ in answers} == {200}
    return json.dumps([_lasting(told) for _, told in answers], indent=1)


async def lines_that_differ(
    world: Any, site: Any, lots: list[ForecastUpdated], others: list[ForecastUpdated]
) -> list[tuple[str, str]]:
    """The lines of all that acme is told that are not the same in the world of *others*."""
    told = (await everything_told(world, site, lots)).splitlines()
    told_there = (await everything_told(world, site, others)).splitlines()
    return [pair for pair in zip_longest(told, told_there) if pair[0] != pair[1]]


def _lasting(told: Any) -> Any:
    if isinstance(told, dict):
        return {name: _lasting(value) for name, value in told.items() if name not in OF_THE_MOMENT}
    if isinstance(told, list):
        return sorted((_lasting(one) for one in told), key=json.dumps)
    return told


@PAIRS
@example(seed=EQUAL_PLANS)
@given(seed=st.integers(0, 2**32))
async def test_a_lot_for_coordinators_alone_changes_no_answer(matcher, desk, seed):  # noqa: F811
    """It meets no other organisation's lots, and its own here are none: acme cannot tell."""
    draw = random.Random(seed)
    lots = a_region(draw)
    hidden = a_lot(draw, "dune", visibility="region")
    assert await lines_that_differ(matcher, desk, lots, [*lots, hidden]) == []


@PAIRS
@example(seed=EQUAL_PLANS)
@given(seed=st.integers(0, 2**32))
async def test_nor_do_many_that_pair_among_themselves(matcher, desk, seed):  # noqa: F811
    """Two organisations' lots for coordinators alone are settled beside acme's, and not seen."""
    draw = random.Random(seed)
    lots = a_region(draw)
    hidden = [
        a_lot(draw, organisation, visibility="region")
        for organisation in ("dune", "esker")
        for _ in range(draw.randint(2, 6))
    ]
    every = list(lots)
    for one in hidden:
        every.insert(draw.randint(0, len(every)), one)
    assert await lines_that_differ(matcher, desk, lots, every) == []


@PAIRS
@given(seed=st.integers(0, 2**32))
async def test_no_answer_names_a_lot_that_acme_meets_in_nothing(matcher, desk, seed):  # noqa: F811
    """Others' lots change what is left for acme; which and whose they are is not told."""
    draw = random.Random(seed)
    lots = a_region(draw)
    told = await everything_told(matcher, desk, lots)
    met = {
        side
        for path in ("/matches", "/near-misses")
        for one in (await desk.get(path, ACME, limit="200"))[1]["items"]
        for side in (one["surplus"]["forecast_id"], one["need"]["forecast_id"])
    }
    supposed = json.loads(told)
    named = json.dumps(supposed[:5])
    for lot in lots:
        id = str(lot.forecast_id)
        if lot.organisation != "acme" and id not in met:
            assert id not in named
    assert '"organisation": "bolt"' not in named
    assert '"organisation": "cog"' not in named
