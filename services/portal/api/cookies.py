"""Sealed cookies: encrypted and authenticated, so the browser keeps what the portal does not."""

import hashlib
import json
import time
from pathlib import Path
from typing import Any

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

SHORTEST = 32
LARGEST = 4000  # bytes; browsers take 4096 with name and attributes
SESSION = "massakoppi_session"
SIGN_IN = "massakoppi_signin"
LANGUAGE = "massakoppi_language"


class TooLong(Exception):
    """What should be sealed does not fit a cookie."""


class Seal:
    """
    Seals and opens cookie values with one 256-bit key (JWE, `dir` and A256GCM).

    The *purpose* is authenticated: a cookie sealed for one purpose does not open for another.
    """

    def __init__(self, key: OctKey) -> None:
        self.key = key

    @classmethod
    def from_file(cls, path: Path | None) -> "Seal":
        """With the secret in the file at *path*; without one, a key that dies with the process."""
        if path is None:
            return cls(OctKey.generate_key(256))
        secret = path.read_text().strip()
        if len(secret) < SHORTEST:
            raise ValueError(f"{path.name} holds {len(secret)} signs: put {SHORTEST} random ones")
        return cls(OctKey.import_key(hashlib.sha256(secret.encode()).digest()))

    def close(self, told: dict[str, Any], purpose: str, life_s: int) -> str:
        """*told* as a cookie value that opens for *life_s* seconds; raises `TooLong`."""
        header = {"alg": "dir", "enc": "A256GCM", "typ": purpose}
        plain = json.dumps({**told, "_until": int(time.time()) + life_s}, separators=(",", ":"))
        value = jwe.encrypt_compact(header, plain, self.key, algorithms=["dir", "A256GCM"])
        if len(value) > LARGEST:
            raise TooLong(f"{len(value)} bytes for a cookie of at most {LARGEST}")
        return value

    def open(self, value: str | None, purpose: str) -> dict[str, Any] | None:
        """What was sealed for *purpose*; None when it was not, not by us, or has lapsed."""
        if not value or len(value) > LARGEST:
            return None
        try:
            opened = jwe.decrypt_compact(value, self.key, algorithms=["dir", "A256GCM"])
            told: dict[str, Any] = json.loads(opened.plaintext or b"null")
        except (JoseError, ValueError):
            return None
        if opened.protected.get("typ") != purpose or told.pop("_until", 0) < time.time():
            return None
        return told
