"""Acid sulphate soil: what screening values suggest; a person tells the status."""

from dataclasses import dataclass
from typing import Any, Final

from shared.vocabulary.provenance import Provenance, provenance_of
from shared.vocabulary.tables import table

_SCREENING: Final[dict[str, Any]] = next(
    row for row in table("gates")["gates"] if row["id"] == "G4_acid_sulphate"
)["screening"]
SCREENING: Final[Provenance] = provenance_of(_SCREENING)
"""Where the limits come from: unverified, low confidence."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """
    The status that screening suggests (`potential` or `none`), and *because* of which value.

    Never a status told: it names a test, or that none was found by what was measured.
    """

    status: str
    because: str
    provenance: Provenance = SCREENING


def sulphur_limit_percent(material: str) -> float:
    """Total sulphur, % of dry matter, from which *material* is suspect; coarse soils have less."""
    kind = "clay_silt" if material in _SCREENING["fine"] else "coarse"
    return float(_SCREENING[f"total_S_percent_{kind}"])


def suggested(
    material: str, total_s_percent: float | None = None, nag_ph: float | None = None
) -> Suggestion | None:
    """
    What total sulphur and the pH of oxidation suggest of *material*; None when neither is told.

    Sulphur at or above the limit of fine or coarse soil, or a pH below the limit, is `potential`.
    """
    if total_s_percent is None and nag_ph is None:
        return None
    limit, least = sulphur_limit_percent(material), float(_SCREENING["nag_ph_below"])
    if total_s_percent is not None and total_s_percent >= limit:
        return Suggestion("potential", f"total_S_percent {total_s_percent:g} ≥ {limit:g}")
    if nag_ph is not None and nag_ph < least:
        return Suggestion("potential", f"nag_ph {nag_ph:g} < {least:g}")
    told = f"total_S_percent < {limit:g}" if total_s_percent is not None else f"nag_ph ≥ {least:g}"
    return Suggestion("none", told)
