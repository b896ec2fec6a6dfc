"""A coordinator asks what if a project began earlier, and it happens as was foretold."""

import csv
import json
import os
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from typer.testing import CliRunner

from deploy.allinone import Platform
from deploy.asking import Asking
from deploy.cli import app
from shared.access import Asker, read_key, sign
from tests.conftest import ROOT, eventually
from tests.platform import Company, a_forecast, a_need, a_project, company, first_match, settled

PLACE = {"region": "06", "municipality": "581"}
NOBODY = "00000000-0000-0000-0000-000000000002"
SAND = {"material": "sand", "quality": "S2"}


def massakoppi(platform: Platform, *words: str, code: int = 0) -> str:
    """What the command line prints, or complains of, run as the operator would."""
    command = [sys.executable, "-m", "deploy.cli", *words, "--data", str(platform.system.data)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "COLUMNS": "160"},
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return done.stderr if code else done.stdout


async def as_coordinator(platform: Platform, method: str, path: str, body: Any = None) -> Any:
    """The answer of the matcher to the coordinator of region 06."""
    asker = Asker("kerttu", "person", {}, ("06",))
    token = sign(asker, read_key(platform.ring.signing))
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session,
        session.request(method, platform.system.urls["matcher"] + path, json=body) as answer,
    ):
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def project_of(platform: Platform, who: Company) -> str:
    async with Asking(platform.system) as ask:
        found = await ask("registry", "GET", "/projects", organisation=who.token)
    return str(found["items"][0]["project_id"])


async def test_what_was_foretold_happens(platform: Platform) -> None:
    """Sand is dug in winter and wanted in summer; 100 days earlier they would meet, and they do."""
    giver = await company(platform, "hiekkala", region="06")
    taker = await company(platform, "kenttala", region="06")
    await giver.hand_in(a_project("pit", **PLACE), a_forecast(
        "dug", "pit", available_from="2027-01-01", available_to="2027-03-31", **SAND,
    ))  # fmt: skip
    wanted: dict[str, Any] = {**SAND, "quality": "any", "use": "general_fill"}
    await taker.hand_in(a_project("yard", **PLACE), a_need(
        "fill", "yard", available_from="2027-05-01", available_to="2027-07-31", **wanted,
    ))  # fmt: skip

    async def both_known() -> Any:
        plan = await as_coordinator(platform, "GET", "/plan?region=06")
        sand = [one for one in plan["unmatched"] if one["material"] == "sand"]
        return {one["direction"] for one in sand} == {"surplus", "need"}

    await eventually(both_known)
    await settled(platform)
    yard = await project_of(platform, taker)
    question = {"changes": [{"project": yard, "days": -100}]}
    answer = await as_coordinator(platform, "POST", "/what-if", question)
    (new,) = [one for one in answer["matches"] if one["surplus"]["material"] == "sand"]
    assert (new["what"], new["tonnes"]) == ("new", {"before": 0, "after": 800})
    assert new["worth_cents"] > 0
    assert answer["difference"]["tonnes"] == 800
    printed = massakoppi(platform, "what-if", "--project", yard, "--days", "-100")
    assert "0 → 800" in printed
    assert "kenttala" in printed
    told = json.loads(
        massakoppi(platform, "what-if", "--project", yard, "--days", "-100", "--json")
    )
    assert told["difference"] == answer["difference"]
    status, part = await taker.ask("matcher", "POST", "/what-if", question)
    assert (status, part["matches"][0]["surplus"]["organisation"]) == (200, None)
    _, none = await taker.ask("matcher", "GET", "/matches")
    assert none["items"] == []  # asking changed nothing

    await taker.hand_in(a_need(
        "fill", "yard", available_from="2027-01-21", available_to="2027-04-22",
        external_revision=2, **wanted,
    ))  # fmt: skip

    match = await first_match(taker)
    assert match["tonnes"]["likely"] == new["tonnes"]["after"]
    assert match["window"] == new["window"]
    assert match["value"]["total_cents"] == new["worth_cents"]
    assert match["likelihood"] == new["likelihood"]
    rows = [
        one
        for one in csv.DictReader(StringIO(massakoppi(platform, "plan", "--region", "06", "--csv")))
        if one["material"] == "sand" and one["from"] == one["to"] == "581"
    ]
    assert [one["month"] for one in rows] == ["2027-01", "2027-02", "2027-03"]
    assert sum(int(one["tonnes_likely"]) for one in rows) == 800
    assert sum(int(one["value_cents"]) for one in rows) == new["worth_cents"]
    printed = massakoppi(platform, "plan", "--region", "06")
    assert "sand" in printed
    assert "Parkano → Parkano" in printed


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "say what changes"),
        (["--days", "3"], "say what that is of"),
        (["--forecast", NOBODY, "--tonnes", "many"], "write 5000, \\+5000 or -300"),
        (["--file", "changes.json"], "write a list of changes"),
    ],
    ids=str,
)
def test_a_question_without_sense_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], told: str
) -> None:
    """Before anybody is asked: what is missing, and what to say instead."""
    monkeypatch.chdir(tmp_path)
    Path("changes.json").write_text('{"change": []}')
    done = CliRunner().invoke(app, ["what-if", *words])
    assert isinstance(done.exception, ValueError)
    assert re.search(told, str(done.exception))


async def test_what_the_service_refuses_is_told_by_its_code(
    platform: Platform, tmp_path: Path
) -> None:
    """The file's changes and the option's are one question; the first that fails is named."""
    file = tmp_path / "changes.json"
    file.write_text(json.dumps([{"area": NOBODY, "capacity_change_t": 5}]))
    told = massakoppi(
        platform, "what-if", "--file", str(file), "--forecast", NOBODY, "--tonnes", "-300", code=1
    )
    assert "forecast_not_found" in told
