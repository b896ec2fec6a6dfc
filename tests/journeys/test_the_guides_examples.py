"""The examples of the integrator's guide: each is run as it stands, and does what it says."""

import asyncio
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from deploy.allinone import Platform
from tests.platform import Company, a_need, a_project, company

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
MODULES = ROOT / "tests" / "tools" / "node_modules"


async def with_a_taker(platform: Platform, name: str) -> Company:
    """A company of *name*, and beside it one that needs what the example has to give."""
    giver = await company(platform, f"{name}-oy")
    taker = await company(platform, f"{name}-ostaja")
    told = {"available_from": "2027-03-01", "available_to": "2027-09-30"}
    done = await taker.hand_in(
        a_project("tarve", municipality="049"), a_need("tarve/moreeni", "tarve", **told)
    )
    assert done.outcome is not None and done.outcome.rejected == 0
    return giver


async def run(*command: str, folder: Path, **environment: str) -> list[dict[str, Any]]:
    """What the example told, line by line; it must end well."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        said, wrong = await asyncio.wait_for(process.communicate(), 90)
    except TimeoutError:
        process.kill()
        said, wrong = await process.communicate()
        raise AssertionError(f"still runs: {said.decode()}{wrong.decode()}") from None
    assert process.returncode == 0, said.decode() + wrong.decode()
    return [json.loads(line) for line in said.decode().splitlines() if line.startswith("{")]


def credentials(giver: Company, folder: Path) -> str:
    """The file that `--save` writes, beside the example."""
    path = folder / f"{giver.token}.json"
    path.write_text(json.dumps(giver.credentials.to_json()))
    return str(path)


async def test_a_company_system_in_javascript_gets_its_receipts_and_its_match(
    platform: Platform, tmp_path: Path
) -> None:
    """The official NATS client, the company's own key: two receipts, then match-found."""
    if shutil.which("node") is None or not (MODULES / "@nats-io" / "transport-node").is_dir():
        pytest.skip("node or the NATS client for it is not installed: `make setup`")
    giver = await with_a_taker(platform, "esimerkki-js")
    (tmp_path / "node_modules").symlink_to(MODULES)
    shutil.copy(EXAMPLES / "company.mjs", tmp_path)

    told = await run("node", "company.mjs", credentials(giver, tmp_path), folder=tmp_path)

    receipts = [one["receipt"] for one in told if "receipt" in one]
    assert [(one["about"], one["verdict"]) for one in receipts] == [
        ("project-added", "accepted"),
        ("forecast-updated", "accepted"),
    ]
    (match,) = [one["match"] for one in told if "match" in one]
    assert match["surplus"]["organisation"] == giver.token
    assert match["surplus"]["forecast_id"] == receipts[1]["canonical"]["id"]
