"""Codes of soils in the two systems that are in use, each read in its own: `Sa` is no one thing."""

import re
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, ClassVar, Final

from shared.vocabulary.errors import Refused
from shared.vocabulary.materials import MATERIALS, Material
from shared.vocabulary.tables import table


class UnknownSoilSystem(Refused):
    """The soil system {value!r} is not known. {remedy}"""

    code: ClassVar[str] = "soil_system_unknown"


class UnknownSoilCode(Refused):
    """{system} has no soil code {value!r}. {remedy}"""

    code: ClassVar[str] = "soil_code_unknown"


class SoilCodeContradicts(Refused):
    """{value!r} contradicts the material {material}: {readings}. {remedy}"""

    code: ClassVar[str] = "soil_code_contradicts"


SYSTEMS: Final[Mapping[str, str]] = MappingProxyType(
    {row["id"]: row["printed"] for row in table("materials")["soil_systems"]}
)
"""The systems by id, each as it is printed in the table of materials."""

_FRACTION = re.compile(r"LBo|[A-ZÄÖ][a-zäö]")
_ANY_FRACTION = re.compile(r"LBo|[A-Za-zÄÖäö][a-zäö]")
_CODE = re.compile(r"(?:[a-zäö]{2})*((?:LBo|[A-ZÄÖ][a-zäö])+)")


def readings(code: str) -> Mapping[str, tuple[str, ...]]:
    """What *code* means in each system that knows it: materials by system, the main soil's."""
    found = {system: _read(system, code) for system in SYSTEMS}
    return {system: materials for system, materials in found.items() if materials}


def materials_of(system: str, code: str) -> tuple[str, ...]:
    """
    The materials that *code* of *system* (GEO, ISO14688) may name, the main fraction deciding.

    Fractions in lower case before the main one only describe it: `siSa` of ISO 14688 is silty sand.
    Raises `UnknownSoilSystem` and `UnknownSoilCode`.
    """
    known = codes_of(system)
    found = _read(system, code)
    if not found:
        remedy = f"Use one of: {', '.join(known)}; finer fractions in lower case before."
        raise UnknownSoilCode(system=system, value=code, remedy=remedy)
    return found


def codes_of(system: str) -> tuple[str, ...]:
    """The codes of *system*; `UnknownSoilSystem` when there is none."""
    if system not in SYSTEMS:
        raise UnknownSoilSystem(value=system, remedy=f"Use one of: {', '.join(SYSTEMS)}.")
    return tuple(_codes(SYSTEMS[system]))


def check_soil_code(material: str, system: str, code: str) -> None:
    """
    Refuse a *code* of *system* that contradicts the *material*, with what it means in each system.

    A material for which the system has no code is not contradicted. Raises `UnknownSoilSystem`,
    `UnknownSoilCode` and `SoilCodeContradicts`.
    """
    named = materials_of(system, code)
    if material in named or not _has_codes(material, SYSTEMS[system]):
        return
    raise SoilCodeContradicts(
        value=f"{system} {code}",
        material=material,
        readings=told_readings(code),
        remedy="Correct the system, the code or the material.",
    )


def told_readings(code: str) -> str:
    """What *code* means in each system, in words: `Sa is clay in GEO, sand in ISO14688`."""
    found = readings(code)
    said = ", ".join(f"{' or '.join(named)} in {system}" for system, named in found.items())
    return f"{code} is {said}" if said else f"{code} is in no system"


@cache
def _read(system: str, code: str) -> tuple[str, ...]:
    codes = _codes(SYSTEMS[system])
    if code in codes:
        return _with_mixed(system, code, codes[code])
    parsed = _CODE.fullmatch(code)
    if parsed is None:
        return ()
    fractions = _FRACTION.findall(parsed[1])
    if not all(each in codes for each in fractions):
        return ()
    return _with_mixed(system, code, codes[fractions[-1]])


def _with_mixed(system: str, code: str, named: tuple[str, ...]) -> tuple[str, ...]:
    """A code of several fractions of ISO 14688 may be till, which has no code of its own there."""
    if system != "ISO14688" or len(_ANY_FRACTION.findall(code)) < 2:
        return named
    mixed = table("materials")["mixed_soils"]["materials"]
    return tuple(dict.fromkeys((*named, *mixed)))


@cache
def _codes(printed: str) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for each in MATERIALS.values():
        for code in _codes_of(each, printed):
            found.setdefault(code, []).append(each.id)
    return {code: tuple(ids) for code, ids in found.items()}


def _codes_of(one: Material, printed: str) -> tuple[str, ...]:
    own = [*one.soil_codes, *(code for sub in one.subtypes for code in sub.soil_codes)]
    every: list[Any] = [code for codes in own if codes.system == printed for code in codes.codes]
    return tuple(dict.fromkeys(every))


def _has_codes(material: str, printed: str) -> bool:
    found = MATERIALS.get(material)
    return found is not None and bool(_codes_of(found, printed))
