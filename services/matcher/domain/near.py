"""What almost fits: pairs that fail one gate by little, and the one thing that has to change."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from math import ceil
from typing import Final, Literal, NamedTuple
from uuid import UUID, uuid5

import numpy as np
from numpy.typing import NDArray

from services.matcher.domain.areas import Area, area_arcs
from services.matcher.domain.cost import (
    Bools,
    Columns,
    Floats,
    Ints,
    cents_of,
    explain,
    regions_meet,
    road_km_between,
    road_km_of,
    rows_of,
    sides,
)
from services.matcher.domain.fit import Finding, judge
from services.matcher.domain.learn import barred_pairs, is_too_far, reaches
from services.matcher.domain.values import (
    HOLDS,
    Kind,
    Lot,
    Rules,
    Stands,
    kind_of,
)
from shared.vocabulary import quality
from shared.vocabulary.enumerations import codes
from shared.vocabulary.materials import MATERIALS
from shared.vocabulary.uses import use_rules

Pair = tuple[UUID, UUID]
Who = Literal["surplus", "need", "region"]
What = Literal["window_later", "window_earlier", "class", "fact", "processing", "reach"]

OPEN, CLOSED = "open", "closed"
CALM: Final = 1.25
"""What stands counts this much more, so that near misses do not come and go for little."""
SUBSTANTIAL: Final = 0.2
"""Tonnes or worth that differ by this part from what was told are told again."""

_NAMES: Final = UUID("6f1f1c5e-7f0c-5c0b-9c57-3a2e5d1b9f42")
_BLOCK: Final = 500_000
_AT_ONCE: Final = 20_000
_FITS, _NEARLY, _FAR = 0, 1, 2
_TOLD_BY_NEED: Final = ("structure of the need", "groundwater area", "layer thickness")
_TOLD_BY_NOBODY: Final = ("the layer's limit",)


class Remedy(NamedTuple):
    """
    One thing that would make a pair fit, and who could change it.

    *days* that a window moves, *km* that are too many, or the *code* of a class, a fact or a
    processing; `region` is neither side: a longer reach, or an area that does the work.
    """

    who: Who
    what: What
    days: int | None = None
    km: float | None = None
    code: str | None = None

    @property
    def text(self) -> str:
        """Codes and numbers, as in `need window_later 21 d`."""
        days = None if self.days is None else f"{self.days} d"
        km = None if self.km is None else f"{self.km:g} km"
        return " ".join(filter(None, (self.who, self.what, days, km, self.code)))


@dataclass(frozen=True)
class NearMiss:
    """
    A pair that fails *finding* alone, and by little; each of *remedies* would make it fit.

    *tonnes* are what both have unmatched and could then move; *cents_per_t* is their value then.
    """

    surplus: Lot
    need: Lot
    finding: Finding
    remedies: tuple[Remedy, ...]
    tonnes: int
    cents_per_t: int
    km: float

    @property
    def id(self) -> UUID:
        """The same for this pair, whenever it nearly fits."""
        return near_miss_id(self.surplus.id, self.need.id)

    @property
    def pair(self) -> Pair:
        return self.surplus.id, self.need.id

    @property
    def worth_cents(self) -> int:
        return self.tonnes * self.cents_per_t


def near_miss_id(surplus: UUID, need: UUID) -> UUID:
    """The id of the near miss of this pair."""
    return uuid5(_NAMES, f"{surplus}/{need}")


class Opening(NamedTuple):
    """What one lot would gain by *remedy*: tonnes, cents, and with how many partners."""

    remedy: Remedy
    tonnes: int
    cents: int
    partners: int


class Pairs(NamedTuple):
    """
    Pairs that nearly fit: row in surpluses, row in needs, tonnes that both have unmatched, cents a
    tonne, road km, and the days a window must move, 0 where time is not what fails.
    """

    surplus: Ints
    need: Ints
    tonnes: Ints
    cents: Ints
    km: Floats
    days: Ints

    def take(self, rows: Ints | Bools) -> "Pairs":
        """The pairs of *rows* only."""
        return Pairs(
            self.surplus[rows], self.need[rows], self.tonnes[rows], self.cents[rows],
            self.km[rows], self.days[rows],
        )  # fmt: skip


def near_reach_km(rules: Rules) -> float:
    """In a straight line, how far apart the lots of a near miss may lie."""
    return rules.widest_km * (1 + rules.near_beyond_reach)


def unmatched(lots: Iterable[Lot], matches: Iterable[Stands]) -> dict[UUID, int]:
    """Tonnes that each of *lots* has left after all that holds some: proposed and decided."""
    left = {lot.id: lot.left_kg for lot in lots}
    for match in matches:
        for id, kg in match.held:
            if id in left:
                left[id] -= kg
    return {id: max(0, kg) // 1000 for id, kg in left.items()}


def spoken_for(lots: Mapping[UUID, Lot], matches: Iterable[Stands], rules: Rules) -> set[Pair]:
    """
    Pairs that are no near miss whatever fails: they have a match, were declined for good, or are as
    far as one that a side of them declined for its distance.
    """
    known = list(matches)
    standing = {one.pair for one in known if one.standing == HOLDS}
    return standing | barred_pairs(known, lots) | _too_far(lots, known, rules)


def _too_far(lots: Mapping[UUID, Lot], matches: Iterable[Stands], rules: Rules) -> set[Pair]:
    limits = reaches(matches, lots)
    found: set[Pair] = set()
    for one in {lots[id] for id, _ in limits}:
        for other in lots.values():
            if other.direction != one.direction:
                surplus, need = (one, other) if one.is_surplus else (other, one)
                km = road_km_between(surplus, need, rules)
                if is_too_far(surplus, need, km, limits):
                    found.add((surplus.id, need.id))
    return found


def is_over(lot: Lot, rules: Rules, today: date) -> bool:
    """Whether the time of *lot* is over, so that nothing small brings it back."""
    return rules.closes_past_windows and lot.last < today


def near_pairs(
    surpluses: Sequence[Lot],
    needs: Sequence[Lot],
    left: Mapping[UUID, int],
    rules: Rules,
    *,
    today: date,
    excluded: Collection[Pair] = (),
    areas: Sequence[Area] = (),
) -> Pairs:
    """
    Every pair of *surpluses* and *needs* that fails exactly one gate, and by little.

    *left* are the tonnes unmatched of each lot. Pairs *excluded* are left out; so are those with
    less than the smallest load, lots whose time is over, and pairs that can go over one of *areas*.
    """
    least = max(1, rules.smallest_load_t)

    def could(lots: Sequence[Lot]) -> Ints:
        rows = [
            row
            for row, lot in enumerate(lots)
            if lot.is_open and left.get(lot.id, 0) >= least and not is_over(lot, rules, today)
        ]
        return np.array(rows, dtype=np.int64)

    gives, takes = could(surpluses), could(needs)
    if not len(gives) or not len(takes):
        return _NONE
    both = sides([surpluses[row] for row in gives], [needs[row] for row in takes])
    size = max(1, _BLOCK // len(takes))
    tonnes = (
        np.array([left[lot.id] for lot in both.surpluses.lots], dtype=np.int64),
        np.array([left[lot.id] for lot in both.needs.lots], dtype=np.int64),
    )
    tables = _tables(both.surpluses, both.needs, both.places, rules)
    found = []
    for start in range(0, len(gives), size):
        rows = np.arange(start, min(start + size, len(gives)))
        block = _block(both.surpluses.take(rows), both.needs, (tonnes[0][rows], tonnes[1]),
                       tables, rules, today)  # fmt: skip
        found.append(block._replace(surplus=gives[rows[block.surplus]], need=takes[block.need]))
    joined = Pairs(*(np.concatenate(part) for part in zip(*found, strict=True)))
    keys = joined.surplus * len(needs) + joined.need
    gone = rows_of(excluded, surpluses, needs)
    kept = ~np.isin(keys, np.fromiter(gone, np.int64, len(gone)))
    return _without_ways(joined.take(kept), surpluses, needs, areas, rules, today)


def _without_ways(
    pairs: Pairs,
    surpluses: Sequence[Lot],
    needs: Sequence[Lot],
    areas: Sequence[Area],
    rules: Rules,
    today: date,
) -> Pairs:
    """*pairs* without those that can go over one of *areas*, so that nothing has to change."""
    gives, takes = np.unique(pairs.surplus), np.unique(pairs.need)
    if not any(area.waits for area in areas) or not len(gives):
        return pairs
    receivers = [needs[row] for row in takes.tolist()]
    size = max(1, _BLOCK // len(takes))
    keys = []
    for start in range(0, len(gives), size):
        rows = gives[start : start + size]
        ways = area_arcs([surpluses[row] for row in rows.tolist()], receivers, areas, rules,
                         today=today)  # fmt: skip
        keys.append(rows[ways.surplus] * len(needs) + takes[ways.need])
    there = np.isin(pairs.surplus * len(needs) + pairs.need, np.concatenate(keys))
    return pairs.take(~there)


_EMPTY: Final[Ints] = np.zeros(0, np.int64)
_NONE: Final = Pairs(_EMPTY, _EMPTY, _EMPTY, _EMPTY, np.zeros(0), _EMPTY)


class _Tables(NamedTuple):
    """How near each kind is to each, and which places may meet, by the numbers of the columns."""

    kinds: NDArray[np.int8]
    meet: Bools


def _tables(
    left: Columns, right: Columns, places: Sequence[tuple[str, str]], rules: Rules
) -> _Tables:
    return _Tables(
        np.array(
            [[nearness(s, n, rules.processing_on_site) for n in right.kind_set]
             for s in left.kind_set],
            dtype=np.int8,
        ),
        np.array([[regions_meet(one, other) for other in places] for one in places]),
    )  # fmt: skip


def _block(
    left: Columns,
    right: Columns,
    tonnes: tuple[Ints, Ints],
    tables: _Tables,
    rules: Rules,
    today: date,
) -> Pairs:
    near = tables.kinds[left.kind][:, right.kind]
    earliest = today.toordinal() if rules.closes_past_windows else 0
    starts = np.maximum(left.first, earliest), np.maximum(right.first, earliest)
    days = np.minimum(left.last[:, None], right.last) - np.maximum(starts[0][:, None], starts[1])
    days += 1
    own = left.project[:, None] == right.project
    same = left.organisation[:, None] == right.organisation
    seen = same | ~(left.hidden[:, None] | right.hidden)
    at_home = own & ~left.net[:, None] & ~right.net
    may = at_home | (~own & seen & tables.meet[left.place][:, right.place])
    may &= ((near == _FITS) & (days > -rules.near_days)) | ((near == _NEARLY) & (days >= 1))
    s, n = np.nonzero(may)
    km = road_km_of(left, right, s, n, rules)
    elsewhere = left.project[s] != right.project[n]
    reach = np.array([rules.reach(kind_of(kind).material) for kind in left.kind_set])[left.kind[s]]
    beyond = elsewhere & (km > reach)
    late = days[s, n] < 1
    fails = late.astype(np.int64) + beyond + (near[s, n] == _NEARLY)
    cents = cents_of(left, right, s, n, km, rules)
    good = (fails == 1) & (~beyond | (km <= reach * (1 + rules.near_beyond_reach)))
    good &= ~elsewhere | (cents > rules.worth_cents_per_t)
    s, n, km, late, cents = s[good], n[good], km[good], late[good], cents[good]
    # whole: a window that has begun is moved with its days that are gone
    lengths = np.minimum((left.last - left.first)[s], (right.last - right.first)[n]) + 1
    rate = np.minimum(left.per_day[s], right.per_day[n])
    room = np.where(late, np.minimum(days[s, n] + rules.near_days, lengths), days[s, n])
    most = np.minimum(np.floor(rate * room + 1e-9), 2**40).astype(np.int64)
    moved = np.minimum(np.minimum(tonnes[0][s], tonnes[1][n]), most)
    asked = np.maximum(1, np.ceil(moved / rate - 1e-9)).astype(np.int64)
    shift = np.where(late, np.minimum(asked, room) - days[s, n], 0)
    some = moved >= max(1, rules.smallest_load_t)
    return Pairs(s, n, moved, cents, km, shift).take(some)


@lru_cache(maxsize=262144)
def nearness(surplus: str, need: str, processing_on_site: bool) -> int:
    """How near the kinds written down as *surplus* and *need* are: 0 fits, 1 nearly, 2 far."""
    left, right = kind_of(surplus), kind_of(need)
    failing = [
        one for one in judge(left, right, processing_on_site) if one.verdict in ("fail", "unknown")
    ]
    if not failing:
        return _FITS
    little = len(failing) == 1 and _fails_by_little(failing[0], left, right)
    return _NEARLY if little else _FAR


def _fails_by_little(finding: Finding, surplus: Kind, need: Kind) -> bool:
    """A fact that is not known, or one quality class; what fails else, fails for good."""
    if finding.verdict == "unknown":
        return True
    return finding.gate == "G7_suitability" and class_that_would_do(surplus, need) is not None


def class_that_would_do(surplus: Kind, need: Kind) -> str | None:
    """The class one step from the *surplus*'s that is good enough for *need*; None for none."""
    offered = surplus.quality
    asked = [one for one in (need.quality, use_rules(need.use).min_tier)
             if one not in (None, "any", "unknown")]  # fmt: skip
    for other in codes("suitability_class"):
        one_step = quality.one_class_short(offered, other) or quality.same_tier_other_family(
            offered, other
        )
        if one_step and all(
            quality.better_or_equal(other, str(one), accepts_unknown=False) == "pass"
            for one in asked
        ):
            return other
    return None


def near_misses_of(
    pairs: Pairs,
    surpluses: Sequence[Lot],
    needs: Sequence[Lot],
    rules: Rules,
    *,
    today: date,
) -> list[NearMiss]:
    """*pairs* with the one gate that fails and what would have to change, in their order."""
    found = []
    for s, n, tonnes, cents, km, days in zip(*(part.tolist() for part in pairs), strict=True):
        surplus, need = surpluses[s], needs[n]
        findings = explain(surplus, need, rules, today=today, km=km)
        failing = [one for one in findings if one.verdict in ("fail", "unknown")]
        if len(failing) == 1:  # a gate that only `explain` knows has the last word
            remedies = tuple(_remedies(failing[0], surplus, need, days, km, rules, today))
            found.append(NearMiss(surplus, need, failing[0], remedies, tonnes, cents, km))
    return found


def _remedies(
    failing: Finding, surplus: Lot, need: Lot, days: int, km: float, rules: Rules, today: date
) -> Iterator[Remedy]:
    if failing.gate == "G9_time":
        early, late = (surplus, need) if surplus.last < need.first else (need, surplus)
        yield Remedy(_side_of(early), "window_later", days=days)
        first = late.first - timedelta(days=days)
        if not rules.closes_past_windows or first >= today:
            yield Remedy(_side_of(late), "window_earlier", days=days)
    elif failing.gate == "place":
        yield Remedy("region", "reach", km=ceil((km - rules.reach(surplus.material)) * 10) / 10)
    else:
        yield from _remedies_of_kinds(failing, kind_of(surplus.kind), kind_of(need.kind))


def _remedies_of_kinds(failing: Finding, surplus: Kind, need: Kind) -> Iterator[Remedy]:
    if failing.gate == "processing":
        yield Remedy("region", "processing", code=failing.wanted)
    elif failing.verdict == "fail":
        tier = use_rules(need.use).min_tier
        good = (
            tier is None
            or quality.better_or_equal(surplus.quality, tier, accepts_unknown=False) == "pass"
        )
        if good:
            yield Remedy("need", "class", code=surplus.quality)
        yield Remedy("surplus", "class", code=class_that_would_do(surplus, need))
    else:
        yield Remedy(_who_tells(failing, surplus), "fact", code=failing.needed or "material")


def _who_tells(failing: Finding, surplus: Kind) -> Who:
    told = (failing.needed or "").replace("_", " ")
    if told in _TOLD_BY_NOBODY:
        return "region"
    if told in _TOLD_BY_NEED:
        return "need"
    if failing.gate == "G6_material":
        offered = MATERIALS.get(surplus.material)
        unrefined = offered is not None and offered.group == "import_grouping"
        return "surplus" if unrefined else "need"
    return "surplus"


def _side_of(lot: Lot) -> Who:
    return "surplus" if lot.is_surplus else "need"


def best(cents: Ints, surplus: Ints, need: Ints, standing: Bools, rules: Rules) -> Ints:
    """
    Of pairs worth *cents* those worth most, at most as many of each lot as the rules say: rows.

    Equal ones go by the numbers of their lots. Those *standing* count a little more, and all must
    be worth what the rules ask.
    """
    counted = np.where(standing, np.rint(cents * CALM), cents).astype(np.int64)
    rows = np.flatnonzero((counted >= rules.near_worth_cents) & (cents > 0))
    rows = rows[np.lexsort((need[rows], surplus[rows], -counted[rows]))]
    given = np.zeros(int(surplus.max(initial=-1)) + 1, np.int64)
    taken = np.zeros(int(need.max(initial=-1)) + 1, np.int64)
    chosen: list[int] = []
    for start in range(0, len(rows), _AT_ONCE):
        some = rows[start : start + _AT_ONCE]
        some = some[(given[surplus[some]] < rules.near_per_lot)
                    & (taken[need[some]] < rules.near_per_lot)]  # fmt: skip
        ends = zip(some.tolist(), surplus[some].tolist(), need[some].tolist(), strict=True)
        for row, s, n in ends:
            if given[s] < rules.near_per_lot and taken[n] < rules.near_per_lot:
                chosen.append(row)
                given[s] += 1
                taken[n] += 1
    return np.array(sorted(chosen), dtype=np.int64)


def differs_much(before: int, now: int) -> bool:
    """Whether an amount differs enough from the one told to be told again."""
    return now != before and abs(now - before) >= SUBSTANTIAL * before


def openings(
    lot: Lot,
    others: Sequence[Lot],
    left: Mapping[UUID, int],
    rules: Rules,
    *,
    today: date,
    excluded: Collection[Pair] = (),
    areas: Sequence[Area] = (),
    most: int = 5,
) -> list[Opening]:
    """
    The *most* best things that *lot* could change, or the region for it, best first.

    A window that moves further opens all that a smaller move does; a further move is told only
    where it is worth a fifth more.
    """
    surpluses, needs = ([lot], others) if lot.is_surplus else (others, [lot])
    pairs = near_pairs(surpluses, needs, left, rules, today=today, excluded=excluded, areas=areas)
    who = _side_of(lot)
    by_remedy: dict[Remedy, list[NearMiss]] = {}
    for near in near_misses_of(pairs, surpluses, needs, rules, today=today):
        for remedy in near.remedies:
            if remedy.who in (who, "region"):
                key = remedy._replace(days=None, km=None)
                by_remedy.setdefault(key, []).append(near)
    found: list[Opening] = []
    for remedy, members in by_remedy.items():
        found += _steps(remedy, members, left[lot.id])
    return sorted(found, key=lambda one: (-one.cents, one.remedy.text))[:most]


def _steps(remedy: Remedy, members: Sequence[NearMiss], left: int) -> Iterator[Opening]:
    """What *remedy* opens by how far it goes: days or kilometres."""
    sized = [(_size(near, remedy), near) for near in members]
    best_so_far = 0
    for size in sorted({size for size, _ in sized}):
        within = [near for each, near in sized if each <= size]
        tonnes, cents, partners = _filled(within, left)
        if cents > 0 and cents >= best_so_far * (1 + SUBSTANTIAL):
            best_so_far = cents
            days = int(size) if remedy.what in ("window_later", "window_earlier") else None
            km = size if remedy.what == "reach" else None
            yield Opening(remedy._replace(days=days, km=km), tonnes, cents, partners)


def _size(near: NearMiss, remedy: Remedy) -> float:
    same = [one for one in near.remedies if one._replace(days=None, km=None) == remedy]
    return float(same[0].days or same[0].km or 0)


def _filled(members: Sequence[NearMiss], left: int) -> tuple[int, int, int]:
    """Tonnes, cents and partners when the best of *members* take what is *left* first."""
    tonnes = cents = partners = 0
    for near in sorted(members, key=lambda one: (-one.cents_per_t, one.pair)):
        more = min(near.tonnes, left - tonnes)
        if more > 0 and near.cents_per_t > 0:
            tonnes += more
            cents += more * near.cents_per_t
            partners += 1
    return tonnes, cents, partners


class KnownNearMiss(NamedTuple):
    """
    A near miss as it was last told, in the order of its columns.

    *remedies* is JSON: a list of who, what, days, km and code.
    """

    id: UUID
    revision: int
    surplus_id: UUID
    need_id: UUID
    state: str
    gate: str
    offered: str
    wanted: str
    remedies: str
    tonnes: int
    cents_per_t: int
    worth_cents: int
    km: float
    region: str
    surplus_organisation: str
    need_organisation: str
    born_at: datetime
    changed_at: datetime

    @property
    def pair(self) -> Pair:
        return self.surplus_id, self.need_id

    @property
    def sides(self) -> tuple[str, ...]:
        """The organisations of the two sides, giver first; one when they are the same."""
        return tuple(dict.fromkeys((self.surplus_organisation, self.need_organisation)))

    @property
    def ways(self) -> tuple[Remedy, ...]:
        """What would have to change, one or the other."""
        return tuple(Remedy(*one) for one in json.loads(self.remedies))

    @property
    def change_needed(self) -> str:
        """The same in codes and numbers."""
        return " | ".join(one.text for one in self.ways)

    @property
    def who_could(self) -> tuple[str, ...]:
        """The organisations that could change something."""
        by_side = {"surplus": self.surplus_organisation, "need": self.need_organisation}
        could = [by_side[one.who] for one in self.ways if one.who in by_side]
        return tuple(dict.fromkeys(could))


class NearPlan(NamedTuple):
    """The near misses of a tile as they should stand, and those that stand no more."""

    kept: list[NearMiss]
    closed: list[KnownNearMiss]


def replan_near(
    lots: Sequence[Lot],
    left: Mapping[UUID, int],
    inside: Set[int],
    known: Sequence[tuple[KnownNearMiss, int, int]],
    rules: Rules,
    *,
    today: date,
    excluded: Collection[Pair] = (),
    areas: Sequence[Area] = (),
) -> NearPlan:
    """
    The best near misses with an end in the cells *inside*, against what stands around them.

    *lots* are those with tonnes *left* inside and within reach of it, *known* the open near misses
    that have an end among the cells of *lots*, each with the cells of its two lots. One between two
    lots outside stays as it is unless better ones take its place.
    """
    surpluses = sorted((lot for lot in lots if lot.is_surplus), key=lambda lot: lot.id)
    needs = sorted((lot for lot in lots if not lot.is_surplus), key=lambda lot: lot.id)
    pairs = _pairs_of(surpluses, needs, left, inside, rules, today, excluded, areas)
    outside = [one for one, *cells in known if not inside & set(cells)]
    givers = _ranks([lot.id for lot in surpluses], [one.surplus_id for one in outside])
    takers = _ranks([lot.id for lot in needs], [one.need_id for one in outside])
    stood = {(givers.get(one.surplus_id, -1), takers.get(one.need_id, -1)) for one, *_ in known}
    given = np.array([givers[lot.id] for lot in surpluses], np.int64)[pairs.surplus]
    taken = np.array([takers[lot.id] for lot in needs], np.int64)[pairs.need]
    keys = np.array([s * len(takers) + n for s, n in stood if s >= 0 and n >= 0], np.int64)

    rows = best(
        _joined(pairs.tonnes * pairs.cents, [one.worth_cents for one in outside]),
        _joined(given, [givers[one.surplus_id] for one in outside]),
        _joined(taken, [takers[one.need_id] for one in outside]),
        np.append(np.isin(given * len(takers) + taken, keys), np.ones(len(outside), np.bool_)),
        rules,
    )

    count = len(pairs.surplus)
    kept = near_misses_of(pairs.take(rows[rows < count]), surpluses, needs, rules, today=today)
    stay = {one.pair for one in kept}
    stay |= {outside[row - count].pair for row in rows[rows >= count].tolist()}
    return NearPlan(kept, [one for one, *_ in known if one.pair not in stay])


def _pairs_of(
    surpluses: Sequence[Lot],
    needs: Sequence[Lot],
    left: Mapping[UUID, int],
    inside: Set[int],
    rules: Rules,
    today: date,
    excluded: Collection[Pair],
    areas: Sequence[Area],
) -> Pairs:
    """The pairs that nearly fit with at least one end in the cells *inside*."""
    gives = np.array([lot.cell in inside for lot in surpluses], np.bool_)
    takes = np.array([lot.cell in inside for lot in needs], np.bool_)
    every = np.arange(len(needs))
    found = []
    for s, n in ((np.flatnonzero(gives), every), (np.flatnonzero(~gives), np.flatnonzero(takes))):
        gives_here = [surpluses[row] for row in s.tolist()]
        takes_here = [needs[row] for row in n.tolist()]
        some = near_pairs(gives_here, takes_here, left, rules, today=today, excluded=excluded,
                          areas=areas)  # fmt: skip
        found.append(some._replace(surplus=s[some.surplus], need=n[some.need]))
    return Pairs(*(np.concatenate(part) for part in zip(*found, strict=True)))


def _joined(some: Ints, more: Sequence[int]) -> Ints:
    return np.concatenate((some, np.array(more, np.int64)))


def _ranks(ids: Sequence[UUID], others: Iterable[UUID]) -> dict[UUID, int]:
    """A number for each id, in the order of ids."""
    return {id: rank for rank, id in enumerate(sorted({*ids, *others}))}


def is_as_told(known: KnownNearMiss, near: NearMiss) -> bool:
    """Whether *near* is still much as *known* says: the same change, amounts within a fifth."""
    if known.state != OPEN or known.gate != near.finding.gate:
        return False
    if len(known.ways) != len(near.remedies):
        return False
    same_way = all(
        (told.who, told.what, told.code) == (now.who, now.what, now.code)
        and not differs_much(told.days or 0, now.days or 0)
        and not differs_much(round(10 * (told.km or 0)), round(10 * (now.km or 0)))
        for told, now in zip(known.ways, near.remedies, strict=True)
    )
    return (
        same_way
        and not differs_much(known.tonnes, near.tonnes)
        and not differs_much(known.worth_cents, near.worth_cents)
    )
