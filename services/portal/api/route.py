"""What every answer of the portal bears: who may post, strict headers, errors as pages."""

import re
import uuid
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import urlencode, urlsplit

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from services.portal.api import words
from services.portal.api.cookies import LANGUAGE
from services.portal.api.desk import desk_of
from services.portal.api.drawing import draw
from services.portal.api.visitor import SignInFirst
from services.portal.gateways import Away, Denied, ProviderAway
from shared import telemetry
from shared.http import Problem

CSP = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
SAFE = ("GET", "HEAD", "OPTIONS")
Handle = Callable[[Request], Coroutine[Any, Any, Response]]


class PageRoute(APIRoute):
    """A route of the portal: guarded before, dressed after, and never bare when it fails."""

    def get_route_handler(self) -> Handle:
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            try:
                refuse_other_sites(request)
                response = await handle(request)
            except SignInFirst as error:
                response = RedirectResponse(f"/login?{urlencode({'then': error.then})}", 303)
            except (Problem, HTTPException, RequestValidationError,
                    Away, Denied, ProviderAway) as error:  # fmt: skip
                response = error_page(request, error)
            except Exception as error:
                telemetry.log().exception("page_broke", path=request.url.path)
                response = error_page(request, error)
            return dressed(request, response)

        return guarded


def refuse_other_sites(request: Request) -> None:
    """A 403 `Problem` when something that changes was not asked from our own pages."""
    if request.method in SAFE:
        return
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        own = site == "same-origin"
    else:
        origin = urlsplit(request.headers.get("origin", ""))
        base = urlsplit(desk_of(request).base_url(request))
        own = (origin.scheme, origin.netloc) == (base.scheme, base.netloc)
    if not own:
        raise Problem(403, "other_site")


def dressed(request: Request, response: Response) -> Response:
    """*response* with the strict headers, and with the cookies that this request changes."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")
    for change in getattr(request.state, "cookie_changes", ()):
        change(response)
    return response


def error_page(request: Request, error: Exception) -> Response:
    """Plain words, and an id by which the log line is found."""
    status, code = kind_of(error)
    told = request.headers.get("x-correlation-id", "")
    trace = told if re.fullmatch(r"[\w-]{1,64}", told) else uuid.uuid4().hex[:12]
    log: Any = telemetry.log()
    log.warning("page_failed", status=status, code=code, trace=trace, path=request.url.path)
    language = words.chosen(
        request.cookies.get(LANGUAGE), None, request.headers.get("accept-language")
    )
    key = code if words.Words(language).knows(f"error.{code}") else f"{status // 100}xx"
    html = draw(
        "error.html", language, key=key, trace=trace, status=status, fields=wrong_fields(error)
    )
    return HTMLResponse(html, status)


def wrong_fields(error: Exception) -> list[str]:
    """The names of the fields that *error* is about, as the form or the address has them."""
    match error:
        case RequestValidationError():
            return sorted({str(one["loc"][1]) for one in error.errors() if len(one["loc"]) > 1})
        case Problem() | Denied():
            more = error.more if isinstance(error, Problem) else error.told
            return [str(one.get("pointer", "")).lstrip("/") for one in more.get("reasons") or ()]
    return []


def kind_of(error: Exception) -> tuple[int, str]:
    """Status and stable code of *error*."""
    match error:
        case Problem():
            return error.status, error.code
        case HTTPException():
            return error.status_code, "not_found" if error.status_code == 404 else "http_error"
        case RequestValidationError():
            nowhere = any(one["loc"][0] == "path" for one in error.errors())
            return (404, "not_found") if nowhere else (422, "request_invalid")
        case Denied() if error.status != 401:  # where our token is refused, the page is at fault
            return error.status, error.code
        case Away() | ProviderAway() | Denied():
            return 503, "away"
        case _:
            return 500, "broken"
