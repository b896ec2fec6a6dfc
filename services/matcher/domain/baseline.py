"""What a tonne that was moved would have met without the platform, in its parts."""

from functools import lru_cache
from typing import NamedTuple

from services.matcher.domain.values import kind_of
from shared.vocabulary.factors import FACTORS, counterfactual
from shared.vocabulary.materials import MATERIALS


class Baseline(NamedTuple):
    """Road km, cents and grams of CO2e per tonne: of leaving a surplus, of buying for a need."""

    reception_km: float
    gate_fee_cents_per_t: float
    gate_work_g_per_t: float
    quarry_km: float
    virgin_cents_per_t: float
    virgin_g_per_t: float


@lru_cache(maxsize=65536)
def baseline_of(surplus: str | None, need: str | None) -> Baseline:
    """
    The baseline of loads between the kinds *surplus* and *need*; an end that is None has none.

    Source: kpi.json K7 and K8, with the counterfactual of the vocabulary.
    """
    left = kind_of(surplus) if surplus is not None else None
    right = kind_of(need) if need is not None else None
    gone = counterfactual(_known(left.material), left.contamination) if left else None
    got = counterfactual(_bought(right.material, right.use), "P0") if right else None
    return Baseline(
        gone.reception_km if gone else 0.0,
        round(gone.gate_fee.value * 100, 3) if gone else 0.0,
        round(FACTORS["tip_site_handling"].value * 1000, 3) if gone else 0.0,
        got.quarry_km if got else 0.0,
        round(got.virgin_price.value * 100, 3) if got else 0.0,
        round(got.virgin_co2e.value * 1000, 3) if got else 0.0,
    )


def _known(material: str) -> str:
    return material if material in MATERIALS else "sand"


def _bought(material: str, use: str | None) -> str:
    if material in MATERIALS:
        return material
    return "crushed_rock" if use in ("sub_base", "base") else "sand"
