"""Tables handed in over HTTPS: uploaded and checked, looked at by cell, then sent, or at once."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.datastructures import UploadFile

from services.registry import handlers, store
from services.registry.api.answers import Paging, known, may_report, page
from services.registry.api.intake import reporter_of
from services.registry.api.told import (
    ADDING_IMPORT,
    COMMITTING,
    DROPPING_IMPORT,
    OF_IMPORT,
    ImportWithFaults,
    ToldImport,
)
from shared.access import Asker, NotAllowed
from shared.client.errors_table import errors_csv
from shared.client.mapping import shipped_mappings
from shared.client.outgoing import RowError
from shared.client.texts import spoken
from shared.http import Asking, Problem, Reading, Working, bounded, moment_after, settings_of
from shared.openapi import Listing, answers, described
from shared.seen import tells_of

router = APIRouter(tags=["imports"])
Language = Annotated[Literal["fi", "sv", "en"], Query(description="language of the errors")]
LARGEST_MAPPING = 200_000  # bytes
UPLOAD = {
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": {},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {"type": "string", "contentMediaType": "application/octet-stream"},
                        "mapping": {"type": "string", "contentMediaType": "application/yaml"},
                    },
                }
            },
        },
    }
}
SHOWN = 100
PAGE = 1_000
NOT_MAPPINGS = ("indiana-counties",)


@router.post(
    "/imports",
    status_code=202,
    openapi_extra=UPLOAD,
    responses=answers(ToldImport, 202, "Location") | ADDING_IMPORT,
)
async def add_import(
    request: Request,
    asker: Asking,
    begin: Working,
    organisation: Annotated[
        str | None, Query(max_length=32, description="which of your organisations hands it in")
    ] = None,
    mapping: Annotated[
        str, Query(max_length=64, description="one that is shipped, unless you send your own")
    ] = "template",
    region: Annotated[
        str | None, Query(max_length=16, description="where rows tell none; else your own")
    ] = None,
    sheet: Annotated[
        str | None, Query(max_length=100, description="of a workbook; else the first with rows")
    ] = None,
    name: Annotated[str, Query(max_length=200, description="the file's name")] = "table",
    dry_run: Annotated[bool, Query(description="check only; send with /commit")] = True,
    only_good: Annotated[bool, Query(description="send although rows are bad")] = False,
    language: Language = "fi",
) -> JSONResponse:
    """
    Hand in a CSV, XLSX, ODS or XLS file: as the body, or as `file` of a multipart form, with a
    mapping of your own as `mapping`.

    202 with the import: ask `GET /imports/{id}` until it is `checked`, `done` or `refused`.
    """
    token = reporter_of(asker, organisation)
    if mapping not in shipped_mappings() or mapping in NOT_MAPPINGS:
        there = [each for each in shipped_mappings() if each not in NOT_MAPPINGS]
        raise Problem(422, "mapping_unknown", value=mapping, offered=there)
    file_name, content, own = await _uploaded(request, name)
    if not content:
        raise Problem(422, "table_missing")
    async with begin() as work:
        of = await known(work.session, token)
        asked = handlers.Ordered(
            organisation=token,
            actor=f"{asker.kind}/{asker.subject}",
            language=language,
            file_name=file_name,
            content=content,
            mapping=mapping,
            own_mapping=own,
            region=region or of.region,
            sheet=sheet,
            at_once=not dry_run,
            only_good=only_good,
        )
        try:
            row = await handlers.add_import(work, asked)
        except handlers.TooManyOpen as error:
            raise Problem(409, "imports_open", organisation=token, most=error.most) from error
    return JSONResponse(_shown(row, language), 202, {"Location": f"/imports/{row.id}"})


@router.get("/imports", responses=answers(Listing[ToldImport]))
async def imports(
    asker: Asking, session: Reading, paging: Paging, language: Language = "fi"
) -> dict[str, Any]:
    """The imports of the asker's organisations, newest first."""
    own = None if asker.sees_all else list(asker.organisations)
    rows = await store.imports_of(session, own, moment_after(paging.after), paging.limit + 1)
    found = rows[: paging.limit]
    following = (found[-1].created_at, found[-1].id) if len(rows) > paging.limit else None
    return page([_shown(row, language) for row in found], following, datetime.now(UTC))


@router.get("/imports/{id}", responses=answers(ImportWithFaults) | OF_IMPORT)
async def one_import(
    id: UUID, asker: Asking, session: Reading, language: Language = "fi"
) -> dict[str, Any]:
    """How far it is, what came of it, and its first 100 errors."""
    row = _own(await store.import_of(session, id), id, asker)
    errors = await store.errors_of(session, id, -1, SHOWN)
    return {**_shown(row, language), "errors": [_error(row, language) for row in errors]}


@router.get(
    "/imports/{id}/errors.csv",
    response_class=Response,
    responses={
        200: {"content": {"text/csv": {}}, "headers": described("Content-Disposition")},
        **OF_IMPORT,
    },
)
async def errors_as_csv(
    id: UUID, request: Request, asker: Asking, session: Reading, language: Language = "fi"
) -> StreamingResponse:
    """Every error by cell; what looks like a formula is text."""
    row = _own(await store.import_of(session, id), id, asker)
    tells_of(request, [row.organisation])
    headers = {"Content-Disposition": f'attachment; filename="import-{str(id)[:8]}.csv"'}
    body = _csv(request.app.state.database, id, language)
    return StreamingResponse(body, media_type="text/csv; charset=utf-8", headers=headers)


@router.post(
    "/imports/{id}/commit", status_code=202, responses=answers(ToldImport, 202) | COMMITTING
)
async def commit(
    id: UUID,
    asker: Asking,
    begin: Working,
    only_good: Annotated[bool, Query(description="send although rows are bad")] = False,
    language: Language = "fi",
) -> dict[str, Any]:
    """Send what was checked: 409 while it is not, or has bad rows and *only_good* is not said."""
    async with begin() as work:
        row = _own(await store.import_of(work.session, id, hold=True), id, asker)
        _may_send(row, asker)
        if row.state != "checked":
            raise Problem(409, "import_not_checked", state=row.state)
        if row.bad and not only_good:
            raise Problem(409, "import_has_errors", rows=row.bad)
        await handlers.commit_import(work, row, only_good=only_good)
    return _shown(row, language)


@router.delete("/imports/{id}", status_code=204, responses=DROPPING_IMPORT)
async def drop(id: UUID, asker: Asking, begin: Working) -> Response:
    """Forget an import; what was sent of it stays. 409 while it is being sent."""
    async with begin() as work:
        row = _own(await store.import_of(work.session, id, hold=True), id, asker)
        _may_send(row, asker)
        if row.state == "sending":
            raise Problem(409, "import_sending", done=row.slice, of=row.slices)
        await store.drop_import(work.session, id)
    return Response(status_code=204)


async def _uploaded(request: Request, name: str) -> tuple[str, bytes, str | None]:
    """Name and content of the file, and the mapping that came with it."""
    most = int(settings_of(request).registry_import_mb) << 20
    held = bounded(request, most + LARGEST_MAPPING + 10_000)
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return name, await held.body(), None
    async with held.form(max_files=2, max_fields=20) as form:
        file, mapping = form.get("file"), form.get("mapping")
        own = await mapping.read() if isinstance(mapping, UploadFile) else mapping
        if not isinstance(file, UploadFile):
            return name, b"", None
        if own is not None and len(own) > LARGEST_MAPPING:
            raise Problem(413, "body_too_large/mapping", size=len(own), most=LARGEST_MAPPING)
        try:
            told = own.decode("utf-8-sig") if isinstance(own, bytes) else own
        except UnicodeDecodeError as error:
            raise Problem(422, "mapping_invalid", at=error.start) from error
        return file.filename or name, await file.read(), told or None


def _own(row: store.ImportRow | None, id: UUID, asker: Asker) -> store.ImportRow:
    """*row* of *id*, where *asker* may see it: to anybody else there is none."""
    if row is None or not (asker.sees_all or row.organisation in asker.organisations):
        raise Problem(404, "import_unknown", id=id)
    return row


def _may_send(row: store.ImportRow, asker: Asker) -> None:
    if not may_report(asker, row.organisation):
        raise NotAllowed("not_allowed/reporting", organisation=row.organisation)


def _shown(row: store.ImportRow, language: str) -> dict[str, Any]:
    told = ("state", "organisation", "file_name", "mapping", "region", "form",
            "rows", "bad", "skipped", "events", "accepted", "unchanged", "rejected")  # fmt: skip
    return {
        "id": str(row.id),
        **{name: getattr(row, name) for name in told},
        "notes": [_said(note, language) for note in row.notes],
        "problem": row.problem and {**row.problem, "text": _said(row.problem["text"], language)},
        "good": max(0, row.rows - row.bad - row.skipped),
        "done": row.slice,
        "of": row.slices,
        "created_at": row.created_at.isoformat(),
        "updated_at": row.updated_at.isoformat(),
    }


def _said(text: Any, language: str) -> str:
    """What was kept in each language; an import of an earlier release kept English only."""
    return str(text if isinstance(text, str) else text[language])


def _error(row: store.ImportErrorRow, language: str) -> dict[str, Any]:
    """A fault as it is told: those of the file in *language*, the registry's as it said them."""
    if row.stage != "file":
        return row.body
    return {**row.body, "text": spoken(RowError(**row.body), language)}


async def _csv(database: Any, id: UUID, language: str) -> AsyncIterator[bytes]:
    yield b"\xef\xbb\xbf" + errors_csv((), language).encode()
    after = -1
    while True:
        async with database.session() as session:
            found = await store.errors_of(session, id, after, PAGE)
        if not found:
            return
        after = found[-1].number
        errors = [RowError(**_error(row, language)) for row in found]
        yield errors_csv(errors, language, header=False).encode()
