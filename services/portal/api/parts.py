"""What the parts of the pages hold: each asked by itself, for one reader, of one region."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from services.portal.api.desk import CODE, Desk
from services.portal.api.visitor import Visitor
from services.portal.domain import marks, rows, whole
from services.portal.domain import near as nearly
from services.portal.domain.charts.balance import balance_chart, window
from services.portal.domain.outlook import Plan, span_of
from services.portal.domain.upkeep import COMPARED, REPORTS, Mass, Wanted, years_of
from services.portal.gateways import Away, Denied, Imports, Seen, Upkeep
from shared.contracts.base import now
from shared.http import Problem
from shared.vocabulary.regions import Region, UnknownPlace

Context = dict[str, Any]
ORGANISATIONS_ASKED = 3
NEAR_SHOWN = 5
TWICE_SHOWN = 5
UPKEEP = (("confirm", "/confirm"), ("duplicates", "/duplicates"), ("calls", "/to-call"))
PAIRS_SHOWN = ("suggested", "linked", "refused")
RUNNING = ("waiting", "checking", "sending")


@dataclass(frozen=True)
class View:
    """
    Who looks at which region, through which desk.

    *about* is what the page is about beside it: a match, a forecast, or which loads; *after* is
    where its list goes on, *begun* when it was begun to be drawn, and *asked* what was asked for
    already.
    """

    desk: Desk
    visitor: Visitor
    region: Region
    about: str = ""
    after: str | None = None
    begun: float = field(default_factory=time.time, compare=False)
    asked: dict[str, asyncio.Task[Any]] = field(default_factory=dict, compare=False)

    @property
    def seen(self) -> Seen:
        """The reader, where only known ones are let in; a 401 `Problem` for anybody."""
        if self.visitor.seen is None:
            raise Problem(401, "sign_in_first")
        return self.visitor.seen

    @property
    def bounded(self) -> bool:
        """Whether this reader is told the region's sums as anybody is: all but its coordinators."""
        return self.visitor.seen is None or self.region.code not in self.visitor.seen.regions

    async def match(self) -> whole.WholeMatch:
        """The match that the page is about, asked for once."""
        if "match" not in self.asked:
            asking = self.desk.matcher.match(self.about, self.seen.token)
            self.asked["match"] = asyncio.ensure_future(asking)
        found: whole.WholeMatch = await self.asked["match"]
        return found

    async def imported(self) -> Mapping[str, Any]:
        """The import that the page is about, asked for once."""
        if "import" not in self.asked:
            registry, language = Imports.at(self.desk.registry), self.visitor.language
            asking = registry.one(self.about, self.seen.token, language)
            self.asked["import"] = asyncio.ensure_future(asking)
        found: Mapping[str, Any] = await self.asked["import"]
        return found

    async def plan(self) -> tuple[Plan, datetime | None]:
        """The plan of the months that the page is about (`2027-01:2027-12`), asked for once."""
        if "plan" not in self.asked:
            span = span_of(*self.about.partition(":")[::2], self.today()[:7])
            if span is None:
                raise Problem(422, "request_invalid/months", value=self.about)
            asking = self.desk.matcher.plan(self.region.code, self.seen.token, *span)
            self.asked["plan"] = asyncio.ensure_future(asking)
        found: tuple[Plan, datetime | None] = await self.asked["plan"]
        return found

    async def titles(self) -> Mapping[str, str]:
        """Token → title of organisations; none while the registry is away."""
        try:
            return await self.desk.registry.titles(self.seen.token)
        except (Away, Denied):
            return {}

    def today(self) -> str:
        """The day of the installation's zone, as `2026-11-24`."""
        return now().astimezone(self.desk.zone).date().isoformat()

    def place(self, code: str) -> str:
        """The name of a municipality, in the reader's language; the code where none is known."""
        try:
            return self.region.place(code).name(self.visitor.language)
        except UnknownPlace:
            return code

    def shown(self, moment: datetime | None) -> datetime | None:
        """*moment* in the installation's zone."""
        return moment.astimezone(self.desk.zone) if moment else None


async def matches(view: View) -> Context:
    """The latest matches, for those who may see them."""
    seen = view.visitor.seen
    if seen is None:
        return {"rows": None, "as_of": None}
    found, as_of = await view.desk.matcher.matches(
        view.region.code, seen.token, states=rows.ARRIVED, limit=rows.SHOWN
    )
    return {"rows": rows.latest(found), "as_of": as_of}


async def counts(view: View) -> Context:
    """How much is open, proposed and agreed."""
    token = await view.desk.service_token()
    told, as_of = await view.desk.matcher.counts(view.region.code, token, bounded=view.bounded)
    return {"counts": told, "as_of": as_of}


async def balance(view: View) -> Context:
    """Surplus and need by month as a chart and its table."""
    token = await view.desk.service_token()
    months, as_of = await view.desk.indicators.balance(
        view.region.code, token, bounded=view.bounded
    )
    this_month = now().astimezone(view.desk.zone).strftime("%Y-%m")
    shown = window(months, this_month)
    chart = balance_chart(shown, this_month, view.visitor.language)
    return {"chart": chart, "bounded": view.bounded, "as_of": as_of}


async def figures(view: View) -> Context:
    """The indicators in their states."""
    token = await view.desk.service_token()
    found, as_of = await view.desk.indicators.figures(view.region.code, token, bounded=view.bounded)
    unverified = [one.unverified_share for one in found if one.unverified_share]
    return {
        "lines": rows.figure_lines(found),
        "states": states_of(found),
        "unverified": max(unverified, default=0.0),
        "as_of": as_of,
    }


async def inbox(view: View) -> Context:
    """What waits for this person: the matcher's present state over the notifier's entries."""
    seen = view.visitor.seen
    if seen is None:
        return {"inbox": None, "as_of": None, "notices_away": False}
    mine = list(seen.organisations)
    asked: Sequence[str | None] = mine if 0 < len(mine) <= ORGANISATIONS_ASKED else [None]
    region, matcher = view.region.code, view.desk.matcher
    entries = asyncio.create_task(_entries(view.desk, seen.token))
    try:
        answers = await asyncio.gather(
            *(
                matcher.matches(region, seen.token, states=rows.OPEN, organisation=one)
                for one in asked
            )
        )
    finally:
        told = await entries
    found = [row for answer, _ in answers for row in answer]
    return {
        "inbox": rows.inbox_of(found, told or (), mine),
        "as_of": answers[0][1],
        "notices_away": told is None,
    }


async def near(view: View) -> Context:
    """What almost fits, for those who were told of it."""
    seen = view.visitor.seen
    if seen is None:
        return {"rows": (), "as_of": None}
    found, as_of = await view.desk.notifier.notices(
        view.region.code, view.visitor.language, seen.token, limit=NEAR_SHOWN
    )
    return {"rows": found, "as_of": as_of}


async def match(view: View) -> Context:
    """The match that the page is about, what was said of it, and what this reader may do."""
    found, said, titles = await asyncio.gather(
        view.match(), view.desk.matcher.said(view.about, view.seen.token), view.titles()
    )
    return {
        "match": found,
        "row": found.row,
        "said": [(one, view.shown(one.at)) for one in said],
        "offer": whole.standing_offer(found, said),
        "born_at": view.shown(found.born_at),
        "acts": acts(view, found),
        "titles": titles,
        "as_of": None,
    }


async def loads(view: View) -> Context:
    """The loads of the match that the page is about, and the form that reports more."""
    found, told, titles = await asyncio.gather(
        view.match(), view.desk.matcher.loads(view.about, view.seen.token), view.titles()
    )
    return {
        "match": found,
        "loads": told,
        "acts": acts(view, found),
        "titles": titles,
        "today": view.today(),
        "as_of": None,
    }


def acts(view: View, match: whole.WholeMatch) -> whole.Acts:
    """What the reader may do with *match*."""
    seen = view.seen
    return whole.acts_of(match, whole.speaks_for(match, tuple(seen.organisations), seen.regions))


async def reported(view: View) -> Context:
    """The newest loads that the reader may see; only those that count for nothing, when asked."""
    (found, more), titles = await asyncio.gather(
        view.desk.matcher.reported(
            view.region.code, view.seen.token, after=view.after,
            refused=True if view.about == "refused" else None,
        ),
        view.titles(),
    )  # fmt: skip
    mine = {name for name, roles in view.seen.organisations.items() if REPORTS & set(roles)}
    return {"rows": found, "more": more, "mine": mine, "titles": titles, "as_of": None}


async def near_misses(view: View) -> Context:
    """Everything that almost fits, by what would have to change."""
    (found, more, as_of), titles = await asyncio.gather(
        view.desk.matcher.near_misses(view.region.code, view.seen.token), view.titles()
    )
    own = set(view.seen.organisations)
    return {
        "kinds": nearly.by_kind(found),
        "more": more,
        "titles": titles,
        "sees_all": view.region.code in view.seen.regions,
        "own": own,
        "as_of": as_of,
    }


async def plan(view: View) -> Context:
    """What moves where and when in the months that the page is about, and what is left."""
    found, as_of = await view.plan()
    return {"plan": found, "as_of": as_of}


async def openings(view: View) -> Context:
    """What one change of the forecast that the page is about would open."""
    found, as_of = await view.desk.matcher.openings(view.about, view.seen.token)
    return {"rows": found, "as_of": as_of}


async def imported(view: View) -> Context:
    """How far the import is that the page is about; once it is checked, its errors by cell."""
    told = await view.imported()
    return {"told": told, "running": told["state"] in RUNNING, "as_of": None}


def may_keep(view: View) -> bool:
    """Whether there is something for the reader to keep true: a member's or a coordinator's."""
    seen = view.visitor.seen
    return seen is not None and bool(seen.organisations or seen.regions)


def reports(view: View, mass: Mass) -> bool:
    """Whether the reader may report for the owner or the reporter of *mass*."""
    roles = view.seen.organisations
    return any(REPORTS & set(roles.get(one, ())) for one in (mass.organisation, mass.reporter))


async def upkeep(view: View) -> Context:
    """How much waits to be confirmed, linked or called about, and what is told twice."""
    if not may_keep(view):
        return {"waiting": (), "told": (), "as_of": None}
    told_twice = asyncio.create_task(_told_twice(view))
    try:
        registry = Upkeep.at(view.desk.registry)
        counts = await registry.waiting(view.region.code, view.seen.token)
    finally:
        told = await told_twice
    waiting = [(name, path, counts[name]) for name, path in UPKEEP]
    return {"waiting": waiting, "told": told, "as_of": None}


async def _told_twice(view: View) -> Sequence[rows.TwiceTold]:
    """What the notifier told this reader of pairs; nothing while it is away."""
    try:
        return await view.desk.notifier.twice(
            view.region.code, view.visitor.language, view.seen.token, limit=TWICE_SHOWN
        )
    except (Away, Denied):
        return ()


async def confirm(view: View) -> Context:
    """
    Forecasts whose owner is asked whether they hold, the one that the page is about first; *own*
    are those the reader may confirm.
    """
    registry = Upkeep.at(view.desk.registry)
    (found, more), titles = await asyncio.gather(
        registry.to_confirm(view.region.code, view.seen.token), view.titles()
    )
    named = next((one for one in found if one.id == view.about), None)
    if named is None and more and view.about:
        named = await registry.asked(its_id(view.about), view.seen.token)
    rows = [*([named] if named else ()), *(one for one in found if one != named)]
    return {
        "rows": rows,
        "more": more,
        "named": named,
        "own": [one for one in rows if reports(view, one)],
        "titles": titles,
        "as_of": None,
    }


async def duplicates(view: View) -> Context:
    """Pairs that may be one mass; *mine* are the forecasts that let the reader decide."""
    state = view.about if view.about in PAIRS_SHOWN else PAIRS_SHOWN[0]
    found, titles = await asyncio.gather(
        Upkeep.at(view.desk.registry).twice(view.region.code, view.seen.token, state),
        view.titles(),
    )
    coordinates = view.region.code in view.seen.regions
    mine = {each.id for one in found for each in one.both if coordinates or reports(view, each)}
    return {
        "rows": found,
        "mine": mine,
        "me": f"person/{view.seen.subject}",
        "shown": PAIRS_SHOWN,
        "compared": COMPARED,
        "titles": titles,
        "as_of": None,
    }


async def calls(view: View) -> Context:
    """Projects seen coming without masses, those that are asked for."""
    (found, more), titles = await asyncio.gather(
        Upkeep.at(view.desk.registry).to_call(view.region.code, view.seen.token), view.titles()
    )
    wanted, language = Wanted.read(view.about), view.visitor.language
    places = sorted((view.place(one), one) for one in {each.municipality for each in found})
    phases = sorted({each.phase for each in found if each.phase})
    return {
        "rows": wanted.of(found),
        "any": bool(found),
        "more": more,
        "wanted": wanted,
        "municipalities": [(code, name) for name, code in places],
        "phases": marks.named("phase", phases, language),
        "years": [(year, year) for year in years_of(found)],
        "own": view.seen.organisations,
        "coordinates": view.region.code in view.seen.regions,
        "titles": titles,
        "as_of": None,
    }


async def contacts(view: View) -> Context:
    """The members of the organisation that the page is about, where the reader may see them."""
    if not CODE.fullmatch(view.about):
        raise Problem(404, "not_found/id", value=view.about)
    found, titles = await asyncio.gather(
        Upkeep.at(view.desk.registry).members(view.about, view.seen.token), view.titles()
    )
    return {"rows": found, "titles": titles, "as_of": None}


PARTS: Mapping[str, Callable[[View], Awaitable[Context]]] = {
    "counts": counts,
    "matches": matches,
    "inbox": inbox,
    "near": near,
    "balance": balance,
    "figures": figures,
    "match": match,
    "loads": loads,
    "reported": reported,
    "near_misses": near_misses,
    "openings": openings,
    "plan": plan,
    "import": imported,
    "upkeep": upkeep,
    "confirm": confirm,
    "duplicates": duplicates,
    "calls": calls,
    "contacts": contacts,
}
FRONT = ("counts", "matches", "inbox", "near", "upkeep", "balance", "figures")
OF_ONE = ("match", "loads", "openings", "import")


def its_id(told: str) -> str:
    """*told* as the id of a thing; a 404 `Problem` when it cannot be one."""
    try:
        return str(UUID(told))
    except ValueError as error:
        raise Problem(404, "not_found/id", value=told) from error


async def view_of(
    desk: Desk, visitor: Visitor, region: str, about: str = "", after: str | None = None
) -> View:
    """The view on *region*, the installation's own when empty."""
    return View(desk, visitor, await desk.region(region), about, after)


async def _entries(desk: Desk, token: str) -> Sequence[rows.Entry] | None:
    try:
        return (await desk.notifier.inbox(token))[0]
    except (Away, Denied):
        return None


def states_of(figures: Sequence[rows.Figure]) -> tuple[str, ...]:
    """The states to show as columns: the three projections, and delivered once there is any."""
    told = {one.state for one in figures if one.value is not None}
    return ("forecast", "proposed", "agreed", *(("delivered",) if "delivered" in told else ()))
