"""A handler that fails after any of its writes leaves none of them; then it is done."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from deploy.cards import card, cards
from services.matcher import store as matcher
from services.notifier import store as notifier
from services.notifier.gateways import new_secret
from services.registry import handlers as registry
from shared.contracts import OrganisationUpdated
from shared.contracts.base import Event, uuid7
from shared.service.card import Answered, Due, Service, durable_of
from shared.service.consume import claim, hand_over
from shared.service.due import Worker
from shared.work import Database
from tests.fuzz.asking import EXAMPLES
from tests.kept import Kept, Whole, changes
from tests.matcher.builders import a_need, a_surplus
from tests.matcher.osrm import Osrm
from tests.matcher.osrm import serving as engine
from tests.notifier.builders import a_member, an_organisation
from tests.notifier.receivers import mail_server, people_of, receiver
from tests.registry.builders import a_delivery, a_forecast, a_project, an_area, knock

pytestmark = [pytest.mark.fuzz, pytest.mark.timeout(3600)]
GOLDEN = Path(__file__).parents[1] / "contracts" / "golden"
SERVICES = [one.name for one in cards() if one.ledger is not None]
TODAY = datetime.now(UTC).date()
WINDOW = (TODAY + timedelta(days=30), TODAY + timedelta(days=200))
NEVER = 10_000
ENOUGH = 2
"""How often the short run lets all writes fail of one kind of event or row."""
ROUNDS = 2
"""How often all that may be due is looked at: what one handler leaves, another works off."""
FIRST = ("organisation-updated", "project-added", "project-updated", "area-updated",
         "forecast-updated", "match-found")  # fmt: skip
LAST = ("project-withdrawn",)
STRIKES = (
    "CREATE SCHEMA strikes",
    "CREATE SEQUENCE strikes.writes",
    "CREATE TABLE strikes.at AS SELECT 0::bigint AS nth",
    """
    CREATE FUNCTION strikes.strike() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF nextval('strikes.writes') = (SELECT nth FROM strikes.at) THEN
            RAISE EXCEPTION 'struck after % of %', TG_OP, TG_TABLE_NAME;
        END IF;
        RETURN NULL;
    END $$
    """,
)
"""Each statement that writes is counted by the server itself, and the nth is refused after it."""
GOES_ON = {
    ("matcher", "registry.forecast-updated.v1"): {"matcher.inbox", "matcher.lot", "matcher.dirty"},
}
"""
What is done although one of its writes failed, and all that it may leave then: a forecast that
cannot be settled at once is kept, and marked to be settled like any other.
"""


@dataclass
class Struck:
    """A service on a database of its own, whose writes fail one after the other."""

    service: Service
    database: Database
    kept: Kept
    writes: dict[str, int] = field(default_factory=dict)
    times: Counter[str] = field(default_factory=Counter)

    def begins(self) -> None:
        """Count every statement that writes."""
        for one in STRIKES:
            self.asks(one)
        for table in dict.fromkeys(table for table, _ in self.kept.columns(self.service.name)):
            self.asks(
                f'CREATE TRIGGER strikes AFTER INSERT OR UPDATE OR DELETE ON "{table}" '
                "FOR EACH STATEMENT EXECUTE FUNCTION strikes.strike()"
            )

    async def until_done(self, what: str, do: Callable[[], Awaitable[Any]], first: int = 1) -> int:
        """
        *do* fails at its *first* write, the next …, and leaves nothing, until it is done.

        How many writes that took; 0 if one of them failed and it went on, as it may.
        """
        if first == 1 and not EXAMPLES and self.times[what] >= ENOUGH:
            first = NEVER
        for nth in count(first):
            before = self._armed(nth)
            try:
                await do()
            except Exception as error:
                assert "struck after" in str(error), f"{what}: {error!r}"
                left = changes(before, self.kept.whole())
                assert not left, f"{what}, failed at write {nth}, left something in {left}"
            else:
                break
        ((last, some),) = self.asks("SELECT last_value, is_called FROM strikes.writes")
        done = last if some else 0
        if done >= nth:
            left = set(changes(before, self.kept.whole()))
            most = GOES_ON.get((self.service.name, what), set())
            assert left and left <= most, f"{what} went on, and left {left or 'nothing'}"
        if first != NEVER:
            self.writes[what] = max(done, self.writes.get(what, 0))
            self.times[what] += 1
        self._armed(NEVER)
        return done if done < nth else 0

    async def hears(self, *events: Event, first: int = 1) -> int:
        """The handler of *events*, of one kind, gets them as the consumer hands them over."""
        contract = type(events[0])

        async def do() -> None:
            async with self.database.begin_work(correlation="heard") as work:
                fresh = await claim(work.session, durable_of(self.service.name, contract), events)
                assert len(fresh) == len(events), "what failed has entered it in the inbox"
                await hand_over(work, self.service.reacts_to[contract], fresh)

        return await self.until_done(contract.name, do, first)

    async def works_off(self, due: Due, first: int = 1, most: int | None = None) -> None:
        """What is due now, or will be, *most* rows of it, is handed over as the worker does."""
        await self.changes(f"UPDATE {due.table} SET due_at = now(), claimed_until = NULL")
        handler = self.service.works_off[due]
        worker = Worker(self.database, due, handler)
        while rows := await worker.claim(most):
            for row in [rows] if due.together else rows:

                async def do(row: Any = row) -> None:
                    async with self.database.begin_work() as work:
                        await handler(row, work)

                await self.until_done(due.table, do, first)
            if most is not None:
                break

    async def changes(self, *statements: str) -> None:
        """Do *statements* beside the service."""
        async with self.database.engine.begin() as connection:
            for one in statements:
                await connection.execute(text(one))

    def _armed(self, nth: int) -> Whole:
        self.asks(f"UPDATE strikes.at SET nth = {nth}")
        self.asks("SELECT setval('strikes.writes', 1, false)")
        return self.kept.whole()

    def asks(self, asked: str) -> list[Any]:
        """What the database answers."""
        return self.kept.ask(self.service.name, asked)


def samples(contract: type[Event]) -> Iterator[Event]:
    """The golden bodies of *contract*, told now; one without any has no sample and fails."""
    found = sorted((GOLDEN / contract.name).glob("*.json"))
    assert found, f"{contract.name} has no golden body"
    for path in found:
        yield contract.model_validate(json.loads(path.read_text()))


def in_order(contracts: Sequence[type[Event]]) -> list[type[Event]]:
    """Who is spoken of comes first, what ends things last."""
    names = [*FIRST, *LAST]
    middle = len(FIRST) - 0.5
    return sorted(
        contracts,
        key=lambda one: names.index(one.event_name()) if one.event_name() in names else middle,
    )


@asynccontextmanager
async def surroundings(name: str, folder: Path) -> AsyncIterator[dict[str, Any]]:
    """The settings of service *name*, with real servers for all that it asks and tells."""
    async with AsyncExitStack() as stack:
        if name == "matcher":
            roads = await stack.enter_async_context(engine(Osrm()))
            yield {"matcher_routing_url": roads.url, "matcher_near_worth_eur": 0}
        elif name == "notifier":
            people = await stack.enter_async_context(people_of())
            for body in samples(OrganisationUpdated):
                for member in getattr(body, "members", ()):
                    people.people[member.person] = {"name": "X", "email": "x@firma.example",
                                                    "language": "sv"}  # fmt: skip
            post = stack.enter_context(mail_server())
            (folder / "key").write_text("mk_notifier\n")
            yield {
                "notifier_smtp_host": "127.0.0.1", "notifier_smtp_port": post.port,
                "registry_url": people.url, "service_key_file": folder / "key",
                "notifier_webhook_networks": ("127.0.0.0/8",), "notifier_near_worth_eur": 0,
            }  # fmt: skip
        else:
            yield {}


async def _registry(here: Struck) -> None:
    """Every letter that the door knows, a refused one, a table, and an owner who was silent."""
    work_of = here.database.begin_work

    async def start() -> None:
        async with work_of() as work:
            await registry.add_shipped_regions(work)

    async def join() -> None:
        async with work_of() as work:
            await registry.add_organisation(
                work, actor="test", token="acme", title="Acme", region="01"
            )

    await here.until_done("start", start)
    await here.until_done("join", join)
    when = {"available_from": str(WINDOW[0]), "available_to": str(WINDOW[1])}
    told = [
        ("project-added", a_project(**when)),
        ("project-updated", a_project(title="Anew", **when)),
        ("forecast-updated", a_forecast(**when)),
        ("forecast-updated", a_forecast("F-2", **when)),
        ("forecast-updated", a_forecast("F-3", material="clai", **when)),
        ("area-updated", an_area()),
        ("delivery-reported", a_delivery()),
        ("project-added", a_project("P-2", **when)),
        ("project-withdrawn", {"external_id": "P-2"}),
    ]
    door = here.service.takes_in
    assert door is not None
    for name, body in told:
        one = knock(name, body)

        async def do(one: Any = one) -> None:
            async with work_of() as work:
                answers = await door.take_in([one], work)
                assert all(isinstance(each, Answered) for each in answers)

        await here.until_done(f"intake.{name}.v1", do)
    assert {f"intake.{name}.v1" for name, _ in told} == {one.name for one in door.contracts}

    async def hand_in() -> None:
        asked = registry.Ordered(
            organisation="acme", actor="test", language="sv", file_name="m.csv", content=table,
            mapping="template", own_mapping=None, region="01", sheet=None, at_once=True,
            only_good=True,
        )  # fmt: skip
        async with work_of() as work:
            await registry.add_import(work, asked)

    table = _table()
    await here.until_done("an import", hand_in)
    await here.changes(
        "UPDATE forecast SET confirmed_at = now() - interval '100 days'",
        "INSERT INTO calendar (id, due_at) VALUES (1, now())",
    )


def _table() -> bytes:
    row = {
        "Project ID": "P1", "Project name": "Katu", "Municipality": "49", "Mass ID": "a",
        "Surplus or need": "surplus", "Material": "clay", "Quality class": "U2",
        "Contamination": "P0", "Quantity": "1200", "Unit": "m3ktr",
        "From": str(WINDOW[0]), "Until": str(WINDOW[1]),
    }  # fmt: skip
    bad = row | {"Mass ID": "b", "Quantity": "many"}
    return "\n".join(";".join(each) for each in (row, row.values(), bad.values())).encode()


STANDING = "SELECT FROM match WHERE standing = 1"


async def _matcher(here: Struck) -> None:
    """Pairs that fit, one that nearly does, loads, and windows that are over."""
    both = [a_surplus, a_need]
    await here.hears(*(one(window=WINDOW, lat=58.4, north_km=km) for one in both for km in (0, 9)))
    await here.works_off(matcher.dirty, most=1)
    late = (WINDOW[1] + timedelta(days=21), WINDOW[1] + timedelta(days=90))
    for one in (a_surplus(window=WINDOW, lat=59.2), a_need(window=late, lat=59.2)):
        await here.hears(one, first=NEVER)
    for due in (matcher.tell, matcher.dirty, matcher.sweep, matcher.near):
        await here.works_off(due)
    before = len(here.asks(STANDING))
    for nth in count(1):  # one that fails at each write of being settled at once, then one that is
        lat = 60.0 + nth / 3
        await here.hears(a_need(window=WINDOW, lat=lat), first=NEVER)
        await here.works_off(matcher.dirty, first=NEVER)
        done = await here.hears(a_surplus(window=WINDOW, lat=lat), first=nth)
        await here.works_off(matcher.dirty, first=NEVER)
        assert len(here.asks(STANDING)) == before + nth
        if 0 < done < nth:
            break
    await _everything(here)
    await here.changes(
        "UPDATE match SET first = now() - interval '9 days', last = now() - interval '2 days'",
        "INSERT INTO calendar (id, due_at) VALUES (1, now())",
    )


async def _notifier(here: Struck) -> None:
    """A webhook that hears of everything, before anything is told."""
    async with AsyncExitStack() as stack:
        sink = await stack.enter_async_context(receiver())
        row = {
            "id": uuid7(), "organisation": "kivikkola", "url": sink.url,
            **{name: [] for name in notifier.FILTERS},
            "events": [one.event_name() for one in here.service.reacts_to],
            "whose": ["own", "others"],
            "secret": new_secret(), "created_by": "",
            "created_at": datetime.now(UTC) - timedelta(hours=1),
        }  # fmt: skip
        async with here.database.begin_work() as work:
            await notifier.add_webhook(work.session, row)
        await here.hears(an_organisation("acme", a_member(uuid7()), region="01"))
        await _everything(here)
        await _works_off(here)


async def _everything(here: Struck) -> None:
    for contract in in_order(list(here.service.reacts_to)):
        for one in samples(contract):
            await here.hears(one)


async def _works_off(here: Struck) -> None:
    for _ in range(ROUNDS):
        for due in here.service.works_off:
            await here.works_off(due)


STORIES: dict[str, Callable[[Struck], Awaitable[None]]] = {
    "registry": _registry, "matcher": _matcher, "indicators": _everything, "notifier": _notifier,
}  # fmt: skip


@pytest.mark.parametrize("name", SERVICES)
async def test_a_handler_that_fails_after_any_write_leaves_nothing_and_is_done_later(
    name: str, database_for: Callable[..., Awaitable[Database]], postgres_url: str, tmp_path: Path
) -> None:
    """Of every subscription, of every kind of due row, and of the door: each write in its turn."""
    async with surroundings(name, tmp_path) as settings:
        service = card(name, **settings)
        assert service.ledger is not None
        database = await database_for(service.ledger, service.settings)
        called = str(database.engine.url.database)
        with Kept(postgres_url, [name], lambda _: called) as kept:
            here = Struck(service, database, kept)
            here.begins()
            await STORIES[name](here)
            await _works_off(here)

    for contract in service.reacts_to:
        assert here.writes.get(contract.name, 0) > 1, f"no sample of {contract.name} changes much"
    for due in service.works_off:
        assert here.writes.get(due.table, 0) > 0, f"nothing was due in {due.table}"
