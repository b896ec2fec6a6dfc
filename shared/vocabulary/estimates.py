"""Amounts before there is a design: area × depth, or length × cross-section, by kind of project."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Final, Literal

from shared.vocabulary.errors import Refused
from shared.vocabulary.provenance import Tag
from shared.vocabulary.tables import table, version_of

Size = Literal["area_m2", "length_m"]

ESTIMATES_VERSION: Final = version_of("estimates")
ESTIMATES_TAG: Final[Tag] = table("estimates")["meta"]["tag"]
"""What to show beside an early estimate."""

METHODS: Final[Mapping[str, tuple[str, str]]] = {
    "area_depth": ("area_m2", "depth_m"),
    "length_section": ("length_m", "section_m2"),
}
"""The two inputs that each method multiplies."""

_OF_SIZE: Final[Mapping[Size, tuple[str, str]]] = {
    "area_m2": ("area_depth", "depth_m"),
    "length_m": ("length_section", "section_m2"),
}


class UnknownProjectType(Refused):
    """No early estimate is known for a {value!r}. {remedy}"""

    code: ClassVar[str] = "project_type_unknown"


@dataclass(frozen=True, slots=True)
class Estimated:
    """One mass line of an early estimate: m³ of *unit*, with bounds, and how it came about."""

    direction: str
    material: str
    use: str | None
    unit: str
    quantity: float
    low: float
    high: float
    estimate: Mapping[str, str | float]


@dataclass(frozen=True, slots=True)
class ProjectType:
    """A kind of project: its names by language, and whether it is sized by area or by length."""

    id: str
    names: Mapping[str, str]
    size: Size
    lines: tuple[Mapping[str, Any], ...]


@cache
def project_types() -> Mapping[str, ProjectType]:
    """Every kind of project that an early estimate is known for, by id."""
    return {
        id: ProjectType(id, told["names"], told["size"], tuple(told["lines"]))
        for id, told in table("estimates")["types"].items()
    }


def volume_of(estimate: Mapping[str, Any]) -> float | None:
    """The m³ that the inputs of *estimate* multiply to; None where one of them is missing."""
    first, second = (estimate.get(name) for name in METHODS[estimate["method"]])
    return None if first is None or second is None else float(first) * float(second)


def bounds_of(volume: float) -> tuple[float, float]:
    """The lowest and the highest m³ that an early estimate of *volume* stands for; unverified."""
    spread = table("estimates")["spread"]
    return volume * spread["low"], volume * spread["high"]


def size_of(type_id: str, told: Mapping[str, Any]) -> float | None:
    """The m² or m that *told* has for a project of the type; None where it has neither."""
    known = project_types().get(type_id)
    size = told.get(known.size) if known else None
    return None if size is None else float(size)


def estimated(
    type_id: str,
    size: float,
    *,
    depth_m: float | None = None,
    section_m2: float | None = None,
    soil: str | None = None,
) -> Iterator[Estimated]:
    """
    What a project of the type digs up and needs, *size* in m² or m as its type is sized.

    *depth_m* or *section_m2* stand in for the default of what it digs up, *soil* for its material.
    Raises `UnknownProjectType`.
    """
    known = project_types().get(type_id)
    if known is None:
        raise UnknownProjectType(value=type_id, remedy=f"Use one of {', '.join(project_types())}.")
    method, by = _OF_SIZE[known.size]
    told = depth_m if by == "depth_m" else section_m2
    for line in known.lines:
        is_surplus = line["direction"] == "surplus"
        times = told if told is not None and is_surplus else float(line[by])
        estimate: dict[str, str | float] = {
            "method": method,
            "project_type": known.id,
            known.size: size,
            by: times,
        }
        volume = size * times
        low, high = bounds_of(volume)
        material = soil if soil is not None and is_surplus else str(line["material"])
        yield Estimated(
            line["direction"], material, line.get("use"), line["unit"],
            round(volume, 3), round(low, 3), round(high, 3), estimate,
        )  # fmt: skip
