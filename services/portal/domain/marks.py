"""How a material, a state and an indicator look on the page: never by colour alone."""

from collections.abc import Iterable
from typing import Final

from shared.vocabulary.enumerations import names
from shared.vocabulary.materials import MATERIALS
from shared.vocabulary.papers import paper_name as name_of_paper
from shared.vocabulary.tables import table

STATES: Final = ("forecast", "proposed", "agreed", "delivered")

_GROUPS: Final = {
    "clay": ("clay", "dry_crust_clay", "sulphide_clay", "silt", "cohesive_soil",
             "stabilised_clay", "gyttja", "dredged_sediment"),
    "moraine": ("till",),
    "rock": ("rock_solid", "blasted_rock_loose", "stones", "boulders"),
    "sand": ("sand", "gravel", "friction_soil", "crushed_gravel"),
    "topsoil": ("topsoil", "peat", "organic_soil", "growing_medium"),
    "crushed": ("crushed_rock", "crushed_concrete", "crushed_brick", "asphalt_granulate",
                "recovered_unspecified", "track_ballast"),
}  # fmt: skip
GROUP_OF: Final = {one: group for group, every in _GROUPS.items() for one in every}


def material_group(material: str) -> str:
    """The group whose colour and pattern *material* bears; `other` for what has none."""
    return GROUP_OF.get(material, "other")


def material_name(material: str, language: str) -> str:
    """The name in *language* with a capital; a material not known here is shown as its code."""
    known = MATERIALS.get(material)
    name = known.names.get(language, material) if known else material
    return name[:1].upper() + name[1:]


def word(enumeration: str, code: str, language: str) -> str:
    """What *code* of an *enumeration* of the vocabulary is called; the code where none knows it."""
    return names(enumeration, code, language)


def named(enumeration: str, every: Iterable[str], language: str) -> list[tuple[str, str]]:
    """Each of *every* code with its word, to choose from."""
    return [(code, word(enumeration, code, language)) for code in every]


def paper_name(id: str, language: str) -> str:
    """What the paper *id* is called."""
    return name_of_paper(id, language)


def state_shape(state: str) -> str:
    """The line that stands for *state*: dashed until agreed, hollow when it ended without."""
    if state in ("proposed", "accepted"):
        return "dashed"
    return {"agreed": "solid", "moving": "double", "done": "full"}.get(state, "hollow")


def indicator_name(indicator: str, language: str) -> str:
    """The vocabulary's name of *indicator*, told by number (`K1a`) or key; else as told."""
    for row in table("kpi")["kpis"]:
        for each in (row, *row.get("variants", ())):
            if indicator in (each["id"], each.get("key")):
                name = str(each["names"].get(language, indicator))
                return name[:1].upper() + name[1:]
    return indicator
