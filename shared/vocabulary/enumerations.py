"""The codes that events and forms may carry, and their names in Finnish, Swedish and English."""

from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar

from shared.vocabulary.errors import Refused
from shared.vocabulary.tables import table


class UnknownEnumeration(Refused):
    """There is no enumeration {value!r}. {remedy}"""

    code: ClassVar[str] = "enumeration_unknown"


def codes(name: str) -> tuple[str, ...]:
    """Every code of the enumeration *name*, in its order; `UnknownEnumeration` if there is none."""
    return tuple(_rows(name))


def names(name: str, code: str, lang: str) -> str:
    """
    What *code* of the enumeration *name* is called in *lang* (fi, sv, en).

    A code or language not known here, and a class that has no other name, is shown as the code.
    """
    row = entry(name, code)
    return code if row is None else str(row.get("names", {}).get(lang, code))


def known(name: str, code: str) -> bool:
    """Whether *code* belongs to the enumeration *name*."""
    return code in _rows(name)


def rank(name: str, code: str) -> int | None:
    """The place of *code* in an ordered enumeration; None when it has none or is not known."""
    row = entry(name, code)
    return None if row is None else row.get("rank")


def entry(name: str, code: str) -> Mapping[str, Any] | None:
    """The whole row of *code*: id, names, and rank, tier or range where it has one."""
    return _rows(name).get(code)


@cache
def _rows(name: str) -> Mapping[str, Mapping[str, Any]]:
    every = table("enumerations")["enumerations"]
    if name not in every:
        raise UnknownEnumeration(value=name, remedy=f"Use one of: {', '.join(every)}.")
    return {row["id"]: row for row in every[name]}
