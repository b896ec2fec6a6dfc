"""An event on its way to the door, and what reading a file gives beside it."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from shared.contracts.base import now
from shared.contracts.intake import Handed

PROJECT_NAMES = ("project-added", "project-updated", "area-updated")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """
    One event as *organisation* hands it in; *row* is where it stands in its file.

    *source* and *id* name it for ever: sent again, it gets the receipt it got.
    """

    organisation: str
    event: Handed
    source: str
    id: str
    row: int | None = None
    at: datetime = field(default_factory=now)

    @property
    def name(self) -> str:
        return self.event.event_name()

    @property
    def key(self) -> tuple[str, str]:
        return self.source, self.id

    @property
    def project(self) -> str | None:
        """The external id of the project this needs; None when it needs none."""
        return getattr(self.event, "project", None)


@dataclass(frozen=True, slots=True)
class RowError:
    """
    Why a row was not handed in: its number, the column and value, a stable code, the remedy.

    *cell* is where it stands, as a spreadsheet says it: `Taul1!C17`, or `C17`.
    """

    row: int
    column: str
    value: str
    code: str
    text: str
    cell: str = ""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row left out on purpose, and why."""

    row: int
    reason: str


@dataclass(frozen=True, slots=True)
class Note:
    """Something to know about a row that was handed in, or about the file (row 0)."""

    row: int
    code: str
    text: str


Item = Outgoing | RowError | Skipped | Note


@dataclass(slots=True)
class Prepared:
    """
    All that a file gave: *counts* says how many events of each name, *events* are those kept.
    """

    events: list[Outgoing] = field(default_factory=list)
    errors: list[RowError] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(init=False)
    organisations: set[str] = field(init=False)

    def __post_init__(self) -> None:
        self.counts = Counter(event.name for event in self.events)
        self.organisations = {event.organisation for event in self.events}

    @property
    def rejected_rows(self) -> int:
        """How many rows have an error, or several."""
        return len({error.row for error in self.errors})

    def add(self, other: "Prepared") -> None:
        """Take in what *other* found, without its events."""
        self.errors += other.errors
        self.notes += other.notes
        self.skipped += other.skipped
        self.counts += other.counts
        self.organisations |= other.organisations

    def by_organisation(self) -> dict[str, list[Outgoing]]:
        """The events of each organisation, in their order."""
        found: dict[str, list[Outgoing]] = {}
        for event in self.events:
            found.setdefault(event.organisation, []).append(event)
        return found


def prepare(items: Iterable[Item], *, keep: bool = True) -> Prepared:
    """Read *items* to their end, and sort them; without *keep* events are counted only."""
    prepared = Prepared()
    for item in items:
        match item:
            case Outgoing():
                prepared.counts[item.name] += 1
                prepared.organisations.add(item.organisation)
                if keep:
                    prepared.events.append(item)
            case RowError():
                prepared.errors.append(item)
            case Skipped():
                prepared.skipped[item.reason] += 1
            case Note():
                prepared.notes.append(item)
    return prepared


def event_id(edition: str, event: Handed, line: int | None = None) -> str:
    """
    The id of *event* as told by *edition* of its source: the same event of the same edition has the
    same id always.

    The edition is in it so that a thing that changed and changed back is told again, and not
    taken for what was said the first time.
    """
    told = "\n".join((edition, str(line or ""), event.event_name())).encode() + b"\n" + event.body()
    return hashlib.sha256(told).hexdigest()[:32]
