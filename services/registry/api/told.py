"""What the answers look like, for the OpenAPI document: nothing is checked or copied by them."""

from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel, Field

from shared.contracts import AreaUpdated, ForecastUpdated, ProjectAdded, Receipt

T = TypeVar("T")


class Listing(BaseModel, Generic[T]):
    """A page of a list: give *next* as `after` until it is null."""

    items: list[T]
    next: str | None
    as_of: datetime | None


class ToldProject(ProjectAdded):
    """A project as the asker may see it; `early_estimate` where it is asked whom to call."""

    updated_at: datetime


class ToldForecast(ForecastUpdated):
    """A forecast as the asker may see it; its own id for who reports it."""

    external_id: str | None = None
    updated_at: datetime


class ToldArea(AreaUpdated):
    """An area as the asker may see it; its own id for who reports it."""

    external_id: str | None = None
    updated_at: datetime


class ToldCounts(BaseModel):
    """How much waits in a region: exactly, of what the asker may see."""

    region: str
    to_confirm: int
    duplicates: int
    to_call: int


class ToldDelivery(BaseModel):
    """Loads as their reporter told them last; told again under *external_id* they are corrected."""

    delivery_id: UUID
    external_id: str
    reporter: str
    revision: int
    told: dict[str, Any]


class ToldReceipt(Receipt):
    """A receipt in a list, with the moment `at` which it was given, and without its region."""

    region: str = "-"


class ToldOrganisation(BaseModel):
    token: str
    title: str
    region: str
    actor_type: str
    business_id: str | None
    status: str
    revision: int


class ToldKey(BaseModel):
    """A key, without what opens anything."""

    id: UUID
    kind: str
    public_key: str | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class ToldMandate(BaseModel):
    owner: str
    reporter: str
    since: datetime


class ToldMember(BaseModel):
    person: UUID
    name: str
    email: str
    language: str
    roles: list[str]
    regions: list[str]


class ToldRegion(BaseModel):
    """A region with the number of its places."""

    code: str
    names: dict[str, str]
    places: int


class ToldPair(BaseModel):
    """Two forecasts that may be about the same mass; *counts* is set once they are linked."""

    forecasts: list[dict[str, Any]] = Field(min_length=2, max_length=2)
    score: float
    reasons: dict[str, Any]
    state: str
    suggested_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    counts: UUID | None


class Feature(BaseModel):
    type: str
    id: UUID
    geometry: dict[str, Any]
    properties: dict[str, Any]


class FeatureCollection(BaseModel):
    """RFC 7946, with *next* as in any list."""

    type: str
    features: list[Feature]
    next: str | None
    as_of: datetime | None


def answers(model: Any) -> dict[int | str, dict[str, Any]]:
    """For `responses=` of a route: what its success looks like."""
    return {200: {"model": model}}
