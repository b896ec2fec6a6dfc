"""What is moved: material ids, names in three languages, densities with their source."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, ClassVar, Final, Literal

from shared.vocabulary.errors import Coded, Refused
from shared.vocabulary.provenance import Range, provenance_of
from shared.vocabulary.tables import table, version_of

Group = Literal["natural", "product", "recovered", "import_grouping"]

VOCABULARY_VERSION: Final = version_of("materials")
"""The version kept beside everything computed from densities, as text."""


class UnknownMaterial(Refused):
    """The vocabulary has no material {value!r}. {remedy}"""

    code: ClassVar[str] = "material_unknown"


@dataclass(frozen=True, slots=True)
class SoilCodes:
    """Codes of one classification system; a bare code means nothing: `Sa` is clay in GEO."""

    system: str
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Subtype:
    """A narrower word for a material, with the names people use."""

    id: str
    names: Mapping[str, str] = field(hash=False)
    soil_codes: tuple[SoilCodes, ...] = ()


@dataclass(frozen=True, slots=True)
class Material:
    """
    One material, or an import grouping of several *members* that must be refined before agreeing.

    *density* in t/m3ktr, *t_per_m3itd* and *t_per_m3rtr* in what they say; *loosening* in m3itd per
    m3ktr, *structure* in m3rtr per m3ktr. None means not known or no such state, never zero; each
    range carries its provenance. *waste_codes* hold when the mass is waste.
    """

    id: str
    group: Group
    names: Mapping[str, str] = field(hash=False)
    members: tuple[str, ...] = ()
    mara_id: str | None = None
    waste_codes: tuple[str, ...] = ()
    hazardous_waste_codes: tuple[str, ...] = ()
    behaviour: str | None = None
    density: Range | None = None
    loosening: Range | None = None
    structure: Range | None = None
    t_per_m3itd: Range | None = None
    t_per_m3rtr: Range | None = None
    subtypes: tuple[Subtype, ...] = ()
    soil_codes: tuple[SoilCodes, ...] = ()
    same_substance_as: str | None = None
    note: str | None = None

    @property
    def has_in_situ_state(self) -> bool:
        """Whether the material can be measured in place, m3ktr."""
        return self.density is not None


def material(id: str) -> Material:
    """The material *id*; `UnknownMaterial`, with the closest ids, when there is none."""
    try:
        return MATERIALS[id]
    except KeyError:
        raise UnknownMaterial(value=id, remedy=_remedy(id)) from None


def unknown_material(id: str, field: str) -> Coded:
    """What there is to say of the material *id* in *field*, where there is none of that id."""
    if close := get_close_matches(id, MATERIALS, n=3):
        return Coded("material_unknown/close", field=field, value=id, close=close)
    return Coded("material_unknown", field=field, value=id)


def one_substance(id: str) -> str:
    """
    The id under which a balance adds this material up.

    Rock in place and blasted rock are one substance in two states, `rock_solid`. Every other id,
    also one not known here, stands for itself.
    """
    found = MATERIALS.get(id)
    if found is None or found.same_substance_as is None or found.group == "natural":
        return id
    return found.same_substance_as


def needs_acid_sulphate(id: str) -> bool:
    """Whether a lot of this material must say its acid sulphate status (gate G4)."""
    return id in table("materials")["asks"]["acid_sulphate"]["materials"]


def needs_invasive_status(id: str) -> bool:
    """Whether a lot of this material must say its invasive plant status (gate G5)."""
    return id in table("materials")["asks"]["invasive_status"]["materials"]


def waste_codes_of(id: str) -> tuple[str, ...]:
    """
    The waste codes that *id* may bear when it is waste, hazardous ones (*) last; empty: any.

    Its own, those of its MARA type, and codes of mixtures that fit its group; an import grouping
    has those of its members. Unverified. Raises `UnknownMaterial`.
    """
    found = material(id)
    if found.members:
        every = [code for member in found.members for code in waste_codes_of(member)]
    else:
        every = [*found.waste_codes, *found.hazardous_waste_codes]
        rows = table("mara")["materials"] if found.mara_id else ()
        mara = [code for row in rows if row["id"] == found.mara_id for code in row["waste_codes"]]
        also = table("materials")["waste_codes_also"].get(found.group, ())
        every += [*mara, *also] if every else []
    return tuple(sorted(set(every), key=lambda code: (is_hazardous(code), code)))


def is_hazardous(waste_code: str | None) -> bool:
    """Whether the waste code is one of hazardous waste: it ends in *."""
    return waste_code is not None and waste_code.endswith("*")


def waste_code_name(code: str, lang: str) -> str:
    """What the waste code says in *lang* (fi, sv, en); the code itself where it is not listed."""
    rows = table("materials")["waste_codes"]
    return next((str(row[lang]) for row in rows if row["code"] == code and lang in row), code)


def _remedy(id: str) -> str:
    close = get_close_matches(str(id), MATERIALS, n=3, cutoff=0.6)
    if close:
        return f"Did you mean {', '.join(close)}?"
    return f"Use one of: {', '.join(MATERIALS)}."


def _range(row: Mapping[str, Any] | None, unit: str) -> Range | None:
    if row is None:
        return None
    return Range(row["min"], row["typical"], row["max"], unit, provenance_of(row))


def _material(row: Mapping[str, Any]) -> Material:
    density = _range(row.get("density_t_per_m3ktr"), "t/m3ktr")
    loosening = _range(row.get("loosening_m3itd_per_m3ktr"), "m3itd/m3ktr")
    structure = _range(row.get("structure_m3rtr_per_m3ktr"), "m3rtr/m3ktr")
    loose = _range(row.get("t_per_m3itd"), "t/m3itd")
    placed = _range(row.get("t_per_m3rtr"), "t/m3rtr")
    return Material(
        id=row["id"],
        group=row["group"],
        names=row["names"],
        members=tuple(row.get("members", ())),
        mara_id=row.get("mara_id"),
        waste_codes=tuple(row.get("waste_codes_if_waste", ())),
        hazardous_waste_codes=tuple(row.get("waste_codes_if_hazardous", ())),
        behaviour=row.get("behaviour"),
        density=density,
        loosening=loosening,
        structure=structure,
        t_per_m3itd=loose or (density and loosening and density.over(loosening, "t/m3itd")),
        t_per_m3rtr=placed or (density and structure and density.over(structure, "t/m3rtr")),
        subtypes=tuple(_subtype(each) for each in row.get("subtypes", ())),
        soil_codes=_soil_codes(row),
        same_substance_as=row.get("same_substance_as"),
        note=row.get("note"),
    )


def _subtype(row: Mapping[str, Any]) -> Subtype:
    return Subtype(id=row["id"], names=row["names"], soil_codes=_soil_codes(row))


def _soil_codes(row: Mapping[str, Any]) -> tuple[SoilCodes, ...]:
    given = (row.get("codes_geo"), row.get("codes_iso"))
    return tuple(SoilCodes(each["system"], tuple(each["codes"])) for each in given if each)


def _all() -> dict[str, Material]:
    tables = table("materials")
    kinds = ("natural", "products", "recovered", "import_groupings")
    return {row["id"]: _material(row) for kind in kinds for row in tables[kind]}


MATERIALS: Final[Mapping[str, Material]] = MappingProxyType(_all())
"""Every material by its id, in the order of the table."""

INVASIVE_SPECIES: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        row["id"]: MappingProxyType({lang: row[lang] for lang in ("fi", "sv", "en", "la")})
        for row in table("materials")["invasive_species"]
    }
)
"""Invasive species that soil carries, by id: names, and the scientific one under `la`."""
