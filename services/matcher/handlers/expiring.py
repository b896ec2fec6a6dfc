"""Looks at the calendar: proposals whose window is over end, agreements alarm both sides."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from services.matcher import store
from services.matcher.domain import AGREED, MOVING, ONSITE, Match, Rules, expired
from services.matcher.handlers.telling import announced, areas_between
from shared.work import Work

AT_ONCE = 50


async def look_at_calendar(row: Any, work: Work, *, rules: Rules) -> None:
    """
    End what is undecided and over, and alarm of what is agreed, over and not all moved.

    Settlements of the past (`closes_past_windows` off) have no calendar.
    """
    later = work.now + timedelta(seconds=rules.calendar_every_s)
    if not rules.closes_past_windows:
        await store.look_again(work.session, later)
        return
    over = await store.matches_over(work.session, work.today, AT_ONCE)
    matches = {one.id: one for one in await store.matches_of(work.session, over)}
    lots = await store.lots_of(work.session, _lots_of(matches))
    cells = {lot.cell for lot in lots.values()}
    await store.hold(work.session, cells)
    # a lot that moved away meanwhile is looked at the next time
    lots = {
        id: lot
        for id, lot in (await store.lots_of(work.session, lots)).items()
        if lot.cell in cells
    }
    matches = {
        one.id: one
        for one in await store.matches_of(work.session, over)
        if lots.keys() >= set(one.pair)
    }

    after = [
        expired(one, work.today, work.now, arrives_by=lots[one.need_id].last)
        for one in matches.values()
    ]

    ended = [one for one in after if one is not matches[one.id]]
    areas = await areas_between(ended, work.session)
    told = [
        announced(one, lots, areas, work, rules) if one.told_revision or one.standing else one
        for one in ended
    ]
    await store.keep_matches(work.session, told)
    await store.told(work.session, [one.id for one in told])
    # what was held is free for others; what follows the plan on its own site is planned again
    free = [one for one in matches.values() if one.state not in (AGREED, MOVING) or _own_site(one)]
    settled_anew = {lots[id].cell for one in free for id in one.pair}
    await store.mark_dirty(work.session, settled_anew, work.correlation)
    if settled_anew:
        work.wake("dirty")
    more = len(over) == AT_ONCE and bool(ended)
    await store.look_again(work.session, work.now if more else later)
    if more:
        work.wake("calendar")


def _own_site(match: Match) -> bool:
    return match.route == ONSITE


def _lots_of(matches: dict[UUID, Match]) -> set[UUID]:
    return {id for one in matches.values() for id in one.pair}
