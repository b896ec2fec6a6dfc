"""The real file of planned earthwork, imported in quiet and while everything is killed."""

import asyncio
import csv
import dataclasses
import random
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from shared.client import region_from_csv
from shared.vocabulary.regions import Region
from tests.conftest import eventually
from tests.faults.conftest import WAIT_S
from tests.world import SERVICES, Story, World, world

KILLS_EACH = 6
POINTS = {
    "registry": "after-publish-before-mark",
    "matcher": "after-commit-before-ack",
    "indicators": "mid-batch",
    "notifier": "after-commit-before-ack",
}
FILES = 30


class Counties(Story):
    """A story in the counties of the file, under a code of its own."""

    places: Region

    @property
    def region(self) -> Region:
        return dataclasses.replace(self.places, code=f"indiana-{self.name}")


@pytest.fixture
async def apart(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """A platform that settles history: the lettings lie in the past."""
    monkeypatch.setenv("MATCHER_CLOSES_PAST_WINDOWS", "false")
    with TemporaryDirectory(prefix="massakoppi-test-") as folder:
        Path(folder).chmod(0o711)
        async with world(Path(folder), random.randrange(10**6)) as made:
            yield made


@pytest.mark.timeout(1800)
async def test_the_real_file_survives_kills_at_random_and_at_named_points(
    apart: World, shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every service killed, NATS too, during the import: as the quiet one, to the cent."""
    data = shared_data / "indot_earthwork_items"
    mapping = "indiana-counties"
    Counties.places = region_from_csv(data / "indiana_counties.csv", mapping)
    with (data / "earthwork_items_2022_2024.csv").open(encoding="utf-8") as file:
        told = list(csv.DictReader(file))
    files = [told[at::FILES] for at in range(FILES)]

    quiet = Counties(apart, "quiet")
    await quiet.begin()
    for at, part in enumerate(files):
        await quiet.bring_in(f"{at}", part)
    await quiet.decide()
    wanted = await quiet.outcome(0, wait_s=WAIT_S)

    troubled = Counties(apart, "troubled")
    await troubled.begin()
    draw = random.Random(apart.seed)
    async with asyncio.TaskGroup() as group:
        group.create_task(_feed(apart, troubled, files))
        group.create_task(troubled.decide())
        for service in SERVICES:
            group.create_task(_keep_killing(apart, service, random.Random(draw.random())))
    outcome = await troubled.outcome(wanted.value_cents, wait_s=WAIT_S)
    await apart.clean(wait_s=WAIT_S)
    with capsys.disabled():
        print(f"\n{len(told)} rows, {len(outcome.lots)} forecasts\n{apart.story}")

    assert outcome == wanted


async def _keep_killing(here: World, service: str, draw: random.Random) -> None:
    for turn in range(KILLS_EACH):
        await here.ready(service)
        await asyncio.sleep(draw.uniform(0.3, 4.0))
        if turn == 2 and service in POINTS:
            await here.restart_armed(service, POINTS[service])
            await here.crashed(service, within_s=120)
        elif turn == 4 and service == "portal":
            await here.kill_nats(draw.uniform(0.2, 1.5))
        else:
            await here.kill(service)


async def _feed(here: World, story: Story, files: list[list[dict[str, str]]]) -> None:
    """Hand in file after file, spread over the kills."""
    async with asyncio.TaskGroup() as group:
        for at, part in enumerate(files):
            due = (KILLS_EACH - 1) * len(SERVICES) * at / len(files)

            async def reached(due: float = due) -> bool:
                return sum(here.kills.values()) >= due

            await eventually(reached, within_s=300)
            group.create_task(story.bring_in(f"{at}", part))
