"""Identifiers that others give, and the words that name an organisation here."""

import re
from typing import ClassVar, Final

from shared.vocabulary.errors import Refused
from shared.vocabulary.tables import table

_FI: Final = re.compile(r"(?:FI)?(\d{7})-?(\d)", re.ASCII | re.IGNORECASE)
_FI_OLD: Final = re.compile(r"(\d{6})-(\d)", re.ASCII)
_OTHER: Final = re.compile(r"[A-Z0-9][A-Z0-9 ./-]{1,31}", re.ASCII)
_TOKEN: Final = re.compile(r"[a-z0-9-]{2,32}", re.ASCII)
_WEIGHTS: Final[tuple[int, ...]] = tuple(table("identifiers")["y_tunnus"]["weights"])
_MODULUS: Final = 11


class BadBusinessId(Refused):
    """{value!r} is not a valid business id. {remedy}"""

    code: ClassVar[str] = "business_id_invalid"


def check_business_id(value: str, scheme: str = "fi") -> str:
    """
    The business id in the form it is kept.

    Scheme `fi`: seven digits, hyphen, check digit; accepted also without the hyphen, in the VAT
    form FI13669598, and in the old form of six digits, which is padded. Scheme `other`: 2 to 32
    letters, digits, spaces, dots, slashes or hyphens, in capitals; nothing is computed.
    Raises `BadBusinessId`.
    """
    if scheme == "fi":
        return _finnish(value)
    if scheme == "other":
        written = " ".join(value.split()).upper()
        if _OTHER.fullmatch(written):
            return written
        raise BadBusinessId(case="other", value=value, remedy="Use 2 to 32 letters and digits.")
    remedy = f"The scheme {scheme!r} is not known: fi or other."
    raise BadBusinessId(case="scheme", value=value, remedy=remedy)


def is_token(value: str) -> bool:
    """Whether *value* may name an organisation: 2 to 32 of a-z, 0-9 and hyphen."""
    return _TOKEN.fullmatch(value) is not None


def _finnish(value: str) -> str:
    written = value.strip()
    found = _FI.fullmatch(written) or _FI_OLD.fullmatch(written)
    if found is None:
        raise BadBusinessId(
            case="form",
            value=value,
            remedy="Write seven digits, a hyphen and the check digit: 1366959-8.",
        )
    digits, check = found[1].zfill(len(_WEIGHTS)), found[2]
    expected = _check_digit(digits)
    if expected is None:
        raise BadBusinessId(
            case="unissued", value=value, remedy="This number has never been issued."
        )
    if check != expected:
        remedy = "The check digit does not fit: look for a typo."
        raise BadBusinessId(case="check_digit", value=value, remedy=remedy)
    return f"{digits}-{check}"


def _check_digit(digits: str) -> str | None:
    total = sum(int(digit) * weight for digit, weight in zip(digits, _WEIGHTS, strict=True))
    rest = total % _MODULUS
    if rest == 1:
        return None
    return str((_MODULUS - rest) % _MODULUS)
