"""A designer's files are brought in by the command, and stand as a project with its masses."""

import asyncio
import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from deploy.allinone import Platform
from deploy.asking import Asking
from shared.vocabulary.regions import make_region
from tests.designs import write_road
from tests.platform import Company, company


async def command(platform: Platform, *words: str | Path) -> tuple[int | None, Any, str]:
    """What `massakoppi import-design` ends with and prints as JSON, and what it complains of."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "deploy.cli", "import-design", *map(str, words), "--json",
        "--from", "2031-05-01", "--to", "2031-10-31", "--data", str(platform.system.data),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    printed, complained = await process.communicate()
    return process.returncode, json.loads(printed or b"null"), complained.decode()


async def kept(who: Company) -> dict[str, dict[str, Any]]:
    """The forecasts at the registry, by direction and material."""
    status, told = await who.ask("registry", "GET", "/forecasts")
    assert status == 200
    return {f"{one['direction']} {one['material']}": one for one in told["items"]}


async def test_a_street_is_looked_at_comes_in_once_and_is_replaced(
    platform: Platform, tmp_path: Path
) -> None:
    """A dry run sends nothing; the same files change nothing; the next edition replaces."""
    who = await company(platform, "katusuunta", "06")
    here = ("--org", "katusuunta", "--project", "K1", "--region", "06", "--municipality", "837")
    folder = write_road(tmp_path)

    code, looked, _ = await command(platform, folder, *here, "--dry-run")
    assert (code, looked["outcome"], await kept(who)) == (0, None, {})
    assert looked["volumes"]["layers_m3"] == pytest.approx(1000, abs=0.1)

    code, sent, complained = await command(platform, folder, *here)
    assert (code, sent["outcome"]["accepted"]) == (0, 5), complained
    found = await kept(who)
    assert sorted(found) == [
        "need crushed_rock", "need friction_soil", "surplus rock_solid", "surplus till",
    ]  # fmt: skip
    rock = found["surplus rock_solid"]["quantity"]
    assert (rock["value"], rock["unit"], rock["method"]) == (375.0, "m3ktr", "model")
    assert rock["likely_t"] == pytest.approx(375 * 2.7)

    code, _, _ = await command(platform, folder, *here)
    assert (code, await kept(who)) == (0, found)

    write_road(tmp_path, depth=3.0)
    code, later, _ = await command(platform, folder, *here)
    assert (code, later["outcome"]["accepted"]) == (0, 5)
    again = await kept(who)
    assert again.keys() == found.keys()
    assert again["surplus rock_solid"]["quantity"]["value"] > 375


async def test_a_design_outside_its_region_and_a_broken_file_are_told_in_words(
    platform: Platform, tmp_path: Path
) -> None:
    """Nothing of either comes in."""
    who = await company(platform, "katuharha", "01")
    here = ("--org", "katuharha", "--project", "K2", "--region", "01", "--municipality", "049")
    code, told, complained = await command(platform, write_road(tmp_path), *here)
    assert (code, told) == (1, None)
    assert "outside of its region" in complained
    (tmp_path / "2012 Lowest" / "Katu.xml").write_text("<LandXML><Surfaces>")
    code, told, complained = await command(platform, tmp_path, *here)
    assert (code, told) == (1, None)
    assert "Katu.xml is not whole XML" in complained
    assert await kept(who) == {}


def deeper(folder: Path, to: Path, metres: float) -> Path:
    """The road of *folder* with every point of its lowest surfaces *metres* lower."""

    def lowered(point: re.Match[str]) -> str:
        return f"{point[1]}{float(point[2]) - metres:.4f}</P>"

    shutil.copytree(folder, to)
    for file in (to / "2012_Lowest_surface").glob("*.xml"):
        text = file.read_text("latin-1")
        told = re.sub(r"(<P [^>]*>\S+\s+\S+\s+)([-\d.]+)\s*</P>", lowered, text)
        assert told != text
        file.write_text(told, "latin-1")
    return to


@pytest.mark.timeout(600)
async def test_a_real_road_gives_its_surplus_and_its_needs(
    platform: Platform, shared_data: Path, tmp_path: Path
) -> None:
    """Two side roads, a region of its own: four masses; told again the same, changed replaced."""
    folder = shared_data / "inframodel_M3_road" / "M3_Road"
    if not folder.is_dir():
        pytest.skip("development data is absent: inframodel_M3_road")
    place = make_region(
        "coast", {"en": "Coast"}, [{"code": "1", "name": "Coast", "lat": "61.2", "lon": "21.6"}],
        code_field="code", name_field="name", lat_field="lat", lon_field="lon",
        metric_crs="EPSG:3067", source="invented", licence="EUPL-1.2",
    )  # fmt: skip
    async with Asking(platform.system) as ask:
        await ask("registry", "POST", "/regions", place.to_json())
    who = await company(platform, "tierakenne", "coast")
    here = ("--org", "tierakenne", "--project", "M3", "--region", "coast", "--municipality", "1")
    code, told, complained = await command(platform, folder, *here)
    assert (code, told["outcome"]["accepted"]) == (0, 5), complained
    first = await kept(who)
    found = {name: each["quantity"] for name, each in first.items()}
    assert found["surplus till"]["value"] == pytest.approx(7870 - 442, rel=0.01)
    assert found["surplus rock_solid"]["value"] == pytest.approx(442, rel=0.01)
    assert found["need friction_soil"]["value"] == pytest.approx(844, rel=0.01)
    assert found["need crushed_rock"]["value"] == pytest.approx(10_088, rel=0.01)
    for each in found.values():
        assert each["low_t"] < each["likely_t"] < each["high_t"]

    code, _, _ = await command(platform, folder, *here)
    assert (code, await kept(who)) == (0, first)

    code, told, complained = await command(
        platform, deeper(folder, tmp_path / "M3_Road", 0.1), *here
    )
    assert (code, told["outcome"]["accepted"]) == (0, 5), complained
    later = await kept(who)
    assert later.keys() == first.keys()
    assert {name: one["forecast_id"] for name, one in later.items()} == {
        name: one["forecast_id"] for name, one in first.items()
    }
    for name, more in (("surplus till", True), ("surplus rock_solid", True),
                       ("need friction_soil", False), ("need crushed_rock", True)):  # fmt: skip
        before, after = (each[name]["quantity"]["value"] for each in (first, later))
        assert (after > before) == more, name
    layers = later["need crushed_rock"]["quantity"]["value"]
    assert layers == pytest.approx(10_088 + 0.1 * 22_816, rel=0.01)
