"""One match in full: its terms, what each side has said, what may be done now, and its loads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from services.portal.domain.rows import OPEN, MatchRow

CARRIED = ("agreed", "moving", "done")
ONSITE = "onsite"
CORRECTED = ("waybill", "haul_km", "energy", "vehicle")
"""What a correction says of loads or leaves out for good."""


@dataclass(frozen=True)
class End:
    """One end of a match or a near miss; *organisation* is None while it is not known."""

    organisation: str | None
    municipality: str
    forecast: str


@dataclass(frozen=True)
class Why:
    """One gate's verdict, with what was offered and wanted, and the ids of papers it asks for."""

    gate: str
    verdict: str
    offered: str
    wanted: str
    papers: tuple[str, ...] = ()


@dataclass(frozen=True)
class WholeMatch:
    """
    A match with all that its page shows beside its row; money in cents.

    *area* is the id of the area that it goes over; *saved_kg* of CO2e, of the whole match.
    """

    row: MatchRow
    region: str
    surplus: End
    need: End
    total_cents: int
    giver_cents: int | None
    taker_cents: int | None
    compensation_cents: int
    saved_kg: float | None
    whys: tuple[Why, ...]
    area: str | None
    delivered_t: float
    left_t: float | None
    closed_by: str | None
    declined_by: str | None
    decline_reason: str | None
    born_at: datetime | None

    @property
    def sides(self) -> tuple[str, ...]:
        """The sides that this reader may know of, each once."""
        both = (self.surplus.organisation, self.need.organisation)
        return tuple(dict.fromkeys(one for one in both if one))

    @property
    def papers(self) -> tuple[str, ...]:
        """What must be shown or decided before it is agreed, each once."""
        asked = (id for why in self.whys if why.verdict == "conditional" for id in why.papers)
        return tuple(dict.fromkeys(asked))


@dataclass(frozen=True)
class Said:
    """One decision: who, what, when; *tonnes*, *first* and *last* are those of a counter-offer."""

    organisation: str
    decision: str
    at: datetime | None
    reason: str | None = None
    note: str | None = None
    tonnes: int | None = None
    first: date | None = None
    last: date | None = None


@dataclass(frozen=True)
class LoadRow:
    """
    Loads as one report tells them.

    *refused* says why they count for nothing; *under_match* whether against the agreement.
    """

    id: str
    tonnes: float
    material: str
    moved_on: date
    method: str
    reporter: str
    outlet: str
    match: str | None = None
    waybill: str | None = None
    haul_km: float | None = None
    vehicle: str | None = None
    energy: str | None = None
    area: str | None = None
    refused: str | None = None
    under_match: bool = False
    revision: int = 1

    @property
    def counts(self) -> bool:
        """Whether anything of it stands: neither refused nor taken back."""
        return self.refused is None and self.tonnes > 0


@dataclass(frozen=True)
class ToldLoad:
    """Loads as *reporter* told them at the registry's door, under its own *external_id*."""

    external_id: str
    reporter: str
    revision: int
    told: Mapping[str, Any]

    def corrected(self, load: Mapping[str, Any]) -> dict[str, Any]:
        """What is told again: all as it was told, but for what *load* now says of it."""
        kept = {name: value for name, value in self.told.items() if name not in CORRECTED}
        rest = {name: value for name, value in load.items() if name != "tonnes"}
        return {**kept, **rest, "external_id": self.external_id, "quantity": load["tonnes"],
                "unit": "t"}  # fmt: skip


@dataclass(frozen=True)
class Loads:
    """The loads of a match, the newest day first, and the balance of the agreement in tonnes."""

    rows: tuple[LoadRow, ...]
    state: str
    agreed_t: float | None
    delivered_t: float
    left_t: float | None

    @property
    def over_t(self) -> float:
        """What was delivered beyond the agreement."""
        return max(0.0, -(self.left_t or 0.0))

    @property
    def open_t(self) -> float:
        """What of the agreement has not been moved."""
        return max(0.0, self.left_t or 0.0)


@dataclass(frozen=True)
class Acts:
    """What this reader may do now, and for which organisations."""

    accept: tuple[str, ...] = ()
    decline: tuple[str, ...] = ()
    counter: tuple[str, ...] = ()
    undo: tuple[str, ...] = ()
    report: tuple[str, ...] = ()
    close: tuple[str, ...] = ()


def speaks_for(match: WholeMatch, own: Sequence[str], regions: Sequence[str]) -> tuple[str, ...]:
    """The sides that a member of *own* speaks for; a coordinator of the region for either."""
    if match.region in regions:
        return match.sides
    return tuple(one for one in match.sides if one in own)


def acts_of(match: WholeMatch, voices: Sequence[str]) -> Acts:
    """What a speaker of *voices* may do with *match*; the matcher has the last word."""
    row, every = match.row, tuple(voices)
    if row.route == ONSITE or not every:
        return Acts()
    if row.state in OPEN:
        return Acts(
            accept=tuple(one for one in every if one in row.asks),
            decline=every,
            counter=every,
            undo=tuple(one for one in every if one in row.accepted_by),
        )
    if row.state in CARRIED:
        return Acts(report=every, close=every if row.state != "done" else ())
    return Acts()


def standing_offer(match: WholeMatch, said: Sequence[Said]) -> Said | None:
    """The counter-offer that waits for an answer; None when there is none."""
    if match.row.state != "accepted":
        return None
    for one in reversed(said):
        if one.decision == "counter":
            return one
        if one.decision == "undo":
            return None
    return None
