"""The same mass told by several is suggested as a duplicate, to those who may know of both."""

from typing import Any

import pytest
from sqlalchemy import text

from services.registry.domain import likeness
from services.registry.handlers import alike
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

CLIENT = Asker("client", "organisation", {"client": ("reporter",)})
SITE = {"lat": 60.2, "lon": 24.95}


async def told(door: Door, by: str, **said: Any) -> str:
    """A forecast of a project of *by*; its id."""
    visibility = said.pop("visibility", "parties")
    await door.judge(knock("project-added", a_project(visibility=visibility, region="01"), by=by))
    assert await door.codes(knock("forecast-updated", a_forecast(**SITE | said), by=by)) == [
        "taken"
    ]
    return str(door.announced("forecast-updated")[-1]["forecast_id"])


async def suggested(door: Door) -> list[set[str]]:
    found = await rows(door.database, "SELECT one, other FROM duplicate WHERE state <> 'dropped'")
    return [{str(one), str(other)} for one, other in found]


def a_state(**told: Any) -> dict[str, Any]:
    return {
        "status": "offered", "project_id": "p", "reporter": "city", "direction": "surplus",
        "sample": False, "material": "clay", "quantity": {"likely_t": 1000.0},
        "window": {"first": "2027-04-01", "last": "2027-05-15"},
        "place": {"municipality": "091", "precision": "exact", **SITE}, **told,
    }  # fmt: skip


OTHER = a_state(project_id="q", reporter="contractor")


@pytest.mark.parametrize(
    "news, score",
    [
        ({}, 1.0),
        ({"quantity": {"likely_t": 1900.0}}, 0.526),
        ({"quantity": {"likely_t": 2100.0}}, None),
        ({"window": {"first": "2027-06-14", "last": "2027-08-01"}}, 0.75),
        ({"window": {"first": "2027-08-01", "last": "2027-09-01"}}, None),
        ({"place": {"municipality": "091", "precision": "exact", "lat": 60.203, "lon": 24.95}},
         None),
        ({"place": {"municipality": "091", "precision": "municipality", **SITE}}, 0.5),
        ({"place": {"municipality": "049", "precision": "municipality", **SITE}}, None),
        ({"material": "peat"}, None),
        ({"direction": "need"}, None),
        ({"sample": True}, None),
        ({"status": "cancelled"}, None),
        ({"project_id": "p"}, None),
        ({"reporter": "city"}, None),
        ({"reporter": "city", "source": {"system": "older register", "id": "1"}}, 1.0),
    ],
)  # fmt: skip
def test_what_is_near_in_kind_place_time_and_amount_may_be_the_same_mass(news, score):
    """Told by others, or by the same one from another system; never two lines of one project."""
    found = likeness(a_state(), OTHER | news)
    assert (found and found.score) == score
    assert likeness(OTHER | news, a_state()) == found or "place" in news


async def test_the_same_mass_told_by_two_is_suggested_once_with_its_reasons(door: Door):
    """However often it is told, and only while they are alike."""
    one = await told(door, "acme", quantity=1000)
    other = await told(door, "client", quantity=1200, lat=60.201)
    assert await suggested(door) == [{one, other}]
    ((reasons,),) = await rows(door.database, "SELECT reasons FROM duplicate")
    assert reasons == {"distance_m": 111, "material": "same", "days_apart": 0,
                       "tonnes_ratio": 0.83}  # fmt: skip

    [announced] = door.announced("duplicate-suggested")
    assert {each["forecast_id"] for each in announced["forecasts"]} == {one, other}
    assert announced["revision"] == 1 and announced["score"] > 0

    await told(door, "client", quantity=1100)
    assert await suggested(door) == [{one, other}]
    assert len(door.announced("duplicate-suggested")) == 1
    await told(door, "client", quantity=9000)
    assert await suggested(door) == []


async def told_of_pairs(door: Door) -> list[dict[str, Any]]:
    """What was told of pairs, over NATS or HTTP, in its order."""
    found = await rows(
        door.database,
        "SELECT convert_from(payload, 'UTF8')::jsonb FROM outbox "
        "WHERE name LIKE 'registry.duplicate-%' ORDER BY id",
    )
    return [dict(payload) for (payload,) in found]


async def test_what_becomes_of_a_pair_is_told_once_on_one_line_of_revisions(http: Http, door: Door):
    """Linked and unlinked with what counts, refused and opened again, gone and back."""
    one, other = await told(door, "acme"), await told(door, "client")
    for what in ("link", "link", "unlink", "refuse", "unlink", "unlink"):
        await http.ask("POST", "/duplicates", by=UUSIMAA, **decision(what, one, other))
    await told(door, "client", quantity=9000)
    await told(door, "client", quantity=1000)
    first, *changed, again = await told_of_pairs(door)
    assert [each["change"] for each in changed] == [
        "linked", "unlinked", "refused", "reopened", "dropped"
    ]  # fmt: skip
    assert changed[0]["counts"] == one
    pair = changed[0]["forecasts"]
    assert {each["forecast_id"]: each["forecast_revision"] for each in pair} == {one: 1, other: 2}
    every = [first, *changed, again]
    assert {each["duplicate_id"] for each in every} == {first["duplicate_id"]}
    revisions = [each["revision"] for each in every]
    assert revisions == sorted(set(revisions))
    assert await suggested(door) == [{one, other}]


async def test_across_the_edge_of_a_cell_and_without_an_exact_place_it_is_found(door: Door):
    """Neighbours are looked for in the cells around, and in the whole municipality."""
    one = await told(door, "acme", lat=60.2001, lon=24.9501)
    other = await told(door, "client", lat=60.1999, lon=24.9499)
    assert await suggested(door) == [{one, other}]
    await door.judge(knock("project-added", a_project("P-2"), by="client"))
    await door.judge(knock("forecast-updated", a_forecast("F-2", project="P-2"), by="client"))
    third = door.announced("forecast-updated")[-1]
    assert third["place"]["precision"] == "municipality"
    assert {one, third["forecast_id"]} in await suggested(door)


async def test_who_may_not_see_one_side_gets_no_hint_of_the_pair(http: Http, door: Door):
    """Told to parties only: the coordinator of the region and the operator see it, no owner."""
    await told(door, "acme")
    await told(door, "client")
    for asker, seen in ((ACME, 0), (CLIENT, 0), (NORTH, 0), (ACMES_COORDINATOR, 0),
                        (UUSIMAA, 1), (OPERATOR, 1)):  # fmt: skip
        _, listed = await http.ask("GET", "/duplicates", by=asker)
        assert len(listed["items"]) == seen, asker.subject


async def test_once_the_other_is_open_its_duplicates_owner_sees_the_pair(http: Http, door: Door):
    """Both must be visible; who has no part in either side is not told, though it sees both."""
    await told(door, "acme")
    await told(door, "client", visibility="forum")
    for asker, seen in ((ACME, 1), (CLIENT, 0), (NORTH, 0)):
        _, listed = await http.ask("GET", "/duplicates", by=asker)
        assert len(listed["items"]) == seen, asker.subject


def decision(what: str, counts: str, duplicate: str) -> dict[str, Any]:
    return {"json": {"decision": what, "counts": counts, "duplicate": duplicate}}


async def state_of(door: Door, id: str) -> tuple[str, bool, int]:
    ((state, revision),) = await rows(
        door.database, "SELECT state, revision FROM forecast WHERE id = :id", id=id
    )
    return state["status"], state.get("duplicate", False), revision


async def test_a_linked_duplicate_is_offered_no_longer_until_it_is_unlinked(http: Http, door: Door):
    """One counts; the other is a draft, stays so when told again, and returns whole."""
    one, other = await told(door, "acme"), await told(door, "client")
    status, pair = await http.ask("POST", "/duplicates", by=UUSIMAA, **decision("link", one, other))
    assert (status, pair["state"], pair["counts"]) == (200, "linked", one)
    assert await state_of(door, one) == ("offered", False, 1)
    assert await state_of(door, other) == ("draft", True, 2)

    await told(door, "client", quantity=1100)
    assert door.announced("forecast-updated")[-1]["duplicate"] is True
    assert await state_of(door, other) == ("draft", True, 3)
    await door.judge(knock("forecast-updated", a_forecast(**SITE, quantity=1100), by="client"))
    assert (await state_of(door, other))[0] == "draft"

    status, pair = await http.ask("POST", "/duplicates", by=UUSIMAA,
                                  **decision("unlink", one, other))  # fmt: skip
    assert (status, pair["state"], pair["counts"]) == (200, "suggested", None)
    assert await state_of(door, other) == ("offered", False, 4)
    trail = await rows(
        door.database,
        "SELECT subject, action FROM trail WHERE object = :it ORDER BY at, id",
        it=f"forecast/{other}",
    )
    assert [tuple(row) for row in trail] == [
        ("person/p-regional", "duplicate-linked"), ("person/p-regional", "duplicate-suggested")
    ]  # fmt: skip


async def test_who_decided_is_told_to_their_own_organisation_and_the_regions_coordinators(
    http: Http, door: Door
):
    """The other side learns that it was decided and when, in the list and on the trail alike."""
    one = await told(door, "acme", visibility="forum")
    other = await told(door, "client", visibility="forum")
    person = {"name": "P", "email": "p@example.invalid", "roles": ["coordinator"]}
    _, made = await http.ask("POST", "/organisations/client/members", by=OPERATOR, json=person)
    client = {"client": ("coordinator",)}
    decider, colleague = Asker(made["person"], "person", client), Asker("p-2", "person", client)
    by = f"person/{made['person']}"
    status, pair = await http.ask("POST", "/duplicates", by=decider, **decision("link", other, one))
    assert (status, pair["decided_by"]) == (200, by)
    acmes_in_region = Asker("p-3", "person", ACMES_COORDINATOR.organisations, ("01",))
    for asker, told_by in (
        (decider, by), (colleague, by), (CLIENT, by), (UUSIMAA, by), (OPERATOR, by),
        (ACMES_COORDINATOR, None), (ACME, None), (acmes_in_region, by),
    ):  # fmt: skip
        _, listed = await http.ask("GET", "/duplicates?state=linked", by=asker)
        (found,) = listed["items"]
        assert (found["decided_by"], found["decided_at"]) == (told_by, pair["decided_at"])
    for asker, told_by in ((ACMES_COORDINATOR, None), (colleague, by), (acmes_in_region, by)):
        _, listed = await http.ask("GET", f"/trail?object=forecast/{one}", by=asker)
        linked = [each for each in listed["items"] if each["action"] == "duplicate-linked"]
        assert [(each["subject"], each["acting_for"]) for each in linked] == [(told_by, ["client"])]


async def test_a_refused_pair_is_not_suggested_again(http: Http, door: Door):
    """Both are offered as before, however often they are told."""
    one, other = await told(door, "acme"), await told(door, "client")
    status, _ = await http.ask("POST", "/duplicates", by=OPERATOR, **decision("refuse", one, other))
    assert status == 200
    await told(door, "client", quantity=1100)
    assert (await http.ask("GET", "/duplicates", by=OPERATOR))[1]["items"] == []
    assert (await state_of(door, one))[0] == (await state_of(door, other))[0] == "offered"


async def test_who_may_not_see_both_cannot_tell_a_pair_from_none(http: Http, door: Door):
    """The answer is the same as to ids that there are not; readers and services decide nothing."""
    one, other = await told(door, "acme"), await told(door, "client", visibility="forum")
    nothing = "00000000-0000-4000-8000-000000000007"
    for by in (CLIENT, NORTH):
        answers = [
            await http.ask("POST", "/duplicates", by=by, **decision("link", one, id))
            for id in (other, nothing)
        ]
        assert [status for status, _ in answers] == [404, 404]
        assert {body["code"] for _, body in answers} == {"duplicate_unknown"}
    for by in (ACMES_READER, MATCHER):
        status, _ = await http.ask("POST", "/duplicates", by=by, **decision("link", one, other))
        assert status == 403
    assert await state_of(door, other) == ("offered", False, 1)
    status, _ = await http.ask("POST", "/duplicates", by=ACME, **decision("link", one, other))
    assert status == 200


async def test_links_form_no_ring_and_one_of_three_counts(http: Http, door: Door):
    """A duplicate counts for nothing and has one that counts; what counts may become one."""
    one, other, third = [await told(door, by) for by in ("acme", "client", "north")]
    await http.ask("POST", "/duplicates", by=OPERATOR, **decision("link", one, other))
    for counts, duplicate, code in (
        (other, third, "counts_nothing"), (third, other, "linked_already")
    ):  # fmt: skip
        status, refused = await http.ask("POST", "/duplicates", by=OPERATOR,
                                         **decision("link", counts, duplicate))  # fmt: skip
        assert (status, refused["code"]) == (409, code)

    status, _ = await http.ask("POST", "/duplicates", by=OPERATOR, **decision("link", third, one))
    assert status == 200
    seen = [(await state_of(door, id))[0] for id in (one, other, third)]
    assert seen == ["draft", "draft", "offered"]


async def test_which_of_a_linked_pair_counts_can_be_changed(http: Http, door: Door):
    """Linked the other way round, the first is the draft."""
    one, other = await told(door, "acme"), await told(door, "client")
    for counts, duplicate in ((one, other), (other, one)):
        status, pair = await http.ask("POST", "/duplicates", by=OPERATOR,
                                      **decision("link", counts, duplicate))  # fmt: skip
        assert (status, pair["counts"]) == (200, counts)
        assert (await state_of(door, counts))[0] == "offered"
        assert (await state_of(door, duplicate))[0] == "draft"


async def test_a_pair_that_nobody_suggested_is_linked_by_who_sees_both(http: Http, door: Door):
    """Named by a person: it is in the list with that reason, and can be unlinked again."""
    one = await told(door, "acme")
    other = await told(door, "client", quantity=9000)
    assert await suggested(door) == []
    unseen = await http.ask("POST", "/duplicates", by=CLIENT, **decision("link", one, other))
    assert (unseen[0], unseen[1]["code"]) == (404, "duplicate_unknown")

    status, pair = await http.ask("POST", "/duplicates", by=UUSIMAA, **decision("link", one, other))
    assert (status, pair["state"], pair["reasons"]) == (200, "linked", {"named_by": "person"})
    assert (await state_of(door, other))[0] == "draft"
    status, _ = await http.ask("POST", "/duplicates", by=UUSIMAA, **decision("unlink", one, other))
    assert (status, (await state_of(door, other))[0]) == (200, "offered")


async def test_what_cannot_be_one_mass_is_not_linked(http: Http, door: Door):
    """A surplus is no need, and nothing is its own duplicate; it says what to name instead."""
    one = await told(door, "acme")
    other = await told(door, "client", direction="need", use="general_fill")
    for counts, duplicate in ((one, other), (one, one)):
        status, refused = await http.ask("POST", "/duplicates", by=OPERATOR,
                                         **decision("link", counts, duplicate))  # fmt: skip
        assert (status, refused["code"]) == (422, "duplicate_impossible")
    assert await suggested(door) == []


async def test_what_was_told_before_anybody_looked_is_suggested_by_the_operator(
    http: Http, door: Door, monkeypatch: pytest.MonkeyPatch
):
    """A few at a time, until there are no more; nobody else may look."""
    monkeypatch.setattr(alike, "AT_ONCE", 1)
    one, other = await told(door, "acme"), await told(door, "client")
    async with door.database.begin_work() as work:
        await work.session.execute(text("DELETE FROM duplicate"))
    assert (await http.ask("POST", "/duplicates/look", by=UUSIMAA, json={}))[0] == 403

    after, asked = None, 0
    while asked == 0 or after is not None:
        status, answer = await http.ask("POST", "/duplicates/look", by=OPERATOR,
                                        json={"after": after})  # fmt: skip
        assert status == 200
        after, asked = answer["next"], asked + 1
    assert asked == 3
    assert await suggested(door) == [{one, other}]


async def test_what_waits_is_counted_exactly_and_only_what_the_asker_sees(http: Http, door: Door):
    """A pair that is not seen is not counted; one's own forecasts can be asked for alone."""
    one = await told(door, "acme", visibility="forum")
    other = await told(door, "client", visibility="forum")
    await told(door, "north", quantity=9000)
    await door.judge(knock("project-added", a_project("P-9", region="01"), by="acme"))
    async with door.database.begin_work() as work:
        await work.session.execute(
            text("UPDATE forecast SET asked_at = now() WHERE organisation <> 'client'")
        )
    for asker, waits in ((ACME, (1, 1, 1)), (CLIENT, (1, 1, 0)), (NORTH, (2, 0, 0)),
                         (UUSIMAA, (2, 1, 1))):  # fmt: skip
        _, counted = await http.ask("GET", "/counts?region=01", by=asker)
        assert (counted["to_confirm"], counted["duplicates"], counted["to_call"]) == waits
    _, elsewhere = await http.ask("GET", "/counts?region=06", by=OPERATOR)
    assert [elsewhere[name] for name in ("to_confirm", "duplicates", "to_call")] == [0, 0, 0]

    for asker, own in ((ACME, {one}), (CLIENT, {other}), (OPERATOR, set())):
        _, listed = await http.ask("GET", "/forecasts?own=true", by=asker)
        assert {each["forecast_id"] for each in listed["items"]} == own, asker.subject
