"""
A small OIDC provider for demonstrations: it believes whoever clicks a name, so it serves loopback
only.

Authorization code flow with PKCE (S256), discovery, keys, id_tokens signed RS256. It has no
passwords: anybody who reaches it can be anybody on its list. So it refuses to bind to anything but
loopback, and refuses each request that did not come from and to loopback by that name.
"""

import base64
import hashlib
import html
import ipaddress
import json
import os
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import uvicorn
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

CODE_LIFE_S = 60
TOKEN_LIFE_S = 12 * 3600
CODES_KEPT = 1000
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; frame-ancestors 'none'; "
    "base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
STYLE = """
body{margin:0;background:#f6f4ee;color:#1d2328;font:1rem/1.45 "Segoe UI",system-ui,sans-serif}
main{max-width:34rem;margin:8vh auto;padding:1.5rem;background:#fff;border:1px solid #d9d5ca;
border-radius:10px}
h1{font-size:1.35rem;margin:0 0 .4rem}p{margin:0 0 1rem;color:#55606a}ul{list-style:none;margin:0;
padding:0}li+li{border-top:1px solid #d9d5ca}a{display:block;padding:.75rem .5rem;color:#1d2328;
text-decoration:none;border-radius:6px}a:hover{background:#e3f0ea}a strong{color:#0b5c47;
text-decoration:underline;text-underline-offset:.15em}a span{display:block;color:#55606a}
a:focus-visible{outline:3px solid #0062b9;outline-offset:2px}
"""


class NotLoopback(Exception):
    """The demo's sign-in serves 127.0.0.1 and ::1 only: it believes whoever clicks a name."""


@dataclass(frozen=True)
class DemoPerson:
    """Somebody to be: *subject* is what the registry knows; *about* says what they may see."""

    subject: str
    name: str
    about: str = ""


@dataclass(frozen=True)
class _Code:
    person: DemoPerson
    redirect_uri: str
    nonce: str
    challenge: str
    until: float


@dataclass
class DemoOidc:
    """
    The provider. *issuer* is its own address, *redirect_uris* where it may send a browser.

    With a *key_file* its key outlives it, so that a restart signs nobody out.
    """

    issuer: str
    client_id: str
    client_secret: str
    redirect_uris: Sequence[str]
    people: Sequence[DemoPerson]
    key_file: Path | None = None
    codes: dict[str, _Code] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.issuer = self.issuer.rstrip("/")
        told = urlsplit(self.issuer)
        loopback_only(told.hostname or "")
        for uri in self.redirect_uris:
            loopback_only(urlsplit(uri).hostname or "")
        self.key = signing_key(self.key_file)

    def application(self) -> ASGIApp:
        """The provider as an ASGI application that answers loopback only."""
        return _LoopbackOnly(
            Starlette(
                routes=[
                    Route("/.well-known/openid-configuration", self.about),
                    Route("/keys", self.keys),
                    Route("/authorize", self.authorize),
                    Route("/style.css", self.style),
                    Route("/token", self.token, methods=["POST"]),
                ]
            )
        )

    def server(self, host: str, port: int) -> uvicorn.Server:
        """A server to run; raises `NotLoopback` for any other *host*."""
        loopback_only(host)
        config = uvicorn.Config(
            self.application(), host=host, port=port, log_config=None, access_log=False,
            lifespan="off", proxy_headers=False, timeout_graceful_shutdown=2,
        )  # fmt: skip
        return uvicorn.Server(config)

    async def about(self, _: Request) -> Response:
        """The discovery document."""
        return JSONResponse(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                "response_types_supported": ["code"],
                "grant_types_supported": ["authorization_code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "scopes_supported": ["openid", "profile"],
                "token_endpoint_auth_methods_supported": ["client_secret_post"],
                "code_challenge_methods_supported": ["S256"],
                "claims_supported": ["sub", "name"],
            },
            headers=HEADERS,
        )

    async def keys(self, _: Request) -> Response:
        """The public key."""
        return JSONResponse({"keys": [self.key.as_dict(private=False)]}, headers=HEADERS)

    async def style(self, _: Request) -> Response:
        """The look of the picker."""
        return Response(STYLE, media_type="text/css", headers=HEADERS)

    async def authorize(self, request: Request) -> Response:
        """The people to choose from; with `as=<subject>`, the way back as that person."""
        asked = request.query_params
        wrong = self._wrong(asked)
        if wrong:
            return HTMLResponse(f"<!doctype html><title>?</title><p>{wrong}", 400, HEADERS)
        person = next((one for one in self.people if one.subject == asked.get("as")), None)
        if person is None:
            return HTMLResponse(self._picker(asked), headers=HEADERS)
        code = secrets.token_urlsafe(24)
        self._forget()
        self.codes[code] = _Code(
            person, asked["redirect_uri"], asked["nonce"], asked["code_challenge"],
            time.monotonic() + CODE_LIFE_S,
        )  # fmt: skip
        back = urlencode({"code": code, "state": asked["state"], "iss": self.issuer})
        return RedirectResponse(f"{asked['redirect_uri']}?{back}", 303, HEADERS)

    async def token(self, request: Request) -> Response:
        """An id_token for a code, once, for who began and can prove it."""
        form = {name: str(value) for name, value in (await request.form()).items()}
        secret = form.get("client_secret", "").encode()
        if form.get("client_id") != self.client_id or not secrets.compare_digest(
            secret, self.client_secret.encode()
        ):
            return _refused("invalid_client", 401)
        if form.get("grant_type") != "authorization_code":
            return _refused("unsupported_grant_type")
        code = self.codes.pop(form.get("code", ""), None)
        hashed = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(hashed).rstrip(b"=").decode()
        if (
            code is None
            or code.until < time.monotonic()
            or code.redirect_uri != form.get("redirect_uri")
            or not secrets.compare_digest(code.challenge.encode(), challenge.encode())
        ):
            return _refused("invalid_grant")
        told = {
            "access_token": secrets.token_urlsafe(24),
            "token_type": "Bearer",
            "expires_in": TOKEN_LIFE_S,
            "id_token": self.id_token(code.person, code.nonce),
        }
        return JSONResponse(told, headers=HEADERS)

    def id_token(self, person: DemoPerson, nonce: str) -> str:
        """A signed statement that this is *person*."""
        issued = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": person.subject,
            "aud": self.client_id,
            "name": person.name,
            "nonce": nonce,
            "iat": issued,
            "exp": issued + TOKEN_LIFE_S,
        }
        header = {"alg": "RS256", "kid": self.key.kid}
        return jwt.encode(header, claims, self.key, algorithms=["RS256"])

    def _wrong(self, asked: Mapping[str, str]) -> str:
        """What is wrong with a request to sign in; empty when nothing is."""
        if asked.get("client_id") != self.client_id:
            return "client_id is not known"
        if asked.get("redirect_uri") not in self.redirect_uris:
            return "redirect_uri is not registered"
        if asked.get("response_type") != "code":
            return "response_type must be code"
        if asked.get("code_challenge_method") != "S256" or not asked.get("code_challenge"):
            return "PKCE with S256 is required"
        missing = [name for name in ("state", "nonce") if not asked.get(name)]
        return f"{', '.join(missing)} missing" if missing else ""

    def _picker(self, asked: Mapping[str, str]) -> str:
        rows = "".join(
            f'<li><a href="/authorize?{html.escape(urlencode({**asked, "as": one.subject}))}">'
            f"<strong>{html.escape(one.name)}</strong>"
            f"<span>{html.escape(one.about)}</span></a></li>"
            for one in self.people
        )
        return (
            '<!doctype html><html lang="fi"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            '<title>Esittelykirjautuminen</title><link rel="stylesheet" href="/style.css"></head>'
            "<body><main><h1>Kenenä katsot Massakoppia?</h1>"
            "<p>Esittelykäyttö: keksittyjä henkilöitä, ei salasanoja, vain tällä koneella.</p>"
            f"<ul>{rows}</ul></main></body></html>"
        )

    def _forget(self) -> None:
        now = time.monotonic()
        for code in [code for code, told in self.codes.items() if told.until < now]:
            del self.codes[code]
        while len(self.codes) >= CODES_KEPT:
            del self.codes[next(iter(self.codes))]


def loopback_only(host: str) -> None:
    """Raises `NotLoopback` unless *host* is an address of loopback, or its name."""
    if host == "localhost":
        return
    try:
        if ipaddress.ip_address(host).is_loopback:
            return
    except ValueError:
        pass
    raise NotLoopback(f"{host!r} is not loopback: the demo's sign-in binds to 127.0.0.1 only")


def signing_key(path: Path | None) -> RSAKey:
    """The key in the file at *path*, made there (mode 600) when it is missing."""
    if path is not None and path.exists():
        return RSAKey.import_key(json.loads(path.read_text()))
    made = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"}, auto_kid=True)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(made.as_dict(private=True), file)
    return made


class _LoopbackOnly:
    """Refuses what did not come from loopback, to loopback, under a name of loopback."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if not self._from_here(scope):
            refused = Response("only on this machine", 403)
            await refused(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _from_here(self, scope: Scope) -> bool:
        ends: list[Any] = [scope.get("client"), scope.get("server")]
        names = [one[0] for one in ends if one]
        # a page elsewhere that points its own name at 127.0.0.1 bears that name here
        host = next((value for name, value in scope["headers"] if name == b"host"), b"").decode()
        names.append(urlsplit(f"//{host}").hostname or "")
        try:
            for name in names:
                loopback_only(name)
        except NotLoopback:
            return False
        return len(names) == len(ends) + 1


def _refused(error: str, status: int = 400) -> Response:
    return JSONResponse({"error": error}, status, HEADERS)
