"""Mail that is due, to a real mail server: sent, delayed, refused, and under one id."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text

from services.notifier import app, handlers, store
from services.notifier.gateways import PostOffice, Registry
from shared.service.card import Due
from shared.service.due import Worker
from tests.conftest import eventually
from tests.notifier.builders import (
    AINO,
    BO,
    GIVER,
    TAKER,
    a_match,
    a_member,
    a_project,
    a_question,
    an_organisation,
    everybody,
    later,
)
from tests.notifier.receivers import MailServer, People, mail_server, people_of

FAST = replace(app.MAIL, poll_s=0.05)


@pytest.fixture
def server() -> Iterator[MailServer]:
    with mail_server() as found:
        yield found


@pytest.fixture
async def people() -> AsyncIterator[People]:
    async with people_of() as found:
        found.people[AINO] = {"name": "Aino Ö\r\nBcc: z@z.fi", "email": "aino@firma.example",
                              "language": "fi"}  # fmt: skip
        found.people[BO] = {"name": "Bo", "email": "bo@firma.example", "language": "sv"}
        yield found


@pytest.fixture
def worker(database, rules, server, people, tmp_path: Path):
    """Makes the sender, as a process of its own would: with a lease token of its own."""
    key = tmp_path / "key"
    key.write_text("mk_notifier\n")
    post = PostOffice(
        "127.0.0.1", server.port, "none", None, None, "massakoppi@desk.example", 1.0,
        "https://desk.example",
    )  # fmt: skip

    def made(due: Due = FAST, by: handlers.Rules = rules) -> Worker:
        registry = Registry(people.url, key)
        handler = partial(handlers.send_mail, rules=by, registry=registry, post=post)
        return Worker(database, due, handler)

    return made


async def work_off(worker: Worker, database, within: int = 50) -> None:
    """Claim and send until no mail waits."""

    async def done() -> bool:
        await worker.hand_over(await worker.claim())
        async with database.session() as session:
            return (await session.execute(text("SELECT count(*) FROM mail"))).scalar_one() == 0

    await eventually(done)


async def results(database) -> dict[UUID, tuple[str, int]]:
    async with database.session() as session:
        asked = text("SELECT recipient, result, tries FROM notification WHERE channel = 'mail'")
        return {UUID(one[0]): (one[1], one[2]) for one in await session.execute(asked)}


async def announced(database) -> list[tuple[str, str]]:
    async with database.session() as session:
        asked = text("SELECT convert_from(payload, 'UTF8')::json AS told FROM outbox")
        told = [one.told for one in await session.execute(asked)]
    return [(one["recipient"], one["result"]) for one in told if one["channel"] == "mail"]


async def test_both_sides_get_a_letter_in_their_language(database, hear, worker, server):
    """Multipart, with an id of our own, a way out of it, and no name of the other side."""
    match = a_match()
    await hear(*everybody())
    await hear(a_project(match.surplus))
    await hear(match)

    await work_off(worker(), database)

    finnish, swedish = sorted(server.mails, key=lambda mail: mail["to"])
    assert finnish["subject"] == "Uusi osuma: louhe 3\u00a0300\u00a0t, Espoo → Hanko"
    assert swedish["subject"] == "Ny matchning: sprängsten 3\u00a0300\u00a0t, Esbo → Hangö"
    assert finnish.get_content_type() == "multipart/alternative"
    plain = finnish.get_body(("plain",)).get_content()
    assert "Kehätien louhinta" in plain and "12,3\u00a0km" in plain and TAKER not in plain
    assert f"https://desk.example/matches/{match.match_id}" in plain
    assert "12,3" in finnish.get_body(("html",)).get_content()
    assert finnish["list-unsubscribe"] == "<https://desk.example/settings/notifications>"
    assert finnish["bcc"] is None and finnish["to"].addresses[0].addr_spec == "aino@firma.example"
    assert await results(database) == {AINO: ("sent", 1), BO: ("sent", 1)}
    assert sorted(await announced(database)) == [(str(AINO), "sent"), (str(BO), "sent")]


async def test_the_owner_is_asked_whether_a_forecast_holds(database, hear, worker, server):
    """Its coordinator, once, however often the question comes; the other side hears nothing."""
    await hear(*everybody())
    question = a_question()
    await hear(question)
    await hear(question)

    await work_off(worker(), database)

    (mail,) = server.mails
    assert mail["to"].addresses[0].addr_spec == "aino@firma.example"
    assert mail["subject"] == "Pitääkö massaennuste yhä paikkansa? savi 1\u00a0600\u00a0t"
    plain = mail.get_body(("plain",)).get_content()
    assert f"https://desk.example/confirm?region=99&forecast={question.forecast_id}" in plain
    assert "Kehätien oja" in plain and "15.11.2026" in plain and "1.4.2027–15.5.2027" in plain
    assert await results(database) == {AINO: ("sent", 1)}


async def test_a_contact_is_asked_instead_of_the_coordinator(database, hear, worker, server):
    """Whoever is named on the project, in his or her language."""
    await hear(*everybody())
    await hear(a_question(contacts=(BO,)))
    await work_off(worker(), database)
    (mail,) = server.mails
    assert mail["subject"].startswith("Gäller massprognosen fortfarande?")


async def test_the_message_id_is_the_notifications_and_stays_at_every_try(
    database, hear, worker, server
):
    """Twice delayed, then taken: one mail, one id."""
    server.answers = ["451 greylisted", "421 busy"]
    await hear(an_organisation(GIVER, a_member(AINO)))
    await hear(a_match())
    async with database.session() as session:
        asked = text("SELECT id FROM notification WHERE channel = 'mail'")
        id = (await session.execute(asked)).scalar_one()

    await work_off(worker(), database)

    assert [mail["message-id"] for mail in server.mails] == [f"<{id}@desk.example>"]
    assert await results(database) == {AINO: ("sent", 3)}


async def test_a_refused_recipient_is_given_up_at_once(database, hear, worker, server):
    """550 is for ever, and told so; the other side gets its letter."""
    server.refused["aino@firma.example"] = "550 no such user"
    await hear(*everybody())
    await hear(a_match())

    await work_off(worker(), database)

    assert await results(database) == {AINO: ("gave_up", 1), BO: ("sent", 1)}
    assert sorted(await announced(database)) == [(str(AINO), "gave_up"), (str(BO), "sent")]


async def test_a_letter_that_is_always_delayed_is_given_up_after_the_last_pause(
    database, hear, worker, server
):
    """Two pauses are three tries."""
    server.answers = ["451 later"] * 9
    await hear(an_organisation(GIVER, a_member(AINO)))
    await hear(a_match())

    await work_off(worker(), database)

    assert await results(database) == {AINO: ("gave_up", 3)} and not server.mails


async def test_a_time_out_after_the_letter_was_taken_sends_it_again_under_one_id(
    database, hear, worker, server
):
    """The world may hear twice: never under two ids."""
    server.answers = ["hang"]
    await hear(an_organisation(GIVER, a_member(AINO)))
    await hear(a_match())

    await work_off(worker(), database)

    async def both() -> bool:
        return len(server.mails) >= 1

    await eventually(both)
    assert len({mail["message-id"] for mail in server.mails}) == 1
    assert (await results(database))[AINO] == ("sent", 2)


async def test_a_sender_that_died_after_sending_leaves_one_id(database, hear, worker, server):
    """Its lease runs out and another sends again: the same Message-ID; recorded and told once."""
    await hear(an_organisation(GIVER, a_member(AINO)))
    await hear(a_match())
    dying = worker(replace(FAST, lease_s=0.0))
    [row] = await dying.claim()
    with pytest.raises(RuntimeError, match="killed"):
        async with database.begin_work() as work:
            await dying.handler(row, work)
            raise RuntimeError("killed between sending and recording")

    await work_off(worker(), database)

    assert len(server.mails) == 2
    assert len({mail["message-id"] for mail in server.mails}) == 1
    assert await announced(database) == [(str(AINO), "sent")]


async def test_a_paused_sender_records_nothing_over_the_one_that_took_its_row(
    database, hear, worker, server
):
    """Two claims, two sendings under one id, one record."""
    await hear(an_organisation(GIVER, a_member(AINO)))
    await hear(a_match())
    first, second = worker(replace(FAST, lease_s=0.0)), worker()
    paused, taken = await first.claim(), await second.claim()

    await second.hand_over(taken)
    await first.hand_over(paused)

    assert len({mail["message-id"] for mail in server.mails}) == 1
    assert await announced(database) == [(str(AINO), "sent")]


async def test_while_the_registry_is_away_nothing_is_counted(
    database, hear, worker, server, people
):
    """The mail waits, and no try is used up."""
    await hear(an_organisation(GIVER, a_member(AINO)))
    await hear(a_match())
    people.away = True
    sender = worker()
    await sender.hand_over(await sender.claim())
    people.away = False

    await work_off(sender, database)

    assert await results(database) == {AINO: ("sent", 1)} and len(server.mails) == 1


@pytest.mark.parametrize(
    "known", [None, {"name": "x", "email": ""}, {"name": "x", "email": "no address"}]
)
async def test_who_has_no_address_is_given_up(database, hear, worker, server, people, known):
    """Erased from the registry, or never with an address that is one."""
    people.people.pop(AINO)
    if known:
        people.people[AINO] = known
    await hear(an_organisation(GIVER, a_member(AINO)))
    await hear(a_match())

    await work_off(worker(), database)

    assert (await results(database))[AINO][0] == "gave_up" and not server.mails


async def prefers(database, person: UUID, **chosen) -> None:
    async with database.begin_work() as work:
        row = store.PreferenceRow(person=person, changed_at=work.now, **chosen)
        await store.keep_preference(work.session, row)


async def test_a_reader_without_mail_gets_none(database, hear, worker, server):
    """Chosen before the match, nothing is written; chosen after, what waits is dropped."""
    await prefers(database, AINO, mail=False)
    await hear(*everybody())
    await hear(a_match())
    await prefers(database, BO, mail=False)

    await work_off(worker(), database)

    assert not server.mails and await results(database) == {BO: ("gave_up", 0)}


async def test_the_chosen_language_goes_before_the_registrys(database, hear, worker, server):
    """A preference is the reader's own word."""
    await prefers(database, AINO, language="en")
    await hear(an_organisation(GIVER, a_member(AINO)))
    await hear(a_match())

    await work_off(worker(), database)

    assert server.mails[0]["subject"].startswith("New match")


async def test_mail_that_waited_too_long_is_no_news(database, hear, worker, server):
    """Eight days of standing still do not end in old stories."""
    await hear(an_organisation(GIVER, a_member(AINO), at=datetime.now(UTC) - timedelta(days=30)))
    await hear(a_match(at=datetime.now(UTC) - timedelta(days=6)))
    async with database.engine.begin() as connection:
        await connection.execute(text("UPDATE mail SET told_at = told_at - interval '2 days'"))

    await work_off(worker(), database)

    assert not server.mails and (await results(database))[AINO][0] == "gave_up"


async def test_an_agreed_match_is_told_with_the_other_sides_name(database, hear, worker, server):
    """From the first acceptance on."""
    match = a_match()
    await hear(*everybody())
    await hear(match)
    await work_off(worker(), database)
    server.mails.clear()

    await hear(later(match, state="agreed", change="agreed", accepted_by=(GIVER, TAKER), asks=()))
    await work_off(worker(), database)

    [finnish] = [mail for mail in server.mails if "aino" in mail["to"]]
    assert f"Vastapuoli: {TAKER} ry <b>" in finnish.get_body(("plain",)).get_content()
    assert "<b>" not in finnish.get_body(("html",)).get_content()


async def test_no_address_reaches_a_log(database, hear, worker, server, people, capsys):
    """Neither when all is well nor when something fails."""
    server.answers = ["451 aino@firma.example later", "554 aino@firma.example is bad"]
    await hear(*everybody())
    await hear(a_match())
    people.away = True
    sender = worker()
    await sender.hand_over(await sender.claim())
    people.away = False

    await work_off(sender, database)

    said = capsys.readouterr()
    assert "@firma" not in said.out + said.err
    async with database.session() as session:
        errors = (await session.execute(text("SELECT error FROM notification"))).scalars()
        assert "@" not in "".join(filter(None, errors))
