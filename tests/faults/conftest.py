"""One platform for the suite, the story told in quiet first; only run when it is asked for."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests import rows
from tests.world import Outcome, Story, World, world

ROWS = list(rows.rows(1000, seed=11))
FILES = [ROWS[at::40] for at in range(40)]
WAIT_S = 180.0
"""Longer than the longest lease that a killed process may hold."""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the suite out of `make test`: it takes ten minutes, and has a target of its own."""
    asked = any("faults" in argument for argument in config.args)
    return None if asked else True


@pytest.fixture(scope="session")
async def here() -> AsyncIterator[World]:
    """The platform, until the last test has ended."""
    with TemporaryDirectory(prefix="massakoppi-test-") as folder:
        Path(folder).chmod(0o711)
        async with world(Path(folder), 0) as made:
            yield made


@pytest.fixture(scope="session")
async def quiet(here: World) -> Outcome:
    """The story without a fault."""
    story = Story(here, "quiet")
    await story.begin()
    for at, told in enumerate(FILES):
        await story.bring_in(f"{at}", told)
    await story.decide()
    outcome = await story.outcome(0)
    await here.clean(wait_s=WAIT_S)
    return outcome


@pytest.fixture
def tells(here: World, capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Print the test's seed, its faults and what was in flight, whatever comes of it."""
    yield
    with capsys.disabled():
        print(f"\n{here.story}")
    here.forget()
