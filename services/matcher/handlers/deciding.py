"""Takes decisions: accept, decline, undo; versioned, and the same when said twice."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from services.matcher import store
from services.matcher.domain import EXCLUDES, Decision, Lot, Match, NotPossible, Rules, decided
from services.matcher.handlers.telling import announced, areas_between, terms_now
from shared.access import Asker
from shared.contracts.base import uuid7
from shared.work import Work


class NoSuchMatch(Exception):
    """There is no such match among those this asker may see."""


class NotYours(Exception):
    """Only the two sides decide, or the coordinator of the region for one of them: name it."""


class Changed(Exception):
    """The match has changed since it was seen."""

    def __init__(self, match: Match, changed: list[dict[str, Any]]) -> None:
        super().__init__("the match has changed since it was seen; look at it and decide again")
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
    side = _side_of(asker, match, organisation)
    session = work.session
    if key and await store.decided_under(session, asker.subject, key) == id:
        return match, lots
    if await store.was_decided(session, id, side, decision, seen):
        return match, lots
    if seen != match.revision:
        raise Changed(match, await _changed_since(match, seen, work))

    after = decided(match, side, decision, reason=reason, now=work.now)

    if after is match:
        return match, lots
    areas = await areas_between([match], session)
    if not match.judged:
        after = after._replace(
            judged=json.dumps(terms_now(match, lots, areas, rules, work.today), default=str)
        )
    if decision == "undo":
        after = after._replace(judged="")
    after = announced(after, lots, areas, work, rules)
    await store.keep_matches(session, [after])
    await store.told(session, [id])
    await store.keep_decision(
        session, id=uuid7(), match_id=id, organisation=side, subject=asker.subject,
        decision=decision, reason=reason, note=note, revision_seen=seen,
        revision_made=after.revision, key=key, at=work.now,
    )  # fmt: skip
    await _settle_again(match, lots, work)
    return after, lots


def may_see(asker: Asker, match: Match) -> bool:
    """Whether *asker* sees *match*: one of its sides, its region's coordinator, the operator."""
    if asker.sees_all or asker.coordinates(match.region):
        return True
    return any(side in asker.organisations for side in match.sides)


async def is_excluded(surplus: Lot, need: Lot, session: Any) -> bool:
    """Whether the pair was declined in the terms it still has."""
    terms = surplus.terms, need.terms
    return any(
        one.standing == EXCLUDES
        and one.pair == (surplus.id, need.id)
        and (one.surplus_terms, one.need_terms) == terms
        for one in await store.what_stands_of(session, [surplus.id])
    )


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


def _side_of(asker: Asker, match: Match, organisation: str | None) -> str:
    mine = [side for side in match.sides if side in asker.organisations]
    may_act = asker.is_operator or asker.coordinates(match.region)
    if organisation is not None:
        if organisation in mine or (may_act and organisation in match.sides):
            return organisation
        raise NotYours
    if len(mine) == 1:
        return mine[0]
    if len(match.sides) == 1 and may_act:
        return match.sides[0]
    raise NotYours


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


__all__ = ["Changed", "NoSuchMatch", "NotPossible", "NotYours", "decide", "may_see"]
