"""Webhooks that are due, to a real receiver: signed, retried under one id, and never anywhere."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_network
from uuid import UUID, uuid4

import pytest
from aiohttp import web
from sqlalchemy import text

from services.notifier import app, handlers, store
from services.notifier.domain import BadTarget
from services.notifier.gateways import CheckedResolver, Courier, new_secret, target_of
from shared.contracts.base import uuid7
from shared.service.due import Worker
from tests.conftest import eventually, free_port
from tests.notifier.builders import (
    AINO,
    GIVER,
    TAKER,
    a_match,
    a_member,
    a_side,
    an_organisation,
    later,
)
from tests.notifier.receivers import Receiver, receiver

LOOPBACK = (ip_network("127.0.0.0/8"),)
FAST = replace(app.WEBHOOK, poll_s=0.02)


@pytest.fixture
async def sink() -> AsyncIterator[Receiver]:
    async with receiver() as found:
        found.secret = new_secret()
        yield found


@pytest.fixture
def add(database) -> Callable:
    """Keeps a webhook of an organisation, made an hour ago."""

    async def added(url: str, secret: str = "", organisation: str = GIVER, **more) -> UUID:
        row = {
            "id": uuid7(),
            "organisation": organisation,
            "url": url,
            **{name: [] for name in store.FILTERS},
            "events": ["match-found", "match-changed"],
            "whose": ["own"],
            "secret": secret or new_secret(),
            "created_by": "",
            "created_at": datetime.now(UTC) - timedelta(hours=1),
        }
        async with database.begin_work() as work:
            await store.add_webhook(work.session, row | more)
        return row["id"]

    return added


@pytest.fixture
def worker(database, rules) -> Callable:
    def made(due=FAST, by: handlers.Rules = rules, timeout_s: float = 0.3) -> Worker:
        handler = partial(handlers.post_webhook, rules=by, courier=Courier(LOOPBACK, timeout_s))
        return Worker(database, due, handler)

    return made


@pytest.fixture
async def running(database, worker) -> AsyncIterator[Worker]:
    """The sender, at work until the test ends."""
    live = worker()
    task = asyncio.create_task(live.run())
    yield live
    live.stopping = True
    live.news.set()
    await task


async def one(database, question: str, **asked):
    async with database.session() as session:
        return (await session.execute(text(question), asked)).one()


async def postings(database) -> list[tuple[str | None, int, int | None]]:
    async with database.session() as session:
        asked = text(
            "SELECT result, posting.tries, status FROM posting JOIN notification USING (id) "
            "ORDER BY posting.id"
        )
        return [tuple(row) for row in await session.execute(asked)]


async def settled(database) -> bool:
    found = await postings(database)
    return bool(found) and all(result for result, _, _ in found)


async def test_a_match_is_posted_signed_as_its_organisation_may_see_it(
    database, hear, add, sink, running
):
    """The receiver verifies it with the standard's own library; the other's name is not in it."""
    await add(sink.url, sink.secret)
    await add(sink.url, sink.secret, organisation="muu-oy")
    match = a_match()

    await hear(match)
    await eventually(partial(settled, database))

    [(id, told)] = sink.seen
    assert UUID(id) == (await one(database, "SELECT id FROM posting")).id
    assert told["type"] == "matches.match-found.v1"
    assert told["data"]["match_id"] == str(match.match_id)
    assert told["data"]["organisation"] == GIVER and TAKER not in str(told)
    assert await postings(database) == [("sent", 1, 204)]


async def test_every_revision_is_posted_once_and_only_what_was_asked_for(
    database, hear, add, sink, running
):
    """Silent changes too: a system keeps up by them. Repeated news and own-site moves are not."""
    await add(sink.url, sink.secret, events=["match-changed"])
    match = a_match()
    quiet = later(match, change="tonnes", asks=())
    await hear(match, a_match(route="onsite", need=a_side(GIVER)))
    await hear(quiet)
    await hear(quiet.model_copy(update={"id": uuid4()}))
    await eventually(partial(settled, database))

    assert [told["data"]["revision"] for _, told in sink.seen] == [2]


async def test_nothing_told_before_the_webhook_was_made_is_posted(database, hear, add, sink):
    """So a rebuild is silent for a webhook that is younger than the story."""
    await add(sink.url, sink.secret)
    await hear(a_match(at=datetime.now(UTC) - timedelta(hours=2)))
    await hear(a_match(at=datetime.now(UTC) - timedelta(days=8)))

    assert await postings(database) == []


async def test_a_failed_try_is_repeated_under_one_id(database, hear, add, sink, running):
    """500, a redirect that nobody follows, then 204."""
    answers = [web.Response(status=500), web.HTTPFound("http://127.0.0.1:1/"),
               web.Response(status=204)]  # fmt: skip

    async def answer(_):
        return answers.pop(0)

    sink.answer = answer
    await add(sink.url, sink.secret)
    await hear(a_match())
    await eventually(partial(settled, database))

    assert len(sink.seen) == 3 and len({id for id, _ in sink.seen}) == 1
    assert await postings(database) == [("sent", 3, 204)]
    breaker = await one(database, "SELECT failures, resting_until, due_at FROM webhook")
    assert tuple(breaker) == (0, None, None)


async def test_gone_disables_at_once_and_the_owner_is_written_to(database, hear, add, sink, worker):
    """410: what waits is given up, and the organisation's coordinators hear of it by mail."""

    async def gone(_):
        return web.Response(status=410)

    sink.answer = gone
    id = await add(sink.url, sink.secret)
    await hear(an_organisation(GIVER, a_member(AINO)))
    await hear(a_match(), a_match(), a_match())
    sender = worker()
    await sender.hand_over(await sender.claim())
    await hear(a_match())

    assert [result for result, _, _ in await postings(database)] == ["gave_up"] * 3
    assert len(sink.seen) == 1
    kept = await one(database, "SELECT status, reason, due_at FROM webhook")
    assert kept.status == "disabled" and "410" in kept.reason and kept.due_at is None
    mail = await one(database, "SELECT person, told FROM mail WHERE kind = 'webhook'")
    assert mail.person == AINO and mail.told["organisation"] == GIVER
    asked = "SELECT recipient FROM notification WHERE subject_id = :id"
    assert (await one(database, asked, id=id)).recipient == str(AINO)


async def test_an_endpoint_that_fails_after_every_pause_is_disabled(database, hear, add, running):
    """Nobody listens there: two pauses, three tries, then no more."""
    await add(f"http://127.0.0.1:{free_port()}/")
    await hear(a_match())
    await eventually(partial(settled, database))

    assert [row[:2] for row in await postings(database)] == [("gave_up", 3)]
    assert (await one(database, "SELECT status FROM webhook")).status == "disabled"


async def test_a_dead_receiver_costs_one_try_and_holds_no_other(
    database, hear, add, sink, rules, worker
):
    """While some receivers hang, a hundred matches reach the one that answers, at once."""

    async def hang(_):
        await asyncio.sleep(0.5)
        return web.Response()

    async with receiver() as dead:
        dead.answer = hang
        for _ in range(3):
            await add(dead.url)
        await add(sink.url, sink.secret)
        await hear(*[a_match() for _ in range(100)])
        slow = replace(rules, webhook_pauses_s=(60.0,))
        live = worker(by=slow, timeout_s=0.4)
        task = asyncio.create_task(live.run())

        async def reached() -> bool:
            return len(sink.seen) == 100

        await eventually(reached, within_s=10)
        live.stopping = True
        live.news.set()
        await task

    assert len(dead.requests) == 3
    async with database.session() as session:
        asked = text("SELECT count(*) FROM posting WHERE tries > 0 AND status IS NULL")
        assert (await session.execute(asked)).scalar_one() == 3


async def test_a_hanging_receiver_never_holds_the_worker(database, hear, add, sink, worker):
    """News for one receiver goes out while another still keeps us waiting."""
    begun, release = asyncio.Event(), asyncio.Event()

    async def hang(_):
        begun.set()
        await release.wait()
        return web.Response()

    async with receiver() as dead:
        dead.answer = hang
        await add(dead.url, organisation=TAKER)
        await add(sink.url, sink.secret)
        live = worker(timeout_s=10)
        task = asyncio.create_task(live.run())
        await hear(a_match(surplus=a_side("muu-oy")))
        await begun.wait()
        await hear(a_match(need=a_side("muu-oy")))

        async def reached() -> bool:
            return len(sink.seen) == 1

        await eventually(reached, within_s=5)
        release.set()
        live.stopping = True
        live.news.set()
        await task


async def test_a_poster_that_died_after_posting_leaves_one_id(database, hear, add, sink, worker):
    """Its lease runs out and another posts again: the same webhook-id; recorded once."""
    await add(sink.url, sink.secret)
    await hear(a_match())
    dying = worker(replace(FAST, lease_s=0.0))
    [row] = await dying.claim()
    with pytest.raises(RuntimeError, match="killed"):
        async with database.begin_work() as work:
            await dying.handler(row, work)
            raise RuntimeError("killed between posting and recording")

    heir = worker()
    await heir.hand_over(await heir.claim())

    assert len(sink.seen) == 2 and len({id for id, _ in sink.seen}) == 1
    assert await postings(database) == [("sent", 1, 204)]
    told = await one(
        database, "SELECT count(*) AS n FROM outbox WHERE convert_from(payload, 'UTF8') "
        "LIKE '%\"webhook\"%'",
    )  # fmt: skip
    assert told.n == 1


@pytest.mark.parametrize("kind", ["drips", "huge", "hangs", "headers"])
async def test_no_answer_holds_or_fills_the_sender(database, hear, add, sink, worker, kind: str):
    """Dripping, endless, silent and swollen answers end in the time-out or are cut."""

    async def answer(request):
        response = web.StreamResponse()
        if kind == "hangs":
            await asyncio.sleep(1)
        if kind == "headers":
            response.headers["x"] = "y" * 100_000
        await response.prepare(request)
        for _ in range(10_000 if kind == "huge" else 3):
            await response.write(b"x" * (100_000 if kind == "huge" else 1))
            await asyncio.sleep(0 if kind == "huge" else 0.2)
        return response

    sink.answer = answer
    await add(sink.url, sink.secret)
    await hear(a_match())
    sender = worker(by=handlers.Rules(timedelta(7), timedelta(0), False, (), (60.0,)))

    async with asyncio.timeout(2):
        await sender.hand_over(await sender.claim())

    [(_, tries, status)] = await postings(database)
    assert tries == 1 and status in (200, None)
    assert (status is None) == (kind in ("hangs", "headers"))


# --- where it may not go ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/", "https://[::1]/", "https://[::ffff:127.0.0.1]/",
        "https://2130706433/", "https://0x7f.1/", "https://0177.0.0.1/", "https://127.1/",
        "https://localhost./", "https://169.254.169.254/latest/meta-data/",
        "https://①②⑦.⓪.⓪.①/", "https://127。0。0。1/", "https://user:pw@example.fi/",
        "https://example.fi:22/", "http://example.fi/", "https://example.fi\\@127.0.0.1/",
        "https://example.fi/\r\nX: y", "https:///x", "https://[fe80::1%25eth0]/", "ftp://e.fi/",
        "https://[64:ff9b::7f00:1]/", "//example.fi/", "https://example.fi:99999/", "",
        "https://" + "a" * 2100 + ".fi/",
    ],
)  # fmt: skip
def test_an_address_that_may_not_be_entered_is_refused_when_it_is_given(url: str):
    """Every disguise of a local address, and all but https on two ports."""
    with pytest.raises(BadTarget):
        target_of(url, ())


@pytest.mark.parametrize("url", ["https://example.fi/a?b=c", "https://example.fi:8443/"])
def test_a_public_address_is_taken(url: str):
    """As it is written."""
    assert str(target_of(url, ())) == url


async def test_a_name_that_leads_home_is_refused_at_each_try(sink):
    """A name may change after it was given: what it resolves to decides, every time."""
    with pytest.raises(BadTarget):
        await CheckedResolver("https", ()).resolve("localhost", 443)

    found = await Courier((ip_network("10.0.0.0/8"),), 1.0).post(
        sink.url.replace("127.0.0.1", "localhost"), sink.secret, uuid4(), "{}"
    )

    assert found.result == "later" and "«127.0.0.1» is not public" in found.error
    assert not sink.requests


async def test_what_was_checked_is_what_is_dialled(sink):
    """The connection goes to the address that passed, under the name that was given."""
    found = await Courier(LOOPBACK, 1.0).post(
        sink.url.replace("127.0.0.1", "localhost"), sink.secret, uuid4(), "{}"
    )

    assert found.result == "sent" and sink.requests[0].host.startswith("localhost:")


async def test_a_proxy_in_the_environment_is_not_used(sink, monkeypatch):
    """Our checks would be worth nothing behind one."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")

    found = await Courier(LOOPBACK, 1.0).post(sink.url, sink.secret, uuid4(), "{}")

    assert found.result == "sent"


async def test_a_webhook_is_told_only_of_what_meets_its_filters(database, hear, add, sink, running):
    """By region, material and municipality of either end; an empty list is any."""
    here = a_match()  # blasted rock from 049 to 078, region 99
    await add(sink.url, sink.secret, materials=["clay"])
    await add(sink.url, sink.secret, municipalities=["091"])
    await add(sink.url, sink.secret, regions=["01"])
    wanted = await add(
        sink.url, sink.secret, regions=["99"], materials=["clay", "blasted_rock_loose"],
        municipalities=["078"],
    )  # fmt: skip

    await hear(here)
    await eventually(partial(settled, database))

    assert (await one(database, "SELECT webhook_id FROM posting")).webhook_id == wanted
    assert [told["data"]["match_id"] for _, told in sink.seen] == [str(here.match_id)]
