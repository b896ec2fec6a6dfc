"""Who is asking: the registry's signed token, read by everyone, asked of nobody."""

import asyncio
import hashlib
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import aiohttp
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from shared.problems import sentence
from shared.vocabulary.errors import Coded

ISSUER = "massakoppi-registry"
TOKEN_LIFE_S = 300
Kind = Literal["person", "organisation", "service", "operator"]


class NotKnown(Coded):
    """No token, or none that the registry signed and that is still valid."""

    def __str__(self) -> str:
        return sentence(self, "en")


class NotAllowed(Coded):
    """The asker may not do this."""


@dataclass(frozen=True)
class Asker:
    """
    Who asks: a person, an organisation's key, a service or the operator.

    *organisations*: token → roles there. *regions*: those it coordinates.
    """

    subject: str
    kind: Kind
    organisations: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    regions: tuple[str, ...] = ()
    session: int = 0
    language: str = "fi"

    @property
    def is_operator(self) -> bool:
        return self.kind == "operator"

    @property
    def sees_all(self) -> bool:
        """The operator and the platform's own services."""
        return self.kind in ("operator", "service")

    def coordinates(self, region: str) -> bool:
        return self.is_operator or region in self.regions

    def acts_for(self, organisation: str) -> bool:
        """May see what is *organisation*'s."""
        return self.is_operator or organisation in self.organisations

    def speaks_for(self, organisation: str) -> bool:
        """May decide and tell as *organisation*: a person who only reads there may not."""
        return self.is_operator or any(
            role != "reader" for role in self.organisations.get(organisation, ())
        )


def new_key() -> str:
    """A key to be shown once: 256 random bits."""
    return f"mk_{secrets.token_urlsafe(32)}"


def digest(key: str) -> str:
    """What is kept of a key. It has 256 random bits, so a plain digest cannot be guessed back."""
    return hashlib.sha256(key.encode()).hexdigest()


def new_signing_key() -> OKPKey:
    """An Ed25519 key for the registry."""
    return OKPKey.generate_key("Ed25519", {"use": "sig"}, auto_kid=True)


def read_key(path: Path) -> OKPKey:
    """The key in the JWK file at *path*, private or public."""
    return OKPKey.import_key(json.loads(path.read_text()))


def sign(asker: Asker, key: OKPKey, *, life_s: int = TOKEN_LIFE_S) -> str:
    """A token for *asker*, valid for *life_s* seconds."""
    issued = int(time.time())
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "sub": asker.subject,
        "kind": asker.kind,
        "orgs": {token: list(roles) for token, roles in asker.organisations.items()},
        "regions": list(asker.regions),
        "session": asker.session,
        "lang": asker.language,
        "iat": issued,
        "exp": issued + life_s,
    }
    return jwt.encode({"alg": "Ed25519"}, claims, key, algorithms=["Ed25519"])


def asker_of(token: str, key: OKPKey) -> Asker:
    """Who *token* is about; raises `NotKnown` when the registry did not sign it or it lapsed."""
    try:
        claims = jwt.decode(token, key, algorithms=["Ed25519"]).claims
        jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": ISSUER}, exp={"essential": True}
        ).validate(claims)
    except (JoseError, ValueError) as error:
        raise NotKnown("not_known/token_refused", why=why_refused(error)) from error
    return Asker(
        claims["sub"],
        claims["kind"],
        {token: tuple(roles) for token, roles in claims["orgs"].items()},
        tuple(claims["regions"]),
        claims["session"],
        claims["lang"],
    )


def why_refused(error: Exception) -> str:
    """In a word, what is wrong with a token: what it says itself is never told on."""
    return error.error if isinstance(error, JoseError) else "unreadable"


class TokenSource:
    """
    Keeps a token for one *key*, and renews it a minute before it lapses.

    Raises `NotKnown` when the registry refuses the key; `aiohttp.ClientError` when it is away and
    the last token has lapsed.
    """

    def __init__(self, registry_url: str, key: str) -> None:
        self.url = f"{registry_url.rstrip('/')}/tokens"
        self.key = key
        self._token = ""
        self._until = 0.0
        self._lock = asyncio.Lock()

    async def token(self) -> str:
        async with self._lock:
            if time.time() > self._until - 60:
                await self._renew()
            return self._token

    async def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {await self.token()}"}

    async def _renew(self) -> None:
        try:
            timeout = aiohttp.ClientTimeout(total=5)
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.post(self.url, json={"key": self.key}) as answer,
            ):
                if answer.status in (401, 403):
                    raise NotKnown("not_known/key_refused", address=self.url)
                answer.raise_for_status()
                told = await answer.json()
        except (aiohttp.ClientError, TimeoutError):
            if time.time() < self._until:
                return
            raise
        self._token = told["token"]
        self._until = time.time() + told["expires_in"]
