"""What the page shows of matches, counts, figures and the inbox, whoever told it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

OPEN = ("proposed", "accepted")
ARRIVED = (*OPEN, "agreed", "moving", "done")
SHOWN = 25


@dataclass(frozen=True)
class MatchRow:
    """
    One match as a row. *origin* and *destination* are municipality codes.

    *via* is the area where it waits or is worked; *asks* are the organisations whose move it is;
    *parties* are those this reader may know of.
    """

    id: str
    revision: int
    state: str
    material: str
    tonnes: int
    origin: str
    destination: str
    km: float
    first: date
    last: date
    cents_per_t: int
    route: str = "direct"
    via: str | None = None
    asks: tuple[str, ...] = ()
    accepted_by: tuple[str, ...] = ()
    parties: tuple[str, ...] = ()
    told_at: datetime | None = None


@dataclass(frozen=True)
class Counts:
    """How much stands where in a region: lots without a full match, matches and their tonnes."""

    open_lots: int
    proposed: int
    proposed_t: float
    agreed: int
    agreed_t: float


@dataclass(frozen=True)
class Entry:
    """One entry of a person's inbox: what it is about and whether it was read."""

    id: str
    match_id: str | None
    read: bool
    told_at: datetime | None = None


@dataclass(frozen=True)
class Notice:
    """A near miss on a person's desk, in the reader's words."""

    id: str
    material: str
    title: str
    text: str


@dataclass(frozen=True)
class TwiceTold(Notice):
    """One's own forecast that may be told twice, or what became of that."""

    change: str
    unread: bool

    @property
    def shown(self) -> str:
        """In which list of pairs it lies."""
        return "linked" if self.change == "linked" else "suggested"


@dataclass(frozen=True)
class Webhook:
    """Where an organisation's system is told of *events*; *reason* says why it is disabled."""

    id: str
    organisation: str
    host: str
    events: tuple[str, ...]
    status: str
    reason: str


@dataclass(frozen=True)
class OwnForecast:
    """A forecast that this reader's organisation reports, under its own *external_id*."""

    id: str
    external_id: str
    direction: str
    material: str
    municipality: str
    tonnes: int


@dataclass(frozen=True)
class Figure:
    """One indicator in one state; *value* is None where nothing can be divided by."""

    indicator: str
    state: str
    value: float | None
    unit: str
    projection: bool
    counterfactual: str | None = None
    unverified_share: float | None = None


@dataclass(frozen=True)
class FigureLine:
    """One indicator with its value in each state that was told."""

    indicator: str
    unit: str
    by_state: Mapping[str, Figure] = field(hash=False)


@dataclass(frozen=True)
class Move:
    """A match and what this reader may do about it, for which organisation."""

    row: MatchRow
    organisation: str
    unread: bool = False


@dataclass(frozen=True)
class Inbox:
    """What waits for this person, and what waits for the other side and may be undone."""

    waiting: tuple[Move, ...]
    undoable: tuple[Move, ...]
    unread: int = 0


def latest(rows: Sequence[MatchRow], *, shown: int = SHOWN) -> tuple[MatchRow, ...]:
    """The newest *shown* of *rows*, newest first; one id once, in its highest revision."""
    newest: dict[str, MatchRow] = {}
    for row in rows:
        known = newest.get(row.id)
        if known is None or row.revision > known.revision:
            newest[row.id] = row
    ordered = sorted(
        newest.values(),
        key=lambda row: (row.told_at.timestamp() if row.told_at else 0.0, row.id),
        reverse=True,
    )
    return tuple(ordered[:shown])


def inbox_of(
    rows: Sequence[MatchRow], entries: Sequence[Entry], organisations: Sequence[str]
) -> Inbox:
    """
    The present state of matches laid over the notifier's entries.

    A match waits as long as the matcher asks one of *organisations*, whatever the entries say.
    Best value first.
    """
    unread = {entry.match_id for entry in entries if not entry.read and entry.match_id}
    waiting, undoable = [], []
    for row in latest(rows, shown=len(rows)):
        mine = [one for one in organisations if one in row.asks]
        done = [one for one in organisations if one in row.accepted_by]
        if row.state in OPEN and mine:
            waiting.append(Move(row, mine[0], row.id in unread))
        elif row.state == "accepted" and done:
            undoable.append(Move(row, done[0]))
    waiting.sort(key=lambda move: (-move.row.cents_per_t * move.row.tonnes, move.row.id))
    return Inbox(tuple(waiting), tuple(undoable), sum(move.unread for move in waiting))


def figure_lines(figures: Sequence[Figure]) -> tuple[FigureLine, ...]:
    """Figures by indicator, in the order of their numbers: K1a, K1b, K2, …, K10."""
    lines: dict[str, dict[str, Figure]] = {}
    for figure in figures:
        lines.setdefault(figure.indicator, {})[figure.state] = figure
    return tuple(
        FigureLine(name, next(iter(states.values())).unit, states)
        for name, states in sorted(lines.items(), key=lambda item: _rank(item[0]))
    )


def _rank(indicator: str) -> tuple[str, int, str]:
    letters = indicator.rstrip("abcdefghijklmnopqrstuvwxyz")
    digits = "".join(one for one in letters if one.isdigit())
    return letters.rstrip("0123456789"), int(digits or 0), indicator
