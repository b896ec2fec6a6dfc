"""Who may do what: every credential against every route and every subject, from one table."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from deploy.allinone import Platform
from deploy.asking import Asking
from deploy.cards import cards
from shared.access import Asker, read_key, sign
from shared.contracts.base import now
from tests.architecture.test_routes import routes
from tests.conftest import eventually
from tests.platform import Company, a_forecast, a_need, a_project, company, first_match

TABLE = Path(__file__).with_name("who_may.txt")
NOBODY = "00000000-0000-7000-8000-000000000001"
OWN, COUNTERPART, OUTSIDER = "matriisi-a", "matriisi-b", "matriisi-c"
WHO = ("anonymous", "lapsed", "own", "counterpart", "outsider", "reader", "coordinator",
       "regional", "elsewhere", "service", "operator")  # fmt: skip


def table() -> dict[str, list[str]]:
    """What *who_may.txt* expects: the status for each of `WHO`, by `service METHOD path`."""
    lines = [line for line in TABLE.read_text().splitlines() if line and line[0] != "#"]
    head, *rows = (line.split() for line in lines)
    assert tuple(head) == WHO
    return {" ".join(row[: -len(WHO)]): row[-len(WHO) :] for row in rows}


def every_route() -> Iterator[tuple[str, str, str]]:
    """Service, method and path of every route there is."""
    for service in cards():
        for route in routes(service.api) if service.api is not None else ():
            for method in sorted(route.methods):
                yield service.name, method, route.path


@dataclass
class World:
    """A match between two companies, a third one beside them, and tokens of everybody."""

    platform: Platform
    things: dict[str, str]
    tokens: dict[str, str]


@pytest.fixture(scope="module")
async def world(platform: Platform) -> World:
    own, counterpart = await company(platform, OWN), await company(platform, COUNTERPART)
    await company(platform, OUTSIDER)
    await own.hand_in(a_project("M-1"), a_forecast("M-1/a", "M-1", quantity=777.0))
    await counterpart.hand_in(a_project("M-2"), a_need("M-2/a", "M-2", quantity=777.0))
    match = await first_match(own)
    things = {"match": match["match_id"], **await known(own)}
    return World(platform, things, tokens(platform))


async def known(own: Company) -> dict[str, str]:
    """The ids of *own*'s project and forecast."""
    _, projects = await own.ask("registry", "GET", "/projects", organisation=own.token)
    _, forecasts = await own.ask("registry", "GET", "/forecasts", organisation=own.token)
    return {"project": projects["items"][0]["project_id"],
            "forecast": forecasts["items"][0]["forecast_id"]}  # fmt: skip


def tokens(platform: Platform) -> dict[str, str]:
    """A token of each of `WHO` but the anonymous, as the registry gives them."""
    key = read_key(platform.ring.signing)
    reporter = ("reporter",)
    askers = {
        "own": Asker(OWN, "organisation", {OWN: reporter}),
        "counterpart": Asker(COUNTERPART, "organisation", {COUNTERPART: reporter}),
        "outsider": Asker(OUTSIDER, "organisation", {OUTSIDER: reporter}),
        "reader": Asker(str(uuid4()), "person", {OWN: ("reader",)}),
        "coordinator": Asker(str(uuid4()), "person", {OWN: ("coordinator",)}),
        "regional": Asker(str(uuid4()), "person", {OUTSIDER: ("regional_coordinator",)}, ("01",)),
        "elsewhere": Asker(str(uuid4()), "person", {OUTSIDER: ("regional_coordinator",)}, ("06",)),
        "service": Asker("indicators", "service"),
        "operator": Asker("operator", "operator"),
    }
    lapsed = sign(askers["operator"], key, life_s=-60)
    return {"lapsed": lapsed} | {who: sign(asker, key) for who, asker in askers.items()}


def asked(service: str, method: str, path: str, things: dict[str, str]) -> tuple[str, Any]:
    """The path with ids of *own*'s things in it, and a request that does no harm when allowed."""
    here = {"token": OWN, "owner": OWN, "reporter": "nobody", "person": NOBODY, "id": NOBODY,
            "code": "01", "match": things["match"], "forecast": things["forecast"],
            "delivery": NOBODY, "mark": "x", "name": "x", "_:path": "x"}  # fmt: skip
    if path.startswith("/matches/"):
        here["id"] = things["match"]
    for kind in ("project", "forecast"):
        if path.startswith(f"/{kind}s/"):
            here["id"] = things[kind]
    filled = path
    for name, value in here.items():
        filled = filled.replace("{" + name + "}", value)
    return filled, REQUESTS.get(f"{service} {method} {path}", {})


UNSEEN = {"If-Match": '"999999"'}
REQUESTS: dict[str, dict[str, Any]] = {
    "registry POST /tokens": {"json": {"key": "mk_nobody"}},
    "registry POST /organisations": {"json": {"token": OWN, "title": "Again", "region": "01"}},
    "registry PATCH /organisations/{token}": {"json": {"status": "active"}},
    "registry POST /organisations/{token}/keys": {"json": {"kind": "https"}},
    "registry POST /organisations/{owner}/mandates": {"json": {"reporter": "nobody-there"}},
    "registry POST /organisations/{token}/members": {
        "json": {"name": "Nobody", "email": "nobody@example.invalid", "roles": ["king"]}
    },
    "registry GET /people": {"params": {"ids": NOBODY}},
    "registry POST /regions": {"json": {}},
    "registry POST /intake": {"params": {"organisation": OWN}, "data": b"{}"},
    "registry POST /forecasts/confirm": {"json": {"forecasts": [NOBODY]}},
    "registry POST /duplicates": {
        "json": {"decision": "refuse", "counts": NOBODY, "duplicate": NOBODY}
    },
    "registry POST /duplicates/look": {"json": {}},
    "matcher GET /counts": {"params": {"region": "01"}},
    "matcher GET /declines": {"params": {"region": "01"}},
    "matcher GET /explain": {"params": {"surplus": "{forecast}", "need": NOBODY}},
    "matcher POST /matches/{id}/decisions": {"json": {"decision": "accept"}, "headers": UNSEEN},
    "matcher POST /matches/{id}/deliveries": {
        "json": {"tonnes": 1, "moved_on": "2026-01-01"},
        "headers": {"Idempotency-Key": "matrix"},
    },
    "matcher POST /settle": {"json": {}},
    "matcher POST /what-if": {"json": {"changes": [{"forecast": "{forecast}", "days": 7}]}},
    "indicators GET /balance": {"params": {"scope": "organisation", "code": OWN}},
    "indicators GET /balance.csv": {"params": {"scope": "organisation", "code": OWN}},
    "indicators GET /figures": {"params": {"scope": "organisation", "code": OWN}},
    "notifier PUT /preferences": {"json": {}},
    "notifier POST /webhooks": {"json": {"organisation": OWN, "url": "http://no"}},
    "notifier GET /webhooks": {"params": {"organisation": OWN}},
    "notifier PATCH /webhooks/{id}": {"json": {}},
    "portal POST /matches/{match}/decisions": {"data": {"decision": "accept"}},
}


async def answers(
    world: World, session: aiohttp.ClientSession, service: str, method: str, path: str
) -> list[str]:
    """The status that each of `WHO` gets."""
    where, request = asked(service, method, path, world.things)
    request = {name: _filled(value, world.things) for name, value in request.items()}
    found = []
    for who in WHO:
        headers = dict(request.get("headers", {}))
        if who != "anonymous":
            headers["Authorization"] = f"Bearer {world.tokens[who]}"
        url = f"{world.platform.system.urls[service]}{where}"
        async with session.request(
            method, url, **{**request, "headers": headers, "allow_redirects": False}
        ) as answer:
            found.append(str(answer.status))
    return found


def _filled(told: Any, things: dict[str, str]) -> Any:
    if isinstance(told, str):
        return things["forecast"] if told == "{forecast}" else told
    if isinstance(told, dict):
        return {name: _filled(value, things) for name, value in told.items()}
    if isinstance(told, list):
        return [_filled(one, things) for one in told]
    return told


def test_every_route_has_a_row_and_every_row_a_route() -> None:
    """A new route is decided on before it is merged: add its row to who_may.txt."""
    assert set(table()) == {" ".join(one) for one in every_route()}


async def test_every_credential_gets_from_every_route_what_the_table_says(world: World) -> None:
    """No route answers anybody beyond the table, and none a 5xx."""
    expected, wrong = table(), []
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
        for service, method, path in every_route():
            if path == "/events":  # a stream that never ends; tests/portal reads it
                continue
            row = f"{service} {method} {path}"
            found = await answers(world, session, service, method, path)
            if found != expected.get(row):
                wrong.append(f"{row:58} {' '.join(found)}")
    assert wrong == [], "\n" + "\n".join(wrong)


async def test_a_revoked_key_and_one_that_ran_out_open_nothing(platform: Platform) -> None:
    """No token is given for either; the neighbour's key goes on."""
    who = await company(platform, "matriisi-d")
    url = f"{platform.system.urls['registry']}/tokens"
    async with Asking(platform.system) as ask, aiohttp.ClientSession() as session:
        soon = (now() + timedelta(seconds=1)).isoformat()
        old = await ask("registry", "POST", f"/organisations/{who.token}/keys",
                        {"kind": "https", "expires_at": soon})  # fmt: skip
        fresh = await ask("registry", "POST", f"/organisations/{who.token}/keys", {"kind": "https"})

        async def ran_out() -> bool:
            return await _status(session, url, old["key"]) == 401

        assert await eventually(ran_out)
        before = await _status(session, url, fresh["key"])
        await ask("registry", "DELETE", f"/organisations/{who.token}/keys/{fresh['id']}")
        after = await _status(session, url, fresh["key"])
        still = await _status(session, url, who.credentials.https_key)
    assert (before, after, still) == (200, 401, 200)


async def _status(session: aiohttp.ClientSession, url: str, key: str) -> int:
    async with session.post(url, json={"key": key}) as answer:
        return answer.status
