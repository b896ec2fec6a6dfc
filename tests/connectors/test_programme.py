"""A city's programme comes in by its stream, whatever happens to stream, city or connector."""

import asyncio
import random
import signal
from pathlib import Path
from typing import Any

import pytest

from deploy.allinone import Platform
from deploy.connectors import connect, read_config
from tests.conftest import eventually
from tests.connectors.sources import City, a_city, config_file, projects_of, running, standing
from tests.platform import Company, company

RULES = {
    "fields": {"phase": "phase.value", "reference": "hkrId", "updated": "updatedDate"},
    "region": "06",
    "municipality": "562",
    "programme": "Investointiohjelma",
    "phases": {"programming": "general_plan", "draftApproval": "street_park_design",
               "construction": "construction", "suspended": "withdrawn"},
}  # fmt: skip


def project(id: str, name: str, **told: Any) -> dict[str, Any]:
    """A project as the programme's API writes one."""
    return {
        "id": id, "name": name, "hkrId": 4711, "phase": {"id": "f", "value": "programming"},
        "estPlanningStart": "01.02.2027", "estPlanningEnd": "30.11.2027",
        "estConstructionStart": "01.05.2028", "estConstructionEnd": "30.09.2029",
        "favPersons": [], **told,
    }  # fmt: skip


def file_of(folder: Path, city: City, who: Company, **told: Any) -> Path:
    return config_file(
        folder, "programme", who, url=f"{city.url}/events/",
        **{"list_url": f"{city.url}/projects/", "projects": RULES, **told},
    )  # fmt: skip


async def until_told(who: Company, **titles: Any) -> dict[str, dict[str, Any]]:
    """The projects of *who*, once those in *titles* are in these phases."""

    async def there() -> Any:
        known = await projects_of(who)
        held = {title: known[title]["phase"] for title in known if title in titles}
        return known if held == titles else None

    found: dict[str, dict[str, Any]] = await eventually(there, within_s=40)
    return found


async def test_the_list_at_the_beginning_then_every_news(
    platform: Platform, tmp_path: Path
) -> None:
    """Creation sends no event, so the list is read; then phases and dates follow the stream."""
    who = await company(platform, "ohjelma-a", region="06")
    async with a_city() as city:
        city.projects = {f"{at}": project(f"{at}", f"Katu{at}") for at in range(5)}
        async with running("programme", file_of(tmp_path, city, who)) as connector:
            await until_told(who, **{f"Katu{at}": "general_plan" for at in range(5)})
            city.tell(project("1", "Katu1", phase={"value": "construction"}))
            known = await until_told(who, Katu1="construction", Katu0="general_plan")
            assert await connector.stop() == 0

    told = known["Katu0"]
    assert (told["window"]["first"], told["window"]["last"]) == ("2028-05-01", "2029-09-30")
    assert told["programme"] == {
        "title": "Investointiohjelma", "reference": "4711",
        "planning_from": "2027-02-01", "planning_to": "2027-11-30",
    }  # fmt: skip


async def test_what_the_list_tells_no_longer_is_withdrawn_when_it_is_sure(
    platform: Platform, tmp_path: Path
) -> None:
    """Missing once, or told by the stream meanwhile, it stands; and half a list is doubted."""
    who = await company(platform, "ohjelma-list", region="06")
    every = {f"{at}": project(f"{at}", f"Raitti{at}") for at in range(4)}
    async with a_city() as city:
        file = file_of(tmp_path, city, who, missed_lists=2, missed_every_s=0)

        async def lists(*without: str) -> dict[str, Any]:
            city.projects = {id: one for id, one in every.items() if id not in without}
            return await connect(read_config("programme", file), once=True)

        async def all_stand(many: int = 4) -> bool:
            return all([await standing(who, f"Raitti{at}") for at in range(many)])

        await lists()
        await lists("3")
        assert await all_stand()
        await lists()
        await lists("3")
        assert await all_stand()
        for _ in range(3):
            state = await lists("0", "1", "3")
            assert state["counts"]["doubted"] == 1
        assert await all_stand()
        await lists("3")
        assert await all_stand(3) and not await standing(who, "Raitti3")
        await lists()
        assert await all_stand()


async def test_troubles_duplicates_and_rewinds_end_the_same(
    platform: Platform, tmp_path: Path
) -> None:
    """Errors, a page instead of a stream, half an event, silence, and all of it twice over."""
    who = await company(platform, "ohjelma-b", region="06")
    later = "2027-03-01T12:00:00+02:00"
    async with a_city() as city:
        city.troubles = ["error", "page", "cut", "silent", "again"]
        city.tell(
            project("1", "Tie", updatedDate="2027-01-01T12:00:00+02:00"),
            project("2", "Puisto"),
            project("1", "Tie", updatedDate=later, phase={"value": "construction"}),
        )
        file = file_of(tmp_path, city, who, list_url=None, silence_s=1.0)
        async with running("programme", file):

            async def all_had() -> bool:
                return not city.troubles

            await eventually(all_had, within_s=40)
            city.tell(project("2", "Puisto", phase={"value": "draftApproval"}))
            await until_told(who, Tie="construction", Puisto="street_park_design")

    assert len(await projects_of(who)) == 2


@pytest.mark.timeout(200)
async def test_killed_at_any_moment_it_goes_on_where_it_was(
    platform: Platform, tmp_path: Path
) -> None:
    """Killed nine times without warning; the registry holds what an undisturbed reading gives."""
    draw = random.Random(20)
    who, quiet = await company(platform, "ohjelma-c"), await company(platform, "ohjelma-d")
    phases = ["programming", "draftApproval", "construction"]
    (tmp_path / "quiet").mkdir()
    rules = {**RULES, "region": "01", "municipality": "049"}
    async with a_city() as city:
        file = file_of(tmp_path, city, who, list_url=None, projects=rules)
        for _ in range(9):
            city.tell(*(
                project(f"{at}", f"Väylä{at}", phase={"value": draw.choice(phases)})
                for at in (draw.randrange(12) for _ in range(40))
            ))  # fmt: skip
            async with running("programme", file) as connector:
                heard = len(city.asked_after)

                async def connected(before: int = heard) -> bool:
                    return len(city.asked_after) > before

                await eventually(connected, within_s=30)
                await asyncio.sleep(draw.random() * 0.4)
                assert await connector.stop(signal.SIGKILL) == -signal.SIGKILL
        wanted = {one["name"]: RULES["phases"][one["phase"]["value"]]  # type: ignore[index]
                  for one in city.projects.values()}  # fmt: skip
        async with running("programme", file):
            await until_told(who, **wanted)
        async with running(
            "programme", file_of(tmp_path / "quiet", city, quiet, list_url=None, projects=rules)
        ):
            await until_told(quiet, **wanted)

    told, undisturbed = await projects_of(who), await projects_of(quiet)
    own = {"id", "project_id", "organisation", "reporter", "revision", "updated_at"}

    def plain(known: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        return {
            title: {name: value for name, value in one.items() if name not in own}
            for title, one in known.items()
        }

    assert plain(told) == plain(undisturbed)
    after = [int(each.rpartition(":")[2]) for each in city.asked_after if each]
    assert after == sorted(after)


async def test_what_cannot_be_read_is_told_and_stops_nothing(
    platform: Platform, tmp_path: Path
) -> None:
    """A date, a phase and an id amiss: each with its reason. One that ended untold stays so."""
    who = await company(platform, "ohjelma-e", region="06")
    async with a_city() as city:
        city.projects = {
            "1": project("1", "Hyvä"),
            "2": project("2", "Päivätön", estConstructionStart="joskus"),
            "3": project("3", "Vaiheeton", phase={"value": "limbo"}),
            "4": {"name": "Tunnukseton"},
            "5": project("5", "Peruttu", phase={"value": "suspended"}),
        }
        config = read_config("programme", file_of(tmp_path, city, who))
        dry = await connect(config, dry_run=True)
        assert await projects_of(who) == {}
        state = await connect(config, once=True)
        again = await connect(config, once=True)

    assert dry["counts"]["would_tell"] == 1
    assert set(await projects_of(who)) == {"Hyvä"}
    assert state["refused"] == again["refused"] == 3
    assert again["counts"]["same"] == 1


async def test_a_stream_that_wants_no_more_is_left_alone(
    platform: Platform, tmp_path: Path
) -> None:
    """The answer 204 ends the connector, and well."""
    who = await company(platform, "ohjelma-f", region="06")
    async with a_city() as city:
        city.troubles = ["gone"]
        async with running("programme", file_of(tmp_path, city, who)) as connector:
            assert connector.process is not None
            assert await connector.process.wait() == 0
