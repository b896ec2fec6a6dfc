"""Emissions, prices and fuel per tonne and kilometre, and what a tonne meets uncoordinated."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any, ClassVar, Final

from shared.vocabulary.errors import Refused
from shared.vocabulary.materials import material as material_of
from shared.vocabulary.provenance import Tag
from shared.vocabulary.tables import table, version_of

FACTORS_VERSION: Final = version_of("factors")
"""The version kept beside everything computed from these factors, as text."""

VALUES_VERSION: Final = " ".join(
    f"{name}/{version_of(name)}" for name in ("factors", "counterfactual", "distance_ratio")
)
"""The versions that euros, emissions and kilometres of a match rest on, as text."""

DEFAULT_VEHICLE: Final[str] = table("factors")["meta"]["default_vehicle"]
"""The vehicle of indicators and of hauls that name none."""


class UnknownVehicle(Refused):
    """There is no vehicle class {value!r}. {remedy}"""

    code: ClassVar[str] = "vehicle_unknown"


@dataclass(frozen=True, slots=True)
class Factor:
    """
    One number in *unit*, with its bounds where known (None is not zero) and where it comes from.

    *confidence* is high, medium, low or sourced; *valid* says of which time or thing it holds.
    """

    id: str
    value: float
    unit: str
    low: float | None
    high: float | None
    source: str
    tag: Tag
    confidence: str
    valid: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Vehicle:
    """
    A vehicle class; its factors are per tonne and one-way kilometre, tank-to-wheel.

    *co2e_kg_per_tkm* and *diesel_l_per_tkm* have the empty return inside: never double the
    kilometres. *tag* is what to show beside a result computed from them.
    """

    id: str
    names: Mapping[str, str] = field(hash=False)
    gross_t: float
    payload_t: float
    co2e_kg_per_tkm: float
    co2e_kg_per_tkm_loaded: float
    diesel_l_per_tkm: float
    source: str
    tag: Tag
    confidence: str


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """
    What a tonne meets without coordination where no site is told: CF-1's fallback.

    Surplus: *reception_km* by road and the *gate_fee*. Need: *virgin_price*, *virgin_co2e* and
    *quarry_km* by road. Everything in it is unverified, low confidence.
    """

    gate_fee: Factor
    reception_km: float
    virgin_price: Factor
    quarry_km: float
    virgin_co2e: Factor
    version: str
    tag: Tag = "unverified"
    confidence: str = "low"


def vehicle(id: str = DEFAULT_VEHICLE) -> Vehicle:
    """The vehicle class *id*; `UnknownVehicle` when there is none."""
    try:
        return VEHICLES[id]
    except KeyError:
        remedy = f"Use one of: {', '.join(VEHICLES)}."
        raise UnknownVehicle(value=id, remedy=remedy) from None


@lru_cache(maxsize=4096)
def counterfactual(material: str, contamination: str) -> Counterfactual:
    """
    What a tonne of *material* in class *contamination* meets uncoordinated.

    Classes P2, P3 and P4 set the gate fee whatever the material; otherwise the material does.
    Raises `UnknownMaterial`.
    """
    material_of(material)
    rules = table("counterfactual")
    gate, virgin = rules["gate_fee"], rules["virgin"]
    fee = gate["by_contamination"].get(contamination) or _row_of(material, gate)
    like = _row_of(material, virgin)
    return Counterfactual(
        gate_fee=FACTORS[fee],
        reception_km=rules["reception_km"]["value"],
        virgin_price=FACTORS[like + virgin["price_suffix"]],
        quarry_km=rules["quarry_km"]["value"],
        virgin_co2e=FACTORS[like],
        version=f"{rules['meta']['id']}/{rules['meta']['version']}",
    )


def _row_of(material: str, rule: Mapping[str, Any]) -> str:
    rows = rule["by_material"].items()
    return next((id for id, members in rows if material in members), str(rule["otherwise"]))


def _number(value: float | None) -> float | None:
    return None if value is None else float(value)


def _factor(row: Mapping[str, Any]) -> Factor:
    return Factor(
        id=row["id"],
        value=float(row["value"]),
        unit=row["unit"],
        low=_number(row.get("min")),
        high=_number(row.get("max")),
        source=row["source"],
        tag=row["tag"],
        confidence=row["confidence"],
        valid=row.get("valid"),
        note=row.get("note"),
    )


def _vehicle(row: Mapping[str, Any]) -> Vehicle:
    return Vehicle(
        id=row["id"],
        names=row["names"],
        gross_t=row["gross_t"],
        payload_t=row["payload_t"],
        co2e_kg_per_tkm=row["co2e_kg_per_tkm_with_empty_return"],
        co2e_kg_per_tkm_loaded=row["co2e_kg_per_tkm_loaded_leg_only"],
        diesel_l_per_tkm=row["diesel_l_per_tkm_with_empty_return"],
        source=row["ef_source"],
        tag=row["ef_inputs_tag"],
        confidence=row["fuel_confidence"],
    )


FACTORS: Final[Mapping[str, Factor]] = MappingProxyType(
    {
        row["id"]: _factor(row)
        for kind in ("costs", "unit_work", "materials_a1a3", "fuel")
        for row in table("factors")[kind]
    }
)
"""Costs, machine work, materials and fuel by id."""

VEHICLES: Final[Mapping[str, Vehicle]] = MappingProxyType(
    {row["id"]: _vehicle(row) for row in table("factors")["vehicles"]}
)
"""The vehicle classes by id."""
