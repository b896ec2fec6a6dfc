"""Projects, forecasts and areas as they are known, each asker seeing what is theirs to see."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from services.registry import handlers, store
from services.registry.api.answers import Page, Paging, may_report, page, scope_of
from services.registry.api.told import (
    NO_DELIVERY,
    Confirmation,
    FeatureCollection,
    ToldArea,
    ToldCounts,
    ToldDelivery,
    ToldForecast,
    ToldProject,
)
from services.registry.domain import Kind, early_estimate
from shared.access import Asker
from shared.http import Asking, Problem, Reading, Working, moment_after
from shared.openapi import Listing, answers, described, refusals
from shared.vocabulary.visibility import as_others_see

router = APIRouter(tags=["things"])
MOST_CONFIRMED = 1000
UNCHANGED = "it is as that ETag says"
IfNoneMatch = Annotated[
    str | None, Header(description="the ETag that you have: 304 without a body while it holds")
]


def one_of(kind: Kind, model: Any) -> dict[int | str, dict[str, Any]]:
    """What a route answers that tells one thing, or that it is as it was."""
    unchanged = {304: {"description": UNCHANGED, "headers": described("ETag")}}
    none = refusals((404, f"{kind}_unknown", f"there is no such {kind} that you may see"))
    return answers(model, 200, "ETag") | unchanged | none


class GeoJson(JSONResponse):
    """An answer that map software reads as it is."""

    media_type = "application/geo+json"


OfProject = Annotated[UUID | None, Query(description="only those of this project")]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which things are asked for."""

    region: Annotated[str | None, Query(max_length=16)] = None
    organisation: Annotated[str | None, Query(max_length=32)] = None


Wanting = Annotated[Wanted, Depends()]


@router.get("/projects", responses=answers(Listing[ToldProject]))
async def projects(
    asker: Asking,
    session: Reading,
    wanted: Wanting,
    paging: Paging,
    without: Annotated[
        Literal["forecasts"] | None,
        Query(description="seen coming, and no masses of it that you may see: whom to call"),
    ] = None,
) -> dict[str, Any]:
    """
    Projects, the one changed longest ago first.

    Those without forecasts have an `early_estimate` where their programme tells type and size.
    """
    told = await _page("project", asker, session, paging, wanted,
                       without_forecasts=without is not None)  # fmt: skip
    if without is not None:
        told["items"] = [one | {"early_estimate": early_estimate(one)} for one in told["items"]]
    return told


@router.get("/forecasts", responses=answers(Listing[ToldForecast]))
async def forecasts(
    asker: Asking,
    session: Reading,
    wanted: Wanting,
    paging: Paging,
    project: OfProject = None,
    asked: Annotated[
        bool, Query(description="only those whose owner was asked whether they hold")
    ] = False,
    own: Annotated[
        bool, Query(description="only those that your organisations own or report")
    ] = False,
) -> dict[str, Any]:
    """Forecasts, the one changed longest ago first."""
    return await _page(
        "forecast", asker, session, paging, wanted, project=project, asked=asked, own=own
    )


@router.get("/counts", responses=answers(ToldCounts))
async def counts(
    asker: Asking, session: Reading, region: Annotated[str, Query(max_length=16)]
) -> dict[str, Any]:
    """How much of *region* waits to be confirmed, linked or called about, that the asker sees."""
    scope = scope_of(asker)
    to_confirm, to_call = await store.waiting(session, scope, region)
    return {
        "region": region,
        "to_confirm": to_confirm,
        "duplicates": await store.suggested(session, scope, region),
        "to_call": to_call,
    }


@router.get("/forecasts.geojson", response_class=GeoJson, responses=answers(FeatureCollection))
async def forecasts_as_geojson(
    asker: Asking,
    session: Reading,
    wanted: Wanting,
    paging: Paging,
    project: OfProject = None,
) -> GeoJson:
    """
    The same as a FeatureCollection (RFC 7946, WGS 84), paged by its member `next`.

    A point is as exact as `precision` says: `municipality` is the municipality's own point.
    """
    told = await _page("forecast", asker, session, paging, wanted, project=project)
    features = [_feature(each) for each in told.pop("items")]
    return GeoJson({"type": "FeatureCollection", "features": features, **told})


def _feature(told: dict[str, Any]) -> dict[str, Any]:
    place = told["place"]
    flat = {
        "municipality": place["municipality"],
        "sub_region": place["sub_region"],
        "precision": place["precision"],
        "likely_t": told["quantity"]["likely_t"],
        "available_from": told["window"]["first"],
        "available_to": told["window"]["last"],
    }
    return {
        "type": "Feature",
        "id": told["forecast_id"],
        "geometry": {"type": "Point", "coordinates": [place["lon"], place["lat"]]},
        "properties": {**{name: one for name, one in told.items() if name != "place"}, **flat},
    }


@router.get("/open/forecasts", responses=answers(Listing[ToldForecast]))
async def open_forecasts(
    session: Reading, paging: Paging, region: Annotated[str | None, Query(max_length=16)] = None
) -> dict[str, Any]:
    """Open data, without a credential: forecasts that their owners made public, and no others."""
    found = await store.listed(
        session,
        "forecast",
        store.Scope(),
        region=region,
        public=True,
        after=moment_after(paging.after),
        limit=paging.limit,
    )
    last = found[-1] if len(found) == paging.limit else None
    following = (last.updated_at, last.id) if last else None
    return page([_told(each) for each in found], following, datetime.now(UTC))


class Held(BaseModel):
    """The forecasts that still hold as they were told."""

    model_config = ConfigDict(extra="forbid")

    forecasts: tuple[UUID, ...] = Field(min_length=1, max_length=MOST_CONFIRMED)


@router.post("/forecasts/confirm", responses=answers(Confirmation))
async def confirm(told: Held, asker: Asking, begin: Working) -> dict[str, Any]:
    """
    Say that forecasts still hold as they were told: as good as telling them again.

    Those that the asker may not report for, or that are not known, are named in `left_out`.
    """
    own = None if asker.is_operator else [
        token for token in asker.organisations if may_report(asker, token)
    ]  # fmt: skip
    async with begin() as work:
        held = await handlers.confirm(told.forecasts, work, by=own)
    known = {one.id for one in held}
    return {
        "confirmed": [{"forecast_id": str(one.id), "revision": one.revision} for one in held],
        "left_out": [str(id) for id in dict.fromkeys(told.forecasts) if id not in known],
    }


@router.get("/areas", responses=answers(Listing[ToldArea]))
async def areas(asker: Asking, session: Reading, wanted: Wanting, paging: Paging) -> dict[str, Any]:
    """Areas, the one changed longest ago first."""
    return await _page("area", asker, session, paging, wanted)


@router.get("/projects/{id}", response_model=None, responses=one_of("project", ToldProject))
async def project(
    id: UUID, asker: Asking, session: Reading, if_none_match: IfNoneMatch = None
) -> Response | dict[str, Any]:
    """One project as it now is; its revision is its ETag."""
    return await _one("project", id, asker, session, if_none_match)


@router.get("/forecasts/{id}", response_model=None, responses=one_of("forecast", ToldForecast))
async def forecast(
    id: UUID, asker: Asking, session: Reading, if_none_match: IfNoneMatch = None
) -> Response | dict[str, Any]:
    """One forecast as it now is; its revision is its ETag."""
    return await _one("forecast", id, asker, session, if_none_match)


@router.get("/areas/{id}", response_model=None, responses=one_of("area", ToldArea))
async def area(
    id: UUID, asker: Asking, session: Reading, if_none_match: IfNoneMatch = None
) -> Response | dict[str, Any]:
    """One area as it now is; its revision is its ETag."""
    return await _one("area", id, asker, session, if_none_match)


@router.get("/deliveries/{id}", responses=answers(ToldDelivery) | NO_DELIVERY)
async def delivery(id: UUID, asker: Asking, session: Reading) -> dict[str, Any]:
    """Loads as they were told at this door, for who may tell them again; the matcher lists them."""
    found = await store.things(session, "delivery", [id])
    if not found or not may_report(asker, found[0].reporter):
        raise Problem(404, "delivery_unknown", id=id)
    (known,) = found
    return {
        "delivery_id": str(known.id),
        "external_id": known.external_id,
        "reporter": known.reporter,
        "revision": known.revision,
        "told": known.told,
    }


async def _page(
    kind: Kind,
    asker: Asker,
    session: Any,
    paging: Page,
    wanted: Wanted,
    *,
    project: UUID | None = None,
    asked: bool = False,
    without_forecasts: bool = False,
    own: bool = False,
) -> dict[str, Any]:
    found = await store.listed(
        session,
        kind,
        scope_of(asker),
        region=wanted.region,
        organisation=wanted.organisation,
        project=project,
        asked=asked,
        without_forecasts=without_forecasts,
        own=own,
        after=moment_after(paging.after),
        limit=paging.limit,
    )
    last = found[-1] if len(found) == paging.limit else None
    following = (last.updated_at, last.id) if last else None
    return page([_told(each, asker) for each in found], following, datetime.now(UTC))


async def _one(
    kind: Kind, id: UUID, asker: Asker, session: Any, if_none_match: str | None
) -> Response:
    found = await store.seen(session, kind, scope_of(asker), id)
    if found is None:
        raise Problem(404, f"{kind}_unknown", value=str(id))
    etag = f'"{found.revision}"'
    if if_none_match == etag:
        return Response(status_code=304, headers={"ETag": etag})
    return JSONResponse(_told(found, asker), headers={"ETag": etag})


def _told(each: store.Listed, asker: Asker | None = None) -> dict[str, Any]:
    """
    The thing as *asker* may see it, or as anybody may: prices and contacts are for its owner, who
    reported it, and its region's coordinators; its id in the reporter's own system for who reports
    there.
    """
    own = asker is not None and may_report(asker, each.reporter)
    told = {
        **each.state,
        **({"external_id": each.external_id} if own else {}),
        "revision": each.revision,
        "updated_at": each.updated_at.isoformat(),
    }
    if asker is not None and _may_see_whole(asker, each.state):
        return told
    return as_others_see(told)


def _may_see_whole(asker: Asker, state: dict[str, Any]) -> bool:
    if asker.sees_all or asker.coordinates(state["region"]):
        return True
    return bool({state["organisation"], state.get("reporter")} & set(asker.organisations))
