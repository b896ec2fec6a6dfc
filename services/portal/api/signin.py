"""Signing in and out: OIDC with PKCE, and nothing kept but a sealed cookie."""

import secrets
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from services.portal.api.cookies import SESSION, SIGN_IN
from services.portal.api.desk import Desk, desk_of
from services.portal.api.route import PageRoute
from services.portal.api.visitor import change_cookie, clear, keep_session, put
from services.portal.domain.paths import local_path
from services.portal.gateways import BadSignIn, Ended, Oidc
from shared import telemetry
from shared.http import Problem

router = APIRouter(route_class=PageRoute)
SIGN_IN_LIFE_S = 600


@router.get("/login")
async def login(request: Request, then: Annotated[str, Query(max_length=500)] = "/") -> Response:
    """Send the browser to the provider, remembering what its answer must match."""
    desk = desk_of(request)
    told = {
        "state": secrets.token_urlsafe(24),
        "nonce": secrets.token_urlsafe(24),
        "verifier": secrets.token_urlsafe(48),
    }
    to = await provider(desk).begin(redirect_uri(desk, request), **told)
    value = desk.seal.close({**told, "then": local_path(then)}, SIGN_IN, SIGN_IN_LIFE_S)
    secure = desk.secure(request)
    change_cookie(request, lambda response: put(response, SIGN_IN, value, SIGN_IN_LIFE_S, secure))
    return RedirectResponse(to, 303)


@router.get("/callback")
async def callback(
    request: Request,
    state: Annotated[str, Query(max_length=500)] = "",
    code: Annotated[str, Query(max_length=4000)] = "",
    error: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """
    The provider's answer: proved, known to the registry, then sealed.

    Each begun sign-in is good for one answer: its cookie goes, whatever the answer is.
    """
    desk = desk_of(request)
    begun = desk.seal.open(request.cookies.get(SIGN_IN), SIGN_IN)
    change_cookie(request, lambda response: clear(response, SIGN_IN))
    if begun is None or not secrets.compare_digest(state.encode(), begun["state"].encode()):
        raise Problem(400, "sign_in_stale")
    if error or not code:
        raise Problem(400, "sign_in_refused")
    try:
        identity = await provider(desk).redeem(
            code, redirect_uri(desk, request), nonce=begun["nonce"], verifier=begun["verifier"]
        )
        seen = await desk.sessions.seen(identity.id_token)
    except BadSignIn as bad:
        telemetry.log().warning("sign_in_refused", error=str(bad))
        raise Problem(400, "sign_in_refused") from bad
    except Ended as unknown:
        raise Problem(403, "person_unknown") from unknown
    keep_session(request, desk, identity, seen.session)
    return RedirectResponse(local_path(begun["then"]), 303)


@router.post("/logout")
async def logout(request: Request) -> Response:
    """Forget who this is."""
    change_cookie(request, lambda response: clear(response, SESSION))
    return RedirectResponse("/", 303)


def provider(desk: Desk) -> Oidc:
    """The OIDC provider; a 404 `Problem` where nobody can sign in."""
    if desk.oidc is None:
        raise Problem(404, "no_sign_in/here")
    return desk.oidc


def redirect_uri(desk: Desk, request: Request) -> str:
    """Where the provider sends the browser back to."""
    return f"{desk.base_url(request)}/callback"
