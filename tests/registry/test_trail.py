"""Over HTTP: changes and looks at others' data are on the trail, with what they are about."""

from typing import Any

from sqlalchemy import text

from shared.access import Asker
from tests.registry.builders import a_forecast, a_project, knock
from tests.registry.conftest import (
    ACME,
    ACMES_COORDINATOR,
    ACMES_READER,
    MATCHER,
    NORTH,
    OPERATOR,
    UUSIMAA,
    Door,
    Http,
    rows,
)

CLIENTS_COORDINATOR = Asker("p-client", "person", {"client": ("coordinator",)})


async def trail(http: Http) -> list[Any]:
    """Subject, action, object, about of each row that the fixtures did not make."""
    question = "SELECT * FROM trail WHERE subject <> 'test' ORDER BY at, id"
    found = await rows(http.app.state.database, question)  # type: ignore[attr-defined]
    return [(one.subject, one.action, one.object, one.about) for one in found]


async def told(door: Door, by: str) -> None:
    """A project and a forecast that everybody of the forum sees."""
    await door.judge(knock("project-added", a_project(), by=by))
    await door.judge(knock("forecast-updated", a_forecast(visibility="forum"), by=by))


async def test_a_look_at_anothers_data_is_noted_before_it_is_answered(http: Http, door: Door):
    """One row a request: who, which route, whose data; nothing of one's own data alone."""
    await told(door, "acme")
    _, mine = await http.ask("GET", "/forecasts", by=ACME)
    assert await trail(http) == []
    _, seen = await http.ask("GET", "/forecasts?limit=5", by=UUSIMAA)
    assert len(mine["items"]) == len(seen["items"]) == 1
    id = seen["items"][0]["forecast_id"]
    await http.ask("GET", f"/forecasts/{id}", by=OPERATOR)
    await http.ask("GET", "/organisations/acme/members", by=UUSIMAA)
    assert await trail(http) == [
        ("person/p-regional", "GET /forecasts", "forecasts", ["acme"]),
        ("operator/operator", "GET /forecasts/{id}", f"forecasts/{id}", ["acme"]),
        ("person/p-regional", "GET /organisations/{token}/members", "organisations/acme", ["acme"]),
    ]


async def test_what_a_question_adds_of_its_own_is_not_noted_and_stops_no_look(
    http: Http, door: Door
):
    """The trail takes no free text: a name with a NUL in it once kept the answer back."""
    await told(door, "acme")
    status, _ = await http.ask("GET", "/forecasts?a%00b=1&limit=5", by=UUSIMAA)
    assert status == 200
    found = await rows(http.app.state.database, "SELECT what FROM trail WHERE subject <> 'test'")  # type: ignore[attr-defined]
    assert [one.what["query"] for one in found] == [["limit"]]


async def test_services_and_the_public_leave_no_looks(http: Http, door: Door):
    """Nobody looks when a service asks; open data is anybody's; what is not told is not seen."""
    await door.judge(knock("project-added", a_project(), by="acme"))
    await door.judge(knock("forecast-updated", a_forecast(visibility="public"), by="acme"))
    _, listed = await http.ask("GET", "/forecasts", by=MATCHER)
    _, opened = await http.ask("GET", "/open/forecasts")
    assert len(listed["items"]) == len(opened["items"]) == 1
    id = listed["items"][0]["forecast_id"]
    headers = {"If-None-Match": '"1"'}
    assert (await http.ask("GET", f"/forecasts/{id}", by=OPERATOR, headers=headers))[0] == 304
    assert (await http.ask("GET", "/organisations/acme/keys", by=NORTH))[0] == 403
    assert await trail(http) == []


async def test_no_look_without_its_row(http: Http, door: Door):
    """The trail cannot be written: 503, and nothing of the other is told."""
    await told(door, "acme")
    async with door.database.engine.begin() as connection:
        await connection.execute(text("ALTER TABLE trail RENAME TO trail_away"))
    try:
        status, body = await http.ask("GET", "/forecasts", by=UUSIMAA)
        assert (status, body["code"]) == (503, "not_noted")
        assert (await http.ask("GET", "/forecasts", by=ACME))[0] == 200
        path, suspended = "/organisations/acme", {"status": "suspended"}
        assert (await http.ask("PATCH", path, by=OPERATOR, json=suspended))[0] >= 500
    finally:
        async with door.database.engine.begin() as connection:
            await connection.execute(text("ALTER TABLE trail_away RENAME TO trail"))
    kept = await rows(door.database, "SELECT status FROM organisation WHERE token = 'acme'")
    assert kept[0].status == "active"


async def test_a_change_is_noted_with_it_and_what_changed_nothing_is_not(http: Http, door: Door):
    """Refused, unchanged and unknown leave no row; an event handed in leaves one of its request."""
    path = "/organisations/acme"
    assert (await http.ask("PATCH", path, by=OPERATOR, json={"status": "active"}))[0] == 200
    assert (await http.ask("PATCH", path, by=NORTH, json={"status": "suspended"}))[0] == 403
    assert (await http.ask("DELETE", "/projects/unknown", by=ACME))[0] == 404
    assert [one for one in await trail(http) if not one[1].startswith("GET")] == []

    told = {key: value for key, value in a_project().items() if key != "external_id"}
    status, _ = await http.ask("PUT", "/projects/P-9", by=ACME, json=told)
    assert status in (200, 201)
    assert await trail(http) == [
        ("organisation/acme", "PUT /projects/{external_id:path}", "projects/P-9", ["acme"])
    ]


async def test_a_coordinator_reads_who_saw_and_changed_its_organisations_data(
    http: Http, door: Door
):
    """Not others': who else a row is about is left out, and what they share is not detailed."""
    await told(door, "acme")
    await told(door, "client")
    path = "/organisations/acme/mandates"
    await http.ask("POST", path, by=OPERATOR, json={"reporter": "north"})
    await http.ask("GET", "/forecasts", by=NORTH)
    await http.ask("GET", "/organisations/client/members", by=OPERATOR)

    status, mine = await http.ask("GET", "/trail", by=ACMES_COORDINATOR)
    assert status == 200
    found = [(one["action"], one["about"], one["what"]) for one in mine["items"]]
    assert found[:2] == [("GET /forecasts", ["acme"], None), ("mandate-given", ["acme"], None)]
    assert "client" not in str(mine)
    _, theirs = await http.ask("GET", "/trail", by=CLIENTS_COORDINATOR)
    assert theirs["items"][0]["action"] == "GET /organisations/{token}/members"
    assert theirs["items"][0]["what"] == {"query": [], "mentions": 1, "unnamed": []}
    for other in (ACME, ACMES_READER, NORTH, UUSIMAA, MATCHER):
        assert (await http.ask("GET", "/trail", by=other))[0] == 403
    mine = "/trail?organisation=client"
    assert (await http.ask("GET", mine, by=ACMES_COORDINATOR))[0] == 403


async def test_the_trail_is_read_page_by_page(http: Http, door: Door):
    """Each row once, newest first; who read the whole of it is the newest."""
    _, whole = await http.ask("GET", "/trail?organisation=acme&limit=200", by=OPERATOR)
    got, after = [], ""
    while True:
        path = f"/trail?organisation=acme&limit=1{after}"
        _, page = await http.ask("GET", path, by=OPERATOR)
        got += [one["id"] for one in page["items"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert got[1:] == [one["id"] for one in whole["items"]]
    assert len(got) >= 3
    assert (await http.ask("GET", "/trail?after=x", by=OPERATOR))[0] == 422
