"""The kinds of value that a field may hold, read from a cell or checked in a mapping."""

from collections.abc import Callable
from datetime import date
from difflib import get_close_matches
from math import isfinite
from typing import Any, Final
from unicodedata import normalize
from zoneinfo import ZoneInfo

from shared.client.cells import BadCell, Cell, Form, date_in, folded, number_in
from shared.client.said import say
from shared.vocabulary import enumerations
from shared.vocabulary.identifiers import is_token
from shared.vocabulary.materials import material
from shared.vocabulary.units import UNITS, BadUnit, si

Kind = str
"""`text`, `number`, `date`, `flag`, `material`, `unit`, `measure`, `token` or an enumeration."""

_FLAGS: Final = {
    **dict.fromkeys(("true", "yes", "1", "kyllä", "ja"), True),
    **dict.fromkeys(("false", "no", "0", "ei", "nej"), False),
}
_QUALITY: Final = "quality"


def read_as(kind: Kind, written: str, form: Form) -> Any:
    """*written* as a value of *kind*; raises `BadCell` or another `ValueError` with a remedy."""
    if kind == "text":
        return normalize("NFC", written)
    held = written.value if isinstance(written, Cell) else None
    if kind == "number":
        if not isinstance(held, float):
            return number_in(written, form.decimal)
        if not isfinite(held):
            raise BadCell(value=written, wanted=say("wanted_number"), remedy=say("cell_number"))
        return held
    if kind == "date":
        if isinstance(held, float) and "milliseconds" not in form.dates:
            remedy = say("cell_day_format")
            raise BadCell(value=written, wanted=say("wanted_date"), remedy=remedy)
        if isinstance(held, date):
            return held
        return date_in(written, form.dates, ZoneInfo(form.time_zone))
    return checked(kind, _FLAGS.get(folded(written), written) if kind == "flag" else written)


def checked(kind: Kind, value: Any) -> Any:
    """*value* when it is one of *kind*, with its capitals as we write them; else `ValueError`."""
    if kind == "text":
        return str(value)
    if kind in _CHECKS:
        _CHECKS[kind](value)
        return value
    known = _codes(kind)
    found = known.get(folded(str(value)))
    if found is None:
        close = get_close_matches(folded(str(value)), known, n=1)
        hint = (
            say("cell_close", close=known[close[0]])
            if close
            else say("cell_known", known=", ".join(known.values()))
        )
        raise BadCell(value=value, wanted=say("wanted_code", kind=kind), remedy=hint)
    return found


def _codes(kind: Kind) -> dict[str, str]:
    if kind == _QUALITY:
        names = ("suitability_class", "suitability_tier")
        known = (*(code for name in names for code in enumerations.codes(name)), "any")
    else:
        known = enumerations.codes(kind)
    return {folded(code): code for code in known}


def _number(value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadCell(value=value, wanted=say("wanted_number"), remedy=say("cell_unquoted"))


def _flag(value: Any) -> None:
    if not isinstance(value, bool):
        raise BadCell(value=value, wanted=say("wanted_flag"), remedy=say("cell_flag"))


def _date(value: Any) -> None:
    if not isinstance(value, date):
        raise BadCell(value=value, wanted=say("wanted_date"), remedy=say("cell_date"))


def _unit(value: Any) -> None:
    if value not in UNITS:
        raise BadUnit(value=value, remedy=f"Use one of: {', '.join(UNITS)}.")


def _token(value: Any) -> None:
    if not is_token(str(value)):
        raise BadCell(value=value, wanted=say("wanted_token"), remedy=say("cell_token"))


_CHECKS: Final[dict[str, Callable[[Any], object]]] = {
    "number": _number,
    "flag": _flag,
    "date": _date,
    "unit": _unit,
    "measure": lambda value: si(0, str(value)),
    "token": _token,
    "material": lambda value: material(str(value)),
}
