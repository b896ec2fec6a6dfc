"""Matches: what each holds of its two lots, and what it moves, saves and avoids, month by month."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from services.indicators.domain.lots import (
    Cells,
    Contribution,
    KeptLot,
    add_to,
    latest_of,
    renew,
    scopes_of,
    without_empty,
)
from shared.vocabulary.months import apportion, month_days

# what was moved is counted load by load: a match holds what is left of it, and done nothing
_STANDS = {
    "proposed": "proposed",
    "accepted": "proposed",
    "agreed": "agreed",
    "moving": "agreed",
}
AGREED_ONCE = frozenset({"agreed", "moving", "done"})


@dataclass(frozen=True, slots=True)
class End:
    """One end of a match: its lot, where that is and whose; *material* is its one substance."""

    lot: UUID
    project: UUID
    organisation: str | None
    region: str
    municipality: str
    sub_region: str
    material: str


@dataclass(frozen=True, slots=True)
class Match:
    """
    A match as the figures need it: kilograms that are left to move, their kilogram-kilometres,
    cents and grams of CO2e saved against the counterfactual, and how far the last two rest on
    unverified defaults.
    """

    id: UUID
    revision: int
    at: datetime
    state: str
    onsite: bool
    surplus: End
    need: End
    first: date
    last: date
    kg: int
    kg_km: int
    cents: int
    grams: int
    value_unverified: bool = True
    climate_unverified: bool = True
    sample: bool = False
    decline_reason: str | None = None

    @property
    def crosses(self) -> bool:
        """Whether giver and taker lie in two municipalities: by the place, not by the owner."""
        return (self.surplus.region, self.surplus.municipality) != (
            self.need.region, self.need.municipality,
        )  # fmt: skip

    @property
    def bucket(self) -> str:
        """Where its kilograms stand in a lot: `onsite`, `agreed`, `proposed`, or nowhere."""
        stands = stands_in(self.state)
        return "onsite" if stands and self.onsite else stands


@dataclass(frozen=True, slots=True)
class KeptMatch:
    """A match as kept: revision, what it holds of its lots, and what it adds to the flows."""

    id: UUID
    revision: int
    bucket: str
    kg: int
    contribution: Contribution | None


def stands_in(state: str) -> str:
    """The state of the tonnes of a match in *state*; empty when it holds none any more."""
    return _STANDS.get(state, "")


def flow_of(match: Match) -> Contribution | None:
    """
    What *match* adds to the flows of both ends, by month of its window; None when nothing.

    On-site use leaves no gate: it moves nothing and counts in the balance alone.
    """
    stands = stands_in(match.state)
    if not stands or match.onsite or not match.kg:
        return None
    months, days = month_days(match.first, match.last)
    like = match.surplus.material == match.need.material  # substitution share 1, otherwise 0
    kg = apportion(match.kg, days)
    nothing = [0] * len(kg)
    return {
        "state": stands,
        "sample": match.sample,
        "months": list(months),
        "ends": {
            side: {
                "region": end.region,
                "material": end.material,
                "scopes": scopes_of(
                    end.region, end.sub_region, end.municipality, end.organisation, end.project
                ),
            }
            for side, end in (("surplus", match.surplus), ("need", match.need))
        },
        "amounts": [
            kg,
            apportion(match.kg_km, days),
            apportion(match.cents, days),
            apportion(match.grams, days),
            kg if like else nothing,
            kg if match.value_unverified else nothing,
            kg if match.climate_unverified else nothing,
            kg if match.crosses else nothing,
        ],
    }


def flow_cells(contribution: Contribution | None) -> Cells:
    """
    The flow cells of *contribution*: kg, kg·km, cents, grams, virgin kg avoided, kg whose value
    and kg whose climate part rest on unverified defaults, kg across a municipal border.
    """
    cells: Cells = {}
    if contribution is None:
        return cells
    told = contribution
    for at, month in enumerate(told["months"]):
        amounts = tuple(amount[at] for amount in told["amounts"])
        if not any(amounts):
            continue
        for side, end in told["ends"].items():
            for scope, code in end["scopes"]:
                key = (scope, code, end["region"], side, end["material"], told["state"], month,
                       told["sample"])  # fmt: skip
                cells[key] = amounts
    return cells


def take_matches(
    lots: Mapping[UUID, KeptLot], kept: Mapping[UUID, KeptMatch], news: Sequence[Match]
) -> tuple[list[Match], list[KeptLot], Cells, Cells]:
    """
    The matches that *news* renews, their lots as they stand then, and what that changes in the
    balance cells and in the flow cells.

    *lots* holds both lots of every match in *news*. A known or older revision renews nothing.
    """
    renewed: list[Match] = []
    touched: dict[UUID, KeptLot] = {}
    balance: Cells = {}
    flows: Cells = {}
    for match in latest_of(news):
        known = kept.get(match.id)
        if known is not None and known.revision >= match.revision:
            continue
        renewed.append(match)
        for end in (match.surplus, match.need):
            lot = touched.setdefault(end.lot, lots[end.lot].copy())
            if known is not None:
                lot.standing = lot.standing.plus(known.bucket, -known.kg)
            lot.standing = lot.standing.plus(match.bucket, match.kg)
        if known is not None:
            add_to(flows, flow_cells(known.contribution), sign=-1)
        add_to(flows, flow_cells(flow_of(match)))
    after = [renew(touched[id], balance) for id in sorted(touched)]
    return renewed, after, without_empty(balance), without_empty(flows)
