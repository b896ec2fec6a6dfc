"""Styles, script and icon, each under the hash of its content."""

import hashlib
from functools import cache
from importlib.resources import files

KINDS = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
         ".svg": "image/svg+xml"}  # fmt: skip


@cache
def held() -> dict[str, tuple[str, bytes, str]]:
    """Name → hash, content and kind of every static file."""
    found = {}
    for one in (files("services.portal") / "static").iterdir():
        suffix = "." + one.name.rpartition(".")[2]
        if suffix in KINDS:
            content = one.read_bytes()
            found[one.name] = (hashlib.sha256(content).hexdigest()[:12], content, KINDS[suffix])
    return found


def static_url(name: str) -> str:
    """The address of the static file *name*, with its hash."""
    return f"/static/{held()[name][0]}/{name}"
