"""Checks of fields that must agree with each other."""

from collections.abc import Mapping
from math import isclose
from typing import Any

from services.registry.domain.assay import assay_reasons, groundwater_of
from services.registry.domain.fields import closest
from services.registry.domain.values import Reason
from shared.vocabulary.errors import Refused
from shared.vocabulary.estimates import METHODS, volume_of
from shared.vocabulary.materials import waste_codes_of
from shared.vocabulary.soils import check_soil_code, codes_of, told_readings
from shared.vocabulary.units import UNITS, BadUnit, to_tonnes


def reasons_together(event: str, said: Mapping[str, Any]) -> list[Reason]:
    """Every reason against fields of *said* that contradict each other."""
    reasons = [*_window(said)]
    if event in ("forecast-updated", "delivery-reported"):
        reasons += [*_unit(said), *_bounds(said)]
    if event == "forecast-updated":
        reasons += [*_estimate(said), *_sulphide_clay(said), *_soil_code(said), *_waste_code(said)]
        reasons += [*assay_reasons(said), *_groundwater(said), *_invasive(said), *_storage(said)]
    if event == "area-updated":
        reasons += _hazardous_site(said)
    if event == "delivery-reported" and not ({"forecast", "match_id", "area"} & said.keys()):
        reasons.append(Reason("delivery_of_nothing"))
    if event == "delivery-reported" and said.get("origin") == "virgin" and "match_id" in said:
        reasons.append(Reason("virgin_in_match", "/origin", "virgin"))
    return reasons


def _window(said: Mapping[str, Any]) -> list[Reason]:
    first, last = said.get("available_from"), said.get("available_to")
    if first is not None and last is not None and last < first:
        return [Reason("window_reversed", "/available_to", last, {"first": first})]
    return []


def half_windows(said: Mapping[str, Any], told: Mapping[str, Any]) -> list[Reason]:
    """The end of a window that was told alone, where a window may be left out but not halved."""
    ends = ("available_from", "available_to")
    missing = [end for end in ends if told.get(end) is None]
    if len(missing) != 1:
        return []
    return [Reason("window_incomplete", f"/{missing[0]}")]


def _unit(said: Mapping[str, Any]) -> list[Reason]:
    unit = said.get("unit")
    if unit is None:
        return []
    if unit in ("m3", "m³"):
        return [Reason("unit_without_state", "/unit", unit)]
    if unit not in UNITS:
        return [Reason("unit_refused", "/unit", unit, {"close": closest(unit, tuple(UNITS))})]
    if "material" not in said:
        return []
    try:
        to_tonnes(1.0, unit, said["material"])
    except BadUnit as error:
        return [Reason(error.code, "/unit", unit, {"material": said["material"]})]
    return []


def _bounds(said: Mapping[str, Any]) -> list[Reason]:
    quantity = said.get("quantity")
    if quantity is None:
        return []
    reasons = []
    says = {"quantity": quantity}
    if said.get("low", quantity) > quantity:
        reasons.append(Reason("low_above_quantity", "/low", said["low"], says))
    if said.get("high", quantity) < quantity:
        reasons.append(Reason("high_below_quantity", "/high", said["high"], says))
    return reasons


def _estimate(said: Mapping[str, Any]) -> list[Reason]:
    """An early estimate tells its inputs, which multiply to its quantity, and is not very sure."""
    told = said.get("estimate")
    if told is None or "method" not in told:
        return []
    at = "/estimate"
    missing = [name for name in METHODS[told["method"]] if name not in told]
    reasons = [
        Reason("estimate_incomplete", f"{at}/{name}", None, {"method": told["method"]})
        for name in missing
    ]
    if said.get("method", "estimate") != "estimate":
        reasons.append(Reason("estimate_measured", "/method", said["method"]))
    if said.get("reliability", "C") in ("A", "B"):
        reasons.append(Reason("estimate_too_sure", "/reliability", said["reliability"]))
    if not str(said.get("unit", "m3")).startswith("m3"):
        reasons.append(Reason("estimate_without_volume", "/unit", said["unit"]))
    volume, quantity = volume_of(told), said.get("quantity")
    if volume is not None and quantity is not None and not isclose(volume, quantity, rel_tol=0.005):
        says = {"volume": f"{volume:g}"}
        reasons.append(Reason("estimate_differs", "/quantity", quantity, says))
    return reasons


def _sulphide_clay(said: Mapping[str, Any]) -> list[Reason]:
    if said.get("material") == "sulphide_clay" and said.get("acid_sulphate") == "none":
        return [Reason("acid_sulphate_contradicts", "/acid_sulphate", "none")]
    return []


def _soil_code(said: Mapping[str, Any]) -> list[Reason]:
    told = said.get("soil_code")
    if told is None or "code" not in told:
        return []
    code, system = told["code"], told.get("system")
    says: dict[str, Any] = {"readings": told_readings(code)}
    if system is None:
        return []
    says |= {
        "system": system,
        "material": said.get("material"),
        "codes": ", ".join(codes_of(system)),
    }
    try:
        check_soil_code(said.get("material", ""), system, code)
    except Refused as error:
        return [Reason(error.code, "/soil_code/code", code, says)]
    return []


def _waste_code(said: Mapping[str, Any]) -> list[Reason]:
    code, material = said.get("waste_code"), said.get("material")
    if code is None or material is None:
        return []
    known = waste_codes_of(material)
    if not known or code in known:
        return []
    says = {"material": material, "codes": ", ".join(known)}
    return [Reason("waste_code_contradicts", "/waste_code", code, says)]


def _groundwater(said: Mapping[str, Any]) -> list[Reason]:
    area, of_class = said.get("groundwater_area"), said.get("groundwater_class")
    if area is None or of_class is None or groundwater_of(said) == area:
        return []
    return [Reason("groundwater_contradicts", "/groundwater_area", area, {"of_class": of_class})]


def _invasive(said: Mapping[str, Any]) -> list[Reason]:
    if said.get("invasive_species") and said.get("invasive_status") == "none_observed":
        return [Reason("invasive_contradicts", "/invasive_status", "none_observed")]
    return []


def _storage(said: Mapping[str, Any]) -> list[Reason]:
    if "storage_purpose" in said and "stored_since" not in said:
        return [Reason("storage_day_missing", "/stored_since")]
    return []


def _hazardous_site(said: Mapping[str, Any]) -> list[Reason]:
    kind = said.get("site_kind")
    if said.get("max_contamination") != "P4" or kind in (None, "hazardous_reception"):
        return []
    return [Reason("contamination_above_site", "/max_contamination", "P4", {"site_kind": kind})]
