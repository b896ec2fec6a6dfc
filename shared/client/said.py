"""Sentences about a whole file, in English with the same in Finnish and Swedish beside them."""

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from inspect import cleandoc
from typing import Any, Final

import yaml

from shared.vocabulary.errors import Refused

OTHERS: Final = ("fi", "sv")
"""The languages that stand beside the English of a sentence."""


class Said(str):
    """A sentence in English; *others* has it in the other languages."""

    __slots__ = ("others",)
    others: Mapping[str, str]

    def __new__(cls, english: str, others: Mapping[str, str]) -> "Said":
        made = super().__new__(cls, english)
        made.others = others
        return made


def say(key: str, /, **told: Any) -> Said:
    """The sentence *key* of `texts.yaml`, filled in; what is filled in may be `Said` too."""
    texts = sentences()[key]
    return Said(
        texts["en"].format(**told),
        {each: texts[each].format(**_in(told, each)) for each in OTHERS},
    )


def say_all(faults: Iterable[str]) -> Said:
    """All of *faults* in one sentence."""
    every = list(faults)
    joined = {each: "; ".join(spoken(one, each) for one in every) + "." for each in OTHERS}
    return Said("; ".join(every) + ".", joined)


def said(error: Exception) -> Said:
    """What *error* says, in every language that it is known in; else in English only."""
    if not isinstance(error, Refused):
        first = error.args[0] if error.args else ""
        return first if isinstance(first, Said) else Said(str(error), {})
    texts = sentences()["errors"].get(error.code)
    own = cleandoc(type(error).__doc__ or "") if texts else ""
    if texts is None or own == cleandoc(Refused.__doc__ or ""):
        return Said(str(error), {})
    others = {each: texts[each].format(**_in(error.told, each)) for each in OTHERS}
    return Said(str(error), others)


def spoken(text: str, language: str) -> str:
    """*text* in *language* (fi, sv, en); in English where it is known in no other."""
    others = text.others if isinstance(text, Said) else {}
    return others.get(language, str(text))


def in_each(text: str) -> dict[str, str]:
    """*text* by language, to be kept until it is known who reads it."""
    return {each: spoken(text, each) for each in ("en", *OTHERS)}


@cache
def sentences() -> Mapping[str, Mapping[str, Any]]:
    """Every sentence by its key and language; under `errors` those of refusals by their code."""
    text = files(__package__).joinpath("texts.yaml").read_text("utf-8")
    found: dict[str, dict[str, Any]] = yaml.safe_load(text)
    return found


def _in(told: Mapping[str, Any], language: str) -> dict[str, Any]:
    return {
        name: spoken(value, language) if isinstance(value, Said) else value
        for name, value in told.items()
    }
