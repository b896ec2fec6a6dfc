"""Who looks at a page: a person the registry vouches for, or anybody."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request, Response

from services.portal.api import words
from services.portal.api.cookies import LANGUAGE, SESSION, TooLong
from services.portal.api.desk import Desk, desk_of
from services.portal.domain.paths import local_path
from services.portal.gateways import Away, Ended, Identity, ProviderAway, Seen
from shared.access import digest

RENEW_BEFORE_S = 30
LONGEST_S = 12 * 3600


class SignInFirst(Exception):
    """
    Anybody asked for a page of known readers; *then* is where to go on, once signed in.

    Of an address too long to be remembered the page is, without what was asked of it.
    """

    def __init__(self, then: str) -> None:
        super().__init__("sign in to see this")
        self.then = then if local_path(then) == then else local_path(then.partition("?")[0])


@dataclass(frozen=True)
class Visitor:
    """
    A reader. *seen* is what the registry says of them, None for anybody.

    *ended*: a session that is over. *unsure*: signed in, but the registry cannot be asked now.
    """

    language: str
    seen: Seen | None = None
    name: str = ""
    id_token: str = ""
    ended: bool = False
    unsure: bool = False

    @property
    def mark(self) -> str:
        """Tells readers of one browser apart without saying who they are."""
        return digest(self.seen.subject)[:12] if self.seen else "public"


async def visitor(request: Request) -> Visitor:
    """Who asks, from the sealed cookie and the registry's word."""
    desk = desk_of(request)
    told = request.cookies.get(LANGUAGE)
    accepted = request.headers.get("accept-language")
    held = desk.seal.open(request.cookies.get(SESSION), SESSION)
    anybody = words.chosen(told, None, accepted)
    if held is None:
        return Visitor(anybody)
    try:
        held = await _fresh(request, desk, held)
        seen = await desk.sessions.seen(held["id_token"])
        if seen.session != held["session"]:
            raise Ended("another session")
    except Ended:
        change_cookie(request, lambda response: clear(response, SESSION))
        return Visitor(anybody, ended=True)
    except (Away, ProviderAway):
        return Visitor(anybody, unsure=True)
    language = words.chosen(told, seen.language, accepted)
    return Visitor(language, seen, held["name"], held["id_token"])


Visiting = Annotated[Visitor, Depends(visitor)]


async def _fresh(request: Request, desk: Desk, held: dict[str, Any]) -> dict[str, Any]:
    if held["until"] > time.time() + RENEW_BEFORE_S:
        return held
    if not held.get("refresh"):
        if held["until"] <= time.time():
            raise Ended("the sign-in has lapsed")
        return held
    identity = await desk.sessions.renewed(held["refresh"], held["sub"])
    keep_session(request, desk, identity, held["session"])
    return session_of(identity, held["session"])


def session_of(identity: Identity, session: int) -> dict[str, Any]:
    """What the session cookie holds: who, until when, which session; never roles."""
    return {
        "sub": identity.subject,
        "name": identity.name,
        "id_token": identity.id_token,
        "refresh": identity.refresh_token,
        "session": session,
        "until": identity.until,
    }


def keep_session(request: Request, desk: Desk, identity: Identity, session: int) -> None:
    """Put the session into its cookie; without the refresh token where both do not fit."""
    held = session_of(identity, session)
    secure = desk.secure(request)
    try:
        value = desk.seal.close(held, SESSION, LONGEST_S)
    except TooLong:
        value = desk.seal.close({**held, "refresh": None}, SESSION, LONGEST_S)
    change_cookie(request, lambda response: put(response, SESSION, value, LONGEST_S, secure))


def change_cookie(request: Request, change: Callable[[Response], None]) -> None:
    """Change a cookie with whatever answers *request*."""
    if not hasattr(request.state, "cookie_changes"):
        request.state.cookie_changes = []
    request.state.cookie_changes.append(change)


def put(response: Response, name: str, value: str, life_s: int, secure: bool) -> None:
    """A cookie that no script reads and no other site's form sends."""
    response.set_cookie(
        name, value, max_age=life_s, path="/", httponly=True, samesite="lax", secure=secure
    )


def clear(response: Response, name: str) -> None:
    """Take the cookie away."""
    response.delete_cookie(name, path="/", httponly=True, samesite="lax")
