"""The near misses: of open lots that nobody else has, failing one gate by little, told as kept."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date

from deploy.audit.areas import Base, base_of
from deploy.audit.loads import moved_kg
from deploy.audit.matches import HOLDS, limits_of, still_takes_kg
from deploy.audit.pairs import Limits, gates_that_fail, road_km, worth
from deploy.audit.records import Records, Row, newest
from deploy.audit.report import Line, compared, line
from shared.contracts import AreaUpdated, ForecastUpdated, NearMissFound
from shared.vocabulary.tables import table

Bases = tuple[Base, Base]
TOLD_AGAIN = 0.2
"""Amounts may be off by this part of what was told before they are told again."""
A_METRE_KM = 0.0015
NEVER = ("acid sulphate", "frost and size", "visibility", "own site", "region", "value")
"""Gates that are no near miss however little they fail by."""


def nears(records: Records) -> list[Line]:
    """The promises about near misses."""
    kept = records.rows("matcher", "near_miss")
    announced = newest(records.announced(NearMissFound), "near_miss_id")
    told = {id: (one.body["revision"], one.body["state"]) for id, one in announced.items()}
    heard = newest(records.heard("notifier", NearMissFound), "near_miss_id")
    return [
        _judged(records, [row for row in kept if row["state"] == "open"]),
        compared(
            "near misses stand as they were told last",
            told,
            {row["id"]: (row["revision"], row["state"]) for row in kept},
        ),
        compared(
            "the notifier knows near misses as told last",
            {id: (one.body["revision"], one.body["state"] == "open") for id, one in heard.items()},
            {row["id"]: (row["revision"], row["is_open"])
             for row in records.rows("notifier", "near_miss")},
        ),
    ]  # fmt: skip


def _judged(records: Records, rows: list[Row]) -> Line:
    """Each open near miss again by brute force; while tiles wait to be looked at, none is."""
    promise = "every near miss is of open lots and fails one gate by little, judged again"
    waiting = sum(row["first_at"] is not None for row in records.rows("matcher", "near"))
    counted = {"near_misses": len(rows), "tiles_waiting": waiting}
    if waiting:
        return line(promise, counted, [])
    limits = limits_of(records)
    settings = vars(records["matcher"].service.settings)
    forecasts = newest(records.heard("matcher", ForecastUpdated), "forecast_id")
    taken = defaultdict(int, moved_kg(records))
    paired = set()
    areas = {id: one.body for id, one in
             newest(records.heard("matcher", AreaUpdated), "area_id").items()}  # fmt: skip
    for match in records.rows("matcher", "match"):
        if match["standing"] == HOLDS:
            paired.add((match["surplus_id"], match["need_id"]))
            for end in ("surplus_id", "need_id"):
                taken[match[end]] += still_takes_kg(match, end)
    found = []
    for row in rows:
        ends = [forecasts.get(row[name]) for name in ("surplus_id", "need_id")]
        if None in ends:
            found.append(f"near miss {row['id']} is of a lot that was never told")
            continue
        surplus, need = (end.body for end in ends if end is not None)
        bases = base_of(surplus, areas, limits)[1], base_of(need, areas, limits)[1]
        if (row["surplus_id"], row["need_id"]) in paired:
            found.append(f"near miss {row['id']}: its pair has a match")
        found += [f"near miss {row['id']}: {one}" for one in (
            *_left(row, (surplus, need), taken),
            *_little(surplus, need, bases, limits, settings),
            *_worth(row, surplus, need, bases, limits),
        )]  # fmt: skip
    return line(promise, counted, found)


def _left(row: Row, lots: tuple[Row, Row], taken: dict[str, int]) -> Iterator[str]:
    for lot in lots:
        if lot.get("status", "offered") != "offered":
            yield f"the {lot['direction']} is no longer offered"
            continue
        left = (int(lot["quantity"]["likely_t"] + 1e-9) * 1000 - taken[lot["forecast_id"]]) // 1000
        if row["tonnes"] * (1 - TOLD_AGAIN) > left:
            yield f"{row['tonnes']} t, and the {lot['direction']} has {left} t left"


def _little(surplus: Row, need: Row, bases: Bases, limits: Limits, settings: Row) -> Iterator[str]:
    gates = gates_that_fail(surplus, need, road_km(surplus, need, limits), bases, limits)
    if len(gates) != 1:
        yield f"{len(gates)} gates fail: {', '.join(gates)}"
        return
    (gate,) = gates
    if gate in NEVER:
        yield f"{gate} fails for good"
    elif gate == "contamination" and surplus.get("contamination", "unknown") != "unknown":
        yield "the contamination is known"
    elif gate == "invasive" and surplus.get("invasive_status") != "suspected":
        yield "the invasive plants are known"
    elif gate == "time" and _days_apart(surplus, need) > settings["matcher_near_days"]:
        yield f"{_days_apart(surplus, need)} days apart"
    elif gate == "reach":
        most = limits.reach(surplus["material"]) * (1 + settings["matcher_near_beyond_reach"])
        if road_km(surplus, need, limits) > most + A_METRE_KM:
            yield f"{road_km(surplus, need, limits)} km, at most {most:g}"
    elif gate == "suitability" and not _one_class(surplus, need, bases, limits):
        yield f"quality {surplus.get('quality')} is more than a class short"


def _days_apart(one: Row, other: Row) -> int:
    """The least days by which a window must move to meet the other."""
    early, late = sorted((one["window"], other["window"]), key=lambda told: str(told["last"]))
    return (date.fromisoformat(late["first"]) - date.fromisoformat(early["last"])).days


def _one_class(surplus: Row, need: Row, bases: Bases, limits: Limits) -> bool:
    """Whether the quality is not known as a class, or another one step from it would do."""
    rows = {one["id"]: one for one in table("enumerations")["enumerations"]["suitability_class"]}
    offered = surplus.get("quality", "unknown")
    if offered not in rows:
        return offered in ("unknown", "any", "good", "medium", "poor")
    family = offered.rstrip("0123456789")
    better = f"{family}{int(offered.removeprefix(family) or 0) - 1}"
    steps = {better} | {
        id
        for id, row in rows.items()
        if row["tier"] == rows[offered]["tier"] and id.rstrip("0123456789") != family
    }
    km = road_km(surplus, need, limits)
    return any(
        not gates_that_fail({**surplus, "quality": one}, need, km, bases, limits)
        for one in steps & set(rows)
    )


def _worth(row: Row, surplus: Row, need: Row, bases: Bases, limits: Limits) -> Iterator[str]:
    km = road_km(surplus, need, limits)
    cents = worth(surplus, need, km, bases, limits).cents * row["tonnes"]
    if abs(cents - row["worth_cents"]) > TOLD_AGAIN * row["worth_cents"]:
        yield f"told to be worth {row['worth_cents']} cents, is {cents}"
