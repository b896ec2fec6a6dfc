"""Accept, decline, undo: a form with the revision seen, once, whatever is pressed twice."""

import hashlib
from datetime import date
from typing import Annotated, Any, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, Field

from services.portal.api.desk import desk_of
from services.portal.api.drawing import draw
from services.portal.api.fragments import REASONS, View, drawn_all, view_of
from services.portal.api.page import page_html
from services.portal.api.route import PageRoute
from services.portal.api.visitor import Visiting
from services.portal.api.words import Words
from services.portal.domain import formats
from services.portal.gateways import Away, Denied, Seen

router = APIRouter(route_class=PageRoute)
FIELDS = ("state", "tonnes", "cents_per_t", "first", "last")
REPLIED = ("inbox", "matches", "counts")


class Decision(BaseModel):
    """What the form says: the decision, for whom, and the revision that was seen."""

    decision: Literal["accept", "decline", "undo"]
    revision: int = Field(ge=1)
    organisation: str = Field(max_length=80)
    region: str = Field("", max_length=40)
    reason: str = Field("", max_length=40)


def key_of(seen: Seen, match: UUID, told: Decision) -> str:
    """
    The idempotency key of a decision: the same person's same decision on the same revision.

    An undo makes a new revision, so deciding again afterwards is another decision.
    """
    whole = f"{seen.subject}|{told.organisation}|{match}|{told.revision}|{told.decision}"
    return hashlib.sha256(whole.encode()).hexdigest()[:32]


@router.post("/matches/{match}/decisions")
async def decide(
    match: UUID, request: Request, visitor: Visiting, told: Annotated[Decision, Form()]
) -> Response:
    """
    Hand the decision to the matcher, which says whether it may be.

    Answers the changed parts in one reply to the page's script, a 303 without it.
    """
    view = await view_of(desk_of(request), visitor, told.region)
    back = {"region": view.region.code}
    if visitor.seen is None:
        then = f"/?{urlencode(back)}"
        return RedirectResponse(f"/login?{urlencode({'then': then})}", 303)
    problem, status = await _handed(view, visitor.seen, match, told, request)
    if request.headers.get("x-live"):
        return await _changed_parts(view, told.decision, problem, status)
    if problem:
        return HTMLResponse(await page_html(request, view, problem=problem), status)
    return RedirectResponse(f"/?{urlencode({**back, 'did': told.decision})}", 303)


async def _handed(
    view: View, seen: Seen, match: UUID, told: Decision, request: Request
) -> tuple[str, int]:
    declined = told.decision == "decline" and told.reason in REASONS
    try:
        await view.desk.matcher.decide(
            str(match), seen.token, decision=told.decision, revision=told.revision,
            key=key_of(seen, match, told), organisation=told.organisation,
            reason=told.reason if declined else None,
            tab=request.headers.get("x-tab", "")[:64],
        )  # fmt: skip
    except Denied as error:
        return refusal(view, error), error.status
    except Away:
        return Words(view.visitor.language)("problem.away"), 503
    return "", 200


async def _changed_parts(view: View, decision: str, problem: str, status: int) -> Response:
    parts = await drawn_all(view, REPLIED)
    notice = "" if problem else Words(view.visitor.language)(f"did.{decision}")
    html = draw("reply.html", view.visitor.language, parts=parts, notice=notice, problem=problem)
    return HTMLResponse(html, status)


def refusal(view: View, error: Denied) -> str:
    """Why the matcher refused, in the reader's words; what changed, where it says so."""
    t = Words(view.visitor.language)
    if error.status != 409:
        return t("problem.refused")
    changed = [
        _change(t, one) for one in error.told.get("changed") or () if one.get("field") in FIELDS
    ]
    if not changed:
        return t("problem.conflict")
    return t("problem.changed", what="; ".join(changed))


def _change(t: Words, one: dict[str, Any]) -> str:
    name = str(one["field"])
    return f"{t(f'field.{name}')} {_value(t, name, one['was'])} → {_value(t, name, one['now'])}"


def _value(t: Words, name: str, told: Any) -> str:
    try:
        match name:
            case "tonnes":
                return formats.tonnes(told)
            case "cents_per_t":
                return formats.euros_per_t(told)
            case "first" | "last":
                return formats.day(date.fromisoformat(told))
    except (TypeError, ValueError):
        return "?"
    return t(f"state.{told}") if t.knows(f"state.{told}") else "?"
