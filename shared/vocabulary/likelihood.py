"""How likely a forecast is to materialise, from its reliability and the phase of its project."""

from functools import lru_cache
from typing import Final

from shared.vocabulary.provenance import Tag
from shared.vocabulary.tables import table, version_of

LIKELIHOOD_VERSION: Final = version_of("likelihood")
LIKELIHOOD_TAG: Final[Tag] = table("likelihood")["meta"]["tag"]
"""What to show beside a likelihood and whatever is computed from it."""


@lru_cache(maxsize=1024)
def likelihood(reliability: str, phase: str, probability: float | None = None) -> float:
    """
    The share 0..1 of forecasts like this that come about as told; unverified, low confidence.

    The *probability* that the project happens, where its owner told one, stands in for the share of
    its phase. A code not known here counts as the unknown of its kind.
    """
    told = table("likelihood")
    by_reliability, by_phase = told["reliability"], told["phase"]
    sure = by_reliability.get(reliability, by_reliability[told["unknown_reliability"]])
    near = by_phase.get(phase, by_phase[told["unknown_phase"]])
    near = near if probability is None else probability
    return round(float(sure * near), 4)


def both(one: float, other: float, *, same_project: bool) -> float:
    """
    The likelihood that two forecasts both come about.

    Those of different projects are taken as independent; those of one project stand or fall
    together, so the lesser decides.
    """
    return min(one, other) if same_project else round(one * other, 4)
