"""What persons and organisations ask and choose, over HTTP, with the registry's tokens."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from ipaddress import ip_network
from types import SimpleNamespace
from uuid import UUID, uuid4

import aiohttp
import pytest
import uvicorn

from services.notifier import app, handlers
from services.notifier.gateways import Courier
from services.notifier.settings import Settings
from shared.access import Asker, new_signing_key, sign
from shared.http import application
from shared.service.due import Worker
from tests.conftest import eventually, free_port
from tests.described import as_described
from tests.notifier.builders import (
    AINO,
    BO,
    GIVER,
    REGINA,
    TAKER,
    a_match,
    a_member,
    an_organisation,
    everybody,
    later,
)
from tests.notifier.receivers import receiver

KEY = new_signing_key()
LOOPBACK = (ip_network("127.0.0.0/8"),)


class AlwaysWell:
    async def problems(self) -> list[str]:
        return []


@pytest.fixture
async def url(database) -> AsyncIterator[str]:
    """The notifier's own application, served on loopback."""
    settings = Settings(notifier_webhook_networks=LOOPBACK, notifier_webhooks_per_organisation=2)
    service = app.build(settings)
    served = application(
        name="notifier",
        router=service.api,
        database=database,
        public_key=KEY,
        health=AlwaysWell(),
        settings=settings,
    )
    port = free_port()
    config = uvicorn.Config(served, port=port, log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())

    async def started() -> bool:
        return server.started

    await eventually(started)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await task


def person(id: UUID, organisation: str | None, *regions: str) -> Asker:
    organisations = {organisation: ("coordinator",)} if organisation else {}
    return Asker(str(id), "person", organisations, regions)


AS_AINO, AS_BO = person(AINO, GIVER), person(BO, TAKER)
AS_REGINA = person(REGINA, "seutu", "99")
AS_KEY = Asker(GIVER, "organisation", {GIVER: ("reporter",)})
AS_READER = Asker(str(AINO), "person", {GIVER: ("reader",)})


@asynccontextmanager
async def asking(url: str, asker: Asker | None) -> AsyncIterator[SimpleNamespace]:
    """Asks as *asker*: status and body of each answer."""
    headers = {"Authorization": f"Bearer {sign(asker, KEY)}"} if asker else {}
    async with aiohttp.ClientSession(url, headers=headers) as session:

        async def ask(method: str, path: str, **more):
            async with session.request(method, path, **more) as answer:
                await as_described("notifier", answer)
                body = await answer.json() if answer.status != 204 else None
                return answer.status, body

        yield SimpleNamespace(
            **{
                name: partial(ask, name.upper())
                for name in ("get", "post", "put", "patch", "delete")
            }
        )


async def test_an_inbox_shows_ones_own_matches_newest_first_in_pages(url, hear):
    """Three matches, two a page, then the third."""
    await hear(*everybody())
    matches = [a_match() for _ in range(3)]
    for match in matches:
        await hear(match)
    async with asking(url, AS_AINO) as ask:
        _, first = await ask.get("/inbox?limit=2")
        _, second = await ask.get("/inbox", params={"limit": 2, "after": first["next"]})

    found = [item["match_id"] for item in first["items"] + second["items"]]
    assert found == [str(match.match_id) for match in reversed(matches)]
    assert second["next"] is None and first["as_of"]


async def test_an_entry_shows_what_a_row_needs_and_not_the_others_name(url, hear):
    """Own side named, the other by municipality; the regional coordinator sees both."""
    await hear(*everybody())
    match = a_match(asks=(GIVER,))
    await hear(match)
    async with asking(url, AS_AINO) as ask:
        _, answer = await ask.get("/inbox?tab=decide")
    async with asking(url, AS_REGINA) as ask:
        _, regional = await ask.get("/inbox?tab=told")

    [item] = answer["items"]
    assert item["unread"] and item["asks_you"] and item["state"] == "proposed"
    assert item["tonnes"]["likely"] == 3300 and item["value"]["cents_per_t"] == 420
    assert item["surplus"]["organisation"] == GIVER
    assert item["need"]["municipality"] == "078" and TAKER not in str(item)
    assert regional["items"][0]["need"]["organisation"] == TAKER


async def test_the_other_sides_name_comes_with_the_first_acceptance(url, hear):
    """The entry follows the newest revision."""
    await hear(*everybody())
    match = a_match()
    await hear(match)
    await hear(
        later(match, state="accepted", change="accepted", accepted_by=(GIVER,), asks=(TAKER,))
    )
    async with asking(url, AS_AINO) as ask:
        _, answer = await ask.get("/inbox")

    [item] = answer["items"]
    assert item["tab"] == "waiting" and item["revision"] == 2 and item["accepted_by_you"]
    assert item["need"]["organisation"] == TAKER


async def test_counts_follow_reading(url, hear):
    """Read, then unread again."""
    await hear(*everybody())
    await hear(a_match(asks=(GIVER,)), a_match(asks=(TAKER,)))
    async with asking(url, AS_AINO) as ask:
        _, before = await ask.get("/inbox/counts")
        _, page = await ask.get("/inbox?tab=decide")
        path = f"/inbox/{page['items'][0]['id']}/read"
        assert await ask.post(path) == (200, {"id": page["items"][0]["id"], "unread": False})
        _, after = await ask.get("/inbox/counts")
        await ask.post(path, json={"unread": True})
        _, again = await ask.get("/inbox/counts")

    assert before["tabs"] == {"decide": 1, "waiting": 1, "moving": 0, "told": 0, "closed": 0}
    assert (before["unread"], after["unread"], again["unread"]) == (2, 1, 2)
    assert after["unread_by_tab"]["decide"] == 0 and after["tabs"]["decide"] == 1


async def test_nobody_reads_anothers_inbox(url, hear):
    """Not another's entry, not after leaving the organisation, and no machine at all."""
    await hear(*everybody())
    await hear(a_match())
    async with asking(url, AS_BO) as ask:
        _, page = await ask.get("/inbox")
        foreign = page["items"][0]["id"]
    async with asking(url, AS_AINO) as ask:
        status, problem = await ask.post(f"/inbox/{foreign}/read")
        assert (status, problem["code"]) == (404, "not_found")
    for who in (person(AINO, "muu-oy"), person(AINO, None), person(REGINA, None, "06")):
        async with asking(url, who) as ask:
            assert (await ask.get("/inbox"))[1]["items"] == []
            assert (await ask.get("/inbox/counts"))[1]["unread"] == 0
    for who in (AS_KEY, Asker("op", "operator"), Asker("not-a-uuid", "person")):
        async with asking(url, who) as ask:
            assert (await ask.get("/inbox"))[0] == 403
    async with asking(url, None) as ask:
        assert (await ask.get("/inbox"))[0] == 401


async def test_a_question_that_cannot_be_answered_says_why(url):
    """A problem of RFC 9457 with a stable code, never a 5xx."""
    questions = {
        "/inbox?after=xyz": "cursor_invalid",
        "/inbox?after=MjAyNi0wMS0wMSB4": "cursor_invalid",
        "/inbox?after=%C3%A4": "cursor_invalid",
        "/inbox?tab=all": "request_invalid",
        "/inbox?limit=201": "request_invalid",
        "/inbox?limit=0": "request_invalid",
    }
    async with asking(url, AS_AINO) as ask:
        for path, code in questions.items():
            status, problem = await ask.get(path)
            assert (status, problem["code"]) == (422, code), path


@pytest.mark.parametrize("told", ["22:00:00Z", "01:24:17+13:30", "22:00:00.5"])
async def test_a_quiet_hour_is_that_of_ones_own_clock(url, told):
    """A zone would be lost, and is refused under its field."""
    async with asking(url, AS_AINO) as ask:
        status, problem = await ask.put("/preferences", json={"quiet_from": told})
    assert status == 422
    assert [one["pointer"] for one in problem["reasons"]] == ["/quiet_from"]


async def test_preferences_are_ones_own_and_whole(url):
    """Until one chooses, mail is on and the language the registry's."""
    chosen = {"language": "sv", "mail": False, "quiet_from": "22:00:00", "quiet_to": "07:00:00"}
    async with asking(url, AS_AINO) as ask:
        _, before = await ask.get("/preferences")
        assert await ask.put("/preferences", json=chosen) == (200, chosen)
        _, after = await ask.get("/preferences")
        status, _ = await ask.put("/preferences", json={"language": "de"})
        misspelt, _ = await ask.put("/preferences", json={"post": False})
    async with asking(url, AS_BO) as ask:
        _, others = await ask.get("/preferences")

    assert (
        before == others == {"language": None, "mail": True, "quiet_from": None, "quiet_to": None}
    )
    assert after == chosen and status == misspelt == 422


async def test_a_webhook_is_made_shown_changed_and_removed(url):
    """The secret is shown once; an organisation's key does the same as its member."""
    told = {"organisation": GIVER, "url": "http://127.0.0.1:9/hook"}
    async with asking(url, AS_KEY) as ask:
        status, made = await ask.post("/webhooks", json=told)
        path = f"/webhooks/{made['id']}"
        _, listed = await ask.get("/webhooks")
        _, changed = await ask.patch(path, json={"events": ["match-found"], "status": "disabled"})
        resent, problem = await ask.post(f"{path}/deliveries/{uuid4()}/resend")
    async with asking(url, AS_AINO) as ask:
        _, shown = await ask.get(path)
        removed, _ = await ask.delete(path)
        gone, _ = await ask.get(path)

    assert status == 201 and made["secret"].startswith("whsec_") and made["status"] == "active"
    assert "secret" not in str(listed) and "secret" not in shown
    assert changed["events"] == ["match-found"] and shown["status"] == "disabled"
    assert (resent, problem["code"]) == (409, "webhook_disabled")
    assert removed == 204 and gone == 404


async def test_a_webhook_is_its_organisations_alone(url):
    """Another organisation sees nothing of it and makes none for it."""
    told = {"organisation": GIVER, "url": "http://127.0.0.1:9/hook"}
    async with asking(url, AS_KEY) as ask:
        _, made = await ask.post("/webhooks", json=told)
    path = f"/webhooks/{made['id']}"
    async with asking(url, AS_BO) as ask:
        answers = [
            await ask.post("/webhooks", json=told),
            await ask.get(f"/webhooks?organisation={GIVER}"),
            await ask.get(path),
            await ask.patch(path, json={"status": "disabled"}),
            await ask.delete(path),
            await ask.get(f"{path}/deliveries"),
            await ask.post(f"{path}/deliveries/{uuid4()}/resend"),
        ]
        _, listed = await ask.get("/webhooks")

    assert [status for status, _ in answers] == [403, 403, 404, 404, 404, 404, 404]
    assert listed["items"] == []


async def test_an_organisation_has_a_bounded_number_of_webhooks(url):
    """The third of two is refused with its remedy."""
    told = {"organisation": GIVER, "url": "http://127.0.0.1:9/hook"}
    async with asking(url, AS_KEY) as ask:
        answers = [await ask.post("/webhooks", json=told) for _ in range(3)]

    assert [status for status, _ in answers] == [201, 201, 409]
    assert answers[2][1]["code"] == "too_many_webhooks"


async def test_a_bad_webhook_is_refused_with_a_reason(url):
    """Where it may not go, what is not told, and what is not known."""
    told = {"organisation": GIVER, "url": "https://example.fi/hook"}
    bad = [
        {"url": "https://10.0.0.1/"},
        {"url": "https://169.254.169.254/"},
        {"url": "ftp://example.fi/"},
        {"url": "https://exa mple.fi/"},
        {"url": "https://x.fi/\x00"},
        {"events": []},
        {"events": ["everything"]},
        {"secret": "mine"},
    ]
    async with asking(url, AS_KEY) as ask:
        for more in bad:
            status, problem = await ask.post("/webhooks", json=told | more)
            assert status == 422 and problem["reasons"], more


async def test_the_log_shows_each_delivery_and_sends_it_again(url, database, hear, rules):
    """The same body under the same id."""
    async with receiver() as sink, asking(url, AS_KEY) as ask:
        _, made = await ask.post("/webhooks", json={"organisation": GIVER, "url": sink.url})
        sink.secret = made["secret"]
        path = f"/webhooks/{made['id']}/deliveries"
        await hear(a_match())
        handler = partial(handlers.post_webhook, rules=rules, courier=Courier(LOOPBACK, 1))
        worker = Worker(database, app.WEBHOOK, handler)
        _, waiting = await ask.get(path)
        await worker.hand_over(await worker.claim())
        _, log = await ask.get(path)
        [sent] = log["items"]
        status, _ = await ask.post(f"{path}/{sent['id']}/resend")
        missing, _ = await ask.post(f"{path}/{uuid4()}/resend")
        await worker.hand_over(await worker.claim())
        _, after = await ask.get(path)

    assert waiting["items"][0]["result"] == "waiting"
    assert (sent["result"], sent["status"], sent["tries"]) == ("sent", 204, 1)
    assert (status, missing) == (202, 404) and after["items"][0]["result"] == "sent"
    assert [id for id, _ in sink.seen] == [sent["id"]] * 2


async def test_a_member_who_joined_reads_at_once(url, hear):
    """The inbox fills when the organisation becomes known, not at the next match."""
    await hear(a_match())
    await hear(an_organisation(GIVER, a_member(AINO)))
    async with asking(url, AS_AINO) as ask:
        assert len((await ask.get("/inbox"))[1]["items"]) == 1


def test_the_card_says_what_the_notifier_is(tmp_path):
    """Without a mail server no mail is worked off; building opens nothing."""
    quiet = app.build(Settings())
    posting = app.build(Settings(notifier_smtp_host="127.0.0.1"))

    assert [due.table for due in quiet.works_off] == ["webhook"]
    assert {due.table for due in posting.works_off} == {"webhook", "mail", "digest"}
    assert {one.event_name() for one in quiet.reacts_to} == {
        "match-found", "match-changed", "near-miss-found", "organisation-updated",
        "project-added", "project-updated", "project-withdrawn", "confirmation-asked",
        "forecast-updated", "area-updated", "delivery-recorded", "duplicate-suggested",
        "duplicate-changed",
    }  # fmt: skip
    assert [one.event_name() for one in quiet.announces] == ["notification-sent"]


async def test_a_webhook_has_filters_and_can_be_tried(url, database):
    """What is left out stays as it was; a material that is not known is refused with its remedy."""
    told = {"organisation": GIVER, "url": "http://127.0.0.1:9/hook", "materials": ["till", "till"]}
    async with asking(url, AS_KEY) as ask:
        _, made = await ask.post("/webhooks", json=told)
        path = f"/webhooks/{made['id']}"
        _, changed = await ask.patch(path, json={"regions": ["01"]})
        status, problem = await ask.patch(path, json={"materials": ["tilll"]})
        _, finnish = await ask.patch(f"{path}?language=fi", json={"materials": ["tilll"]})
        _, plain = await ask.post("/webhooks?language=sv", json={**told, "url": "http://8.8.8.8/"})
        tried, posting = await ask.post(f"{path}/test")
        _, log = await ask.get(f"{path}/deliveries")
    async with asking(url, person(BO, TAKER)) as ask:
        foreign, _ = await ask.post(f"{path}/test")

    assert (made["materials"], made["regions"]) == (["till"], [])
    assert (changed["materials"], changed["regions"]) == (["till"], ["01"])
    assert (status, problem["code"]) == (422, "material_unknown") and "till" in problem["detail"]
    assert "«tilll» (materials)" in finnish["detail"] and "Tarkoititko till" in finnish["detail"]
    assert finnish["reasons"][0]["text"] == finnish["detail"]
    assert plain["code"] == "url_refused" and "börjar «http»" in plain["detail"]
    assert (tried, foreign) == (202, 404)
    assert [(one["id"], one["event"]) for one in log["items"]] == [(posting["id"], "webhook-test")]


async def test_who_only_reads_sends_nothing_elsewhere(url):
    """Webhooks take matches out: a reader sees one, and makes, changes and removes none."""
    told = {"organisation": GIVER, "url": "http://127.0.0.1:9/hook"}
    async with asking(url, AS_KEY) as ask:
        _, made = await ask.post("/webhooks", json=told)
    path = f"/webhooks/{made['id']}"
    async with asking(url, AS_READER) as ask:
        answers = [
            await ask.get(path),
            await ask.post("/webhooks", json=told),
            await ask.patch(path, json={"url": "http://127.0.0.1:9/other"}),
            await ask.delete(path),
        ]
    assert [status for status, _ in answers] == [200, 403, 404, 404]
