"""What was told, in tonnes: cubic metres in place, loose or in a structure, and what they weigh."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from types import MappingProxyType
from typing import ClassVar, Final

from shared.vocabulary.errors import Refused
from shared.vocabulary.materials import VOCABULARY_VERSION, Material, material
from shared.vocabulary.provenance import Provenance, Range, Tag, provenance_of
from shared.vocabulary.tables import table

_GRAM = 6
"""Decimals kept of a tonne: a gram, so that 1000 m3 of a round factor are round tonnes."""


class BadUnit(Refused):
    """The unit {value!r} is not used here. {remedy}"""

    code: ClassVar[str] = "unit_refused"


class UnitWithoutState(BadUnit):
    """{value!r} does not say in what state the mass is. {remedy}"""

    code: ClassVar[str] = "unit_without_state"


class NoInSituState(BadUnit):
    """{material} cannot be measured in place, as {value!r}. {remedy}"""

    code: ClassVar[str] = "no_in_situ_state"


class NoFactor(BadUnit):
    """No factor is known from {value!r} of {material} to tonnes. {remedy}"""

    code: ClassVar[str] = "no_conversion_factor"


class BadQuantity(Refused):
    """The {field} {value!r} is not a quantity. {remedy}"""

    code: ClassVar[str] = "quantity_refused"


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit of quantity; *state* is mass, in_situ, loose or in_structure."""

    id: str
    names: Mapping[str, str] = field(hash=False)
    state: str
    provenance: Provenance


@dataclass(frozen=True, slots=True)
class Tonnes:
    """
    A mass in tonnes, `low <= likely <= high`, and how it was reached.

    *factor* is an id such as `clay.t_per_m3ktr`, or `none` when tonnes were told; *tag* is what to
    show beside the likely value, *source* and *confidence* where the factor is from. The bounds are
    bounds, not probabilities.
    """

    low: float
    likely: float
    high: float
    factor: str
    factor_version: str
    tag: Tag
    source: str
    confidence: str | None


def _units() -> dict[str, Unit]:
    rows = table("units")["units"]
    return {
        row["id"]: Unit(row["id"], row["names"], row["state"], provenance_of(row)) for row in rows
    }


UNITS: Final[Mapping[str, Unit]] = MappingProxyType(_units())
"""The units of quantity that events may carry, by id."""

CUBIC_YARD_M3: Final[float] = table("units")["si"]["cubic_yard"]["value"]
"""Cubic metres in a cubic yard: (0.9144 m)^3, exact by the yard and pound agreement of 1959."""

SHORT_TON_T: Final[float] = table("units")["si"]["short_ton"]["value"]
"""Tonnes in a US short ton: 2000 lb of 0.45359237 kg, exact by the agreement of 1959."""

RELIABILITY_RANGE: Final[Mapping[str, float]] = MappingProxyType(
    {
        row["id"]: row["range_pct"] / 100
        for row in table("enumerations")["enumerations"]["reliability"]
    }
)
"""The share by which a quantity may be off, by grade of reliability; unverified, low confidence."""


def to_tonnes(
    value: float,
    unit: str,
    material: str,
    *,
    reliability: str = "unknown",
    low: float | None = None,
    high: float | None = None,
) -> Tonnes:
    """
    What *value* of *unit* of *material* weighs, in tonnes with bounds.

    *low* and *high*, in the same unit, are the teller's own bounds and win, at the likely factor;
    a bound not given is widened by the factor's range and by that of the *reliability* grade
    (A 10 %, B 25 %, C and unknown 50 %; another word counts as unknown). Tonnes are widened by
    reliability alone. Theoretical and actual cubic metres use the same factor.

    Raises `BadUnit` (`UnitWithoutState` for bare m3, `NoInSituState` for m3ktr of products,
    `NoFactor` where the table has none), `BadQuantity` and `UnknownMaterial`.
    """
    _check(value, low, high)
    factor, factor_id = _factor(unit, material)
    off = RELIABILITY_RANGE.get(reliability, RELIABILITY_RANGE["unknown"])
    lowest = value * (1 - off) * factor.low if low is None else low * factor.likely
    highest = value * (1 + off) * factor.high if high is None else high * factor.likely
    return Tonnes(
        low=round(lowest, _GRAM),
        likely=round(value * factor.likely, _GRAM),
        high=round(highest, _GRAM),
        factor=factor_id,
        factor_version=VOCABULARY_VERSION,
        tag=factor.tag,
        source=factor.provenance.source,
        confidence=factor.provenance.confidence,
    )


def si(value: float, unit: str) -> tuple[float, str]:
    """
    A foreign measure as cubic metres or tonnes: (value, `m3` or `t`).

    Knows yd3, cyd, cys, C.Y., cubic_yard, short_ton, ton_us, kg, m3 and t, in any case of letters.
    The m3 still lacks a state: say which before `to_tonnes`. A bare "ton" is refused: it is a tonne
    in one country and 907 kg in another. Raises `BadUnit`.
    """
    word = unit.strip().casefold()
    for row in table("units")["si"].values():
        if word in row["words"]:
            return value * row["value"], row["unit"]
    raise BadUnit(value=unit, remedy="Say yd3, short_ton, kg, m3 or t.")


_TOLD_IN_TONNES = Range(
    1.0, 1.0, 1.0, "t/t", Provenance("told in tonnes: nothing was converted", "product_rule")
)


def _check(value: float, low: float | None, high: float | None) -> None:
    for name, each in (("low", low), ("value", value), ("high", high)):
        if each is not None and not (isfinite(each) and each >= 0):
            raise BadQuantity(field=name, value=each, remedy="Give a number that is not negative.")
    if low is not None and low > value:
        raise BadQuantity(field="low", value=low, remedy=f"It may be at most the value, {value}.")
    if high is not None and high < value:
        raise BadQuantity(field="high", value=high, remedy=f"It is at least the value, {value}.")


def _factor(unit: str, id: str) -> tuple[Range, str]:
    found = material(id)
    known = UNITS.get(unit)
    if known is None:
        raise _refusal(unit, found)
    if known.state == "mass":
        return _TOLD_IN_TONNES, "none"
    factor, name = {
        "in_situ": (found.density, "t_per_m3ktr"),
        "loose": (found.t_per_m3itd, "t_per_m3itd"),
        "in_structure": (found.t_per_m3rtr, "t_per_m3rtr"),
    }[known.state]
    if factor is None:
        raised = NoInSituState if known.state == "in_situ" else NoFactor
        raise raised(value=unit, material=id, remedy=f"Tell it as {_usable(found)}.")
    return factor, f"{id}.{name}"


def _refusal(unit: str, found: Material) -> BadUnit:
    if unit in ("m3", "m³"):
        return UnitWithoutState(value=unit, remedy=f"Tell it as {_usable(found)}.")
    if unit == "m":
        return BadUnit(value=unit, remedy="A length is no mass: tell cubic metres or tonnes.")
    return BadUnit(value=unit, remedy=f"Use one of: {', '.join(UNITS)}.")


def _usable(found: Material) -> str:
    words = {
        "m3ktr (in place)": found.density,
        "m3itd (loose)": found.t_per_m3itd,
        "m3rtr (in the structure)": found.t_per_m3rtr,
    }
    return ", ".join([*(word for word, factor in words.items() if factor), "t (tonnes)"])
