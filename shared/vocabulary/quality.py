"""How good and how clean a mass is, and in what order: contamination, suitability, frost."""

from typing import Final, Literal

from shared.vocabulary.enumerations import entry, known, rank
from shared.vocabulary.tables import table

Answer = Literal["pass", "fail", "unknown"]

_TIERS: Final[dict[str, int]] = table("gates")["quality_order"]["tiers"]
_ASKS_NOTHING: Final = ("any", "unknown")


def contamination_rank(code: str) -> int | None:
    """P0 0 to P4 4, the higher the worse; None for `unknown` and for a code not known here."""
    return rank("contamination", code)


def frost_rank(code: str) -> int | None:
    """`non` 0 to `high` 3, the higher the worse; None for `unknown` and a code not known here."""
    return rank("frost_class", code)


def tier_of(quality: str) -> str:
    """
    The tier of a suitability class or tier id: good, medium, poor, or unknown.

    The tiers are SeutuMassa's own grouping of the classes.
    """
    if quality in _TIERS:
        return quality
    row = entry("suitability_class", quality)
    return "unknown" if row is None else str(row["tier"])


def better_or_equal(offered: str, wanted: str, *, accepts_unknown: bool) -> Answer:
    """
    Whether the quality *offered* is at least the one *wanted* (gate G7).

    Both are a class (S2), a tier (good), `any` or `unknown`; a need that says any or unknown asks
    nothing. At least as good is the same family and the same or a lower number, or a strictly
    better tier; when a tier is wanted, the same or a better one. An offer that is unknown, or
    only a tier where a class of that tier is wanted, passes when the need accepts unknown quality.
    A code not known here fits nothing. Order inside a family: unverified, medium confidence.
    """
    if wanted in _ASKS_NOTHING:
        return "pass"
    if not _known(wanted) or not (_known(offered) or offered in _ASKS_NOTHING):
        return "fail"
    if offered in _ASKS_NOTHING:
        return "pass" if accepts_unknown else "unknown"
    difference = _TIERS[tier_of(offered)] - _TIERS[tier_of(wanted)]
    if difference != 0:
        return "pass" if difference > 0 else "fail"
    return _in_one_tier(offered, wanted, accepts_unknown)


def same_tier_other_family(offered: str, wanted: str) -> bool:
    """Whether two classes share a tier across families: a near miss of one quality class."""
    if not (_is_class(offered) and _is_class(wanted)):
        return False
    return _family(offered) != _family(wanted) and tier_of(offered) == tier_of(wanted)


def one_class_short(offered: str, wanted: str) -> bool:
    """Whether the class offered is the next one below the class wanted, in the same family."""
    if not (_is_class(offered) and _is_class(wanted)):
        return False
    return _family(offered) == _family(wanted) and _number(offered) == _number(wanted) + 1


def _in_one_tier(offered: str, wanted: str, accepts_unknown: bool) -> Answer:
    if not _is_class(wanted):
        return "pass"
    if not _is_class(offered):
        return "pass" if accepts_unknown else "unknown"
    no_worse = _family(offered) == _family(wanted) and _number(offered) <= _number(wanted)
    return "pass" if no_worse else "fail"


def _is_class(quality: str) -> bool:
    return known("suitability_class", quality)


def _known(quality: str) -> bool:
    return _is_class(quality) or quality in _TIERS


def _family(quality: str) -> str:
    return quality.rstrip("0123456789")


def _number(quality: str) -> int:
    digits = quality.removeprefix(_family(quality))
    return int(digits) if digits else 0
