"""What becomes of a match when a side decides, and why it may not."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from math import floor
from typing import Final, Literal, NamedTuple, get_args
from uuid import UUID

from services.matcher.domain.learn import barred_of, facts_of
from services.matcher.domain.values import (
    ACCEPTED,
    AGREED,
    DECLINED,
    DONE,
    EXCLUDES,
    EXPIRED,
    HISTORY,
    HOLDS,
    MOVING,
    ONSITE,
    PROPOSED,
    Lot,
    Match,
    Stands,
)
from shared.vocabulary.errors import Coded

Decision = Literal["accept", "decline", "undo", "counter", "close"]
Reason = Literal["quality", "timing", "distance", "papers", "price", "already_agreed", "other"]
UNDECIDED: Final = (PROPOSED, ACCEPTED)


class NotPossible(Coded):
    """A decision that the match does not allow; *more* are the numbers behind it."""


class Offer(NamedTuple):
    """Other terms than those proposed; None leaves them as they are."""

    tonnes: int | None = None
    first: date | None = None
    last: date | None = None


class Ground(NamedTuple):
    """
    What a decision stands on, read while the cells of both lots are held: the lots, and everything
    that stands of them.
    """

    lots: Mapping[UUID, Lot]
    stands: Iterable[Stands] = ()


def decided(
    match: Match,
    side: str,
    decision: Decision,
    ground: Ground,
    *,
    reason: str | None = None,
    offer: Offer | None = None,
    now: datetime,
    today: date | None = None,
) -> Match:
    """
    *match* after *side* (an organisation's token) decided; the same when it had said so already.

    An acceptance and an offer never take more than both lots have left besides what else is
    decided. *today* is given where windows that are over count for nothing. Raises `NotPossible`.
    """
    match decision:
        case "accept":
            return _accepted(match, side, ground, now)
        case "decline":
            return _declined(match, side, reason, ground, now)
        case "counter":
            return _countered(match, side, offer or Offer(), ground, now, today)
        case "close":
            return _closed(match, side, now)
        case _:
            return _undone(match, side, ground, now)


def tonnes_left(match: Match, ground: Ground) -> int:
    """Whole tonnes that both lots have left for *match* besides what else is decided."""
    taken = dict.fromkeys(match.pair, 0)
    for one in ground.stands:
        fixed = one.standing == HOLDS and (one.state != PROPOSED or one.route == ONSITE)
        if one.id == match.id or not fixed:
            continue
        for id, kg in one.held:
            if id in taken:
                taken[id] += kg
    gives, takes = (max(0, ground.lots[id].left_kg - taken[id]) // 1000 for id in match.pair)
    # the most that still arrives as whole tonnes in what the need has left
    return min(gives, ((takes + 1) * 1000 - 1) // match.permille)


def expired(match: Match, today: date, now: datetime, *, arrives_by: date | None = None) -> Match:
    """
    *match* when its window is over: an undecided one ends, an agreed one alarms once.

    An agreed one over an area may reach the need until *arrives_by*.
    """
    if match.last >= today or match.standing != HOLDS or match.route == ONSITE:
        return match
    if match.state in UNDECIDED:
        return match._replace(
            revision=match.revision + 1,
            state=EXPIRED,
            standing=HISTORY,
            change="expired",
            changed_at=now,
        )
    if match.via is not None and arrives_by is not None and arrives_by >= today:
        return match
    call = f"window:{match.last}"
    if call in match.alarm.split():
        return match
    return match._replace(
        revision=match.revision + 1,
        alarm=f"{match.alarm} {call}".strip(),
        change="window_over",
        changed_at=now,
    )


def _accepted(match: Match, side: str, ground: Ground, now: datetime) -> Match:
    if side in match.accepted and match.state in (ACCEPTED, AGREED, MOVING, DONE):
        return match
    _must_wait(match)
    _must_have_left(match, match.tonnes, ground)
    return _with(match, (*match.accepted, side), "accepted", now)


def _with(match: Match, accepted: tuple[str, ...], change: str, now: datetime) -> Match:
    agreed = set(match.sides) <= set(accepted)
    return match._replace(
        revision=match.revision + 1,
        state=AGREED if agreed else ACCEPTED,
        accepted_by=",".join(accepted),
        change="agreed" if agreed else change,
        changed_at=now,
    )


def _countered(
    match: Match, side: str, offer: Offer, ground: Ground, now: datetime, today: date | None
) -> Match:
    _must_wait(match)
    tonnes = match.tonnes if offer.tonnes is None else offer.tonnes
    first = match.first if offer.first is None else offer.first
    last = match.last if offer.last is None else offer.last
    if (tonnes, first, last) == (match.tonnes, match.first, match.last):
        if side in match.accepted:
            return match
        raise NotPossible("same_terms", tonnes=tonnes, first=first, last=last)
    _must_fit(match, side, (tonnes, first, last), ground, today)
    _must_have_left(match, tonnes, ground)
    offered = match._replace(tonnes=tonnes, first=first, last=last)
    return _with(offered, (side,), "countered", now)


def _must_fit(
    match: Match, side: str, terms: tuple[int, date, date], ground: Ground, today: date | None
) -> None:
    """The window lies within the other side's, and the tonnes fit into it at that side's pace."""
    tonnes, first, last = terms
    if tonnes < 1:
        raise NotPossible("tonnes_missing", tonnes=tonnes)
    if last < first:
        raise NotPossible("window_reversed", first=first, last=last)
    if today is not None and last < today:
        raise NotPossible("window_over", last=last)
    if match.via is not None:
        _must_fit_area(match, terms)
        return
    ends = ((match.surplus_id, match.surplus_organisation),
            (match.need_id, match.need_organisation))  # fmt: skip
    for id, organisation in ends:
        lot = ground.lots[id]
        if organisation == side:
            continue
        if first < lot.first or last > lot.last:
            theirs = {"first": str(lot.first), "last": str(lot.last)}
            raise NotPossible("window_beyond", more=theirs, first=lot.first, last=lot.last)
        days = (last - first).days + 1
        room = floor((lot.weekly_t or float("inf")) / 7 * days + 1e-9) if lot.weekly_t else tonnes
        if tonnes > room:
            raise NotPossible(
                "window_too_short",
                more={"tonnes_left": room},
                weekly=f"{lot.weekly_t:g}",
                room=room,
                days=days,
            )


def _must_fit_area(match: Match, terms: tuple[int, date, date]) -> None:
    """Over an area the days hang on its room, and there is room for less only."""
    tonnes, first, last = terms
    if (first, last) != (match.first, match.last):
        raise NotPossible("counter_over_area", first=match.first, last=match.last)
    if tonnes > match.tonnes:
        raise NotPossible(
            "counter_over_area/tonnes",
            more={"tonnes_left": match.tonnes},
            tonnes=tonnes,
            room=match.tonnes,
        )


def _must_have_left(match: Match, tonnes: int, ground: Ground) -> None:
    left = tonnes_left(match, ground)
    if tonnes > left:
        if not left:
            raise NotPossible(
                "too_many_tonnes/nothing_left", more={"tonnes_left": 0}, tonnes=tonnes
            )
        raise NotPossible("too_many_tonnes", more={"tonnes_left": left}, tonnes=tonnes, left=left)


def _declined(match: Match, side: str, reason: str | None, ground: Ground, now: datetime) -> Match:
    if match.state == DECLINED and match.declined_by == side:
        return match
    _must_wait(match)
    if reason is None:
        raise NotPossible("reason_missing", offered=list(get_args(Reason)))
    surplus, need = (ground.lots[id] for id in match.pair)
    return match._replace(
        revision=match.revision + 1,
        state=DECLINED,
        standing=EXCLUDES,
        declined_by=side,
        decline_reason=reason,
        surplus_terms=surplus.terms,
        need_terms=need.terms,
        barred=barred_of(match, side, surplus.material),
        facts=facts_of(reason, surplus, need),
        change="declined",
        changed_at=now,
    )


def _closed(match: Match, side: str, now: datetime) -> Match:
    if match.state == DONE:
        if match.closed_by == side:
            return match
        raise NotPossible("done_already")
    if match.route == ONSITE:
        raise NotPossible("own_site")
    if match.state not in (AGREED, MOVING):
        raise NotPossible("not_agreed", state=match.state)
    return match._replace(
        revision=match.revision + 1,
        state=DONE,
        standing=HISTORY,
        closed_by=side,
        change="closed",
        changed_at=now,
    )


def _undone(match: Match, side: str, ground: Ground, now: datetime) -> Match:
    if side not in match.accepted:
        if match.state == PROPOSED:
            return match
        raise NotPossible("nothing_to_undo", organisation=side)
    if match.state != ACCEPTED:
        raise NotPossible("agreed_already", state=match.state)
    surplus, need = (ground.lots[id] for id in match.pair)
    first, last = max(surplus.first, need.first), min(surplus.last, need.last)
    if match.via or last < first:  # forecasts that have moved apart: the plan withdraws it
        first, last = match.first, match.last
    return match._replace(
        revision=match.revision + 1,
        state=PROPOSED,
        # an offer falls with its acceptance; the plan takes it from here
        tonnes=min(match.tonnes, tonnes_left(match, ground)) or match.tonnes,
        first=first,
        last=last,
        accepted_by="",
        change="undone",
        changed_at=now,
        judged="",
    )


def _must_wait(match: Match) -> None:
    if match.route == ONSITE:
        raise NotPossible("own_site")
    if match.state not in UNDECIDED:
        raise NotPossible("decided_already", state=match.state)
