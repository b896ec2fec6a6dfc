"""
The gates once more: one pair of forecasts at a time, slow and plain, from the design's own words.

Nothing of the matcher is used here, nor a function of the vocabulary: the tables are read as the
JSON they are, money is counted in decimals and rates in fractions. *rules* are whatever carries
the names of the matcher's settings (`reach_km`, `worth_cents_per_t` …).
"""

import json
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from functools import cache
from math import asin, cos, floor, radians, sin, sqrt
from pathlib import Path
from typing import Any, NamedTuple

import shared.vocabulary
from shared.contracts import ForecastUpdated

PASS, CONDITIONAL, UNKNOWN, FAIL = "pass", "conditional", "unknown", "fail"
HOLDS = (PASS, CONDITIONAL)
WORST_FIRST = (FAIL, UNKNOWN, CONDITIONAL, PASS)

_DATA = Path(shared.vocabulary.__file__).parent / "data"


@cache
def data(name: str) -> dict[str, Any]:
    """The table *name* of the vocabulary, its decimals exact."""
    text = (_DATA / f"{name}.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text, parse_float=Decimal)
    return found


# -- the words of the tables ------------------------------------------------------------------

CODES: dict[str, list[str]] = {
    name: [row["id"] for row in rows] for name, rows in data("enumerations")["enumerations"].items()
}
GROUPS: dict[str, str] = {
    row["id"]: row["group"]
    for part in ("natural", "products", "recovered", "import_groupings")
    for row in data("materials")[part]
}
MARA_OF: dict[str, dict[str, Any]] = {
    row["id"]: mara
    for row in data("materials")["recovered"]
    for mara in data("mara")["materials"]
    if row.get("mara_id") == mara["id"]
}
USES = {row["use"]: row for row in data("gates")["uses"]}
SUBSTITUTES = {row["need_material"]: row for row in data("gates")["material_substitution"]}
STRUCTURES = [row["id"] for row in data("mara")["structures"]]
TIER_OF_CLASS = {
    row["id"]: row["tier"] for row in data("enumerations")["enumerations"]["suitability_class"]
}
TIERS: dict[str, int] = data("gates")["quality_order"]["tiers"]
PERMITTED_SITES = ("processing_site", "disposal_site", "hazardous_reception")


def rank(enumeration: str, code: str | None) -> int | None:
    """The place of *code* in an ordered enumeration; None for `unknown` and for no code at all."""
    for row in data("enumerations")["enumerations"][enumeration]:
        if row["id"] == code:
            return row.get("rank")  # type: ignore[no-any-return]
    return None


# -- G1 to G8: what the two are made of -------------------------------------------------------


def g1_contamination(surplus: ForecastUpdated, need: ForecastUpdated) -> str:
    """
    P0 passes. P1 to P3 are within what the need states; P2 and P3 on permitted sites only, or on
    one whose permit or decision names the class.

    P4 is never proposed; unknown stays unknown. A suspect origin is a paper, not a refusal.
    """
    found = surplus.contamination
    if found == "unknown":
        return UNKNOWN
    if found == "P0":
        told = surplus.contamination_basis
        suspect = surplus.material == "made_ground" or surplus.site_kind == "contaminated_site"
        suspect = suspect or surplus.suspected_place
        examined = told in ("lab_report", "site_survey")
        return CONDITIONAL if told == "imported" or (suspect and not examined) else PASS
    if found not in ("P1", "P2", "P3"):
        return FAIL
    stated = rank("contamination", need.max_contamination)
    if stated is None or (rank("contamination", found) or 0) > stated:
        return FAIL
    named = need.max_contamination_basis in ("permit", "ysl136")
    if found != "P1" and need.site_kind not in PERMITTED_SITES and not named:
        return FAIL
    return CONDITIONAL


def g2_waste_status(surplus: ForecastUpdated, need: ForecastUpdated) -> str:
    """
    Waste and recovered material need a route; clean natural soil a document of its use.

    YSL 136 is about contaminated soil: it is no route for what was recovered. Only clean soil may
    be called no waste; no hazardous code is proposed; concrete crushed on the spot stays waste.
    """
    status, route = surplus.waste_status, surplus.legal_route
    if status not in CODES["waste_status"] or (surplus.waste_code or "").endswith("*"):
        return FAIL
    on_the_spot = surplus.material == "crushed_concrete" and surplus.made_at_demolition_site
    if on_the_spot and "end_of_waste" in (status, route):
        return FAIL
    if status == "unknown":
        return UNKNOWN
    group = GROUPS.get(surplus.material)
    if group == "recovered":
        chosen = route in ("mara", "permit", "end_of_waste", "by_product")
        return CONDITIONAL if chosen or status in ("end_of_waste", "by_product") else UNKNOWN
    soiled = group == "natural" and surplus.contamination in ("P1", "P2", "P3", "P4")
    if status == "waste" or (soiled and status == "not_waste"):
        chosen = route in ("mara", "permit", "end_of_waste", "by_product", "ysl136")
        return CONDITIONAL if chosen else UNKNOWN
    return PASS if group == "product" and status == "not_waste" else CONDITIONAL


def g3_mara(surplus: ForecastUpdated, need: ForecastUpdated) -> str:
    """MARA's structures, layers, piece sizes and places, where MARA is the route chosen."""
    if surplus.legal_route != "mara":
        return PASS
    mara = MARA_OF.get(surplus.material)
    if mara is None:
        return FAIL
    layers = {row["structure"]: row["max_layer_m"] for row in mara["allowed"]}
    thickest = layers.get(need.structure) if need.structure else None
    largest, piece = mara.get("max_particle_mm"), surplus.max_particle_mm
    breaks = (
        need.structure is not None and need.structure not in layers,
        need.groundwater_area is True,
        need.play_area is True,
        need.housing_area is True and mara["id"] == "betonimurske",
        (need.above_groundwater_m if need.above_groundwater_m is not None else 1.0) < 1,
        (need.well_distance_m if need.well_distance_m is not None else 30.0) < 30,
        None not in (need.layer_m, thickest) and Decimal(str(need.layer_m)) > thickest,
        None not in (piece, largest) and Decimal(str(piece)) > largest,
    )
    untold = (
        need.structure is None,
        need.groundwater_area is None,
        need.layer_m is None,
        thickest is None,
    )
    # which of the two is named first is a matter of words: neither is feasible
    return FAIL if any(breaks) else UNKNOWN if any(untold) else CONDITIONAL


def g4_acid_sulphate(surplus: ForecastUpdated, need: ForecastUpdated) -> str:
    """Potential or actual: only who accepts it, or under water. A sulphide clay is never none."""
    status = surplus.acid_sulphate
    if status not in CODES["acid_sulphate"]:
        return FAIL
    if status == "none" and surplus.material == "sulphide_clay":
        status = "potential"
    if status in ("potential", "actual"):
        taken = need.accepts_acid_sulphate or need.use == "underwater_fill"
        return CONDITIONAL if taken else FAIL
    asked = ("clay", "silt", "gyttja", "dredged_sediment", "sulphide_clay")
    measured = surplus.acid_sulphate_suggested == "potential"
    untested = status == "unknown" and surplus.material in asked
    return CONDITIONAL if untested or measured else PASS


def g5_invasive(surplus: ForecastUpdated, need: ForecastUpdated) -> str:
    """
    Present: buried on the same site, under a deep cover, or in a permitted reception; never into
    growing medium or landscaping.
    """
    status = surplus.invasive_status
    if status == "present":
        at_home = surplus.project_id == need.project_id
        buried = at_home or need.deep_cover or need.site_kind == "disposal_site"
        return CONDITIONAL if buried and need.use not in ("growing_medium", "landscaping") else FAIL
    if status == "suspected":
        return UNKNOWN
    if status == "treated":
        return CONDITIONAL
    if status == "unknown":
        asked = surplus.material in ("topsoil", "growing_medium", "made_ground")
        return CONDITIONAL if asked else PASS
    return PASS if status == "none_observed" else FAIL


class Way(NamedTuple):
    """One way in which a list lets a material serve: with a condition, or after a working."""

    verdict: str
    processing: str | None


def g6_material(surplus: ForecastUpdated, need: ForecastUpdated) -> tuple[str, bool]:
    """The verdict of the lists, and whether it holds only after a working."""
    lists = []
    if need.material != "unspecified":
        lists.append((SUBSTITUTES, need.material))
    if need.use not in (None, "unspecified"):
        lists.append((USES, need.use))
    if surplus.material not in GROUPS:
        return FAIL, False
    if not lists or GROUPS[surplus.material] == "import_grouping":
        return UNKNOWN, False
    ways = [_ways(rows.get(key), key, surplus.material) for rows, key in lists]
    verdicts = [min((way.verdict for way in some), key=WORST_FIRST.index) for some in ways]
    if FAIL in verdicts or UNKNOWN in verdicts:
        return min(verdicts, key=WORST_FIRST.index), False
    unworked = [[way for way in some if way.processing is None] for some in ways]
    if not all(unworked):
        return CONDITIONAL, True
    best = [max((way.verdict for way in some), key=WORST_FIRST.index) for some in unworked]
    return min(best, key=WORST_FIRST.index), False


def _ways(row: dict[str, Any] | None, key: str | None, material: str) -> list[Way]:
    if row is None:
        return [Way(UNKNOWN if GROUPS.get(str(key)) == "import_grouping" else FAIL, None)]
    mineral = material not in data("gates")["not_mineral"]["materials"]
    ways = [Way(PASS, None)] if material in row["direct"] else []
    ways += [
        Way(CONDITIONAL, None)
        for one in row["conditional"]
        if one["material"] == material or (one["material"] == "*" and mineral)
    ]
    ways += [
        Way(CONDITIONAL, one["processing"])
        for one in row["after_processing"]
        if one["material"] == material
    ]
    return ways or [Way(FAIL, None)]


def g7_suitability(surplus: ForecastUpdated, need: ForecastUpdated) -> str:
    """At least as good as the need asks, and as its use asks."""
    asked = [need.quality, (USES.get(need.use or "") or {}).get("min_suitability_tier")]
    found = [
        _at_least_as_good(surplus.quality, one, need.accepts_unknown_quality)
        for one in asked
        if one not in (None, "any", "unknown")
    ]
    return min(found, key=WORST_FIRST.index, default=PASS)


def _at_least_as_good(offered: str, wanted: str, accepts_unknown: bool) -> str:
    classes, tiers = TIER_OF_CLASS, TIERS
    if wanted not in classes and wanted not in tiers:
        return FAIL
    if offered not in classes and offered not in tiers:
        untold = PASS if accepts_unknown else UNKNOWN
        return untold if offered in ("unknown", "any") else FAIL
    better = tiers[classes.get(offered, offered)] - tiers[classes.get(wanted, wanted)]
    if better:
        return PASS if better > 0 else FAIL
    if offered in tiers and wanted in classes:  # a tier is no class: which one, is not known
        return PASS if accepts_unknown else UNKNOWN
    if wanted in tiers:
        return PASS
    (family, number), (theirs, most) = _family(offered), _family(wanted)
    return PASS if family == theirs and number <= most else FAIL


def _family(code: str) -> tuple[str, int]:
    letters = code.rstrip("0123456789")
    return letters, int(code[len(letters) :] or 0)


def g8_frost_and_size(surplus: ForecastUpdated, need: ForecastUpdated) -> str:
    """Frost and piece size, where the need or its use states a limit; what is missing is a test."""
    limits = [need.max_frost_class, (USES.get(need.use or "") or {}).get("max_frost_class")]
    stated = [code for code in limits if code not in (None, "unknown")]
    missing = False
    for limit in stated:
        highest, frost = rank("frost_class", limit), rank("frost_class", surplus.frost_class)
        if highest is None:
            return FAIL
        if frost is None:
            if surplus.frost_class not in (None, "unknown"):
                return FAIL
            missing = True
        elif frost > highest:
            return FAIL
    if need.max_particle_mm is not None:
        if surplus.max_particle_mm is None:
            missing = True
        elif surplus.max_particle_mm > need.max_particle_mm:
            return FAIL
    return CONDITIONAL if missing else PASS


# -- G9, G10, place, region, value: where, when and whose ---------------------------------------


def most_tonnes(surplus: ForecastUpdated, need: ForecastUpdated, rules: Any, today: date) -> int:
    """
    Whole tonnes that the days common to both windows let through; 0 when there is none.

    MARA lets so much of some materials into one site.
    """
    first = max(surplus.window.first, need.window.first)
    last = min(surplus.window.last, need.window.last)
    if rules.closes_past_windows:
        first = max(first, today)
    days = (last - first).days + 1
    if days < 1:
        return 0
    rates = [one.weekly_rate_t for one in (surplus, need) if one.weekly_rate_t is not None]
    return min([most_at_site(surplus), *(floor(Fraction(rate) * days / 7) for rate in rates)])


def most_at_site(surplus: ForecastUpdated) -> int:
    """Whole tonnes of such a *surplus* that MARA lets into one site."""
    mara = MARA_OF.get(surplus.material, {}) if surplus.legal_route == "mara" else {}
    return int(mara.get("max_t_per_site") or 2**40)


def g10_visibility(surplus: ForecastUpdated, need: ForecastUpdated) -> str:
    """
    What only coordinators see meets its own organisation alone.

    The own site is no proposal: it is told to nobody, so it shows nothing.
    """
    hidden = "region" in (surplus.visibility, need.visibility)
    at_home = surplus.organisation == need.organisation or surplus.project_id == need.project_id
    return FAIL if hidden and not at_home else PASS


def meets(surplus: ForecastUpdated, need: ForecastUpdated) -> bool:
    """The same region, or each names the other."""
    return surplus.region == need.region or (
        surplus.region in need.meets and need.region in surplus.meets
    )


def road_km(surplus: ForecastUpdated, need: ForecastUpdated, rules: Any) -> Decimal:
    """By road, to the metre: the great circle times the ratio of its length."""
    here, there = surplus.place, need.place
    blurred = here.precision != "exact" and there.precision != "exact"
    same_town = (surplus.region, here.municipality) == (need.region, there.municipality)
    if blurred and same_town and surplus.project_id != need.project_id:
        straight = float(rules.same_place_km)
    else:
        straight = great_circle_km(here.lat, here.lon, there.lat, there.lon)
    return Decimal(str(round(straight * ratio(straight), 3)))


def great_circle_km(lat1: float, lon1: float, lat2: float, lon2: float) -> float:
    """Haversine on the mean radius of the earth."""
    one, other = radians(lat1), radians(lat2)
    chord = sin((other - one) / 2) ** 2 + cos(one) * cos(other) * sin(radians(lon2 - lon1) / 2) ** 2
    return 2 * 6371.0088 * asin(min(1.0, sqrt(chord)))


def ratio(straight: float) -> float:
    """Linear between the middles of the bands, level before the first and beyond the last."""
    points = [
        ((float(band["from_km"]) + float(band["to_km"])) / 2, float(band["ratio"]))
        for band in data("distance_ratio")["bands"]
    ]
    before = [point for point in points if point[0] <= straight]
    beyond = [point for point in points if point[0] > straight]
    if not before:
        return points[0][1]
    if not beyond:
        return points[-1][1]
    (near, low), (far, high) = before[-1], beyond[0]
    return low + (high - low) * (straight - near) / (far - near)


def reach_km(material: str, rules: Any) -> float:
    """How far the surplus material may go."""
    return float(dict(rules.reach_by_material).get(material, rules.reach_km))


def factor(id: str) -> Decimal:
    """One factor by its id."""
    for part in ("costs", "unit_work", "materials_a1a3"):
        for row in data("factors")[part]:
            if row["id"] == id:
                return Decimal(row["value"])
    raise KeyError(id)


def _row(material: str, table: dict[str, Any]) -> str:
    for id, members in table["by_material"].items():
        if material in members:
            return str(id)
    return str(table["otherwise"])


def _whole(value: Decimal) -> int:
    return int(value.quantize(Decimal(1), rounding=ROUND_HALF_EVEN))


@cache
def disposal(material: str, contamination: str) -> tuple[int, int]:
    """Cents and grams of CO2e a tonne: hauled to the nearest reception site, gate fee paid."""
    told, gate = data("counterfactual"), data("counterfactual")["gate_fee"]
    known = material if material in GROUPS else "sand"
    fee = gate["by_contamination"].get(contamination) or _row(known, gate)
    km = Decimal(told["reception_km"]["value"])
    cents = factor(fee) * 100 + km * factor("transport_4ax") * 100
    grams = km * truck_g_per_tkm() + factor("tip_site_handling") * 1000
    return _whole(cents), _whole(grams)


@cache
def purchase(material: str, use: str | None) -> tuple[int, int]:
    """Cents and grams of CO2e a tonne: like virgin material bought and hauled from a quarry."""
    told, virgin = data("counterfactual"), data("counterfactual")["virgin"]
    if material not in GROUPS:
        material = "crushed_rock" if use in ("sub_base", "base") else "sand"
    like = _row(material, virgin)
    km = Decimal(told["quarry_km"]["value"])
    cents = factor(like + virgin["price_suffix"]) * 100 + km * factor("transport_4ax") * 100
    grams = km * truck_g_per_tkm() + factor(like) * 1000
    return _whole(cents), _whole(grams)


def truck_g_per_tkm() -> Decimal:
    """Grams of CO2e per tonne and one-way kilometre of the default vehicle, empty return inside."""
    default = data("factors")["meta"]["default_vehicle"]
    (row,) = (one for one in data("factors")["vehicles"] if one["id"] == default)
    return Decimal(row["co2e_kg_per_tkm_with_empty_return"]) * 1000


def cents_per_t(surplus: ForecastUpdated, need: ForecastUpdated, rules: Any) -> int:
    """Counterfactual minus actual, in whole cents; CO2e at its price, where it has one."""
    km = road_km(surplus, need, rules)
    gone, got = disposal(surplus.material, surplus.contamination), purchase(need.material, need.use)
    saved = gone[1] + got[1] - _whole(km * truck_g_per_tkm())
    cents = gains_together(surplus, need, rules)
    return cents + _whole(Decimal(saved * rules.co2e_cents_per_t) / 1_000_000)


def gains_together(surplus: ForecastUpdated, need: ForecastUpdated, rules: Any) -> int:
    """What both sides gain a tonne in money alone, in whole cents; below 0 one of them loses."""
    km = road_km(surplus, need, rules)
    gone, got = disposal(surplus.material, surplus.contamination), purchase(need.material, need.use)
    return gone[0] + got[0] - _whole(km * factor("transport_4ax") * 100)


# -- all of them ------------------------------------------------------------------------------


def of_kinds(surplus: ForecastUpdated, need: ForecastUpdated, rules: Any) -> dict[str, str]:
    """The gates that need neither time nor place."""
    by_list, worked = g6_material(surplus, need)
    found = {
        "G1_contamination": g1_contamination(surplus, need),
        "G2_waste_status": g2_waste_status(surplus, need),
        "G3_mara": g3_mara(surplus, need),
        "G4_acid_sulphate": g4_acid_sulphate(surplus, need),
        "G5_invasive": g5_invasive(surplus, need),
        "G6_material": by_list,
        "G7_suitability": g7_suitability(surplus, need),
        "G8_frost_and_size": g8_frost_and_size(surplus, need),
    }
    if worked:
        found["processing"] = CONDITIONAL if rules.processing_on_site else UNKNOWN
    return found


def of_the_pair(
    surplus: ForecastUpdated, need: ForecastUpdated, rules: Any, *, today: date
) -> dict[str, str]:
    """The gates of time, place and people."""
    found = {
        "G9_time": PASS if most_tonnes(surplus, need, rules, today) >= 1 else FAIL,
        "G10_visibility": g10_visibility(surplus, need),
    }
    if surplus.project_id == need.project_id:
        net = surplus.net_of_own_use or need.net_of_own_use
        return found | {"own_site": FAIL if net else PASS}
    near = float(road_km(surplus, need, rules)) <= reach_km(surplus.material, rules)
    worth = cents_per_t(surplus, need, rules) > rules.worth_cents_per_t
    if gains_together(surplus, need, rules) < 0:
        found["fairness"] = FAIL
    return found | {
        "place": PASS if near else FAIL,
        "region": PASS if meets(surplus, need) else FAIL,
        "value": PASS if worth else FAIL,
    }


def gates(
    surplus: ForecastUpdated,
    need: ForecastUpdated,
    rules: Any,
    *,
    today: date,
    excluded: bool = False,
) -> dict[str, str]:
    """Every gate of the pair by name, with its verdict."""
    found = of_kinds(surplus, need, rules) | of_the_pair(surplus, need, rules, today=today)
    if excluded:
        found["exclusion"] = FAIL
    if any(one.status != "offered" for one in (surplus, need)):
        found["open"] = FAIL
    return found


def failing(found: dict[str, str]) -> set[str]:
    """The gates that do not hold, not even on condition."""
    return {gate for gate, verdict in found.items() if verdict not in HOLDS}


def is_feasible(
    surplus: ForecastUpdated,
    need: ForecastUpdated,
    rules: Any,
    *,
    today: date,
    excluded: bool = False,
) -> bool:
    """Whether every gate holds, at least on condition."""
    return not failing(gates(surplus, need, rules, today=today, excluded=excluded))


# -- what may never be, in other words than above ----------------------------------------------


def unlawful(surplus: ForecastUpdated, need: ForecastUpdated) -> list[str]:
    """What a proposal of this pair would break that no price and no distance can outweigh."""
    contamination, plain = surplus.contamination, need.site_kind not in PERMITTED_SITES
    recovered = GROUPS.get(surplus.material) == "recovered"
    routed = surplus.legal_route in ("mara", "permit", "end_of_waste", "by_product") or (
        surplus.legal_route == "ysl136" and not recovered
    )
    mara = MARA_OF.get(surplus.material, {"allowed": []}) if surplus.legal_route == "mara" else None
    layers = {row["structure"]: row["max_layer_m"] for row in mara["allowed"]} if mara else {}
    planted = need.use in ("growing_medium", "landscaping")
    sulphide = surplus.acid_sulphate in ("potential", "actual") or (
        surplus.material == "sulphide_clay" and surplus.acid_sulphate == "none"
    )
    over = CODES["contamination"].index
    laws = {
        "contamination that nobody examined moves": contamination not in ("P0", "P1", "P2", "P3"),
        "contaminated soil goes to a plain site": contamination in ("P2", "P3")
        and plain
        and need.max_contamination_basis not in ("permit", "ysl136"),
        "hazardous waste moves": (surplus.waste_code or "").endswith("*"),
        "MARA where children play": mara is not None and need.play_area is True,
        "the need does not take this class": contamination in ("P1", "P2", "P3")
        and (
            need.max_contamination not in ("P1", "P2", "P3", "P4")
            or over(contamination) > over(need.max_contamination)
        ),
        "waste moves without a route": surplus.waste_status == "waste" and not routed,
        "its waste status is not known": surplus.waste_status
        not in ("not_waste", "by_product", "waste", "end_of_waste"),
        "recovered material moves without a route": recovered
        and not routed
        and surplus.waste_status not in ("by_product", "end_of_waste"),
        "MARA names no such structure": mara is not None and need.structure not in layers,
        "MARA has no such layer": mara is not None
        and not (
            need.layer_m is not None
            and layers.get(need.structure or "") is not None
            and Decimal(str(need.layer_m)) <= layers[need.structure]
        ),
        "MARA on a groundwater area": mara is not None and need.groundwater_area is not False,
        "MARA in larger pieces": mara is not None
        and mara.get("max_particle_mm") is not None
        and (surplus.max_particle_mm or 0) > mara["max_particle_mm"],
        "sulphide soil to who does not take it": sulphide
        and not need.accepts_acid_sulphate
        and need.use != "underwater_fill",
        "invasive plants are planted": surplus.invasive_status in ("present", "suspected")
        and planted,
        "invasive plants leave for a plain site": surplus.invasive_status == "present"
        and plain
        and not need.deep_cover
        and surplus.project_id != need.project_id,
        "invasive plants are suspected": surplus.invasive_status == "suspected",
    }
    return [law for law, is_broken in laws.items() if is_broken]
