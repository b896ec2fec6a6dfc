"""What a decline teaches the gates: the facts it was about, and what it keeps apart until then."""

from collections.abc import Iterable, Mapping
from typing import Final
from uuid import UUID

from services.matcher.domain.values import EXCLUDES, Kind, Lot, Match, Stands, kind_of, terms_of

_QUALITY: Final = (
    "material", "use", "quality", "accepts_unknown_quality", "frost_class", "max_frost_class",
    "max_particle_mm", "contamination", "max_contamination", "acid_sulphate",
    "accepts_acid_sulphate", "invasive_status", "structure", "layer_m",
)  # fmt: skip
_PAPERS: Final = (
    "material", "contamination", "contamination_basis", "max_contamination", "invasive_status",
    "acid_sulphate", "waste_status", "legal_route", "structure", "groundwater_area", "site_kind",
)  # fmt: skip

Pair = tuple[UUID, UUID]


def facts_of(reason: str | None, surplus: Lot, need: Lot) -> int:
    """
    A number that is another one when a fact changes that *reason* is about.

    A reason about no fact in particular is about all terms of both lots; so is `distance`.
    """
    match reason:
        case "quality":
            return terms_of(reason, _of(surplus, _QUALITY), _of(need, _QUALITY))
        case "papers":
            return terms_of(reason, _of(surplus, _PAPERS), _of(need, _PAPERS))
        case "price":
            paid = [(lot.kind, lot.lat, lot.lon, lot.transport_payer) for lot in (surplus, need)]
            return terms_of(reason, *paid)
        case "timing":
            when = [(str(lot.first), str(lot.last), lot.weekly_t) for lot in (surplus, need)]
            return terms_of(reason, *when)
        case _:
            return terms_of(surplus.terms, need.terms)


def barred_of(match: Match, side: str, material: str) -> str:
    """Which of the two lots are *side*'s own, with the *material*, as `need:sand`."""
    ends = {
        "surplus": match.surplus_organisation == side,
        "need": match.need_organisation == side,
    }
    end = "both" if all(ends.values()) else next(end for end, own in ends.items() if own)
    return f"{end}:{material}"


def barred_pairs(matches: Iterable[Stands], lots: Mapping[UUID, Lot]) -> set[Pair]:
    """The pairs among *lots* that were declined, on facts that are as they were then."""
    return {
        one.pair
        for one in matches
        if one.standing == EXCLUDES
        and one.surplus_id in lots
        and one.need_id in lots
        and _still_holds(one, lots[one.surplus_id], lots[one.need_id])
    }


def _still_holds(match: Stands, surplus: Lot, need: Lot) -> bool:
    if not match.facts:  # declined by a release that kept no facts
        return (match.surplus_terms, match.need_terms) == (surplus.terms, need.terms)
    return match.facts == facts_of(match.decline_reason, surplus, need)


def reaches(matches: Iterable[Stands], lots: Mapping[UUID, Lot]) -> dict[tuple[UUID, str], float]:
    """
    Below how many road km each lot may go by now, by lot and material of the surplus.

    Whoever declined for the distance meant every pair as far or farther, of that lot and material,
    until the terms of the lot change.
    """
    found: dict[tuple[UUID, str], float] = {}
    for one in matches:
        if one.standing != EXCLUDES or one.decline_reason != "distance":
            continue
        barred, _, material = one.barred.partition(":")
        ends = (("surplus", one.surplus_id, one.surplus_terms),
                ("need", one.need_id, one.need_terms))  # fmt: skip
        for end, id, terms in ends:
            lot = lots.get(id)
            if barred in (end, "both") and lot is not None and lot.terms == terms:
                key = id, material
                found[key] = min(one.km, found.get(key, one.km))
    return found


def is_too_far(
    surplus: Lot, need: Lot, km: float, limits: Mapping[tuple[UUID, str], float]
) -> bool:
    """Whether one side of the pair declined another as near for its distance."""
    if surplus.project_id == need.project_id:
        return False
    material = surplus.material
    return any(km >= limits.get((lot.id, material), km + 1) for lot in (surplus, need))


def _of(lot: Lot, names: Iterable[str]) -> list[object]:
    kind: Kind = kind_of(lot.kind)
    return [getattr(kind, name) for name in names]
