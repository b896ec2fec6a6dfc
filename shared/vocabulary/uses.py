"""What may serve what: by the use a need names, by the material it names, and by MARA."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

from shared.vocabulary.materials import MATERIALS, material
from shared.vocabulary.provenance import Provenance, Tag, provenance_of
from shared.vocabulary.tables import table

Verdict = Literal["pass", "conditional", "unknown", "fail"]

_AND: Final = " + "
_WORST_FIRST: Final = ("fail", "unknown", "conditional", "pass")


@dataclass(frozen=True, slots=True)
class Suited:
    """
    Whether a material may serve a need, and on what terms (gate G6).

    *rank* is 0 for direct use, 1 for all else. *condition* is a code of the enumeration
    `condition`, *processing* one of `processing`; where both lists ask, theirs are joined by " + ".
    """

    verdict: Verdict
    rank: int
    condition: str | None
    processing: str | None
    tag: Tag

    @property
    def conditions(self) -> tuple[str, ...]:
        """The conditions one by one."""
        return tuple(self.condition.split(_AND)) if self.condition else ()

    @property
    def processings(self) -> tuple[str, ...]:
        """The workings one by one; an area on the way must offer all of them."""
        return tuple(self.processing.split(_AND)) if self.processing else ()


class Worked(NamedTuple):
    """A material that serves after *by* (a processing), or on condition *by*."""

    material: str
    by: str


@dataclass(frozen=True, slots=True)
class Serving:
    """One row of the lists: what serves directly, after processing, and on condition."""

    id: str
    direct: tuple[str, ...]
    after_processing: tuple[Worked, ...]
    conditional: tuple[Worked, ...]
    provenance: Provenance


class UseRules(NamedTuple):
    """The lowest tier and the highest frost class a use allows; None where it sets no limit."""

    min_tier: str | None
    max_frost: str | None


@dataclass(frozen=True, slots=True)
class Use:
    """A use of masses: its limits and what may serve it."""

    id: str
    rules: UseRules
    serving: Serving


class MaraStructure(NamedTuple):
    """A structure MARA allows; *max_layer_m* in metres, None when not known (never zero)."""

    structure: str
    max_layer_m: float | None


@dataclass(frozen=True, slots=True)
class Mara:
    """
    The MARA route (VNa 843/2017) of one waste type: structures, layer, piece and amount limits.

    The layers rest on one municipal page, not on the decree; leaching limits are not judged here.
    *bars_housing*: not on housing areas; children's play areas and groundwater areas of class 1 and
    2 bar every type.
    """

    id: str
    names: Mapping[str, str]
    allowed: tuple[MaraStructure, ...]
    max_particle_mm: float | None
    max_t_per_site: float | None
    extra: str | None
    waste_codes: tuple[str, ...]
    provenance: Provenance
    bars_housing: bool = False

    def max_layer_m(self, structure: str) -> float | None:
        """The thickest layer in *structure*, in metres; None when not allowed or not known."""
        return dict(self.allowed).get(structure)

    def allows(self, structure: str) -> bool:
        """Whether the list names *structure*."""
        return structure in dict(self.allowed)


def suited(material: str, *, need_material: str | None, use: str | None) -> Suited:
    """
    Whether *material* may serve a need that names a material, a use, or both (gate G6).

    Both named: both must allow, and the worse verdict holds. Import groupings are unknown until
    refined, and so is a need that names neither; an `unspecified` use counts as none. A code not
    known here fits nothing. Of several ways the one with the least to do is told; see `ways`.
    """
    return ways(material, need_material=need_material, use=use)[0]


@lru_cache(maxsize=4096)
def ways(material: str, *, need_material: str | None, use: str | None) -> tuple[Suited, ...]:
    """Every way in which *material* may serve the need, the least to do first; never empty."""
    asked = [
        _ways_in(lists, material, key)
        for lists, key in ((_SUBSTITUTES, need_material), (_USE_LISTS, use))
        if key is not None and key != "unspecified"
    ]
    if material not in MATERIALS:
        return (_FAIL,)
    if not asked or _unrefined(material):
        return (_UNKNOWN,)
    joined = {_both(pair) for pair in product(*asked)}
    return tuple(sorted(joined, key=_least_to_do))


def use_rules(use: str | None) -> UseRules:
    """
    The limits the *use* itself sets on tier and frost.

    None, `unspecified` and a use not known here set none; the last is refused by `suited`.
    """
    found = None if use is None else USES.get(use)
    return UseRules(None, None) if found is None else found.rules


def mara(material_id: str) -> Mara | None:
    """
    The MARA route of a recovered material; None when MARA does not name it.

    Raises `UnknownMaterial`.
    """
    mara_id = material(material_id).mara_id
    return None if mara_id is None else _MARA[mara_id]


_TAG: Final[Tag] = "unverified"
_PASS = Suited("pass", 0, None, None, _TAG)
_FAIL = Suited("fail", 1, None, None, _TAG)
_UNKNOWN = Suited("unknown", 1, None, None, _TAG)


def _unrefined(id: str) -> bool:
    return MATERIALS[id].group == "import_grouping"


def _ways_in(lists: Mapping[str, Serving], id: str, key: str) -> tuple[Suited, ...]:
    if key not in lists:
        unrefined = lists is _SUBSTITUTES and key in MATERIALS and _unrefined(key)
        return (_UNKNOWN,) if unrefined else (_FAIL,)
    return tuple(_ways_by(lists[key], id)) or (_FAIL,)


def _ways_by(row: Serving, id: str) -> Iterator[Suited]:
    tag = row.provenance.tag
    if id in row.direct:
        yield Suited("pass", 0, None, None, tag)
    for named, by in row.conditional:
        if named == id or (named == "*" and id not in _NOT_MINERAL):
            yield Suited("conditional", 1, by, None, tag)
    for named, by in row.after_processing:
        if named == id:
            yield Suited("conditional", 1, None, by, tag)


def _both(pair: tuple[Suited, ...]) -> Suited:
    worst = min(pair, key=lambda each: _WORST_FIRST.index(each.verdict))
    if worst.verdict in ("fail", "unknown"):
        return worst
    return Suited(
        verdict=worst.verdict,
        rank=max(each.rank for each in pair),
        condition=_joined(each.condition for each in pair),
        processing=_joined(each.processing for each in pair),
        tag=worst.tag,
    )


def _joined(words: Iterator[str | None]) -> str | None:
    return _AND.join(dict.fromkeys(word for word in words if word)) or None


def _least_to_do(way: Suited) -> tuple[int, int, int, str]:
    asked = f"{way.processing} {way.condition}"
    return -_WORST_FIRST.index(way.verdict), len(way.processings), len(way.conditions), asked


def _serving(row: Mapping[str, Any], key: str) -> Serving:
    return Serving(
        id=row[key],
        direct=tuple(row["direct"]),
        after_processing=tuple(
            Worked(each["material"], each["processing"]) for each in row["after_processing"]
        ),
        conditional=tuple(
            Worked(each["material"], each["condition"]) for each in row["conditional"]
        ),
        provenance=provenance_of(row),
    )


def _use(row: Mapping[str, Any]) -> Use:
    rules = UseRules(row["min_suitability_tier"], row["max_frost_class"])
    return Use(row["use"], rules, _serving(row, "use"))


def _mara(row: Mapping[str, Any]) -> Mara:
    return Mara(
        id=row["id"],
        names=row["names"],
        allowed=tuple(
            MaraStructure(each["structure"], each["max_layer_m"]) for each in row["allowed"]
        ),
        max_particle_mm=row.get("max_particle_mm"),
        max_t_per_site=row.get("max_t_per_site"),
        extra=row.get("extra"),
        waste_codes=tuple(row["waste_codes"]),
        provenance=Provenance(row["allowed_source"], row["allowed_tag"]),
        bars_housing=row["id"] in table("mara")["not_on"]["housing_area"]["mara_ids"],
    )


USES: Final[Mapping[str, Use]] = MappingProxyType(
    {row["use"]: _use(row) for row in table("gates")["uses"]}
)
"""The uses that set rules, by id; `unspecified` is a code but sets none and is not here."""

_USE_LISTS: Final[Mapping[str, Serving]] = {id: each.serving for id, each in USES.items()}
_SUBSTITUTES: Final[Mapping[str, Serving]] = {
    row["need_material"]: _serving(row, "need_material")
    for row in table("gates")["material_substitution"]
}
_NOT_MINERAL: Final = frozenset(table("gates")["not_mineral"]["materials"])
_MARA: Final = {row["id"]: _mara(row) for row in table("mara")["materials"]}

LEAST_ABOVE_GROUNDWATER_M: Final[float] = table("mara")["least"]["above_groundwater_m"]["value"]
"""Metres between a MARA structure and the highest groundwater; unverified, medium confidence."""

LEAST_WELL_DISTANCE_M: Final[float] = table("mara")["least"]["well_distance_m"]["value"]
"""Metres between a MARA structure and a household well; unverified, medium confidence."""

BARRED_GROUNDWATER_CLASSES: Final = frozenset(
    table("mara")["not_on"]["groundwater_classes"]["classes"]
)
"""The classes of groundwater areas on which MARA allows no structure."""
