"""How matches are asked for and decided on, why a pair fits, and how the region stands."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.encoders import jsonable_encoder
from pydantic import BaseModel, ConfigDict, Field

from services.matcher import handlers, store
from services.matcher.api.told import (
    DECIDING,
    DELIVERING,
    FEW,
    NO_LOT,
    NO_MATCH,
    SINCE,
    ToldCounts,
    ToldDecision,
    ToldDeclines,
    ToldDeliveries,
    ToldExplanation,
    ToldLoads,
    ToldMatch,
    ToldReport,
    ToldSettling,
    ToldStanding,
)
from services.matcher.domain import (
    CARRIED,
    Area,
    Load,
    Lot,
    Match,
    Offer,
    Rules,
    explain,
    explain_over,
    is_feasible,
    left_t,
    over,
    road_km_between,
    value_of,
    value_over,
    worst,
)
from services.matcher.domain.roads import BY_RATIO
from shared.access import Asker, NotAllowed
from shared.contracts.base import now
from shared.http import (
    Asking,
    Problem,
    Reading,
    Working,
    cursor,
    day_after,
    moment_after,
    number_after,
    settings_of,
)
from shared.openapi import Items, Listing, answers, refusals
from shared.seen import tells_of

router = APIRouter(tags=["matches"])
Told = Annotated[Any, Depends(settings_of)]
State = Literal[
    "proposed", "accepted", "agreed", "moving", "done", "declined", "withdrawn", "expired"
]
Limit = Annotated[int, Query(ge=1, le=200)]
Bounded = Annotated[bool, Query(description="as anybody is told it, whoever asks")]
IfMatch = Annotated[str | None, Header(description="the ETag that you saw: asked for")]
Key = Annotated[
    str | None,
    Header(max_length=200, description="one for each saying: the same again changes nothing"),
]
FEWEST_ORGANISATIONS = 3
_LATE = timedelta(seconds=30)  # a commit this late is still found by the next `since`


class Days(BaseModel):
    """From the first day to the last, both included."""

    model_config = ConfigDict(extra="forbid")

    first: date
    last: date


class Decision(BaseModel):
    """What one side says to a match; *tonnes* and *window* are the terms of a counter-offer."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"decision": "accept"},
                {"decision": "counter", "tonnes": 300, "note": "no more fits before June"},
                {"decision": "decline", "reason": "timing"},
            ]
        },
    )

    decision: Literal["accept", "decline", "undo", "counter", "close"]
    tonnes: int | None = Field(default=None, ge=1)
    window: Days | None = None
    reason: (
        Literal["quality", "timing", "distance", "papers", "price", "already_agreed", "other"]
        | None
    ) = None
    note: str | None = Field(default=None, max_length=2000)
    organisation: str | None = None


class Loads(BaseModel):
    """Loads moved under a match; with *delivery_id*, those told before as they should have been."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"tonnes": 38.4, "moved_on": "2027-05-04", "waybill": "W-1007"}]
        },
    )

    tonnes: float = Field(ge=0, le=1_000_000)
    moved_on: date
    outlet: Literal["need_direct", "need_via_storage"] = "need_direct"
    area: UUID | None = None
    method: Literal["weighed", "measured", "model", "estimate"] = "weighed"
    haul_km: float | None = Field(default=None, ge=0, le=100_000)
    vehicle: str | None = Field(default=None, max_length=200)
    energy: Literal["diesel", "hvo", "biogas", "electric", "hydrogen"] | None = None
    waybill: str | None = Field(default=None, max_length=100)
    delivery_id: UUID | None = None
    organisation: str | None = None


class Settling(BaseModel):
    """Overrides for one settling: cents per tonne, and tonnes; 0 is off."""

    model_config = ConfigDict(extra="forbid")

    standing_bonus: int | None = Field(default=None, ge=0)
    smallest_load: int | None = Field(default=None, ge=0)


@router.get("/matches", responses=answers(Listing[ToldMatch]) | refusals(SINCE))
async def matches(
    request: Request,
    asker: Asking,
    session: Reading,
    settings: Told,
    region: str | None = None,
    organisation: str | None = None,
    state: Annotated[list[State] | None, Query(description="only those in one of these")] = None,
    since: Annotated[
        datetime | None, Query(description="only those changed since, with its zone")
    ] = None,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    order: Literal["oldest", "newest"] = "oldest",
) -> dict[str, Any]:
    """
    Matches that the asker may see, by when they changed: the longest unchanged first.

    Follow `next` to the end; ask later again with `since` = the first answer's `as_of`.
    """
    if since is not None and since.tzinfo is None:
        raise Problem(422, "since_without_zone", value=since.isoformat())
    as_of = now() - _LATE
    found = await store.matches_seen_by(
        session,
        sees_all=asker.sees_all,
        regions=asker.regions,
        organisations=list(asker.organisations),
        region=region,
        organisation=organisation,
        states=state,
        since=since,
        after=moment_after(after or None),
        limit=limit,
        order=order,
    )
    lots = await store.lots_of(session, {id for one in found for id in one.pair})
    tells_of(request, (lot.organisation for lot in lots.values()))
    areas = await handlers.areas_between(found, session)
    told = [
        _seen(one, lots, areas, asker, settings) for one in found if lots.keys() >= set(one.pair)
    ]
    more = cursor(found[-1].changed_at, found[-1].id) if len(found) == limit else None
    return {"items": told, "next": more, "as_of": as_of.isoformat()}


@router.get("/counts", responses=answers(ToldCounts) | refusals(FEW))
async def counts(
    region: str, asker: Asking, session: Reading, bounded: Bounded = False
) -> dict[str, Any]:
    """
    How much is open, proposed and agreed in *region*, of what the asker may see.

    *bounded*: of the whole region, as anybody is told it where enough take part to be told apart.
    """
    if bounded:
        if await store.organisations_in(session, region) < FEWEST_ORGANISATIONS:
            raise Problem(
                403, "too_few_organisations/counts", region=region, fewest=FEWEST_ORGANISATIONS
            )
        own = None
    else:
        whole = asker.sees_all or asker.coordinates(region)
        own = None if whole else list(asker.organisations)
    told = await store.counts_of(session, region, own)
    return {**told, "region": region, "as_of": now().isoformat()}


@router.get("/matches/{id}", responses=answers(ToldMatch, 200, "ETag") | refusals(NO_MATCH))
async def match(
    id: UUID,
    request: Request,
    asker: Asking,
    session: Reading,
    settings: Told,
    response: Response,
) -> dict[str, Any]:
    """One match, with its revision as the ETag."""
    found = await store.match_of(session, id)
    if found is None or not handlers.may_see(asker, found):
        raise _no_match(id)
    response.headers["ETag"] = f'"{found.revision}"'
    lots = await store.lots_of(session, found.pair)
    tells_of(request, (lot.organisation for lot in lots.values()))
    areas = await handlers.areas_between([found], session)
    return _seen(found, lots, areas, asker, settings)


@router.post(
    "/matches/{id}/decisions",
    responses=answers(ToldMatch, 200, "ETag") | DECIDING,
)
async def decide(
    id: UUID,
    told: Decision,
    asker: Asking,
    begin: Working,
    settings: Told,
    response: Response,
    if_match: IfMatch = None,
    idempotency_key: Key = None,
) -> dict[str, Any]:
    """
    Accept, decline, counter, undo or close, on the revision that `If-Match` names.

    A counter-offer is accepted by who makes it; closing returns to both lots what is not moved.
    """
    seen = _revision(if_match)
    terms = (told.tonnes, told.window)
    if told.decision != "counter" and any(terms):
        raise Problem(422, "terms_not_asked", decision=told.decision)
    if told.decision == "counter" and not any(terms):
        raise Problem(422, "terms_missing")
    offer = Offer(told.tonnes, *(
        (told.window.first, told.window.last) if told.window else (None, None)
    ))  # fmt: skip
    try:
        async with begin() as work:
            found, lots = await handlers.decide(
                id,
                told.decision,
                work,
                asker=asker,
                seen=seen,
                reason=told.reason,
                note=told.note,
                organisation=told.organisation,
                key=idempotency_key,
                offer=offer,
                rules=settings.rules(),
            )
            areas = await handlers.areas_between([found], work.session)
    except handlers.NoSuchMatch as error:
        raise _no_match(id) from error
    except handlers.NotYours as error:
        raise _not_yours(id, told.organisation) from error
    except handlers.NotPossible as error:
        raise Problem.of(409, error) from error
    except handlers.Changed as error:
        async with begin() as work:
            lots = await store.lots_of(work.session, error.match.pair)
            areas = await handlers.areas_between([error.match], work.session)
        now_is = _seen(error.match, lots, areas, asker, settings)
        more = {"match": now_is, "changed": _as_seen(error, now_is, asker)}
        raise Problem(
            409, "match_changed", more=more, seen=seen, now=error.match.revision
        ) from error
    response.headers["ETag"] = f'"{found.revision}"'
    return _seen(found, lots, areas, asker, settings)


@router.get("/matches/{id}/decisions", responses=answers(Items[ToldDecision]) | refusals(NO_MATCH))
async def decisions(
    id: UUID, asker: Asking, session: Reading, after: str | None = None, limit: Limit = 200
) -> dict[str, Any]:
    """What each side has said so far, with its notes and offers; a name once names are open."""
    found = await store.match_of(session, id)
    if found is None or not handlers.may_see(asker, found):
        raise _no_match(id)
    sees_both = asker.sees_all or asker.coordinates(found.region)
    known = sees_both or found.accepted or found.state in ("agreed", "moving", "done")
    own = None if known else list(asker.organisations)
    place = number_after(after or None)
    said = await store.decisions_on(
        session, id, own=own, after=place[0] if place else 0, limit=limit + 1
    )
    more = cursor(said[limit - 1]["revision"], id) if len(said) > limit else None
    return {"items": said[:limit], "next": more}


@router.post(
    "/matches/{id}/deliveries",
    responses=answers(ToldReport) | DELIVERING,
)
async def deliver(
    id: UUID,
    told: Loads,
    asker: Asking,
    begin: Working,
    settings: Told,
    idempotency_key: Key = None,
) -> dict[str, Any]:
    """Record loads of an agreed match, once under each `Idempotency-Key`."""
    if not idempotency_key:
        raise Problem(428, "idempotency_key_missing")
    today = now().astimezone(settings.zone).date()
    if told.moved_on > today:
        raise Problem(422, "moved_in_the_future", day=told.moved_on, today=today)
    load = told.model_dump(include={"moved_on", "outlet", "method", "haul_km", "vehicle",
                                    "energy", "waybill"})  # fmt: skip
    load |= {"kg": round(told.tonnes * 1000), "area_id": told.area}
    try:
        async with begin() as work:
            kept, found = await handlers.report(
                id,
                load,
                work,
                asker=asker,
                organisation=told.organisation,
                corrects=told.delivery_id,
                key=idempotency_key,
                rules=settings.rules(),
            )
    except handlers.NoSuchMatch as error:
        raise _no_match(id) from error
    except handlers.NotYours as error:
        raise _not_yours(id, told.organisation) from error
    except handlers.NoSuchLoads as error:
        raise Problem(404, "delivery_not_found", id=told.delivery_id) from error
    except handlers.NotPossible as error:
        raise Problem.of(409, error) from error
    return {**_load(kept), **_left_of(found)}


@router.get("/matches/{id}/deliveries", responses=answers(ToldDeliveries) | refusals(NO_MATCH))
async def deliveries(
    id: UUID,
    request: Request,
    asker: Asking,
    session: Reading,
    after: str | None = None,
    limit: Limit = 200,
) -> dict[str, Any]:
    """
    The loads of a match, by day, those too that count for nothing; and what is left.

    The balance is that of all of its loads, on every page.
    """
    found = await store.match_of(session, id)
    if found is None or not handlers.may_see(asker, found):
        raise _no_match(id)
    lots = await store.lots_of(session, found.pair)
    tells_of(request, (lot.organisation for lot in lots.values()))
    names = asker.sees_all or asker.coordinates(found.region) or found.state in CARRIED
    loads = await store.loads_of_match(
        session,
        id,
        own=None if names else list(asker.organisations),
        after=day_after(after or None),
        limit=limit + 1,
    )
    page = loads[:limit]
    more = cursor(page[-1].moved_on.toordinal(), page[-1].id) if len(loads) > limit else None
    return {"items": [_load(one) for one in page], **_left_of(found), "next": more}


@router.get("/deliveries", responses=answers(Items[ToldLoads]))
async def reported_loads(
    asker: Asking,
    session: Reading,
    region: str | None = None,
    refused: Annotated[
        bool | None, Query(description="only those that count for nothing, or only the others")
    ] = None,
    after: str | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    order: Literal["oldest", "newest"] = "oldest",
) -> dict[str, Any]:
    """
    Loads that the asker reported or owns, by when they were told; *refused* are those that count
    for nothing, each with its reason.
    """
    found = await store.loads_seen_by(
        session,
        sees_all=asker.sees_all,
        regions=asker.regions,
        organisations=list(asker.organisations),
        region=region,
        refused=refused,
        after=moment_after(after or None),
        limit=limit,
        order=order,
    )
    more = cursor(found[-1].at, found[-1].id) if len(found) == limit else None
    return {"items": [_load(one) for one in found], "next": more}


@router.get("/declines", responses=answers(ToldDeclines))
async def declines(region: str, asker: Asking, session: Reading) -> dict[str, Any]:
    """How many matches of *region* that the asker may see were declined, by reason."""
    own = None if asker.sees_all or asker.coordinates(region) else list(asker.organisations)
    return {"region": region, "by_reason": await store.declines_in(session, region, own)}


@router.get(
    "/explain",
    responses=answers(ToldExplanation)
    | refusals(NO_LOT, (404, "area_not_found", "there is no such area that you may see")),
)
async def explain_pair(
    surplus: Annotated[UUID, Query(description="the forecast that gives")],
    need: Annotated[UUID, Query(description="the forecast that takes")],
    request: Request,
    asker: Asking,
    session: Reading,
    settings: Told,
    area: Annotated[UUID | None, Query(description="of the way over this area")] = None,
) -> dict[str, Any]:
    """
    Every gate of a pair with its verdict, whether there is a match of it or not.

    With *area*, of the way over it.
    """
    lots = await store.lots_of(session, {surplus, need})
    for id, direction in ((surplus, "surplus"), (need, "need")):
        lot = lots.get(id)
        if lot is None or lot.direction != direction:
            raise _no_lot(id, direction)
        if not _may_see_lot(asker, lot) and not await _met(asker, surplus, need, lots, session):
            raise _no_lot(id, direction)
    tells_of(request, (lot.organisation for lot in lots.values()))
    rules = settings.rules()
    left, right = lots[surplus], lots[need]
    today = now().astimezone(settings.zone).date()
    roads = await handlers.known_roads((left, right), session, rules)
    if area is not None:
        return await _explained_over(left, right, area, request, session, rules, today, asker)
    measured = roads.measured(left, right) if roads is not None else BY_RATIO
    km = road_km_between(left, right, rules, roads)
    excluded = await handlers.is_excluded(left, right, session, km)
    findings = explain(left, right, rules, today=today, excluded=excluded, km=km)
    worth = value_of(left, right, km, rules)
    return {
        "surplus": surplus,
        "need": need,
        "verdict": worst(findings),
        "feasible": is_feasible(findings),
        "reasons": [one._asdict() for one in findings],
        "papers": [one.needed for one in findings if one.needed],
        "distance_km": km,
        "distance_method": measured.method,
        "distance_version": measured.version,
        "value": worth._asdict(),
        "tag": "unverified",
    }


async def _explained_over(
    surplus: Lot,
    need: Lot,
    id: UUID,
    request: Request,
    session: Any,
    rules: Rules,
    today: date,
    asker: Asker,
) -> dict[str, Any]:
    area = (await store.areas_of(session, [id])).get(id)
    if area is None or not _may_see_area(asker, area):
        raise Problem(404, "area_not_found", id=id)
    tells_of(request, (surplus.organisation, need.organisation, area.organisation))
    way = over(surplus, need, area, rules, today=today)
    findings = explain_over(surplus, need, area, way, rules)
    return {
        "surplus": surplus.id,
        "need": need.id,
        "area": id,
        "verdict": worst(findings),
        "feasible": is_feasible(findings),
        "reasons": [one._asdict() for one in findings],
        "papers": [one.needed for one in findings if one.needed],
        "distance_km": way.km if way else None,
        "distance_method": BY_RATIO.method,
        "distance_version": BY_RATIO.version,
        "waits_days": way.days if way else None,
        "value": value_over(surplus, need, way, rules)._asdict() if way else None,
        "tag": "unverified",
    }


@router.post("/settle", responses=answers(ToldSettling))
async def settle(
    asker: Asking, begin: Working, settings: Told, told: Settling | None = None
) -> dict[str, Any]:
    """Settle the whole region until nothing improves, and say what stands against the optimum."""
    if not asker.is_operator:
        raise NotAllowed("not_allowed/operator_only")
    told = told or Settling()
    async with begin() as work:
        return await handlers.settle_all(
            work,
            settings.rules(),
            standing_bonus=told.standing_bonus,
            smallest_load=told.smallest_load,
        )


@router.get("/settled", responses=answers(ToldStanding))
async def settled(asker: Asking, session: Reading) -> dict[str, Any]:
    """What stands now, and how far from the optimum it was at the last full solve."""
    if not (asker.sees_all or asker.regions):
        raise NotAllowed("not_allowed/coordinators_only")
    return await handlers.settled(session)


def _seen(
    match: Match, lots: Any, areas: Mapping[UUID, Area], asker: Asker, settings: Any
) -> dict[str, Any]:
    """*match* as *asker* may see it: whole, or as its side does."""
    today = now().astimezone(settings.zone).date()
    body = handlers.body_of(match, lots, areas, settings.rules(), today=today)
    body |= {"changed_at": match.changed_at, "born_at": match.born_at}
    side = handlers.sees_as(asker, match)
    return answer_of(body if side is None else handlers.as_seen(body, side))


def answer_of(body: dict[str, Any]) -> dict[str, Any]:
    """*body* of a match or a near miss as JSON, without what only the rules of sight ask."""
    told: dict[str, Any] = jsonable_encoder(body)
    for end in ("surplus", "need"):
        told[end].pop("visibility", None)
    return told


def _as_seen(error: handlers.Changed, seen: dict[str, Any], asker: Asker) -> list[dict[str, Any]]:
    """What changed, without the name of a side that is not known yet."""
    if None not in (seen["surplus"]["organisation"], seen["need"]["organisation"]):
        return error.changed
    return [one for one in error.changed if one["field"] != "accepted_by"]


def _may_see_lot(asker: Asker, lot: Lot) -> bool:
    if asker.sees_all or asker.coordinates(lot.region) or lot.organisation in asker.organisations:
        return True
    return lot.visibility in ("forum", "public") and lot.is_open


def _may_see_area(asker: Asker, area: Area) -> bool:
    if asker.sees_all or asker.coordinates(area.region):
        return True
    return area.organisation in asker.organisations or area.visibility != "region"


async def _met(
    asker: Asker, surplus: UUID, need: UUID, lots: dict[UUID, Lot], session: Any
) -> bool:
    sides = {lot.organisation for lot in lots.values()}
    mine = sides & set(asker.organisations)
    return bool(mine) and await store.was_told(session, surplus, need)


def _revision(if_match: str | None) -> int:
    told = (if_match or "").removeprefix("W/").strip('"')
    if not told.isdigit():
        raise Problem(428, "revision_missing", value=if_match or "")
    return int(told)


def _load(load: Load) -> dict[str, Any]:
    hidden = ("kg", "reported", "revision", "forecast_id", "id")
    told = {name: value for name, value in load._asdict().items() if name not in hidden}
    said: dict[str, Any] = jsonable_encoder(told)
    return {
        "delivery_id": str(load.id),
        "revision": load.revision,
        "tonnes": load.kg / 1000,
        **said,
    }


def _left_of(match: Match) -> dict[str, Any]:
    return {
        "state": match.state,
        "agreed_t": match.tonnes if match.state in CARRIED else None,
        "delivered_t": match.delivered_kg / 1000,
        "left_t": left_t(match),
    }


def _not_yours(id: UUID, organisation: str | None) -> Problem:
    if organisation is None:
        return Problem(403, "not_your_match", id=id)
    return Problem(403, "not_your_match/organisation", id=id, organisation=organisation)


def _no_match(id: UUID) -> Problem:
    return Problem(404, "match_not_found", id=id)


def _no_lot(id: UUID, direction: str) -> Problem:
    return Problem(404, f"lot_not_found/{direction}", id=id)
