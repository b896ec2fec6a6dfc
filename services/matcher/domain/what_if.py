"""What the matcher would do if: a copy settled as it is, and settled as it might become."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from math import ceil, floor
from typing import Final, NamedTuple
from uuid import UUID

from services.matcher.domain.areas import Area, way_of, with_baselines, worth_of
from services.matcher.domain.plan import Change, Plan, Stay, replan
from services.matcher.domain.roads import Roads
from services.matcher.domain.values import (
    ACCEPTED,
    HISTORY,
    HOLDS,
    ONSITE,
    WITHDRAWN,
    Lot,
    Rules,
    Stands,
    lot_terms,
)
from shared.vocabulary.errors import Coded

ROUNDS: Final = 8
"""As often as the whole region is solved until nothing changes."""


class CannotChange(Coded):
    """A change that cannot be thought through."""


class LotChange(NamedTuple):
    """
    What a lot might become: its window *days* later (or earlier, below 0), other tonnes, gone.

    *tonnes* are its new likely ones; *tonnes_change* comes on top.
    """

    lot: UUID
    days: int = 0
    tonnes: int | None = None
    tonnes_change: int = 0
    withdrawn: bool = False


class AreaChange(NamedTuple):
    """What an area might become: with *capacity_change_t* more room, or less below 0."""

    area: UUID
    capacity_change_t: int


class Copy(NamedTuple):
    """
    A part of the region as the matcher would leave it: its lots, and what stands of them.

    Masses may wait or be worked in *areas*, where *stays* take room, also those of matches that are
    not here; *sites* are what lots meet without the platform; *roads* are those known.
    """

    lots: Mapping[UUID, Lot]
    matches: Sequence[Stands]
    areas: Sequence[Area] = ()
    stays: Sequence[Stay] = ()
    sites: Sequence[Area] = ()
    roads: Roads | None = None
    short: Sequence[tuple[Lot, int]] = ()


class Totals(NamedTuple):
    """What stands is worth: cents; tonnes moved and on own sites; thousandths of tkm; grams."""

    matches: int = 0
    value_cents: int = 0
    tonnes: int = 0
    onsite_tonnes: int = 0
    kg_km: int = 0
    grams: int = 0

    def minus(self, other: "Totals") -> "Totals":
        return Totals(*(mine - its for mine, its in zip(self, other, strict=True)))


class Effect(NamedTuple):
    """A match that would be new, changed or gone; *worth_cents* is what that adds."""

    before: Stands | None
    after: Stands | None
    worth_cents: int

    @property
    def what(self) -> str:
        if self.before is None:
            return "new"
        return "gone" if self.after is None else "changed"

    @property
    def match(self) -> Stands:
        """The match as it would be; as it is when it would be gone."""
        found = self.after or self.before
        assert found is not None
        return found


class Broken(NamedTuple):
    """A match decided on that a forecast would no longer carry, and why."""

    match: Stands
    lot: Lot
    reason: str


class Answer(NamedTuple):
    """The copy settled as it is and as it might become, the differences by worth, what breaks."""

    before: Copy
    after: Copy
    effects: list[Effect]
    broken: list[Broken]


def what_if(
    copy: Copy,
    changes: Sequence[LotChange],
    added: Sequence[Lot],
    rules: Rules,
    *,
    today: date,
    area_changes: Sequence[AreaChange] = (),
) -> Answer:
    """
    What *changes* and *added* lots would do to *copy*, both settled by the same *rules*.

    Nothing that is given is changed. Raises `CannotChange`.
    """
    might = with_changes(copy, changes, added, rules, area_changes=area_changes)
    before = settled(copy, rules, today=today)
    after = settled(might, rules, today=today)
    return Answer(before, after, effects(before, after), broken(before, after))


def with_changes(
    copy: Copy,
    changes: Sequence[LotChange],
    added: Sequence[Lot],
    rules: Rules,
    *,
    area_changes: Sequence[AreaChange] = (),
) -> Copy:
    """
    *copy* with *changes* applied in their order, and *added* lots in it.

    Raises `CannotChange`.
    """
    lots = dict(copy.lots)
    for change in changes:
        lots[change.lot] = changed(lots[change.lot], change)
    lots |= {lot.id: lot for lot in added}
    other = [lots[id] for id in sorted({*(one.lot for one in changes), *(it.id for it in added)})]
    lots |= {lot.id: lot for lot in with_baselines(other, copy.sites, rules)}
    areas = {one.id: one for one in copy.areas}
    for one in area_changes:
        areas[one.area] = with_capacity(areas.get(one.area), one)
    return copy._replace(lots=lots, areas=list(areas.values()))


def with_capacity(area: Area | None, change: AreaChange) -> Area:
    """
    *area* with the room that *change* gives or takes.

    Raises `CannotChange` where it takes no part in plans, has no limit, or would have none left.
    """
    if area is None:
        raise CannotChange("area_not_in_plans", id=change.area)
    if area.capacity is None:
        raise CannotChange("area_without_capacity", id=area.id)
    capacity = area.capacity + change.capacity_change_t
    if capacity < 0:
        raise CannotChange(
            "capacity_below_zero", id=area.id, room=area.capacity, change=change.capacity_change_t
        )
    return area._replace(capacity=capacity)


def changed(lot: Lot, change: LotChange) -> Lot:
    """
    *lot* as the registry would tell it after *change*: low and high tonnes keep their proportion.

    Raises `CannotChange` for tonnes below 0 and for days beyond the calendar.
    """
    likely = (lot.likely if change.tonnes is None else change.tonnes) + change.tonnes_change
    if likely < 0:
        raise CannotChange("tonnes_below_zero", id=lot.id, tonnes=lot.likely, would=likely)
    share = likely / lot.likely if lot.likely else 0
    try:
        moved = timedelta(days=change.days)
        first, last = lot.first + moved, lot.last + moved
    except OverflowError:
        raise CannotChange("days_out_of_range", id=lot.id, days=change.days) from None
    it = lot._replace(
        revision=lot.revision + 1,
        low=min(likely, floor(lot.low * share + 1e-9)),
        likely=likely,
        high=max(likely, ceil(lot.high * share - 1e-9)),
        first=first,
        last=last,
        is_open=lot.is_open and not change.withdrawn,
    )
    return it._replace(terms=lot_terms(it))


def settled(copy: Copy, rules: Rules, *, today: date) -> Copy:
    """*copy* after the plan was made again until nothing changes, as the matcher does."""
    lots = list(copy.lots.values())
    for _ in range(ROUNDS):
        plan = replan(
            lots, copy.matches, rules, today=today, areas=copy.areas, stays=copy.stays,
            roads=copy.roads,
        )  # fmt: skip
        known = {one.id for one in copy.matches}
        matches = stands_after(copy.lots, copy.matches, plan)
        elsewhere = [one for one in copy.stays if one.id not in known]
        copy = copy._replace(
            matches=matches, short=plan.short, stays=[*elsewhere, *_stays_of(matches)]
        )
        if not plan.changes or rules == rules.exact:
            break
    return copy


def _stays_of(matches: Iterable[Stands]) -> Iterator[Stay]:
    for one in matches:
        if one.standing == HOLDS and one.via and one.stays_from and one.stays_to:
            yield Stay(one.id, one.via, one.tonnes, one.stays_from, one.stays_to)


def stands_after(lots: Mapping[UUID, Lot], matches: Sequence[Stands], plan: Plan) -> list[Stands]:
    """What stands of *matches* once *plan* was written down."""
    now = {one.id: one for one in matches}
    for change in plan.changes:
        match = _match_of(change)
        now[match.id] = match
    for one in matches:
        ends = [lots[id] for id in one.pair if id in lots]
        if one.state == ACCEPTED and any(not lot.is_open for lot in ends):
            now[one.id] = one._replace(state=WITHDRAWN, standing=HISTORY)
    return [one for one in now.values() if one.standing != HISTORY]


def _match_of(change: Change) -> Stands:
    """The match that *change* makes of the one that stood, or a new one."""
    was, surplus, need = change.match, change.surplus, change.need
    if was is not None and change.tonnes == 0:
        return was._replace(state=WITHDRAWN, standing=HISTORY)
    return Stands(
        id=new_id(surplus.id, need.id, change.via) if was is None else was.id,
        revision=1 if was is None else was.revision + 1,
        surplus_id=surplus.id,
        need_id=need.id,
        state=change.state,
        route=change.route,
        standing=HOLDS,
        tonnes=change.tonnes,
        cents_per_t=change.cents_per_t,
        km=change.km,
        first=change.first,
        last=change.last,
        surplus_terms=surplus.terms,
        need_terms=need.terms,
        alarm="",
        told_revision=0 if was is None else was.told_revision,
        via=change.via,
        permille=change.permille,
        stays_from=change.stays_from,
        stays_to=change.stays_to,
    )


def new_id(surplus: UUID, need: UUID, via: UUID | None) -> UUID:
    """The id of a match that only a copy knows: the same for the same way."""
    told = surplus.bytes + need.bytes + (via.bytes if via else b"")
    return UUID(bytes=hashlib.blake2b(told, digest_size=16).digest())


def effects(before: Copy, after: Copy) -> list[Effect]:
    """The matches that differ between the two copies: what is worth most, gained or lost, first."""
    then = {one.id: one for one in before.matches if one.standing == HOLDS}
    now = {one.id: one for one in after.matches if one.standing == HOLDS}
    found = [
        Effect(then.get(id), now.get(id), _cents(now.get(id)) - _cents(then.get(id)))
        for id in then.keys() | now.keys()
        if _seen(then.get(id)) != _seen(now.get(id))
    ]
    return sorted(found, key=lambda one: (-abs(one.worth_cents), one.match.pair, one.match.id))


def _cents(match: Stands | None) -> int:
    return match.tonnes * match.cents_per_t if match else 0


def _seen(match: Stands | None) -> tuple[object, ...] | None:
    """What somebody would notice of *match*."""
    if match is None:
        return None
    stay = match.stays_from, match.stays_to
    return match.state, match.tonnes, match.cents_per_t, match.km, match.first, match.last, stay


def broken(before: Copy, after: Copy) -> list[Broken]:
    """
    The matches decided on that would no longer be carried, and are carried now.

    A forecast falls below what was decided, is no longer offered, or has no day left in the window
    that was decided on.
    """
    was = set(_broken(before))
    return [
        Broken(one, after.lots[id], reason)
        for one, id, reason in sorted(_broken(after))
        if (one, id, reason) not in was
    ]


def _broken(copy: Copy) -> Iterable[tuple[Stands, UUID, str]]:
    short = {lot.id for lot, _ in copy.short}
    for one in copy.matches:
        if one.standing != HOLDS or one.is_free:
            continue
        for id in one.pair:
            lot = copy.lots.get(id)
            if lot is None:
                continue
            if not lot.is_open:
                yield one, id, "no_longer_offered"
            elif id in short:
                yield one, id, "forecast_below_agreed"
            elif lot.last < one.first or one.last < lot.first:
                yield one, id, "outside_window"


def totals(copy: Copy, rules: Rules, sees: Callable[[Lot, Lot], bool], *, today: date) -> Totals:
    """What stands in *copy* between lots whose pair *sees* lets through."""
    areas = {one.id: one for one in copy.areas}
    found = Totals()
    for one in copy.matches:
        surplus, need = copy.lots.get(one.surplus_id), copy.lots.get(one.need_id)
        if one.standing != HOLDS or surplus is None or need is None or not sees(surplus, need):
            continue
        onsite = one.route == ONSITE
        way = way_of(one, surplus, need, areas, rules, today=today)
        worth = worth_of(one, surplus, need, way, rules)
        found = Totals(
            found.matches + 1,
            found.value_cents + _cents(one),
            found.tonnes + (0 if onsite else one.tonnes),
            found.onsite_tonnes + (one.tonnes if onsite else 0),
            found.kg_km + (0 if onsite else round(one.km * one.tonnes * 1000)),
            found.grams + worth.saved_g * one.tonnes,
        )
    return found
