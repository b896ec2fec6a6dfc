"""Matches, organisations and people as they are told: valid by default, changed by keyword."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from services.notifier import domain
from shared.contracts import (
    ConfirmationAsked,
    MatchChanged,
    MatchFound,
    OrganisationUpdated,
    ProjectAdded,
)
from shared.contracts.matcher import Climate, Side, Value
from shared.contracts.parts import Member, Place, Tonnes, Window

AINO, BO, REGINA = (UUID(int=number) for number in (1, 2, 3))
GIVER, TAKER = "louhinta-oy", "taytto-ab"


def a_side(organisation: str, *, contacts: tuple[UUID, ...] = (), **more: Any) -> Side:
    told: dict[str, Any] = {
        "forecast_id": uuid4(),
        "forecast_revision": 1,
        "project_id": uuid4(),
        "organisation": organisation,
        "region": "99",
        "material": "blasted_rock_loose",
        "place": Place(municipality="049", lat=60.2, lon=24.6),
        "contacts": contacts,
    }
    return Side(**told | more)


def a_match(contract: type[Any] = MatchFound, **more: Any) -> Any:
    told: dict[str, Any] = {
        "region": "99",
        "match_id": uuid4(),
        "revision": 1,
        "state": "proposed",
        "surplus": a_side(GIVER),
        "need": a_side(TAKER, place=Place(municipality="078", lat=59.8, lon=23.0)),
        "tonnes": Tonnes(low=2900, likely=3300, high=3800),
        "window": Window(first=date(2026, 5, 18), last=date(2026, 6, 24)),
        "distance_km": 12.34,
        "distance_method": "great_circle",
        "value": Value(
            cents_per_t=420,
            total_cents=1_386_000,
            disposal_avoided_cents_per_t=500,
            purchase_avoided_cents_per_t=100,
            haul_cents_per_t=180,
            giver_gain_cents_per_t=300,
            taker_gain_cents_per_t=120,
        ),
        "climate": Climate(saved_g_per_t=1000, counterfactual_g_per_t=3000, proposed_g_per_t=2000),
        "tonne_km": 40_722.0,
        "asks": (GIVER, TAKER),
    }
    return contract(**told | more)


def later(match: Any, **more: Any) -> MatchChanged:
    """The next revision of *match*."""
    told = {name: getattr(match, name) for name in type(match).model_fields}
    told |= {"id": uuid4(), "at": datetime.now(UTC), "revision": match.revision + 1, **more}
    return MatchChanged(**told)


def heard(event: Any) -> domain.Match:
    body = event.model_dump(mode="json", exclude_none=True)
    return domain.match_from(body, event.at, found=isinstance(event, MatchFound))


def an_organisation(token: str, *members: Member, **more: Any) -> OrganisationUpdated:
    told: dict[str, Any] = {
        "region": "99",
        "organisation": token,
        "revision": 1,
        "title": f"{token} ry <b>",
        "members": members,
        "at": datetime.now(UTC) - timedelta(hours=1),
    }
    return OrganisationUpdated(**told | more)


def a_member(person: UUID, *roles: str, regions: tuple[str, ...] = ()) -> Member:
    return Member(person=person, roles=roles or ("coordinator",), regions=regions)


def a_project(side: Side, **more: Any) -> ProjectAdded:
    told: dict[str, Any] = {
        "region": "99",
        "project_id": side.project_id,
        "revision": 1,
        "organisation": side.organisation,
        "reporter": side.organisation,
        "external_id": "K-1",
        "title": "Kehätien louhinta",
        "place": side.place,
        "site_kind": "construction_site",
    }
    return ProjectAdded(**told | more)


def a_question(**more: Any) -> ConfirmationAsked:
    """The giver's coordinator is asked of 1 600 t of clay."""
    told: dict[str, Any] = {
        "region": "99",
        "forecast_id": uuid4(),
        "revision": 2,
        "project_id": uuid4(),
        "organisation": GIVER,
        "reporter": GIVER,
        "external_id": "F-1",
        "title": "Kehätien oja",
        "direction": "surplus",
        "material": "clay",
        "likely_t": 1600.0,
        "window": Window(first=date(2027, 4, 1), last=date(2027, 5, 15)),
        "confirmed_at": datetime(2026, 8, 3, 6, tzinfo=UTC),
        "asked_at": datetime(2026, 11, 1, 6, tzinfo=UTC),
        "answer_by": datetime(2026, 11, 15, 6, tzinfo=UTC),
    }
    return ConfirmationAsked(**told | more)


def everybody() -> list[OrganisationUpdated]:
    """Two organisations with a coordinator each, and the regional coordinator's own."""
    return [
        an_organisation(GIVER, a_member(AINO)),
        an_organisation(TAKER, a_member(BO), a_member(UUID(int=9), "reporter")),
        an_organisation("seutu", a_member(REGINA, "regional_coordinator")),
    ]
