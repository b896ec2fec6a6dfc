"""A value as a sentence or a receipt may carry it: short, and safe for every reader."""

from typing import Any, Final

LONGEST_SHOWN: Final = 120
LONGEST_LIST: Final = 1000
_JSON: Final = {None: "null", True: "true", False: "false"}


def shown(value: Any) -> Any:
    """*value* as a receipt may carry it: short, and of characters that every reader can keep."""
    if value is None or (isinstance(value, bool | int) and abs(value) < 2**53):
        return value
    if isinstance(value, float) and abs(value) < 1e300:  # NaN and infinity fail this
        return value
    text = value if isinstance(value, str) else _written(value)
    text = "".join(each if _keeps(each) else "\N{REPLACEMENT CHARACTER}" for each in text)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def in_words(value: Any) -> str:
    """*value* within a sentence; entries of a list one after another, a dash for none."""
    if isinstance(value, list | tuple):
        text = ", ".join(str(_as_json(shown(each))) for each in value[:LONGEST_LIST]) or "–"
        return text if len(text) <= LONGEST_LIST else f"{text[:LONGEST_LIST]}…"
    return str(_as_json(shown(value)))


def quoted(value: Any) -> str:
    """*value* within a sentence, in quotes where it is text."""
    told = shown(value)
    return f"«{told}»" if isinstance(told, str) else str(_as_json(told))


def _as_json(value: Any) -> Any:
    return _JSON[value] if value is None or isinstance(value, bool) else value


def _written(value: Any) -> str:
    if isinstance(value, dict):
        return "{…}"
    if isinstance(value, list | tuple):
        return "[…]"
    try:
        return str(value)
    except ValueError:  # an integer of more digits than Python writes
        return "a number of thousands of digits"


def _keeps(character: str) -> bool:
    return character.isprintable() or character == " "
