"""Regions: data that is added, never code."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path

from services.registry import handlers, store
from services.registry.api.answers import LongPaging, actor_of, page, part_of, problems
from services.registry.api.told import ADDING_REGION, OF_REGION, ToldRegion, WholeRegion
from shared.access import NotAllowed
from shared.http import Asking, Problem, Reading, Working
from shared.openapi import Listing, answers

router = APIRouter(tags=["regions"])


@router.post("/regions", status_code=201, responses=answers(WholeRegion, 201) | ADDING_REGION)
async def add_region(
    told: Annotated[dict[str, Any], Body()], asker: Asking, begin: Working
) -> dict[str, Any]:
    """Add the region of a region file; the very same again is no conflict."""
    if not asker.is_operator:
        raise NotAllowed("not_allowed/operator_only")
    async with problems(), begin() as work:
        region = await handlers.add_region(told, work, actor=actor_of(asker))
    return region.to_json()


@router.get("/regions", responses=answers(Listing[ToldRegion]))
async def list_regions(_: Asking, session: Reading, paging: LongPaging) -> dict[str, Any]:
    """The regions, without their places."""
    known = await store.regions(session)
    found, following = part_of(known.values(), paging, lambda region: (region.code,))
    items = [{**region.to_json(), "places": len(region.places)} for region in found]
    return page(items, following)


@router.get("/regions/{code}", responses=answers(WholeRegion) | OF_REGION)
async def show_region(
    code: Annotated[str, Path(description="as 01")], _: Asking, session: Reading
) -> dict[str, Any]:
    """One region with its places, in the form of a region file."""
    found = (await store.regions(session)).get(code)
    if found is None:
        raise Problem(404, "region_unknown", value=code)
    return found.to_json()
