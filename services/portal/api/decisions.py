"""Accept, decline, counter, undo, close: a form with the revision seen, taken once."""

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
from services.portal.api.fragments import REASONS, Typed, drawn_all
from services.portal.api.match import match_html
from services.portal.api.page import page_html
from services.portal.api.parts import View, view_of
from services.portal.api.route import PageRoute
from services.portal.api.shell import NONE, Trouble
from services.portal.api.visitor import Visiting
from services.portal.api.words import Words
from services.portal.domain import formats
from services.portal.gateways import Away, Denied, Seen

router = APIRouter(route_class=PageRoute)
FIELDS = ("state", "tonnes", "cents_per_t", "first", "last")
REPLIED = {"desk": ("inbox", "matches", "counts"), "match": ("match", "loads")}
MENDED = {"too_many_tonnes": "tonnes", "tonnes_missing": "tonnes", "window_too_short": "tonnes",
          "same_terms": "tonnes", "counter_over_area": "tonnes", "window_reversed": "last",
          "window_over": "last", "window_beyond": "first"}  # fmt: skip


class Decision(BaseModel):
    """What the form says: the decision, for whom, on which page, and the revision that was seen."""

    decision: Literal["accept", "decline", "undo", "counter", "close"]
    revision: int = Field(ge=1)
    organisation: str = Field(max_length=80)
    region: str = Field("", max_length=40)
    reason: str = Field("", max_length=40)
    note: str = Field("", max_length=2000)
    tonnes: str = Field("", max_length=40)
    first: str = Field("", max_length=40)
    last: str = Field("", max_length=40)
    page: Literal["desk", "match"] = "desk"

    @property
    def typed(self) -> dict[str, str]:
        """What a person typed, by field."""
        return self.model_dump(include={"tonnes", "first", "last", "note", "reason"})


def key_of(seen: Seen, match: UUID, told: Decision) -> str:
    """
    The idempotency key of a decision: the same person's same decision on the same revision.

    An undo makes a new revision, so deciding again afterwards is another decision.
    """
    whole = f"{seen.subject}|{told.organisation}|{match}|{told.revision}|{told.decision}"
    if told.decision == "counter":
        whole += f"|{told.tonnes}|{told.first}|{told.last}|{told.note}"
    return hashlib.sha256(whole.encode()).hexdigest()[:32]


@router.post("/matches/{match}/decisions")
async def decide(
    match: UUID, request: Request, visitor: Visiting, told: Annotated[Decision, Form()]
) -> Response:
    """
    Hand the decision to the matcher, which says whether it may be.

    Answers the changed parts in one reply to the page's script, a 303 without it.
    """
    view = await view_of(desk_of(request), visitor, told.region, str(match))
    on_match = told.page == "match"
    back, query = (f"/matches/{match}", {}) if on_match else ("/", {"region": view.region.code})
    if visitor.seen is None:
        then = back + (f"?{urlencode(query)}" if query else "")
        return RedirectResponse(f"/login?{urlencode({'then': then})}", 303)
    problem, status = await _handed(view, visitor.seen, match, told, request)
    if request.headers.get("x-live"):
        notice = "" if problem else Words(visitor.language)(f"did.{told.decision}")
        return await changed_parts(view, REPLIED[told.page], notice, problem, status)
    if not problem:
        return RedirectResponse(f"{back}?{urlencode({**query, 'did': told.decision})}", 303)
    if on_match:
        typed = Typed(told.decision, problem.field, told.typed)
        return HTMLResponse(await match_html(view, problem=problem, typed=typed), status)
    return HTMLResponse(await page_html(view, problem=problem), status)


async def _handed(
    view: View, seen: Seen, match: UUID, told: Decision, request: Request
) -> tuple[Trouble, int]:
    beside, problem = _beside(Words(view.visitor.language), told)
    if problem:
        return problem, 422
    try:
        await view.desk.matcher.decide(
            str(match), seen.token, decision=told.decision, revision=told.revision,
            key=key_of(seen, match, told), organisation=told.organisation, told=beside,
            tab=request.headers.get("x-tab", "")[:64],
        )  # fmt: skip
    except Denied as error:
        return refusal(view, error), error.status
    except Away:
        return Trouble(Words(view.visitor.language)("problem.away")), 503
    return NONE, 200


def _beside(t: Words, told: Decision) -> tuple[dict[str, Any], Trouble]:
    """What the decision says beside itself, as the matcher takes it; or what to mend."""
    beside: dict[str, Any] = {}
    if told.decision == "decline" and told.reason in REASONS:
        beside["reason"] = told.reason
    if told.note.strip():
        beside["note"] = told.note.strip()
    if told.decision != "counter":
        return beside, NONE
    tonnes = formats.read_number(told.tonnes)
    if tonnes is None or tonnes < 1 or tonnes != int(tonnes):
        return {}, Trouble(t("problem.whole_tonnes", value=told.tonnes), "counter-tonnes")
    beside["tonnes"] = int(tonnes)
    if told.first or told.last:
        for name in ("first", "last"):
            day = formats.read_day(getattr(told, name))
            if day is None:
                value = getattr(told, name)
                return {}, Trouble(t("problem.day", value=value), f"counter-{name}")
            beside.setdefault("window", {})[name] = day.isoformat()
    return beside, NONE


async def changed_parts(
    view: View, names: tuple[str, ...], notice: str, problem: Trouble, status: int
) -> Response:
    """The parts *names* as they now are, with what was done or went wrong, for the script."""
    parts = await drawn_all(view, names)
    html = draw("reply.html", view.visitor.language, parts=parts, notice=notice, problem=problem)
    return HTMLResponse(html, status)


def refusal(view: View, error: Denied) -> Trouble:
    """Why the matcher refused, in the reader's words; what changed, where it says so."""
    t = Words(view.visitor.language)
    if t.knows(f"problem.{error.code}"):
        field = MENDED.get(error.code)
        text = t(f"problem.{error.code}", **_numbers(error))
        return Trouble(text, f"counter-{field}" if field else "")
    if error.status != 409:
        return Trouble(t("problem.refused"))
    changed = [
        _change(t, one) for one in error.told.get("changed") or () if one.get("field") in FIELDS
    ]
    if not changed:
        return Trouble(t("problem.conflict"))
    return Trouble(t("problem.changed", what="; ".join(changed)))


def _numbers(error: Denied) -> dict[str, str]:
    """What the matcher named beside its reason, as it is written."""
    told = error.told
    days = (formats.read_day(str(told.get(name, ""))) for name in ("first", "last"))
    first, last = (formats.day(one) if one else "?" for one in days)
    left = told.get("tonnes_left")
    return {
        "left": formats.tonnes(left) if isinstance(left, int) else "?",
        "first": first,
        "last": last,
    }


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
