"""A data manager brings a sheet in: looked at first, all or only the good, and again."""

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


async def test_what_the_registry_refuses_is_told_by_its_cell(
    platform: Platform, tmp_path: Path
) -> None:
    """A rule that only the registry knows points into the sheet as well."""
    await company(platform, "taulu2")
    file = tmp_path / "massat.xlsx"
    above = GOOD | {"Project ID": "SHEET-2", "Lowest": 5000}
    file.write_bytes(template("fi", REGION, [above]))
    done = await import_file(
        platform.system, file, "template", organisation="taulu2", region="01", sheet=None,
        dry_run=False, only_good=False, progress=lambda _done, _total: None,
    )  # fmt: skip
    cells = {one.cell for one in done.refused()}
    assert cells
    assert all(cell.startswith("Massat!") for cell in cells)


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
