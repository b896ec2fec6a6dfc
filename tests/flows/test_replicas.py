"""Scaling is another process: two matchers share the work and reach what one reaches."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
import pytest

from deploy.allinone import Process
from tests import rows
from tests.world import Story, world

ROWS = list(rows.rows(120, seed=11))
FILES = [ROWS[at::8] for at in range(8)]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the user of the servers can walk to."""
    with TemporaryDirectory(prefix="massakoppi-test-") as made:
        Path(made).chmod(0o711)
        yield Path(made)


async def settles(process: Process) -> int:
    """How many neighbourhoods *process* has settled, by its own metrics."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{process.url}/metrics") as answer,
    ):
        lines = (await answer.text()).splitlines()
    told = [line for line in lines if line.startswith('matcher_settles_total{scope="neigh')]
    return int(float(told[0].rsplit(" ", 1)[1])) if told else 0


@pytest.mark.timeout(240)
async def test_two_matchers_share_the_work_and_reach_the_same_value_to_the_cent(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same rows told to one matcher and to two: equal lots, receipts, decisions and value."""
    async with world(folder, 11) as here:
        alone = Story(here, "alone")
        await alone.begin()
        for at, told in enumerate(FILES):
            await alone.bring_in(f"{at}", told)
        await alone.decide()
        wanted = await alone.outcome(0)

        first = here.process("matcher")
        second = here.platform.add("matcher", name="matcher-2")
        second.start()
        async with aiohttp.ClientSession() as session:
            await second.ready(session, 120)
        before = await settles(first)
        shared = Story(here, "shared")
        await shared.begin()
        for at, told in enumerate(FILES):
            await shared.bring_in(f"{at}", told)
            await asyncio.sleep(0.3)
        await shared.decide()
        outcome = await shared.outcome(wanted.value_cents)
        shares = (await settles(first) - before, await settles(second))
        await here.clean(wait_s=60)
    with capsys.disabled():
        print(f"\nsettles by two matchers: {shares[0]} and {shares[1]}")

    assert outcome == wanted
    assert min(shares) >= 0.2 * sum(shares), shares
