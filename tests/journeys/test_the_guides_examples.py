"""The examples of the integrator's guide: each is run as it stands, and does what it says."""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from deploy.allinone import Platform
from shared.client import Client, Credentials
from tests.conftest import free_port
from tests.platform import Company, a_forecast, a_need, a_project, company

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
MODULES = ROOT / "tests" / "tools" / "node_modules"


@asynccontextmanager
async def with_a_taker(platform: Platform, name: str) -> AsyncIterator[Company]:
    """
    A company of *name*, and beside it one that needs what the example has to give, and more: so
    nothing that others left on this platform stands between them. Both withdraw at the end.
    """
    giver = await company(platform, f"{name}-oy")
    taker = await company(platform, f"{name}-ostaja")
    told = {"quantity": 90_000.0, "available_from": "2027-03-01", "available_to": "2027-09-30"}
    done = await taker.hand_in(
        a_project("tarve", municipality="049"),
        a_need("tarve/m", "tarve", **told),
    )
    assert done.outcome is not None and done.outcome.rejected == 0
    yield giver
    assert (await giver.ask("registry", "DELETE", "/projects/P-1"))[0] == 200
    assert (await taker.ask("registry", "DELETE", "/projects/tarve"))[0] == 200


async def run(*command: str, folder: Path, **environment: str) -> list[dict[str, Any]]:
    """What the example told, line by line; it must end well."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    ending = asyncio.create_task(process.communicate())
    await asyncio.wait({ending}, timeout=90)
    if not ending.done():
        process.kill()
    said, wrong = await ending
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
    async with with_a_taker(platform, "esimerkki-js") as giver:
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


async def test_a_company_system_in_python_gets_its_receipts_and_its_match(
    platform: Platform, tmp_path: Path
) -> None:
    """The client of the door: two verdicts, then the match of its own forecast."""
    async with with_a_taker(platform, "esimerkki-py") as giver:
        told = await run(
            sys.executable,
            str(EXAMPLES / "company.py"),
            credentials(giver, tmp_path),
            folder=tmp_path,
            PYTHONPATH=str(ROOT),
        )

        assert [(one["verdict"], one["code"]) for one in told[:2]] == [("accepted", "taken")] * 2
        assert told[2]["match"]["surplus"]["organisation"] == giver.token


async def test_a_company_system_with_curl_gets_its_receipts_and_its_match(
    platform: Platform, tmp_path: Path
) -> None:
    """HTTPS alone: a token, two PUTs that may be repeated, and the match asked for."""
    if shutil.which("curl") is None or shutil.which("jq") is None:
        pytest.skip("curl or jq is not installed")
    async with with_a_taker(platform, "esimerkki-sh") as giver:
        urls = platform.system.urls

        told = await run(
            str(EXAMPLES / "company.sh"),
            credentials(giver, tmp_path),
            urls["registry"],
            urls["matcher"],
            folder=tmp_path,
        )

        assert [(one["about"], one["verdict"]) for one in told[:2]] == [
            ("project-added", "accepted"),
            ("forecast-updated", "accepted"),
        ]
        assert told[2]["surplus"]["organisation"] == giver.token


async def test_a_receiver_of_webhooks_is_told_what_its_company_may_see(
    platform: Platform, tmp_path: Path
) -> None:
    """Its own forecast whole, another's open one without prices, a private one not at all."""
    hearer, other = await company(platform, "kuulija"), await company(platform, "muu-kuulija")
    port = free_port()
    status, made = await hearer.ask(
        "notifier", "POST", "/webhooks",
        {"organisation": hearer.token, "url": f"http://127.0.0.1:{port}/", "regions": ["01"],
         "events": ["forecast-updated"], "whose": ["own", "others"]},
    )  # fmt: skip
    assert status == 201, made
    receiving = await asyncio.create_subprocess_exec(
        sys.executable, str(EXAMPLES / "webhook.py"), str(port), made["secret"],
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        await hearer.hand_in(a_project("O"), a_forecast("O/m", "O", price_eur_per_t=2.5))
        await other.hand_in(
            a_project("S"), a_forecast("S/m", "S"),
            a_project("V", visibility="forum"), a_forecast("V/m", "V", price_eur_per_t=3.5),
        )  # fmt: skip
        assert receiving.stdout is not None
        told: dict[str, Any] = {}
        while not {hearer.token, other.token} <= told.keys():
            async with asyncio.timeout(60):
                news = json.loads(await receiving.stdout.readline())
            assert news["type"] == "registry.forecast-updated.v1"
            told[news["data"]["organisation"]] = news["data"]
    finally:
        receiving.kill()
        await receiving.wait()

    assert told[hearer.token]["price_eur_per_t"] == 2.5
    assert told[other.token]["visibility"] == "forum"
    assert "price_eur_per_t" not in told[other.token]
    _, log = await hearer.ask("notifier", "GET", f"/webhooks/{made['id']}/deliveries")
    assert {one["kind"] for one in log["items"]} == {"forecast"}


async def test_the_client_never_doubles_and_says_what_is_wrong(platform: Platform) -> None:
    """A key said twice is one event, over NATS as over HTTPS; bad news comes back with reasons."""
    saved = (await company(platform, "asiakas")).credentials
    for at, door in enumerate(({}, {"nats_seed": None})):
        told = Credentials(**{**saved.to_json(), **door})
        async with Client(told, system="erp") as client:
            place = {"title": "Katu", "municipality": "049"}
            first = await client.project(f"K-{at}", key=f"k-{at}", **place)
            again = await client.project(f"K-{at}", key=f"k-{at}", **place)
            assert (first.verdict, again.verdict) == ("accepted", "accepted")
            assert first.canonical == again.canonical
            kept = await client.receipt(f"k-{at}")
            assert kept is not None and kept.canonical == first.canonical

            refused = await client.project(f"K-{at}", key=f"k-{at}", **{**place, "title": "Tie"})
            if door:  # over NATS the stream drops a known id, and the first receipt stands
                assert [one.code for one in refused.reasons] == ["event_id_reused"]
            wrong = await client.project("K-9", title="Katu", municipality="000")
            assert [one.code for one in wrong.reasons] == ["municipality_unknown"]
            misspelt = await client.project("K-9", heading="Katu")
            assert misspelt.verdict == "rejected" and misspelt.reasons

            mass = a_forecast(f"K-{at}/m", f"K-{at}").model_dump(exclude_none=True)
            assert (await client.forecast(**mass)).code == "taken"
            assert (await client.cancel(f"K-{at}/m")).code == "taken"
            assert (await client.cancel("never told")).reasons[0].code == "forecast_unknown"
            assert (await client.withdraw(f"K-{at}", reason="no money")).code == "taken"
