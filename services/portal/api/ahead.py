"""Looking ahead: what almost fits, what a change would open, and the plan by month."""

from dataclasses import replace
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

from services.portal.api.fragments import drawn_all
from services.portal.api.parts import View
from services.portal.api.route import PageRoute
from services.portal.api.shell import NONE, Looking, Trouble, shell
from services.portal.api.words import Words
from services.portal.domain import marks, outlook
from services.portal.gateways import Away, Denied
from shared.spreadsheets import csv_of

router = APIRouter(route_class=PageRoute)


@router.get("/near-misses")
async def near_misses(view: Looking) -> Response:
    """Pairs that would fit if one thing changed."""
    parts = await drawn_all(view, ("near_misses",))
    here = f"/near-misses?region={view.region.code}"
    return HTMLResponse(shell("near_misses.html", view, parts=parts, here=here))


@router.get("/openings/{forecast}")
async def openings(forecast: UUID, view: Looking) -> Response:
    """What one change of this forecast would open, for its own side."""
    view = replace(view, about=str(forecast))
    parts = await drawn_all(view, ("openings",))
    here = f"/openings/{forecast}?region={view.region.code}"
    return HTMLResponse(shell("openings.html", view, parts=parts, here=here))


@router.get("/plan")
async def plan(view: Looking, first: str = "", last: str = "") -> Response:
    """What moves where and when, month by month, and what is left."""
    span = outlook.span_of(first[:7], last[:7], view.today()[:7])
    view = replace(view, about=":".join(span or ()))
    problem, status = await _trouble(view)
    query = {"region": view.region.code, "first": first[:7], "last": last[:7]}
    html = shell(
        "plan.html", view, here=f"/plan?{urlencode({k: v for k, v in query.items() if v})}",
        problem=problem, parts={} if problem else await drawn_all(view, ("plan",)),
        first=span[0] if span else first[:7], last=span[1] if span else last[:7],
    )  # fmt: skip
    return HTMLResponse(html, status)


@router.get("/plan.csv")
async def plan_as_csv(view: Looking, first: str = "", last: str = "") -> Response:
    """Every movement of the plan, for a spreadsheet."""
    view = replace(view, about=f"{first[:7]}:{last[:7]}")
    found, _ = await view.plan()
    language = view.visitor.language
    t = Words(language)
    keys = ("month", "material", "origin", "target", "via", "state", "low", "likely", "high",
            "expected", "tkm")  # fmt: skip
    heads = [t(f"plan.{key}") for key in keys]
    rows: list[list[str | float]] = [
        [row.month, marks.material_name(row.material, language), view.place(row.origin),
         view.place(row.target), row.via or "", t(f"state.{row.state}"), row.tonnes.low,
         row.tonnes.likely, row.tonnes.high, row.tonnes.expected, row.tonne_km]
        for row in found.rows
    ]  # fmt: skip
    headers = {"Content-Disposition": f'attachment; filename="plan-{view.region.code}.csv"'}
    body = csv_of([heads, *rows], decimal=",")
    return Response(body, media_type="text/csv; charset=utf-8", headers=headers)


async def _trouble(view: View) -> tuple[Trouble, int]:
    """Why there is no plan of the months asked for, and the page's status."""
    t = Words(view.visitor.language)
    if not view.about:
        return Trouble(t("problem.months"), "plan-first"), 422
    try:
        await view.plan()
    except Denied as error:
        too_large = error.code == "plan_too_large"
        text = t("problem.plan_too_large") if too_large else t("problem.refused")
        return Trouble(text), error.status
    except Away:
        return Trouble(t("problem.away")), 503
    return NONE, 200
