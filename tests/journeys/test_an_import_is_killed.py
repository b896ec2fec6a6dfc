"""`kill -9` amid an import: it goes on, or is begun anew, and nothing is there twice."""

import asyncio
import csv
import json
import sys
from pathlib import Path
from typing import Any

import aiohttp

from deploy.allinone import Platform
from deploy.asking import Asking
from shared.access import TokenSource
from shared.client.template import headings
from tests.conftest import eventually
from tests.platform import Company, company

ROWS = 1_000
ROW = {
    "Project name": "Katu", "Municipality": "49", "Surplus or need": "surplus",
    "Material": "gyttja", "Quality class": "U2", "Contamination": "P0", "Quantity": "120,5",
    "Unit": "m3ktr", "From": "5/2033", "Until": "9/2033",
}  # fmt: skip


def sheet(file: Path) -> Path:
    """A thousand rows, five a project."""
    columns = list(headings("en"))
    with file.open("w", encoding="utf-8", newline="") as text:
        writer = csv.DictWriter(text, columns, delimiter=";")
        writer.writeheader()
        for at in range(ROWS):
            writer.writerow(ROW | {"Project ID": f"P{at // 5}", "Mass ID": f"m{at}"})
    return file


async def revisions(platform: Platform, who: Company) -> list[int]:
    """The revision of every forecast of *who* that is kept."""
    async with Asking(platform.system) as ask:
        found = await ask.every("registry", "/forecasts", organisation=who.token, limit=200)
    return [one["revision"] for one in found]


async def test_an_import_over_https_goes_on_where_a_killed_registry_left_it(
    platform: Platform, tmp_path: Path
) -> None:
    """What was judged stays judged, what was half done is done again, each row once."""
    who = await company(platform, "katkos1")
    url = platform.system.urls["registry"]
    headers = await TokenSource(url, who.credentials.https_key).headers()
    content = sheet(tmp_path / "massat.csv").read_bytes()
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{url}/imports?dry_run=false&name=massat.csv", data=content) as answer,
    ):
        assert answer.status == 202, await answer.text()
        made = await answer.json()

    async def told() -> Any:
        status, found = await who.ask("registry", "GET", f"/imports/{made['id']}")
        assert status == 200
        return found

    async def half_sent() -> Any:
        found = await told()
        assert found["state"] != "done", "it ended before it could be killed"
        return found["state"] == "sending" and found["done"] >= 1

    await eventually(half_sent, within_s=120)
    registry = platform.processes["registry"]
    registry.kill()
    registry.start()
    async with aiohttp.ClientSession() as session:
        await registry.ready(session)

    async def over() -> Any:
        found = await told()
        return found if found["state"] in ("done", "refused", "broken") else None

    done = await eventually(over, within_s=150, every_s=0.5)
    assert (done["state"], done["accepted"], done["rejected"]) == ("done", ROWS + ROWS // 5, 0)
    assert done["unchanged"] == 0
    assert await revisions(platform, who) == [1] * ROWS


async def test_an_import_by_command_that_was_killed_is_begun_anew_and_doubles_nothing(
    platform: Platform, tmp_path: Path
) -> None:
    """What came in before is known by its ids and left as it is."""
    who = await company(platform, "katkos2")
    file = sheet(tmp_path / "massat.csv")

    async def begun() -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "deploy.cli", "import", str(file), "--org", "katkos2",
            "--region", "01", "--json", "--data", str(platform.system.data),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip

    first = await begun()

    async def some() -> bool:
        status, found = await who.ask("registry", "GET", "/forecasts", limit=1)
        return status == 200 and bool(found["items"])

    await eventually(some, within_s=120)
    first.kill()
    printed, _ = await first.communicate()
    assert not printed, "it ended before it could be killed"

    again = await begun()
    printed, complained = await again.communicate()
    assert again.returncode == 0, complained.decode()
    told = json.loads(printed)
    assert (told["rows_taken"], told["rejected"], told["no_receipt"]) == (ROWS, 0, 0)
    assert await revisions(platform, who) == [1] * ROWS
