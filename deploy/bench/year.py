"""`bench year`: what is delivered in a year in which forecasts change and people decline."""

import time
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg

from deploy.bench.driven import Driven
from deploy.bench.figures import Cell, Goal, Report, Sheet, Table, percentile
from deploy.bench.ground import own_postgres
from deploy.bench.living import DAYS, Calendar, Lived, Way, live
from deploy.bench.peers import BestFirst, FilterSearch, NearestFirst, Worth
from deploy.bench.ways import Greedy, Matching, Optimal, Peer
from deploy.cli.terms import progress
from services.matcher.domain.cost import arcs
from services.matcher.domain.values import Lot, Rules

COLUMNS: Final = (
    "way", "delivered_eur", "onsite_eur", "delivered_t", "onsite_t", "agreed_t", "agreements",
    "proposed", "declined", "withdrawn_per_agreement", "notices_per_coordinator_day", "p95",
    "busiest",
)  # fmt: skip
_CALM: Final = Goal(1.0)
_QUIET: Final = Goal(5.0)


async def measure(count: int, *, seed: int, days: int = DAYS) -> Report:
    """
    A year of a region of *count* lots through the matcher, then through each peer.

    All meet the same forecasts on the same days and the same people: what two sides say is drawn
    from the pair and the month.
    """
    asked = {"lots": count, "seed": seed, "days": days}
    began, clock = datetime.now(UTC), time.perf_counter()
    calendar = Calendar(count, seed=seed, days=days)
    sheet = Sheet(f"a year of {count} lots" if days == DAYS else f"{days} days of {count} lots")
    table = Table("the same forecasts and people, matched in each way", COLUMNS)
    with own_postgres() as server:
        await _do_not_wait_for_the_disk(server.url)
        driven = await Driven.open(server.url)
        try:
            rules = driven.rules
            matching = Matching(driven, calendar)
            with progress(f"{sheet.about}: matcher", days) as advance:
                lived = await live(matching, calendar, seed=seed, advance=advance)
            ways = Ways(calendar, matching.lots, rules, sheet, table)
            ways.add("matcher", lived, matching)
        finally:
            await driven.close()
    first, bonus = calendar.days[0], rules.standing_bonus_cents_per_t
    peers: list[tuple[str, Peer]] = [
        ("(a) filter search", Greedy(matching.mornings, FilterSearch(rules, first))),
        ("(b) nearest first", Greedy(matching.mornings, NearestFirst(rules, first))),
        ("(c) best first", Greedy(matching.mornings, BestFirst(rules, first))),
        ("(d) full optimum", Optimal(matching.mornings, rules, bonus=0)),
        (f"(d) full optimum, bonus {bonus / 100:g} EUR/t",
         Optimal(matching.mornings, rules, bonus=bonus)),
    ]  # fmt: skip
    for name, peer in peers:
        with progress(f"{sheet.about}: {name}", days) as advance:
            lived = await live(peer, calendar, seed=seed, advance=advance)
        ways.add(name, lived, peer)
    return Report("year", asked, sheet.figures, began, time.perf_counter() - clock, [table])


async def _do_not_wait_for_the_disk(postgres_url: str) -> None:
    """Nothing is timed here, and nothing is kept."""
    connection = await asyncpg.connect(f"{postgres_url}/postgres")
    try:
        await connection.execute("ALTER SYSTEM SET synchronous_commit = off")
        await connection.execute("SELECT pg_reload_conf()")
    finally:
        await connection.close()


class Ways:
    """The table of ways, and the same as figures; *truth* are the lots as they were last told."""

    def __init__(
        self,
        calendar: Calendar,
        truth: Mapping[UUID, Lot],
        rules: Rules,
        sheet: Sheet,
        table: Table,
    ) -> None:
        self.calendar, self.truth, self.rules = calendar, dict(truth), rules
        self.sheet, self.table = sheet, table
        self.coordinators = len({lot.organisation for lot in truth.values()})
        worth = Worth(list(truth.values()), rules, calendar.days[0])
        self.best = worth.optimum_cents() / 100
        note = "all lots known from the first day, nobody declines; own sites included"
        sheet.add("optimum in hindsight", self.best, "EUR", note=note)

    def add(self, name: str, lived: Lived, way: Way) -> None:
        """What *lived* delivered, and what it cost people."""
        had = delivered(lived, self.truth, self.rules, self.calendar.days[0])
        agreed = sum(one.tonnes for one in lived.agreements)
        many = len(lived.agreements)
        withdrawn = lived.withdrawn / max(1, many)
        days = [
            way.notices[side, day]
            for side in sorted({lot.organisation for lot in self.truth.values()})
            for day in self.calendar.days
        ]
        notices = sum(days) / max(1, len(days))
        is_matcher = name == "matcher"
        cents = had.cents + had.onsite_cents
        note = (
            f"{had.tonnes} of {agreed} t agreed, {many} agreements, {lived.declined} declined; "
            f"{had.onsite_tonnes} t on their own sites"
        )
        self.sheet.add(
            f"{name}: delivered", cents / 100, "EUR", ("hindsight", self.best), note=note
        )
        self.sheet.add(f"{name}: proposals withdrawn for each agreement", withdrawn,
                       goal=_CALM if is_matcher else None,
                       note=f"{lived.withdrawn} of {lived.proposed} proposals")  # fmt: skip
        self.sheet.add(f"{name}: notices for a coordinator and day", notices,
                       goal=_QUIET if is_matcher else None,
                       note=f"{self.coordinators} coordinators, {len(self.calendar.days)} days; "
                            f"the busiest had {max(days, default=0)}")  # fmt: skip
        row: dict[str, Cell] = {
            "way": name,
            "delivered_eur": round(cents / 100),
            "onsite_eur": round(had.onsite_cents / 100),
            "delivered_t": had.tonnes,
            "onsite_t": had.onsite_tonnes,
            "agreed_t": agreed,
            "agreements": many,
            "proposed": lived.proposed,
            "declined": lived.declined,
            "withdrawn_per_agreement": round(withdrawn, 2),
            "notices_per_coordinator_day": round(notices, 2),
            "p95": percentile(days, 0.95),
            "busiest": max(days, default=0),
        }
        self.table.rows.append(row)


class Delivered(NamedTuple):
    """Tonnes and cents between projects, and on their own sites."""

    tonnes: int
    cents: int
    onsite_tonnes: int
    onsite_cents: int


def delivered(lived: Lived, truth: Mapping[UUID, Lot], rules: Rules, first: date) -> Delivered:
    """
    What of what was agreed both sides really had when it was to move; the year begins on *first*.

    Own sites take theirs first. Then each agreement in the order in which it can begin: no more
    than both have left, nor than the days that are left of both windows let through.
    """
    left = {id: lot.likely for id, lot in truth.items()}

    def moves(pair: tuple[UUID, UUID], asked: int, day: date) -> tuple[int, int]:
        surplus, need = (truth[id] for id in pair)
        found = arcs([surplus], [need], rules, today=day)
        if not len(found.cents):
            return 0, 0
        tonnes = max(0, min(asked, left[surplus.id], left[need.id], int(found.most[0])))
        left[surplus.id] -= tonnes
        left[need.id] -= tonnes
        return tonnes, tonnes * int(found.cents[0])

    def begins(pair: tuple[UUID, UUID], day: date) -> date:
        return max(day, *(truth[id].first for id in pair))

    onsite = [moves(pair, tonnes, first) for pair, tonnes in sorted(lived.onsite.items())]
    between = [
        moves(one.pair, one.tonnes, begins(one.pair, one.day))
        for one in sorted(lived.agreements, key=lambda one: (begins(one.pair, one.day), one))
    ]
    return Delivered(
        sum(tonnes for tonnes, _ in between),
        sum(cents for _, cents in between),
        sum(tonnes for tonnes, _ in onsite),
        sum(cents for _, cents in onsite),
    )
