"""The matches: no lot over-committed, each judged and valued again, decisions as they were made."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from itertools import product

from deploy.audit.areas import Base, base_at, base_of, crowded, fallback, way_over
from deploy.audit.effects import by_match
from deploy.audit.loads import loads, moved_kg
from deploy.audit.pairs import (
    Limits,
    Worth,
    ends_of_road,
    gates_of_kinds,
    gates_that_fail,
    most_tonnes,
    road_km,
    worth,
)
from deploy.audit.records import Records, Row, newest
from deploy.audit.report import Line, line
from shared.contracts import AreaUpdated, ForecastUpdated, MatchChanged, MatchFound

HOLDS = 1
"""The *standing* of a match that holds tonnes."""
A_METRE_KM = 0.0015
A_LITTLE_KM, A_LITTLE = 0.3, 0.02
"""What a road that was told anew may differ from a match that was settled before."""


def matches(records: Records) -> list[Line]:
    """The promises about matches."""
    limits = limits_of(records)
    return [
        _commitments(records),
        _rooms(records),
        _baselines(records, limits),
        _verdicts(records, limits),
        _values(records, limits),
        _decisions(records),
        _copies(records),
        *loads(records),
    ]


def limits_of(records: Records) -> Limits:
    """The operator's settings of the matcher, as this environment tells them."""
    told = vars(records["matcher"].service.settings)
    return Limits(
        reach_km=told["matcher_reach_km"],
        reach_by_material=dict(told["matcher_reach_km_by_material"]),
        same_place_km=told["matcher_same_place_km"],
        worth_cents=told["matcher_worth_cents_per_t"],
        co2e_cents_per_t=told["matcher_co2e_cents_per_t"],
        processing_on_site=told["matcher_processing_on_site"],
    )


def _holding(records: Records) -> list[Row]:
    return [row for row in records.rows("matcher", "match") if row["standing"] == HOLDS]


def _is_free(match: Row) -> bool:
    """Whether the plan may still change it: nobody has decided."""
    return (match["route"], match["state"]) == ("onsite", "agreed") or bool(
        match["state"] == "proposed"
    )


def _copies(records: Records) -> Line:
    """No proposal is of a forecast for which another one counts."""
    counts = {
        row["id"]: row["duplicate_of"]
        for row in records.rows("registry", "forecast")
        if row["duplicate_of"] is not None
    }
    copies = [
        f"match {match['id']} is proposed of {match[end]}, for which {counts[match[end]]} counts"
        for match in _holding(records)
        if _is_free(match)
        for end in ("surplus_id", "need_id")
        if match[end] in counts
    ]
    return line("no proposal is of a linked duplicate", {"linked": len(counts)}, copies)


def _commitments(records: Records) -> Line:
    forecasts = newest(records.heard("matcher", ForecastUpdated), "forecast_id")
    free: dict[str, int] = defaultdict(int)
    fixed: dict[str, list[Row]] = defaultdict(list)
    rows = _holding(records)
    moved = moved_kg(records)
    for match in rows:
        for end in ("surplus_id", "need_id"):
            if _is_free(match):
                free[match[end]] += takes(match, end) * 1000
            else:
                fixed[match[end]].append(match)
    found = []
    alarms = 0
    for id in {*free, *fixed}:
        if id not in forecasts:
            found.append(f"lot {id} holds matches and was never told")
            continue
        lot = forecasts[id].body
        is_open = lot.get("status", "offered") == "offered"
        told = int(lot["quantity"]["likely_t"] + 1e-9) * 1000 - moved.get(id, 0)
        most = max(0, told) if is_open else 0
        end = "surplus_id" if lot["direction"] == "surplus" else "need_id"
        decided = sum(still_takes_kg(match, end) for match in fixed[id])
        if free[id] > max(0, most - decided):
            found.append(f"lot {id}: {free[id]} kg proposed and {decided} kg decided of {most} kg")
        if decided > most:
            silent = [match["id"] for match in fixed[id] if not _alarmed(match, lot["direction"])]
            alarms += len(fixed[id]) - len(silent)
            found += [f"match {one} stands on lot {id} that fell to {most} kg, and no alarm"
                      for one in silent]  # fmt: skip
    counted = {"matches": len(rows), "lots": len({*free, *fixed}), "alarms": alarms}
    return line("no lot is over-committed", counted, found)


def takes(match: Row, end: str) -> int:
    """Whole tonnes that *match* takes of the lot at its *end*; a working may lose some."""
    tonnes = int(match["tonnes"])
    return tonnes if end == "surplus_id" else tonnes * int(match["permille"]) // 1000


def still_takes_kg(match: Row, end: str) -> int:
    """What *match* takes of the lot at its *end* besides its loads, which are off it already."""
    share = 1000 if end == "surplus_id" else int(match["permille"])
    return max(0, takes(match, end) * 1000 - int(match["delivered_kg"]) * share // 1000)


def _rooms(records: Records) -> Line:
    """What waits in an area fits into it, month by month."""
    areas = _areas(records)
    stays = [
        (row["via"], row["tonnes"], date.fromisoformat(row["stays_from"]),
         date.fromisoformat(row["stays_to"]))
        for row in _holding(records)
        if row["via"] and row["stays_from"] and _is_free(row)
    ]  # fmt: skip
    counted = {"areas": len(areas), "stays": len(stays)}
    return line("no area holds more than it may", counted, crowded(stays, areas))


def _areas(records: Records) -> dict[str, Row]:
    return {id: one.body for id, one in
            newest(records.heard("matcher", AreaUpdated), "area_id").items()}  # fmt: skip


def _baselines(records: Records, limits: Limits) -> Line:
    """What a lot meets without the platform is the nearest site that was told, or the fallback."""
    forecasts = newest(records.heard("matcher", ForecastUpdated), "forecast_id")
    areas, found = _areas(records), []
    rows = records.rows("matcher", "lot")
    for row in rows:
        told = forecasts.get(row["id"])
        if told is None:
            continue
        site, base = base_of(told.body, areas, limits)
        kept = row["base_area"], (row["base_cents"], row["base_grams"])
        if kept != (site, base if site else (None, None)):
            found.append(f"lot {row['id']} is compared with {kept}, not {(site, base)}")
    return line("every lot is compared with its nearest site", {"lots": len(rows)}, found)


def _alarmed(match: Row, direction: str) -> bool:
    return any(call.startswith(f"{direction}:") for call in match["alarm"].split())


def _verdicts(records: Records, limits: Limits) -> Line:
    """Every gate of what is proposed holds, on the forecasts as they are now."""
    forecasts = newest(records.heard("matcher", ForecastUpdated), "forecast_id")
    found, areas = [], _areas(records)
    roads = {(row["origin"], row["destination"]): row["km"]
             for row in records.rows("matcher", "road")}  # fmt: skip
    open_matches = [row for row in _holding(records) if _is_free(row)]
    for match in open_matches:
        ends = [forecasts.get(match[name]) for name in ("surplus_id", "need_id")]
        if None in ends:
            continue
        surplus, need = (end.body for end in ends if end is not None)
        bases = base_of(surplus, areas, limits)[1], base_of(need, areas, limits)[1]
        if match["via"]:
            wrong = _terms_over(match, surplus, need, areas.get(match["via"]), bases, limits)
        else:
            gates = gates_that_fail(surplus, need, match["km"], bases, limits)
            wrong = [f"{gate} does not hold" for gate in gates]
            wrong += _distance(match, surplus, need, roads, limits)
            wrong += _terms(match, surplus, need, bases, limits)
        found += [f"match {match['id']}: {one}" for one in wrong]
    return line("every proposal passes every gate, judged again", {"proposals": len(open_matches)},
                found)  # fmt: skip


def _terms_over(
    match: Row, surplus: Row, need: Row, area: Row | None, bases: tuple[Base, Base],
    limits: Limits,
) -> list[str]:  # fmt: skip
    way = way_over(surplus, need, area, bases, limits) if area else None
    worked = replace(limits, processing_on_site=True)
    wrong = [f"{gate} does not hold" for gate in gates_of_kinds(surplus, need, worked)]
    if way is None:
        return [*wrong, f"there is no way over {match['via']}"]
    kept = (match["route"], match["permille"], match["first"], match["last"], match["cents_per_t"])
    wanted = ("area", way.permille, way.first, way.last, way.worth.cents)
    if kept != wanted:
        wrong.append(f"is {kept}, not {wanted}")
    if abs(match["km"] - way.km) > A_METRE_KM:
        wrong.append(f"{match['km']} km, not {way.km} km")
    months = (
        None if match["stays_from"] is None else (match["stays_from"][:7], match["stays_to"][:7])
    )
    if months != (None if way.lies is None else tuple(str(day)[:7] for day in way.lies)):
        wrong.append(f"its room is taken {months}, not {way.lies}")
    if way.worth.cents <= limits.worth_cents:
        wrong.append("value does not hold")
    return wrong


def _distance(
    match: Row,
    surplus: Row,
    need: Row,
    told: Mapping[tuple[int, int], float | None],
    limits: Limits,
) -> Iterable[str]:
    km, may_differ = road_km(surplus, need, limits), A_METRE_KM
    if match["distance_method"] == "route":
        km = told.get(ends_of_road(surplus, need)) or km
        may_differ = max(A_LITTLE_KM, A_LITTLE * km)
    if abs(match["km"] - km) > may_differ:
        yield f"{match['km']} km by {match['distance_method']}, not {km} km"


def _terms(
    match: Row, surplus: Row, need: Row, bases: tuple[Base, Base], limits: Limits
) -> Iterable[str]:
    first = max(surplus["window"]["first"], need["window"]["first"])
    last = min(surplus["window"]["last"], need["window"]["last"])
    on_site = surplus["project_id"] == need["project_id"]
    if match["tonnes"] < 1 or match["tonnes"] > most_tonnes(surplus, need) + 1e-6:
        yield f"{match['tonnes']} t, at most {most_tonnes(surplus, need):g} t fit in the window"
    if match["route"] != "onsite" and (match["first"], match["last"]) != (first, last):
        yield f"from {match['first']} to {match['last']}, not {first} to {last}"
    if (match["route"] == "onsite") != on_site:
        yield f"route is {match['route']}"
    cents = worth(surplus, need, match["km"], bases, limits).cents
    if match["cents_per_t"] != cents:
        yield f"{match['cents_per_t']} cents a tonne, not {cents}"


def _values(records: Records, limits: Limits) -> Line:
    """What each match was last told to be worth follows from the very revisions it was told of."""
    forecasts = {(one.body["forecast_id"], one.body["revision"]): one.body
                 for one in records.announced(ForecastUpdated)}  # fmt: skip
    told = by_match([*records.announced(MatchFound), *records.announced(MatchChanged)])
    areas: dict[str, list[Row]] = defaultdict(list)
    for one in records.announced(AreaUpdated):
        areas[one.body["area_id"]].append(one.body)
    found = []
    for id, each in told.items():
        body = each[-1].body
        ends = [forecasts.get((body[end]["forecast_id"], body[end]["forecast_revision"]))
                for end in ("surplus", "need")]  # fmt: skip
        if None in ends:
            found.append(f"match {id} names a revision of a forecast that was never told")
            continue
        surplus, need = (end for end in ends if end is not None)
        found += [f"match {id}: {one}" for one in _told_worth(body, surplus, need, areas, limits)]
    return line("every match is worth what it was told to be, to the cent", {"matches": len(told)},
                found)  # fmt: skip


def _told_worth(
    body: Row, surplus: Row, need: Row, areas: Mapping[str, list[Row]], limits: Limits
) -> Iterable[str]:
    """Whether some revisions of the areas it names give what was told; what differs, if none."""
    least: list[str] | None = None
    for again in _worths(body, surplus, need, areas, limits):
        wrong = list(_differs(body, again))
        if least is None or len(wrong) < len(least):
            least = wrong
    return ["names an area that gives no such way"] if least is None else least


def _worths(
    body: Row, surplus: Row, need: Row, areas: Mapping[str, list[Row]], limits: Limits
) -> Iterator[Worth]:
    value, via = body["value"], body.get("via")
    gone = _bases(surplus, value.get("reception_area"), areas, limits)
    got = _bases(need, value.get("quarry_area"), areas, limits)
    for bases in product(gone, got):
        if via is None:
            yield worth(surplus, need, body["distance_km"], bases, limits)
        for area in areas[via["area_id"]] if via else ():
            way = way_over(surplus, need, area, bases, limits)
            if way is not None:
                yield way.worth


def _bases(
    lot: Row, site: str | None, areas: Mapping[str, list[Row]], limits: Limits
) -> list[Base]:
    if site is None:
        return [fallback(lot)]
    return [base_at(lot, area, limits) for area in areas[site]]


def _differs(body: Row, again: Worth) -> Iterable[str]:
    value, climate = body["value"], body["climate"]
    costs = value["processing_cents_per_t"] + value["storage_cents_per_t"]
    pairs = (
        ("cents a tonne", value["cents_per_t"], again.cents),
        ("disposal avoided", value["disposal_avoided_cents_per_t"], again.disposal),
        ("purchase avoided", value["purchase_avoided_cents_per_t"], again.purchase),
        ("haul", value["haul_cents_per_t"], again.haul),
        ("processing and storage", costs, again.costs),
        ("cents", value["total_cents"], again.cents * body["tonnes"]["likely"]),
        ("grams saved", climate["saved_g_per_t"], again.grams),
    )
    for name, kept, wanted in pairs:
        if kept != wanted:
            yield f"{name} is {kept}, not {wanted}"
    gains = value["giver_gain_cents_per_t"] + value["taker_gain_cents_per_t"]
    if gains != again.disposal + again.purchase - again.haul - again.costs:
        yield f"the two sides gain {gains} together"


def _decisions(records: Records) -> Line:
    """The decisions on a match, one after the other, lead to the state it is in."""
    made: dict[str, list[Row]] = defaultdict(list)
    for row in records.rows("matcher", "decision"):
        made[row["match_id"]].append(row)
    found = []
    kept = {row["id"]: row for row in records.rows("matcher", "match")}
    for id, match in kept.items():
        decisions = sorted(made.pop(id, []), key=lambda row: int(row["revision_made"]))
        found += [f"match {id}: {one}" for one in _follows(match, decisions)]
    found += [f"match {id} was decided on and is not kept" for id in made]
    counted = {"decisions": len(records.rows("matcher", "decision"))}
    return line("decisions stand as they were made", counted, found)


def _follows(match: Row, decisions: list[Row]) -> Iterable[str]:
    sides = {match["surplus_organisation"], match["need_organisation"]}
    accepted: list[str] = []
    declined: Row | None = None
    closed: Row | None = None
    for row in decisions:
        if row["revision_made"] != row["revision_seen"] + 1:
            yield f"a decision on revision {row['revision_seen']} made {row['revision_made']}"
        if row["organisation"] not in sides:
            yield f"{row['organisation']} decided, and is no side of it"
        if row["decision"] in ("accept", "counter", "undo"):
            accepted = _accepted(accepted, row)
        elif row["decision"] == "close":
            closed = row
        else:
            declined = row
    revisions = [row["revision_made"] for row in decisions]
    if len(set(revisions)) != len(revisions):
        yield f"decisions made the revisions {revisions}"
    if list(filter(None, match["accepted_by"].split(","))) != accepted:
        yield f"accepted by {match['accepted_by']!r}, decided by {accepted}"
    if match["declined_by"] != (declined["organisation"] if declined else None):
        yield f"declined by {match['declined_by']}"
    if match["closed_by"] != (closed["organisation"] if closed else None):
        yield f"closed by {match['closed_by']}"
    allowed = _states(match, sides, accepted, declined)
    if match["state"] not in allowed:
        yield f"is {match['state']}, decisions lead to {' or '.join(allowed)}"


def _accepted(before: list[str], decision: Row) -> list[str]:
    """Who has accepted after *decision*: of an offer who made it, and nobody else."""
    mine = [str(decision["organisation"])]
    return {"accept": before + mine, "counter": mine, "undo": []}[decision["decision"]]


def _moved_state(match: Row) -> str:
    """What the loads make of an agreed match."""
    if match["closed_by"] or match["delivered_kg"] >= match["tonnes"] * 1000:
        return "done"
    return "moving" if match["delivered_kg"] else "agreed"


def _states(
    match: Row, sides: set[str], accepted: list[str], declined: Row | None
) -> tuple[str, ...]:
    if declined is not None:
        return ("declined",)
    if match["route"] == "onsite":
        return "agreed", "withdrawn", "expired"
    if sides <= set(accepted):
        return (_moved_state(match),)
    if accepted:
        return "accepted", "withdrawn", "expired"
    return "proposed", "withdrawn", "expired"
