"""Near misses: told calmly, once each and again only when they differ; mailed together."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from services.notifier import domain, handlers
from services.notifier.app import DIGEST
from services.notifier.domain.near import WORDS
from shared.contracts import NearMissFound
from shared.contracts.matcher import Remedy, Value
from shared.contracts.parts import Place, Tonnes
from shared.service.due import Worker
from tests.notifier.builders import AINO, BO, GIVER, REGINA, TAKER, a_side, everybody
from tests.notifier.test_api import (  # noqa: F401
    AS_AINO,
    AS_BO,
    AS_KEY,
    AS_REGINA,
    asking,
    url,
)
from tests.notifier.test_handlers import rows

LATER = Remedy(who="surplus", what="window_later", days=21)
EARLIER = Remedy(who="need", what="window_earlier", days=21)


def a_near_miss(**more):
    """12 000 t of blasted rock that would fit if one side moved three weeks."""
    cents = more.pop("cents", 700)
    tonnes = more.pop("tonnes", 12_000)
    told = {
        "region": "01",
        "near_miss_id": uuid4(),
        "revision": 1,
        "surplus": a_side(GIVER, region="01"),
        "need": a_side(TAKER, region="01", place=Place(municipality="092", lat=60.3, lon=25.0)),
        "gate": "G9_time",
        "offered": "2027-03-01–2027-06-30",
        "wanted": "2027-07-21–2027-10-31",
        "change_needed": "surplus window_later 21 d | need window_earlier 21 d",
        "who_could": (GIVER, TAKER),
        "remedies": (LATER, EARLIER),
        "tonnes": Tonnes(low=tonnes, likely=tonnes, high=tonnes),
        "value": Value(
            cents_per_t=cents,
            total_cents=cents * tonnes,
            disposal_avoided_cents_per_t=cents,
            purchase_avoided_cents_per_t=0,
            haul_cents_per_t=0,
            giver_gain_cents_per_t=cents,
            taker_gain_cents_per_t=0,
        ),
    }
    return NearMissFound(**told | more)


def again(near, **more):
    """The next revision of *near*."""
    told = {name: getattr(near, name) for name in type(near).model_fields}
    told |= {"id": uuid4(), "at": datetime.now(UTC), "revision": near.revision + 1, **more}
    return NearMissFound(**told)


def of_region(*organisations):
    """*organisations* with the regional coordinator of Uusimaa."""
    told = []
    for one in organisations:
        members = tuple(
            member.model_copy(update={"regions": ("01",)})
            if "regional_coordinator" in member.roles else member
            for member in one.members
        )  # fmt: skip
        told.append(one.model_copy(update={"members": members}))
    return told


async def notices(database):
    found = await rows(database, "SELECT person, told_revision, unread FROM notice")
    return {one.person: (one.told_revision, one.unread) for one in found}


async def test_both_sides_and_the_region_are_told_on_the_desk(database, hear):
    """One notice each, with its notification-sent; nothing lies in the inbox of matches."""
    await hear(*of_region(*everybody()))
    work = await hear(a_near_miss())
    assert await notices(database) == {AINO: (1, True), BO: (1, True), REGINA: (1, True)}
    assert [letter.name for letter in work.letters] == ["notifier.notification-sent.v1"] * 3
    assert {(one.topic, one.organisation) for one in work.signals} == {
        ("inbox", GIVER), ("inbox", TAKER), ("inbox", "seutu"),
    }  # fmt: skip
    assert await rows(database, "SELECT id FROM inbox_entry") == []


async def test_the_same_again_is_told_to_nobody(database, hear):
    """Twice, late, a tenth more, or gone and back: no second notice; a fifth more is one."""
    await hear(*of_region(*everybody()))
    near = a_near_miss()
    await hear(near)
    await hear(near)
    more = again(near, value=near.value.model_copy(update={"total_cents": 9_000_000}))
    await hear(more)
    gone = again(more, state="closed")
    await hear(gone)
    await hear(again(gone, state="open", value=near.value))
    assert set((await notices(database)).values()) == {(1, True)}
    far = again(again(gone), state="open",
                value=near.value.model_copy(update={"total_cents": 12_000_000}))  # fmt: skip
    await hear(far)
    assert set((await notices(database)).values()) == {(5, True)}
    sent = await rows(database, "SELECT channel FROM notification WHERE subject_kind = 'near_miss'")
    assert len(sent) == 6


async def test_another_thing_to_change_is_told(database, hear):
    """Five weeks are not three; a laboratory report is another thing."""
    await hear(*of_region(*everybody()))
    near = a_near_miss()
    await hear(near)
    report = Remedy(who="surplus", what="fact", code="laboratory report")
    await hear(again(near, remedies=(report,), gate="G1_contamination"))
    assert set((await notices(database)).values()) == {(2, True)}


async def test_what_is_worth_little_is_told_to_nobody(database, hear, rules):
    """The setting says how much; what is old is no news either."""
    await hear(*of_region(*everybody()))
    await hear(a_near_miss(), by=replace(rules, near_worth_cents=10_000_000))
    await hear(a_near_miss(at=datetime.now(UTC) - timedelta(days=9)))
    assert await notices(database) == {}


async def test_near_misses_of_a_day_are_mailed_in_one_letter(database, hear, rules):
    """Two near misses, one mail to each side's coordinator, and none to the region's."""
    now_ = replace(rules, digest_after=timedelta(0))
    await hear(*of_region(*everybody()))
    await hear(a_near_miss(cents=100), by=now_)
    await hear(a_near_miss(), by=now_)
    await write_digests(database)
    mails = await rows(database, "SELECT person, kind, told FROM mail")
    assert {one.person for one in mails} == {AINO, BO}
    assert [one.kind for one in mails] == ["near_misses"] * 2
    worth = [[item["value"]["cents_per_t"] for item in one.told["items"]] for one in mails]
    assert worth == [[700, 100]] * 2

    await hear(a_near_miss(), by=now_)
    await write_digests(database)
    assert len(await rows(database, "SELECT id FROM mail")) == 2, "the next one comes tomorrow"
    await worked(database, "UPDATE digest SET due_at = now()")
    await write_digests(database)
    assert len(await rows(database, "SELECT id FROM mail")) == 4


async def test_what_is_gone_by_then_is_in_no_letter(database, hear, rules):
    """Closed before the letter is written: there is no letter."""
    await hear(*of_region(*everybody()))
    near = a_near_miss()
    await hear(near, by=replace(rules, digest_after=timedelta(0)))
    await hear(again(near, state="closed"))
    await write_digests(database)
    assert await rows(database, "SELECT id FROM mail") == []


async def worked(database, statement):
    async with database.begin_work() as work:
        await work.session.execute(text(statement))


async def write_digests(database):
    worker = Worker(database, DIGEST, handlers.write_digest)
    await worker.hand_over(await worker.claim())


async def test_a_desk_shows_its_notices_in_the_readers_words(url, hear):  # noqa: F811
    """Without the other's name; closed ones are gone; reading is one's own."""
    await hear(*of_region(*everybody()))
    near = a_near_miss()
    await hear(near)
    async with asking(url, AS_AINO) as ask:
        _, answer = await ask.get("/notices?language=en")
        [item] = answer["items"]
        status, _ = await ask.post(f"/notices/{item['id']}/read")
        _, after = await ask.get("/notices?language=fi")
    assert item["title"] == "blasted rock (loose/compacted) 12\u00a0000\u00a0t, Espoo → Vantaa"
    assert item["text"] == (
        "if the mass leaves 3 weeks later or if the mass is needed 3 weeks earlier: "
        "benefit 84\u00a0000\u00a0€ (estimate)"
    )
    assert item["surplus"]["organisation"] == GIVER
    assert TAKER not in str(item)
    assert status == 200
    assert [one["unread"] for one in after["items"]] == [False]
    async with asking(url, AS_BO) as ask:
        assert (await ask.post(f"/notices/{item['id']}/read"))[0] == 404
    async with asking(url, AS_KEY) as ask:
        assert (await ask.get("/notices"))[0] == 403
    await hear(again(near, state="closed"))
    async with asking(url, AS_AINO) as ask:
        assert (await ask.get("/notices"))[1]["items"] == []


@pytest.mark.parametrize(
    ("remedy", "said"),
    [
        (LATER, "jos massa luovutetaan 3 viikkoa myöhemmin"),
        (Remedy(who="need", what="window_later", days=1), "jos massa tarvitaan päivän myöhemmin"),
        (Remedy(who="need", what="class", code="S3"), "jos tarpeeseen kelpaa luokka S3"),
        (Remedy(who="surplus", what="fact", code="laboratory report"),
         "jos massasta saadaan laboratoriotulos"),
        (Remedy(who="region", what="processing", code="crushing"),
         "jos jokin alue tarjoaa työn: murskaus"),
        (Remedy(who="region", what="reach", km=6.3), "jos matka saa olla 6,3 km pidempi"),
        (Remedy(who="region", what="tunnel", code="x"), "region tunnel x"),
    ],
)  # fmt: skip
def test_each_change_has_its_words(remedy, said):
    """In Finnish here; every language has the same words."""
    body = a_near_miss(remedies=(remedy,)).model_dump(mode="json", exclude_none=True)
    near = domain.near_miss_from(body, datetime.now(UTC))
    assert domain.what_would_help(near, "fi").startswith(f"{said}: ")
    assert {frozenset(words) for words in WORDS.values()} == {frozenset(WORDS["fi"])}


@pytest.mark.parametrize("language", ["fi", "sv", "en"])
def test_a_letter_names_neither_side(language):
    """What, from where to where, what would help and what it is worth; of all in one letter."""
    near = a_near_miss(sample=True)
    body = near.model_dump(mode="json", exclude_none=True)
    letter = domain.letter_of_near_misses(
        [domain.near_miss_from(body, near.at)] * 2,
        language=language, why="coordinator", places={"049": "Espoo", "092": "Vantaa"},
        portal_url="http://127.0.0.1:8100/",
    )  # fmt: skip
    assert letter.text.count("Espoo → Vantaa") == 2
    assert "84\u00a0000\u00a0€" in letter.text
    assert GIVER not in letter.html and TAKER not in letter.html
    assert letter.subject.endswith(": 2")


async def test_what_one_change_would_open_is_mailed_once_a_week(database, hear, rules):
    """Of one's own forecast, with two others or more; each side its own, and never the region."""
    now_ = replace(rules, digest_after=timedelta(0))
    await hear(*of_region(*everybody()))
    first = a_near_miss()
    await hear(first, a_near_miss(), by=now_)  # two forecasts of the giver, each with one other
    await write_digests(database)
    asked = "SELECT person, told FROM mail WHERE kind = 'openings'"
    assert await rows(database, asked) == []

    for _ in range(2):
        await hear(a_near_miss(surplus=first.surplus), by=now_)
        await worked(database, "UPDATE digest SET due_at = now()")
        await write_digests(database)
    [letter] = await rows(database, asked)
    assert letter.person == AINO, "the taker's needs would each be served by one"
    found = domain.openings_among(
        [(one["told"], one["organisations"]) for one in letter.told["items"]]
    )
    assert [(one.forecast, one.partners) for one in found] == [
        (str(first.surplus.forecast_id), 2)
    ]  # fmt: skip


@pytest.mark.parametrize("language", ["fi", "sv", "en"])
def test_an_opening_says_how_far_to_go_and_with_how_many(language):
    """As far as the furthest needs; one that another must change, or that opens one, is none."""
    near = a_near_miss()
    further = LATER.model_copy(update={"days": 35})
    told = [
        (each.model_dump(mode="json", exclude_none=True), (GIVER,))
        for each in (
            near,
            a_near_miss(surplus=near.surplus, remedies=(further,)),
            a_near_miss(surplus=near.surplus, remedies=(EARLIER,)),
        )
    ]
    [opening] = domain.openings_among(told)
    assert (opening.partners, opening.change["days"]) == (2, 35)
    letter = domain.letter_of_openings(
        [opening], language=language, why="coordinator", places={"049": "Espoo"},
        portal_url="https://desk.example",
    )  # fmt: skip
    five = {"fi": "5 viikkoa", "sv": "5 veckor", "en": "5 weeks"}[language]
    assert five in letter.text and "Espoo" in letter.text
    assert TAKER not in letter.html
    assert f"https://desk.example/openings/{near.surplus.forecast_id}?region=01" in letter.text
