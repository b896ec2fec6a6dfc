"""NATS and PostgreSQL end as in a power cut, and come back, while companies hand in."""

import asyncio
import random

import pytest

from tests.faults.conftest import FILES, WAIT_S
from tests.world import Outcome, Story, World

pytestmark = pytest.mark.usefixtures("tells")


@pytest.mark.timeout(600)
async def test_nats_killed_and_restarted_under_load_loses_nothing(here: World, quiet: Outcome):
    """Six times, each away up to three seconds: no service ends, all is as in quiet."""
    await _with_server_away(here, quiet, "unheard", "NATS", 6)


@pytest.mark.timeout(600)
async def test_postgresql_killed_and_restarted_under_load_loses_nothing(
    here: World, quiet: Outcome
):
    """Four times, each away up to three seconds: nothing is counted against an event."""
    letters = await _dead_letters(here)
    await _with_server_away(here, quiet, "unkept", "PostgreSQL", 4)
    assert await _dead_letters(here) == letters


async def _with_server_away(
    here: World, quiet: Outcome, name: str, server: str, times: int
) -> None:
    here.seed = random.randrange(10**6)
    draw = random.Random(here.seed)
    before = await here.settled(wait_s=WAIT_S)
    story = Story(here, name)
    await story.begin()
    away = {"NATS": here.kill_nats, "PostgreSQL": here.kill_postgres}[server]
    share = len(FILES) // times + 1
    async with asyncio.TaskGroup() as group:
        group.create_task(story.decide())
        for part in range(times):
            for at, told in list(enumerate(FILES))[part * share : (part + 1) * share]:
                group.create_task(story.bring_in(f"{at}", told))
            await asyncio.sleep(draw.uniform(0.2, 1.5))
            await away(draw.uniform(0.1, 3.0))

    outcome = await story.outcome(before, wait_s=WAIT_S)
    await here.clean(wait_s=WAIT_S)

    assert outcome == quiet
    assert here.kills == {server: times}


async def _dead_letters(here: World) -> int:
    count = 0
    for service in here.engines:
        count += (await here.rows(service, "SELECT count(*) FROM dead_letter"))[0][0]
    return count
