"""What is told, to whom, and that it is told once: on a real PostgreSQL."""

import asyncio
import itertools
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from services.notifier import store
from tests.notifier.builders import (
    AINO,
    BO,
    GIVER,
    REGINA,
    TAKER,
    a_match,
    a_member,
    a_project,
    a_side,
    an_organisation,
    everybody,
    later,
)


async def rows(database, question: str, **asked):
    async with database.session() as session:
        return (await session.execute(text(question), asked)).all()


async def told(database) -> Counter:
    """How often each (person, revision, channel) was told."""
    found = await rows(database, "SELECT recipient, subject_revision, channel FROM notification")
    return Counter((UUID(one[0]), one[1], one[2]) for one in found)


async def entries(database) -> dict[UUID, tuple[str, bool, int]]:
    found = await rows(database, "SELECT person, tab, unread, told_revision FROM inbox_entry")
    return {one.person: (one.tab, one.unread, one.told_revision) for one in found}


async def test_a_match_lies_on_the_desk_of_both_sides_and_the_region(database, hear):
    """A row at once in the handler's transaction, its signal and its notification-sent with it."""
    await hear(*everybody())

    work = await hear(a_match(asks=(GIVER,)))

    assert await entries(database) == {
        AINO: ("decide", True, 1),
        BO: ("waiting", True, 1),
        REGINA: ("told", True, 1),
    }
    announced = Counter(letter.name for letter in work.letters)
    assert announced == {"notifier.notification-sent.v1": 3}
    assert {(one.topic, one.organisation) for one in work.signals} == {
        ("inbox", GIVER),
        ("inbox", TAKER),
        ("inbox", "seutu"),
    }


async def test_mail_is_queued_for_the_two_sides_only_where_it_is_set(database, hear, rules):
    """The regional coordinator reads on the desk; without a mail server nothing is queued."""
    await hear(*everybody())
    await hear(a_match())
    await hear(a_match(), by=replace(rules, mail=False))

    queued = await rows(database, "SELECT person FROM mail")

    assert {one.person for one in queued} == {AINO, BO} and len(queued) == 2


async def test_a_match_told_before_its_organisation_is_known_is_told_when_it_is(database, hear):
    """Organisations that arrive late, in any order, end in the same rows."""
    match = a_match()
    change = later(match, state="accepted", change="accepted", accepted_by=(GIVER,), asks=(TAKER,))
    results = []
    news = [match, change, *everybody()]
    for order in itertools.islice(itertools.permutations(news), 0, 120, 11):
        for event in order:
            await hear(event)
        results.append((await told(database), await entries(database)))
        await forget(database)

    assert all(result == results[0] for result in results)
    assert set(results[0][0].values()) == {1}
    assert results[0][1] == {
        AINO: ("waiting", True, 2),
        BO: ("decide", True, 2),
        REGINA: ("told", True, 2),
    }


async def forget(database, *tables: str) -> None:
    named = ", ".join(tables or sorted(set(store.ledger.metadata.tables)))
    async with database.engine.begin() as connection:
        await connection.execute(text(f"TRUNCATE {named} CASCADE"))


async def test_repeated_news_is_told_once(database, hear):
    """The same revision again, under the same or another event id, adds nothing."""
    await hear(*everybody())
    match = a_match()
    await hear(match)

    again = await hear(match, match.model_copy(update={"id": uuid4()}))

    assert set((await told(database)).values()) == {1} and not again.letters


async def test_a_rebuild_is_silent(database, hear):
    """What others told is emptied and told again: no notification more, nothing unread again."""
    news = [*everybody(), a_match(), a_match(asks=(TAKER,))]
    for event in news:
        await hear(event)
    async with database.engine.begin() as connection:
        await connection.execute(text("UPDATE inbox_entry SET unread = false"))
        await connection.execute(text("DELETE FROM mail"))
    before, lain = await told(database), await entries(database)
    await forget(database, *store.ledger.heard)

    for event in reversed(news):
        work = await hear(event)
        assert not work.letters

    assert (await told(database), await entries(database)) == (before, lain)
    assert not await rows(database, "SELECT 1 FROM mail")
    kept = await rows(database, "SELECT 1 FROM telling")
    assert len(kept) == 2


async def test_an_old_story_is_no_news(database, hear):
    """An event older than seven days is kept, and told to nobody: now or when people arrive."""
    await hear(everybody()[0])
    await hear(a_match(at=datetime.now(UTC) - timedelta(days=8)))
    await hear(everybody()[1])

    assert not await told(database) and not await entries(database)
    assert await rows(database, "SELECT 1 FROM match")


async def test_a_silent_change_moves_the_entry_and_tells_nobody(database, hear):
    """The entry shows the newest state; what was read stays read."""
    await hear(*everybody())
    match = a_match()
    await hear(match)
    async with database.engine.begin() as connection:
        await connection.execute(text("UPDATE inbox_entry SET unread = false"))

    work = await hear(later(match, state="withdrawn", change="withdrawn", asks=()))

    assert set((await entries(database)).values()) == {("closed", False, 1)}
    assert not work.letters and len(work.signals) == 3


async def test_a_change_that_asks_makes_the_entry_unread_again(database, hear):
    """One entry a person and match, a notification for each revision."""
    await hear(*everybody())
    match = a_match()
    await hear(match)
    async with database.engine.begin() as connection:
        await connection.execute(text("UPDATE inbox_entry SET unread = false"))

    await hear(later(match, change="tonnes", asks=(TAKER,)))

    assert await entries(database) == {
        AINO: ("waiting", False, 1),
        BO: ("decide", True, 2),
        REGINA: ("told", True, 2),
    }


async def test_a_late_old_revision_never_wins(database, hear):
    """Revision 1 after revision 2: it is told too, and the entry goes on showing revision 2."""
    await hear(*everybody())
    match = a_match()
    await hear(later(match, state="declined", change="declined", asks=()))
    async with database.engine.begin() as connection:
        await connection.execute(text("UPDATE inbox_entry SET unread = false"))

    await hear(match)

    assert set((await entries(database)).values()) == {("closed", False, 2)}
    assert (await told(database))[AINO, 1, "desk"] == 1


async def everything(database) -> Counter:
    found = await rows(
        database,
        "SELECT match_id, person, tab, unread, told_revision, subject_revision, channel "
        "FROM inbox_entry JOIN notification "
        "ON subject_id = match_id AND recipient = CAST(person AS text)",
    )
    return Counter(tuple(one) for one in found)


async def test_a_batch_ends_as_its_events_one_by_one_do(database, hear):
    """The same rows, whatever lay ready together."""
    matches = [a_match(asks=asks) for asks in ((GIVER,), (TAKER,), (GIVER, TAKER))]
    news = matches + [later(one, state="accepted", change="accepted") for one in matches]
    ends = []
    for split in (1, 2, 4, 6):
        await hear(*everybody())
        found = [one for one in news if one.revision == 1]
        changed = [one for one in news if one.revision == 2]
        for kind in (found, changed):
            for start in range(0, len(kind), split):
                await hear(*kind[start : start + split])
        ends.append(await everything(database))
        await forget(database)

    assert all(end == ends[0] for end in ends)


async def test_who_joins_later_sees_what_is_open_and_gets_no_mail_of_it(database, hear):
    """A new coordinator finds the open matches on the desk; the closed ones are the past."""
    await hear(*everybody())
    moment = datetime.now(UTC) - timedelta(days=2)
    closed = a_match(at=moment)
    await hear(a_match(at=moment), closed)
    await hear(later(closed, state="expired", change="expired", asks=()))
    await forget(database, "mail")
    newcomer = uuid4()

    joined = an_organisation(
        GIVER, a_member(AINO), a_member(newcomer), revision=2, at=datetime.now(UTC)
    )
    await hear(joined)
    await hear(joined.model_copy(update={"id": uuid4()}))

    found = await rows(database, "SELECT tab FROM inbox_entry WHERE person = :p", p=newcomer)
    assert [one.tab for one in found] == ["decide"]
    assert not await rows(database, "SELECT 1 FROM mail")


async def test_who_left_is_told_no_more_and_older_news_brings_nobody_back(database, hear):
    """Members are whole at each revision; the highest wins."""
    await hear(*everybody())
    await hear(an_organisation(GIVER, a_member(BO), revision=3))
    await hear(an_organisation(GIVER, a_member(AINO), revision=2))

    await hear(a_match())

    assert AINO not in await entries(database)


async def test_a_suspended_organisation_is_told_nothing(database, hear):
    """Its members stay known and get no news."""
    await hear(an_organisation(GIVER, a_member(AINO), status="suspended"))
    await hear(a_match())

    assert not await entries(database)


async def test_a_regional_coordinator_of_another_region_is_told_of_the_surpluses_region(
    database, hear
):
    """The regions a person coordinates count, not the seat of the organisation."""
    far = uuid4()
    await hear(
        an_organisation(
            "maakunta", a_member(far, "regional_coordinator", regions=("99",)), region="06"
        )
    )
    await hear(a_match())

    assert far in await entries(database)


async def test_a_contact_from_the_reporting_organisation_reads_through_it(database, hear):
    """A contractor's person in charge of its client's project sees the match."""
    chief = uuid4()
    side = a_side(GIVER, contacts=(chief,))
    await hear(a_project(side, reporter="urakoitsija"))
    await hear(a_match(surplus=side))

    [entry] = await rows(database, "SELECT * FROM inbox_entry WHERE person = :p", p=chief)
    assert entry.organisations == [GIVER, "urakoitsija"] and entry.why == "contact"


async def test_an_older_project_changes_nothing(database, hear):
    """The highest revision of a title stays."""
    side = a_side(GIVER)
    await hear(a_project(side, revision=2, title="uusi"))
    await hear(a_project(side, title="vanha"), a_project(a_side(TAKER)))

    titles = {one.title for one in await rows(database, "SELECT title FROM project")}
    assert "uusi" in titles and "vanha" not in titles


@pytest.mark.parametrize("round", range(3))
async def test_nobody_is_missed_when_matches_and_members_arrive_at_once(database, hear, round):
    """Works that run together on several connections end as if one had waited for the other."""
    matches = [a_match() for _ in range(6)]
    await asyncio.gather(*(hear(event) for event in [*matches[:3], *everybody(), *matches[3:]]))

    desk = [one for one in await told(database) if one[2] == "desk"]
    found = await rows(database, "SELECT count(*) AS n FROM inbox_entry")
    assert {one[0] for one in desk} == {AINO, BO, REGINA} and found[0].n == 18


async def test_an_event_without_any_known_reader_leaves_nothing_behind(database, hear):
    """No organisation is known: the match is kept, nobody told, nothing announced."""
    work = await hear(a_match())

    assert not work.letters and not work.signals and not await told(database)
