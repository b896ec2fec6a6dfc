"""What waiting and working in an area costs where the area tells no terms of its own."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from shared.vocabulary.clocks import clock
from shared.vocabulary.tables import table, version_of

AREA_TERMS_VERSION: Final = version_of("area_terms")

_TERMS: Final = table("area_terms")

HANDLING_EUR_PER_T: Final[float] = _TERMS["handling"]["value"]
"""Unloading, heaping and loading again; unverified, low confidence."""

HANDLING_KG_CO2E_PER_T: Final[float] = _TERMS["handling"]["kg_co2e_per_t"]

STORAGE_EUR_PER_T_MONTH: Final[float] = _TERMS["storage_month"]["value"]
"""Lying in an area for a month; unverified, low confidence."""

LONGEST_STORAGE_DAYS: Final = clock("recovery").limit_days - 1
"""Under the limit of storage before recovery; what lies longer is a landfill before the law."""


class ProcessingCost(NamedTuple):
    """A working's cost and emission per tonne that goes in; unverified, low confidence."""

    eur_per_t: float
    kg_co2e_per_t: float


PROCESSING_COSTS: Final[Mapping[str, ProcessingCost]] = MappingProxyType(
    {
        row["processing"]: ProcessingCost(row["value"], row["kg_co2e_per_t"])
        for row in _TERMS["processing"]
    }
)
"""By the code of the enumeration `processing`."""

WAITING_SITES: Final = ("interim_storage", "processing_site")
"""Kinds of site where masses may wait or be worked for another project."""

RECEPTION_SITES: Final = ("disposal_site", "hazardous_reception")
"""Kinds of site that take a surplus for good."""

QUARRIES: Final = ("extraction_site",)
"""Kinds of site that sell virgin material."""
