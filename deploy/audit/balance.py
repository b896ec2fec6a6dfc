"""The indicators, worked out again from the journals: kilograms by state, month and scope."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from functools import cache
from typing import Any

from deploy.audit.records import Records, Row, Told, newest
from deploy.audit.report import Line, compared, line
from shared.contracts import (
    AreaUpdated,
    DeliveryRecorded,
    ForecastUpdated,
    MatchChanged,
    MatchFound,
    OrganisationUpdated,
    ProjectAdded,
    ProjectUpdated,
    ProjectWithdrawn,
)
from shared.contracts.base import Event
from shared.vocabulary.materials import one_substance

READER = "indicators"
KEY = ("scope", "code", "region", "side", "material", "state", "month", "sample")
STOCK = ("kg_low", "kg", "kg_high", "onsite_kg", "unverified_kg")
FLOW = ("kg", "kg_km", "cents", "grams", "virgin_kg", "value_unverified_kg",
        "climate_unverified_kg", "cross_kg")  # fmt: skip
STANDS = {"proposed": "proposed", "accepted": "proposed", "agreed": "agreed", "moving": "agreed"}
"""In which state a match's tonnes stand; a match in any other state holds none."""

Cells = dict[tuple[Any, ...], list[int]]


def balance(records: Records) -> list[Line]:
    """The promises about the indicators."""
    lots = newest(records.heard(READER, ForecastUpdated), "forecast_id")
    told = records.heard(READER, MatchFound, MatchChanged)
    matches = [one.body for one in newest(told, "match_id").values()]
    loads = [one.body for one in newest(records.heard(READER, DeliveryRecorded),
                                        "delivery_id").values()]  # fmt: skip
    return [
        _stocks(records, list(lots.values()), matches, loads),
        _flows(records, matches),
        _transport_work(records, loads),
        _titles(records),
        _moments(records),
    ]


# --- stocks -----------------------------------------------------------------------------------


def _stocks(records: Records, lots: list[Told], matches: list[Row], loads: list[Row]) -> Line:
    held = _held(matches)
    cells: Cells = defaultdict(lambda: [0] * len(STOCK))
    for told in lots:
        lot = told.body
        as_of = lot.get("amount_as_of") or told.at.date().isoformat()
        moved = sum(_kg_of(load) for load in loads if load["moved_on"] >= as_of
                    and lot["forecast_id"] in _lots_of(load))  # fmt: skip
        _add_lot(cells, lot, held.get(lot["forecast_id"], {}), moved)
    for load in loads:
        _add_load(cells, load)
    kept = _kept(records, "cell", STOCK)
    counted = {"lots": len(lots), "matches": len(matches)}
    return compared("the balance is the sum over lots and matches, to the kilogram",
                    _filled(cells), kept, counted)  # fmt: skip


def _held(matches: Iterable[Row]) -> dict[str, dict[str, int]]:
    """Kilograms of each lot that its matches hold: on site, agreed, proposed."""
    held: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for match in matches:
        stands = STANDS.get(match["state"])
        if stands is None:
            continue
        bucket = "onsite" if match["route"] == "onsite" else stands
        for end in ("surplus", "need"):
            held[match[end]["forecast_id"]][bucket] += _left_kg(match)
    return held


def _left_kg(match: Row) -> int:
    """Kilograms of *match* that are not moved yet."""
    agreed: int = match["tonnes"]["likely"] * 1000
    return max(0, agreed - _kg(match.get("delivered_t", 0.0)))


def _kg_of(load: Row) -> int:
    return _kg(load["tonnes"])


def _kg(tonnes: float) -> int:
    return round(tonnes * 1000)


def _lots_of(load: Row) -> set[str]:
    return {load[end]["forecast_id"] for end in ("surplus", "need") if load.get(end)}


def _add_load(cells: Cells, load: Row) -> None:
    """Each end once, in the month of movement; virgin material comes from no lot."""
    kg = _kg_of(load)
    if not kg:
        return
    onsite = kg if load["outlet"] == "onsite" else 0
    unverified = kg if load.get("tag", "told") == "unverified" else 0
    for side in ("surplus", "need"):
        if not load.get(side) or (side == "surplus" and load.get("origin") == "virgin"):
            continue
        _add(cells, {**load[side], "place": load[side]}, side, load[side]["material"], "delivered",
             load["moved_on"][:7], load.get("sample", False),
             [kg, kg, kg, onsite, unverified])  # fmt: skip


def _transport_work(records: Records, loads: list[Row]) -> Line:
    """K5 of what was delivered, load by load: leg times distance, off site, virgin hauls apart."""
    wanted: dict[tuple[str, str], int] = defaultdict(int)
    for load in loads:
        end = load.get("surplus") or (load["outlet"] == "need_via_storage" and load.get("need"))
        if not end or load.get("origin") == "virgin" or load["outlet"] == "onsite":
            continue
        if load.get("haul_km") is not None:
            wanted[end["region"], load["moved_on"][:7]] += round(_kg_of(load) * load["haul_km"])
    kept: dict[tuple[str, str], int] = defaultdict(int)
    for row in records.rows(READER, "load_cell"):
        if row["scope"] == "region" and row["side"] == "surplus":
            kept[row["region"], row["month"]] += row["kg_km"]
    found = [f"region {region} in {month}: {kept[region, month]} kg km, not {wanted[region, month]}"
             for region, month in {*wanted, *kept}
             if kept[region, month] != wanted[region, month]]  # fmt: skip
    return line("transport work is the sum over loads of mass times distance",
                {"loads": len(loads)}, found)  # fmt: skip


def _add_lot(cells: Cells, lot: Row, held: dict[str, int], moved: int) -> None:
    quantity = lot["quantity"]
    levels = [max(0, round(quantity[name] * 1000) - moved)
              for name in ("low_t", "likely_t", "high_t")]  # fmt: skip
    if lot.get("status", "offered") != "offered" or not (levels[1] or levels[2]):
        return
    days = days_by_month(lot["window"])
    unverified = quantity.get("tag", "unverified") == "unverified"
    for at, kg in enumerate(levels):
        for state, parts in _standing(kg, days, held).items():
            for month, part in zip(days, parts, strict=True):
                amounts = [0] * len(STOCK)
                if state == "onsite":  # a part of what is agreed, told beside it
                    amounts[3] = part if at == 1 else 0
                else:
                    amounts[at] = part
                    amounts[4] = part if at == 1 and unverified else 0
                told = "agreed" if state == "onsite" else state
                _add(cells, lot, lot["direction"], lot["material"], told, month,
                     lot.get("sample", False), amounts)  # fmt: skip


def _standing(kg: int, days: dict[str, int], held: dict[str, int]) -> dict[str, list[int]]:
    """
    How *kg* stand, by month: what is used on site is taken first, then what is agreed, then what
    is proposed, each from what is left and never beyond it; the rest is forecast.
    """
    left = shares(kg, list(days.values()))
    found: dict[str, list[int]] = {}
    for bucket in ("onsite", "agreed", "proposed"):
        taken = shares(min(held.get(bucket, 0), sum(left)), left)
        found[bucket] = taken
        left = [rest - part for rest, part in zip(left, taken, strict=True)]
    found["agreed"] = [a + b for a, b in zip(found["agreed"], found["onsite"], strict=True)]
    return {**found, "forecast": left}


def shares(total: int, weights: Sequence[int]) -> list[int]:
    """*total* in whole parts after *weights*: the largest remainders get what is left, in order."""
    sign, total, whole = (-1, -total, sum(weights)) if total < 0 else (1, total, sum(weights))
    if whole == 0:
        return [0 for _ in weights]
    parts = [total * weight // whole for weight in weights]
    rests = [total * weight % whole for weight in weights]
    while sum(parts) < total:
        at = rests.index(max(rests))
        parts[at] += 1
        rests[at] = -1
    return [sign * part for part in parts]


@cache
def _days_by_month(first: date, last: date) -> dict[str, int]:
    found: dict[str, int] = {}
    for at in range((last - first).days + 1):
        month = (first + timedelta(days=at)).isoformat()[:7]
        found[month] = found.get(month, 0) + 1
    return found


def days_by_month(window: Row) -> dict[str, int]:
    """How many days of *window* lie in each month."""
    return _days_by_month(date.fromisoformat(window["first"]), date.fromisoformat(window["last"]))


# --- flows ------------------------------------------------------------------------------------


def _flows(records: Records, matches: list[Row]) -> Line:
    cells: Cells = defaultdict(lambda: [0] * len(FLOW))
    for match in matches:
        stands, tonnes = STANDS.get(match["state"]), match["tonnes"]["likely"]
        if stands is None or match["route"] == "onsite" or not tonnes or not _left_kg(match):
            continue
        value, climate = match["value"], match["climate"]
        ends = (match["surplus"], match["need"])
        like = one_substance(ends[0]["material"]) == one_substance(ends[1]["material"])
        kg = _left_kg(match)
        left = kg / (tonnes * 1000)
        places = [(end["region"], end["place"]["municipality"]) for end in ends]
        totals = (
            kg, round(match["tonne_km"] * 1000 * left), round(value["total_cents"] * left),
            round(climate["saved_g_per_t"] * tonnes * left), kg if like else 0,
            kg if value["tag"] == "unverified" else 0, kg if climate["tag"] == "unverified" else 0,
            kg if places[0] != places[1] else 0,
        )  # fmt: skip
        days = days_by_month(match["window"])
        columns = [shares(total, list(days.values())) for total in totals]
        for month, amounts in zip(days, zip(*columns, strict=True), strict=True):
            for side, end in zip(("surplus", "need"), ends, strict=True):
                _add(cells, end, side, end["material"], stands, month, match["sample"], amounts)
    return compared("the flows are the sum over matches, to the kilogram and the cent",
                    _filled(cells), _kept(records, "flow_cell", FLOW))  # fmt: skip


def _add(
    cells: Cells,
    of: Row,
    side: str,
    material: str,
    state: str,
    month: str,
    sample: bool,
    amounts: Sequence[int],
) -> None:
    if not any(amounts):
        return
    place = of["place"]
    scopes = {
        "region": of["region"],
        "sub_region": place.get("sub_region"),
        "municipality": place["municipality"],
        "organisation": of.get("organisation"),
        "project": of["project_id"],
    }
    for scope, code in scopes.items():
        key = (
            scope,
            code or "-",
            of["region"],
            side,
            one_substance(material),
            state,
            month,
            sample,
        )
        cell = cells[key]
        for at, amount in enumerate(amounts):
            cell[at] += amount


def _filled(cells: Cells) -> dict[tuple[Any, ...], list[int]]:
    return {key: amounts for key, amounts in cells.items() if any(amounts)}


def _kept(records: Records, table: str, amounts: Sequence[str]) -> dict[tuple[Any, ...], list[int]]:
    return {
        tuple(row[name] for name in KEY): [row[name] for name in amounts]
        for row in records.rows(READER, table)
    }


# --- beside -----------------------------------------------------------------------------------

NAMED: tuple[tuple[type[Event], str, str], ...] = (
    (OrganisationUpdated, "organisation", "organisation"),
    (ProjectAdded, "project", "project_id"),
    (ProjectUpdated, "project", "project_id"),
    (ProjectWithdrawn, "project", "project_id"),
    (AreaUpdated, "area", "area_id"),
)


def _titles(records: Records) -> Line:
    wanted: dict[tuple[str, str], tuple[int, str]] = {}
    for contract, kind, name in NAMED:
        for one in records.heard(READER, contract):
            key, told = (kind, one.body[name]), (one.body["revision"], one.body["title"])
            wanted[key] = max(told, wanted.get(key, told))
    kept = {(row["kind"], row["code"]): (row["revision"], row["title"])
            for row in records.rows(READER, "title")}  # fmt: skip
    return compared("the indicators name everything as it was told last", wanted, kept)


def _moments(records: Records) -> Line:
    heard: list[Told] = []
    for contract in records[READER].service.reacts_to:
        heard += records.heard(READER, contract)
    wanted: dict[str, Any] = {}
    for one in heard:
        wanted[one.region] = max(one.at, wanted.get(one.region, one.at))
    kept = {row["region"]: type(one.at).fromisoformat(row["at"])
            for row in records.rows(READER, "heard")} if heard else {}  # fmt: skip
    return compared("each region is as of the newest event that was told of it", wanted, kept)
