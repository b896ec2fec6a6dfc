"""A data manager brings a sheet in: looked at first, all or only the good, and again."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import aiohttp

from deploy.allinone import Platform
from deploy.importing import Imported, import_file
from shared.access import TokenSource
from shared.client.template import template
from shared.vocabulary.regions import shipped
from tests.conftest import eventually
from tests.platform import company

REGION = shipped()["01"]
GOOD = {
    "Project ID": "SHEET-1", "Project name": "Katu", "Municipality": "49", "Mass ID": "a",
    "Surplus or need": "surplus", "Material": "clay", "Quality class": "U2",
    "Contamination": "P0", "Quantity": 1200.5, "Unit": "m3ktr", "From": "5/2031", "Until": "9/2031",
}  # fmt: skip


async def brought_in(platform: Platform, file: Path, **how: Any) -> Imported:
    """What came of importing *file* as the sheet's organisation."""
    asked = {"dry_run": False, "only_good": False, "sheet": None, "region": "01"} | how
    return await import_file(
        platform.system, file, "template", organisation="taulu",
        progress=lambda _done, _total: None, **asked,
    )  # fmt: skip


async def test_a_sheet_is_looked_at_first_and_comes_in_once(
    platform: Platform, tmp_path: Path
) -> None:
    """One bad row holds all back, or is left out; the same sheet again changes nothing."""
    who = await company(platform, "taulu")
    file = tmp_path / "massat.xlsx"
    bad = GOOD | {"Mass ID": "b", "Quantity": "many"}
    unknown = GOOD | {"Mass ID": "c", "Waste status": "x"}
    file.write_bytes(template("fi", REGION, [GOOD, bad, unknown]))

    async def kept() -> int:
        status, told = await who.ask("registry", "GET", "/forecasts")
        assert status == 200
        return len(told["items"])

    looked = await brought_in(platform, file, dry_run=True)
    assert [one.cell for one in looked.refused()] == ["Massat!R3", "Massat!O4"]
    held = await brought_in(platform, file)
    assert held.to_json()["held_back"] is True
    assert await kept() == 0

    some = await brought_in(platform, file, only_good=True)
    assert (some.outcome.accepted, some.to_json()["rows_refused"]) == (2, 2)
    assert await kept() == 1

    rows = [GOOD, bad | {"Quantity": 5}]
    file.write_bytes(template("sv", REGION, rows))
    mended = await brought_in(platform, file)
    assert (mended.outcome.accepted, mended.outcome.unchanged) == (3, 2)
    assert await kept() == 2


async def command(platform: Platform, file: Path, *words: str) -> tuple[int | None, Any, str]:
    """What `massakoppi import` ends with and prints as JSON, and what it complains of."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "deploy.cli", "import", str(file), "--region", "01", "--json", *words,
        "--data", str(platform.system.data),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    printed, complained = await process.communicate()
    return process.returncode, json.loads(printed or b"null"), complained.decode()


async def test_what_the_registry_would_refuse_is_told_by_its_cell_before_anything_is_sent(
    platform: Platform, tmp_path: Path
) -> None:
    """Rules that only the registry knows hold the sheet back as the mapping's do, with code 1."""
    who = await company(platform, "taulu2")
    good = GOOD | {"Project ID": "SHEET-2"}
    rows = [
        good,
        good | {"Mass ID": "b", "Lowest": 5000},
        good | {"Mass ID": "c", "Quantity": 2e9},
        good | {"Mass ID": "d", "Until": "9/2131"},
        good | {"Mass ID": "e", "Quantity": 7},
    ]
    file = tmp_path / "massat.xlsx"
    file.write_bytes(template("fi", REGION, rows))
    codes = {"low_above_quantity", "number_too_large", "date_out_of_range"}

    async def kept() -> tuple[int, int]:
        told = [await who.ask("registry", "GET", path) for path in ("/forecasts", "/projects")]
        assert {status for status, _ in told} == {200}
        forecasts, projects = (len(each["items"]) for _, each in told)
        return forecasts, projects

    for words in (["--dry-run"], []):
        code, told, complained = await command(
            platform, file, "--org", "taulu2", "--language", "fi", *words
        )
        assert (code, told["held_back"], told["accepted"]) == (1, True, 0), complained
        assert (told["rows"], told["rows_taken"], told["rows_refused"]) == (5, 2, 3)
        assert {one["code"] for one in told["refused"]} == codes
        assert [one["row"] for one in told["refused"]] == [3, 4, 5]
        assert all(one["cell"].startswith("Massat!") for one in told["refused"])
        assert "määrä" in told["refused"][0]["text"]
        assert await kept() == (0, 0)
    _, receipts = await who.ask("registry", "GET", "/receipts")
    assert receipts["items"] == []

    code, told, _ = await command(platform, file, "--org", "taulu2", "--only-good")
    assert (code, told["accepted"], told["rejected"]) == (1, 3, 0)
    assert (told["rows"], told["rows_taken"], told["rows_refused"]) == (5, 2, 3)
    assert await kept() == (2, 1)

    file.write_bytes(template("fi", REGION, [rows[0], rows[4]]))
    code, told, _ = await command(platform, file, "--org", "taulu2")
    assert (code, told["rows_refused"], told["unchanged"]) == (0, 0, 3)


async def test_many_rows_of_one_project_are_tried_with_it(
    platform: Platform, tmp_path: Path
) -> None:
    """However far below its project a row stands, it is good; of a refused project none is."""
    who = await company(platform, "taulu4")
    stands = GOOD | {"Project ID": "STANDS"}
    falls = GOOD | {"Project ID": "FALLS", "Project name": "Katu\u202e"}
    rows = [each | {"Mass ID": f"m{n}"} for n in range(230) for each in (stands, falls)]
    file = tmp_path / "massat.xlsx"
    file.write_bytes(template("fi", REGION, rows))
    code, told, complained = await command(platform, file, "--org", "taulu4", "--only-good")
    assert (code, told["rows_taken"], told["rows_refused"]) == (1, 230, 230), complained
    assert (told["accepted"], told["rejected"]) == (231, 0)
    assert {one["code"] for one in told["refused"]} == {"text_not_clean", "project_rejected"}
    _, kept = await who.ask("registry", "GET", "/projects")
    assert [one["external_id"] for one in kept["items"]] == ["STANDS"]


async def test_an_organisation_without_credentials_is_told_how_to_get_them_when_trying(
    platform: Platform, tmp_path: Path
) -> None:
    """The check asks the registry as the organisation."""
    file = tmp_path / "massat.xlsx"
    file.write_bytes(template("fi", REGION, [GOOD]))
    code, told, complained = await command(platform, file, "--org", "tuntematon", "--dry-run")
    assert code
    assert told is None
    assert "org add tuntematon" in " ".join(complained.split())


async def test_a_sheet_is_handed_in_over_https(platform: Platform) -> None:
    """Uploaded, checked and sent by the running registry; the forecast is there once."""
    who = await company(platform, "taulu3")
    url = platform.system.urls["registry"]
    headers = await TokenSource(url, who.credentials.https_key).headers()
    rows = [GOOD | {"Project ID": "SHEET-3", "Mass ID": f"m{n}"} for n in range(3)]
    async with aiohttp.ClientSession(headers=headers) as session:
        form = aiohttp.FormData()
        form.add_field("file", template("sv", REGION, rows), filename="massor.xlsx")
        async with session.post(f"{url}/imports?dry_run=false", data=form) as answer:
            assert answer.status == 202, await answer.text()
            made = await answer.json()

    async def done() -> Any:
        _, told = await who.ask("registry", "GET", f"/imports/{made['id']}")
        return told if told["state"] in ("done", "refused", "broken") else None

    told = await eventually(done, within_s=60)
    assert (told["state"], told["accepted"], told["bad"]) == ("done", 4, 0)
    _, kept = await who.ask("registry", "GET", "/forecasts")
    assert len(kept["items"]) == 3
