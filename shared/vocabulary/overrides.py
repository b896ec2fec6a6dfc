"""What this installation set instead of a default, read once from `MASSAKOPPI_FACTORS_FILE`."""

import hashlib
import json
import os
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from math import isfinite
from pathlib import Path
from typing import Any, ClassVar, Final

from shared.vocabulary.errors import Refused

FILE_SETTING: Final = "MASSAKOPPI_FACTORS_FILE"
_FACTOR_KINDS = ("costs", "unit_work", "materials_a1a3", "fuel")
_VEHICLE = {
    "co2e_kg_per_tkm": "co2e_kg_per_tkm_with_empty_return",
    "diesel_l_per_tkm": "diesel_l_per_tkm_with_empty_return",
}
_WEIGHT = {
    "t_per_m3ktr": "density_t_per_m3ktr",
    "t_per_m3itd": "t_per_m3itd",
    "t_per_m3rtr": "t_per_m3rtr",
}
_MATERIAL_KINDS = ("natural", "products", "recovered", "import_groupings")
_TABLES = ("factors", "counterfactual", "enumerations", "materials")
_CHANGES_SIGN = ("EUR",)


class BadFactorsFile(Refused):
    """MASSAKOPPI_FACTORS_FILE: {told_of} {value!r} cannot be used. {remedy}"""

    code: ClassVar[str] = "factors_file_refused"


@cache
def set_here() -> Mapping[str, float]:
    """
    The values set by id, as the file has them; empty without a file.

    Raises `BadFactorsFile` when the file is missing, no JSON object of numbers, or names a default
    that nobody can set.
    """
    told = os.environ.get(FILE_SETTING)
    if not told:
        return {}
    try:
        found = json.loads(Path(told).read_text("utf-8"))
    except (OSError, ValueError) as error:
        remedy = f"Give a file of JSON, id to value ({error})."
        raise BadFactorsFile(told_of="the file", value=Path(told).name, remedy=remedy) from error
    if not isinstance(found, dict):
        remedy = 'Write one object: {"gate_clean_clay": 12.5}.'
        raise BadFactorsFile(told_of="the content", value=type(found).__name__, remedy=remedy)
    known = {id for name in _TABLES for id in _places(name, plain(name))}
    for id, value in found.items():
        if id not in known:
            remedy = _remedy(id, known)
            raise BadFactorsFile(told_of="the id", value=id, remedy=remedy)
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            raise BadFactorsFile(told_of=f"{id} of", value=value, remedy="Give a number.")
    return {id: float(value) for id, value in found.items()}


def plain(name: str) -> dict[str, Any]:
    """The table *name* as it ships. `FileNotFoundError` when there is none."""
    text = files(__package__).joinpath("data", f"{name}.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def mark() -> str:
    """Eight hexadecimal digits that stand for what was set; they follow a version after a +."""
    told = json.dumps(dict(set_here()), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(told.encode()).hexdigest()[:8]


def applied(name: str) -> dict[str, Any]:
    """
    The table *name*, with what was set in it.

    Anything set marks the versions of all that can be set in: a weight's bounds rest on the grade
    of reliability as well as on the density.
    """
    found = plain(name)
    if name not in _TABLES or not set_here():
        return found
    places = _places(name, found)
    for id in set_here().keys() & places.keys():
        _put(id, *places[id])
    found["meta"]["version"] = f"{found['meta']['version']}+{mark()}"
    return found


def _remedy(id: str, known: Collection[str]) -> str:
    close = get_close_matches(id, sorted(known), n=3, cutoff=0.6)
    meant = f"Did you mean {', '.join(close)}? " if close else ""
    return f"{meant}`massakoppi defaults` lists the ids that can be set."


_Place = tuple[dict[str, Any], str, str | None, str | None]
"""A row, and the names of its value and of its bounds."""


def _places(name: str, found: dict[str, Any]) -> dict[str, _Place]:
    if name == "factors":
        rows = [row for kind in _FACTOR_KINDS for row in found[kind]]
        told: dict[str, _Place] = {row["id"]: (row, "value", "min", "max") for row in rows}
        for row in found["vehicles"]:
            told |= {f"{row['id']}.{as_told}": (row, column, None, None)
                     for as_told, column in _VEHICLE.items()}  # fmt: skip
        return told
    if name == "counterfactual":
        kinds = ("reception_km", "quarry_km")
        return {f"{found['meta']['id']}.{kind}": (found[kind], "value", "low", "high")
                for kind in kinds}  # fmt: skip
    if name == "enumerations":
        rows = found["enumerations"]["reliability"]
        return {f"reliability.{row['id']}": (row, "range_pct", None, None) for row in rows}
    places: dict[str, _Place] = {}
    for row in (row for kind in _MATERIAL_KINDS for row in found[kind]):
        for as_told, column in _WEIGHT.items():
            if as_told == "t_per_m3ktr" and column not in row:
                continue  # products have no state in place, and none can be set for them
            places[f"{row['id']}.{as_told}"] = (row, column, "min", "max")
    return places


def _put(id: str, row: dict[str, Any], column: str, low: str | None, high: str | None) -> None:
    value = set_here()[id]
    if value < 0 and not str(row.get("unit", "")).startswith(_CHANGES_SIGN):
        raise BadFactorsFile(told_of=f"{id} of", value=value, remedy="It cannot be negative.")
    if column in _WEIGHT.values():
        if value == 0:
            raise BadFactorsFile(told_of=f"{id} of", value=value, remedy="Give more than 0.")
        row[column] = {**(row.get(column) or {"min": value, "max": value}), "typical": value}
        row = row[column]
    else:
        row[column] = value
    for bound, keep in ((low, min), (high, max)):
        if bound is not None and row.get(bound) is not None:
            row[bound] = keep(row[bound], value)
    where = {"source": "set here", "tag": "set_here", "confidence": "set here"}
    row |= where
    if column in _VEHICLE.values():
        row |= {"ef_source": "set here", "ef_inputs_tag": "set_here", "fuel_confidence": "set here"}
