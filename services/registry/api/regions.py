"""Regions: data that is added, never code."""

from typing import Annotated, Any

from fastapi import APIRouter, Body

from services.registry import handlers, store
from services.registry.api.answers import actor_of, page, problems
from shared.access import NotAllowed
from shared.http import Asking, Problem, Reading, Working

router = APIRouter(tags=["regions"])


@router.post("/regions", status_code=201)
async def add_region(
    told: Annotated[dict[str, Any], Body()], asker: Asking, begin: Working
) -> dict[str, Any]:
    """Add the region of a region file; the very same again is no conflict."""
    if not asker.is_operator:
        raise NotAllowed("only the operator adds regions")
    async with problems(), begin() as work:
        region = await handlers.add_region(told, work, actor=actor_of(asker))
    return region.to_json()


@router.get("/regions")
async def list_regions(_: Asking, session: Reading) -> dict[str, Any]:
    """Every region, without its places."""
    found = await store.regions(session)
    items = [{**found[code].to_json(), "places": len(found[code].places)} for code in sorted(found)]
    return page(items, None)


@router.get("/regions/{code}")
async def show_region(code: str, _: Asking, session: Reading) -> dict[str, Any]:
    """One region with its places, in the form of a region file."""
    found = (await store.regions(session)).get(code)
    if found is None:
        raise Problem(404, "region_unknown", f"{code!r} is not a region here; list them")
    return found.to_json()
