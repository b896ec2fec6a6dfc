"""The live page of a region, and the choice of its language."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from services.portal.api import words
from services.portal.api.cookies import LANGUAGE
from services.portal.api.desk import desk_of
from services.portal.api.fragments import drawn_all
from services.portal.api.parts import View, view_of
from services.portal.api.route import PageRoute
from services.portal.api.shell import NONE, Trouble, shell
from services.portal.api.visitor import Visiting, change_cookie, put
from services.portal.domain.paths import local_path
from shared.http import Problem
from shared.problems import said
from shared.vocabulary.errors import Coded

router = APIRouter(route_class=PageRoute)
YEAR_S = 365 * 24 * 3600
TOLD = ("accept", "decline", "undo")


@router.get("/")
async def page(request: Request, visitor: Visiting, region: str = "", did: str = "") -> Response:
    """The page; *did* is what this person has just decided."""
    view = await view_of(desk_of(request), visitor, region)
    notice = words.Words(visitor.language)(f"did.{did}") if did in TOLD else ""
    return HTMLResponse(await page_html(view, notice=notice))


async def page_html(view: View, *, notice: str = "", problem: Trouble = NONE) -> str:
    """The live page whole, with a *notice* or a *problem* above."""
    parts = await drawn_all(view)
    names = await view.desk.names()
    return shell(
        "page.html", view, parts=parts, notice=notice, problem=problem,
        here=f"/?region={view.region.code}", regions=titles(names, view.visitor.language),
    )  # fmt: skip


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
        fault = Coded("field_enum", field="to", value=to, expected=list(words.LANGUAGES))
        reason = {"pointer": "/to", "code": fault.code, "text": said(fault)}
        raise Problem(422, "request_invalid", more={"reasons": [reason]})
    secure = desk_of(request).secure(request)
    change_cookie(request, lambda response: put(response, LANGUAGE, to, YEAR_S, secure))
    return RedirectResponse(local_path(then), 303)


@router.get("/{_:path}")
async def nothing() -> Response:
    """No page has this address."""
    raise Problem(404, "not_found")
