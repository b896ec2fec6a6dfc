"""The page of one match: its terms, what was said, what may be done, and its loads."""

from dataclasses import replace
from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

from services.portal.api.fragments import Typed, drawn_all
from services.portal.api.parts import View
from services.portal.api.route import PageRoute
from services.portal.api.shell import NONE, Looking, Trouble, shell
from services.portal.api.words import Words

router = APIRouter(route_class=PageRoute)
TOLD = (
    "accept",
    "decline",
    "undo",
    "counter",
    "close",
    "load",
    "corrected",
    "taken_back",
    "handed_in",
)


@router.get("/matches/{match}")
async def match_page(match: UUID, view: Looking, did: str = "") -> Response:
    """One match, for those whom it concerns; *did* is what this person has just done."""
    notice = Words(view.visitor.language)(f"did.{did}") if did in TOLD else ""
    return HTMLResponse(await match_html(replace(view, about=str(match)), notice=notice))


async def match_html(
    view: View, *, notice: str = "", problem: Trouble = NONE, typed: Typed | None = None
) -> str:
    """The page whole, in the match's own region; with what was *typed* where that is kept."""
    found = await view.match()
    view = replace(view, region=await view.desk.region(found.region))
    parts = await drawn_all(view, ("match", "loads"), typed)
    return shell(
        "match.html", view, parts=parts, notice=notice, problem=problem, row=found.row,
        here=f"/matches/{view.about}",
    )  # fmt: skip
