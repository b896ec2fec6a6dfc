"""How a service is asked over HTTP: health, metrics, who asks, and problems told alike."""

import base64
import binascii
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import date, datetime
from typing import Annotated, Any, Protocol, TypeVar
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, Request, Response, Security
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from joserfc.jwk import OKPKey
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.exceptions import HTTPException
from starlette.types import Message

from shared import telemetry
from shared.access import Asker, NotAllowed, NotKnown, asker_of
from shared.openapi import document
from shared.pace import Pace
from shared.problems import Spoken, said
from shared.seen import Seen, note_change, remember
from shared.settings import SharedSettings
from shared.trail import rows_changed
from shared.vocabulary.errors import Coded
from shared.work import Database, Work, is_outage

PROBLEM = "application/problem+json"
P = TypeVar("P")
LARGEST_BODY = 4 * 1024 * 1024  # bytes; a batch of events


class Problem(Coded):
    """
    An answer of RFC 9457: *status*, a stable code, and the values that its sentence names.

    *headers* go with it; *more* are members beside the standard ones, such as `reasons`.
    """

    def __init__(
        self,
        status: int,
        key: str,
        /,
        *,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
        **values: Any,
    ) -> None:
        super().__init__(key, more=more, **values)
        self.status, self.headers = status, headers

    @classmethod
    def of(
        cls,
        status: int,
        error: Coded,
        *,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> "Problem":
        """What *error* says, as an answer; *more* beside its own members."""
        more = {**error.more, **(more or {})}
        return cls(status, error.key, headers=headers, more=more, **error.values)


def problem_answer(problem: Problem, code: str | None = None) -> JSONResponse:
    """*problem* as a response; under another *code*, where one of a receipt says more."""
    code = code or problem.code
    body = {"type": f"/problems/{code}", "title": code.replace("_", " "), "status": problem.status,
            "code": code, "detail": said(problem), **problem.more}  # fmt: skip
    return JSONResponse(body, problem.status, dict(problem.headers or {}), media_type=PROBLEM)


def cursor(place: datetime | int, id: UUID) -> str:
    """Where a page ended, opaque to who asks: the *place* in the list's order, then the *id*."""
    told = f"{place.isoformat() if isinstance(place, datetime) else place} {id}"
    return base64.urlsafe_b64encode(told.encode()).decode()


def moment_after(told: str | None) -> tuple[datetime, UUID] | None:
    """The moment and id that a `cursor` means; None without one, a problem when it is not ours."""
    return _place(told, _moment)


def number_after(told: str | None) -> tuple[int, UUID] | None:
    """The number and id that a `cursor` means; None without one, a problem when it is not ours."""
    return _place(told, int)


def day_after(told: str | None) -> tuple[date, UUID] | None:
    """The day and id that a `cursor` of its ordinal means; None without one, else a problem."""
    return _place(told, lambda place: date.fromordinal(int(place)))


def cursor_invalid(told: str) -> Problem:
    """The problem of a cursor *told* that is not ours."""
    return Problem(422, "cursor_invalid", value=told)


def _place(told: str | None, read: Callable[[str], P]) -> tuple[P, UUID] | None:
    if told is None:
        return None
    try:
        place, id = base64.urlsafe_b64decode(told.encode()).decode().split(" ")
        return read(place), UUID(id)
    except (ValueError, OverflowError, binascii.Error) as error:
        raise cursor_invalid(told) from error


def _moment(told: str) -> datetime:
    found = datetime.fromisoformat(told)
    if found.tzinfo is None:
        raise ValueError("a moment without a zone")
    return found


class Health(Protocol):
    """What `/readyz` asks of the running service."""

    async def problems(self) -> Sequence[str]:
        """What keeps the service from being ready; empty when it is."""
        ...


def application(
    *,
    name: str,
    router: APIRouter | None,
    database: Database | None,
    public_key: OKPKey | None,
    health: Health,
    settings: Any = None,
    before_scrape: Callable[[], Awaitable[None]] | None = None,
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]] | None = None,
) -> FastAPI:
    """The HTTP application of service *name*: its router between health and problems."""
    app = FastAPI(
        title=f"Massakoppi {name}",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.state.database = database
    app.state.public_key = public_key
    app.state.settings = settings
    app.state.name = name
    app.state.pace = _pace(settings)

    @app.get("/livez", include_in_schema=False)
    async def livez() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz", include_in_schema=False)
    async def readyz() -> JSONResponse:
        problems = list(await health.problems())
        return JSONResponse(
            {"status": "ready" if not problems else "not ready", "problems": problems},
            200 if not problems else 503,
        )

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        if before_scrape:
            await before_scrape()
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    _tell_problems(app)
    app.add_middleware(Spoken)
    if database is not None:
        app.add_middleware(Seen, database=database, unsaid=_unsaid)
    if router is not None:
        app.include_router(router)

    def described() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = document(app)
        return app.openapi_schema

    app.openapi = described  # type: ignore[method-assign]  # FastAPI's way to tell it otherwise
    return app


def _unsaid() -> JSONResponse:
    """The answer where a look at another's data could not be noted."""
    return problem_answer(Problem(503, "not_noted", headers={"Retry-After": "2"}))


def _pace(settings: SharedSettings | None) -> Pace | None:
    if settings is None or settings.http_requests_per_s == 0:
        return None
    return Pace(settings.http_requests_per_s, settings.http_requests_at_once)


def _tell_problems(app: FastAPI) -> None:
    @app.exception_handler(Problem)
    async def known(_: Request, error: Problem) -> JSONResponse:
        return problem_answer(error)

    @app.exception_handler(NotKnown)
    async def unknown(_: Request, error: NotKnown) -> JSONResponse:
        return problem_answer(Problem.of(401, error, headers={"WWW-Authenticate": "Bearer"}))

    @app.exception_handler(NotAllowed)
    async def refused(_: Request, error: NotAllowed) -> JSONResponse:
        return problem_answer(Problem.of(403, error))

    @app.exception_handler(TooOften)
    async def too_often(_: Request, error: TooOften) -> JSONResponse:
        headers = {"Retry-After": str(error.wait_s)}
        return problem_answer(
            Problem(429, "too_many_requests", headers=headers, seconds=error.wait_s)
        )

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        reasons = []
        for one in error.errors():
            fault = fault_of(one, one["loc"][1:])
            pointer = "/" + "/".join(map(str, one["loc"][1:]))
            reasons.append({"pointer": pointer, "code": fault.code, "text": said(fault)})
        return problem_answer(Problem(422, "request_invalid", more={"reasons": reasons}))

    @app.exception_handler(HTTPException)
    async def other(request: Request, error: HTTPException) -> JSONResponse:
        status = error.status_code
        if status == 400:  # of the framework alone: bytes that are no JSON, no form
            sent_as = request.headers.get("content-type", "")
            return problem_answer(Problem(422, "body_unreadable", value=sent_as))
        if status == 404:
            return problem_answer(Problem(404, "not_found"))
        if status == 405:
            return problem_answer(Problem(405, "method_not_allowed", method=request.method))
        return problem_answer(Problem(status, "http_error", status=status))

    async def away(_: Request, error: Exception) -> JSONResponse:
        if (getattr(getattr(error, "orig", None), "sqlstate", None) or "").startswith("22"):
            return problem_answer(Problem(422, "request_invalid/not_kept"))
        if not is_outage(error):
            telemetry.log().error("request_failed", error=repr(error), exc_info=error)
            return problem_answer(Problem(500, "failed"))
        return problem_answer(Problem(503, "database_away", headers={"Retry-After": "2"}))

    for kind in (DBAPIError, InterfaceError, ConnectionError, TimeoutError):
        app.add_exception_handler(kind, away)


_SECRET = frozenset({"key", "id_token", "secret"})


def fault_of(error: Mapping[str, Any], place: Sequence[Any]) -> Coded:
    """What pydantic's *error* says of the field at *place*, in words of our own."""
    values = {**error.get("ctx", {})}
    values["field"] = "/".join(map(str, place)) or "body"
    own = values.pop("error", None)
    if isinstance(own, Coded):
        return Coded(own.key, **{**values, **own.values})
    if "expected" in values:  # pydantic's own English: 'a', 'b' or 'c'
        values["expected"] = str(values["expected"]).replace("'", "").replace(" or ", ", ")
        values["expected"] = values["expected"].split(", ")
    hidden = place and place[-1] in _SECRET
    values["value"] = "…" if hidden else error.get("input")
    return Coded(f"field_{error['type']}", **values)


class TooOften(Exception):
    """Who asks asked too often, and may again in *wait_s* seconds."""

    def __init__(self, wait_s: int) -> None:
        super().__init__(wait_s)
        self.wait_s = wait_s


_BEARER = HTTPBearer(
    auto_error=False, scheme_name="token", bearerFormat="JWT",
    description="from POST /tokens of the registry, against a key; it holds five minutes",
)  # fmt: skip


def asker(
    request: Request, _bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)]
) -> Asker:
    """Who asks, from the bearer token; raises `NotKnown`, and `TooOften` for who is no service."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise NotKnown("not_known/no_token")
    if request.app.state.public_key is None:
        raise NotKnown("not_known/no_key_here")
    found = asker_of(token, request.app.state.public_key)
    remember(request, found)
    pace: Pace | None = request.app.state.pace
    if pace is not None and not found.sees_all and (wait_s := pace.wait_s(found.subject)):
        raise TooOften(wait_s)
    return found


Asking = Annotated[Asker, Depends(asker)]


async def reading(request: Request) -> AsyncIterator[AsyncSession]:
    """A session for questions: nothing it does is kept."""
    async with request.app.state.database.session() as session:
        yield session


Reading = Annotated[AsyncSession, Depends(reading)]
BeginWork = Callable[[], AbstractAsyncContextManager[Work]]


def working(request: Request) -> BeginWork:
    """
    Begins the one work of this request: `async with begin() as work`.

    A block, so that the answer is made after the commit. What changes something is put on the trail
    in the same transaction.
    """
    database: Database = request.app.state.database

    @asynccontextmanager
    async def begin() -> AsyncIterator[Work]:
        correlation = request.headers.get("x-correlation-id")
        origin = request.headers.get("x-tab", "")
        async with database.begin_work(correlation=correlation, origin=origin) as work:
            before = await rows_changed(work.session)
            yield work
            if before is None or await rows_changed(work.session) != before:
                note_change(work, request)

    return begin


Working = Annotated[BeginWork, Depends(working)]


def bounded(request: Request, most: int) -> Request:
    """*request*, whose body is read no further than *most* bytes: then it is a problem."""
    size = 0

    async def receive() -> Message:
        nonlocal size
        message = await request.receive()
        size += len(message.get("body", b""))
        if size > most:
            raise Problem(413, "body_too_large", most=most)
        return message

    return Request(request.scope, receive)


def settings_of(request: Request) -> Any:
    """The service's own settings."""
    return request.app.state.settings
