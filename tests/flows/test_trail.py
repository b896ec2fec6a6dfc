"""`massakoppi trail` over a running platform: one list of all services, verified."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import aiohttp
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from deploy.allinone import Platform
from deploy.asking import Asking
from deploy.journal import rebuild
from deploy.organisations import revoke, rotate
from deploy.trail import prune_trails
from shared.access import Asker, read_key, sign
from tests.platform import a_forecast, a_need, a_project, company, first_match, settled


def massakoppi(platform: Platform, *words: str) -> subprocess.CompletedProcess[str]:
    """The command, run as an operator would."""
    return subprocess.run(
        [sys.executable, "-m", "deploy.cli", "trail", *words, "--data", str(platform.data)],
        capture_output=True, text=True, env={**os.environ, "COLUMNS": "300"}, check=False,
    )  # fmt: skip


async def test_who_saw_and_changed_what_is_one_list_of_all_services(platform: Platform) -> None:
    """Events at the door, looks and decisions; a rebuild takes none of it away."""
    giver, taker = await company(platform, "polku-a"), await company(platform, "polku-b")
    place = {"region": "06", "municipality": "980"}
    await giver.hand_in(a_project("p", **place), a_forecast("s", "p", quantity=613))
    await taker.hand_in(a_project("p", **place), a_need("n", "p", quantity=613))
    match = await first_match(giver, state="proposed")
    await settled(platform)
    id = match["match_id"]
    status, _ = await giver.ask("matcher", "GET", f"/matches/{id}")
    assert status == 200

    key = read_key(platform.ring.signing)
    token = sign(Asker("p-b", "person", {"polku-b": ("coordinator",)}), key)
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session,
        session.get(f"{platform.system.urls['matcher']}/trail?object={id}") as answer,
    ):
        (look,) = (await answer.json())["items"]
    assert (look["action"], look["about"]) == ("GET /matches/{id}", ["polku-b"])
    assert "polku-a" not in str(look)  # who was not told a name is not named before it is agreed

    await rebuild(platform.system, "matcher")
    lines = massakoppi(platform, "export", "--organisation", "polku-b").stdout.splitlines()
    told = [json.loads(line) for line in lines]
    found = {(one["service"], one["source"], one["action"]) for one in told}
    assert ("registry", "trail", "organisation-added") in found
    assert ("registry", "intake", "event-accepted") in found
    looks = [one for one in told if one["action"] == "GET /matches/{id}"]
    assert {(one["subject"], one["object"]) for one in looks} == {
        ("organisation/polku-a", f"matches/{id}")
    }
    listed = massakoppi(platform, "list", "--object", id)
    assert "GET /matches/{id}" in listed.stdout
    rebuilt = massakoppi(platform, "list", "--subject", "operator/operator", "--object", "matcher")
    assert "service-rebuilt" in rebuilt.stdout


async def test_verify_says_what_is_sealed_and_fails_where_it_was_rewritten(
    platform: Platform, tmp_path: Path
) -> None:
    """Exit code 1, the service and the day; a seal kept outside and gone here is told, too."""
    fine = massakoppi(platform, "verify")
    assert fine.returncode == 0, fine.stdout + fine.stderr
    assert "registry: as it was" in fine.stdout

    url = platform.system.postgres_url.replace("postgresql://", "postgresql+asyncpg://")
    engine = create_async_engine(f"{url}/massakoppi_notifier")
    forged = "INSERT INTO trail_seal VALUES ('2020-01-01', 3, '0', '0', now())"
    async with engine.begin() as connection:
        await connection.execute(text(forged))
    found = massakoppi(platform, "verify", "--service", "notifier")
    kept = tmp_path / "seals.jsonl"
    outside = {"service": "notifier", "day": "2020-01-01", "seal": "0"}
    kept.write_text(massakoppi(platform, "seal", "--service", "registry").stdout)
    kept.write_text(kept.read_text() + json.dumps(outside) + "\n")
    held = massakoppi(platform, "verify", "--service", "notifier", "--seal", str(kept))
    async with engine.begin() as connection:
        await connection.execute(text("SET LOCAL session_replication_role = replica"))
        await connection.execute(text("DELETE FROM trail_seal WHERE day = '2020-01-01'"))
    await engine.dispose()
    assert found.returncode == 1
    assert "notifier: NOT AS IT WAS from 2020-01-01" in found.stdout
    assert "1 seals kept outside: as they were" in held.stdout
    gone = massakoppi(platform, "verify", "--seal", str(kept))
    assert gone.returncode == 1
    assert "notifier: the seal of 2020-01-01 was 0 and is gone" in gone.stdout


async def test_what_an_operators_commands_change_is_on_the_trail(platform: Platform) -> None:
    """Organisations and their keys, a door that is removed, and what provisioning made."""
    who = await company(platform, "polku-c")
    async with Asking(platform.system) as ask:
        await rotate(platform.system, ask, who.token)
        await revoke(platform.system, ask, who.token, with_stream=True)
    lines = massakoppi(platform, "export", "--organisation", who.token).stdout.splitlines()
    told = [json.loads(line) for line in lines]
    assert {one["subject"] for one in told} == {"operator/operator"}
    counted = Counter(one["action"] for one in told if one["what"].get("query") is None)
    assert counted == {"organisation-added": 1, "key-added": 4, "key-revoked": 4, "door-removed": 1}
    made = massakoppi(platform, "export", "--object", "system").stdout.splitlines()
    (provisioned,) = [one for one in map(json.loads, made) if one["action"] == "provisioned"]
    assert "stream events-registry" in provisioned["what"]["made"]


async def test_young_rows_are_not_pruned(platform: Platform) -> None:
    """The remedy is in the words; and nothing old means nothing removed."""
    assert set((await prune_trails(platform.system, before=None)).values()) == {0}
    refused = massakoppi(platform, "prune", "--before", "2026-11-01")
    assert refused.returncode == 1
    assert "kept for 6 years" in " ".join(refused.stderr.split())
