"""How the plan by month is asked for, and what would happen if."""

from typing import Annotated, Any, Literal, Self
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from services.matcher import handlers
from services.matcher.api.told import ENUMERATED, PLANNING, SUPPOSING, ToldPlan, ToldWhatIf
from services.matcher.domain import AreaChange, CannotChange, LotChange
from shared.access import Asker
from shared.contracts import ForecastUpdated
from shared.contracts.base import now, uuid7
from shared.contracts.parts import Direction, Place, Visibility, Window
from shared.http import Asking, Problem, Reading, fault_of, settings_of
from shared.openapi import answers
from shared.seen import tells_of
from shared.vocabulary.enumerations import codes, known
from shared.vocabulary.errors import NotFitting
from shared.vocabulary.materials import MATERIALS, unknown_material

router = APIRouter(tags=["planning"])
Told = Annotated[Any, Depends(settings_of)]
Month = Annotated[str | None, Query(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$")]
_MOST_T = 1_000_000_000
_NOT_FOUND = ("forecast_not_found", "project_not_found", "area_not_found")


class AddedForecast(BaseModel):
    """
    A forecast that might be told: named like those of forecast-updated, tonnes whole.

    *organisation* is the asker's own unless told; without *project* it is one of its own.
    """

    model_config = ConfigDict(extra="forbid")

    direction: Direction
    material: str
    tonnes: int = Field(ge=0, le=_MOST_T)
    low: int | None = Field(default=None, ge=0, le=_MOST_T)
    high: int | None = Field(default=None, ge=0, le=_MOST_T)
    window: Window
    place: Place
    region: str
    organisation: str | None = None
    project: UUID | None = None
    weekly_rate_t: float | None = Field(default=None, gt=0)
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
    legal_route: str | None = None
    structure: str | None = None
    layer_m: float | None = None
    groundwater_area: bool | None = None
    site_kind: str = "construction_site"
    visibility: Visibility = "parties"
    transport_payer: Literal["giver", "taker", "shared"] | None = None
    net_of_own_use: bool = False
    reliability: str = "unknown"
    phase: str = "not_applicable"


class Supposition(BaseModel):
    """
    One change: of a *forecast*, of a *project*, of an *area*, or a forecast to *add*.

    *days* shift the windows, below 0 to earlier; *tonnes* are the new likely ones, *tonnes_change*
    comes on top.
    """

    model_config = ConfigDict(extra="forbid")

    forecast: UUID | None = None
    project: UUID | None = None
    area: UUID | None = None
    add: AddedForecast | None = None
    days: int | None = Field(default=None, ge=-3660, le=3660)
    tonnes: int | None = Field(default=None, ge=0, le=_MOST_T)
    tonnes_change: int | None = Field(default=None, ge=-_MOST_T, le=_MOST_T)
    withdrawn: bool = False
    capacity_change_t: int | None = Field(default=None, ge=-_MOST_T, le=_MOST_T)

    @model_validator(mode="after")
    def means_one_thing(self) -> Self:
        """One subject, and only what can be said of it."""
        may = {
            "forecast": {"days", "tonnes", "tonnes_change", "withdrawn"},
            "project": {"days", "withdrawn"},
            "area": {"capacity_change_t"},
            "add": set(),
        }
        given = {name: getattr(self, name) for name in self.model_fields_set}
        told = {name for name, value in given.items() if value is not None and value is not False}
        subjects = told & may.keys()
        if len(subjects) != 1:
            raise NotFitting("field_value_error/subject", told=sorted(subjects), offered=list(may))
        (subject,) = subjects
        wrong = told - subjects - may[subject]
        if wrong:
            raise NotFitting("field_value_error/not_of", told=sorted(wrong), subject=subject)
        if may[subject] and told == subjects:
            offered = sorted(may[subject])
            raise NotFitting("field_value_error/nothing_of", subject=subject, offered=offered)
        if {"tonnes", "tonnes_change"} <= told:
            raise NotFitting(
                "field_value_error/both_tonnes", tonnes=self.tonnes, change=self.tonnes_change
            )
        return self


class Overrides(BaseModel):
    """Rules for this answer alone, before and after alike; the rest is as the matcher is set."""

    model_config = ConfigDict(extra="forbid")

    standing_bonus: int | None = Field(default=None, ge=0, le=100_000)
    smallest_load: int | None = Field(default=None, ge=0, le=_MOST_T)
    co2e_cents_per_t: int | None = Field(default=None, ge=0, le=10_000_000)


class WhatIf(BaseModel):
    """Changes in their order; *scope* near: as far as the matcher would look, or the region."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"changes": [{"forecast": "01980000-0000-7000-8000-000000000000", "days": 21}]}
            ]
        },
    )

    changes: list[Supposition] = Field(min_length=1, max_length=200)
    scope: Literal["near", "region"] = "near"
    rules: Overrides = Overrides()


@router.get("/plan", responses=answers(ToldPlan) | PLANNING)
async def plan(
    request: Request,
    asker: Asking,
    session: Reading,
    settings: Told,
    region: str | None = None,
    first: Annotated[Month, Query(alias="from")] = None,
    last: Annotated[Month, Query(alias="to")] = None,
    by: Annotated[Literal["month"], Query(description="the step of time")] = "month",
) -> JSONResponse:
    """
    What moves where and when, and what is left, month by month, of what the asker may see.

    The tonnes of a match are spread evenly over the days of its window, in whole tonnes that sum to
    it exactly.
    """
    if first and last and last < first:
        raise Problem(422, "months_backwards", first=first, last=last)
    limit = settings.matcher_plan_up_to_lots
    today = now().astimezone(settings.zone).date()
    try:
        found, organisations = await handlers.plan(
            session, asker, settings.rules(), region=region, first=first, last=last, today=today,
            limit=limit,
        )  # fmt: skip
    except handlers.TooMany as error:
        raise Problem(
            413, "plan_too_large", more={"limit": limit}, lots=error.lots, limit=limit
        ) from error
    tells_of(request, organisations)
    return JSONResponse({"region": region, "by": by, **found, "as_of": now().isoformat()})


@router.post("/what-if", responses=answers(ToldWhatIf) | SUPPOSING)
async def what_if(
    told: WhatIf, request: Request, asker: Asking, session: Reading, settings: Told
) -> dict[str, Any]:
    """
    What the matcher would do if the changes came true: value, tonnes, tkm and CO2e before and
    after, the matches that would be new, changed or gone, and agreements that would break.

    Nothing is changed by asking. A company asks about its own forecasts, and is told of its own
    matches only.
    """
    overrides, limit = told.rules, settings.matcher_what_if_up_to_lots
    rules = handlers.of_sweeps(
        settings.rules(),
        standing_bonus=overrides.standing_bonus,
        smallest_load=overrides.smallest_load,
        co2e=overrides.co2e_cents_per_t,
    )
    supposed = handlers.Supposed(
        [change for one in told.changes for change in _change(one)],
        [_forecast(one.add, asker, at) for at, one in enumerate(told.changes) if one.add],
        [
            AreaChange(one.area, one.capacity_change_t)
            for one in told.changes
            if one.area is not None and one.capacity_change_t is not None
        ],
        told.scope,
    )
    today = now().astimezone(settings.zone).date()
    try:
        found, organisations = await handlers.suppose(
            session, asker, supposed, rules, today=today, limit=limit
        )
    except CannotChange as error:
        status = 404 if error.code in _NOT_FOUND else 422
        raise Problem.of(status, error) from error
    except handlers.TooMany as error:
        case = "/near" if told.scope == "near" else ""
        raise Problem(
            413, f"what_if_too_large{case}", more={"limit": limit}, lots=error.lots, limit=limit
        ) from error
    tells_of(request, organisations)
    answer: dict[str, Any] = jsonable_encoder({**found, "as_of": now()})
    return answer


def _change(one: Supposition) -> list[LotChange | handlers.ProjectChange]:
    if one.forecast is not None:
        change = LotChange(
            one.forecast, one.days or 0, one.tonnes, one.tonnes_change or 0, one.withdrawn
        )
        return [change]
    if one.project is not None:
        return [handlers.ProjectChange(one.project, one.days or 0, one.withdrawn)]
    return []


def _forecast(told: AddedForecast, asker: Asker, at: int) -> ForecastUpdated:
    """The event that would tell *told*; raises `Problem` for a code that is not known."""
    _must_be_known(told, at)
    organisation = told.organisation or _own(asker)
    same = told.model_dump(exclude={"tonnes", "low", "high", "organisation", "project"})
    low = told.tonnes if told.low is None else min(told.low, told.tonnes)
    high = told.tonnes if told.high is None else max(told.high, told.tonnes)
    try:
        return ForecastUpdated(
            **same,
            forecast_id=uuid7(),
            project_id=told.project or uuid7(),
            revision=1,
            organisation=organisation,
            reporter=organisation,
            quantity={
                "value": told.tonnes, "unit": "t", "low_t": low, "likely_t": told.tonnes,
                "high_t": high, "factor": "t", "factor_version": "1",
            },
        )  # fmt: skip
    except ValidationError as error:
        first = error.errors()[0]
        fault = fault_of(first, ("changes", at, "add", *first["loc"]))
        raise Problem(422, "forecast_invalid", fault=fault) from error


def _own(asker: Asker) -> str:
    """The organisation that a forecast without one is added for."""
    if asker.sees_all or asker.regions:
        return "what-if"
    if len(asker.organisations) != 1:
        raise Problem(422, "organisation_missing", offered=list(asker.organisations))
    return next(iter(asker.organisations))


def _must_be_known(told: AddedForecast, at: int) -> None:
    if told.material not in MATERIALS:
        where = f"changes/{at}/add/material"
        raise Problem.of(422, unknown_material(told.material, where))
    for field in ENUMERATED:
        value = getattr(told, field)
        name = field.removeprefix("max_")
        if value is not None and not known(name, value):
            raise Problem(
                422,
                f"{field}_unknown",
                field=f"changes/{at}/add/{field}",
                value=value,
                offered=list(codes(name)),
            )
