"""Bringing a table in from a page: uploaded, looked at by cell, then sent. No script is needed."""

from dataclasses import replace
from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.datastructures import UploadFile

from services.portal.api.desk import desk_of
from services.portal.api.fragments import drawn_all
from services.portal.api.parts import RUNNING, view_of
from services.portal.api.route import PageRoute
from services.portal.api.shell import NONE, Trouble, shell
from services.portal.api.visitor import Visiting, Visitor
from services.portal.api.words import Words
from services.portal.gateways import Away, Denied, Imports
from shared.client.template import template
from shared.http import Problem, bounded

router = APIRouter(route_class=PageRoute)
LARGEST = 21 << 20  # bytes; the registry says how much a table may have
MAPPINGS = ("template", "seutumassa")
FIELDS = ("file", "organisation", "mapping", "sheet")
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@router.get("/imports")
async def imports(request: Request, visitor: Visiting) -> Response:
    """The form to upload a table, and the imports so far."""
    if visitor.seen is None:
        return _sign_in("/imports")
    return await _begin(request, visitor)


@router.get("/imports/template.xlsx")
async def empty_table(request: Request, visitor: Visiting, region: str = "") -> Response:
    """The template to fill, in the reader's language, with the places of *region*."""
    made = template(visitor.language, await desk_of(request).region(region))
    name = {"fi": "massat", "sv": "massor", "en": "masses"}[visitor.language]
    headers = {"Content-Disposition": f'attachment; filename="{name}.xlsx"'}
    return Response(made, media_type=XLSX, headers=headers)


@router.post("/imports")
async def add(request: Request, visitor: Visiting) -> Response:
    """Hand the table in to be checked, and show how far it is."""
    if visitor.seen is None:
        return _sign_in("/imports")
    async with bounded(request, LARGEST).form(max_files=1, max_fields=10) as form:
        file = form.get("file")
        name = file.filename or "table" if isinstance(file, UploadFile) else ""
        content = await file.read() if isinstance(file, UploadFile) else b""
        asked = {
            field: str(value)
            for field in ("organisation", "mapping", "region", "sheet")
            if (value := form.get(field))
        }
    if not content:
        problem = Trouble(Words(visitor.language)("import.choose"), "file")
        return await _begin(request, visitor, problem=problem, status=422)
    try:
        id = await Imports.at(desk_of(request).registry).add(
            content, visitor.seen.token, name=name[:200], language=visitor.language, **asked
        )
    except Denied as error:
        t = Words(visitor.language)
        known = t.knows(f"import.denied.{error.code}")
        text = t(f"import.denied.{error.code}") if known else t("import.denied.other")
        problem = Trouble(text, _field_of(error))
        return await _begin(request, visitor, problem=problem, status=error.status)
    return RedirectResponse(f"/imports/{id}", 303)


@router.get("/imports/{id}")
async def one(id: UUID, request: Request, visitor: Visiting) -> Response:
    """How far it is; once it is checked, its errors by cell and the way to send it."""
    if visitor.seen is None:
        return _sign_in(f"/imports/{id}")
    view = await view_of(desk_of(request), visitor, "", str(id))
    told = await view.imported()
    if told.get("region"):
        view = replace(view, region=await view.desk.region(told["region"]))
    parts = await drawn_all(view, ("import",))
    html = shell(
        "import.html", view, here=f"/imports/{id}", parts=parts, told=told,
        running=told["state"] in RUNNING,
    )  # fmt: skip
    return HTMLResponse(html)


@router.post("/imports/{id}/commit")
async def commit(
    id: UUID, request: Request, visitor: Visiting, only_good: Annotated[bool, Form()] = False
) -> Response:
    """Send what was checked; asked twice, it is sent once."""
    if visitor.seen is None:
        return _sign_in(f"/imports/{id}")
    registry = Imports.at(desk_of(request).registry)
    try:
        await registry.send(str(id), visitor.seen.token, only_good=only_good)
    except Denied as error:
        if error.status != 409:
            raise
    return RedirectResponse(f"/imports/{id}", 303)


@router.get("/imports/{id}/errors.csv")
async def errors_as_csv(id: UUID, request: Request, visitor: Visiting) -> Response:
    """Every error by cell, for a spreadsheet."""
    if visitor.seen is None:
        return _sign_in(f"/imports/{id}")
    registry = Imports.at(desk_of(request).registry)
    body = await registry.errors_csv(str(id), visitor.seen.token, visitor.language)
    headers = {"Content-Disposition": f'attachment; filename="{str(id)[:8]}.csv"'}
    return Response(body, media_type="text/csv; charset=utf-8", headers=headers)


async def _begin(
    request: Request, visitor: Visitor, *, problem: Trouble = NONE, status: int = 200
) -> Response:
    if visitor.seen is None:
        raise Problem(403, "not_allowed", "sign in first")
    desk = desk_of(request)
    try:
        newest = await Imports.at(desk.registry).newest(visitor.seen.token)
    except Away:
        newest = []
        problem = problem or Trouble(Words(visitor.language)("problem.away"))
    view = await view_of(desk, visitor, "")
    html = shell(
        "imports.html",
        view,
        here="/imports",
        newest=newest,
        organisations=sorted(visitor.seen.organisations),
        titles=await view.titles(),
        mappings=MAPPINGS,
        problem=problem,
    )
    return HTMLResponse(html, status)


def _field_of(error: Denied) -> str:
    """The field of the form that *error* is about; the file where it names none."""
    named = [str(one.get("pointer", ""))[1:] for one in error.told.get("reasons") or ()]
    named += [error.code.removesuffix("_unknown")]
    return next((one for one in named if one in FIELDS), "file")


def _sign_in(then: str) -> Response:
    return RedirectResponse(f"/login?{urlencode({'then': then})}", 303)
