"""`kill -9` of every service, over and over, while companies hand in."""

import asyncio
import random

import pytest

from tests.conftest import eventually
from tests.faults.conftest import FILES, WAIT_S
from tests.world import SERVICES, Outcome, Story, World

KILLS_EACH = 20
WHILE_STARTING = 0.2
"""The share of kills that do not wait until the process works."""
pytestmark = pytest.mark.usefixtures("tells")


@pytest.mark.timeout(900)
async def test_services_killed_at_random_lose_nothing_and_double_nothing(
    here: World, quiet: Outcome
):
    """Twenty kills of each service during one import: lots, receipts, decisions, value as quiet."""
    here.seed = random.randrange(10**6)
    draw = random.Random(here.seed)
    before = await here.settled(wait_s=WAIT_S)
    story = Story(here, "killed")
    await story.begin()
    async with asyncio.TaskGroup() as group:
        group.create_task(_feed(here, story))
        group.create_task(story.decide())
        for service in SERVICES:
            group.create_task(_keep_killing(here, service, random.Random(draw.random())))

    outcome = await story.outcome(before, wait_s=WAIT_S)
    await here.clean(wait_s=WAIT_S)

    assert outcome == quiet
    assert all(here.kills[service] == KILLS_EACH for service in SERVICES)
    assert sum(here.in_flight_at_kills) > 0


async def _keep_killing(here: World, service: str, draw: random.Random) -> None:
    for _ in range(KILLS_EACH):
        if draw.random() < WHILE_STARTING:
            await asyncio.sleep(draw.uniform(0.2, 3.0))
        else:
            await here.ready(service)
            await asyncio.sleep(draw.uniform(0.1, 2.5))
        await here.kill(service)


async def _feed(here: World, story: Story) -> None:
    """Hand in file after file, spread over the kills."""
    async with asyncio.TaskGroup() as group:
        for at, told in enumerate(FILES):
            due = KILLS_EACH * len(SERVICES) * at / len(FILES)

            async def reached(due: float = due) -> bool:
                return sum(here.kills.values()) >= due

            await eventually(reached, within_s=WAIT_S)
            group.create_task(story.bring_in(f"{at}", told))
