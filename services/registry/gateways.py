"""The world beyond: the key files that provision writes, and the OIDC provider."""

import asyncio
import hmac
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey

from shared.access import NotKnown, digest, read_key

ALGORITHMS = ("RS256", "ES256", "EdDSA")
KEYS_LIFE_S = 600.0
LEAST_PAUSE_S = 5.0
LEEWAY_S = 30


class KeyFiles:
    """The registry's signing key and the platform's key digests, read anew when they change."""

    def __init__(self, signing: Path | None, platform: Path | None) -> None:
        self._signing = signing
        self._platform = platform
        self._read: dict[Path, tuple[int, Any]] = {}

    def signing_key(self) -> OKPKey:
        """The private key that signs tokens; raises `FileNotFoundError` when there is none."""
        if self._signing is None:
            raise FileNotFoundError("registry_signing_key_file is not set; run provision")
        key: OKPKey = self._at(self._signing, read_key)
        return key

    def platform_name(self, key: str) -> str | None:
        """Whose *key* this is: `operator` or a service's name; None for nobody's."""
        if self._platform is None:
            return None
        told: dict[str, str] = self._at(self._platform, _digests)
        wanted = digest(key)
        found = None
        for name, kept in told.items():  # all of them, so that time tells nothing
            if hmac.compare_digest(kept, wanted):
                found = name
        return found

    def _at(self, path: Path, read: Any) -> Any:
        changed = path.stat().st_mtime_ns
        known = self._read.get(path)
        if known is None or known[0] != changed:
            known = self._read[path] = (changed, read(path))
        return known[1]


def _digests(path: Path) -> dict[str, str]:
    return {str(name): str(kept) for name, kept in json.loads(path.read_text()).items()}


@dataclass(frozen=True, slots=True)
class Identity:
    """Who signed in, as the provider says: its *subject*, and an *email* only if verified."""

    subject: str
    email: str | None


class Provider:
    """One OIDC provider: its public keys are fetched when first needed and kept ten minutes."""

    def __init__(self, issuer: str, audience: str) -> None:
        self.issuer = issuer
        self.audience = audience
        self._keys: KeySet | None = None
        self._fetched = -KEYS_LIFE_S
        self._lock = asyncio.Lock()

    async def identity(self, id_token: str) -> Identity:
        """
        Who *id_token* is about. Raises `NotKnown` unless the provider signed it, by an algorithm of
        the list, for us, and it has not lapsed; `aiohttp.ClientError` when the provider is away.
        """
        try:
            claims = await self._claims(id_token)
        except (JoseError, ValueError, TypeError) as error:
            raise NotKnown(f"id_token refused: {error}") from error
        email = claims.get("email") if claims.get("email_verified") is True else None
        return Identity(str(claims["sub"]), email if isinstance(email, str) else None)

    async def _claims(self, id_token: str) -> dict[str, Any]:
        try:
            token = jwt.decode(id_token, await self._key_set(), algorithms=list(ALGORITHMS))
        except (JoseError, ValueError):
            # the provider may have turned to new keys: look once more, but not at every forgery
            if time.monotonic() - self._fetched < LEAST_PAUSE_S:
                raise
            token = jwt.decode(
                id_token, await self._key_set(anew=True), algorithms=list(ALGORITHMS)
            )
        rules = jwt.JWTClaimsRegistry(
            leeway=LEEWAY_S,
            iss={"essential": True, "value": self.issuer},
            aud={"essential": True, "value": self.audience},
            exp={"essential": True},
            sub={"essential": True},
        )
        rules.validate(token.claims)
        return dict(token.claims)

    async def _key_set(self, *, anew: bool = False) -> KeySet:
        async with self._lock:
            age_s = time.monotonic() - self._fetched
            if self._keys is None or age_s > KEYS_LIFE_S or (anew and age_s > LEAST_PAUSE_S):
                self._keys = await self._fetch()
                self._fetched = time.monotonic()
            return self._keys

    async def _fetch(self) -> KeySet:
        timeout = aiohttp.ClientTimeout(total=5)
        async with aiohttp.ClientSession(timeout=timeout, raise_for_status=True) as session:
            url = f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"
            async with session.get(url) as answer:
                about = await answer.json(content_type=None)
            if about.get("issuer") != self.issuer:
                raise NotKnown(f"the provider calls itself {about.get('issuer')!r}")
            async with session.get(about["jwks_uri"]) as answer:
                return KeySet.import_key_set(await answer.json(content_type=None))
