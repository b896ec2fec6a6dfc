"""Two worlds that differ by things out of sight: whatever is asked, the answers are the same."""

import json
from random import Random
from typing import Any

import pytest

from shared.access import Asker
from shared.service.card import Knock
from tests.paired import differences
from tests.registry.builders import a_delivery, a_forecast, a_project, an_area, headers, knock
from tests.registry.conftest import (
    ACME,
    ACMES_COORDINATOR,
    ACMES_READER,
    NORTH,
    UUSIMAA,
    Door,
    Http,
    begun_anew,
)

OTHERS = {
    "a company beside": ACME,
    "its coordinator": ACMES_COORDINATOR,
    "its reader": ACMES_READER,
    "a company of another region": NORTH,
    "a coordinator of another region": Asker("p-neighbour", "person", {}, ("06",)),
    "anybody": None,
}
LISTS = (
    "/projects", "/projects?without=forecasts", "/projects?organisation=client", "/forecasts",
    "/forecasts?region=01", "/forecasts?organisation=client", "/forecasts?asked=true",
    "/forecasts.geojson", "/open/forecasts", "/areas", "/duplicates", "/duplicates?region=01",
    "/organisations", "/receipts",
)  # fmt: skip
OF_THE_MOMENT = ("updated_at", "as_of", "next", "suggested_at", "at", "judged_at", "id", "event_id",
                 "created_at")  # fmt: skip
SITE = {"lat": 60.2, "lon": 24.95}


def what_is_seen(draw: Random) -> list[Knock]:
    """Of acme and client, in and out of others' sight, some of it told twice over."""
    said = []
    for by in ("acme", "client"):
        for project, visibility in (("P-1", "forum"), ("P-2", "public"), ("P-3", "parties")):
            said.append(knock("project-added", a_project(
                project, region="01", visibility=visibility), by=by))  # fmt: skip
            if project != "P-3":
                said += [knock("forecast-updated", _a_forecast(draw, f"{project}/{at}", project),
                               by=by) for at in range(draw.randint(1, 3))]  # fmt: skip
    # a project that everybody sees and nobody told any masses of, but out of sight
    said.append(knock("project-added", a_project("P-4", region="01", visibility="forum"),
                      by="client"))  # fmt: skip
    return said


def what_is_hidden(draw: Random) -> list[Knock]:
    """Client's forecasts for coordinators alone and its parties, beside acme's and like them."""
    said = [knock("project-added", a_project("H-1", region="01", visibility="region"), by="client"),
            knock("area-updated", an_area("H-2", region="01", visibility="region"), by="client"),
            ]  # fmt: skip
    said += [
        knock("forecast-updated", _a_forecast(
            draw, f"H/{at}", draw.choice(("H-1", "P-1", "P-4")),
            visibility=draw.choice(("region", "parties"))), by="client")
        for at in range(6)
    ]  # fmt: skip
    said.append(knock("forecast-updated", _a_forecast(draw, "H/9", "P-4", visibility="region"),
                      by="client"))  # fmt: skip
    return said


def _a_forecast(draw: Random, external_id: str, project: str, **told: Any) -> dict[str, Any]:
    return a_forecast(
        external_id, project=project, quantity=draw.randint(900, 1100), **SITE, **told
    )


def probes(ids: dict[str, list[str]]) -> list[tuple[str, dict[str, Any]]]:
    """What acme might say, to learn of things by their *ids* in client's system or in ours."""
    said: list[tuple[str, dict[str, Any]]] = []
    for one in ("H/0", "H/9", "H-1", "nothing", *ids["forecast"], *ids["project"]):
        said += [
            ("forecast-updated", a_forecast(f"try-{one}", project=one)),
            ("project-added", a_project(one, region="01")),
            ("forecast-updated", a_forecast(one)),
            ("delivery-reported", a_delivery(f"load-{one}", forecast=one)),
            ("delivery-reported", a_delivery(f"heap-{one}", area=one)),
            ("forecast-withdrawn", {"external_id": one}),
            ("project-withdrawn", {"external_id": one}),
            ("forecast-updated", a_forecast(f"for-{one}", project=one, owner="client")),
        ]
    return said


async def told_to_others(
    http: Http, door: Door, world: list[Knock], ids: dict[str, list[str]]
) -> dict[Any, Any]:
    """Every answer to everybody in `OTHERS`, in pages of three, and to all that acme says."""
    await begun_anew(door.database)
    for one in world:  # each at its own moment: lists go by it
        assert await door.codes(one) == ["taken"]
    answers: dict[Any, Any] = {}
    for who, asker in OTHERS.items():
        for path in LISTS:
            answers[who, path] = await _every_page(http, asker, path)
        for kind, id in ((kind, id) for kind, every in ids.items() for id in every):
            answers[who, id] = await http.ask("GET", f"/{kind}s/{id}", by=asker)
        named = {"forecasts": ids["forecast"]}
        answers[who, "confirm"] = await http.ask("POST", "/forecasts/confirm", by=asker, json=named)
        pair = {"decision": "link", "counts": ids["forecast"][0], "duplicate": ids["forecast"][-1]}
        answers[who, "link"] = await http.ask("POST", "/duplicates", by=asker, json=pair)
    batch = [
        {**{name.removeprefix("ce-"): value for name, value in about.items()}, "data": said}
        for at, (event, said) in enumerate(probes(ids))
        for about in [headers(event, id=f"probe-{at}", lang=("fi", "sv", "en")[at % 3])]
    ]
    answers["said"] = await http.ask(
        "POST", "/intake", by=ACME, data=json.dumps(batch),
        headers={"content-type": "application/cloudevents-batch+json"},
    )  # fmt: skip
    for external_id in ("H/0", "H-1"):
        for kind, said in (("projects", a_project("x", region="01")), ("forecasts", a_forecast())):
            body = {name: value for name, value in said.items() if name != "external_id"}
            for more in ({"If-Match": '"1"'}, {"Idempotency-Key": f"{kind}{external_id}"}, {}):
                at = f"/{kind}/{external_id}"
                answers[at, str(more)] = [
                    await http.ask("PUT", at, by=ACME, json=body, headers=more),
                    await http.ask("DELETE", at, by=ACME, headers=more),
                    await http.ask("PUT", f"{at}?organisation=client", by=ACME, json=body),
                ]
    answers["after", "/duplicates"] = await _every_page(http, ACME, "/duplicates", 200)
    return {asked: _lasting(answer) for asked, answer in answers.items()}


async def _every_page(http: Http, asker: Asker | None, path: str, limit: int = 3) -> list[Any]:
    pages: list[Any] = []
    after: dict[str, str] = {}
    while True:
        status, told = await http.ask("GET", path, by=asker, params={"limit": str(limit), **after})
        pages.append((status, told))
        if status != 200 or not told.get("next"):
            return pages
        after = {"after": told["next"]}


def _lasting(told: Any) -> Any:
    if isinstance(told, dict):
        return {name: _lasting(value) for name, value in told.items() if name not in OF_THE_MOMENT
                or (name == "id" and told.get("type") == "Feature")}  # fmt: skip
    if isinstance(told, list | tuple):
        return [_lasting(one) for one in told]
    return told


async def ids_of(http: Http, door: Door, world: list[Knock]) -> dict[str, list[str]]:
    """What all that client tells in *world* is called here, where its own ids always lead."""
    await begun_anew(door.database)
    await door.judge(*world)
    found = {}
    for kind in ("forecast", "project", "area"):
        _, told = await http.ask("GET", f"/{kind}s", by=UUSIMAA, params={"limit": "200"})
        found[kind] = sorted(
            one[f"{kind}_id"] for one in told["items"] if one["organisation"] == "client"
        )
    return found


@pytest.mark.parametrize("seed", [1, 2027])
async def test_things_out_of_sight_change_no_answer(http: Http, door: Door, seed: int):
    """Lists, pages, features, pairs, ids, receipts and refusals: to whoever may not see them."""
    draw = Random(seed)
    seen, hidden = what_is_seen(draw), what_is_hidden(draw)
    ids = await ids_of(http, door, [*seen, *hidden])
    without = await told_to_others(http, door, seen, ids)
    with_them = await told_to_others(http, door, [*seen, *hidden], ids)
    assert differences(without, with_them) == []
    assert without["a company beside", "/duplicates"][0][1]["items"]
