"""The world beyond: the key files that provision writes, the OIDC provider, tables handed in."""

import asyncio
import hmac
import json
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey

from shared.access import NotKnown, digest, read_key, why_refused
from shared.client.said import say
from shared.client.slices import problem

ALGORITHMS = ("RS256", "ES256", "EdDSA")
KEYS_LIFE_S = 600.0
LEAST_PAUSE_S = 5.0
LEEWAY_S = 30
_LONGEST_LINE = 16 << 20  # bytes; a slice of events
_BEAT_S = 5.0


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
            raise NotKnown("not_known/token_refused", why=why_refused(error)) from error
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
                raise NotKnown("not_known/provider_differs", issuer=about.get("issuer"))
            async with session.get(about["jwks_uri"]) as answer:
                return KeySet.import_key_set(await answer.json(content_type=None))


@dataclass(frozen=True, slots=True)
class TableReader:
    """
    Reads a table that somebody handed in, in a process of its own: at most *memory_mb* and
    *seconds*, *most_rows* rows; whatever it does, the service goes on.
    """

    memory_mb: int
    seconds: float
    most_rows: int

    async def read(
        self, name: str, content: bytes, own_mapping: str | None, order: dict[str, Any]
    ) -> AsyncIterator[dict[str, Any]]:
        """
        The lines of `shared.client.slices`, `reading` while the next is waited for, and a `problem`
        when it does not come to an end.
        """
        with tempfile.TemporaryDirectory(prefix="massakoppi-import-") as folder:
            file = Path(folder) / f"table{Path(name).suffix[:8]}"
            file.write_bytes(content)
            told = {**order, "memory_mb": self.memory_mb, "most_rows": self.most_rows}
            if own_mapping is not None:
                mapping = Path(folder) / "mapping.yaml"
                mapping.write_text(own_mapping, "utf-8")
                told["mapping"] = str(mapping)
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "shared.client.slices", str(file),
                stdin=PIPE, stdout=PIPE, stderr=DEVNULL, limit=_LONGEST_LINE,
            )  # fmt: skip
            try:
                async for line in self._lines(process, json.dumps(told).encode()):
                    yield line
            finally:
                if process.returncode is None:
                    process.kill()
                await process.wait()

    async def _lines(self, process: Process, order: bytes) -> AsyncIterator[dict[str, Any]]:
        assert process.stdin is not None
        assert process.stdout is not None
        until = time.monotonic() + self.seconds
        process.stdin.write(order)
        process.stdin.close()
        ended = False
        while True:
            left = until - time.monotonic()
            if left <= 0:
                yield {
                    "problem": problem("table_too_slow", say("table_slow", seconds=self.seconds))
                }
                return
            try:
                line = await asyncio.wait_for(process.stdout.readline(), min(left, _BEAT_S))
            except TimeoutError:
                yield {"reading": True}
                continue
            if not line:
                break
            told = json.loads(line)
            ended = ended or "end" in told or "problem" in told
            yield told
        if not ended:
            why = say("table_memory_or_broken", memory_mb=self.memory_mb)
            yield {"problem": problem("table_too_large", why)}
