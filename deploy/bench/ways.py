"""The ways that live a year: the matcher, and peers that meet the same people."""

import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any, Final
from uuid import UUID

import numpy as np
from sqlalchemy import text

from deploy.bench.driven import Driven, NotMeasured, Pair
from deploy.bench.living import FIRST_DAY, Became, Calendar, last_day
from deploy.bench.lots import batches
from deploy.bench.peers import InMemory
from services.matcher.domain.cost import arcs
from services.matcher.domain.plan import best_flow
from services.matcher.domain.values import Lot, Rules, kind_of
from shared.access import Asker, new_signing_key, sign
from shared.contracts import DeliveryReported
from shared.contracts.parts import Quantity
from shared.http import application

_BATCH: Final = 250
_TAKEN, _CONFLICT = 200, 409
_BOTH: Final = ("accepted", "agreed", "declined", "undone", "forecast_below_agreed")
_WAITING: Final = text(
    """
    SELECT id, revision, surplus_id, need_id, tonnes, surplus_organisation, need_organisation
    FROM match WHERE standing = 1 AND route <> 'onsite' AND state IN ('proposed', 'accepted')
    """
)
_STAYS: Final = text(
    """
    SELECT match.id, surplus_id, need_id, tonnes, match.region, surplus_organisation, kind
    FROM match JOIN lot ON lot.id = surplus_id WHERE standing = 1 AND route = 'onsite'
    """
)
_TOLD: Final = text("DELETE FROM outbox WHERE name LIKE 'matcher.match-%' RETURNING name, payload")


class Matching:
    """The matcher: its card on a real database, its own decisions, the day given to it."""

    def __init__(self, driven: Driven, calendar: Calendar) -> None:
        self.driven, self.calendar = driven, calendar
        self.notices: Counter[tuple[str, date]] = Counter()
        self.lots: dict[UUID, Lot] = {}
        self.mornings: dict[date, list[Lot]] = {}
        self.key = new_signing_key()
        self.app = application(
            name="matcher", router=driven.service.api, database=driven.database,
            public_key=self.key, health=_Well(), settings=driven.settings,
        )  # fmt: skip
        self.waiting: dict[Pair, Any] = {}
        self.has_news = False

    async def morning(self, day: date) -> None:
        self.driven.live_on(day)
        news = self.calendar.news.get(day, [])
        for batch in batches(news, _BATCH):
            await self.driven.tell(batch)
        if news:
            self.lots = {lot.id: lot for lot in await self.driven.lots()}
            self.mornings[day] = [self.lots[one.forecast_id] for one in news]
        self.has_news = await self.driven.look_at_calendar() or bool(news)
        await self.evening()

    async def evening(self) -> None:
        if self.has_news:
            await self.driven.settle()
            await self.driven.sweep(rounds_in_vain=1)
            await self.driven.announce()
            await self._count()
        self.has_news = False

    async def proposals(self) -> dict[Pair, int]:
        async with self.driven.database.engine.connect() as connection:
            found = (await connection.execute(_WAITING)).all()
        self.waiting = {(row.surplus_id, row.need_id): row for row in found}
        return {pair: int(row.tonnes) for pair, row in self.waiting.items()}

    async def accept(self, pair: Pair, *, giver: bool, first: bool) -> Became:
        status, answer = await self._decide(pair, giver, {"decision": "accept"})
        if status == _CONFLICT and answer["code"] == "too_many_tonnes":
            if not answer["tonnes_left"]:
                await self.decline(pair, giver=giver)
                return "declined"
            offer = {"decision": "counter", "tonnes": answer["tonnes_left"]}
            status, answer = await self._decide(pair, giver, offer)
        _must_be_taken(status, answer)
        return "agreed" if answer["state"] == "agreed" else "waits"

    async def decline(self, pair: Pair, *, giver: bool) -> None:
        _must_be_taken(*await self._decide(pair, giver, {"decision": "decline", "reason": "other"}))

    async def onsite(self) -> dict[Pair, int]:
        async with self.driven.database.engine.connect() as connection:
            found = await connection.execute(_STAYS)
            return {(row.surplus_id, row.need_id): int(row.tonnes) for row in found}

    async def moved(self, moves: Mapping[Pair, int]) -> None:
        async with self.driven.database.engine.connect() as connection:
            found = {(one.surplus_id, one.need_id): one for one in await connection.execute(_STAYS)}
        day = self.driven.today
        loads = [_loads(found[pair], tonnes, day) for pair, tonnes in moves.items()]
        await self.driven.tell_deliveries(loads)
        self.has_news = True

    async def _decide(
        self, pair: Pair, giver: bool, told: dict[str, Any]
    ) -> tuple[int, dict[str, Any]]:
        match = self.waiting[pair]
        side = match.surplus_organisation if giver else match.need_organisation
        self.has_news = True
        token = sign(Asker("operator", "operator"), self.key)
        headers = {"authorization": f"Bearer {token}", "if-match": f'"{match.revision}"'}
        body = {**told, "organisation": side}
        return await _asked(self.app, f"/matches/{match.id}/decisions", body, headers)

    async def _count(self) -> None:
        """One notice for each side that a match asks or tells, as the notifier chooses them."""
        async with self.driven.database.engine.begin() as connection:
            rows = (await connection.execute(_TOLD)).all()
        for row in rows:
            told = json.loads(row.payload)
            if told["route"] == "onsite":
                continue
            sides = {told[end]["organisation"] for end in ("surplus", "need")}
            fell = told["state"] in ("withdrawn", "expired") and told["accepted_by"]
            found = row.name == "matcher.match-found.v1"
            to_both = found or told.get("change") in _BOTH or fell
            for side in sides if to_both else told["asks"]:
                self.notices[side, self.driven.today] += 1


def _must_be_taken(status: int, answer: dict[str, Any]) -> None:
    if status != _TAKEN:
        raise NotMeasured(f"the matcher did not take a decision: {status} {answer}")


def _loads(match: Any, tonnes: int, day: date) -> DeliveryReported:
    """That *tonnes* of *match* moved by *day*, as its own organisation reports it."""
    amount = Quantity(
        value=tonnes, unit="t", method="weighed", low_t=tonnes, likely_t=tonnes, high_t=tonnes,
        factor="t", factor_version="1",
    )  # fmt: skip
    side = match.surplus_organisation
    return DeliveryReported(
        delivery_id=match.id, revision=1, region=match.region, organisation=side, reporter=side,
        match_id=match.id, outlet="need_direct", material=kind_of(match.kind).material,
        quantity=amount, moved_on=day,
    )  # fmt: skip


class _Well:
    async def problems(self) -> Sequence[str]:
        return ()


async def _asked(
    app: Callable[..., Awaitable[None]], path: str, body: Any, headers: Mapping[str, str]
) -> tuple[int, dict[str, Any]]:
    """The answer of *app* to a POST, asked in this process."""
    written = json.dumps(body).encode()
    sent: list[dict[str, Any]] = []
    told = {"content-type": "application/json", **headers}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": written, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST",
        "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"",
        "root_path": "", "client": ("127.0.0.1", 0), "server": ("127.0.0.1", 80),
        "headers": [(name.encode(), value.encode()) for name, value in told.items()],
    }  # fmt: skip
    await app(scope, receive, send)
    answer = b"".join(one.get("body", b"") for one in sent if one["type"] == "http.response.body")
    return int(sent[0]["status"]), json.loads(answer)


class Peer(ABC):
    """What every peer does: notices counted as the matcher's, pairs refused until they change."""

    def __init__(self, mornings: Mapping[date, Sequence[Lot]]) -> None:
        self.mornings = mornings
        self.notices: Counter[tuple[str, date]] = Counter()
        self.lots: dict[UUID, Lot] = {}
        self.day = FIRST_DAY
        self.held: dict[Pair, int] = {}
        self.refused: dict[Pair, tuple[int, int]] = {}
        self.shown: dict[Pair, int] = {}

    # what a kind of peer does

    @abstractmethod
    def tell(self, lots: Sequence[Lot]) -> None:
        """*lots* are new, or now as told here."""

    @abstractmethod
    def hold(self, pair: Pair) -> None:
        """What flows between *pair* is fixed."""

    @abstractmethod
    def refuse(self, pair: Pair) -> None:
        """*pair* was declined."""

    @abstractmethod
    def forgive(self, pair: Pair) -> None:
        """*pair* may be proposed again."""

    @abstractmethod
    def short(self, pair: Pair) -> int:
        """By how many tonnes more is fixed than one of *pair* has."""

    @abstractmethod
    def free(self, pair: Pair, tonnes: int) -> None:
        """*tonnes* that were held on *pair* are for others."""

    def settle(self) -> None:  # noqa: B027  (most have nothing that waits)
        """Whatever waits until all of a morning or a day is known."""

    @abstractmethod
    def flows(self) -> Mapping[Pair, int]:
        """The tonnes that flow between each pair."""

    # how it lives

    async def morning(self, day: date) -> None:
        self.day = day
        self._end_what_is_over()
        if news := self.mornings.get(day):
            self.lots |= {lot.id: lot for lot in news}
            for pair, terms in list(self.refused.items()):
                if self._terms(pair) != terms:
                    del self.refused[pair]
                    self.forgive(pair)
            self.tell(news)
            self.settle()
            self._notice()

    async def evening(self) -> None:
        self.settle()
        self._notice()

    async def proposals(self) -> dict[Pair, int]:
        free = {pair: tonnes for pair, tonnes in self.flows().items() if not self._own(pair)}
        return {**free, **self.held}

    async def accept(self, pair: Pair, *, giver: bool, first: bool) -> Became:
        self._tell_both(pair)
        if first:
            self.held[pair] = self.flows()[pair]
            self.hold(pair)
            self.refuse(pair)
            if len(self._sides(pair)) > 1:
                return "waits"
        short = self.short(pair)
        if short >= self.held[pair]:
            self.free(pair, self.held.pop(pair))
            self.refused[pair] = self._terms(pair)
            return "declined"
        if short > 0:
            self.held[pair] -= short
            self.free(pair, short)
            return "waits"
        del self.held[pair]
        self.forgive(pair)
        return "agreed"

    async def decline(self, pair: Pair, *, giver: bool) -> None:
        self.refused[pair] = self._terms(pair)
        self.refuse(pair)
        self._tell_both(pair)

    async def onsite(self) -> dict[Pair, int]:
        return {pair: tonnes for pair, tonnes in self.flows().items() if self._own(pair)}

    async def moved(self, moves: Mapping[Pair, int]) -> None:
        for pair in moves:
            self.hold(pair)

    def _end_what_is_over(self) -> None:
        for pair in [pair for pair in self.flows() if last_day(pair, self.lots) < self.day]:
            self.refuse(pair)
            if pair not in self.refused:
                self.forgive(pair)
        for pair in [pair for pair in self.held if last_day(pair, self.lots) < self.day]:
            self.free(pair, self.held.pop(pair))
            self.forgive(pair)

    def _notice(self) -> None:
        """One for each side of a proposal that is new, or of other tonnes."""
        now = {pair: tonnes for pair, tonnes in self.flows().items() if not self._own(pair)}
        for pair, tonnes in now.items():
            if self.shown.get(pair) != tonnes:
                self._tell_both(pair)
        self.shown = now

    def _tell_both(self, pair: Pair) -> None:
        for side in self._sides(pair):
            self.notices[side, self.day] += 1

    def _sides(self, pair: Pair) -> set[str]:
        return {self.lots[id].organisation for id in pair}

    def _own(self, pair: Pair) -> bool:
        return self.lots[pair[0]].project_id == self.lots[pair[1]].project_id

    def _terms(self, pair: Pair) -> tuple[int, int]:
        return self.lots[pair[0]].terms, self.lots[pair[1]].terms


class Greedy(Peer):
    """Peers (a) to (c): each change served at once."""

    def __init__(self, mornings: Mapping[date, Sequence[Lot]], peer: InMemory) -> None:
        super().__init__(mornings)
        self.peer = peer

    def tell(self, lots: Sequence[Lot]) -> None:
        self.peer.today = self.day
        for lot in lots:
            self.peer.change(lot)

    def hold(self, pair: Pair) -> None:
        self.peer.fix(pair)

    def refuse(self, pair: Pair) -> None:
        self.peer.today = self.day
        self.peer.refuse(pair)

    def forgive(self, pair: Pair) -> None:
        self.peer.excluded.discard(pair)

    def short(self, pair: Pair) -> int:
        return max(0, *(self.peer.fixed[id] - self.lots[id].likely for id in pair))

    def free(self, pair: Pair, tonnes: int) -> None:
        self.peer.today = self.day
        self.peer.give_back(pair, tonnes)

    def flows(self) -> Mapping[Pair, int]:
        return {pair: tonnes for pair, tonnes in self.peer.flows.items() if tonnes > 0}


class Optimal(Peer):
    """Peer (d): the full optimum, solved when all of a morning is told and all of a day is said."""

    def __init__(self, mornings: Mapping[date, Sequence[Lot]], rules: Rules, *, bonus: int) -> None:
        super().__init__(mornings)
        self.rules = replace(rules, standing_bonus_cents_per_t=bonus, smallest_load_t=0)
        self.fixed: Counter[UUID] = Counter()
        self.excluded: set[Pair] = set()
        self.planned: dict[Pair, int] = {}
        self.stale = False

    def tell(self, lots: Sequence[Lot]) -> None:
        self.stale = True

    def hold(self, pair: Pair) -> None:
        tonnes = self.planned.pop(pair)
        for id in pair:
            self.fixed[id] += tonnes
        self.stale = True

    def refuse(self, pair: Pair) -> None:
        self.excluded.add(pair)
        self.stale = True

    def forgive(self, pair: Pair) -> None:
        self.excluded.discard(pair)

    def short(self, pair: Pair) -> int:
        return max(0, *(self.fixed[id] - self.lots[id].likely for id in pair))

    def free(self, pair: Pair, tonnes: int) -> None:
        for id in pair:
            self.fixed[id] -= tonnes
        self.stale = True

    def settle(self) -> None:
        if not self.stale:
            return
        self.stale = False
        left = {id: lot.likely - self.fixed[id] for id, lot in self.lots.items() if lot.is_open}
        some = sorted(id for id, tonnes in left.items() if tonnes > 0)
        surpluses = [self.lots[id] for id in some if self.lots[id].is_surplus]
        needs = [self.lots[id] for id in some if not self.lots[id].is_surplus]
        pairs = arcs(surpluses, needs, self.rules, today=self.day, excluded=self.excluded)
        supply = np.array([left[lot.id] for lot in surpluses], dtype=np.int64)
        demand = np.array([left[lot.id] for lot in needs], dtype=np.int64)
        named = [
            (surpluses[s].id, needs[n].id)
            for s, n in zip(pairs.surplus.tolist(), pairs.need.tolist(), strict=True)
        ]
        stands = np.array([self.planned.get(pair, 0) for pair in named], dtype=np.int64)
        tonnes = best_flow(supply, demand, pairs, stands, self.rules).tolist()
        self.planned = {pair: amount for pair, amount in zip(named, tonnes, strict=True) if amount}

    def flows(self) -> Mapping[Pair, int]:
        return self.planned
