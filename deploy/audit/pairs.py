"""
May this serve that, and what is it worth? Judged again, straight from the vocabulary's tables.

Works on the bodies of two `forecast-updated`. Only what decides is worked out: which gates do not
hold, the road kilometres, and cents and grams a tonne.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cache
from itertools import product
from math import asin, cos, inf, radians, sin, sqrt
from typing import Any

from deploy.audit.records import Row
from shared.vocabulary.distance import EARTH_RADIUS_KM
from shared.vocabulary.tables import table

CENTS_PER_EUR = 100
PERMITTED = ("processing_site", "disposal_site", "hazardous_reception")
ROUTES = ("mara", "permit", "end_of_waste", "by_product")


@dataclass(frozen=True)
class Limits:
    """What the operator set for the matcher."""

    reach_km: float
    reach_by_material: dict[str, float]
    same_place_km: float
    worth_cents: int
    co2e_cents_per_t: int
    processing_on_site: bool

    def reach(self, material: str) -> float:
        return self.reach_by_material.get(material, self.reach_km)


@dataclass(frozen=True)
class Worth:
    """A tonne of a pair against what it would meet without it: cents and grams of CO2e."""

    cents: int
    disposal: int
    purchase: int
    haul: int
    grams: int
    costs: int = 0


# --- the tables -------------------------------------------------------------------------------


@cache
def _group(material: str) -> str | None:
    """The group of *material*; None for one that is not known."""
    told = table("materials")
    for name in ("natural", "products", "recovered", "import_groupings"):
        for row in told[name]:
            if row["id"] == material:
                return {"products": "product", "import_groupings": "import_grouping"}.get(
                    name, name
                )
    return None


@cache
def _mara(material: str) -> Row | None:
    ids = {row["id"]: row.get("mara_id") for name in ("natural", "products", "recovered",
           "import_groupings") for row in table("materials")[name]}  # fmt: skip
    return next((row for row in table("mara")["materials"] if row["id"] == ids.get(material)), None)


@cache
def rank(enumeration: str, code: str | None) -> int | None:
    """The rank of *code*; None for one that has none."""
    rows = table("enumerations")["enumerations"][enumeration]
    return next((row.get("rank") for row in rows if row["id"] == code), None)


@cache
def _use(use: str | None) -> Row | None:
    return next((row for row in table("gates")["uses"] if row["use"] == use), None)


@cache
def _substitutes(material: str) -> Row | None:
    rows = table("gates")["material_substitution"]
    return next((row for row in rows if row["need_material"] == material), None)


# --- the gates --------------------------------------------------------------------------------


def gates_that_fail(
    surplus: Row,
    need: Row,
    km: float,
    bases: tuple[tuple[int, int], tuple[int, int]],
    limits: Limits,
) -> list[str]:
    """The gates that do not hold between two forecasts; windows, place and worth among them."""
    return [*gates_of_kinds(surplus, need, limits), *_of_pair(surplus, need, km, bases, limits)]


def _of_pair(
    surplus: Row,
    need: Row,
    km: float,
    bases: tuple[tuple[int, int], tuple[int, int]],
    limits: Limits,
) -> Iterator[str]:
    if days_together(surplus, need) < 1:
        yield "time"
    hidden = "region" in (surplus.get("visibility"), need.get("visibility"))
    if hidden and surplus["organisation"] != need["organisation"]:
        yield "visibility"
    if surplus["project_id"] == need["project_id"]:
        if surplus.get("net_of_own_use") or need.get("net_of_own_use"):
            yield "own site"
        return
    if km > limits.reach(surplus["material"]) + 0.001:
        yield "reach"
    if not regions_meet(surplus, need):
        yield "region"
    if worth(surplus, need, km, bases, limits).cents <= limits.worth_cents:
        yield "value"


def regions_meet(one: Row, other: Row) -> bool:
    """Whether masses of the two regions may meet."""
    if one["region"] == other["region"]:
        return True
    return other["region"] in one.get("meets", ()) and one["region"] in other.get("meets", ())


def gates_of_kinds(surplus: Row, need: Row, limits: Limits) -> Iterator[str]:
    """The gates that do not hold whatever time and place are."""
    gates = (
        ("contamination", _contamination(surplus, need)),
        ("waste status", _waste(surplus)),
        ("mara", _mara_holds(surplus, need)),
        ("acid sulphate", _acid_sulphate(surplus, need)),
        ("invasive", _invasive(surplus, need)),
        ("material", _material(surplus, need, limits)),
        ("suitability", _suitable(surplus, need)),
        ("frost and size", _frost_and_size(surplus, need)),
    )
    yield from (name for name, holds in gates if not holds)


def _contamination(surplus: Row, need: Row) -> bool:
    have = rank("contamination", surplus.get("contamination", "unknown"))
    limit = rank("contamination", need.get("max_contamination", "P0")) or 0
    if have is None or have > limit or have >= 4:
        return False
    named = need.get("max_contamination_basis") in ("permit", "ysl136")
    return have < 2 or named or need.get("site_kind", "construction_site") in PERMITTED


def _waste(surplus: Row) -> bool:
    status, route = surplus.get("waste_status", "unknown"), surplus.get("legal_route")
    concrete = surplus["material"] == "crushed_concrete"
    if concrete and surplus.get("made_at_demolition_site") and "end_of_waste" in (status, route):
        return False
    if status == "unknown" or (surplus.get("waste_code") or "").endswith("*"):
        return False
    group = _group(surplus["material"])
    soiled = group == "natural" and bool(rank("contamination", surplus.get("contamination")))
    is_waste = status == "waste" or group == "recovered" or soiled
    routes = (*ROUTES, "ysl136") if status == "waste" or soiled else ROUTES
    return not is_waste or route in routes or status in ("by_product", "end_of_waste")


def _mara_holds(surplus: Row, need: Row) -> bool:
    if surplus.get("legal_route") != "mara":
        return True
    rules = _mara(surplus["material"])
    if rules is None or need.get("groundwater_area") is not False:
        return False
    least, barred = table("mara")["least"], table("mara")["not_on"]["housing_area"]["mara_ids"]
    if need.get("play_area") or (need.get("housing_area") and rules["id"] in barred):
        return False
    for name, row in least.items():
        if need.get(name) is not None and need[name] < row["value"]:
            return False
    layers = {row["structure"]: row["max_layer_m"] for row in rules["allowed"]}
    limit, layer = layers.get(need.get("structure", "")), need.get("layer_m")
    if limit is None or layer is None or layer > limit:
        return False
    piece, largest = surplus.get("max_particle_mm"), rules.get("max_particle_mm")
    return piece is None or largest is None or bool(piece <= largest)


def _acid_sulphate(surplus: Row, need: Row) -> bool:
    status = surplus.get("acid_sulphate", "unknown")
    if status in ("potential", "actual") or (
        status == "none" and surplus["material"] == "sulphide_clay"
    ):
        return bool(need.get("accepts_acid_sulphate")) or need.get("use") == "underwater_fill"
    return status in ("none", "unknown")


def _invasive(surplus: Row, need: Row) -> bool:
    status = surplus.get("invasive_status", "unknown")
    if status == "present":
        growing = need.get("use") in ("growing_medium", "landscaping")
        own = surplus["project_id"] == need["project_id"]
        ends = own or need.get("deep_cover") or need.get("site_kind") == "disposal_site"
        return bool(ends) and not growing
    return status in ("none_observed", "treated", "unknown")


def _material(surplus: Row, need: Row, limits: Limits) -> bool:
    asked = processings(surplus, need)
    return asked is not None and (not asked or limits.processing_on_site)


def processings(surplus: Row, need: Row) -> tuple[str, ...] | None:
    """
    The workings that the material needs to serve, by the lists of materials and of uses; None: it
    never does. As it is, where both lists allow it.
    """
    material, use = surplus["material"], need.get("use")
    if _group(material) in (None, "import_grouping"):
        return None
    rows = [_substitutes(need["material"])]
    if use is not None and use != "unspecified":
        rows.append(_use(use))
    ways = []
    for row in rows:
        if row is None:
            return None
        as_it_is = material in row["direct"] or any(
            each["material"] == material
            or (
                each["material"] == "*"
                and material not in table("gates")["not_mineral"]["materials"]
            )
            for each in row["conditional"]
        )
        worked = [each["processing"] for each in row["after_processing"]
                  if each["material"] == material]  # fmt: skip
        if not as_it_is and not worked:
            return None
        ways.append([*([""] if as_it_is else ()), *worked])
    if all("" in one for one in ways):
        return ()
    found = {tuple(sorted({*each} - {""})) for each in product(*ways)} - {()}
    return min(found, key=lambda each: (len(each), each))


def _suitable(surplus: Row, need: Row) -> bool:
    use = _use(need.get("use"))
    asked = [need.get("quality", "unknown"), use["min_suitability_tier"] if use else None]
    accepts = bool(need.get("accepts_unknown_quality"))
    return all(
        _at_least(surplus.get("quality", "unknown"), one, accepts)
        for one in asked
        if one not in (None, "any", "unknown")
    )


def _at_least(offered: str, wanted: str, accepts_unknown: bool) -> bool:
    """Of the wanted tier or a better one; in the same tier also of the wanted class or better."""
    tiers: dict[str, int] = table("gates")["quality_order"]["tiers"]
    classes = {row["id"]: row["tier"] for row in
               table("enumerations")["enumerations"]["suitability_class"]}  # fmt: skip
    known = {*tiers, *classes}
    if wanted not in known or offered not in {*known, "any", "unknown"}:
        return False
    if offered in ("any", "unknown"):
        return accepts_unknown
    have, want = tiers[classes.get(offered, offered)], tiers[classes.get(wanted, wanted)]
    if have != want:
        return have > want
    if wanted not in classes or offered not in classes:
        return wanted not in classes or accepts_unknown
    families = [one.rstrip("0123456789") for one in (offered, wanted)]
    numbers = [int(one.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ") or 0) for one in (offered, wanted)]
    return families[0] == families[1] and numbers[0] <= numbers[1]


def _frost_and_size(surplus: Row, need: Row) -> bool:
    use = _use(need.get("use"))
    asked = (need.get("max_frost_class"), use["max_frost_class"] if use else None)
    ranks = [rank("frost_class", one) for one in asked]
    limit = min((one for one in ranks if one is not None), default=None)
    have = rank("frost_class", surplus.get("frost_class"))
    if limit is not None and have is not None and have > limit:
        return False
    size, piece = need.get("max_particle_mm"), surplus.get("max_particle_mm")
    return size is None or piece is None or bool(piece <= size)


# --- time, place, worth -----------------------------------------------------------------------


def days_together(one: Row, other: Row) -> int:
    """The days that lie in both windows."""
    first = max(one["window"]["first"], other["window"]["first"])
    last = min(one["window"]["last"], other["window"]["last"])
    return (date.fromisoformat(last) - date.fromisoformat(first)).days + 1


def most_tonnes(one: Row, other: Row) -> float:
    """The tonnes that can be moved in the days of both, and that MARA lets into one site."""
    rates = [each["weekly_rate_t"] for each in (one, other) if each.get("weekly_rate_t")]
    by_time = float(min(rates, default=inf)) / 7 * days_together(one, other)
    surplus = one if one["direction"] == "surplus" else other
    rules = _mara(surplus["material"]) if surplus.get("legal_route") == "mara" else None
    return min(by_time, float((rules or {}).get("max_t_per_site") or inf))


def straight_km(one: Row, other: Row) -> float:
    """The great circle between two places, in kilometres."""
    here, there = one["place"], other["place"]
    lat, other_lat = radians(here["lat"]), radians(there["lat"])
    half = (other_lat - lat) / 2, radians(there["lon"] - here["lon"]) / 2
    chord = sin(half[0]) ** 2 + cos(lat) * cos(other_lat) * sin(half[1]) ** 2
    return 2 * EARTH_RADIUS_KM * asin(sqrt(min(1.0, chord)))


def road_km(one: Row, other: Row, limits: Limits) -> float:
    """Great circle times the ratio of its length, in kilometres to the metre."""
    here, there = one["place"], other["place"]
    straight = straight_km(one, other)
    vague = "municipality" == here["precision"] == there["precision"]
    same = (one["region"], here["municipality"]) == (other["region"], there["municipality"])
    if vague and same and one["project_id"] != other["project_id"]:
        straight = limits.same_place_km
    return round(straight * _ratio(straight), 3)


def ends_of_road(one: Row, other: Row) -> tuple[int, int]:
    """Where the road from *one* to *other* begins and ends, as the table of roads names points."""
    ends = []
    for place in (one["place"], other["place"]):
        row, column = round((place["lat"] + 90) * 10_000), round((place["lon"] + 180) * 10_000)
        ends.append(row * 3_600_001 + column)
    return ends[0], ends[1]


def _ratio(straight_km: float) -> float:
    bands: list[dict[str, Any]] = table("distance_ratio")["bands"]
    middles: list[tuple[float, float]] = [
        ((band["from_km"] + band["to_km"]) / 2, float(band["ratio"])) for band in bands
    ]
    before = middles[0]
    for after in middles:
        if straight_km <= after[0]:
            if after is before:
                return after[1]
            share = (straight_km - before[0]) / (after[0] - before[0])
            return before[1] + share * (after[1] - before[1])
        before = after
    return before[1]


def worth(
    surplus: Row, need: Row, km: float, bases: tuple[tuple[int, int], tuple[int, int]],
    limits: Limits,
) -> Worth:  # fmt: skip
    """What a tonne is worth over *km*: *bases* of both sides in cents and grams, less the haul."""
    cents_km, grams_km = transport()
    (disposal, avoided), (purchase, made) = bases
    haul = round(km * cents_km)
    grams = avoided + made - round(km * grams_km)
    priced = round(grams * limits.co2e_cents_per_t / 1e6)
    return Worth(disposal + purchase - haul + priced, disposal, purchase, haul, grams)


def transport() -> tuple[float, float]:
    """Cents and grams of CO2e of a tonne over a kilometre."""
    return _factor("transport_4ax") * CENTS_PER_EUR, _vehicle() * 1000


def disposal_and_grams(surplus: Row) -> tuple[int, int]:
    """The usual gate fee in cents and the work there in grams, without the haul."""
    fee = round(_factor(_gate_fee(surplus)) * CENTS_PER_EUR)
    return fee, round(_factor("tip_site_handling") * 1000)


def purchase_and_grams(need: Row) -> tuple[int, int]:
    """The usual price in cents and the making in grams, without the haul."""
    made = _bought(need)
    price = _factor(made + table("counterfactual")["virgin"]["price_suffix"])
    return round(price * CENTS_PER_EUR), round(_factor(made) * 1000)


def _gate_fee(surplus: Row) -> str:
    rules = table("counterfactual")["gate_fee"]
    by_class = rules["by_contamination"].get(surplus.get("contamination"))
    return str(by_class or _listed(surplus["material"], rules))


def bought(need: Row) -> str:
    """The material that would be bought in place of what the need names."""
    if _group(need["material"]) is not None:
        return str(need["material"])
    return "crushed_rock" if need.get("use") in ("sub_base", "base") else "sand"


def _bought(need: Row) -> str:
    return _listed(bought(need), table("counterfactual")["virgin"])


def _listed(material: str, rules: Row) -> str:
    rows = rules["by_material"].items()
    return next((id for id, members in rows if material in members), str(rules["otherwise"]))


@cache
def _factor(id: str) -> float:
    told = table("factors")
    return next(float(row["value"]) for kind in ("costs", "unit_work", "materials_a1a3", "fuel")
                for row in told[kind] if row["id"] == id)  # fmt: skip


@cache
def _vehicle() -> float:
    told = table("factors")
    default = told["meta"]["default_vehicle"]
    return next(float(row["co2e_kg_per_tkm_with_empty_return"]) for row in told["vehicles"]
                if row["id"] == default)  # fmt: skip
