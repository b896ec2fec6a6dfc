"""What each problem says in English, Finnish and Swedish, by its stable code."""

import json
import warnings
from collections.abc import Mapping
from contextvars import ContextVar
from functools import cache
from importlib.resources import files
from typing import Final
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Receive, Scope, Send

from shared.vocabulary.errors import Coded
from shared.vocabulary.shown import in_words, quoted

LANGUAGES: Final = ("en", "fi", "sv")
_ASKED: ContextVar[str] = ContextVar("language asked for", default="en")


@cache
def problem_texts() -> Mapping[str, Mapping[str, str]]:
    """
    Code, or `code/case`, → language → sentence with blanks for the values that it names.

    Of `field_…`, those that have words of their own.
    """
    found: dict[str, dict[str, str]] = json.loads(
        (files("shared") / "problems.json").read_text("utf-8")
    )
    return found


def problem_codes() -> frozenset[str]:
    """Every stable code of a problem."""
    return frozenset(key for key in problem_texts() if "/" not in key)


def said(told: Coded) -> str:
    """The sentence of *told* in the language that this request asks for."""
    return sentence(told, _ASKED.get())


def sentence(told: Coded, language: str) -> str:
    """
    The sentence of *told* in *language* (en, fi, sv), which names its values shortly and safely.

    A key without a sentence, or a value that is missing, is a warning, which fails a test; who
    asks then gets the sentence of the code, or a blank.
    """
    return _text_of(told.key)[language].format_map(_Values(told, language))


def _text_of(key: str) -> Mapping[str, str]:
    texts, code = problem_texts(), key.partition("/")[0]
    if code.startswith("field_"):
        return texts.get(key) or texts.get(code) or texts["field_invalid"]
    if key not in texts:
        warnings.warn(f"{key} has no sentence in shared/problems.json", stacklevel=4)
    return texts.get(key) or texts.get(code) or texts["http_error"]


class _Values(dict[str, str]):
    """What fills the blanks: `value` in quotes where it is text, as receipts have it."""

    def __init__(self, told: Coded, language: str) -> None:
        super().__init__()
        for name, value in told.values.items():
            if isinstance(value, Coded):
                self[name] = sentence(value, language)
            else:
                self[name] = quoted(value) if name == "value" else in_words(value)
        self.key = told.key

    def __missing__(self, name: str) -> str:
        warnings.warn(f"{self.key} is told without {name}", stacklevel=4)
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
