"""Suggests which forecasts may be about the same mass."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from services.registry import store
from services.registry.domain import Likeness, Thing, likeness
from shared.contracts import DuplicateSuggested
from shared.vocabulary.visibility import is_open
from shared.work import Work

MOST = 5
"""
Suggestions for one forecast when it is told, as a person looks at each: of those that all may see,
and of those that each owner and reporter sees alone, which so take no place from the others.
"""


AT_ONCE = 200

Revised = tuple[int, Mapping[str, Any]]
"""The revision of a forecast, and its state then."""


async def suggest_duplicates(changed: Sequence[Thing], work: Work) -> None:
    """
    Suggest what the forecasts among *changed*, kept just now, may be duplicates of; tell of the
    pairs that were not suggested yet.
    """
    forecasts = {one.id: one for one in changed if one.kind == "forecast"}
    if not forecasts:
        return
    found: dict[UUID, list[tuple[UUID, Likeness]]] = {id: [] for id in forecasts}
    states: dict[UUID, Revised] = {id: (one.revision, one.state) for id, one in forecasts.items()}
    for id, revision, other in await store.beside(work.session, list(forecasts.values())):
        alike = likeness(forecasts[id].state, other)
        if alike is not None:
            found[id].append((UUID(other["forecast_id"]), alike))
            states[UUID(other["forecast_id"])] = revision, other
    most_alike = {
        pair_of(id, other): alike
        for id, others in found.items()
        for other, alike in _most_alike(others, states)
    }
    for pair in await store.suggest(work.session, forecasts, most_alike, work.now):
        work.announce(_suggested(pair, states[pair[0]], states[pair[1]], most_alike[pair], work))


def _most_alike(
    others: Sequence[tuple[UUID, Likeness]], states: Mapping[UUID, Revised]
) -> Iterator[tuple[UUID, Likeness]]:
    shown: Counter[tuple[str, ...]] = Counter()
    for id, alike in sorted(others, key=lambda one: (-one[1].score, one[0])):
        state = states[id][1]
        among = () if is_open(state) else (state["organisation"], state["reporter"])
        if shown[among] < MOST:
            shown[among] += 1
            yield id, alike


async def look_for_duplicates(after: UUID | None, work: Work) -> UUID | None:
    """
    Suggest what those told before anybody looked may be duplicates of: some forecasts after *after*
    in the order of ids. The last of them, None when all were looked at.
    """
    ids = await store.forecasts_after(work.session, after, AT_ONCE)
    await store.hold(work.session, ids)
    await suggest_duplicates(await store.things(work.session, "forecast", ids), work)
    return ids[-1] if len(ids) == AT_ONCE else None


def pair_of(one: UUID, other: UUID) -> store.Pair:
    return min(one, other), max(one, other)


def _suggested(
    pair: store.Pair, one: Revised, other: Revised, alike: Likeness, work: Work
) -> DuplicateSuggested:
    return DuplicateSuggested.model_validate(
        {
            "at": work.now,
            "region": one[1]["region"],
            "duplicate_id": uuid5(NAMESPACE_URL, f"{pair[0]} {pair[1]}"),
            "revision": one[0] + other[0],
            "forecasts": [{**state, "forecast_revision": at} for at, state in (one, other)],
            "score": alike.score,
            "reasons": alike.reasons,
            "sample": one[1]["sample"],
        }
    )
