"""What companies hand in at the door, and the receipt each event gets."""

from datetime import date
from typing import Any, ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from shared.contracts.base import Event, Part, last_day, notice_headers
from shared.contracts.parts import (
    Direction,
    Estimate,
    LabReport,
    Precision,
    Programme,
    SoilCode,
    Visibility,
)


class Handed(BaseModel):
    """
    One event as a company hands it in, under the company's own ids.

    *external_id* is the company's id of the thing; *external_revision*, where its system counts,
    lets late news be known as late. *owner* is another organisation only under a mandate. A field
    that is not known is refused, so that a misspelt one is not lost.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: ClassVar[str]
    deprecated_on: ClassVar[date | None] = None

    external_id: str = Field(min_length=1, max_length=200)
    external_revision: int | None = Field(default=None, ge=0)
    owner: str | None = None

    @classmethod
    def event_name(cls) -> str:
        return cls.name.split(".")[1]

    def body(self) -> bytes:
        return self.model_dump_json(exclude_none=True).encode()


class HandedProject(Handed):
    """
    A project: where it is, what kind of site, when it moves earth.

    *precision* `municipality` says that the point told is no more exact than the municipality's.
    *probability*, 0 to 1, is how likely it is to happen, where its owner knows better than its
    phase tells. *programme* is where it is seen coming from before it has any forecast.
    """

    name: ClassVar[str] = "intake.project-added.v1"

    title: str = Field(min_length=1, max_length=300)
    region: str | None = None
    municipality: str | None = None
    lat: float | None = None
    lon: float | None = None
    precision: Precision | None = None
    site_kind: str = "construction_site"
    phase: str = "not_applicable"
    probability: float | None = Field(default=None, ge=0, le=1)
    programme: Programme | None = None
    available_from: date | None = None
    available_to: date | None = None
    contacts: tuple[UUID, ...] = ()
    visibility: Visibility = "parties"


class HandedProjectUpdate(HandedProject):
    """A project as it now is, whole."""

    name: ClassVar[str] = "intake.project-updated.v1"


class HandedProjectWithdrawal(Handed):
    """A project that will not happen."""

    name: ClassVar[str] = "intake.project-withdrawn.v1"

    reason: str | None = Field(default=None, max_length=500)


class HandedForecast(Handed):
    """
    One mass line of a project: what, how much, when.

    *project* is the project's external id. Place, phase and visibility are the project's where
    not told. *quantity* is in *unit* (`t`, `m3ktr`, `m3itd`, `m3rtr` …; a bare `m3` is refused)
    and is what remains on the day *amount_as_of*: the day it was first told, where not said.

    With *lab_results* (mg/kg of dry matter by substance) the class of contamination is computed,
    and a better *contamination* told beside them is refused. *background_values* are documented
    natural backgrounds of metals, *suspected_substances* what must have a result as well.

    An amount from before the design tells its *estimate*: the inputs that multiply to *quantity*.
    It is no better than reliability C, and its bounds are wide where not told.
    """

    name: ClassVar[str] = "intake.forecast-updated.v1"

    project: str = Field(min_length=1, max_length=200)
    direction: Direction
    material: str
    material_subtype: str | None = None
    soil_code: SoilCode | None = None
    use: str | None = None
    quality: str = "unknown"
    accepts_unknown_quality: bool = False
    frost_class: str | None = None
    max_frost_class: str | None = None
    max_particle_mm: float | None = Field(default=None, gt=0)
    stones_percent: float | None = Field(default=None, ge=0, le=100)
    moisture_percent: float | None = Field(default=None, ge=0, le=1000)
    waste_content_percent: float | None = Field(default=None, ge=0, le=100)
    vertical_position_m: float | None = None
    contamination: str = "unknown"
    contamination_basis: str = "none"
    suspected_place: bool = False
    lab_report: LabReport | None = None
    lab_results: dict[str, float] = Field(default_factory=dict)
    background_values: dict[str, float] = Field(default_factory=dict)
    suspected_substances: tuple[str, ...] = ()
    max_contamination: str = "P0"
    max_contamination_basis: str = "none"
    acid_sulphate: str = "unknown"
    accepts_acid_sulphate: bool = False
    total_S_percent: float | None = Field(default=None, ge=0, le=100)
    nag_ph: float | None = Field(default=None, ge=0, le=14)
    lime_need_kg_per_t: float | None = Field(default=None, ge=0)
    invasive_status: str = "unknown"
    invasive_species: tuple[str, ...] = ()
    invasive_surveyed_on: date | None = None
    deep_cover: bool = False
    waste_status: str = "unknown"
    waste_code: str | None = None
    legal_route: str | None = None
    structure: str | None = None
    layer_m: float | None = Field(default=None, gt=0)
    groundwater_area: bool | None = None
    groundwater_class: str | None = None
    play_area: bool | None = None
    housing_area: bool | None = None
    cover: str | None = None
    above_groundwater_m: float | None = Field(default=None, ge=0)
    well_distance_m: float | None = Field(default=None, ge=0)
    made_at_demolition_site: bool | None = None
    storage_site: str | None = Field(default=None, max_length=200)
    stored_since: date | None = None
    storage_purpose: str | None = None
    quantity: float = Field(ge=0)
    unit: str
    method: str = "estimate"
    low: float | None = Field(default=None, ge=0)
    high: float | None = Field(default=None, ge=0)
    estimate: Estimate | None = None
    amount_as_of: date | None = None
    reliability: str = "unknown"
    net_of_own_use: bool = False
    available_from: date
    available_to: date
    weekly_rate_t: float | None = Field(default=None, gt=0)
    municipality: str | None = None
    lat: float | None = None
    lon: float | None = None
    site_kind: str | None = None
    phase: str | None = None
    probability: float | None = Field(default=None, ge=0, le=1)
    transport_payer: Literal["giver", "taker", "shared"] | None = None
    price_eur_per_t: float | None = None
    visibility: Visibility | None = None
    status: Literal["draft", "offered", "reserved", "cancelled"] = "offered"
    source_system: str | None = None
    source_id: str | None = None
    assumptions: tuple[str, ...] = ()
    note: str | None = Field(default=None, max_length=2000)


class HandedProcessing(BaseModel):
    """What a working costs per tonne in, and the share that comes out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    processing: str
    cost_eur_per_t: float | None = Field(default=None, ge=0)
    yield_share: float = Field(default=1.0, gt=0, le=1)


class HandedArea(Handed):
    """A place where masses may wait, be worked, be received for good or be dug."""

    name: ClassVar[str] = "intake.area-updated.v1"

    title: str = Field(min_length=1, max_length=300)
    region: str | None = None
    municipality: str | None = None
    lat: float | None = None
    lon: float | None = None
    site_kind: str
    status: Literal["open", "closed"] = "open"
    materials: tuple[str, ...] = ()
    max_contamination: str = "P0"
    max_contamination_basis: str = "none"
    accepts_acid_sulphate: bool = False
    processing: tuple[str, ...] = ()
    processing_terms: tuple[HandedProcessing, ...] = ()
    capacity_t: float | None = Field(default=None, ge=0)
    stock_t: float | None = Field(default=None, ge=0)
    weekly_rate_t: float | None = Field(default=None, gt=0)
    available_from: date | None = None
    available_to: date | None = None
    permit_until: date | None = None
    handling_eur_per_t: float | None = Field(default=None, ge=0)
    storage_eur_per_t_month: float | None = Field(default=None, ge=0)
    gate_fee_eur_per_t: float | None = None
    price_eur_per_t: float | None = None
    visibility: Visibility = "forum"


class HandedDelivery(Handed):
    """
    Loads moved, against a match, or a forecast or area of the reporter's own.

    Told again under the same *external_id* it is a correction; a quantity of 0 takes it back.
    *origin* `virgin` is material bought for a need: it comes from no lot, and so from no match.
    """

    name: ClassVar[str] = "intake.delivery-reported.v1"

    forecast: str | None = None
    match_id: UUID | None = None
    area: str | None = None
    outlet: str
    origin: Literal["lot", "virgin"] = "lot"
    material: str
    quantity: float = Field(ge=0)
    unit: str = "t"
    method: str = "weighed"
    moved_on: date
    haul_km: float | None = Field(default=None, ge=0)
    vehicle: str | None = None
    energy: str | None = None
    waybill: str | None = Field(default=None, max_length=100)


HANDED: dict[str, type[Handed]] = {
    contract.event_name(): contract
    for contract in (
        HandedProject,
        HandedProjectUpdate,
        HandedProjectWithdrawal,
        HandedForecast,
        HandedArea,
        HandedDelivery,
    )
}


class Refusal(Part):
    """One reason: where (*pointer*, RFC 6901), which (*code*, stable), and what to do (*text*)."""

    pointer: str
    code: str
    text: str
    value: Any = None


class Canonical(Part):
    """What the registry calls the thing that was handed in."""

    kind: str
    id: UUID
    revision: int


class Notice(Part):
    """The version that was handed in will go: since when that is known, until when it stays."""

    deprecated_on: date
    stays_until: date


def notice_of(about: str) -> Notice | None:
    """The notice given for the contract of event name *about*; None where there is none."""
    contract = HANDED.get(about)
    if contract is None or contract.deprecated_on is None:
        return None
    return Notice(
        deprecated_on=contract.deprecated_on, stays_until=last_day(contract.deprecated_on)
    )


class Receipt(Event):
    """
    The one verdict on one event at the door: accepted, or rejected with every reason at once.

    *about* is the event's name (`forecast-updated`). *code* of an accepted one: `taken`,
    `unchanged` (said already) or `superseded` (older news). *notice* where its contract will go;
    the message then has the headers `Deprecation` and `Sunset` too.
    """

    name: ClassVar[str] = "receipts.receipt.v1"

    organisation: str
    verdict: Literal["accepted", "rejected"]
    about: str
    source: str
    event_id: str
    code: str
    canonical: Canonical | None = None
    reasons: tuple[Refusal, ...] = ()
    stream_seq: int | None = None
    notice: Notice | None = None

    def headers(self, *, correlation: str | None = None) -> dict[str, str]:
        """The attributes, with what a client asks of an answer about a version that will go."""
        told = super().headers(correlation=correlation)
        return told | (notice_headers(self.notice.deprecated_on) if self.notice else {})

    @classmethod
    def owner(cls) -> str:
        return "registry"

    @classmethod
    def stream(cls) -> str:
        return "receipts"

    @property
    def subject(self) -> str:
        return f"receipts.{self.organisation}.{self.verdict}.{self.about}"
