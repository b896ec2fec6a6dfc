"""Tells of matches: whole to the services, and to each organisation what it may see."""

import json
from collections.abc import Mapping
from datetime import date
from math import ceil, floor
from typing import Any
from uuid import UUID

from services.matcher import store
from services.matcher.domain import (
    AGREED,
    HISTORY,
    ONSITE,
    PROPOSED,
    Lot,
    Match,
    Rules,
    Stands,
    cell_of,
    centre_of,
    explain,
    left_t,
    value_of,
)
from shared.contracts import MatchChanged, MatchFound, OwnMatchChanged, OwnMatchFound
from shared.work import Work

DEFINITION = "1"
_SETTLED_STATES = (AGREED, "moving", "done")
_OPEN_TO_ALL = ("forum", "public")


async def tell(row: Any, work: Work, *, rules: Rules) -> None:
    """Tell the match of *row*, and what else is due between the same cells."""
    work.correlation = row.correlation
    match = await store.match_of(work.session, row.match_id)
    lots = await store.lots_of(work.session, match.pair) if match else {}
    cells = {lot.cell for lot in lots.values()}
    if not cells:
        await store.told(work.session, [row.match_id])
        return
    await store.hold(work.session, cells)
    due = {row.match_id, *await store.due_to_tell(work.session, cells)}
    matches = await store.matches_of(work.session, due)
    lots = await store.lots_of(work.session, {id for one in matches for id in one.pair})

    told = [announced(one, lots, work, rules) for one in matches if is_news(one)]

    await store.keep_matches(work.session, told)
    await store.told(work.session, sorted(due))


def is_news(match: Match | Stands) -> bool:
    """Whether *match* has a revision to tell; one that came and went untold has none."""
    if match.told_revision == 0 and match.standing == HISTORY:
        return False
    return match.told_revision < match.revision


def announced(match: Match, lots: Mapping[UUID, Lot], work: Work, rules: Rules) -> Match:
    """Announce *match* in *work*, to the services and to its sides; the match, as told."""
    body = body_of(match, lots, rules, today=work.today)
    is_new = match.told_revision == 0 and match.state == PROPOSED and match.route != ONSITE
    work.announce(MatchFound(**body) if is_new else MatchChanged(**body))
    own = OwnMatchFound if is_new else OwnMatchChanged
    if match.route != ONSITE:
        for side in match.sides:
            work.announce(own(**as_seen(body, side), organisation=side))
    for side in match.sides:
        work.signal("match", match.region, side, about=match.id, revision=match.revision)
    return match._replace(told_revision=match.revision)


def body_of(match: Match, lots: Mapping[UUID, Lot], rules: Rules, *, today: date) -> dict[str, Any]:
    """What is told of *match*, whole, by the names of the contract."""
    terms = json.loads(match.judged) if match.judged else terms_now(match, lots, rules, today)
    return {
        **terms,
        "region": match.region,
        "match_id": match.id,
        "revision": match.revision,
        "state": match.state,
        "accepted_by": match.accepted,
        "declined_by": match.declined_by,
        "decline_reason": match.decline_reason,
        "change": match.change,
        "asks": match.asks,
        "delivered_t": match.delivered_kg / 1000,
        "left_t": left_t(match),
        "closed_by": match.closed_by,
        "definition": DEFINITION,
    }


def terms_now(match: Match, lots: Mapping[UUID, Lot], rules: Rules, today: date) -> dict[str, Any]:
    """The terms of *match* as its two lots are now: sides, tonnes, value, reasons, papers."""
    surplus, need = lots[match.surplus_id], lots[match.need_id]
    worth = value_of(surplus, need, match.km, rules)
    findings = explain(surplus, need, rules, today=today, tonnes=match.tonnes, km=match.km)
    needed = [one.needed for one in findings if one.needed and one.verdict == "conditional"]
    beside = json.loads(surplus.beside), json.loads(need.beside)
    return {
        "route": match.route,
        "surplus": _side(surplus, beside[0]),
        "need": _side(need, beside[1]),
        "tonnes": _tonnes(match.tonnes, surplus, need),
        "window": {"first": match.first, "last": match.last},
        "distance_km": match.km,
        "distance_method": "ratio",
        "value": {
            "cents_per_t": worth.cents,
            "total_cents": worth.cents * match.tonnes,
            "disposal_avoided_cents_per_t": worth.disposal_cents,
            "purchase_avoided_cents_per_t": worth.purchase_cents,
            "haul_cents_per_t": worth.haul_cents,
            "giver_gain_cents_per_t": worth.giver_cents,
            "taker_gain_cents_per_t": worth.taker_cents,
            "compensation_cents_per_t": worth.compensation_cents,
        },
        "climate": {
            "saved_g_per_t": worth.saved_g,
            "counterfactual_g_per_t": worth.counterfactual_g,
            "proposed_g_per_t": worth.proposed_g,
        },
        "tonne_km": round(match.km * match.tonnes, 3),
        "reasons": [one._asdict() for one in findings],
        "papers": list(dict.fromkeys(needed)),
        "alternatives": {
            "count": match.alternatives,
            "next_best_cents_per_t": match.next_best_cents,
        },
        "sample": beside[0]["sample"] or beside[1]["sample"],
    }


def _side(lot: Lot, beside: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "forecast_id": lot.id,
        "forecast_revision": lot.revision,
        "project_id": lot.project_id,
        "organisation": lot.organisation,
        "region": lot.region,
        "material": lot.material,
        "place": {
            "municipality": lot.municipality,
            "sub_region": beside["sub_region"],
            "lat": lot.lat,
            "lon": lot.lon,
            "precision": "exact" if lot.exact else "municipality",
        },
        "contacts": beside["contacts"],
        "visibility": lot.visibility,
    }


def _tonnes(tonnes: int, surplus: Lot, need: Lot) -> dict[str, int]:
    lots = [lot for lot in (surplus, need) if lot.likely > 0]
    low = min((lot.low / lot.likely for lot in lots), default=1.0)
    high = min((lot.high / lot.likely for lot in lots), default=1.0)
    return {
        "low": min(tonnes, floor(tonnes * low)),
        "likely": tonnes,
        "high": max(tonnes, ceil(tonnes * high)),
    }


def as_seen(body: Mapping[str, Any], organisation: str) -> dict[str, Any]:
    """
    *body* as *organisation*, one of its sides, may see it.

    The other's name and contacts come with the first acceptance, its exact place when agreed,
    unless its own visibility says more.
    """
    known = bool(body["accepted_by"]) or body["state"] in _SETTLED_STATES
    agreed = body["state"] in _SETTLED_STATES
    seen = dict(body)
    for end in ("surplus", "need"):
        side = body[end]
        if side["organisation"] != organisation:
            seen[end] = _blurred(side, named=known, exact=agreed)
    if not known:
        seen["asks"] = tuple(one for one in body["asks"] if one == organisation)
        if body["declined_by"] != organisation:
            seen["declined_by"] = None
    return seen


def _blurred(side: Mapping[str, Any], *, named: bool, exact: bool) -> dict[str, Any]:
    open_to_all = side["visibility"] in _OPEN_TO_ALL
    told = dict(side)
    if not (named or open_to_all):
        told |= {"organisation": None, "contacts": []}
    if not (exact or open_to_all) and side["place"]["precision"] == "exact":
        lat, lon = centre_of(cell_of(side["place"]["lat"], side["place"]["lon"]))
        told["place"] = {
            **side["place"],
            "lat": round(lat, 4),
            "lon": round(lon, 4),
            "precision": "municipality",
        }
    return told
