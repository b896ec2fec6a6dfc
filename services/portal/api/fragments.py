"""The parts of the pages as HTML: drawn alike at first load and at refresh."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as field_of
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from services.portal.api.desk import desk_of
from services.portal.api.drawing import draw
from services.portal.api.parts import FRONT, OF_ONE, PARTS, Context, View, its_id, view_of
from services.portal.api.route import PageRoute
from services.portal.api.visitor import Visiting
from services.portal.gateways import Away, Denied
from shared import telemetry
from shared.http import Problem

router = APIRouter(route_class=PageRoute)
REASONS = ("quality", "timing", "distance", "papers", "price", "already_agreed", "other")
METHODS = ("weighed", "measured", "model", "estimate")
ENERGIES = ("diesel", "hvo", "biogas", "electric", "hydrogen")


@dataclass(frozen=True)
class Drawn:
    """One part of the page as HTML; *failed* when its service did not answer."""

    name: str
    html: Markup
    failed: bool = False


@dataclass(frozen=True)
class Typed:
    """What a person typed into *form*, kept while *field* of it has to be mended."""

    form: str = ""
    field: str = ""
    values: Mapping[str, str] = field_of(default_factory=dict)

    def of(self, form: str, name: str, otherwise: str = "") -> str:
        """What was typed into the field *name* of *form*."""
        return self.values.get(name, otherwise) if form == self.form else otherwise


async def drawn(name: str, view: View, typed: Typed | None = None) -> Drawn:
    """
    The part *name*; when its service is away, the words that say so.

    *typed* is what stood in a form of it that could not be taken.
    """
    try:
        told = await PARTS[name](view)
    except (Away, Denied) as error:
        log: Any = telemetry.log()
        log.warning("fragment_failed", fragment=name, error=str(error))
        denied = isinstance(error, Denied) and error.status in (403, 404)
        few = isinstance(error, Denied) and error.code == "too_few_organisations"
        why = {"denied": denied, "few": few}
        return Drawn(name, _draw("fragments/away.html", name, view, why), not denied)
    told["as_of"] = view.shown(told["as_of"])
    told["typed"] = typed or Typed()
    return Drawn(name, _draw(f"fragments/{name}.html", name, view, told))


async def drawn_all(
    view: View, names: Sequence[str] = FRONT, typed: Typed | None = None
) -> dict[str, Drawn]:
    """Several parts, asked for at the same time."""
    parts = await asyncio.gather(*(drawn(name, view, typed) for name in names))
    return {part.name: part for part in parts}


@router.get("/fragments/{name}")
async def fragment(
    name: str,
    request: Request,
    visitor: Visiting,
    region: str = "",
    about: Annotated[str, Query(max_length=40)] = "",
) -> Response:
    """One part of the page again; 304 when it is as the browser knows it, 503 when away."""
    if name not in PARTS:
        raise Problem(404, "not_found/id", value=name)
    if visitor.unsure:
        raise Away("registry")
    about = its_id(about) if name in OF_ONE else about
    part = await drawn(name, await view_of(desk_of(request), visitor, region, about))
    mark = f'"{hashlib.sha256(part.html.encode()).hexdigest()[:24]}"'
    headers = {
        "ETag": mark,
        "Cache-Control": "private, no-cache",
        "Vary": "Cookie, Accept-Language",
        "X-Reader": visitor.mark,
    }
    if part.failed:
        return HTMLResponse(part.html, 503, headers={**headers, "Cache-Control": "no-store"})
    if request.headers.get("if-none-match") == mark:
        return Response(status_code=304, headers=headers)
    return HTMLResponse(part.html, headers=headers)


def _draw(template: str, name: str, view: View, told: Context) -> Markup:
    return draw(
        template,
        view.visitor.language,
        name=name,
        region=view.region,
        about=view.about,
        place=view.place,
        visitor=view.visitor,
        reasons=REASONS,
        methods=METHODS,
        energies=ENERGIES,
        **told,
    )
