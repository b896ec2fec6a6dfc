"""One thing under its own id: PUT and DELETE, idempotency keys, ETags, how often one may ask."""

import json
from typing import Any

from shared.pace import Pace
from tests.registry.builders import a_forecast, a_project
from tests.registry.conftest import ACME, NORTH, Http, rows


def without_id(told: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in told.items() if name != "external_id"}


async def put(http: Http, path: str, told: Any, *, by: Any = ACME, **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await http.ask(
        "PUT", path, by=by, headers={"content-type": "application/json", **named},
        data=json.dumps(told).encode(),
    )  # fmt: skip


async def test_a_thing_is_made_changed_and_ended_under_its_own_id(http: Http):
    """201 with its ETag, then 200 with the next one; DELETE withdraws and cancels."""
    project = without_id(a_project("P/1"))
    status, receipt = await put(http, "/projects/P%2F1", project)
    assert (status, receipt["verdict"], http.last.headers["ETag"]) == (201, "accepted", '"1"')
    where = http.last.headers["Location"]
    status, found = await http.ask("GET", where, by=ACME)
    assert (status, found["external_id"], http.last.headers["ETag"]) == (200, "P/1", '"1"')

    status, receipt = await put(http, "/projects/P%2F1", {**project, "title": "Toinen nimi"})
    assert (status, http.last.headers["ETag"]) == (200, '"2"')
    status, receipt = await put(http, "/projects/P%2F1", {**project, "title": "Toinen nimi"})
    assert (status, receipt["code"], http.last.headers["ETag"]) == (200, "unchanged", '"2"')

    status, receipt = await put(
        http, "/forecasts/F-1", without_id(a_forecast("F-1", project="P/1"))
    )
    assert (status, receipt["verdict"]) == (201, "accepted")
    where = http.last.headers["Location"]
    status, receipt = await http.ask("DELETE", "/forecasts/F-1", by=ACME)
    assert (status, receipt["about"], receipt["code"]) == (200, "forecast-updated", "taken")
    _, found = await http.ask("GET", where, by=ACME)
    assert found["status"] == "cancelled"

    status, receipt = await http.ask("DELETE", "/projects/P%2F1", by=ACME)
    assert (status, receipt["about"]) == (200, "project-withdrawn")
    status, problem = await http.ask("DELETE", "/projects/P-2", by=ACME)
    assert (status, problem["code"]) == (404, "project_unknown")


async def test_what_cannot_stand_is_refused_with_every_reason(http: Http):
    """The same path as the door: every reason at once, in the language asked for."""
    told = {**without_id(a_project("P-1")), "municipality": "000", "lat": 95.0}
    status, problem = await put(http, "/projects/P-1", told, accept_language="fi")
    assert status == 422
    assert len(problem["reasons"]) >= 2
    status, problem = await put(http, "/projects/P-1", {**a_project("P-2")})
    assert (status, problem["code"]) == (422, "external_id_differs")
    for body in (b"", b"[]", b"{", b'{"external_id"'):
        status, problem = await http.ask("PUT", "/projects/P-1", by=ACME, data=body)
        assert (status, problem["status"]) == (422, 422), body
    assert await rows(http.app.state.database, "SELECT 1 FROM project") == []


async def test_the_same_key_again_changes_nothing_and_other_words_are_refused(http: Http):
    """Idempotency-Key is the event's id: the receipt again, or 422 with a stable code."""
    project = without_id(a_project("P-1"))
    first = await put(http, "/projects/P-1", project, idempotency_key="k-1")
    again = await put(http, "/projects/P-1", project, idempotency_key='"k-1"')
    assert (first[0], again[0], again[1]["canonical"]) == (201, 201, first[1]["canonical"])
    status, problem = await put(
        http, "/projects/P-1", {**project, "title": "Muu"}, idempotency_key="k-1"
    )
    assert (status, problem["code"]) == (422, "event_id_reused")
    norths = {**project, "municipality": "837"}
    status, _ = await put(http, "/projects/P-1", norths, by=NORTH, idempotency_key="k-1")
    assert status == 201  # another organisation's keys are its own
    (row,) = await rows(
        http.app.state.database, "SELECT count(*) AS n FROM project WHERE organisation = 'acme'"
    )
    assert row.n == 1


async def test_an_event_without_an_id_takes_the_idempotency_key(http: Http):
    """POST /intake in both modes; an id of the event's own is kept."""
    body = json.dumps(a_project("P-1")).encode()
    told = {"ce-specversion": "1.0", "ce-source": "/acme", "ce-type": "intake.project-added.v1",
            "content-type": "application/json", "Idempotency-Key": "k-7"}  # fmt: skip
    status, receipt = await http.ask("POST", "/intake", by=ACME, headers=told, data=body)
    assert (status, receipt["event_id"]) == (202, "k-7")
    whole = {"specversion": "1.0", "source": "/acme", "type": "intake.project-added.v1",
             "data": a_project("P-2")}  # fmt: skip
    told = {"content-type": "application/cloudevents+json", "Idempotency-Key": "k-8"}
    status, receipt = await http.ask(
        "POST", "/intake", by=ACME, headers=told, data=json.dumps(whole).encode()
    )
    assert (status, receipt["event_id"]) == (202, "k-8")


async def test_a_write_that_expects_another_revision_changes_nothing(http: Http):
    """If-Match and If-None-Match: 412 with the ETag that holds, and nothing written."""
    project = without_id(a_project("P-1"))
    status, _ = await put(http, "/projects/P-1", project, if_match='"1"')
    assert status == 412
    status, _ = await put(http, "/projects/P-1", project, if_none_match="*")
    assert status == 201
    status, problem = await put(http, "/projects/P-1", project, if_none_match="*")
    assert (status, problem["code"], http.last.headers["ETag"]) == (412, "changed_meanwhile", '"1"')

    changed = {**project, "title": "Uusi"}
    status, _ = await put(http, "/projects/P-1", changed, if_match='"1"', idempotency_key="k-2")
    assert (status, http.last.headers["ETag"]) == (200, '"2"')
    status, _ = await put(http, "/projects/P-1", changed, if_match='"1"', idempotency_key="k-2")
    assert status == 200  # its answer was lost and it is sent again: no stale write
    status, problem = await put(http, "/projects/P-1", project, if_match='"1"')
    assert (status, problem["etag"]) == (412, '"2"')
    status, _ = await http.ask("DELETE", "/projects/P-1", by=ACME, headers={"If-Match": '"1"'})
    assert status == 412
    status, _ = await http.ask("DELETE", "/projects/P-1", by=ACME, headers={"If-Match": '"2"'})
    assert status == 200


async def test_who_asks_too_often_is_told_when_to_ask_again(http: Http):
    """429 with Retry-After for this key alone."""
    http.app.state.pace = Pace(0.5, 3)
    answers = [(await http.ask("GET", "/projects", by=ACME))[0] for _ in range(4)]
    assert answers == [200, 200, 200, 429]
    assert http.last.headers["Retry-After"] in ("1", "2")
    assert (await http.ask("GET", "/projects", by=NORTH))[0] == 200


def test_a_bucket_fills_again_at_its_rate():
    """Burst, then the rate; never more than the burst."""
    now = 0.0
    pace = Pace(2.0, 2, clock=lambda: now)
    assert [pace.wait_s("a") for _ in range(3)] == [0, 0, 1]
    now = 0.5
    assert [pace.wait_s("a") for _ in range(2)] == [0, 1]
    now = 100.0
    assert [pace.wait_s("a") for _ in range(3)] == [0, 0, 1]
    assert pace.wait_s("b") == 0
