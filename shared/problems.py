"""What each problem says in English, Finnish and Swedish, by its stable code."""

import json
from collections.abc import Mapping
from contextvars import ContextVar
from functools import cache
from importlib.resources import files
from typing import Any, Final
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Receive, Scope, Send

LANGUAGES: Final = ("en", "fi", "sv")
_ASKED: ContextVar[str] = ContextVar("language asked for", default="en")


@cache
def problem_texts() -> Mapping[str, Mapping[str, str]]:
    """Code → language → sentence. Of `field_…`, those that have words of their own."""
    found: dict[str, dict[str, str]] = json.loads(
        (files("shared") / "problems.json").read_text("utf-8")
    )
    return found


def said(code: str, detail: str, **values: Any) -> str:
    """
    The sentence of *code* in the language that this request asks for.

    In English that is *detail*, which names the value; in the others what is kept of the code.
    """
    language = _ASKED.get()
    if language == "en":
        return detail
    texts = problem_texts()
    kept = texts.get(code) or (texts["field_invalid"] if code.startswith("field_") else None)
    return kept[language].format_map(_Blanks(values)) if kept else detail


class _Blanks(dict[str, Any]):
    def __missing__(self, name: str) -> str:
        return "…"


def language_of(accepted: str, named: str = "") -> str:
    """The language *named*, else the one of `Accept-Language` that is liked best; else English."""
    if named in LANGUAGES:
        return named
    liked = []
    for place, each in enumerate(accepted.split(",")[:20]):
        tag, _, weight = each.partition(";")
        language = tag.strip().lower().partition("-")[0]
        if language in LANGUAGES and (how := _weight(weight)) > 0:
            liked.append((-how, place, language))
    return min(liked)[2] if liked else "en"


def _weight(written: str) -> float:
    name, _, value = written.partition("=")
    try:
        return float(value) if name.strip() == "q" else 1.0
    except ValueError:
        return 0.0


class Spoken:
    """Wraps an application: its problems speak the language that each request asks for."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """By `language` of the query, else by `Accept-Language`."""
        if scope["type"] == "http":
            asked = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("language", [""])
            accepted = dict(scope["headers"]).get(b"accept-language", b"").decode("latin-1")
            _ASKED.set(language_of(accepted, asked[0]))
        await self.app(scope, receive, send)
