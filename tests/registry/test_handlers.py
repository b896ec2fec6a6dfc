"""The door on a real database: one verdict each, whatever comes twice, late, early or at once."""

import asyncio
import json
import time
from collections import Counter

from services.registry import handlers, store
from services.registry.domain import canonical_id
from shared.contracts.base import uuid7
from shared.service.card import Answered, Later, NotOurs
from tests.registry.builders import a_delivery, a_forecast, a_project, an_area, knock
from tests.registry.conftest import Door, rows


async def test_a_project_and_its_forecast_in_one_batch_are_taken(door: Door):
    """Both are known, told once each, and each has its receipt."""
    codes = await door.codes(
        knock("project-added", a_project()), knock("forecast-updated", a_forecast())
    )

    assert codes == ["taken", "taken"]
    assert [body["title"] for body in door.announced("project-added")] == ["Kalasatama bends"]
    forecast = door.announced("forecast-updated")[0]
    assert forecast["quantity"]["likely_t"] == 1600.0 and forecast["meets"] == ["01", "06"]
    assert forecast["forecast_id"] == str(canonical_id("acme", "forecast", "F-1"))
    receipts = door.announced("receipt")
    assert [each["verdict"] for each in receipts] == ["accepted", "accepted"]
    assert receipts[1]["canonical"] == {"kind": "forecast", "id": forecast["forecast_id"],
                                        "revision": 1}  # fmt: skip


async def test_areas_and_deliveries_are_told_too(door: Door):
    """Each kind that companies send has its canonical event."""
    codes = await door.codes(
        knock("project-added", a_project()),
        knock("forecast-updated", a_forecast()),
        knock("area-updated", an_area(processing=["screening"], capacity_t=5000)),
        knock("delivery-reported", a_delivery(area="A-1")),
    )

    assert codes == ["taken"] * 4
    area, delivery = door.announced("area-updated")[0], door.announced("delivery-reported")[0]
    assert area["place"]["precision"] == "municipality" and area["capacity_t"] == 5000
    assert delivery["area_id"] == area["area_id"] and delivery["quantity"]["likely_t"] == 30
    assert delivery["forecast_id"] == door.announced("forecast-updated")[0]["forecast_id"]


async def test_the_same_event_again_gets_the_same_receipt(door: Door):
    """Told again word for word, it changes nothing and is answered alike."""
    first = (await door.judge(knock("project-added", a_project(), id="1")))[0].receipt
    again = (await door.judge(knock("project-added", a_project(), id="1")))[0].receipt

    assert first.model_dump(exclude={"id", "at"}) == again.model_dump(exclude={"id", "at"})
    assert first.id != again.id and first.code == "taken"
    assert len(door.announced("project-added")) == 1 and len(door.announced("receipt")) == 2


async def test_a_rejection_is_repeated_as_it_was(door: Door):
    """Also in the language it was first given in."""
    bad = a_project(municipality="837")
    first = (await door.judge(knock("project-added", bad, id="1", lang="fi")))[0].receipt
    again = (await door.judge(knock("project-added", bad, id="1", lang="sv")))[0].receipt

    assert first.reasons == again.reasons
    assert "kunta" in first.reasons[0].text


async def test_a_redelivery_of_one_message_tells_its_receipt_once(door: Door):
    """A crash between commit and acknowledgement leaves one receipt, not two."""
    await door.judge(knock("project-added", a_project(), id="1", seq=7))
    await door.judge(knock("project-added", a_project(), id="1", seq=7, deliveries=2))

    assert len(door.announced("receipt")) == 1


async def test_a_known_id_with_another_body_is_refused(door: Door):
    """The first verdict stands; the second event is told why it cannot."""
    await door.judge(knock("project-added", a_project(), id="1"))

    assert await door.codes(knock("project-added", a_project(title="Other"), id="1")) == [
        "event_id_reused"]  # fmt: skip
    assert await door.codes(knock("project-added", a_project(), id="1")) == ["taken"]


async def test_one_id_twice_in_a_batch_is_one_event(door: Door):
    """The second of two equal messages gets the first one's receipt; an unequal one is refused."""
    codes = await door.codes(
        knock("project-added", a_project(), id="1"),
        knock("project-added", a_project(), id="1"),
        knock("project-added", a_project(title="Other"), id="1"),
    )

    assert codes == ["taken", "taken", "event_id_reused"]
    assert len(door.announced("project-added")) == 1
    assert (await rows(door.database, "SELECT knocks FROM intake"))[0][0] == 3


async def test_two_companies_may_use_one_event_id(door: Door):
    """Nobody's id suppresses another's event."""
    codes = await door.codes(
        knock("project-added", a_project(), id="1"),
        knock("project-added", a_project(municipality="837"), id="1", by="north"),
    )
    assert codes == ["taken", "taken"]


async def test_one_bad_knock_harms_no_neighbour(door: Door):
    """Between good ones, each bad one is refused by itself and nothing else is."""
    codes = await door.codes(
        knock("project-added", a_project()),
        knock("forecast-updated", b"\xff"),
        knock("forecast-updated", a_forecast(quantity=-1)),
        knock("unheard-of", {}),
        knock("forecast-updated", a_forecast(material="clay\x00")),
        knock("forecast-updated", a_forecast("F-2")),
    )
    assert codes == ["taken", "body_not_utf8", "number_negative", "event_unknown",
                     "text_not_clean", "taken"]  # fmt: skip


async def test_a_reason_can_always_be_written_down(door: Door):
    """NUL, half characters, infinity and huge numbers are told back in a form that can be kept."""
    evil = (
        '{"external_id": "x\\u0000", "title": "\\ud800", "\\ud800\\u0000": 1, "lat": 1e400, "lon": '
    )
    evil += "9" * 400 + "}"

    receipt = (await door.judge(knock("project-added", evil.encode(), id="1")))[0].receipt

    assert {each.code for each in receipt.reasons} >= {
        "text_not_clean", "field_unknown", "number_not_finite", "number_too_large"}  # fmt: skip
    assert await door.codes(knock("project-added", evil.encode(), id="1")) == [
        receipt.reasons[0].code]  # fmt: skip


async def test_what_has_no_envelope_is_refused_by_its_sequence(door: Door):
    """One receipt, found by the sequence that the sender has."""
    plain = knock("project-added", a_project(), seq=12)
    bare = type(plain)("acme", "project-added", {}, plain.body, 12)

    receipt = (await door.judge(bare))[0].receipt

    assert receipt.code == "envelope_unreadable" and receipt.stream_seq == 12
    assert receipt.event_id.startswith("seq-12-")


async def test_a_stray_acknowledgement_gets_no_verdict(door: Door):
    """It is terminated and leaves nothing behind."""
    plain = knock("project-added", a_project())
    stray = type(plain)("acme", "project-added", {}, b'{"stream":"intake-acme","seq":1}', 3)

    async with door.database.begin_work() as work:
        assert await handlers.take_in([stray], work, patience_s=60) == [NotOurs()]
    assert await rows(door.database, "SELECT * FROM intake") == []


async def test_a_forecast_before_its_project_waits_for_it(door: Door):
    """Over a stream it is asked again later, and taken once the project is known."""
    early = knock("forecast-updated", a_forecast(), id="f")
    async with door.database.begin_work() as work:
        answers = await handlers.take_in([early], work, patience_s=60)
    assert isinstance(answers[0], Later) and 0 < answers[0].seconds <= 1

    await door.judge(knock("project-added", a_project()))
    async with door.database.begin_work() as work:
        assert await handlers.take_in([early], work, patience_s=60) == [Answered()]
    assert (await rows(door.database, "SELECT code FROM intake WHERE event_id = 'f'"))[0].code == (
        "taken")  # fmt: skip


async def test_within_a_batch_a_forecast_may_stand_before_its_project(door: Door):
    """It is judged again after what came behind it."""
    codes = await door.codes(
        knock("delivery-reported", a_delivery()),
        knock("forecast-updated", a_forecast()),
        knock("project-added", a_project()),
    )
    assert codes == ["taken"] * 3


async def test_patience_ends(door: Door):
    """A forecast whose project never comes is refused in the end, once."""
    early = knock("forecast-updated", a_forecast(), id="f")
    assert await door.codes(early, patience_s=60) == ["later"]
    async with door.database.begin_work() as work:
        await work.session.execute(
            store.ledger.metadata.tables["intake"].update().values(
                first_seen=work.now.replace(year=work.now.year - 1)))  # fmt: skip

    assert await door.codes(early, patience_s=60) == ["project_unknown"]
    assert await door.codes(early, patience_s=60) == ["project_unknown"]


async def test_a_forecast_of_a_rejected_project_is_refused_at_once(door: Door):
    """Nobody waits for what was refused, in the same batch or after it."""
    bad = knock("project-added", a_project(municipality="837"))

    together = await door.codes(bad, knock("forecast-updated", a_forecast()), patience_s=60)
    after = await door.codes(knock("forecast-updated", a_forecast("F-2")), patience_s=60)

    assert together == ["municipality_unknown", "project_unknown"]
    assert after == ["project_unknown"]


async def test_over_https_nothing_waits(door: Door):
    """Without patience an early forecast is refused at once."""
    assert await door.codes(knock("forecast-updated", a_forecast())) == ["project_unknown"]


async def test_late_and_repeated_news_changes_nothing(door: Door):
    """Revisions of the company decide, in whatever order its messages are read."""
    await door.judge(knock("project-added", a_project()))

    codes = [
        (await door.codes(knock("forecast-updated", a_forecast(**told))))[0]
        for told in (
            {"external_revision": 2, "quantity": 500},
            {"external_revision": 1, "quantity": 900},
            {"external_revision": 2, "quantity": 500},
            {"external_revision": 3, "quantity": 500},
            {"external_revision": 4, "quantity": 600},
        )
    ]

    assert codes == ["taken", "superseded", "unchanged", "unchanged", "taken"]
    told = door.announced("forecast-updated")
    assert [(each["revision"], each["quantity"]["value"]) for each in told] == [
        (1, 500.0), (2, 600.0)]  # fmt: skip


async def test_any_order_of_one_companys_news_ends_alike(door: Door):
    """Read forwards or backwards, the same forecast stands."""
    news = [a_forecast(external_revision=n, quantity=100 * n) for n in range(1, 6)]
    for by in ("acme", "client"):
        await door.judge(knock("project-added", a_project(), by=by))
    await door.judge(*[knock("forecast-updated", each) for each in news])
    await door.judge(*[knock("forecast-updated", each, by="client") for each in reversed(news)])

    ends = await rows(door.database, "SELECT state->'quantity'->>'value' AS v FROM forecast")
    assert [each.v for each in ends] == ["500.0", "500.0"]


async def test_a_project_that_moves_tells_its_forecasts_again(door: Door):
    """In the same transaction, with the next revision; signals say where to look."""
    await door.judge(knock("project-added", a_project()), knock("forecast-updated", a_forecast()))
    door.told.clear()

    async with door.database.begin_work() as work:
        moved = knock("project-updated", a_project(municipality="049"))
        await handlers.take_in([moved], work, patience_s=60)
        told = [letter.name for letter in work.letters]
        signals = {(each.topic, each.region, each.organisation) for each in work.signals}

    assert told == ["registry.project-updated.v1", "registry.forecast-updated.v1",
                    "receipts.receipt.v1"]  # fmt: skip
    assert {("lot", "01", "acme"), ("receipt", "01", "acme")} <= signals
    found = await rows(door.database, "SELECT revision, state->'place' AS place FROM forecast")
    assert found[0].revision == 2 and "049" in json.dumps(found[0].place)


async def test_a_withdrawn_project_cancels_its_forecasts(door: Door):
    """Each is told again as cancelled."""
    await door.judge(
        knock("project-added", a_project()),
        knock("forecast-updated", a_forecast("F-1")),
        knock("forecast-updated", a_forecast("F-2")),
    )
    codes = await door.codes(
        knock("project-withdrawn", {"external_id": "P-1", "reason": "no money"})
    )

    assert codes == ["taken"]
    last = door.announced("forecast-updated")[-2:]
    assert [(each["status"], each["revision"]) for each in last] == [("cancelled", 2)] * 2
    assert "no money" not in json.dumps(door.announced("project-withdrawn"))


async def test_another_owner_only_under_a_mandate(door: Door):
    """Given, the owner's project is told as the owner's; ended, nothing new is taken."""
    owned = a_project(owner="client")
    assert await door.codes(knock("project-added", owned)) == ["no_mandate"]

    async with door.database.begin_work() as work:
        await handlers.add_mandate(work, actor="test", owner="client", reporter="acme")
    assert await door.codes(
        knock("project-added", owned), knock("forecast-updated", a_forecast())
    ) == ["taken", "taken"]
    told = door.announced("forecast-updated")[0]
    assert (told["organisation"], told["reporter"]) == ("client", "acme")

    async with door.database.begin_work() as work:
        await handlers.drop_mandate(work, actor="test", owner="client", reporter="acme")
    assert await door.codes(knock("forecast-updated", a_forecast("F-2"))) == ["no_mandate"]


async def test_contacts_are_members_and_travel_with_forecasts(door: Door):
    """Their ids do; their names and addresses stay."""
    async with door.database.begin_work() as work:
        person = await handlers.add_member(
            work, actor="test", token="acme", name="K", email="K@example.test", roles=["reader"]
        )
    stranger = uuid7()

    assert await door.codes(
        knock("project-added", a_project(contacts=[str(person)])),
        knock("forecast-updated", a_forecast()),
        knock("project-added", a_project("P-2", contacts=[str(stranger)])),
    ) == ["taken", "taken", "contact_unknown"]
    assert door.announced("forecast-updated")[0]["contacts"] == [str(person)]
    assert "example.test" not in json.dumps(door.told)


async def test_a_suspended_organisation_is_refused_and_its_door_closed(door: Door):
    """Its events get a verdict that says so; its stream is no longer read."""
    async with door.database.begin_work() as work:
        await handlers.add_nats_key(work, actor="test", token="acme", public_key="U" + "A" * 55)
    async with door.database.session() as session:
        assert await store.open_doors(session) == ["acme"]

    async with door.database.begin_work() as work:
        await handlers.change_status(work, actor="test", token="acme", status="suspended")

    assert await door.codes(knock("project-added", a_project())) == ["organisation_suspended"]
    async with door.database.session() as session:
        assert await store.open_doors(session) == []


async def test_two_registries_take_one_event_once(door: Door):
    """The same message in two hands: one revision, one canonical event, the same verdict."""
    same = [knock("project-added", a_project(f"P-{n}"), id=f"e-{n}") for n in range(20)]

    both = await asyncio.gather(door.codes(*same), door.codes(*reversed(same)))

    assert both == [["taken"] * 20] * 2
    assert len(door.announced("project-added")) == 20
    assert (await rows(door.database, "SELECT count(*) FROM intake WHERE knocks = 2"))[0][0] == 20


async def test_replicas_count_each_revision_once(door: Door):
    """Sixteen works at once on the same few forecasts: no revision is skipped or told twice."""
    await door.judge(*[knock("project-added", a_project(f"P-{n}")) for n in range(3)])
    batches = [
        [
            knock(
                "forecast-updated",
                a_forecast(f"F-{n}", project=f"P-{n % 3}", quantity=100 * turn + n + 1),
            )
            for n in range(6)
        ][:: 1 if turn % 2 else -1]
        + (
            [knock("project-updated", a_project("P-1", title=f"Turn {turn}"))]
            if turn % 4 == 0
            else []
        )
        for turn in range(16)
    ]

    codes = await asyncio.gather(*[door.codes(*each) for each in batches])

    assert {code for each in codes for code in each} == {"taken"}
    told = Counter((each["forecast_id"], each["revision"])
                   for each in door.announced("forecast-updated"))  # fmt: skip
    assert set(told.values()) == {1}
    kept = await rows(door.database, "SELECT id, revision FROM forecast")
    assert {(str(each.id), n) for each in kept for n in range(1, each.revision + 1)} == set(told)
    assert sum(each.revision for each in kept) == 16 * 6


async def test_a_project_moving_while_its_forecasts_come_loses_none(door: Door):
    """Whoever is first, in the end every forecast lies where its project lies."""
    await door.judge(knock("project-added", a_project()))

    await asyncio.gather(
        *[door.judge(knock("forecast-updated", a_forecast(f"F-{n}"))) for n in range(8)],
        door.judge(knock("project-updated", a_project(municipality="049"))),
        *[door.judge(knock("forecast-updated", a_forecast(f"F-{n}"))) for n in range(8, 16)],
    )

    places = await rows(
        door.database, "SELECT DISTINCT state->'place'->>'municipality' AS m FROM forecast"
    )
    assert [each.m for each in places] == ["049"]


async def test_an_event_that_another_work_has_in_hand_is_not_waited_for(door: Door):
    """Over HTTPS the second of two at once is told that the first is being handled."""
    one = knock("project-added", a_project(), id="1")
    async with door.database.begin_work() as work:
        await handlers.judge([one], work, skip_busy=True)
        assert await door.codes(one, skip_busy=True) == ["busy"]
    assert await door.codes(one, skip_busy=True) == ["taken"]


async def test_batch_and_single_end_alike(door: Door):
    """A batch gives what its events give one by one."""
    news = [
        ("project-added", a_project()),
        ("forecast-updated", a_forecast()),
        ("project-updated", a_project(municipality="049")),
        ("forecast-updated", a_forecast(quantity=700)),
        ("forecast-updated", a_forecast(quantity=-7)),
        ("project-withdrawn", {"external_id": "P-1"}),
        ("project-updated", a_project(municipality="092")),
    ]
    together = await door.codes(*[knock(event, told) for event, told in news])
    singly = [(await door.codes(knock(event, told, by="client")))[0] for event, told in news]

    assert together == singly
    for table in ("project", "forecast"):
        kept = await rows(door.database, f"SELECT revision, state - 'organisation' - 'reporter'"
                          f" - '{table}_id' - 'project_id' AS state FROM {table}")  # fmt: skip
        assert kept[0] == kept[1]


async def test_the_door_is_fast_enough(door: Door):
    """A batch of a hundred takes a fraction of a second, so that no import waits for the door."""
    await door.judge(knock("project-added", a_project()))
    batches = [
        [knock("forecast-updated", a_forecast(f"F-{at}-{n}")) for n in range(100)]
        for at in range(5)
    ]
    begun = time.perf_counter()
    for each in batches:
        async with door.database.begin_work() as work:
            await handlers.take_in(each, work, patience_s=60)
    per_s = 500 / (time.perf_counter() - begun)
    print(f"\n{per_s:.0f} knocks/s")
    assert per_s > 100
