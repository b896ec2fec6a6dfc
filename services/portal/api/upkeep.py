"""Keeping the register true: confirm forecasts, say what is told twice, see whom to call."""

import re
from dataclasses import replace
from typing import Annotated, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, Field

from services.portal.api.decisions import changed_parts
from services.portal.api.desk import desk_of
from services.portal.api.fragments import Typed, drawn_all
from services.portal.api.parts import PAIRS_SHOWN, View, view_of
from services.portal.api.route import PageRoute
from services.portal.api.shell import NONE, Looking, Trouble, shell
from services.portal.api.visitor import Visiting
from services.portal.api.words import Words
from services.portal.domain.upkeep import Wanted
from services.portal.gateways import Away, Denied, Seen, Upkeep

router = APIRouter(route_class=PageRoute)
ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)
DID = ("confirmed", "link", "refuse", "unlink")
Short = Annotated[str, Query(max_length=40)]


@router.get("/confirm")
async def to_confirm(view: Looking, forecast: Short = "", did: Short = "") -> Response:
    """Forecasts whose owner is asked whether they still hold; the one that a letter names first."""
    view = replace(view, about=forecast)
    return HTMLResponse(await _html(view, "confirm", notice=_notice(view, did)))


class Held(BaseModel):
    """Which forecasts still hold."""

    forecast: list[UUID] = Field(min_length=1, max_length=1000)
    region: str = Field("", max_length=40)


@router.post("/confirm")
async def confirm(request: Request, visitor: Visiting, told: Annotated[Held, Form()]) -> Response:
    """Say that the forecasts told still hold; answers as a decision does."""
    view = await view_of(desk_of(request), visitor, told.region)
    if visitor.seen is None:
        return _sign_in("/confirm", view)
    t = Words(visitor.language)
    problem, status = NONE, 200
    try:
        _, left_out = await Upkeep.at(view.desk.registry).confirm(
            [str(one) for one in told.forecast], visitor.seen.token
        )
        if left_out:
            problem, status = Trouble(t("problem.confirm_left_out", n=left_out)), 403
    except Denied as error:
        problem, status = Trouble(t("problem.confirm_refused")), error.status
    except Away:
        problem, status = Trouble(t("problem.away")), 503
    return await _answered(request, view, "confirm", "confirmed", problem, status)


@router.get("/duplicates")
async def duplicates(view: Looking, show: Short = "", did: Short = "") -> Response:
    """Pairs of forecasts that may be about the same mass, side by side."""
    view = replace(view, about=show if show in PAIRS_SHOWN else PAIRS_SHOWN[0])
    return HTMLResponse(await _html(view, "duplicates", notice=_notice(view, did)))


class Judged(BaseModel):
    """What is decided of a pair, as its form says it."""

    decision: Literal["link", "refuse", "unlink"]
    counts: str = Field("", max_length=200)
    duplicate: str = Field("", max_length=200)
    named: bool = False
    region: str = Field("", max_length=40)
    show: str = Field("", max_length=40)

    def pair(self, t: Words) -> tuple[tuple[str, str], Trouble]:
        """The two ids, also out of an address; or which of them is none."""
        found = {name: ID.search(getattr(self, name)) for name in ("counts", "duplicate")}
        for name, id in found.items():
            if id is None:
                text = t("problem.forecast_id", value=getattr(self, name))
                return ("", ""), Trouble(text, f"named-{name}")
        counts, duplicate = (id[0].lower() for id in found.values() if id is not None)
        return (counts, duplicate), NONE


@router.post("/duplicates")
async def judge(request: Request, visitor: Visiting, told: Annotated[Judged, Form()]) -> Response:
    """Link a pair, say that it is not the same mass, or take that back; answers as a decision."""
    about = told.show if told.show in PAIRS_SHOWN else PAIRS_SHOWN[0]
    view = await view_of(desk_of(request), visitor, told.region, about)
    if visitor.seen is None:
        return _sign_in("/duplicates", view)
    problem, status = await _judged(view, visitor.seen, told)
    typed = Typed("named", problem.field, {"counts": told.counts, "duplicate": told.duplicate})
    return await _answered(
        request, view, "duplicates", told.decision, problem, status,
        typed=typed if problem and told.named else None,
    )  # fmt: skip


async def _judged(view: View, seen: Seen, told: Judged) -> tuple[Trouble, int]:
    t = Words(view.visitor.language)
    pair, problem = told.pair(t)
    if problem:
        return problem, 422
    try:
        await Upkeep.at(view.desk.registry).decide(told.decision, *pair, seen.token)
    except Denied as error:
        code = "forecasts_unknown" if told.named and error.status == 404 else error.code
        known = t.knows(f"problem.{code}")
        text = t(f"problem.{code}") if known else t("problem.duplicate_refused")
        return Trouble(text, "named-counts" if told.named else ""), error.status
    except Away:
        return Trouble(t("problem.away")), 503
    return NONE, 200


@router.post("/duplicates/{notice}/read")
async def read(
    notice: UUID, request: Request, visitor: Visiting, region: Annotated[str, Form()] = ""
) -> Response:
    """That a pair was linked is known: its line leaves the front page."""
    view = await view_of(desk_of(request), visitor, region)
    if visitor.seen is None:
        return _sign_in("/", view)
    problem, status = NONE, 200
    try:
        await view.desk.notifier.read_twice(str(notice), visitor.seen.token)
    except Denied:
        pass  # it is gone already
    except Away:
        problem, status = Trouble(Words(visitor.language)("problem.away")), 503
    if request.headers.get("x-live"):
        return await changed_parts(view, ("upkeep",), "", problem, status)
    return RedirectResponse(f"/?{urlencode({'region': view.region.code})}", 303)


@router.get("/to-call")
async def to_call(
    view: Looking, municipality: Short = "", phase: Short = "", year: Short = ""
) -> Response:
    """Projects seen coming that nobody has told any masses of."""
    about = str(Wanted(*(one.replace(".", "") for one in (municipality, phase, year))))
    return HTMLResponse(await _html(replace(view, about=about), "calls"))


@router.get("/to-call/{organisation}")
async def contacts(organisation: str, view: Looking) -> Response:
    """Whom to call in an organisation, for those who may see its members."""
    return HTMLResponse(await _html(replace(view, about=organisation), "contacts"))


PATHS = {"confirm": "/confirm", "duplicates": "/duplicates", "calls": "/to-call"}


async def _html(
    view: View,
    name: str,
    *,
    notice: str = "",
    problem: Trouble = NONE,
    typed: Typed | None = None,
) -> str:
    parts = await drawn_all(view, (name,), typed)
    query = {"region": view.region.code}
    if name == "duplicates":
        query["show"] = view.about
    if name == "calls":
        query |= {key: told for key, told in vars(Wanted.read(view.about)).items() if told}
    if name == "confirm" and view.about:
        query["forecast"] = view.about
    path = PATHS.get(name, f"/to-call/{view.about}")
    here = f"{path}?{urlencode(query)}"
    key = "calls" if name == "contacts" else name
    return shell("upkeep.html", view, parts=parts, name=name, key=key, notice=notice,
                 problem=problem, here=here)  # fmt: skip


async def _answered(
    request: Request, view: View, name: str, did: str, problem: Trouble, status: int,
    typed: Typed | None = None,
) -> Response:  # fmt: skip
    if request.headers.get("x-live"):
        return await changed_parts(
            view, (name,), "" if problem else _notice(view, did), problem, status
        )
    if problem:
        return HTMLResponse(await _html(view, name, problem=problem, typed=typed), status)
    query = {"region": view.region.code, "did": did}
    if name == "duplicates":
        query["show"] = view.about
    return RedirectResponse(f"{PATHS[name]}?{urlencode(query)}", 303)


def _notice(view: View, did: str) -> str:
    return Words(view.visitor.language)(f"did.{did}") if did in DID else ""


def _sign_in(path: str, view: View) -> Response:
    then = f"{path}?{urlencode({'region': view.region.code})}"
    return RedirectResponse(f"/login?{urlencode({'then': then})}", 303)
