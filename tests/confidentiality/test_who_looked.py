"""Every route that tells of another's data leaves a look on the trail, or is on a short list."""

import inspect
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import aiohttp
import pytest

from deploy.allinone import Platform
from deploy.asking import Asking
from deploy.cards import cards
from shared.access import Asker, read_key, sign
from shared.contracts.base import now
from shared.contracts.intake import HandedArea
from tests.architecture.test_routes import routes
from tests.conftest import ROOT, eventually
from tests.platform import Company, a_forecast, a_need, a_project, company, first_match

TABLE = Path(__file__).with_name("who_is_told_of.txt")
READS_BY_POST = {"matcher POST /what-if"}
GIVER, TAKER, BESIDE = "katse-antaja", "katse-ottaja", "katse-sivusta"
PLACE = {"region": "06", "municipality": "790"}
SITE = {"lat": 61.34, "lon": 22.91}
SPRING = {"available_from": "2027-03-01", "available_to": "2027-06-30"}
SUMMER = {"available_from": "2027-07-21", "available_to": "2027-10-31"}


class Row(NamedTuple):
    how: str
    asks: str
    why: str


def table() -> dict[str, Row]:
    """How each route of *who_is_told_of.txt* leaves its look."""
    lines = [line for line in TABLE.read_text().splitlines() if line and line[0] != "#"]
    found = {}
    for service, method, path, how, asks, *why in (line.split(maxsplit=5) for line in lines):
        found[f"{service} {method} {path}"] = Row(how, asks, " ".join(why))
    return found


def reading_routes() -> dict[str, Any]:
    """Each route of a service with a trail that answers what it was asked, and its function."""
    return {
        name: route.endpoint
        for service in cards()
        if service.ledger is not None and service.api is not None
        for route in routes(service.api)
        for method in route.methods
        if method == "GET" or f"{service.name} {method} {route.path}" in READS_BY_POST
        for name in [f"{service.name} {method} {route.path}"]
    }


def test_every_reading_route_has_a_row_and_every_row_a_route() -> None:
    """A new route is decided on before it is merged: add its row to who_is_told_of.txt."""
    assert set(table()) == set(reading_routes())
    assert {row.how for row in table().values()} == {"named", "told", "nobody"}
    assert all(bool(row.why) == (row.how == "nobody") for row in table().values())


def test_the_list_of_what_is_not_noted_is_that_of_the_documentation() -> None:
    """docs/confidentiality.md names those routes, and no others."""
    text = (ROOT / "docs" / "confidentiality.md").read_text()
    (told,) = re.findall(r"^Not noted: .*?(?=\n\n)", text, re.DOTALL | re.MULTILINE)
    listed = set(re.findall(r"`(\w+) (/[^`]*)`", told))
    assert listed == {
        (name.split()[0], name.split()[2]) for name, row in table().items() if row.how == "nobody"
    }


@dataclass
class World:
    """An agreement with loads, a near miss, a pair of duplicates, and everything beside them."""

    platform: Platform
    things: dict[str, str]


@pytest.fixture(scope="module")
async def world(platform: Platform) -> World:
    giver, taker, beside = [
        await company(platform, token, region="06") for token in (GIVER, TAKER, BESIDE)
    ]
    things = await members(platform)
    near = {"material": "gravel", **SITE}
    await giver.hand_in(
        a_project("p", **PLACE),
        a_forecast("s", "p", material="sand", quantity=431.0, **SITE),
        a_forecast("n", "p", **near, **SPRING, quantity=433.0),
        HandedArea(
            external_id="a", title="Katseen kenttä", site_kind="interim_storage", **PLACE, **SITE
        ),
    )
    await beside.hand_in(
        a_project("p", **PLACE), a_forecast("s", "p", material="sand", quantity=431.0, **SITE)
    )
    await taker.hand_in(
        a_project("p", **PLACE),
        a_need("n", "p", material="sand", quantity=860.0, **SITE),
        a_need("m", "p", **near, **SUMMER, quantity=433.0),
    )
    match = await first_match(giver, state="proposed")
    things |= {"match": match["match_id"], "surplus": match["surplus"]["forecast_id"],
               "need": match["need"]["forecast_id"]}  # fmt: skip
    await agreed_and_moved(giver, taker, match)
    things |= await of_the_registry(giver)
    status, hook = await giver.ask(
        "notifier", "POST", "/webhooks", {"organisation": GIVER, "url": "http://127.0.0.1:9/x"}
    )
    assert status == 201, hook
    things["webhook"] = hook["id"]
    await all_there(platform, things)
    return World(platform, things)


async def members(platform: Platform) -> dict[str, str]:
    async with Asking(platform.system) as ask:
        made = await ask(
            "registry", "POST", f"/organisations/{GIVER}/members",
            {"name": "Katse", "email": "katse@example.invalid", "roles": ["coordinator"],
             "language": "en"},
        )  # fmt: skip
    return {"person": made["person"]}


async def agreed_and_moved(giver: Company, taker: Company, match: dict[str, Any]) -> None:
    path = f"/matches/{match['match_id']}"
    for who in (giver, taker):
        _, seen = await who.ask("matcher", "GET", path)
        status, said = await who.ask("matcher", "POST", f"{path}/decisions",
                                     {"decision": "accept"},
                                     headers={"If-Match": f'"{seen["revision"]}"'})  # fmt: skip
        assert status == 200, said
    status, said = await giver.ask(
        "matcher", "POST", f"{path}/deliveries",
        {"tonnes": 10, "moved_on": str(now().date())}, headers={"Idempotency-Key": "katse"},
    )  # fmt: skip
    assert status == 200, said


async def of_the_registry(giver: Company) -> dict[str, str]:
    found = {}
    for kind in ("project", "area"):
        _, listed = await giver.ask("registry", "GET", f"/{kind}s", organisation=GIVER)
        found[kind] = listed["items"][0][f"{kind}_id"]
    key = read_key(giver.platform.ring.signing)
    token = sign(Asker(GIVER, "organisation", {GIVER: ("reporter",)}), key)
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as session,
        session.post(f"{giver.platform.system.urls['registry']}/imports?mapping=template",
                     data=b"a;b\n1;2\n") as answer,
    ):  # fmt: skip
        assert answer.status == 202, await answer.text()
        found["import"] = (await answer.json())["id"]
    return found


async def all_there(platform: Platform, things: dict[str, str]) -> None:
    """Until the near miss, the duplicates, and the entries on the desk are told."""
    async with aiohttp.ClientSession() as session:
        for service, path, who in (
            ("registry", "/duplicates", "operator"), ("matcher", "/near-misses", "operator"),
            ("notifier", "/inbox", "coordinator"), ("notifier", "/notices", "coordinator"),
        ):  # fmt: skip
            headers = as_(platform, who, things["person"])
            url = f"{platform.system.urls[service]}{path}"

            async def there(url: str = url, headers: dict[str, str] = headers) -> bool:
                async with session.get(url, headers=headers) as answer:
                    return bool((await answer.json())["items"])

            await eventually(there, within_s=60, every_s=0.5)


def as_(platform: Platform, who: str, subject: str) -> dict[str, str]:
    """A header with the token of such an asker; none for whom it needs none."""
    asker = {
        "-": None,
        "operator": Asker(subject, "operator"),
        "regional": Asker(subject, "person", {"elsewhere": ("regional_coordinator",)}, ("06",)),
        "coordinator": Asker(subject, "person", {GIVER: ("coordinator",)}),
    }[who]
    if asker is None:
        return {}
    return {"Authorization": f"Bearer {sign(asker, read_key(platform.ring.signing))}"}


def asked(name: str, things: dict[str, str]) -> tuple[str, dict[str, Any]]:
    """The path of route *name* with ids in it, and what is asked with it."""
    service, _, path = name.split()
    kind = path.split("/")[1].removesuffix("s")
    by_kind = {"matche": "match"}
    here = {
        "token": GIVER, "owner": GIVER, "code": "06", "forecast": things["surplus"],
        "id": {**things, "forecast": things["surplus"]}.get(by_kind.get(kind, kind), ""),
    }  # fmt: skip
    for part, value in here.items():
        path = path.replace("{" + part + "}", value)
    region = {"region": "06"}
    params = {
        "registry /people": {"ids": things["person"]},
        "registry /forecasts": {**region, "organisation": GIVER},
        "matcher /counts": region,
        "matcher /declines": region,
        "matcher /plan": region,
        "matcher /explain": {"surplus": things["surplus"], "need": things["need"]},
        "indicators /balance": {"scope": "project", "code": things["project"]},
        "indicators /balance.csv": {"scope": "project", "code": things["project"]},
        "indicators /figures": {"scope": "project", "code": things["project"]},
        "notifier /webhooks": {"organisation": GIVER},
    }.get(f"{service} {path}", {})
    how: dict[str, Any] = {"params": params}
    if path == "/what-if":
        how["json"] = {"changes": [{"forecast": things["need"], "days": 7}]}
    return path, how


async def looks(platform: Platform, session: aiohttp.ClientSession, name: str, who: str) -> int:
    """How many rows about others *who* left by the route *name*."""
    service, action = name.split(" ", 1)
    url = f"{platform.system.urls[service]}/trail"
    headers = as_(platform, "operator", "operator")
    async with session.get(url, params={"subject": who}, headers=headers) as answer:
        items = (await answer.json())["items"]
    return sum(bool(one["action"] == action and one["about"]) for one in items)


async def test_each_route_leaves_the_look_that_the_table_says(world: World) -> None:
    """One row for who asked for another's data; none where nobody in particular is told of."""
    platform, wrong = world.platform, []
    async with aiohttp.ClientSession() as session:
        for name, row in table().items():
            service, method, _ = name.split()
            subject = world.things["person"] if row.asks == "coordinator" else str(uuid4())
            who = f"{'operator' if row.asks == 'operator' else 'person'}/{subject}"
            path, how = asked(name, world.things)
            url = f"{platform.system.urls[service]}{path}"
            before = await looks(platform, session, name, who)
            headers = as_(platform, row.asks, subject)
            async with session.request(method, url, headers=headers, **how) as answer:
                told, status = await answer.read(), answer.status
            more = await looks(platform, session, name, who) - before
            if (status, more) != (200, row.how != "nobody"):
                wrong.append(f"{name}: {status}, {row.how}, {more} rows: {told[:300]!r}")
    assert wrong == [], "\n" + "\n".join(wrong)


@pytest.mark.parametrize("name", [name for name, row in table().items() if row.how == "told"])
def test_a_route_that_names_not_all_says_whom_it_tells_of(name: str) -> None:
    """The handler itself, or what it asks first, calls `tells_of`."""
    endpoint = reading_routes()[name]
    source = inspect.getsource(inspect.unwrap(endpoint))
    called = set(re.findall(r"\b(_\w+)\(", source))
    module = inspect.getmodule(endpoint)
    inner = "".join(
        inspect.getsource(getattr(module, one)) for one in called if hasattr(module, one)
    )
    deeper = set(re.findall(r"\b(_\w+)\(", inner)) - called
    inner += "".join(
        inspect.getsource(getattr(module, one)) for one in deeper if hasattr(module, one)
    )
    assert "tells_of(" in source + inner
