"""What was told of projects, forecasts and areas, against what registry and matcher keep."""

import json
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from math import ceil, floor
from typing import Any

from deploy.audit.effects import KINDS
from deploy.audit.records import Records, Row, newest
from deploy.audit.report import Line, compared
from shared.contracts import AreaUpdated, ForecastUpdated
from shared.vocabulary.contamination import classify_lot, is_better
from shared.vocabulary.regions import Region, region_from
from shared.vocabulary.tables import table
from shared.vocabulary.units import to_tonnes

SPREAD = table("estimates")["spread"]
SPOKEN = (
    "direction", "material", "material_subtype", "use", "quality", "frost_class",
    "max_contamination", "acid_sulphate", "invasive_status", "waste_status", "legal_route",
    "structure", "layer_m", "net_of_own_use", "weekly_rate_t", "waste_code", "deep_cover",
    "transport_payer", "accepts_unknown_quality", "accepts_acid_sulphate", "max_particle_mm",
    "max_frost_class", "play_area", "housing_area", "cover", "above_groundwater_m",
    "well_distance_m", "suspected_place", "max_contamination_basis", "stored_since",
)  # fmt: skip
"""What a forecast announces as its reporter said it."""

KIND_NAMES = (
    "material", "use", "quality", "accepts_unknown_quality", "frost_class", "max_frost_class",
    "max_particle_mm", "contamination", "contamination_basis", "suspected_place",
    "max_contamination", "max_contamination_basis", "acid_sulphate", "acid_sulphate_suggested",
    "accepts_acid_sulphate", "invasive_status", "deep_cover", "waste_status", "waste_code",
    "legal_route", "made_at_demolition_site", "structure", "layer_m", "groundwater_area",
    "play_area", "housing_area", "cover", "above_groundwater_m", "well_distance_m", "site_kind",
)  # fmt: skip
"""What makes a lot's kind in the matcher."""


def things(records: Records) -> list[Line]:
    """The promises about what is kept of things."""
    lines = [_as_told(records, kind) for kind in KINDS if kind != "organisation"]
    return [*lines, _as_reported(records), _lots(records), _areas(records)]


def _as_told(records: Records, kind: str) -> Line:
    """The registry keeps of each thing what it told of it last."""
    key, key_told, contracts = KINDS[kind]
    last = newest((one for each in contracts for one in records.announced(each)), key_told)
    wanted = {id: one.body for id, one in last.items()}
    kept = {}
    for row in records.rows("registry", kind):
        told = last.get(row[key])
        state = {**row["state"], "revision": row["revision"]}
        contract = next(
            (each for each in contracts if told and each.name == told.name), contracts[0]
        )
        kept[row[key]] = json.loads(contract.model_validate(state).body())
    return compared(f"the registry keeps each {kind} as it told it last", wanted, kept)


def _as_reported(records: Records) -> Line:
    """A forecast's tonnes, place, window and owner follow from what was said and its project."""
    regions = {row["code"]: region_from(row["body"]) for row in records.rows("registry", "region")}
    projects = {row["id"]: row for row in records.rows("registry", "project")}
    wanted, kept = {}, {}
    for row in records.rows("registry", "forecast"):
        project = projects[row["project_id"]]
        wanted[row["id"]] = _expected(row, project, regions[project["region"]])
        kept[row["id"]] = _seen(row["state"])
    return compared("each forecast follows from what was said of it and of its project",
                    wanted, kept)  # fmt: skip


def _expected(row: Row, project: Row, region: Region) -> Row:
    said = row["told"]
    early = said["quantity"] if said.get("estimate") else None
    tonnes = to_tonnes(
        said["quantity"], said["unit"], said["material"],
        reliability=_grade(row),
        low=said.get("low", early and early * SPREAD["low"]),
        high=said.get("high", early and early * SPREAD["high"]),
    )  # fmt: skip
    return {
        "organisation": said.get("owner") or project["organisation"],
        "region": project["region"],
        "status": _status(row, project),
        "reliability": _grade(row),
        "tonnes": (tonnes.low, tonnes.likely, tonnes.high),
        "window": _window(row, project),
        "place": _place(said, project["state"]["place"], region),
        "contamination": _contamination(said),
        "groundwater_area": _groundwater(said),
        **{name: said.get(name) for name in SPOKEN},
    }


def _grade(row: Row) -> str:
    """As it was told; one grade less once its owner missed an answer."""
    told: str = row["told"].get("reliability", "unknown")
    return {"A": "B", "B": "C"}.get(told, told) if row["lapsed"] else told


def _status(row: Row, project: Row) -> str:
    """
    As it was told; cancelled with its project; no offer once two answers were missed, nor while
    another forecast counts for it.
    """
    told: str = "cancelled" if project["withdrawn"] else row["told"]["status"]
    if row["duplicate_of"] is not None and told != "cancelled":
        return "draft"
    return "draft" if told == "offered" and row["lapsed"] > 1 else told


def _seen(state: Row) -> Row:
    quantity, place, window = state["quantity"], state["place"], state["window"]
    return {
        "organisation": state["organisation"],
        "region": state["region"],
        "status": state["status"],
        "reliability": state.get("reliability"),
        "tonnes": (quantity["low_t"], quantity["likely_t"], quantity["high_t"]),
        "window": (window["first"], window["last"]),
        "place": (place["municipality"], place["lat"], place["lon"], place["precision"]),
        "contamination": state.get("contamination"),
        "groundwater_area": state.get("groundwater_area"),
        **{name: state.get(name) for name in SPOKEN},
    }


def _contamination(said: Row) -> str | None:
    """The class told, or that of the laboratory values where it is the worse one."""
    told: str | None = said.get("contamination")
    if not said.get("lab_results"):
        return told
    found = classify_lot(said["lab_results"], said.get("background_values"),
                         said.get("suspected_substances", ()))  # fmt: skip
    return told if told and is_better(found.at_least, told) else found.contamination


def _groundwater(said: Row) -> bool | None:
    """Whether the place lies on a groundwater area of class 1 or 2."""
    of_class: str | None = said.get("groundwater_class")
    area: bool | None = said.get("groundwater_area")
    return area if of_class is None else of_class in ("1", "2")


def _window(row: Row, project: Row) -> tuple[str, str]:
    """Its own days, or as many days later as its project was moved as a whole."""
    own = (row["told"]["available_from"], row["told"]["available_to"])
    then, said = row["anchor"], project["told"]
    if then is None or said.get("available_from") is None:
        return own
    moved = _days(then["first"], said["available_from"])
    inside = then["first"] <= own[0] and own[1] <= then["last"]
    if not inside or moved != _days(then["last"], said["available_to"]):
        return own
    first, last = ((date.fromisoformat(day) + timedelta(days=moved)).isoformat() for day in own)
    return first, last


def _days(one: str, other: str) -> int:
    return (date.fromisoformat(other) - date.fromisoformat(one)).days


def _place(said: Row, project: Row, region: Region) -> tuple[Any, ...]:
    """Its own point; else the centre of the municipality it names; else where its project is."""
    centres = {each.code: (each.lat, each.lon) for each in region.places}
    municipality = said.get("municipality") or project["municipality"]
    has_point = said.get("lat") is not None
    known = municipality in centres
    if has_point and known and region.contains(said["lat"], said["lon"]):
        precise = said.get("precision") != "municipality"
        return municipality, said["lat"], said["lon"], "exact" if precise else "municipality"
    if has_point or not known or municipality == project["municipality"]:
        return (project["municipality"], project["lat"], project["lon"], project["precision"])
    return (municipality, *centres[municipality], "municipality")


def _lots(records: Records) -> Line:
    """The matcher's lots are the highest revisions of the registry's forecasts."""
    last = newest(records.heard("matcher", ForecastUpdated), "forecast_id")
    wanted = {id: _lot(one.body) for id, one in last.items()}
    names = next(iter(wanted.values()), {}).keys() - {"kind"}
    kept = {
        row["id"]: {**{name: row[name] for name in names}, "kind": _kind(json.loads(row["kind"]))}
        for row in records.rows("matcher", "lot")
    }
    return compared("the matcher's lots are the forecasts as told last", wanted, kept)


def _lot(body: Row) -> Row:
    quantity, place = body["quantity"], body["place"]
    return {
        "revision": body["revision"],
        "direction": body["direction"],
        "is_open": body.get("status", "offered") == "offered",
        "low": floor(quantity["low_t"] + 1e-9),
        "likely": floor(quantity["likely_t"] + 1e-9),
        "high": ceil(quantity["high_t"] - 1e-9),
        "first": body["window"]["first"],
        "last": body["window"]["last"],
        "weekly_t": body.get("weekly_rate_t"),
        "lat": place["lat"],
        "lon": place["lon"],
        "exact": place["precision"] == "exact",
        "municipality": place["municipality"],
        "region": body["region"],
        "meets": ",".join(sorted(body.get("meets", []))),
        "project_id": body["project_id"],
        "organisation": body["organisation"],
        "net_of_own_use": body.get("net_of_own_use", False),
        "visibility": body.get("visibility", "parties"),
        "transport_payer": body.get("transport_payer"),
        "kind": _kind(body),
    }


def _kind(told: Mapping[str, Any]) -> Row:
    fields = ForecastUpdated.model_fields
    told = {"material": None, **told}
    return {name: told[name] if name in told else fields[name].get_default() for name in KIND_NAMES}


def _areas(records: Records) -> Line:
    last = newest(records.heard("matcher", AreaUpdated), "area_id")
    wanted = {id: _compact(one.body.items()) for id, one in last.items()}
    kept = {row["id"]: _compact(row["told"].items()) for row in records.rows("matcher", "area")}
    return compared("the matcher's areas are the areas as told last", wanted, kept)


def _compact(items: Iterable[tuple[str, Any]]) -> Row:
    return {name: value for name, value in items if value is not None and name != "at"}
