"""The rules: in which month and state a tonne stands, and what the tonnes add up to."""

from services.indicators.domain.figures import (
    DEFINITIONS,
    VERSION,
    Definition,
    Figure,
    Flow,
    Stock,
    figures_of,
    mean_haul_km,
    reuse_rate,
)
from services.indicators.domain.lots import (
    Cells,
    KeptLot,
    Lot,
    Standing,
    cells_of,
    contribution_of,
    latest_of,
    lot_cells,
    take_lots,
)
from services.indicators.domain.matches import (
    End,
    KeptMatch,
    Match,
    flow_cells,
    stands_in,
    take_matches,
)
from services.indicators.domain.months import (
    BadPeriod,
    Months,
    period_label,
    period_of,
)

__all__ = [
    "DEFINITIONS",
    "VERSION",
    "BadPeriod",
    "Cells",
    "Definition",
    "End",
    "Figure",
    "Flow",
    "KeptLot",
    "KeptMatch",
    "Lot",
    "Match",
    "Months",
    "Standing",
    "Stock",
    "cells_of",
    "contribution_of",
    "figures_of",
    "flow_cells",
    "latest_of",
    "lot_cells",
    "mean_haul_km",
    "period_label",
    "period_of",
    "reuse_rate",
    "stands_in",
    "take_lots",
    "take_matches",
]
