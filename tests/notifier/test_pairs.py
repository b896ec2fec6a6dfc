"""What may be told twice: told to who may know of both, kept short, and mailed together."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.notifier import domain
from services.notifier.domain.pairs import WORDS
from shared.contracts import DuplicateChanged
from tests.notifier.builders import (
    AINO,
    BO,
    GIVER,
    REGINA,
    TAKER,
    everybody,
)
from tests.notifier.test_api import AS_AINO, AS_BO, AS_KEY, asking, url  # noqa: F401
from tests.notifier.test_facts import a_pair
from tests.notifier.test_handlers import rows
from tests.notifier.test_near import worked, write_digests

NOW = timedelta(0)


def became(pair: Any, change: str, **more: Any) -> DuplicateChanged:
    """What became of *pair*, at the next revision."""
    told = {name: getattr(pair, name) for name in DuplicateChanged.model_fields
            if hasattr(pair, name)}  # fmt: skip
    told |= {"id": uuid4(), "at": datetime.now(UTC), "revision": pair.revision + 1}
    return DuplicateChanged(**told | {"change": change, "counts": None} | more)


async def told_to(database: Any) -> dict[UUID, bool]:
    found = await rows(database, "SELECT person, unread FROM duplicate_notice")
    return {one.person: one.unread for one in found}


async def test_only_who_may_know_of_both_is_told(database, hear):
    """The giver's own is its parties' alone, so the taker hears nothing; the region sees both."""
    await hear(*everybody())
    work = await hear(a_pair("parties", "forum"))
    assert await told_to(database) == {AINO: True, REGINA: True}
    assert {(one.topic, one.organisation) for one in work.signals} == {
        ("inbox", GIVER), ("inbox", "seutu")
    }  # fmt: skip


async def test_a_hidden_pair_is_told_to_the_region_alone(database, hear, rules):
    """Neither suggested nor linked is it told to an owner, on the desk, by mail or webhook."""
    await hear(*everybody())
    pair = a_pair("parties", "parties")
    await hear(pair, by=replace(rules, digest_after=NOW))
    await hear(became(pair, "linked"), by=replace(rules, digest_after=NOW))
    assert await told_to(database) == {REGINA: True}
    assert await rows(database, "SELECT person FROM digest") == []


async def test_what_was_hidden_by_then_is_told_to_nobody_who_may_not_see_it(database, hear):
    """Visibility is that of the forecasts as they are when the link is told."""
    await hear(*everybody())
    pair = a_pair("forum", "forum")
    await hear(pair)
    hidden = pair.forecasts[1].model_copy(update={"visibility": "parties"})
    await hear(became(pair, "linked", forecasts=(pair.forecasts[0], hidden)))
    found = await rows(database, "SELECT person, told_revision FROM duplicate_notice")
    assert {one.person: one.told_revision for one in found} == {AINO: 2, BO: 3, REGINA: 3}


async def test_both_owners_are_told_when_a_pair_is_linked_and_unlinked(url, database, hear):  # noqa: F811
    """But not who did it; the line of a link goes when it is read, of a suggestion when decided."""
    await hear(*everybody())
    pair = a_pair("forum", "forum")
    await hear(pair)
    linked = became(pair, "linked", counts=pair.forecasts[1].forecast_id, decided_by=BO)
    await hear(linked)
    async with asking(url, AS_AINO) as ask:
        [item] = (await ask.get("/inbox/duplicates?language=en"))[1]["items"]
        assert item["title"] == "till (moraine) 1\u00a0000\u00a0t, Espoo"
        assert item["text"] == "is linked to another forecast, which counts instead of it"
        assert TAKER not in str(item)
        assert (await ask.post(f"/inbox/duplicates/{item['id']}/read"))[0] == 200
        assert (await ask.get("/inbox/duplicates"))[1]["items"] == []
    async with asking(url, AS_BO) as ask:
        assert (await ask.get("/inbox/duplicates"))[1]["items"] == [], "who did it knows"
        assert (await ask.post(f"/inbox/duplicates/{item['id']}/read"))[0] == 404
    unlinked = became(linked, "unlinked")
    await hear(unlinked)
    for who in (AS_AINO, AS_BO):
        async with asking(url, who) as ask:
            [item] = (await ask.get("/inbox/duplicates?language=fi"))[1]["items"]
            assert "purettu" in item["text"]
    await hear(became(unlinked, "refused"))
    async with asking(url, AS_AINO) as ask:
        assert (await ask.get("/inbox/duplicates"))[1]["items"] == []
    async with asking(url, AS_KEY) as ask:
        assert (await ask.get("/inbox/duplicates"))[0] == 403


async def test_the_same_again_and_late_news_are_told_to_nobody(database, hear):
    """Heard twice, or a suggestion after the link that followed it; what is old is no news."""
    await hear(*everybody())
    pair = a_pair("forum", "forum")
    linked = became(pair, "linked")
    await hear(linked)
    await hear(pair)
    await hear(linked)
    await hear(a_pair("forum", "forum").model_copy(
        update={"at": datetime.now(UTC) - timedelta(days=9)}
    ))  # fmt: skip
    asked = "SELECT subject_revision FROM notification WHERE subject_kind = 'duplicate'"
    assert [one.subject_revision for one in await rows(database, asked)] == [linked.revision] * 3


async def test_pairs_of_a_day_are_mailed_in_one_letter(database, hear, rules):
    """However many an import brings; what is dropped by then is in none, nor for the region."""
    now = replace(rules, digest_after=NOW)
    await hear(*everybody())
    pairs = [a_pair("forum", "forum") for _ in range(3)]
    await hear(*pairs, by=now)
    await hear(became(pairs[0], "dropped"), by=now)
    await hear(became(pairs[1], "linked"), by=now)
    await write_digests(database)
    mails = await rows(database, "SELECT person, kind, told FROM mail")
    assert {one.person for one in mails} == {AINO, BO}
    assert [(one.kind, len(one.told["items"])) for one in mails] == [("duplicates", 2)] * 2
    await worked(database, "UPDATE digest SET due_at = now()")
    await write_digests(database)
    assert len(await rows(database, "SELECT id FROM mail")) == 2, "each is mailed once"


@pytest.mark.parametrize("language", ["fi", "sv", "en"])
def test_a_letter_names_ones_own_forecast_and_never_the_other(language):
    """It leads to where pairs are decided, or to the linked ones where nothing is left to do."""
    pair = a_pair("forum", "forum")
    linked = became(pair, "linked", counts=pair.forecasts[0].forecast_id)

    def letter(*told: Any) -> domain.Letter:
        found = [
            (domain.pair_from(one.model_dump(mode="json", exclude_none=True), one.at), (GIVER,))
            for one in told
        ]
        return domain.letter_of_pairs(
            found, language=language, why="coordinator", region="99", places={"049": "Espoo"},
            portal_url="https://desk.example/",
        )  # fmt: skip

    both = letter(pair, linked)
    assert both.text.count("1\u00a0000\u00a0t, Espoo") == 2
    assert WORDS[language]["suggested"] in both.text
    assert WORDS[language]["linked counts"] in both.text
    assert TAKER not in both.html
    assert "https://desk.example/duplicates?region=99&show=suggested\n" in both.text
    assert "https://desk.example/duplicates?region=99&show=linked\n" in letter(linked).text
