"""A street that nobody has designed yet is estimated, told, and replaced by what is measured."""

import asyncio
import json
import sys
from typing import Any

from deploy.allinone import Platform
from tests.conftest import ROOT
from tests.platform import Company, a_forecast, a_project, company


async def test_a_street_is_estimated_and_then_measured(platform: Platform) -> None:
    """By the command line with its method; measured, it is an estimate no more."""
    city = await company(platform, "katusuunnittelu", region="06")
    place = {"region": "06", "municipality": "980"}
    await city.hand_in(a_project("K-1", **place, probability=0.4))
    told = await _estimated(
        platform, "--type", "street", "--length", "400", "--width", "12",
        "--org", "katusuunnittelu", "--project", "K-1", "--from", "2029-05-01", "--to",
        "2029-09-30",
    )  # fmt: skip
    assert (told["events"], told["accepted"]) == (2, 2)
    found = await _dug(city)
    assert found["estimate"]["method"] == "area_depth"
    assert (found["quantity"]["value"], found["reliability"]) == (3840, "C")
    assert found["probability"] == 0.4

    await city.hand_in(
        a_forecast("K-1/surplus/cohesive_soil", "K-1", material="cohesive_soil", quantity=4100.0,
                   unit="m3ktr", method="measured", reliability="A",
                   available_from="2029-05-01", available_to="2029-09-30")
    )  # fmt: skip
    found = await _dug(city)
    assert "estimate" not in found
    assert (found["quantity"]["value"], found["quantity"]["method"]) == (4100, "measured")


async def _estimated(platform: Platform, *asked: str) -> Any:
    """What `massakoppi estimate` says when it is *asked*."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "deploy.cli", "estimate", *asked,
        "--data", str(platform.data), "--json", cwd=ROOT, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode == 0
    return json.loads(said)


async def _dug(city: Company) -> Any:
    """What the register has of the one surplus of *city*."""
    status, told = await city.ask("registry", "GET", "/forecasts")
    assert status == 200
    (found,) = [one for one in told["items"] if one["direction"] == "surplus"]
    return found
