"""A match as the notifier reads it: whose move it is, whom it concerns, what each may see."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

Tab = Literal["decide", "waiting", "moving", "told", "closed"]
TABS: tuple[Tab, ...] = ("decide", "waiting", "moving", "told", "closed")

CLOSED = frozenset({"done", "declined", "withdrawn", "expired"})
AGREED = frozenset({"agreed", "moving", "done"})
DECISIONS = frozenset(
    {"accept", "accepted", "agree", "agreed", "decline", "declined", "undo", "undone",
     "counter", "countered", "closed", "done"}
)  # fmt: skip
ALARMS = frozenset(
    {"alarm", "below_agreed", "forecast_below_agreed", "over_delivery", "over_delivered",
     "window_over", "paper_expiring"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Side:
    """One end of a match; *contacts* are the persons in charge, by id."""

    organisation: str | None
    project_id: UUID
    municipality: str
    contacts: tuple[UUID, ...]
    region: str = ""
    material: str = ""


@dataclass(frozen=True, slots=True)
class Match:
    """
    One revision of a match, as it was told at *told_at*.

    *region* is the surplus's. *asks* are the organisations whose move it is. Tonnes are whole,
    money in cents, *saved_g_per_t* in grams of CO2e per tonne. *left_t* is what is agreed and not
    moved, below 0 what was moved beyond it.
    """

    id: UUID
    revision: int
    told_at: datetime
    region: str
    found: bool
    state: str
    route: str
    change: str
    asks: tuple[str, ...]
    accepted_by: tuple[str, ...]
    surplus: Side
    need: Side
    material: str
    tonnes: int
    tonnes_low: int
    tonnes_high: int
    first: date
    last: date
    km: float
    value_cents_per_t: int
    total_cents: int
    saved_g_per_t: int
    sample: bool
    delivered_t: float = 0.0
    left_t: float | None = None

    @property
    def sides(self) -> tuple[Side, Side]:
        return self.surplus, self.need

    @property
    def organisations(self) -> tuple[str, ...]:
        """Those of its two sides, each once."""
        return tuple(dict.fromkeys(side.organisation for side in self.sides if side.organisation))

    @property
    def is_closed(self) -> bool:
        return self.state in CLOSED

    @property
    def is_alarm(self) -> bool:
        """An agreement is in danger, and both sides must look."""
        return self.change in ALARMS or self.change.startswith("alarm")

    @property
    def is_outcome(self) -> bool:
        """Somebody decided, or what somebody had accepted fell away."""
        fell_away = self.state in ("withdrawn", "expired") and bool(self.accepted_by)
        return self.change in DECISIONS or fell_away

    @property
    def names_are_open(self) -> bool:
        """The sides know each other's name from the first acceptance on."""
        return bool(self.accepted_by) or self.state in AGREED

    @property
    def told_sides(self) -> tuple[Side, ...]:
        """The sides whose people are told of this revision; none when it only moves figures."""
        if self.route == "onsite":
            return ()
        if self.found or self.is_alarm or self.is_outcome:
            return self.sides
        return tuple(side for side in self.sides if side.organisation in self.asks)


def match_from(told: Mapping[str, Any], told_at: datetime, *, found: bool) -> Match:
    """The match in the body of a match-found or match-changed, as JSON."""
    return Match(
        id=UUID(told["match_id"]),
        revision=told["revision"],
        told_at=told_at,
        region=told["region"],
        found=found,
        state=told["state"],
        route=told["route"],
        change=told["change"],
        asks=tuple(told["asks"]),
        accepted_by=tuple(told["accepted_by"]),
        surplus=side_from(told["surplus"]),
        need=side_from(told["need"]),
        material=told["surplus"]["material"],
        tonnes=told["tonnes"]["likely"],
        tonnes_low=told["tonnes"]["low"],
        tonnes_high=told["tonnes"]["high"],
        first=date.fromisoformat(told["window"]["first"]),
        last=date.fromisoformat(told["window"]["last"]),
        km=told["distance_km"],
        value_cents_per_t=told["value"]["cents_per_t"],
        total_cents=told["value"]["total_cents"],
        saved_g_per_t=told["climate"]["saved_g_per_t"],
        sample=told["sample"],
        delivered_t=told.get("delivered_t", 0.0),
        left_t=told.get("left_t"),
    )


def side_from(told: Mapping[str, Any]) -> Side:
    """One end of a match or near miss, as JSON."""
    return Side(
        told.get("organisation"),
        UUID(told["project_id"]),
        told["place"]["municipality"],
        tuple(map(UUID, told["contacts"])),
        told["region"],
        told["material"],
    )


def tab_of(match: Match, organisations: Collection[str]) -> Tab:
    """
    Where *match* lies in the inbox of someone who acts for *organisations*: by whose move it is.

    Whoever acts for neither side is only told.
    """
    if match.is_closed:
        return "closed"
    if match.is_alarm or not organisations:
        return "told"
    if match.state in AGREED:
        return "moving"
    return "decide" if set(match.asks) & set(organisations) else "waiting"


UNTIL_ACCEPTED = ("organisation", "project_id", "contacts")


def own_view(told: Mapping[str, Any], match: Match, organisation: str) -> dict[str, Any]:
    """
    The body *told* as *organisation* may see it.

    Name, project and persons in charge of the other side come with the first acceptance, its exact
    place when the match is agreed.
    """
    seen = {**told, "organisation": organisation}
    for end in ("surplus", "need"):
        if told[end].get("organisation") != organisation:
            seen[end] = of_the_other(
                told[end], named=match.names_are_open, exact=match.state in AGREED
            )
    if not match.names_are_open:
        seen["asks"] = [one for one in told["asks"] if one == organisation]
        if told.get("declined_by") != organisation:
            seen.pop("declined_by", None)
    return seen


def of_the_other(side: Mapping[str, Any], *, named: bool, exact: bool) -> dict[str, Any]:
    """The other *side* of a pair, with name and persons where *named*, with its exact place."""
    seen = dict(side)
    if not named:
        seen = {name: value for name, value in seen.items() if name not in UNTIL_ACCEPTED}
    if not exact:
        seen["place"] = {name: side["place"][name] for name in ("municipality", "sub_region")}
    return seen
