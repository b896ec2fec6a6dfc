"""What everybody who takes part is told of a thing, and what of it is its own side's alone."""

from collections.abc import Mapping
from typing import Any

OPEN = frozenset({"forum", "public"})
OF_ITS_OWN = frozenset(
    {"price_eur_per_t", "handling_eur_per_t", "storage_eur_per_t_month", "contacts"}
)


def is_open(state: Mapping[str, Any]) -> bool:
    """Whether the project, forecast or area of this *state* is shown to all who take part."""
    return state.get("visibility") in OPEN


def as_others_see(state: Mapping[str, Any]) -> dict[str, Any]:
    """*state* without prices and contacts."""
    return {name: value for name, value in state.items() if name not in OF_ITS_OWN}
