"""Duplicates: which forecasts of different tellers may be about the same mass."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from math import floor
from typing import Any, Final

from shared.vocabulary.distance import straight_km
from shared.vocabulary.materials import material, one_substance

NEAR_KM: Final = 0.3
"""How far apart two exact places of one mass may be."""
FACTOR: Final = 2.0
"""By what factor their tonnes may differ, where both places are exact; else by *CLOSE_FACTOR*."""
CLOSE_FACTOR: Final = 1.25
APART_DAYS: Final = 60
"""How many days may lie between their windows."""
SAME_MUNICIPALITY: Final = 0.5
"""What an inexact place is worth, beside 1 for the very same exact one."""
RELATED_MATERIAL: Final = 0.7
"""What a mixture and its part are worth, beside 1 for the same substance."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """How alike two forecasts are (0 to 1), and why."""

    score: float
    reasons: Mapping[str, Any]


def likeness(one: Mapping[str, Any], other: Mapping[str, Any]) -> Likeness | None:
    """
    How alike the states of two forecasts are; None where they cannot be the same mass.

    Lines of one project are never; nor is what one reporter tells twice from the same system.
    """
    if "cancelled" in (one["status"], other["status"]) or _same_teller(one, other):
        return None
    if any(one[name] != other[name] for name in ("direction", "sample")):
        return None
    of_place, place = _place(one["place"], other["place"])
    of_material = _material(one["material"], other["material"])
    apart = _days_apart(one["window"], other["window"])
    tonnes = sorted(each["quantity"]["likely_t"] for each in (one, other))
    most = FACTOR if "distance_m" in place else CLOSE_FACTOR
    if not of_place or not of_material or apart > APART_DAYS or tonnes[1] > most * tonnes[0]:
        return None
    alike = tonnes[0] / tonnes[1] if tonnes[1] else 1.0
    of_time = 1.0 - apart / (2 * APART_DAYS)
    reasons = {
        **place,
        "material": "same" if of_material == 1.0 else "related",
        "days_apart": apart,
        "tonnes_ratio": round(alike, 2),
    }
    return Likeness(round(of_place * of_material * of_time * alike, 3), reasons)


def _same_teller(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    if one["project_id"] == other["project_id"]:
        return True
    tellers = [(each["reporter"], each.get("source", {}).get("system")) for each in (one, other)]
    return tellers[0] == tellers[1]


def _place(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[float, dict[str, Any]]:
    """What the places are worth (0: not the same), and what is to be said of them."""
    if one["precision"] == other["precision"] == "exact":
        km = straight_km(one["lat"], one["lon"], other["lat"], other["lon"])
        worth = 1.0 - (1.0 - SAME_MUNICIPALITY) * km / NEAR_KM
        return (worth if km <= NEAR_KM else 0.0), {"distance_m": round(km * 1000)}
    same = one["municipality"] == other["municipality"]
    return (SAME_MUNICIPALITY if same else 0.0), {"municipality": one["municipality"]}


def _material(one: str, other: str) -> float:
    if one_substance(one) == one_substance(other):
        return 1.0
    related = one in material(other).members or other in material(one).members
    return RELATED_MATERIAL if related else 0.0


def _days_apart(one: Mapping[str, str], other: Mapping[str, str]) -> int:
    """Days between two windows; 0 where they meet."""
    first = max(date.fromisoformat(each["first"]) for each in (one, other))
    last = min(date.fromisoformat(each["last"]) for each in (one, other))
    return max(0, (first - last).days)


def tonnes_alike(state: Mapping[str, Any]) -> tuple[float, float]:
    """The least and the most tonnes of what may be the same mass."""
    likely = state["quantity"]["likely_t"]
    return likely / FACTOR, likely * FACTOR


def municipal_cell(state: Mapping[str, Any]) -> str:
    """Where everything of one direction and material in a municipality lies together."""
    return f"{state['direction']}/{state['place']['municipality']}/{state['material']}"


def cell_of(state: Mapping[str, Any]) -> str:
    """Where a forecast lies: a cell of 0.01 degrees; its municipality where that is all known."""
    place = state["place"]
    if place["precision"] != "exact":
        return municipal_cell(state)
    return _cell(state["direction"], *_at(place))


def cells_beside(state: Mapping[str, Any]) -> list[str]:
    """
    The cells of what may be the same mass as a forecast: around its exact place, and that of its
    municipality's inexact ones.
    """
    place = state["place"]
    if place["precision"] != "exact":
        return []
    north, east = _at(place)
    around = [(north + n, east + e) for n in (-1, 0, 1) for e in (-1, 0, 1)]
    return [*(_cell(state["direction"], *at) for at in around), municipal_cell(state)]


def _at(place: Mapping[str, Any]) -> tuple[int, int]:
    # up to 70 degrees north a cell is wider than NEAR_KM, so that the next one is far enough
    return floor(place["lat"] * 100), floor(place["lon"] * 100)


def _cell(direction: str, north: int, east: int) -> str:
    return f"{direction}/{north}/{east}"
