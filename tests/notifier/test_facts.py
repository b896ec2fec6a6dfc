"""What a webhook is told: what its organisation may see and asked for, and nothing else."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any, get_args
from uuid import UUID, uuid4, uuid5

import pytest
from sqlalchemy import text

from services.notifier import domain, handlers, store
from services.notifier.api import Name
from shared.contracts import (
    AreaUpdated,
    DeliveryRecorded,
    DuplicateChanged,
    DuplicateSuggested,
    ForecastUpdated,
    ProjectWithdrawn,
)
from shared.contracts.base import uuid7
from shared.contracts.matcher import Baseline, DeliveredEnd
from shared.contracts.parts import Place, Quantity, Window
from shared.contracts.registry import Alike
from tests.notifier.builders import GIVER, TAKER, a_match, a_project, a_question, a_side
from tests.notifier.test_near import a_near_miss

THIRD = "kolmas-oy"
PLACE = Place(municipality="049", lat=60.2, lon=24.6)
TILL = Quantity(
    value=1000.0, unit="t", low_t=700.0, likely_t=1000.0, high_t=1300.0, factor="1",
    factor_version="2026-11-24",
)  # fmt: skip
WINDOW = Window(first=date(2027, 4, 1), last=date(2027, 5, 15))


def a_forecast(**more: Any) -> ForecastUpdated:
    """The giver's till in the sample region, with a price and a person in charge."""
    told: dict[str, Any] = {
        "region": "99",
        "forecast_id": uuid4(),
        "project_id": uuid4(),
        "revision": 1,
        "organisation": GIVER,
        "reporter": GIVER,
        "direction": "surplus",
        "material": "till",
        "quantity": TILL,
        "window": WINDOW,
        "place": PLACE,
        "price_eur_per_t": 2.5,
        "contacts": (uuid4(),),
    }
    return ForecastUpdated(**told | more)


def an_area(**more: Any) -> AreaUpdated:
    told: dict[str, Any] = {
        "region": "99",
        "area_id": uuid4(),
        "revision": 1,
        "organisation": GIVER,
        "reporter": GIVER,
        "title": "Kenttä",
        "place": PLACE,
        "site_kind": "intermediate_storage",
        "materials": ("till", "clay"),
        "handling_eur_per_t": 1.0,
        "gate_fee_eur_per_t": 4.0,
    }
    return AreaUpdated(**told | more)


def an_end(organisation: str, **more: Any) -> DeliveredEnd:
    told: dict[str, Any] = {
        "forecast_id": uuid4(),
        "project_id": uuid4(),
        "organisation": organisation,
        "region": "99",
        "municipality": "049",
        "material": "till",
    }
    return DeliveredEnd(**told | more)


def a_load(**more: Any) -> DeliveryRecorded:
    told: dict[str, Any] = {
        "region": "99",
        "delivery_id": uuid4(),
        "revision": 1,
        "match_id": uuid4(),
        "surplus": an_end(GIVER),
        "need": an_end(TAKER),
        "outlet": "direct",
        "material": "till",
        "tonnes": 18.0,
        "moved_on": "2027-04-02",
        "baseline": Baseline(
            reception_km=20, gate_fee_cents_per_t=500, gate_work_g_per_t=100, quarry_km=20,
            virgin_cents_per_t=900, virgin_g_per_t=3000,
        ),
    }  # fmt: skip
    return DeliveryRecorded(**told | more)


def a_pair(*visible: str) -> DuplicateSuggested:
    """The same till told by the giver and the taker, each told to *visible*."""
    pair = [
        Alike(
            forecast_id=uuid4(), forecast_revision=1, project_id=uuid4(), organisation=one,
            reporter=one, region="99", visibility=told, direction="surplus", material="till",
            quantity=TILL, window=WINDOW, place=PLACE,
        )
        for one, told in zip((GIVER, TAKER), visible, strict=True)
    ]  # fmt: skip
    return DuplicateSuggested(
        region="99", duplicate_id=uuid4(), revision=2, forecasts=tuple(pair), score=0.9
    )


def seen_by(event: Any, organisation: str) -> domain.Seen | None:
    return domain.seen_by(handlers._fact(event), organisation)


def body_for(event: Any, organisation: str) -> Any:
    seen = seen_by(event, organisation)
    return seen and seen.body


def test_whatever_the_notifier_may_post_can_be_asked_for():
    """A new event is in the list of names, or nobody could want it."""
    assert {one.event_name() for one in handlers.ABOUT} == set(get_args(Name))


def of_giver(**more: Any) -> Any:
    return a_project(a_side(GIVER), **more)


@pytest.mark.parametrize("make", [a_forecast, an_area, of_giver])
def test_a_thing_is_told_whole_to_its_own_and_to_others_as_the_registry_answers(make):
    """Parties, region: to nobody else. Forum, public: without prices and persons."""
    for closed in ("region", "parties"):
        assert body_for(make(visibility=closed), TAKER) is None
        assert body_for(make(visibility=closed), GIVER) is not None
        assert body_for(make(visibility=closed, reporter=THIRD), THIRD) is not None
    for visibility in ("forum", "public"):
        event = make(visibility=visibility)
        own, other = seen_by(event, GIVER), seen_by(event, TAKER)
        assert own is not None and own.whose == "own"
        assert own.body == event.model_dump(mode="json", exclude_none=True)
        assert other is not None and other.whose == "others"
        hidden = {"price_eur_per_t", "contacts", "handling_eur_per_t"}
        assert set(other.body) == set(own.body) - hidden


def test_each_side_of_a_near_miss_sees_of_the_other_what_is_in_a_proposal():
    """No name, project, person or exact place, and not that the other could change it."""
    near = a_near_miss()
    own = near.surplus.organisation
    told = body_for(near, own)
    assert told["surplus"]["organisation"] == own
    assert near.need.organisation not in str(told)
    assert str(near.need.project_id) not in str(told)
    assert set(told["need"]["place"]) <= {"municipality", "sub_region"}
    assert body_for(near, THIRD) is None


def test_loads_are_told_to_both_sides_of_their_match_and_what_was_assumed_to_nobody():
    """Without a match the other end stays out."""
    load = a_load()
    for one in (GIVER, TAKER):
        told = body_for(load, one)
        assert told["tonnes"] == 18.0 and "baseline" not in told
        assert {told["surplus"]["organisation"], told["need"]["organisation"]} == {GIVER, TAKER}
    assert body_for(load, THIRD) is None
    assert TAKER not in str(body_for(a_load(match_id=None), GIVER))


def test_a_question_is_told_to_owner_and_reporter_alone():
    assert body_for(a_question(reporter=THIRD), THIRD) and body_for(a_question(), GIVER)
    assert body_for(a_question(), TAKER) is None


def test_a_suggested_duplicate_is_told_to_who_has_one_side_and_may_see_the_other():
    """As `GET /duplicates` lists it: a private side is no hint to anybody."""
    assert body_for(a_pair("parties", "parties"), GIVER) is None
    assert body_for(a_pair("parties", "forum"), GIVER) is not None
    assert body_for(a_pair("parties", "forum"), TAKER) is None
    assert body_for(a_pair("public", "forum"), THIRD) is None


def test_who_decided_of_a_pair_is_told_to_no_system():
    """What became of it is."""
    pair = a_pair("forum", "forum")
    told = {name: getattr(pair, name) for name in ("region", "duplicate_id", "forecasts")}
    linked = DuplicateChanged(**told, revision=3, change="linked", decided_by=uuid4())
    body = body_for(linked, GIVER)
    assert body is not None and body["change"] == "linked" and "decided_by" not in body


def test_filters_ask_for_what_a_fact_has():
    """Directions are of one's own side; a project has no material that could be wrong."""
    wants = domain.Filter(events=("forecast-updated",), directions=("need",), whose=("own",)).wants
    assert not wants("forecast-updated", seen_by(a_forecast(), GIVER))
    assert wants("forecast-updated", seen_by(a_forecast(direction="need"), GIVER))
    match = a_match()
    assert domain.Filter(directions=("surplus",)).wants("match-found", seen_by(match, GIVER))
    assert not domain.Filter(directions=("surplus",)).wants("match-found", seen_by(match, TAKER))
    its = domain.Filter(projects=(str(match.surplus.project_id),))
    assert its.wants("match-found", seen_by(match, GIVER))
    assert not its.wants("match-found", seen_by(match, TAKER))
    project = a_project(a_side(GIVER))
    assert domain.Filter(materials=("clay",)).wants("project-added", seen_by(project, GIVER))
    assert not domain.Filter(materials=("rock",)).wants("area-updated", seen_by(an_area(), GIVER))


@pytest.fixture
def add(database) -> Callable:
    """Keeps a webhook made an hour ago that wants every event."""

    async def added(organisation: str, **more: Any) -> UUID:
        row = {
            "id": uuid7(),
            "organisation": organisation,
            "url": "https://acme.example/hook",
            **{name: [] for name in store.FILTERS},
            "events": list(get_args(Name)),
            "whose": ["own"],
            "secret": "whsec_c2VjcmV0",
            "created_by": "",
            "created_at": datetime.now(UTC) - timedelta(hours=1),
        }
        async with database.begin_work() as work:
            await store.add_webhook(work.session, row | more)
        return row["id"]

    return added


async def posted(database) -> list[tuple[UUID, str]]:
    async with database.session() as session:
        asked = text("SELECT webhook_id, event FROM posting ORDER BY webhook_id, event")
        return [tuple(row) for row in await session.execute(asked)]


async def test_every_kind_of_news_is_queued_once_for_those_who_asked(database, hear, add):
    """The question of a forecast beside its revision; heard again, nothing is told twice."""
    own, open_ = await add(GIVER), await add(THIRD, whose=["others"])
    quiet = await add(TAKER, events=["match-found"])
    forecast = a_forecast(visibility="forum", revision=2)
    question = a_question(forecast_id=forecast.forecast_id)
    project = a_project(a_side(GIVER))
    gone = ProjectWithdrawn(**project.model_dump() | {"revision": 2, "id": uuid4()})
    for _ in range(2):
        await hear(forecast)
        await hear(question)
        await hear(project)
        await hear(gone)
        await hear(an_area(visibility="parties"), an_area(area_id=uuid5(project.project_id, "a")))
        await hear(a_load(delivery_id=uuid5(project.project_id, "l")))
        forecast = forecast.model_copy(update={"id": uuid4()})

    found = await posted(database)
    assert {event for id, event in found if id == own} == {
        "forecast-updated", "confirmation-asked", "project-added", "project-withdrawn",
        "area-updated", "delivery-recorded",
    }  # fmt: skip
    assert found.count((own, "forecast-updated")) == 1
    assert found.count((own, "confirmation-asked")) == 1
    assert [event for id, event in found if id == open_] == ["area-updated", "forecast-updated"]
    assert not [event for id, event in found if id == quiet]


async def test_news_that_is_old_or_older_than_the_webhook_is_not_posted(database, hear, add):
    """A rebuild tells no system what it knows."""
    await add(GIVER)
    await hear(a_forecast(at=datetime.now(UTC) - timedelta(hours=2)))
    await hear(a_forecast(at=datetime.now(UTC) - timedelta(days=8)))
    assert await posted(database) == []
