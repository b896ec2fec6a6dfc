"""A public list of street works comes in by asking now and then: new, changed, gone."""

import asyncio
import signal
from pathlib import Path
from typing import Any

from deploy.allinone import Platform
from deploy.connectors import connect, read_config
from deploy.connectors.lists import SourceAway
from tests.conftest import eventually
from tests.connectors.sources import (
    WorksList,
    a_works_list,
    config_file,
    projects_of,
    running,
    standing,
)
from tests.platform import Company, company

RULES = {"fields": {"id": "id", "title": "name"}, "region": "01", "municipality": "049"}


def work(id: int, name: str, version: int = 1, **told: Any) -> dict[str, Any]:
    """A project of the list: an area of three streets' length."""
    ring = [[24.80, 60.20], [24.82, 60.20], [24.82, 60.22], [24.80, 60.22], [24.80, 60.20]]
    return {
        "type": "Feature", "id": id, "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"name": name, "version": version, "startDate": "2027-04-01T00:00:00Z",
                       "endDate": "2027-09-30", **told},
    }  # fmt: skip


def file_of(folder: Path, works: WorksList, who: Company, **told: Any) -> Path:
    return config_file(
        folder, "street-works", who, url=works.url, projects=RULES, **{"every_s": 0.2, **told}
    )


async def poll(file: Path, times: int = 1) -> dict[str, Any]:
    for _ in range(times):
        state = await connect(read_config("street-works", file), once=True)
    return state


async def test_new_changed_and_gone(platform: Platform, tmp_path: Path) -> None:
    """Pages are read to the last; what is missing three times is withdrawn, and may come back."""
    who = await company(platform, "katutyot-a")
    async with a_works_list() as works:
        works.page = 2
        works.features = [work(at, f"Työ {at}") for at in range(5)]
        file = file_of(tmp_path, works, who)
        await poll(file)
        known = await projects_of(who)
        assert len(known) == 5
        assert (known["Työ 0"]["place"]["lat"], known["Työ 0"]["place"]["lon"]) == (60.21, 24.81)

        works.features[1] = work(1, "Työ 1 b", 2)
        gone = works.features.pop(4)
        await poll(file, 2)
        assert {"Työ 1 b", "Työ 4"} <= set(await projects_of(who))
        assert await standing(who, "Työ 4")
        state = await poll(file)
        assert state["counts"]["accepted"] == 1
        assert not await standing(who, "Työ 4")

        works.features.append(gone)
        await poll(file)
        assert await standing(who, "Työ 4")


async def test_a_list_that_has_not_changed_is_not_sent_again(
    platform: Platform, tmp_path: Path
) -> None:
    """Asked by its tag, it answers 304; what is missing still counts as missing."""
    who = await company(platform, "katutyot-b")
    async with a_works_list() as works:
        works.features = [work(at, f"Työ {at}") for at in range(3)]
        file = file_of(tmp_path, works, who)
        await poll(file, 2)
        works.features.pop()
        await poll(file, 3)

        assert works.answers == [200, 304, 200, 304, 304]
        assert not await standing(who, "Työ 2")


async def test_half_a_list_withdraws_nobody(platform: Platform, tmp_path: Path) -> None:
    """An error, half a file, an empty answer of a server in trouble."""
    who = await company(platform, "katutyot-c")
    async with a_works_list() as works:
        works.features = [work(at, f"Työ {at}") for at in range(4)]
        file = file_of(tmp_path, works, who, missed_polls=1)
        await poll(file)
        for trouble in ("error", "garbage", "empty"):
            works.troubles = [trouble]
            try:
                state = await poll(file)
            except SourceAway:
                assert trouble != "empty"
        assert state["counts"]["doubted"] == 1

        assert all([await standing(who, f"Työ {at}") for at in range(4)])


async def test_an_older_version_does_not_come_back(platform: Platform, tmp_path: Path) -> None:
    """A list that was put back from yesterday tells older versions: they are known as old."""
    who = await company(platform, "katutyot-d")
    async with a_works_list() as works:
        file = file_of(tmp_path, works, who)
        for told in (work(1, "Uusin", 3), work(1, "Vanha", 2), work(1, "Uusin", 3)):
            works.features = [told]
            await poll(file)
            assert set(await projects_of(who)) == {"Uusin"}


async def test_killed_between_polls_and_in_them(platform: Platform, tmp_path: Path) -> None:
    """Killed six times while the list changes: in the end the registry has what the list has."""
    who = await company(platform, "katutyot-e")
    async with a_works_list() as works:
        file = file_of(tmp_path, works, who)
        for turn in range(6):
            works.features = [work(at, f"Työ {at}/{turn}", turn) for at in range(60)]
            asked = len(works.answers)
            async with running("street-works", file) as connector:

                async def polled(before: int = asked) -> bool:
                    return len(works.answers) > before

                await eventually(polled, within_s=30)
                await asyncio.sleep(0.05 * turn)
                await connector.stop(signal.SIGKILL)
        await poll(file)

    assert set(await projects_of(who)) == {f"Työ {at}/5" for at in range(60)}
