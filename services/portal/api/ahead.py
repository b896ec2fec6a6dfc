"""Looking ahead: what almost fits, what a change would open, and the plan by month."""

from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from services.portal.api.desk import desk_of
from services.portal.api.fragments import drawn_all
from services.portal.api.parts import view_of
from services.portal.api.route import PageRoute
from services.portal.api.shell import NONE, Trouble, let_in, shell
from services.portal.api.visitor import Visiting
from services.portal.api.words import Words
from services.portal.domain import outlook
from services.portal.gateways import Away, Denied

router = APIRouter(route_class=PageRoute)


@router.get("/near-misses")
async def near_misses(request: Request, visitor: Visiting, region: str = "") -> Response:
    """Pairs that would fit if one thing changed."""
    sent_away = let_in(request, visitor)
    if sent_away is not None:
        return sent_away
    view = await view_of(desk_of(request), visitor, region)
    parts = await drawn_all(view, ("near_misses",))
    here = f"/near-misses?region={view.region.code}"
    return HTMLResponse(shell("near_misses.html", view, parts=parts, here=here))


@router.get("/openings/{forecast}")
async def openings(
    forecast: UUID, request: Request, visitor: Visiting, region: str = ""
) -> Response:
    """What one change of this forecast would open, for its own side."""
    sent_away = let_in(request, visitor)
    if sent_away is not None:
        return sent_away
    view = await view_of(desk_of(request), visitor, region, str(forecast))
    parts = await drawn_all(view, ("openings",))
    here = f"/openings/{forecast}?region={view.region.code}"
    return HTMLResponse(shell("openings.html", view, parts=parts, here=here))


@router.get("/plan")
async def plan(
    request: Request, visitor: Visiting, region: str = "", first: str = "", last: str = ""
) -> Response:
    """What moves where and when, month by month, and what is left."""
    sent_away = let_in(request, visitor)
    if sent_away is not None:
        return sent_away
    view = await view_of(desk_of(request), visitor, region)
    t = Words(visitor.language)
    span = outlook.span_of(first[:7], last[:7], view.today()[:7])
    problem, found, as_of, status = NONE, None, None, 200
    if span is None:
        problem, status = Trouble(t("problem.months"), "plan-first"), 422
    else:
        try:
            found, as_of = await view.desk.matcher.plan(view.region.code, view.seen.token, *span)
        except Denied as error:
            too_large = error.code == "plan_too_large"
            problem = Trouble(t("problem.plan_too_large") if too_large else t("problem.refused"))
            status = error.status
        except Away:
            problem, status = Trouble(t("problem.away")), 503
    query = {"region": view.region.code, "first": first[:7], "last": last[:7]}
    html = shell(
        "plan.html", view, here=f"/plan?{urlencode({k: v for k, v in query.items() if v})}",
        problem=problem, plan=found, as_of=view.shown(as_of), first=span[0] if span else first[:7],
        last=span[1] if span else last[:7],
    )  # fmt: skip
    return HTMLResponse(html, status)
