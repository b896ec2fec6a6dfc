"""Whom a change concerns: the lots that may serve the changed one, and those like it."""

from collections.abc import Mapping
from math import sqrt
from typing import NamedTuple

from services.matcher.domain.fit import kinds_fit
from services.matcher.domain.values import Lot, Rules


class Concern(NamedTuple):
    """The lots within *radius_km* whose kind is among those of their direction."""

    radius_km: float
    surpluses: list[str]
    needs: list[str]


def concern(
    lot: Lot, kinds: Mapping[tuple[str, str], int], rules: Rules, *, worked: bool = False
) -> Concern:
    """
    Whom a change of *lot* concerns, among *kinds*: (direction, kind), and how many lots within
    `single_radius_km` have it. Where these are more than `single_lots`, only those nearer.
    *worked*: masses can be worked around here.
    """
    chosen: dict[str, list[str]] = {"surplus": [], "need": []}
    count = 0
    for (direction, kind), many in kinds.items():
        if direction == lot.direction:
            fits = kind == lot.kind
        elif lot.is_surplus:
            fits = kinds_fit(lot.kind, kind, worked)
        else:
            fits = kinds_fit(kind, lot.kind, worked)
        if fits:
            chosen[direction].append(kind)
            count += many
    share = min(1.0, rules.single_lots / max(1, count))
    if lot.kind not in chosen[lot.direction]:
        chosen[lot.direction].append(lot.kind)
    radius_km = float(round(rules.single_radius_km * sqrt(share)))
    return Concern(radius_km, chosen["surplus"], chosen["need"])
