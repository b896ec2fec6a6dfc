"""
Up to four replicas on one real database, and everything that can happen to them in any order.

News comes new, changed, withdrawn, twice and late; neighbourhoods are settled, tiles swept, matches
told and decided on, alone and at once; transactions are cut off in the middle, and leases run out.
After every step the promises hold; in the end the region is worth what an integer program finds.
"""

import asyncio
import json
import random
from collections import defaultdict
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from deploy.provision import provision_databases
from services.matcher import handlers, store
from services.matcher.app import build
from services.matcher.domain import ACCEPTED, AGREED, EXCLUDES, HOLDS, ONSITE, PROPOSED
from services.matcher.settings import Settings
from shared.access import Asker
from shared.contracts import ForecastUpdated
from shared.service.consume import hand_over
from shared.service.due import Worker
from shared.work import Database
from tests.matcher.builders import a_need, a_surplus, lot, some_id
from tests.matcher.regions import START
from tests.oracle.gates import is_feasible, most_tonnes, unlawful

REPLICAS = 4
EXAMPLES, STEPS = 10, 15
IDS = range(14)
ORGANISATIONS = ("acme", "bolt", "cog")
MATERIALS = ("sand", "sand", "till")
MARKS = ("dirty", "sweep", "tell")
REFUSED = (handlers.Changed, handlers.NotPossible, handlers.NotYours, handlers.NoSuchMatch)


Decision = tuple[int, int, str]
DECISION = st.tuples(
    st.integers(0, 8), st.integers(0, 1), st.sampled_from(["accept"] * 4 + ["decline", "undo"])
)


class Killed(BaseException):
    """The process is gone: nobody catches this, nothing is committed, leases stay behind."""


class _Session(AsyncSession):
    """A session whose process may die before any of its statements."""

    spend: Callable[[], Coroutine[Any, Any, None]]

    async def execute(self, *told: Any, **more: Any) -> Any:
        await self.spend()
        return await super().execute(*told, **more)

    async def connection(self, *told: Any, **more: Any) -> Any:  # the statements of plain rows
        await self.spend()
        return await super().connection(*told, **more)

    async def commit(self) -> None:
        await self.spend()
        await super().commit()


class Mortal(Database):
    """
    A database whose process dies before its statement number *lives*; None: it does not.

    Each statement is a little late, by another while each time, so that works cross each other.
    """

    lives: int | None = None
    late = random.Random(0)

    def session(self) -> AsyncSession:
        made = _Session(self.engine, expire_on_commit=False, autoflush=False)
        made.spend = self._spend
        return made

    async def _spend(self) -> None:
        await asyncio.sleep(self.late.choice([0, 0, 0.001, 0.003]))
        if self.lives is not None:
            self.lives -= 1
            if self.lives < 0:
                raise Killed


class Replica:
    """One matcher process by its card, without bus and HTTP."""

    def __init__(self, told: Settings) -> None:
        self.service = build(told)
        assert self.service.ledger is not None
        self.rules = told.rules()
        self.database = Mortal.open(self.service.ledger, told)
        self.workers = {
            due.table: Worker(self.database, due, handler)
            for due, handler in self.service.works_off.items()
        }

    async def hear(self, events: list[ForecastUpdated]) -> None:
        async with self.database.begin_work(correlation="heard") as work:
            await hand_over(work, self.service.reacts_to[ForecastUpdated], events)

    async def work_off(self, table: str, rows: int = 4) -> int:
        worker = self.workers[table]
        claimed = await worker.claim(rows)
        await worker.hand_over(claimed)
        return len(claimed)

    async def decide(self, match: UUID, decision: str, side: str, seen: int) -> Any:
        async with self.database.begin_work() as work:
            found, _ = await handlers.decide(
                match, decision, work, asker=Asker(side, "organisation", {side: ("reporter",)}),
                seen=seen, reason="price" if decision == "decline" else None, note=None,
                organisation=None, key=None, rules=self.rules,
            )  # fmt: skip
            return found

    async def settle_all(self, **told: int) -> dict[str, Any]:
        async with self.database.begin_work() as work:
            return await handlers.settle_all(work, self.rules, **told)


@dataclass
class Ground:
    """The server, the replicas on it, and the loop they run in; made once, emptied each time."""

    runner: asyncio.Runner
    replicas: list[Replica]

    @classmethod
    def open(cls, postgres_url: str, **turned: int) -> "Ground":
        runner = asyncio.Runner()
        told = Settings(
            database_url=f"{postgres_url}/massakoppi_matcher",
            postgres_url=postgres_url,
            matcher_closes_past_windows=False,
            matcher_radius_km=10,
            matcher_neighbourhood_lots=0,
            matcher_sweep_after_s=0.001,
            matcher_measure_up_to_lots=0,
            pool_connections=4,
            **turned,
        )
        replicas = [Replica(told) for _ in range(REPLICAS)]
        runner.run(provision_databases(postgres_url, [replicas[0].service]))
        return cls(runner, replicas)

    def close(self) -> None:
        for one in self.replicas:
            self.runner.run(one.database.close())
        self.runner.close()

    async def rows(self, question: str, **told: Any) -> list[Any]:
        async with self.replicas[0].database.engine.connect() as connection:
            return list((await connection.execute(text(question), told)).all())

    async def change(self, *statements: str) -> None:
        async with self.replicas[0].database.engine.begin() as connection:
            for one in statements:
                await connection.execute(text(one))


@dataclass
class Known:
    """What the machine knows must be so."""

    said: dict[UUID, list[ForecastUpdated]] = field(default_factory=dict)
    heard: dict[UUID, ForecastUpdated] = field(default_factory=dict)
    decided: dict[UUID, Any] = field(default_factory=dict)
    declined: dict[UUID, Any] = field(default_factory=dict)
    told: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    letters: set[UUID] = field(default_factory=set)


@st.composite
def forecasts(draw: st.DrawFn, known: Known) -> ForecastUpdated:
    """News of one forecast: new, told again with a change, told again as it is, or late."""
    id = some_id(draw(st.sampled_from(IDS)))
    said = known.said.setdefault(id, [])
    if said and draw(st.integers(0, 4)) == 0:
        return draw(st.sampled_from(said))
    number = next(one for one in IDS if some_id(one) == id)
    first = START + timedelta(days=draw(st.sampled_from([0, 30, 60])))
    surplus = number % 3 == 0
    told = (a_surplus if surplus else a_need)(
        forecast_id=id,
        revision=len(said) + 1,
        project_id=some_id(100 + draw(st.sampled_from([number, number, number, number // 2]))),
        organisation=ORGANISATIONS[number % 3],
        material=draw(st.sampled_from(MATERIALS)),
        tonnes=draw(st.sampled_from([0, 60, 150, 400, 900])) * (2 if surplus else 1),
        north_km=draw(st.sampled_from([0, 3, 7, 12, 16, 20, 25])),
        window=(first, first + timedelta(days=draw(st.sampled_from([20, 90])))),
        status=draw(st.sampled_from(["offered"] * 5 + ["cancelled"])),
        weekly_rate_t=draw(st.sampled_from([None, None, 70.0])),
    )
    said.append(told)
    return told


def machine(ground: Ground) -> type[RuleBasedStateMachine]:
    """The machine on *ground*."""

    class Matchers(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.known = Known()
            self.turn = 0

        # -- steps ------------------------------------------------------------------------

        @initialize(data=st.data())
        def a_region_begins(self, data: st.DataObject) -> None:
            tables = ", ".join(one.name for one in store.ledger.metadata.sorted_tables)
            quietly = "SET LOCAL session_replication_role = replica"
            ground.runner.run(ground.change(quietly, f"TRUNCATE {tables}"))
            self.news(data, 8)

        def replica(self) -> Replica:
            self.turn += 1
            return ground.replicas[self.turn % REPLICAS]

        def at_once(self, *steps: Coroutine[Any, Any, Any]) -> list[Any]:
            """Take *steps* at the same time; an error that nobody expects is raised."""

            async def all_of_them() -> list[Any]:
                return await asyncio.gather(*steps, return_exceptions=True)

            found = ground.runner.run(all_of_them())
            for one in found:
                if isinstance(one, BaseException) and not isinstance(one, (Killed, *REFUSED)):
                    raise one
            return found

        async def hear(self, replica: Replica, events: list[ForecastUpdated]) -> None:
            await replica.hear(events)
            for one in events:
                was = self.known.heard.get(one.forecast_id)
                if was is None or was.revision < one.revision:
                    self.known.heard[one.forecast_id] = one

        async def decide(self, replica: Replica, row: Any, decision: str, side: str) -> None:
            found = await replica.decide(row.id, decision, side, row.revision)
            was = self.known.decided.get(row.id)
            if found.standing == EXCLUDES:
                self.known.declined[row.id] = found
            if was is None or was.revision <= found.revision:
                self.known.decided[row.id] = found

        def undecided(self) -> list[Any]:
            question = (
                "SELECT id, revision, surplus_organisation, need_organisation FROM match WHERE "
                f"standing = {HOLDS} AND route = 'direct' AND state IN ('{PROPOSED}', '{ACCEPTED}')"
                " ORDER BY surplus_id, need_id"
            )
            return ground.runner.run(ground.rows(question))

        @rule(data=st.data(), count=st.integers(1, 4))
        def news(self, data: st.DataObject, count: int) -> None:
            events = [data.draw(forecasts(self.known)) for _ in range(count)]
            self.at_once(self.hear(self.replica(), events))

        @rule(data=st.data(), settlers=st.integers(0, 3))
        def news_at_two_replicas_while_others_settle(
            self, data: st.DataObject, settlers: int
        ) -> None:
            events = [[data.draw(forecasts(self.known)) for _ in range(2)] for _ in range(2)]
            self.at_once(
                *(self.hear(self.replica(), some) for some in events),
                *(self.replica().work_off("dirty") for _ in range(settlers)),
            )

        @rule(settlers=st.integers(1, REPLICAS), rows=st.sampled_from([1, 1, 4]))
        def settle(self, settlers: int, rows: int) -> None:
            self.at_once(*(self.replica().work_off("dirty", rows) for _ in range(settlers)))

        @rule(data=st.data(), chosen=st.lists(DECISION, max_size=2))
        def everything_at_once(self, data: st.DataObject, chosen: list[Decision]) -> None:
            """News has come, and while two settle and one sweeps, somebody decides."""
            events = [data.draw(forecasts(self.known)) for _ in range(3)]
            self.at_once(self.hear(self.replica(), events))
            ground.runner.run(ground.change("UPDATE sweep SET due_at = now()"))
            self.at_once(
                *self.decisions(chosen),
                *(self.replica().work_off("dirty", 1) for _ in range(3)),
                self.replica().work_off("sweep"),
            )

        @rule(sweepers=st.integers(1, REPLICAS))
        def sweep(self, sweepers: int) -> None:
            ground.runner.run(ground.change("UPDATE sweep SET due_at = now()"))
            self.at_once(*(self.replica().work_off("sweep") for _ in range(sweepers)))

        @rule(tellers=st.integers(1, 2))
        def tell(self, tellers: int) -> None:
            ground.runner.run(ground.change("UPDATE tell SET due_at = now()"))
            self.at_once(*(self.replica().work_off("tell", 16) for _ in range(tellers)))

        def decisions(self, chosen: list[Decision]) -> list[Coroutine[Any, Any, Any]]:
            """What is *chosen* (a match, one of its sides, a word), as far as there are matches."""
            rows = self.undecided()
            steps = []
            for number, end, word in chosen if rows else []:
                row = rows[number % len(rows)]
                side = (row.surplus_organisation, row.need_organisation)[end]
                steps.append(self.decide(self.replica(), row, word, side))
            return steps

        @rule(chosen=st.lists(DECISION, min_size=1, max_size=2), settlers=st.integers(0, 2))
        def somebody_decides(self, chosen: list[Decision], settlers: int) -> None:
            settling = (self.replica().work_off("dirty") for _ in range(settlers))
            self.at_once(*self.decisions(chosen), *settling)

        @rule(number=st.integers(0, 8))
        def both_sides_agree(self, number: int) -> None:
            rows = self.undecided()
            for end in (0, 1) if rows else ():
                id = rows[number % len(rows)].id
                now = [one for one in self.undecided() if one.id == id]
                side = [(one.surplus_organisation, one.need_organisation)[end] for one in now]
                if now:
                    self.at_once(self.decide(self.replica(), now[0], "accept", side[0]))

        @rule(data=st.data(), lives=st.integers(0, 12))
        def a_process_dies(self, data: st.DataObject, lives: int) -> None:
            """In the middle of what it does, while another goes on."""
            dying, other = self.replica(), self.replica()
            word = data.draw(st.sampled_from(["hear", "dirty", "dirty", "sweep", "tell", "decide"]))
            step: Coroutine[Any, Any, Any]
            if word == "hear":
                step = self.hear(dying, [data.draw(forecasts(self.known)) for _ in range(2)])
            elif word == "decide" and (rows := self.undecided()):
                step = self.decide(dying, rows[0], "accept", rows[0].surplus_organisation)
            else:
                step = dying.work_off("dirty" if word == "decide" else word)
            dying.database.lives = lives
            try:
                self.at_once(step, other.work_off("dirty"))
            finally:
                dying.database.lives = None

        @rule()
        def leases_run_out(self) -> None:
            ground.runner.run(self.leases_are_over())

        async def leases_are_over(self) -> None:
            await ground.change(
                *(f"UPDATE {name} SET claimed_by = NULL, claimed_until = NULL" for name in MARKS)
            )

        @rule(bonus=st.sampled_from([None, 0]))
        def settle_all(self, bonus: int | None) -> None:
            told = {} if bonus is None else {"standing_bonus": 0, "smallest_load": 0}
            (found,) = self.at_once(self.replica().settle_all(**told))
            assert found["value_cents"] <= found["optimum_cents"]
            if bonus == 0:
                assert found["value_cents"] == found["optimum_cents"]

        # -- what must hold after each ----------------------------------------------------

        @invariant()
        def every_promise_holds(self) -> None:
            ground.runner.run(self.check())

        async def check(self) -> None:
            for name in MARKS:
                failed = await ground.rows(f"SELECT * FROM {name} WHERE attempts > 0")
                assert not failed, f"{name} could not be worked off; see the log"
            lots = {row.id: row for row in await ground.rows("SELECT * FROM lot")}
            assert {id: row.revision for id, row in lots.items()} == {
                id: one.revision for id, one in self.known.heard.items()
            }
            matches = {row.id: row for row in await ground.rows("SELECT * FROM match")}
            await self.nothing_is_promised_twice(lots, matches)
            self.one_undecided_match_a_pair(matches)
            self.decisions_are_kept(lots, matches)
            await self.what_was_told_is_what_is_kept(matches)

        async def nothing_is_promised_twice(self, lots: Any, matches: Any) -> None:
            dirty = {row.cell for row in await ground.rows("SELECT cell FROM dirty")}
            free, fixed = defaultdict(int), defaultdict(int)
            for one in matches.values():
                if one.standing == HOLDS:
                    undecided = one.state == PROPOSED or one.route == ONSITE
                    for id in (one.surplus_id, one.need_id):
                        (free if undecided else fixed)[id] += one.tonnes
            for id, one in lots.items():
                most = max(told.quantity.likely_t for told in self.known.said[id])
                assert fixed[id] <= most, "more is decided than was ever told"
                if one.cell not in dirty:
                    has = one.likely if one.is_open else 0
                    assert free[id] <= max(0, has - fixed[id]), "a lot is over-committed"

        def one_undecided_match_a_pair(self, matches: Any) -> None:
            pairs = [
                (one.surplus_id, one.need_id)
                for one in matches.values()
                if one.standing == HOLDS
                and (one.state in (PROPOSED, ACCEPTED) or one.route == ONSITE)
            ]
            assert len(pairs) == len(set(pairs))
            terms = {
                (one.surplus_id, one.need_id, one.surplus_terms, one.need_terms)
                for one in matches.values()
                if one.standing == EXCLUDES
            }
            for one in matches.values():
                if one.standing == HOLDS and one.state == PROPOSED:
                    same = one.surplus_id, one.need_id, one.surplus_terms, one.need_terms
                    assert same not in terms, "what was declined is proposed in the same terms"

        def decisions_are_kept(self, lots: Any, matches: Any) -> None:
            for id, was in list(self.known.decided.items()):
                now = matches[id]
                assert now.revision >= was.revision
                if was.state == ACCEPTED and now.state == "withdrawn":
                    ends = lots[now.surplus_id], lots[now.need_id]
                    assert not all(one.is_open for one in ends), "an acceptance was lost"
                    del self.known.decided[id]
                elif was.state in (ACCEPTED, AGREED):
                    assert (now.state, now.tonnes) == (was.state, was.tonnes)
                    assert now.accepted_by == was.accepted_by
            for id in self.known.declined:
                assert (matches[id].state, matches[id].standing) == ("declined", EXCLUDES)

        async def what_was_told_is_what_is_kept(self, matches: Any) -> None:
            rows = await ground.rows(
                "SELECT id, name, payload FROM outbox WHERE name LIKE 'matcher.match-%'"
            )
            new = defaultdict(list)
            for row in rows:
                if row.id not in self.known.letters:
                    self.known.letters.add(row.id)
                    body = json.loads(row.payload)
                    new[UUID(body["match_id"])].append((body["revision"], row.name, body))
            for id, letters in new.items():
                letters.sort(key=lambda one: one[0])
                before = self.known.told.get(id)
                revisions = [one[0] for one in letters]
                assert len(set(revisions)) == len(revisions), "a revision was told twice"
                assert before is None or revisions[0] > before["revision"], "told backwards"
                found = ["match-found" in one[1] for one in letters]
                assert not any(found[1 if before is None else 0 :]), "found twice"
                self.known.told[id] = letters[-1][2]
            for id, one in matches.items():
                body = self.known.told.get(id)
                assert one.told_revision == (body["revision"] if body else 0)
                if body and one.told_revision == one.revision:
                    assert (body["state"], body["tonnes"]["likely"]) == (one.state, one.tonnes)

        # -- the end ----------------------------------------------------------------------

        def teardown(self) -> None:
            ground.runner.run(self.comes_to_rest())

        async def comes_to_rest(self) -> None:
            """All that is due is done, by four at once; nothing unlawful stands, nor too little."""
            await self.leases_are_over()
            for _ in range(60):
                await ground.change(*(f"UPDATE {name} SET due_at = now()" for name in MARKS))
                done = [
                    sum(await asyncio.gather(*(one.work_off(name) for one in ground.replicas)))
                    for name in ("dirty", "sweep", "tell")
                ]
                if not any(done):
                    break
            assert await ground.rows("SELECT * FROM dirty") == []
            await self.check()
            rules = ground.replicas[0].rules
            if rules.standing_bonus_cents_per_t == rules.smallest_load_t == 0:
                await self.neighbours_have_what_they_can()
            found = await ground.replicas[0].settle_all(standing_bonus=0, smallest_load=0)
            assert found["value_cents"] == found["optimum_cents"]
            await self.check()
            await self.nothing_better_is_left()

        async def neighbours_have_what_they_can(self) -> None:
            """No two lots in one cell have tonnes left that would be worth something together."""
            left, rules = {}, ground.replicas[0].rules
            for id, one in self.known.heard.items():
                left[id] = one.quantity.likely_t
            on, closed = defaultdict(int), set()
            for one in await ground.rows("SELECT * FROM match WHERE standing > 0"):
                pair = one.surplus_id, one.need_id
                if one.standing == EXCLUDES or one.state == ACCEPTED:
                    closed.add(pair)
                if one.standing == HOLDS:
                    on[pair] += one.tonnes if one.state == PROPOSED or one.route == ONSITE else 0
                    for id in pair:
                        left[id] -= one.tonnes
            for s, surplus in self.known.heard.items():
                for n, need in self.known.heard.items():
                    near = lot(surplus).cell == lot(need).cell and (s, n) not in closed
                    if not near or (surplus.direction, need.direction) != ("surplus", "need"):
                        continue
                    most = most_tonnes(surplus, need, rules, START)
                    if is_feasible(surplus, need, rules, today=START) and on[s, n] < most:
                        assert min(left[s], left[n]) <= 0, "neighbours were forgotten"

        async def nothing_better_is_left(self) -> None:
            heard, taken, excluded = self.known.heard, defaultdict(int), set()
            terms = {id: lot(one).terms for id, one in heard.items()}
            cents = 0
            for one in await ground.rows("SELECT * FROM match WHERE standing > 0"):
                pair = one.surplus_id, one.need_id
                if one.standing == EXCLUDES:
                    if (one.surplus_terms, one.need_terms) == tuple(terms[id] for id in pair):
                        excluded.add(pair)
                elif one.state == PROPOSED or one.route == ONSITE:
                    assert unlawful(*(heard[id] for id in pair)) == []
                    cents += one.tonnes * one.cents_per_t
                else:
                    for id in pair:
                        taken[id] += one.tonnes
                    if one.state == ACCEPTED:
                        excluded.add(pair)
            with suppress(ImportError):
                from tests.oracle.optimum import optimum  # noqa: PLC0415  (needs highspy)

                rules = ground.replicas[0].rules
                best = optimum(heard.values(), rules, today=START, excluded=excluded, taken=taken)
                assert cents == best.cents

    return Matchers


TURNED = {
    "as_shipped": {},
    "exact": {
        "matcher_standing_bonus_cents_per_t": 0,
        "matcher_sweep_bonus_cents_per_t": 0,
        "matcher_smallest_load_t": 0,
    },
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("turned", TURNED)
def test_whatever_happens_to_four_replicas_the_promises_hold(
    postgres_url: str, turned: str
) -> None:
    """Any news, any order, any decision, any death: after each step and in the end."""
    ground = Ground.open(postgres_url, **TURNED[turned])
    try:
        run_state_machine_as_test(
            machine(ground),
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                phases=[Phase.reuse, Phase.generate],  # what raced once may not race again
                print_blob=True,
            ),
        )
    finally:
        ground.close()
