"""Serves styles, script and icon: browsers may keep them for ever, their address bears a hash."""

from fastapi import APIRouter, Response

from services.portal.api.assets import held
from services.portal.api.route import PageRoute
from shared.http import Problem

router = APIRouter(route_class=PageRoute)


@router.get("/static/{mark}/{name}")
async def static(mark: str, name: str) -> Response:
    """A static file; an address with an old hash answers the present file, briefly kept."""
    if name not in held():
        raise Problem(404, "not_found/id", value=name)
    present, content, kind = held()[name]
    kept = "public, max-age=31536000, immutable" if mark == present else "no-cache"
    return Response(content, media_type=kind, headers={"Cache-Control": kept})
