"""The live page of a region, and the choice of its language."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from services.portal.api import words
from services.portal.api.cookies import LANGUAGE
from services.portal.api.desk import desk_of
from services.portal.api.drawing import draw
from services.portal.api.fragments import View, drawn_all, view_of
from services.portal.api.route import PageRoute
from services.portal.api.visitor import Visiting, change_cookie, put
from services.portal.domain.paths import local_path
from shared.http import Problem

router = APIRouter(route_class=PageRoute)
YEAR_S = 365 * 24 * 3600
TOLD = ("accept", "decline", "undo")


@router.get("/")
async def page(request: Request, visitor: Visiting, region: str = "", did: str = "") -> Response:
    """The page; *did* is what this person has just decided."""
    view = await view_of(desk_of(request), visitor, region)
    notice = words.Words(visitor.language)(f"did.{did}") if did in TOLD else ""
    return HTMLResponse(await page_html(request, view, notice=notice))


async def page_html(request: Request, view: View, *, notice: str = "", problem: str = "") -> str:
    """The whole page, with a *notice* or a *problem* above."""
    parts = await drawn_all(view)
    names = await view.desk.names()
    path = request.url.path if request.method == "GET" else "/"
    return draw(
        "page.html",
        view.visitor.language,
        view=view,
        region=view.region,
        regions=titles(names, view.visitor.language),
        visitor=view.visitor,
        parts=parts,
        notice=notice,
        problem=problem,
        can_sign_in=view.desk.oidc is not None,
        here=f"{path}?region={view.region.code}",
        beat_s=view.desk.streams.beat_s,
    )


def titles(names: Mapping[str, Mapping[str, str]], language: str) -> list[tuple[str, str]]:
    """Code and name in *language* of every region, by name."""
    told = [
        (code, each.get(language) or next(iter(each.values()), code))
        for code, each in names.items()
    ]
    return sorted(told, key=lambda one: one[1])


@router.post("/language")
async def language(
    request: Request, to: Annotated[str, Form()], then: Annotated[str, Form()] = "/"
) -> Response:
    """Show everything in another language from now on."""
    if to not in words.LANGUAGES:
        raise Problem(422, "request_invalid", "choose fi, sv or en")
    secure = desk_of(request).secure(request)
    change_cookie(request, lambda response: put(response, LANGUAGE, to, YEAR_S, secure))
    return RedirectResponse(local_path(then), 303)


@router.get("/{_:path}")
async def nothing() -> Response:
    """No page has this address."""
    raise Problem(404, "not_found", "there is no such page")
