"""What breaks in the middle of an import leaves no trace; the long suite is `make test-faults`."""

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from deploy.cards import cards
from tests import rows
from tests.world import SERVICES, Story, World, world

ROWS = list(rows.rows(140, seed=7))
FILES = [ROWS[at::7] for at in range(7)]
POINTS = {"registry": "after-publish-before-mark", "matcher": "after-commit-before-ack"}
LONGEST_LEASE_S = 15 + max(due.lease_s for card in cards() for due in card.works_off)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the user of the servers can walk to."""
    with TemporaryDirectory(prefix="massakoppi-test-") as made:
        Path(made).chmod(0o711)
        yield Path(made)


@pytest.mark.timeout(360)
async def test_an_import_in_which_everything_is_killed_ends_as_the_quiet_one(
    folder: Path, capsys: pytest.CaptureFixture[str]
):
    """Each service is killed, two at named points, NATS too: same lots, receipts, decisions."""
    seed = random.randrange(10**6)
    async with world(folder, seed) as here:
        quiet = Story(here, "quiet")
        await quiet.begin()
        await asyncio.gather(*(quiet.bring_in(f"{at}", told) for at, told in enumerate(FILES)))
        await quiet.decide()
        wanted = await quiet.outcome(0)

        troubled = Story(here, "troubled")
        await troubled.begin()
        await _survive(here, troubled, random.Random(seed))
        outcome = await troubled.outcome(wanted.value_cents, wait_s=LONGEST_LEASE_S)
        await here.clean(wait_s=LONGEST_LEASE_S)
        with capsys.disabled():
            print(f"\n{here.story}")
    assert outcome == wanted


async def _survive(here: World, story: Story, draw: random.Random) -> None:
    files = iter((f"{at}", told) for at, told in enumerate(FILES))
    async with asyncio.TaskGroup() as group:
        group.create_task(story.decide())
        for service in draw.sample(SERVICES, len(SERVICES)):
            if service in POINTS:
                await here.restart_armed(service, POINTS[service])
            group.create_task(story.bring_in(*next(files)))
            if service in POINTS:
                await here.crashed(service)
            else:
                await asyncio.sleep(draw.uniform(0.1, 1.0))
                await here.kill(service)
        group.create_task(story.bring_in(*next(files)))
        await asyncio.sleep(draw.uniform(0.1, 0.5))
        await here.kill_nats(draw.uniform(0.1, 0.5))
        group.create_task(story.bring_in(*next(files)))
