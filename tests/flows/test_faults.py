"""What breaks in the middle of an import leaves no trace; the long suite is `make test-faults`."""

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests import rows
from tests.world import SERVICES, Outcome, World, world

ROWS = list(rows.rows(300, seed=7))
FILES = [ROWS[at::7] for at in range(7)]
LONGEST_LEASE_S = 75.0


@pytest.fixture
def folders() -> Iterator[tuple[Path, Path]]:
    """Two folders that the user of the servers can walk to."""
    with (
        TemporaryDirectory(prefix="massakoppi-test-") as one,
        TemporaryDirectory(prefix="massakoppi-test-") as other,
    ):
        for folder in (one, other):
            Path(folder).chmod(0o711)
        yield Path(one), Path(other)


@pytest.mark.timeout(240)
async def test_an_import_in_which_everything_is_killed_ends_as_the_quiet_one(
    folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
):
    """Each service is killed, two at named points, NATS too: same lots, receipts, decisions."""
    seed = random.randrange(10**6)
    async with asyncio.TaskGroup() as group:
        quiet = group.create_task(_in_quiet(folders[0]))
        faulty = group.create_task(_in_trouble(folders[1], seed))
    outcome, story = faulty.result()
    with capsys.disabled():
        print(f"\n{story}")
    assert outcome == quiet.result()


async def _in_quiet(folder: Path) -> Outcome:
    async with world(folder, 0) as here:
        await here.anchor()
        for at, told in enumerate(FILES):
            await here.bring_in(f"rows-{at}", told)
        await here.decide()
        return await here.outcome()


async def _in_trouble(folder: Path, seed: int) -> tuple[Outcome, str]:
    draw = random.Random(seed)
    async with world(folder, seed) as here:
        try:
            return await _survive(here, draw), here.story
        except BaseException as error:
            error.add_note(here.story)
            raise


async def _survive(here: World, draw: random.Random) -> Outcome:
    await here.anchor()
    work = [asyncio.create_task(here.decide())]
    files = enumerate(FILES)

    def bring_in() -> None:
        at, told = next(files)
        work.append(asyncio.create_task(here.bring_in(f"rows-{at}", told)))

    for service in draw.sample(SERVICES, len(SERVICES)):
        point = {"registry": "after-publish-before-mark", "matcher": "after-commit-before-ack"}
        if service in point:
            await here.restart_armed(service, point[service])
        bring_in()
        if service in point:
            await here.crashed(service)
        else:
            await asyncio.sleep(draw.uniform(0.1, 1.0))
            await here.kill(service)
    bring_in()
    await asyncio.sleep(draw.uniform(0.1, 0.5))
    await here.kill_nats(draw.uniform(0.1, 0.5))
    bring_in()
    await asyncio.gather(*work)
    return await here.outcome(wait_s=LONGEST_LEASE_S)
