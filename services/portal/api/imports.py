"""Bringing a table in from a page: uploaded, looked at by cell, then sent. No script is needed."""

from dataclasses import replace
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.datastructures import UploadFile

from services.portal.api.desk import desk_of
from services.portal.api.fragments import drawn_all
from services.portal.api.parts import RUNNING, View
from services.portal.api.route import PageRoute
from services.portal.api.shell import NONE, Looking, Trouble, shell
from services.portal.api.visitor import Visiting
from services.portal.api.words import Words
from services.portal.gateways import Away, Denied, Imports
from shared.client.template import template
from shared.http import bounded

router = APIRouter(route_class=PageRoute)
LARGEST = 21 << 20  # bytes; the registry says how much a table may have
MAPPINGS = ("template", "seutumassa")
FIELDS = ("file", "organisation", "mapping", "sheet")
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@router.get("/imports")
async def imports(view: Looking) -> Response:
    """The form to upload a table, and the imports so far."""
    return await _begin(view)


@router.get("/imports/template.xlsx")
async def empty_table(request: Request, visitor: Visiting, region: str = "") -> Response:
    """The template to fill, in the reader's language, with the places of *region*."""
    made = template(visitor.language, await desk_of(request).region(region))
    name = {"fi": "massat", "sv": "massor", "en": "masses"}[visitor.language]
    headers = {"Content-Disposition": f'attachment; filename="{name}.xlsx"'}
    return Response(made, media_type=XLSX, headers=headers)


@router.post("/imports")
async def add(request: Request, view: Looking) -> Response:
    """Hand the table in to be checked, and show how far it is."""
    language = view.visitor.language
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
        problem = Trouble(Words(language)("import.choose"), "file")
        return await _begin(view, problem=problem, status=422)
    try:
        id = await Imports.at(view.desk.registry).add(
            content, view.seen.token, name=name[:200], language=language, **asked
        )
    except Denied as error:
        t = Words(language)
        known = t.knows(f"import.denied.{error.code}")
        text = t(f"import.denied.{error.code}") if known else t("import.denied.other")
        problem = Trouble(text, _field_of(error))
        return await _begin(view, problem=problem, status=error.status)
    return RedirectResponse(f"/imports/{id}", 303)


@router.get("/imports/{id}")
async def one(id: UUID, view: Looking) -> Response:
    """How far it is; once it is checked, its errors by cell and the way to send it."""
    view = replace(view, about=str(id))
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
async def commit(id: UUID, view: Looking, only_good: Annotated[bool, Form()] = False) -> Response:
    """Send what was checked; asked twice, it is sent once."""
    registry = Imports.at(view.desk.registry)
    try:
        await registry.send(str(id), view.seen.token, only_good=only_good)
    except Denied as error:
        if error.status != 409:
            raise
    return RedirectResponse(f"/imports/{id}", 303)


@router.get("/imports/{id}/errors.csv")
async def errors_as_csv(id: UUID, view: Looking) -> Response:
    """Every error by cell, for a spreadsheet."""
    registry = Imports.at(view.desk.registry)
    body = await registry.errors_csv(str(id), view.seen.token, view.visitor.language)
    headers = {"Content-Disposition": f'attachment; filename="{str(id)[:8]}.csv"'}
    return Response(body, media_type="text/csv; charset=utf-8", headers=headers)


async def _begin(view: View, *, problem: Trouble = NONE, status: int = 200) -> Response:
    try:
        newest = await Imports.at(view.desk.registry).newest(view.seen.token)
    except Away:
        newest = []
        problem = problem or Trouble(Words(view.visitor.language)("problem.away"))
    html = shell(
        "imports.html",
        view,
        here="/imports",
        newest=newest,
        organisations=sorted(view.seen.organisations),
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
