"""Tells of matches: whole to the services, and to each organisation what it may see."""

import json
from collections.abc import Iterable, Mapping
from datetime import date
from functools import lru_cache
from math import ceil, floor
from types import MappingProxyType
from typing import Any
from uuid import UUID

from services.matcher import store
from services.matcher.domain import (
    AGREED,
    HISTORY,
    ONSITE,
    PROPOSED,
    Area,
    Lot,
    Match,
    Over,
    Rules,
    Stands,
    Value,
    cell_of,
    centre_of,
    explain,
    explain_over,
    left_t,
    way_of,
    worth_of,
)
from shared.contracts import MatchChanged, MatchFound, OwnMatchChanged, OwnMatchFound
from shared.vocabulary.factors import VALUES_VERSION
from shared.vocabulary.likelihood import both, likelihood
from shared.vocabulary.rules import rules_version
from shared.work import Work

DEFINITION = "1"
_SETTLED_STATES = (AGREED, "moving", "done")
OPEN_TO_ALL = ("forum", "public")


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
    areas = await areas_between(matches, work.session)

    told = [announced(one, lots, areas, work, rules) for one in matches if is_news(one)]

    await store.keep_matches(work.session, told)
    await store.told(work.session, sorted(due))


def is_news(match: Match | Stands) -> bool:
    """Whether *match* has a revision to tell; one that came and went untold has none."""
    if match.told_revision == 0 and match.standing == HISTORY:
        return False
    return match.told_revision < match.revision


async def areas_between(matches: Iterable[Match], session: Any) -> dict[UUID, Area]:
    """The areas over which *matches* go, by id."""
    ids = {one.via for one in matches if one.via is not None}
    return await store.areas_of(session, ids) if ids else {}


def announced(
    match: Match,
    lots: Mapping[UUID, Lot],
    areas: Mapping[UUID, Area],
    work: Work,
    rules: Rules,
) -> Match:
    """Announce *match* in *work*, to the services and to its sides; the match, as told."""
    body = body_of(match, lots, areas, rules, today=work.today)
    is_new = match.told_revision == 0 and match.state == PROPOSED and match.route != ONSITE
    work.announce(MatchFound(**body) if is_new else MatchChanged(**body))
    own = OwnMatchFound if is_new else OwnMatchChanged
    if match.route != ONSITE:
        for side in match.sides:
            work.announce(own(**as_seen(body, side), organisation=side))
    for side in match.sides:
        work.signal("match", match.region, side, about=match.id, revision=match.revision)
    return match._replace(told_revision=match.revision)


def body_of(
    match: Match,
    lots: Mapping[UUID, Lot],
    areas: Mapping[UUID, Area],
    rules: Rules,
    *,
    today: date,
) -> dict[str, Any]:
    """What is told of *match*, whole, by the names of the contract."""
    if match.judged:
        terms = json.loads(match.judged)
    else:
        terms = terms_now(match, lots, areas, rules, today)
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


def terms_now(
    match: Match,
    lots: Mapping[UUID, Lot],
    areas: Mapping[UUID, Area],
    rules: Rules,
    today: date,
) -> dict[str, Any]:
    """The terms of *match* as its ends are now: sides, tonnes, value, reasons, papers."""
    surplus, need = lots[match.surplus_id], lots[match.need_id]
    area = areas.get(match.via) if match.via is not None else None
    way = way_of(match, surplus, need, areas, rules, today=today)
    worth = worth_of(match, surplus, need, way, rules)
    if area is None:
        findings = explain(surplus, need, rules, today=today, tonnes=match.tonnes, km=match.km)
    else:
        findings = explain_over(surplus, need, area, way, rules)
    needed = [one.needed for one in findings if one.needed and one.verdict == "conditional"]
    beside = _beside(surplus.beside), _beside(need.beside)
    return {
        "route": match.route,
        "via": _via(match, area, way),
        "surplus": side_of(surplus, beside[0]),
        "need": side_of(need, beside[1]),
        "tonnes": bounds_of(match.tonnes, surplus, need),
        "likelihood": likelihood_of(surplus, need),
        "window": {"first": match.first, "last": match.last},
        "distance_km": match.km,
        "distance_method": match.distance_method,
        "distance_version": match.distance_version,
        "value": value_told(worth, match.tonnes, surplus, need),
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
        "rules": rules_version(today),
        "factors": VALUES_VERSION,
        "sample": beside[0]["sample"] or beside[1]["sample"],
    }


def _via(match: Match, area: Area | None, way: Over | None) -> dict[str, Any] | None:
    if area is None or way is None:
        return None
    return {
        "area_id": area.id,
        "title": area.title,
        "organisation": area.organisation,
        "place": {
            "municipality": area.municipality,
            "lat": area.lat,
            "lon": area.lon,
            "precision": "exact" if area.exact else "municipality",
        },
        "arrives": {"first": way.comes[0], "last": way.comes[1]},
        "leaves": {"first": way.goes[0], "last": way.goes[1]},
        "waits_days": way.days,
        "processing": way.workings,
        "yield_permille": match.permille,
        "arriving_t": match.tonnes * match.permille // 1000,
        "there_km": way.there_km,
        "onward_km": way.onward_km,
    }


@lru_cache(maxsize=65536)
def _beside(told: str) -> Mapping[str, Any]:
    return MappingProxyType(json.loads(told))


def _counterfactual(surplus: Lot, need: Lot) -> str:
    """On what the comparison rests: sites that were told, or the fallback for one side or both."""
    sites = (surplus.base_area is not None) + (need.base_area is not None)
    return ("CF-1 fallback", "CF-1 partly fallback", "CF-1")[sites]


def side_of(lot: Lot, beside: Mapping[str, Any]) -> dict[str, Any]:
    """*lot* as one end of what is told; *beside* is what no rule reads of it."""
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


def value_told(worth: Value, tonnes: int, surplus: Lot, need: Lot) -> dict[str, Any]:
    """What *tonnes* are *worth* against what both lots meet else, by the names of the contract."""
    return {
        "cents_per_t": worth.cents,
        "total_cents": worth.cents * tonnes,
        "disposal_avoided_cents_per_t": worth.disposal_cents,
        "purchase_avoided_cents_per_t": worth.purchase_cents,
        "haul_cents_per_t": worth.haul_cents,
        "processing_cents_per_t": worth.processing_cents,
        "storage_cents_per_t": worth.storage_cents,
        "counterfactual": _counterfactual(surplus, need),
        "reception_area": surplus.base_area,
        "quarry_area": need.base_area,
        "giver_gain_cents_per_t": worth.giver_cents,
        "taker_gain_cents_per_t": worth.taker_cents,
        "compensation_cents_per_t": worth.compensation_cents,
    }


def likelihood_of(surplus: Lot, need: Lot) -> float:
    """How likely both sides of a match are to come about, 0..1; unverified."""
    same = surplus.project_id == need.project_id
    return both(sureness_of(surplus), sureness_of(need), same_project=same)


def sureness_of(lot: Lot) -> float:
    """How likely *lot* is to come about, 0..1; unverified."""
    beside = _beside(lot.beside)
    return likelihood(
        beside.get("reliability", "unknown"), beside.get("phase", "not_applicable"),
        beside.get("probability"),
    )  # fmt: skip


def bounds_of(tonnes: int, surplus: Lot, need: Lot) -> dict[str, int]:
    """Whole tonnes of a match, low, likely and high, in the proportions of its lots."""
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
    # the other partners of both lots, and what they would pay, are no business of one side
    seen["alternatives"] = {"count": 0, "next_best_cents_per_t": None}
    for end in ("surplus", "need"):
        side = body[end]
        if side["organisation"] != organisation:
            seen[end] = blurred(side, named=known, exact=agreed)
    if not known:
        seen["asks"] = tuple(one for one in body["asks"] if one == organisation)
        if body["declined_by"] != organisation:
            seen["declined_by"] = None
    return seen


def blurred(side: Mapping[str, Any], *, named: bool, exact: bool) -> dict[str, Any]:
    """The other *side* as one may see it: its name and exact place only when they are open."""
    open_to_all = side["visibility"] in OPEN_TO_ALL
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
