"""From laboratory values to a class of contamination, by the decree's values for each substance."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from math import isfinite
from types import MappingProxyType
from typing import Any, ClassVar, Final, NamedTuple

from shared.vocabulary.enumerations import rank
from shared.vocabulary.errors import Refused
from shared.vocabulary.provenance import Provenance, provenance_of
from shared.vocabulary.tables import table, version_of

PIMA_VERSION: Final = version_of("pima")
"""The version kept beside every class computed here, as text."""


class UnknownSubstance(Refused):
    """The {field} {value!r} is no substance of the decree. {remedy}"""

    code: ClassVar[str] = "substance_unknown"


class BadConcentration(Refused):
    """The {field} of {substance} is {value!r} mg/kg. {remedy}"""

    code: ClassVar[str] = "concentration_refused"


class NoNaturalBackground(Refused):
    """No natural background is told for {value!r}. {remedy}"""

    code: ClassVar[str] = "background_not_natural"


@dataclass(frozen=True, slots=True)
class Substance:
    """
    One substance and its values in mg/kg of dry matter; None is not set, never zero.

    *threshold* kynnysarvo, *lower* and *upper* guideline; inorganics are compared in the fraction
    under 2 mm. *groundwater_risk*: a risk to groundwater also below the lower guideline.
    """

    id: str
    names: Mapping[str, str] = field(hash=False)
    group: str
    threshold: float | None
    lower: float | None
    upper: float | None
    groundwater_risk: bool
    natural_median: float | None
    provenance: Provenance


class Limit(NamedTuple):
    """A value that was compared: *name* is threshold, background, lower or upper."""

    name: str
    mg_per_kg: float


@dataclass(frozen=True, slots=True)
class Classified:
    """
    What laboratory values say of a lot.

    *contamination* is P0 to P3, or `unknown` while a required substance is *missing*; *at_least* is
    the class of what was analysed all the same. *worst* is the substance that decides, with its
    *mg_per_kg* and the highest *limit* it exceeds, or the one it is nearest to; *version* is that
    of the values.
    """

    contamination: str
    at_least: str
    worst: str | None
    mg_per_kg: float | None
    limit: Limit | None
    missing: tuple[str, ...]
    provenance: Provenance
    version: str = PIMA_VERSION


def substance(id: str, field: str = "substance") -> Substance:
    """The substance *id*; `UnknownSubstance`, with the closest ids, when there is none."""
    try:
        return SUBSTANCES[id]
    except KeyError:
        close = get_close_matches(str(id), SUBSTANCES, n=3, cutoff=0.5)
        told = f"Did you mean {', '.join(close)}?" if close else _one_of()
        raise UnknownSubstance(field=field, value=id, remedy=told) from None


def classify(
    results: Mapping[str, float],
    background: Mapping[str, float] | None = None,
    required: Iterable[str] = (),
) -> Classified:
    """
    The class of a lot by its laboratory *results*, mg/kg of dry matter by substance.

    A value above the upper guideline is P3, above the lower P2, above the threshold P1, else P0;
    equality does not exceed, a value that is not set is skipped, the worst substance decides. A
    natural *background* above the threshold takes its place. A *required* substance without a
    result leaves the lot `unknown`, unless it is P3 already. P4 is never computed. A value below
    the laboratory's limit is told as that limit.

    Raises `UnknownSubstance`, `BadConcentration` and `NoNaturalBackground`.
    """
    natural = _natural(background or {})
    _check(results, "result")
    told = _with_sums(results)
    judged = [
        (*_exceeded(SUBSTANCES[id], value, natural.get(id)), id) for id, value in told.items()
    ]
    for id in required:
        substance(id, "required substance")
    missing = tuple(id for id in dict.fromkeys(required) if id not in _analysed(results))
    if not judged:
        return Classified("unknown", "P0", None, None, None, missing, RULE)
    level, _, limit, worst = max(judged, key=lambda one: (one[0], one[1]))
    at_least = f"P{level}"
    unknown = missing and level < _HIGHEST
    return Classified(
        contamination="unknown" if unknown else at_least,
        at_least=at_least,
        worst=worst,
        mg_per_kg=told[worst],
        limit=limit,
        missing=missing,
        provenance=SUBSTANCES[worst].provenance,
    )


def classify_lot(
    results: Mapping[str, float],
    background: Mapping[str, float] | None = None,
    suspected: Iterable[str] = (),
) -> Classified:
    """
    As `classify`, of a lot whose history gives reason to look for *suspected* substances.

    P0 is told only when the substances of a usual first analysis (`REQUIRED_FOR_CLEAN`) have
    results too, so that a lot is never clean by silence.
    """
    every = tuple(suspected)
    found = classify(results, background, every)
    if found.contamination != "P0":
        return found
    return classify(results, background, (*every, *REQUIRED_FOR_CLEAN))


def is_better(one: str, other: str) -> bool:
    """Whether class *one* is a cleaner one than *other*; never with `unknown`."""
    left, right = rank("contamination", one), rank("contamination", other)
    return left is not None and right is not None and left < right


_HIGHEST: Final = 3
_SUMS: Final[tuple[Mapping[str, Any], ...]] = tuple(table("pima")["sums"])
RULE: Final = provenance_of(table("pima")["classification"])
"""Where the way of classifying comes from."""


def _check(values: Mapping[str, float], name: str) -> None:
    for id, value in values.items():
        substance(id, name)
        if not (isfinite(value) and value >= 0):
            remedy = "Give a number of mg/kg that is not negative."
            raise BadConcentration(field=name, substance=id, value=value, remedy=remedy)


def _natural(background: Mapping[str, float]) -> Mapping[str, float]:
    _check(background, "background")
    groups = table("pima")["background"]["groups"]
    for id in background:
        if SUBSTANCES[id].group not in groups:
            metals = ", ".join(one.id for one in SUBSTANCES.values() if one.group in groups)
            raise NoNaturalBackground(value=id, remedy=f"Tell it for {metals}.")
    return background


def _with_sums(results: Mapping[str, float]) -> dict[str, float]:
    """*results*, with each sum that is at least what its parts told add up to."""
    told = dict(results)
    for row in _SUMS:
        parts = [results[part] for part in row["parts"] if part in results]
        if parts:
            told[row["id"]] = max(results.get(row["id"], 0.0), sum(parts))
    return told


def _analysed(results: Mapping[str, float]) -> set[str]:
    whole = {row["id"] for row in _SUMS if row["whole"] and results.keys() >= set(row["parts"])}
    return {*results, *whole}


def _exceeded(
    one: Substance, value: float, natural: float | None
) -> tuple[int, float, Limit | None]:
    """The class, how far the value is along to its limit, and the limit."""
    threshold = _threshold(one, natural)
    limits = [
        (3, Limit("upper", one.upper) if one.upper is not None else None),
        (2, Limit("lower", one.lower) if one.lower is not None else None),
        (1, threshold),
    ]
    known = [(level, limit) for level, limit in limits if limit is not None]
    for level, limit in known:
        if value > limit.mg_per_kg:
            return level, value / limit.mg_per_kg if limit.mg_per_kg else value, limit
    _, nearest = min(known, key=lambda each: each[1].mg_per_kg)
    return 0, value / nearest.mg_per_kg if nearest.mg_per_kg else 0.0, nearest


def _threshold(one: Substance, natural: float | None) -> Limit | None:
    if one.threshold is None:
        return None
    if natural is not None and natural > one.threshold:
        return Limit("background", natural)
    return Limit("threshold", one.threshold)


def _one_of() -> str:
    return f"Use one of: {', '.join(SUBSTANCES)}."


def _substance(row: Mapping[str, Any]) -> Substance:
    return Substance(
        id=row["id"],
        names=row["names"],
        group=row["group"],
        threshold=row["threshold_kynnysarvo"],
        lower=row["lower_guideline_alempi_ohjearvo"],
        upper=row["upper_guideline_ylempi_ohjearvo"],
        groundwater_risk=row["groundwater_flag_p"],
        natural_median=row["natural_median"],
        provenance=provenance_of(row),
    )


SUBSTANCES: Final[Mapping[str, Substance]] = MappingProxyType(
    {row["id"]: _substance(row) for row in table("pima")["substances"]}
)
"""The substances of the decree by id."""

REQUIRED_FOR_CLEAN: Final[tuple[str, ...]] = tuple(
    table("pima")["required_for_clean"]["substances"]
)
"""What must have been analysed before laboratory values say P0; unverified, low confidence."""
