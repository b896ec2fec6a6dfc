"""Takes decisions: accept, decline, counter, undo, close; versioned, the same when said twice."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from prometheus_client import Counter

from services.matcher import store
from services.matcher.domain import (
    Area,
    Decision,
    Ground,
    Lot,
    Match,
    Offer,
    Rules,
    barred_pairs,
    decided,
    is_too_far,
    reaches,
)
from services.matcher.handlers.sides import NoSuchMatch, may_see, side_of
from services.matcher.handlers.telling import announced, areas_between, terms_now
from shared.access import Asker
from shared.contracts.base import uuid7
from shared.work import Work

decisions = Counter("matcher_decisions_total", "decisions taken", ["decision", "reason"])


class Changed(Exception):
    """The match has changed since it was seen."""

    def __init__(self, match: Match, changed: list[dict[str, Any]]) -> None:
        super().__init__(match.id)
        self.match = match
        self.changed = changed


async def decide(
    id: UUID,
    decision: Decision,
    work: Work,
    *,
    asker: Asker,
    seen: int,
    reason: str | None,
    note: str | None,
    organisation: str | None,
    key: str | None,
    offer: Offer | None = None,
    rules: Rules,
) -> tuple[Match, Mapping[UUID, Lot]]:
    """
    Decide on match *id* as *asker* saw it at revision *seen*; the match as it then is.

    The same decision on the same revision, or under the same idempotency *key*, is taken once.
    Raises `NoSuchMatch`, `NotYours`, `Changed` and `NotPossible`.
    """
    match, lots = await _held(id, work)
    if not may_see(asker, match):
        raise NoSuchMatch
    side = side_of(asker, match, organisation)
    session = work.session
    if key and await store.decided_under(session, asker.subject, key) == id:
        return match, lots
    offer = offer or Offer()
    if await store.was_decided(session, id, side, decision, seen, offer):
        return match, lots
    if seen != match.revision:
        raise Changed(match, await _changed_since(match, seen, work))

    ground = Ground(lots, await store.what_stands_of(session, match.pair))

    after = decided(
        match, side, decision, ground, reason=reason, offer=offer, now=work.now,
        today=work.today if rules.closes_past_windows else None,
    )  # fmt: skip

    if after is match:
        return match, lots
    areas = await areas_between([match], session)
    if decision == "counter":
        after = after._replace(judged=_judged(as_offered(after, lots, areas, rules, work)))
    elif decision == "undo":
        after = after._replace(judged="")
    elif not match.judged:
        after = after._replace(judged=_judged(terms_now(match, lots, areas, rules, work.today)))
    after = announced(after, lots, areas, work, rules)
    await store.keep_matches(session, [after])
    await store.told(session, [id])
    await store.keep_decision(
        session, id=uuid7(), match_id=id, organisation=side, subject=asker.subject,
        decision=decision, reason=reason, note=note, revision_seen=seen,
        revision_made=after.revision, key=key, at=work.now, **offer._asdict(),
    )  # fmt: skip
    decisions.labels(decision, reason or "").inc()
    await _settle_again(match, lots, work)
    return after, lots


def as_offered(
    match: Match, lots: Mapping[UUID, Lot], areas: Mapping[UUID, Area], rules: Rules, work: Work
) -> dict[str, Any]:
    """The terms of *match* as one side offers them: who offers may go beyond its own window."""
    terms = terms_now(match, lots, areas, rules, work.today)
    for found in terms["reasons"] if match.via is None else ():
        if found["gate"] == "G9_time":
            found |= {"verdict": "pass", "offered": f"{match.first}–{match.last}"}
    return terms


def _judged(terms: Mapping[str, Any]) -> str:
    return json.dumps(terms, default=str)


async def is_excluded(surplus: Lot, need: Lot, session: Any, km: float) -> bool:
    """Whether the pair was declined on facts that still hold, or is *km* apart: too far."""
    lots = {surplus.id: surplus, need.id: need}
    matches = await store.what_stands_of(session, lots)
    known = lots | await store.lots_of(session, {id for one in matches for id in one.pair})
    if (surplus.id, need.id) in barred_pairs(matches, known):
        return True
    return is_too_far(surplus, need, km, reaches(matches, known))


async def _held(id: UUID, work: Work) -> tuple[Match, Mapping[UUID, Lot]]:
    """The match and its lots, their cells held."""
    session = work.session
    while True:
        match = await store.match_of(session, id)
        if match is None:
            raise NoSuchMatch
        lots = await store.lots_of(session, match.pair)
        cells = {lot.cell for lot in lots.values()}
        await store.hold(session, cells)
        match = await store.match_of(session, id)
        lots = await store.lots_of(session, match.pair) if match else {}
        if match is not None and {lot.cell for lot in lots.values()} <= cells:
            return match, lots
        await store.let_go(session)


async def _changed_since(match: Match, seen: int, work: Work) -> list[dict[str, Any]]:
    then = await store.match_at(work.session, match.id, seen)
    changed = [{"field": "revision", "was": seen, "now": match.revision}]
    if then is None:
        return changed
    now = match._asdict()
    return changed + [
        {"field": name, "was": _plain(then[name]), "now": _plain(now[name])}
        for name in ("state", "tonnes", "cents_per_t", "first", "last", "accepted_by")
        if then[name] != now[name]
    ]


def _plain(value: Any) -> Any:
    return value if isinstance(value, int | str) else str(value)


async def _settle_again(match: Match, lots: Mapping[UUID, Lot], work: Work) -> None:
    await store.mark_dirty(work.session, {lot.cell for lot in lots.values()}, work.correlation)
    work.wake("dirty")
