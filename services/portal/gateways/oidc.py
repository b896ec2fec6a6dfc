"""Who somebody is: the OIDC provider, asked by authorization code with PKCE."""

import base64
import hashlib
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import aiohttp
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]  # never `none`, never a shared secret
LEEWAY_S = 60
KEYS_KEPT_S = 3600.0
KEYS_PAUSE_S = 10.0


class ProviderAway(Exception):
    """The OIDC provider does not answer."""


class BadSignIn(Exception):
    """The provider's answer does not prove who this is."""


@dataclass(frozen=True)
class Identity:
    """What the provider says: a checked *id_token*, whose it is, and until when."""

    subject: str
    name: str
    id_token: str
    refresh_token: str | None
    until: int


def challenge_of(verifier: str) -> str:
    """The PKCE challenge of *verifier* by S256 (RFC 7636)."""
    hashed = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(hashed).rstrip(b"=").decode()


class Oidc:
    """One provider, by its discovery document; raises `ProviderAway` and `BadSignIn`."""

    def __init__(
        self, issuer: str, client_id: str, client_secret: str, session: aiohttp.ClientSession
    ) -> None:
        self.issuer = issuer.rstrip("/")
        self.client_id = client_id
        self.client_secret = client_secret
        self.session = session
        self.timeout = aiohttp.ClientTimeout(total=5)
        self._about: Mapping[str, Any] | None = None
        self._keys: KeySet | None = None
        self._keys_at = 0.0

    async def begin(self, redirect_uri: str, *, state: str, nonce: str, verifier: str) -> str:
        """Where to send the browser."""
        about = await self._discovered()
        asked = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": redirect_uri,
            "scope": "openid profile",
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge_of(verifier),
            "code_challenge_method": "S256",
        }
        return f"{about['authorization_endpoint']}?{urlencode(asked)}"

    async def redeem(self, code: str, redirect_uri: str, *, nonce: str, verifier: str) -> Identity:
        """Who *code* stands for."""
        told = await self._tokens(
            {
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": redirect_uri,
                "code_verifier": verifier,
            }
        )
        return await self.identity(told, nonce=nonce)

    async def renew(self, refresh_token: str, subject: str) -> Identity:
        """A fresh identity of *subject* for *refresh_token*."""
        told = await self._tokens({"grant_type": "refresh_token", "refresh_token": refresh_token})
        identity = await self.identity({"refresh_token": refresh_token, **told}, nonce=None)
        if identity.subject != subject:
            raise BadSignIn("the renewed id_token is about somebody else")
        return identity

    async def identity(self, told: Mapping[str, Any], *, nonce: str | None) -> Identity:
        """The identity in a token answer, its id_token checked in every respect."""
        id_token = told.get("id_token")
        if not isinstance(id_token, str):
            raise BadSignIn("the answer holds no id_token")
        claims = await self._claims(id_token)
        self._check(claims, nonce)
        name = claims.get("name") or claims.get("preferred_username") or claims["sub"]
        refresh = told.get("refresh_token")
        return Identity(
            str(claims["sub"]),
            str(name)[:120],
            id_token,
            str(refresh) if refresh else None,
            int(claims["exp"]),
        )

    def _check(self, claims: Mapping[str, Any], nonce: str | None) -> None:
        try:
            jwt.JWTClaimsRegistry(
                leeway=LEEWAY_S,
                iss={"essential": True, "value": self.issuer},
                aud={"essential": True, "value": self.client_id},
                sub={"essential": True},
                exp={"essential": True},
                iat={"essential": True},
            ).validate(dict(claims))
        except (JoseError, ValueError, TypeError) as error:
            raise BadSignIn(f"id_token refused: {error}") from error
        audience = claims["aud"]
        several = isinstance(audience, list) and len(audience) > 1
        if (several or "azp" in claims) and claims.get("azp") != self.client_id:
            raise BadSignIn("the id_token was made for another party")
        told = str(claims.get("nonce", ""))
        if nonce is not None and not secrets.compare_digest(told.encode(), nonce.encode()):
            raise BadSignIn("the id_token answers another sign-in (nonce)")

    async def _claims(self, id_token: str) -> dict[str, Any]:
        for fresh in (False, True):  # a key may have been rotated since we looked
            keys = await self._signing_keys(fresh=fresh)
            try:
                return dict(jwt.decode(id_token, keys, algorithms=ALGORITHMS).claims)
            except (JoseError, ValueError) as error:
                refused = error
        raise BadSignIn(f"id_token refused: {refused}") from refused

    async def _discovered(self) -> Mapping[str, Any]:
        if self._about is None:
            told = await self._get(f"{self.issuer}/.well-known/openid-configuration")
            if str(told.get("issuer", "")).rstrip("/") != self.issuer:
                raise BadSignIn("the provider names another issuer")
            self._about = told
        return self._about

    async def _signing_keys(self, *, fresh: bool) -> KeySet:
        age = time.monotonic() - self._keys_at
        stale = age > (KEYS_PAUSE_S if fresh else KEYS_KEPT_S)
        if self._keys is None or stale:
            about = await self._discovered()
            told = await self._get(str(about["jwks_uri"]))
            self._keys = KeySet.import_key_set(told)  # type: ignore[arg-type]
            self._keys_at = time.monotonic()
        return self._keys

    async def _get(self, url: str) -> dict[str, Any]:
        try:
            async with self.session.get(url, timeout=self.timeout, allow_redirects=False) as answer:
                answer.raise_for_status()
                told: dict[str, Any] = await answer.json(content_type=None)
                return told
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise ProviderAway(repr(error)) from error

    async def _tokens(self, form: Mapping[str, str]) -> dict[str, Any]:
        about = await self._discovered()
        told = {**form, "client_id": self.client_id, "client_secret": self.client_secret}
        try:
            async with self.session.post(
                str(about["token_endpoint"]), data=told, timeout=self.timeout,
                allow_redirects=False,
            ) as answer:  # fmt: skip
                if answer.status in (400, 401, 403):
                    raise BadSignIn(f"the provider refused: status {answer.status}")
                answer.raise_for_status()
                tokens: dict[str, Any] = await answer.json(content_type=None)
                return tokens
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise ProviderAway(repr(error)) from error
