"""The parts of the live page: each asked by itself, each drawn alike at first load and refresh."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from services.portal.api.desk import Desk, desk_of
from services.portal.api.drawing import draw
from services.portal.api.route import PageRoute
from services.portal.api.visitor import Visiting, Visitor
from services.portal.domain import rows
from services.portal.domain.charts.balance import balance_chart, window
from services.portal.gateways import Away, Denied
from shared import telemetry
from shared.contracts.base import now
from shared.http import Problem
from shared.vocabulary.regions import Region, UnknownPlace

router = APIRouter(route_class=PageRoute)
Context = dict[str, Any]
ORGANISATIONS_ASKED = 3
NEAR_SHOWN = 5
REASONS = ("quality", "timing", "distance", "papers", "price", "already_agreed", "other")


@dataclass(frozen=True)
class Drawn:
    """One part of the page as HTML; *failed* when its service did not answer."""

    name: str
    html: Markup
    failed: bool = False


@dataclass(frozen=True)
class View:
    """Who looks at which region, through which desk."""

    desk: Desk
    visitor: Visitor
    region: Region

    def place(self, code: str) -> str:
        """The name of a municipality, in the reader's language; the code where none is known."""
        try:
            return self.region.place(code).name(self.visitor.language)
        except UnknownPlace:
            return code

    def shown(self, moment: datetime | None) -> datetime | None:
        """*moment* in the installation's zone."""
        return moment.astimezone(self.desk.zone) if moment else None


async def matches(view: View) -> Context:
    """The latest matches, for those who may see them."""
    seen = view.visitor.seen
    if seen is None:
        return {"rows": None, "as_of": None}
    found, as_of = await view.desk.matcher.matches(
        view.region.code, seen.token, states=rows.ARRIVED, limit=rows.SHOWN
    )
    return {"rows": rows.latest(found), "as_of": as_of}


async def counts(view: View) -> Context:
    """How much is open, proposed and agreed."""
    token = await view.desk.service_token()
    told, as_of = await view.desk.matcher.counts(view.region.code, token)
    return {"counts": told, "as_of": as_of}


async def balance(view: View) -> Context:
    """Surplus and need by month as a chart and its table."""
    token = await view.desk.service_token()
    months, as_of = await view.desk.indicators.balance(view.region.code, token)
    this_month = now().astimezone(view.desk.zone).strftime("%Y-%m")
    shown = window(months, this_month)
    chart = balance_chart(shown, this_month, view.visitor.language)
    return {"chart": chart, "as_of": as_of}


async def figures(view: View) -> Context:
    """The indicators in their states."""
    token = await view.desk.service_token()
    found, as_of = await view.desk.indicators.figures(view.region.code, token)
    unverified = [one.unverified_share for one in found if one.unverified_share]
    return {
        "lines": rows.figure_lines(found),
        "states": states_of(found),
        "unverified": max(unverified, default=0.0),
        "as_of": as_of,
    }


async def inbox(view: View) -> Context:
    """What waits for this person: the matcher's present state over the notifier's entries."""
    seen = view.visitor.seen
    if seen is None:
        return {"inbox": None, "as_of": None, "notices_away": False}
    mine = list(seen.organisations)
    asked: Sequence[str | None] = mine if 0 < len(mine) <= ORGANISATIONS_ASKED else [None]
    region, matcher = view.region.code, view.desk.matcher
    entries = asyncio.create_task(_entries(view.desk, seen.token))
    try:
        answers = await asyncio.gather(
            *(
                matcher.matches(region, seen.token, states=rows.OPEN, organisation=one)
                for one in asked
            )
        )
    finally:
        told = await entries
    found = [row for answer, _ in answers for row in answer]
    return {
        "inbox": rows.inbox_of(found, told or (), mine),
        "as_of": answers[0][1],
        "notices_away": told is None,
    }


async def near(view: View) -> Context:
    """What almost fits, for those who were told of it."""
    seen = view.visitor.seen
    if seen is None:
        return {"rows": (), "as_of": None}
    found, as_of = await view.desk.notifier.notices(
        view.region.code, view.visitor.language, seen.token, limit=NEAR_SHOWN
    )
    return {"rows": found, "as_of": as_of}


PARTS: Mapping[str, Callable[[View], Awaitable[Context]]] = {
    "counts": counts,
    "matches": matches,
    "inbox": inbox,
    "near": near,
    "balance": balance,
    "figures": figures,
}


async def drawn(name: str, view: View) -> Drawn:
    """The part *name*; when its service is away, the words that say so."""
    try:
        told = await PARTS[name](view)
    except (Away, Denied) as error:
        log: Any = telemetry.log()
        log.warning("fragment_failed", fragment=name, error=str(error))
        return Drawn(name, _draw("fragments/away.html", name, view, {}), failed=True)
    told["as_of"] = view.shown(told["as_of"])
    return Drawn(name, _draw(f"fragments/{name}.html", name, view, told))


async def drawn_all(view: View, names: Sequence[str] = tuple(PARTS)) -> dict[str, Drawn]:
    """Several parts, asked for at the same time."""
    parts = await asyncio.gather(*(drawn(name, view) for name in names))
    return {part.name: part for part in parts}


async def view_of(desk: Desk, visitor: Visitor, region: str) -> View:
    """The view on *region*, the installation's own when empty."""
    return View(desk, visitor, await desk.region(region))


@router.get("/fragments/{name}")
async def fragment(name: str, request: Request, visitor: Visiting, region: str = "") -> Response:
    """One part of the page again; 304 when it is as the browser knows it, 503 when away."""
    if name not in PARTS:
        raise Problem(404, "not_found", "there is no such part")
    if visitor.unsure:
        raise Away("registry")
    part = await drawn(name, await view_of(desk_of(request), visitor, region))
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


async def _entries(desk: Desk, token: str) -> Sequence[rows.Entry] | None:
    try:
        return (await desk.notifier.inbox(token))[0]
    except (Away, Denied):
        return None


def states_of(figures: Sequence[rows.Figure]) -> tuple[str, ...]:
    """The states to show as columns: the three projections, and delivered once there is any."""
    told = {one.state for one in figures if one.value is not None}
    return ("forecast", "proposed", "agreed", *(("delivered",) if "delivered" in told else ()))


def _draw(template: str, name: str, view: View, told: Context) -> Markup:
    return draw(
        template,
        view.visitor.language,
        name=name,
        region=view.region,
        place=view.place,
        visitor=view.visitor,
        reasons=REASONS,
        **told,
    )
