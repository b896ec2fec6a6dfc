"""From what was told to what is announced: whole states, ready for JSON."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from services.registry.domain.assay import (
    contamination_of,
    groundwater_of,
    storage_of,
    suggested_sulphate,
)
from services.registry.domain.freshness import graded
from services.registry.domain.places import place_of
from services.registry.domain.values import Thing
from shared.vocabulary.estimates import bounds_of, estimated, size_of
from shared.vocabulary.regions import Region
from shared.vocabulary.units import to_tonnes

_AS_TOLD = (
    "direction", "material", "material_subtype", "use", "quality", "accepts_unknown_quality",
    "frost_class", "max_frost_class", "max_particle_mm", "contamination", "contamination_basis",
    "max_contamination", "max_contamination_basis", "acid_sulphate", "accepts_acid_sulphate",
    "invasive_status", "waste_status", "waste_code", "legal_route", "structure", "layer_m",
    "groundwater_class", "play_area", "housing_area", "cover", "above_groundwater_m",
    "well_distance_m", "made_at_demolition_site", "deep_cover", "suspected_place", "soil_code",
    "stones_percent", "moisture_percent", "waste_content_percent", "vertical_position_m",
    "total_S_percent", "nag_ph", "lime_need_kg_per_t", "invasive_species", "invasive_surveyed_on",
    "storage_site", "stored_since", "storage_purpose", "net_of_own_use",
    "estimate", "reliability", "weekly_rate_t", "transport_payer", "price_eur_per_t",
)  # fmt: skip
_AREA_AS_TOLD = (
    "title", "site_kind", "status", "visibility", "materials", "max_contamination",
    "max_contamination_basis", "accepts_acid_sulphate", "processing", "processing_terms",
    "capacity_t", "stock_t", "weekly_rate_t", "permit_until", "gate_fee_eur_per_t",
    "price_eur_per_t", "handling_eur_per_t", "storage_eur_per_t_month",
)  # fmt: skip
_DELIVERY_AS_TOLD = (
    "match_id", "outlet", "origin", "material", "moved_on", "haul_km", "vehicle", "energy",
    "waybill",
)  # fmt: skip


def project_state(thing: Thing, region: Region) -> dict[str, Any]:
    """What is announced of a project."""
    told = thing.told
    return _without_nothing(
        project_id=str(thing.id),
        region=region.code,
        organisation=thing.organisation,
        reporter=thing.reporter,
        external_id=thing.external_id,
        title=told["title"],
        place=place_of(told, region),
        site_kind=told["site_kind"],
        phase=told["phase"],
        probability=told.get("probability"),
        programme=told.get("programme"),
        window=window_of(told),
        contacts=told.get("contacts", []),
        visibility=told["visibility"],
        sample=region.sample,
    )


def forecast_state(thing: Thing, project: Thing, region: Region) -> dict[str, Any]:
    """
    What is announced of a forecast, given its project as it now is.

    Place, kind of site, phase, probability and visibility are the project's where not told; region
    and contacts always are. Withdrawn with its project, it is cancelled; rescheduled with it, it
    moves along. The day of its amount is the one told, else the one in its state so far. Where
    there are laboratory values, the class is theirs, unless a worse one was told.
    """
    told = {
        **thing.told,
        "reliability": graded(thing.told.get("reliability", "unknown"), thing.fresh),
    }
    as_told = {name: told[name] for name in _AS_TOLD if name in told}
    return _without_nothing(
        forecast_id=str(thing.id),
        project_id=str(project.id),
        region=region.code,
        organisation=thing.organisation,
        reporter=thing.reporter,
        status=_status(thing, project),
        visibility=told.get("visibility") or project.state["visibility"],
        contacts=project.state["contacts"],
        meets=[region.code, *region.meets],
        **{**as_told, **contamination_of(told), **storage_of(told)},
        acid_sulphate_suggested=suggested_sulphate(told),
        groundwater_area=groundwater_of(told),
        quantity=quantity_of(told),
        amount_as_of=told.get("amount_as_of") or thing.state.get("amount_as_of"),
        window=_moved_along(thing, project),
        place=_forecast_place(told, project, region),
        site_kind=told.get("site_kind") or project.state["site_kind"],
        phase=told.get("phase") or project.state["phase"],
        probability=told.get("probability", project.state.get("probability")),
        source=_source(told),
        freshness=_freshness(thing),
        duplicate=True if thing.duplicate_of else None,
        sample=region.sample,
    )


def _status(thing: Thing, project: Thing) -> str:
    """
    As it was told; cancelled with its project, and a draft again while nobody confirms it, or while
    another forecast counts for it.
    """
    told: str = "cancelled" if project.withdrawn else thing.told["status"]
    if thing.duplicate_of is not None and told != "cancelled":
        return "draft"
    return "draft" if told == "offered" and thing.fresh and thing.fresh.is_stale else told


def _freshness(thing: Thing) -> dict[str, Any] | None:
    """Since when an answer is waited for; None while none is."""
    fresh = thing.fresh
    if fresh is None or fresh.asked_at is None:
        return None
    return {
        "confirmed_at": fresh.confirmed_at.isoformat(),
        "asked_at": fresh.asked_at.isoformat(),
        "reliability": thing.told.get("reliability", "unknown"),
        "stale": fresh.is_stale,
    }


def early_estimate(project: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the state of a *project* whose programme tells type and size would bring; unverified."""
    programme = project.get("programme") or {}
    of_type = programme.get("project_type")
    size = size_of(of_type, programme) if of_type else None
    if of_type is None or size is None:
        return []
    return [
        {
            "direction": one.direction,
            "material": one.material,
            **quantity_of(
                {"quantity": one.quantity, "unit": one.unit, "material": one.material,
                 "method": "estimate", "reliability": "C", "estimate": one.estimate}
            ),
        }
        for one in estimated(of_type, size)
    ]  # fmt: skip


def same_amount(one: Thing, other: Thing) -> bool:
    """Whether both tell the same amount, so that its day is still the day it was first told."""
    told = ("quantity", "unit", "low", "high", "material", "estimate")
    return all(one.told.get(name) == other.told.get(name) for name in told)


def area_state(thing: Thing, region: Region) -> dict[str, Any]:
    """What is announced of an area."""
    return _without_nothing(
        area_id=str(thing.id),
        region=region.code,
        organisation=thing.organisation,
        reporter=thing.reporter,
        meets=[region.code, *region.meets],
        place=place_of(thing.told, region),
        window=window_of(thing.told),
        sample=region.sample,
        **{name: thing.told[name] for name in _AREA_AS_TOLD if name in thing.told},
    )


def delivery_state(thing: Thing, forecast: Thing | None, area: Thing | None) -> dict[str, Any]:
    """What is announced of reported loads."""
    return _without_nothing(
        delivery_id=str(thing.id),
        region=thing.region,
        organisation=thing.organisation,
        reporter=thing.reporter,
        forecast_id=str(forecast.id) if forecast else None,
        area_id=str(area.id) if area else None,
        quantity=quantity_of(thing.told),
        **{name: thing.told[name] for name in _DELIVERY_AS_TOLD if name in thing.told},
    )


def retold(forecast: Thing, project: Thing, region: Region) -> Thing | None:
    """*forecast* with the revision that its project's news makes; None when it changes nothing."""
    owned = replace(
        forecast,
        region=region.code,
        organisation=forecast.told.get("owner") or project.organisation,
    )
    state = forecast_state(owned, project, region)
    if state == forecast.state:
        return None
    return replace(owned, state=state, revision=forecast.revision + 1)


def window_of(told: Mapping[str, Any]) -> dict[str, str] | None:
    """First and last day, or None where no window was told."""
    if told.get("available_from") is None:
        return None
    return {"first": told["available_from"], "last": told["available_to"]}


def quantity_of(told: Mapping[str, Any]) -> dict[str, Any]:
    """
    How much was told, and what it weighs by the vocabulary: low, likely and high tonnes. An early
    estimate has the wide bounds of such, where none were told.

    Raises the vocabulary's `BadUnit` and `BadQuantity`.
    """
    low, high = bounds_of(told["quantity"]) if told.get("estimate") else (None, None)
    tonnes = to_tonnes(
        told["quantity"],
        told["unit"],
        told["material"],
        reliability=told.get("reliability", "unknown"),
        low=told.get("low", low),
        high=told.get("high", high),
    )
    return {
        "value": told["quantity"],
        "unit": told["unit"],
        "method": told["method"],
        "low_t": tonnes.low,
        "likely_t": tonnes.likely,
        "high_t": tonnes.high,
        "factor": tonnes.factor,
        "factor_version": tonnes.factor_version,
        "tag": tonnes.tag,
        "source": tonnes.source,
        "confidence": tonnes.confidence,
    }


def _forecast_place(
    told: Mapping[str, Any], project: Thing, region: Region
) -> dict[str, Any] | None:
    place: dict[str, Any] = dict(project.state["place"])
    municipality = told.get("municipality") or place["municipality"]
    if told.get("lat") is None and municipality == place["municipality"]:
        return place
    # a project that left the region takes along the forecasts whose place was told there
    if municipality not in _codes(region):
        return place
    if told.get("lat") is not None and not region.contains(told["lat"], told["lon"]):
        return place
    return place_of({**told, "municipality": municipality}, region)


def _codes(region: Region) -> set[str]:
    return {each.code for each in region.places}


def _moved_along(thing: Thing, project: Thing) -> dict[str, str] | None:
    """
    The forecast's window, shifted by as many days as its project's was since the forecast was told.

    Only where the project's window kept its length and held the forecast's: otherwise it was
    planned anew rather than postponed, and the forecast keeps its own days.
    """
    own, then, now = window_of(thing.told), thing.anchor, window_of(project.told)
    if own is None or then is None or now is None or then == now:
        return own
    shift = _days(then["first"], now["first"])
    if shift != _days(then["last"], now["last"]):
        return own
    if not (then["first"] <= own["first"] and own["last"] <= then["last"]):
        return own
    return {end: (date.fromisoformat(own[end]) + timedelta(shift)).isoformat() for end in own}


def _days(first: str, last: str) -> int:
    return (date.fromisoformat(last) - date.fromisoformat(first)).days


def _source(told: Mapping[str, Any]) -> dict[str, Any] | None:
    if not (told.get("source_system") or told.get("source_id") or told.get("assumptions")):
        return None
    return {
        "system": told.get("source_system", "unnamed"),
        "id": told.get("source_id", ""),
        "assumptions": told.get("assumptions", []),
    }


def _without_nothing(**told: Any) -> dict[str, Any]:
    return {name: value for name, value in told.items() if value is not None}
