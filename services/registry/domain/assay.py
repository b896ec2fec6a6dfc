"""What laboratory values, screening and storage make of a forecast, beside what was told."""

from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from typing import Any

from services.registry.domain.values import Reason, pointer_to
from shared.vocabulary.clocks import alert_days, last_day
from shared.vocabulary.contamination import Classified, classify_lot, is_better
from shared.vocabulary.errors import Refused
from shared.vocabulary.sulphate import suggested
from shared.vocabulary.uses import BARRED_GROUNDWATER_CLASSES

NO_RESULTS = "none"


def assay_reasons(said: Mapping[str, Any]) -> list[Reason]:
    """Every reason against laboratory values, and against a class that is better than they say."""
    try:
        found = _classified(said)
    except Refused as error:
        value = error.told.get("value")
        return [Reason(error.code, "/background_values" + pointer_to(str(value)), value)]
    declared = said.get("contamination", "unknown")
    if found is None or declared == "unknown" or is_better(found.at_least, declared):
        return []
    if is_better(declared, found.at_least):
        says = {
            "found": found.at_least,
            "substance": found.worst,
            "mg_per_kg": found.mg_per_kg,
            "limit": found.limit.name if found.limit else "",
            "limit_mg_per_kg": found.limit.mg_per_kg if found.limit else "",
        }
        return [Reason("contamination_better_than_results", "/contamination", declared, says)]
    if found.contamination == "unknown":
        says = {"missing": ", ".join(found.missing)}
        return [Reason("lab_results_incomplete", "/lab_results", declared, says)]
    return []


def contamination_of(told: Mapping[str, Any]) -> dict[str, Any]:
    """
    The class that holds, its basis, and the laboratory values with the substance that decides.

    A class told that is worse than the values say stays: hazardous waste is told by a person.
    """
    found = _classified(told)
    if found is None:
        return {}
    laboratory = {
        "results": told["lab_results"],
        "background": told.get("background_values", {}),
        "suspected": told.get("suspected_substances", []),
        "report": told.get("lab_report"),
        "contamination": found.contamination,
        "at_least": found.at_least,
        "worst_substance": found.worst,
        "mg_per_kg": found.mg_per_kg,
        "limit": found.limit.name if found.limit else None,
        "limit_mg_per_kg": found.limit.mg_per_kg if found.limit else None,
        "missing": list(found.missing),
        "version": found.version,
        "tag": found.provenance.shown_tag,
    }
    kept = {name: value for name, value in laboratory.items() if value is not None}
    beside = {"laboratory": kept, "worst_substance": found.worst}
    declared = told.get("contamination", "unknown")
    if is_better(found.at_least, declared):
        basis = told.get("contamination_basis", NO_RESULTS)
        return {**beside, "contamination_basis": "declared" if basis == NO_RESULTS else basis}
    return {**beside, "contamination": found.contamination, "contamination_basis": "lab_report"}


def suggested_sulphate(told: Mapping[str, Any]) -> str | None:
    """The acid sulphate status that screening suggests; None where nothing was measured."""
    found = suggested(told["material"], told.get("total_S_percent"), told.get("nag_ph"))
    return None if found is None else found.status


def groundwater_of(told: Mapping[str, Any]) -> bool | None:
    """Whether the place lies on a groundwater area of class 1 or 2, as told or by its class."""
    of_class = told.get("groundwater_class")
    area: bool | None = told.get("groundwater_area")
    return area if of_class is None else of_class in BARRED_GROUNDWATER_CLASSES


def storage_of(told: Mapping[str, Any]) -> dict[str, Any]:
    """The last day that a stored mass may lie, and the days to remind of it."""
    if told.get("stored_since") is None:
        return {}
    since = date.fromisoformat(told["stored_since"])
    purpose = told.get("storage_purpose", "recovery")
    return {
        "stored_until": last_day(since, purpose).isoformat(),
        "storage_alerts": [day.isoformat() for day in alert_days(since, purpose)],
    }


def _classified(said: Mapping[str, Any]) -> Classified | None:
    results, background = said.get("lab_results"), said.get("background_values")
    if not results:
        return None
    suspected = tuple(said.get("suspected_substances", ()))
    return _classify(tuple(sorted(results.items())), tuple(sorted((background or {}).items())),
                     suspected)  # fmt: skip


@lru_cache(maxsize=1024)  # asked when it is checked and when it is told
def _classify(
    results: tuple[tuple[str, float], ...],
    background: tuple[tuple[str, float], ...],
    suspected: tuple[str, ...],
) -> Classified:
    return classify_lot(dict(results), dict(background), suspected)
