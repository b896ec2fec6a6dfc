"""Owners are asked whether their forecasts hold; silence costs the grade, then the offer."""

import json
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from services.registry import handlers, store
from services.registry.domain import Asking, Freshness, due_at
from tests.registry.builders import a_forecast, a_project, knock
from tests.registry.conftest import ACME, NORTH, Door, Http, rows

ASKING = Asking()
WINDOW = {"first": "2028-04-01", "last": "2028-05-15"}
LOOK = partial(handlers.look_at_calendar, None, asking=ASKING, zone=UTC, every=timedelta(hours=1))
NOW = datetime(2027, 1, 1, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    "fresh, due",
    [
        (Freshness(NOW), NOW + timedelta(days=90)),
        (Freshness(datetime(2028, 1, 20, tzinfo=UTC)), datetime(2028, 2, 5, tzinfo=UTC)),
        (Freshness(datetime(2028, 2, 6, tzinfo=UTC)), datetime(2028, 5, 6, tzinfo=UTC)),
        (Freshness(datetime(2028, 3, 1, tzinfo=UTC)), None),
        (Freshness(NOW, NOW), NOW + timedelta(days=14)),
        (Freshness(NOW, NOW, 1), NOW + timedelta(days=28)),
        (Freshness(NOW, NOW, 2), None),
    ],
    ids=["silence", "window soon", "asked before that", "over by then", "no answer",
         "none again", "stale"],
)  # fmt: skip
def test_an_owner_is_asked_after_a_silence_and_before_the_window_opens(fresh, due):
    assert due_at(fresh, WINDOW, ASKING, UTC) == due


async def look(door: Door, now: datetime) -> None:
    """The registry looks at its calendar at *now*."""
    async with door.database.begin_work() as work:
        work.now, work.today = now, now.date()
        await LOOK(work)
        letters = list(work.letters)
    door.told += [(one.name.split(".")[1], _body(one)) for one in letters]


def _body(letter: Any) -> dict[str, Any]:
    return dict(json.loads(letter.payload))


def a_good_forecast(**told: Any) -> dict[str, Any]:
    return a_forecast(reliability="A", available_from=WINDOW["first"],
                      available_to=WINDOW["last"], **told)  # fmt: skip


async def told_at(door: Door, *said: dict[str, Any]) -> datetime:
    """A project and *said* of it are told; when that was."""
    await door.judge(knock("project-added", a_project()))
    await door.judge(*[knock("forecast-updated", one) for one in said])
    ((at,),) = await rows(door.database, "SELECT max(confirmed_at) FROM forecast")
    found: datetime = at
    return found


async def test_silence_costs_the_grade_and_then_the_offer(door: Door):
    """Asked after 90 days; a grade less after 14 more; no offer after 14 more; then no more."""
    at = await told_at(door, a_good_forecast())
    seen = []
    for days in (89, 91, 92, 104, 106, 107, 121, 122, 200):
        await look(door, at + timedelta(days=days))
        last = door.announced("forecast-updated")[-1]
        seen.append((last["revision"], last["reliability"], last["status"]))

    assert seen == [
        (1, "A", "offered"), (2, "A", "offered"), (2, "A", "offered"), (2, "A", "offered"),
        (3, "B", "offered"), (3, "B", "offered"), (4, "B", "draft"), (4, "B", "draft"),
        (4, "B", "draft"),
    ]  # fmt: skip
    assert door.announced("forecast-updated")[-1]["freshness"]["stale"] is True
    (question,) = door.announced("confirmation-asked")
    assert (question["external_id"], question["title"]) == ("F-1", "Kalasatama bends")
    assert datetime.fromisoformat(question["answer_by"]) == at + timedelta(days=91 + 14)
    assert date.fromisoformat(question["window"]["first"]) == date(2028, 4, 1)


async def test_told_again_word_for_word_it_is_as_fresh_as_new(door: Door):
    """That it is unchanged is an answer: grade and offer return."""
    at = await told_at(door, a_good_forecast())
    for days in (91, 106, 121):
        await look(door, at + timedelta(days=days))
    assert door.announced("forecast-updated")[-1]["status"] == "draft"

    assert await door.codes(knock("forecast-updated", a_good_forecast())) == ["unchanged"]

    last = door.announced("forecast-updated")[-1]
    assert (last["status"], last["reliability"], last["revision"]) == ("offered", "A", 5)
    assert "freshness" not in last


async def test_what_is_not_offered_or_is_over_is_not_asked_about(door: Door):
    """Nobody is asked of a draft, of what is cancelled, or of last year's masses."""
    at = await told_at(
        door,
        a_forecast("F-1", status="draft"),
        a_forecast("F-2", status="cancelled"),
        a_forecast("F-3", available_from="2026-01-01", available_to="2026-02-01"),
    )
    await look(door, at + timedelta(days=91))
    assert door.announced("confirmation-asked") == []


async def test_the_owner_confirms_over_https_and_nobody_else(http: Http, door: Door):
    """Of those named, the asker's own are confirmed; the others are left out alike."""
    at = await told_at(door, a_good_forecast())
    await look(door, at + timedelta(days=91))
    ((id,),) = await rows(door.database, "SELECT id FROM forecast")
    unknown = str(UUID(int=7))

    status, listed = await http.ask("GET", "/forecasts?asked=true", by=ACME)
    assert [one["forecast_id"] for one in listed["items"]] == [str(id)]
    status, told = await http.ask("POST", "/forecasts/confirm", by=NORTH,
                                  json={"forecasts": [str(id), unknown]})  # fmt: skip
    assert (status, told) == (200, {"confirmed": [], "left_out": [str(id), unknown]})

    status, told = await http.ask("POST", "/forecasts/confirm", by=ACME,
                                  json={"forecasts": [str(id)]})  # fmt: skip
    assert (status, told["confirmed"]) == (200, [{"forecast_id": str(id), "revision": 3}])
    async with door.database.session() as session:
        (thing,) = await store.things(session, "forecast", [id])
    assert thing.fresh is not None and thing.fresh.asked_at is None
    assert (await http.ask("GET", "/forecasts?asked=true", by=ACME))[1]["items"] == []


async def test_a_project_that_moves_leaves_the_question_open(door: Door):
    """A forecast told again because of its project is not confirmed by that."""
    at = await told_at(door, a_good_forecast())
    await look(door, at + timedelta(days=91))
    await door.judge(knock("project-updated", a_project(phase="construction")))
    last = door.announced("forecast-updated")[-1]
    assert last["phase"] == "construction" and "freshness" in last
