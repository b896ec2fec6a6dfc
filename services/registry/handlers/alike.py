"""Suggests which forecasts may be about the same mass."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from services.registry import store
from services.registry.domain import Likeness, Thing, likeness
from shared.contracts import DuplicateChanged, DuplicateSuggested
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
    pairs that were not suggested yet, and of those that are alike no longer.
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
    new, gone = await store.suggest(work.session, forecasts, most_alike, work.now)
    for pair, revision in new.items():
        work.announce(_suggested(pair, revision, states, most_alike[pair], work))
    away = {id for pair in gone for id in pair} - set(states)
    for one in await store.things(work.session, "forecast", away):
        states[one.id] = one.revision, one.state
    for pair, revision in gone.items():
        work.announce(changed_pair(pair, revision, states, work, change="dropped"))


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
    pair: store.Pair, revision: int, states: Mapping[UUID, Revised], alike: Likeness, work: Work
) -> DuplicateSuggested:
    told = _told(pair, revision, states, work)
    return DuplicateSuggested.model_validate(
        {**told, "score": alike.score, "reasons": alike.reasons}
    )


def changed_pair(
    pair: store.Pair,
    revision: int,
    states: Mapping[UUID, Revised],
    work: Work,
    *,
    change: str,
    counts: UUID | None = None,
    decided_by: UUID | None = None,
) -> DuplicateChanged:
    """What is told of a *pair* that was decided of, or is alike no longer."""
    told = _told(pair, revision, states, work)
    return DuplicateChanged.model_validate(
        {**told, "change": change, "counts": counts, "decided_by": decided_by}
    )


def _told(
    pair: store.Pair, revision: int, states: Mapping[UUID, Revised], work: Work
) -> dict[str, Any]:
    both = [states[id] for id in pair]
    return {
        "at": work.now,
        "region": both[0][1]["region"],
        "duplicate_id": uuid5(NAMESPACE_URL, f"{pair[0]} {pair[1]}"),
        "revision": revision,
        "forecasts": [{**state, "forecast_revision": at} for at, state in both],
        "sample": both[0][1]["sample"],
    }
