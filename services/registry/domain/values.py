"""What the registry reasons about: what was told, what is known, and what becomes of both."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal
from uuid import UUID, uuid5

from services.registry.domain.freshness import Freshness

EVENTS = (
    "project-added",
    "project-updated",
    "project-withdrawn",
    "forecast-updated",
    "area-updated",
    "delivery-reported",
)
Kind = Literal["project", "forecast", "area", "delivery"]
Code = Literal["taken", "unchanged", "superseded"]

NAMESPACE = UUID("6f0d3c7e-52a1-5b0e-9c44-0b6d6d617373")
"""Under which canonical ids are made; changing it would rename everything that is known."""


@lru_cache(maxsize=8192)  # asked several times for each event
def canonical_id(reporter: str, kind: Kind, external_id: str) -> UUID:
    """The one id of the thing that *reporter* calls *external_id*, the same wherever it is made."""
    return uuid5(NAMESPACE, f"{reporter}|{kind}|{external_id}")


@dataclass(frozen=True, slots=True)
class Reason:
    """
    Why something was refused: where (*pointer*, RFC 6901), which (*code*), and the value.

    *says* fills the sentence of the code, see `texts`.
    """

    code: str
    pointer: str = ""
    value: Any = None
    says: Mapping[str, Any] = field(default_factory=dict)


def pointer_to(*names: str | int) -> str:
    """The pointer (RFC 6901) to a member, its names made safe to carry."""
    told = (str(name).replace("~", "~0").replace("/", "~1")[:100] for name in names)
    return "".join("/" + "".join(c if c.isprintable() else "\ufffd" for c in each) for each in told)


def field_of(pointer: str) -> str:
    """How a pointer is named in a sentence: its path without the leading slash."""
    if pointer.endswith("/"):  # a field without a name, at the end of its path
        pointer += "«»"
    return pointer.removeprefix("/").replace("~1", "/").replace("~0", "~")


@dataclass(frozen=True, slots=True)
class Organisation:
    """Who may knock: its token, its region, and whether it is active."""

    token: str
    region: str
    active: bool = True


@dataclass(frozen=True, slots=True)
class Thing:
    """
    A project, forecast, area or delivery as it is known.

    *told* is what the reporter said, *state* what is announced of it: whole and ready for JSON,
    without the revision. *told_at* is the time the reporter gave the news. *anchor* is the window
    that a forecast's project had when the forecast was told; *fresh* is when it was confirmed;
    *duplicate_of* is the forecast that counts for it.
    """

    id: UUID
    kind: Kind
    organisation: str
    reporter: str
    external_id: str
    external_revision: int | None
    told_at: datetime | None
    region: str
    revision: int
    told: Mapping[str, Any]
    state: Mapping[str, Any]
    project_id: UUID | None = None
    withdrawn: bool = False
    anchor: Mapping[str, str] | None = None
    fresh: Freshness | None = None
    duplicate_of: UUID | None = None


@dataclass(frozen=True, slots=True)
class Telling:
    """A revision to announce: *event* is its name, *thing* how it then was."""

    event: str
    thing: Thing


@dataclass(frozen=True, slots=True)
class Accepted:
    """The verdict on news that stands; *thing* is what it was about."""

    code: Code
    thing: Thing


@dataclass(frozen=True, slots=True)
class Rejected:
    """The verdict on news that cannot stand, with every reason that could be found."""

    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Waits:
    """No verdict yet: the news speaks of *missing*, which is not known; *reason* if it stays so."""

    missing: UUID
    reason: Reason


Verdict = Accepted | Rejected | Waits
