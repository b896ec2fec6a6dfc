"""What the registry announces: organisations, projects, forecasts, areas and deliveries."""

from datetime import date
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import Field

from shared.contracts.base import Event
from shared.contracts.parts import (
    Direction,
    Member,
    Place,
    Quantity,
    Source,
    Visibility,
    Window,
)


class OrganisationUpdated(Event):
    """An organisation and its members are now as told here, whole. Members are ids with roles."""

    name: ClassVar[str] = "registry.organisation-updated.v1"

    organisation: str
    revision: int = Field(ge=1)
    title: str
    actor_type: str = "company"
    business_id: str | None = None
    members: tuple[Member, ...] = ()
    status: Literal["active", "suspended"] = "active"


class _ProjectState(Event):
    project_id: UUID
    revision: int = Field(ge=1)
    organisation: str
    reporter: str
    external_id: str
    title: str
    place: Place
    site_kind: str
    phase: str = "not_applicable"
    window: Window | None = None
    contacts: tuple[UUID, ...] = ()
    visibility: Visibility = "parties"
    sample: bool = False


class ProjectAdded(_ProjectState):
    """A project is known for the first time. Readers keep the highest *revision*."""

    name: ClassVar[str] = "registry.project-added.v1"


class ProjectUpdated(_ProjectState):
    """A project is now as told here, whole. Readers keep the highest *revision*."""

    name: ClassVar[str] = "registry.project-updated.v1"


class ProjectWithdrawn(_ProjectState):
    """A project will not happen; its forecasts are told again as cancelled."""

    name: ClassVar[str] = "registry.project-withdrawn.v1"


class ForecastUpdated(Event):
    """
    One mass line of one project is now as told here, whole.

    Readers keep the highest *revision* they have seen, so the order of arrival does not matter.
    Codes are those of `shared.vocabulary`; one a reader does not know fits nothing. A forecast that
    is no longer offered (`status` other than `offered`) takes part in nothing. The quantity is what
    remained on the day *amount_as_of*; loads of that day and after are still to be taken off.
    """

    name: ClassVar[str] = "registry.forecast-updated.v1"

    forecast_id: UUID
    project_id: UUID
    revision: int = Field(ge=1)
    organisation: str
    reporter: str
    direction: Direction
    status: Literal["draft", "offered", "reserved", "cancelled"] = "offered"
    visibility: Visibility = "parties"
    contacts: tuple[UUID, ...] = ()
    meets: tuple[str, ...] = ()

    material: str
    material_subtype: str | None = None
    use: str | None = None
    quality: str = "unknown"
    accepts_unknown_quality: bool = False
    frost_class: str | None = None
    max_frost_class: str | None = None
    max_particle_mm: float | None = None
    contamination: str = "unknown"
    contamination_basis: str = "none"
    max_contamination: str = "P0"
    acid_sulphate: str = "unknown"
    accepts_acid_sulphate: bool = False
    invasive_status: str = "unknown"
    waste_status: str = "unknown"
    waste_code: str | None = None
    legal_route: str | None = None
    structure: str | None = None
    layer_m: float | None = None
    groundwater_area: bool | None = None

    quantity: Quantity
    amount_as_of: date | None = None
    net_of_own_use: bool = False
    reliability: str = "unknown"
    window: Window
    weekly_rate_t: float | None = None
    place: Place
    site_kind: str = "construction_site"
    phase: str = "not_applicable"
    transport_payer: Literal["giver", "taker", "shared"] | None = None
    price_eur_per_t: float | None = None
    source: Source | None = None
    sample: bool = False


class AreaUpdated(Event):
    """A place where masses may wait or be worked is now as told here, whole."""

    name: ClassVar[str] = "registry.area-updated.v1"

    area_id: UUID
    revision: int = Field(ge=1)
    organisation: str
    reporter: str
    title: str
    place: Place
    site_kind: str
    status: Literal["open", "closed"] = "open"
    visibility: Visibility = "forum"
    materials: tuple[str, ...] = ()
    max_contamination: str = "P0"
    accepts_acid_sulphate: bool = False
    processing: tuple[str, ...] = ()
    capacity_t: float | None = Field(default=None, ge=0)
    window: Window | None = None
    permit_until: date | None = None
    gate_fee_eur_per_t: float | None = None
    price_eur_per_t: float | None = None
    sample: bool = False


class DeliveryReported(Event):
    """
    Loads moved, as a company or a machine system reported them; a higher *revision* corrects.

    *origin* `virgin` is material bought for the need *forecast_id*.
    """

    name: ClassVar[str] = "registry.delivery-reported.v1"

    delivery_id: UUID
    revision: int = Field(ge=1)
    organisation: str
    reporter: str
    forecast_id: UUID | None = None
    match_id: UUID | None = None
    area_id: UUID | None = None
    outlet: str
    origin: Literal["lot", "virgin"] = "lot"
    material: str
    quantity: Quantity
    moved_on: date
    haul_km: float | None = Field(default=None, ge=0)
    vehicle: str | None = None
    energy: str | None = None
    waybill: str | None = None
