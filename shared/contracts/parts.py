"""The values that several events carry."""

from datetime import date, datetime
from datetime import date as _date
from typing import Literal
from uuid import UUID

from pydantic import Field, model_validator

from shared.contracts.base import Part
from shared.vocabulary.errors import NotFitting

Direction = Literal["surplus", "need"]
Visibility = Literal["region", "parties", "forum", "public"]
Precision = Literal["exact", "municipality"]


class Quantity(Part):
    """How much, as told and in tonnes, with the factor that lies between and where it is from."""

    value: float = Field(ge=0)
    unit: str
    method: str = "estimate"
    low_t: float = Field(ge=0)
    likely_t: float = Field(ge=0)
    high_t: float = Field(ge=0)
    factor: str
    factor_version: str
    tag: str = "unverified"
    source: str | None = None
    confidence: str | None = None


class Estimate(Part):
    """
    How an amount was estimated before there was a design: an area times a depth (`area_depth`), or
    a length times a cross-section (`length_section`), by the usual of its *project_type*.
    """

    method: Literal["area_depth", "length_section"]
    area_m2: float | None = Field(default=None, gt=0)
    depth_m: float | None = Field(default=None, gt=0)
    length_m: float | None = Field(default=None, gt=0)
    section_m2: float | None = Field(default=None, gt=0)
    project_type: str | None = None


class Programme(Part):
    """
    Where a project is seen coming from before anybody knows its masses: the programme, zoning or
    permit it stands in, and how large it will be, so that its masses can be estimated. The days of
    its planning are those that its source estimates: until *planning_to* masses can still change.
    """

    title: str
    reference: str | None = None
    project_type: str | None = None
    area_m2: float | None = Field(default=None, gt=0)
    length_m: float | None = Field(default=None, gt=0)
    planning_from: date | None = None
    planning_to: date | None = None


class Freshness(Part):
    """
    Since when the owner of a forecast is asked whether it still holds. Without an answer its grade
    drops below the *reliability* it was told with; later it is *stale*, and offered no longer.
    """

    confirmed_at: datetime
    asked_at: datetime
    reliability: str
    stale: bool = False


class SoilCode(Part):
    """A code of one system, which must be said: `Sa` is clay in GEO and sand in ISO 14688."""

    system: Literal["GEO", "ISO14688"]
    code: str


class LabReport(Part):
    """Which report the laboratory values stand in."""

    number: str
    date: _date | None = None
    link: str | None = None


class Laboratory(Part):
    """
    Laboratory values, mg/kg of dry matter by substance, and what they say of the lot.

    *contamination* is their class, `unknown` while *missing* substances are; *worst_substance*
    decides it, with the highest *limit* it exceeds (threshold, background, lower, upper), or the
    one it is nearest to. *version* and *tag* are those of the limits.
    """

    results: dict[str, float]
    background: dict[str, float] = Field(default_factory=dict)
    suspected: tuple[str, ...] = ()
    report: LabReport | None = None
    contamination: str
    at_least: str
    worst_substance: str | None = None
    mg_per_kg: float | None = None
    limit: str | None = None
    limit_mg_per_kg: float | None = None
    missing: tuple[str, ...] = ()
    version: str
    tag: str = "unverified"


class Window(Part):
    """From the first day to the last, both included."""

    first: date
    last: date

    @model_validator(mode="after")
    def ordered(self) -> "Window":
        if self.last < self.first:
            raise NotFitting("field_value_error/window", first=self.first, last=self.last)
        return self


class Place(Part):
    """A WGS 84 point in a municipality; *precision* says whether it is the municipality's own."""

    municipality: str
    sub_region: str = ""
    lat: float = Field(ge=-90, le=90)
    lon: float = Field(ge=-180, le=180)
    precision: Precision = "exact"


class Source(Part):
    """Where a row came from, and what its mapping assumed."""

    system: str
    id: str = ""
    assumptions: tuple[str, ...] = ()


class Member(Part):
    """
    A person of an organisation by id only; names and addresses are asked from the registry.

    *regions* are those the person coordinates, as a regional coordinator.
    """

    person: UUID
    roles: tuple[str, ...]
    regions: tuple[str, ...] = ()


class Tonnes(Part):
    """Whole tonnes, low, likely and high."""

    low: int = Field(ge=0)
    likely: int = Field(ge=0)
    high: int = Field(ge=0)
