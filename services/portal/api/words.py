"""The desk's words in three languages, one catalogue each."""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

from services.portal.domain.formats import language_of

LANGUAGES: Final = ("fi", "sv", "en")
NAMES: Final = {"fi": "Suomi", "sv": "Svenska", "en": "English"}
TAGS: Final = {"fi": "fi", "sv": "sv-FI", "en": "en-FI"}
DEFAULT: Final = "fi"


class Words:
    """The words of one language: `t("live.arrived.other", n=3)`."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.texts = catalogue(language)

    def __call__(self, key: str, **told: Any) -> str:
        return self.texts[key].format(**told)

    def knows(self, key: str) -> bool:
        return key in self.texts


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """Key → text of *language*."""
    path = files("services.portal") / "locales" / f"{language}.json"
    texts: dict[str, str] = json.loads(path.read_text("utf-8"))
    return texts


def chosen(told: str | None, profile: str | None, accepted: str | None) -> str:
    """The language that was chosen, else the reader's own, else the browser's, else Finnish."""
    for one in (told, profile):
        if one in LANGUAGES:
            return one
    return language_of(accepted or "", LANGUAGES, DEFAULT)
