"""Suggests which forecasts may be about the same mass."""

from collections.abc import Sequence
from uuid import UUID

from services.registry import store
from services.registry.domain import Likeness, Thing, likeness
from shared.work import Work


async def suggest_duplicates(changed: Sequence[Thing], work: Work) -> None:
    """Suggest what the forecasts among *changed*, kept just now, may be duplicates of."""
    forecasts = {one.id: one for one in changed if one.kind == "forecast"}
    if not forecasts:
        return
    alike: dict[store.Pair, Likeness] = {}
    for id, other in await store.beside(work.session, list(forecasts.values())):
        found = likeness(forecasts[id].state, other)
        if found is not None:
            alike[pair_of(id, UUID(other["forecast_id"]))] = found
    await store.suggest(work.session, forecasts, alike, work.now)


def pair_of(one: UUID, other: UUID) -> store.Pair:
    return min(one, other), max(one, other)
