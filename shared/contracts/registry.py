"""What the registry announces: organisations, projects, forecasts, areas and deliveries."""

from datetime import date, datetime
from typing import Any, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from shared.contracts.base import Event, Part
from shared.contracts.parts import (
    Direction,
    Estimate,
    Freshness,
    Laboratory,
    Member,
    Place,
    Programme,
    Quantity,
    SoilCode,
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
    probability: float | None = Field(default=None, ge=0, le=1)
    programme: Programme | None = None
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

    *contamination* is the class that holds: of the *laboratory* where it has values and no worse
    class was told. *acid_sulphate_suggested* is what screening suggests, never a status told.
    *stored_until* is the last day the mass may lie in storage, *storage_alerts* days to remind of.
    *freshness* stands while its owner is asked whether it holds. A *duplicate* is the same mass as
    another forecast, which counts for both; until it is unlinked it is a draft.
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
    soil_code: SoilCode | None = None
    use: str | None = None
    quality: str = "unknown"
    accepts_unknown_quality: bool = False
    frost_class: str | None = None
    max_frost_class: str | None = None
    max_particle_mm: float | None = None
    stones_percent: float | None = None
    moisture_percent: float | None = None
    waste_content_percent: float | None = None
    vertical_position_m: float | None = None
    contamination: str = "unknown"
    contamination_basis: str = "none"
    worst_substance: str | None = None
    laboratory: Laboratory | None = None
    suspected_place: bool = False
    max_contamination: str = "P0"
    max_contamination_basis: str = "none"
    acid_sulphate: str = "unknown"
    acid_sulphate_suggested: str | None = None
    accepts_acid_sulphate: bool = False
    total_S_percent: float | None = None
    nag_ph: float | None = None
    lime_need_kg_per_t: float | None = None
    invasive_status: str = "unknown"
    invasive_species: tuple[str, ...] = ()
    invasive_surveyed_on: date | None = None
    deep_cover: bool = False
    waste_status: str = "unknown"
    waste_code: str | None = None
    legal_route: str | None = None
    structure: str | None = None
    layer_m: float | None = None
    groundwater_area: bool | None = None
    groundwater_class: str | None = None
    play_area: bool | None = None
    housing_area: bool | None = None
    cover: str | None = None
    above_groundwater_m: float | None = None
    well_distance_m: float | None = None
    made_at_demolition_site: bool | None = None
    storage_site: str | None = None
    stored_since: date | None = None
    storage_purpose: str | None = None
    stored_until: date | None = None
    storage_alerts: tuple[date, ...] = ()

    quantity: Quantity
    estimate: Estimate | None = None
    amount_as_of: date | None = None
    net_of_own_use: bool = False
    reliability: str = "unknown"
    window: Window
    weekly_rate_t: float | None = None
    place: Place
    site_kind: str = "construction_site"
    phase: str = "not_applicable"
    probability: float | None = Field(default=None, ge=0, le=1)
    transport_payer: Literal["giver", "taker", "shared"] | None = None
    price_eur_per_t: float | None = None
    source: Source | None = None
    freshness: Freshness | None = None
    duplicate: bool = False
    sample: bool = False


class ConfirmationAsked(Event):
    """
    The owner of a forecast is asked whether it still holds: to tell it again, or to confirm it.

    Without an answer by *answer_by* its grade drops, and as long after it is offered no longer.
    """

    name: ClassVar[str] = "registry.confirmation-asked.v1"

    forecast_id: UUID
    revision: int = Field(ge=1)
    project_id: UUID
    organisation: str
    reporter: str
    external_id: str
    contacts: tuple[UUID, ...] = ()
    title: str
    direction: Direction
    material: str
    likely_t: float = Field(ge=0)
    window: Window
    confirmed_at: datetime
    asked_at: datetime
    answer_by: datetime
    sample: bool = False


class Alike(Part):
    """One of two forecasts that may be about the same mass, as it was when they were compared."""

    forecast_id: UUID
    forecast_revision: int = Field(ge=1)
    project_id: UUID
    organisation: str
    reporter: str
    region: str
    visibility: Visibility
    direction: Direction
    material: str
    quantity: Quantity
    window: Window
    place: Place


class DuplicateSuggested(Event):
    """
    Two forecasts may be about the same mass, told by several; a person decides whether they are.

    Told when the pair is new, or alike again, by an id that stays the pair's; *revision* is the
    pair's and grows with all that is told of it. *score* is from 0 to 1, *reasons* say what is
    alike and by how much.
    """

    name: ClassVar[str] = "registry.duplicate-suggested.v1"

    duplicate_id: UUID
    revision: int = Field(ge=1)
    forecasts: tuple[Alike, Alike]
    score: float = Field(ge=0, le=1)
    reasons: dict[str, Any] = Field(default_factory=dict)
    sample: bool = False


class DuplicateChanged(Event):
    """
    What became of a suggested duplicate, by the same id and on the same line of revisions.

    Once `linked`, *counts* is the forecast that counts, and the other is a draft. `unlinked` and
    `reopened` (after `refused`) suggest the pair again; `dropped` is what is alike no longer.
    *decided_by* is the person who decided, where one did.
    """

    name: ClassVar[str] = "registry.duplicate-changed.v1"

    duplicate_id: UUID
    revision: int = Field(ge=1)
    change: Literal["linked", "unlinked", "refused", "reopened", "dropped"]
    counts: UUID | None = None
    decided_by: UUID | None = None
    forecasts: tuple[Alike, Alike]
    sample: bool = False


class ProcessingTerms(Part):
    """
    What a working costs per tonne that goes in, and the share of it that comes out.

    What is not told is the default of `shared.vocabulary`, unverified.
    """

    processing: str
    cost_eur_per_t: float | None = Field(default=None, ge=0)
    yield_share: float = Field(default=1.0, gt=0, le=1)


class AreaUpdated(Event):
    """
    A place where masses may wait, be worked, be received for good or be dug is now as told here.

    Whole. It takes the *materials* named, up to *max_contamination*, while its *window* is open and
    no longer than *permit_until*. *capacity_t* is what may lie there at a time, *stock_t* what lies
    there already and stays; fees are EUR per tonne, VAT 0.
    """

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
    max_contamination_basis: str = "none"
    accepts_acid_sulphate: bool = False
    processing: tuple[str, ...] = ()
    processing_terms: tuple[ProcessingTerms, ...] = ()
    capacity_t: float | None = Field(default=None, ge=0)
    stock_t: float = Field(default=0, ge=0)
    weekly_rate_t: float | None = Field(default=None, gt=0)
    meets: tuple[str, ...] = ()
    window: Window | None = None
    permit_until: date | None = None
    handling_eur_per_t: float | None = Field(default=None, ge=0)
    storage_eur_per_t_month: float | None = Field(default=None, ge=0)
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
