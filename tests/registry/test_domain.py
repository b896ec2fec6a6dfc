"""The door's rules: each bad input has its code, its sentence in three languages, its remedy."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.registry.domain import (
    FIELDS,
    TEXTS,
    Accepted,
    BadBatch,
    Membership,
    Organisation,
    Person,
    Register,
    Rejected,
    RoleRefused,
    Waits,
    business_id_scheme,
    canonical_id,
    check_roles,
    items_of,
    opened,
    spoken,
    standing,
)
from shared.contracts.base import uuid7
from shared.contracts.intake import HANDED
from shared.vocabulary.regions import shipped
from tests.registry.builders import a_delivery, a_forecast, a_project, an_area, headers

NOW = datetime(2027, 1, 1, 12, tzinfo=UTC)


def a_register(**more: Any) -> Register:
    organisations = {
        "acme": Organisation("acme", "01"),
        "client": Organisation("client", "01"),
        "north": Organisation("north", "06"),
        "demo": Organisation("demo", "99"),
        "closed": Organisation("closed", "01", active=False),
    }
    return Register(organisations, shipped(), **more)


def tell(register: Register, event: str, told: Any, *, by: str = "acme", **attributes: str) -> Any:
    body = told if isinstance(told, bytes) else json.dumps(told).encode()
    return register.judge(opened(event, headers(event, **attributes), body), by, NOW)


def codes(verdict: Any) -> list[str]:
    assert isinstance(verdict, Rejected), verdict
    return [reason.code for reason in verdict.reasons]


BAD_FORECASTS = [
    ("material_unknown", "/material", {"material": "klay"}),
    ("number_negative", "/quantity", {"quantity": -5}),
    ("number_not_finite", "/quantity", {"quantity": float("nan")}),
    ("number_not_finite", "/quantity", {"quantity": float("inf")}),
    ("number_too_large", "/quantity", {"quantity": 1e12}),
    ("number_too_large", "/quantity", {"quantity": 10**400}),
    ("type_wrong", "/quantity", {"quantity": "1 000,5"}),
    ("type_wrong", "/quantity", {"quantity": True}),
    ("type_wrong", "/material", {"material": ["clay"]}),
    ("type_wrong", "/net_of_own_use", {"net_of_own_use": "yes"}),
    ("type_wrong", "/external_revision", {"external_revision": 1.5}),
    ("number_negative", "/external_revision", {"external_revision": -1}),
    ("type_wrong", "/assumptions", {"assumptions": "many"}),
    ("list_too_long", "/assumptions", {"assumptions": ["x"] * 101}),
    ("unit_without_state", "/unit", {"unit": "m3"}),
    ("unit_refused", "/unit", {"unit": "barrels"}),
    ("no_in_situ_state", "/unit", {"material": "crushed_concrete", "unit": "m3ktr"}),
    ("low_above_quantity", "/low", {"low": 2000}),
    ("high_below_quantity", "/high", {"high": 10}),
    ("window_reversed", "/available_to", {"available_to": "2027-03-01"}),
    ("date_out_of_range", "/available_to", {"available_to": "9999-01-01"}),
    ("date_out_of_range", "/available_from", {"available_from": "0001-01-01"}),
    ("date_invalid", "/available_from", {"available_from": "2027-02-29"}),
    ("date_invalid", "/available_from", {"available_from": "1.4.2027"}),
    ("field_missing", "/available_from", {"available_from": None}),
    ("field_missing", "/material", {"material": None}),
    ("field_unknown", "/contaminaton", {"contaminaton": "P0"}),
    ("code_unknown", "/direction", {"direction": "sideways"}),
    ("code_unknown", "/use", {"use": "castle"}),
    ("code_unknown", "/quality", {"quality": "S9"}),
    ("code_unknown", "/contamination", {"contamination": "P9"}),
    ("code_unknown", "/max_contamination", {"max_contamination": "clean"}),
    ("code_unknown", "/contamination_basis", {"contamination_basis": "hearsay"}),
    ("code_unknown", "/acid_sulphate", {"acid_sulphate": "maybe"}),
    ("code_unknown", "/invasive_status", {"invasive_status": "lupins"}),
    ("code_unknown", "/waste_status", {"waste_status": "rubbish"}),
    ("code_unknown", "/legal_route", {"legal_route": "backdoor"}),
    ("code_unknown", "/site_kind", {"site_kind": "garden"}),
    ("code_unknown", "/phase", {"phase": "dream"}),
    ("code_unknown", "/frost_class", {"frost_class": "icy"}),
    ("code_unknown", "/max_frost_class", {"max_frost_class": "icy"}),
    ("code_unknown", "/reliability", {"reliability": "D"}),
    ("code_unknown", "/method", {"method": "guess"}),
    ("code_unknown", "/structure", {"structure": "moat"}),
    ("code_unknown", "/status", {"status": "sold"}),
    ("code_unknown", "/visibility", {"visibility": "secret"}),
    ("code_unknown", "/transport_payer", {"transport_payer": "nobody"}),
    ("waste_code_invalid", "/waste_code", {"waste_code": "170504"}),
    ("acid_sulphate_contradicts", "/acid_sulphate",
     {"material": "sulphide_clay", "acid_sulphate": "none"}),
    ("text_not_clean", "/material_subtype", {"material_subtype": "a\x00b"}),
    ("text_not_clean", "/external_id", {"external_id": "evil\u202eid"}),
    ("text_not_clean", "/external_id", {"external_id": "half\ud800"}),
    ("text_empty", "/external_id", {"external_id": "  "}),
    ("text_too_long", "/external_id", {"external_id": "x" * 201}),
    ("municipality_unknown", "/municipality", {"municipality": "837"}),
    ("municipality_unknown", "/municipality", {"municipality": "91"}),
    ("coordinates_incomplete", "/lon", {"lat": 60.2}),
    ("coordinates_swapped", "/lat", {"lat": 24.95, "lon": 60.2}),
    ("coordinates_in_metres", "/lat", {"lat": 6671904, "lon": 386409}),
    ("coordinates_outside_region", "/lat", {"lat": 61.5, "lon": 23.76}),
    ("owner_unknown", "/owner", {"owner": "ghost"}),
    ("no_mandate", "/owner", {"owner": "client"}),
]  # fmt: skip


@pytest.mark.parametrize(("code", "pointer", "told"), BAD_FORECASTS)
def test_a_bad_forecast_is_refused_where_it_is_bad(code, pointer, told):
    """Each mistake has one code, and points at its field."""
    register = a_register()
    tell(register, "project-added", a_project())

    verdict = tell(register, "forecast-updated", a_forecast(**told))

    assert [(code, pointer)] == [(each.code, each.pointer) for each in verdict.reasons]


BAD_PROJECTS = [
    ("field_missing", {"title": None}),
    ("field_missing", {"municipality": None}),
    ("region_unknown", {"region": "42"}),
    ("window_incomplete", {"available_to": None}),
    ("uuid_invalid", {"contacts": ["Matti"]}),
    ("contact_unknown", {"contacts": [str(uuid7())]}),
    ("text_not_clean", {"title": "two\nlines"}),
    ("coordinates_in_metres", {"lat": 25497385.0, "lon": 6672813.0}),
]


@pytest.mark.parametrize(("code", "told"), BAD_PROJECTS)
def test_a_bad_project_is_refused(code, told):
    """Projects have their own mistakes."""
    assert codes(tell(a_register(), "project-added", a_project(**told))) == [code]


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("field_missing", {"site_kind": None}),
        ("code_unknown", {"processing": ["screening", "magic"]}),
        ("material_unknown", {"materials": ["clay", "gold"]}),
        ("number_negative", {"capacity_t": -1}),
        ("code_unknown", {"status": "ajar"}),
    ],
)
def test_a_bad_area_is_refused(code, told):
    """Areas have their own mistakes."""
    assert codes(tell(a_register(), "area-updated", an_area(**told))) == [code]


def test_all_mistakes_in_what_an_area_works_off_are_told_at_once():
    """Each at its place: in one processing and in those after it."""
    terms = [
        {"processing": "magic", "cost_eur_per_t": -1, "yield": 1},
        {"yield_share": 2},
        "crushing",
    ]
    verdict = tell(a_register(), "area-updated", an_area(processing_terms=terms))
    assert {(one.pointer, one.code) for one in verdict.reasons} == {
        ("/processing_terms/0/processing", "code_unknown"),
        ("/processing_terms/0/cost_eur_per_t", "number_negative"),
        ("/processing_terms/0/yield", "field_unknown"),
        ("/processing_terms/1/processing", "field_missing"),
        ("/processing_terms/1/yield_share", "number_too_large"),
        ("/processing_terms/2", "type_wrong"),
    }


def day_of_amount(register: Register, **told: Any) -> str:
    """The day that the amount of a forecast is announced for, told as *told*."""
    attributes = {name: told.pop(name) for name in ("time",) if name in told}
    verdict = tell(register, "forecast-updated", a_forecast(**told), **attributes)
    return str(verdict.thing.state["amount_as_of"])


def test_an_amount_keeps_the_day_it_was_first_told():
    """Other days or another class do not move it; another amount does, and the company may say."""
    register = a_register()
    tell(register, "project-added", a_project())
    first = "2026-11-02T08:00:00Z"
    assert day_of_amount(register, time=first) == "2026-11-02"
    assert day_of_amount(register, available_to="2027-06-30", time="2026-11-05T08:00:00Z") == (
        "2026-11-02"
    )
    assert day_of_amount(register, quantity=700, time="2026-11-09T08:00:00Z") == "2026-11-09"
    assert day_of_amount(register, quantity=700, amount_as_of="2026-11-10") == "2026-11-10"
    tell(register, "project-updated", a_project(title="Another title", visibility="forum"))
    retold = register.tellings[-1]
    assert retold.event == "forecast-updated"
    assert retold.thing.state["amount_as_of"] == "2026-11-10"


def test_an_amount_told_without_a_time_is_of_the_day_it_came():
    """Told again unchanged but for its days, it stays."""
    register = a_register()
    tell(register, "project-added", a_project())
    assert day_of_amount(register) == NOW.date().isoformat()


def test_a_delivery_of_nothing_takes_a_report_back():
    """0 t under the same id is a correction, told with the next revision."""
    register = a_register()
    tell(register, "project-added", a_project())
    tell(register, "forecast-updated", a_forecast())
    tell(register, "delivery-reported", a_delivery())
    taken_back = tell(register, "delivery-reported", a_delivery(quantity=0))
    assert (taken_back.code, taken_back.thing.revision) == ("taken", 2)
    assert taken_back.thing.state["quantity"]["likely_t"] == 0
    assert taken_back.thing.state["origin"] == "lot"


SOME_ID = "019a70c4-3d5e-7f61-8b2c-9d0e1f2a3b40"


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("code_unknown", {"outlet": "sea"}),
        ("code_unknown", {"energy": "coal"}),
        ("number_negative", {"quantity": -1}),
        ("code_unknown", {"origin": "recycled"}),
        (
            "virgin_in_match",
            {"origin": "virgin", "match_id": SOME_ID},
        ),
        ("delivery_of_nothing", {"forecast": None}),
        ("uuid_invalid", {"match_id": "m-1"}),
    ],
)
def test_a_bad_delivery_is_refused(code, told):
    """Deliveries have their own mistakes."""
    register = a_register()
    tell(register, "project-added", a_project())
    tell(register, "forecast-updated", a_forecast())
    assert codes(tell(register, "delivery-reported", a_delivery(**told))) == [code]


def test_every_reason_is_told_at_once():
    """Five mistakes in one event come back together, none behind another."""
    register = a_register()
    tell(register, "project-added", a_project())
    told = a_forecast(quantity=-1, material="klay", available_to="2027-01-01", lat=24.9, lon=60.2,
                      owner="client")  # fmt: skip

    found = codes(tell(register, "forecast-updated", told))

    assert set(found) == {"number_negative", "material_unknown", "window_reversed",
                          "coordinates_swapped", "no_mandate"}  # fmt: skip


BODIES = [
    ("body_not_json", b"{"),
    ("body_not_json", b""),
    ("body_not_utf8", b'{"title": "\xff"}'),
    ("body_not_object", b"[1]"),
    ("body_not_object", b"null"),
    ("nesting_too_deep", b"[" * 10_000 + b"]" * 10_000),
    ("nesting_too_deep", b'{"a":' * 20 + b"1" + b"}" * 20),
    ("key_twice", json.dumps(a_project())[:-1].encode() + b', "title": "again"}'),
    ("body_too_large", b'{"title": "' + b"x" * 300_000 + b'"}'),
    ("body_not_json", b"1" * 5000),
    ("number_not_finite", json.dumps(a_project())[:-1].encode() + b', "lat": NaN, "lon": 1e400}'),
]


@pytest.mark.parametrize(("code", "body"), BODIES)
def test_a_body_that_is_no_event_is_refused(code, body):
    """Whatever bytes come, the answer is a code and never a crash."""
    assert code in codes(tell(a_register(), "project-added", body))


@pytest.mark.parametrize(
    ("code", "event", "attributes"),
    [
        ("event_unknown", "project-addd", {}),
        ("type_differs", "project-added", {"type": "intake.project-updated.v1"}),
        ("type_differs", "project-added", {"type": "intake.project-added.v9"}),
        ("specversion_unknown", "project-added", {"specversion": "0.3"}),
        ("time_invalid", "project-added", {"time": "yesterday"}),
        ("time_invalid", "project-added", {"time": "2027-01-01T12:00:00"}),
        ("attribute_invalid", "project-added", {"source": "x" * 300}),
        ("attribute_invalid", "project-added", {"source": "a%0d%0ab"}),
    ],
)
def test_a_bad_envelope_is_refused(code, event, attributes):
    """The attributes are checked like the body."""
    assert code in codes(tell(a_register(), event, a_project(), **attributes))


def test_without_an_envelope_it_is_named_by_its_sequence():
    """The sender has the sequence from its acknowledgement."""
    letter = opened("project-added", {"x": "y"}, b"{}", 42)

    assert letter.id.startswith("seq-42-")
    assert [each.code for each in letter.reasons] == ["envelope_unreadable"]


def test_a_stray_acknowledgement_is_no_event():
    """What a bus answers onto an intake subject gets no verdict; with headers it is judged."""
    stray = b'{"stream":"intake-acme","seq":1}'

    assert opened("project-added", {}, stray).stray
    assert not opened("project-added", headers("project-added"), stray).stray


def test_structured_and_binary_say_the_same():
    """Both modes of one event have the same digest, so that either repeats the other."""
    told = a_project()
    binary = opened("", headers("project-added", id="1"), json.dumps(told).encode())
    structured = opened(
        "",
        {"Content-Type": "application/cloudevents+json; charset=utf-8"},
        json.dumps({"specversion": "1.0", "id": "1", "source": "/company/system",
                    "type": "intake.project-added.v1", "data": told}).encode(),
    )  # fmt: skip

    assert (binary.id, binary.digest, binary.event) == (
        structured.id, structured.digest, structured.event)  # fmt: skip


def test_a_batch_is_cut_into_the_bytes_of_its_events():
    """Each event keeps its own bytes, so that each is judged as if sent alone."""
    assert items_of(b' [ {"a": 1} , {"a":1,"a":2}, NaN ] ') == [
        b'{"a": 1}', b'{"a":1,"a":2}', b"NaN"]  # fmt: skip
    assert items_of(b"[]") == []
    for bad in (b"{}", b"[1,]", b"[1 2]", b"[1] 2", b"[", b""):
        with pytest.raises(BadBatch):
            items_of(bad)


def test_every_sentence_can_be_said_in_three_languages():
    """Each code has a text in English, Finnish and Swedish with the same blanks."""
    for code, texts in TEXTS.items():
        blanks = {frozenset(_blanks(text)) for text in texts}
        assert len(texts) == 3 and len(blanks) == 1, code


def _blanks(text: str) -> set[str]:
    return {part.split("}")[0] for part in text.split("{")[1:]}


def test_a_refusal_names_field_value_and_remedy():
    """The sentence says what to mend, in the language asked for."""
    register = a_register()
    verdict = tell(register, "project-added", a_project(lat=24.95, lon=60.2))

    assert spoken(verdict.reasons[0], "en") == (
        "lat 24.95, lon 60.2 lies outside 01; read the other way, lat 60.2, lon 24.95, it lies"
        " inside. Exchange the two."
    )
    assert spoken(verdict.reasons[0], "fi").endswith("Vaihda ne keskenään.")


def test_a_field_like_no_other_is_to_be_left_out():
    """Where no field is close, there is a remedy all the same."""
    verdict = tell(a_register(), "project-added", a_project(zzz=1))

    assert spoken(verdict.reasons[0], "en") == "zzz is not a field of project-added. Leave it out."
    nameless = tell(a_register(), "project-added", a_project(**{"": 1}))
    assert spoken(nameless.reasons[0], "en").startswith("«» is not a field")


def test_what_is_no_text_is_shown_by_its_shape():
    """A list or an object is shown as JSON writes one, in every language."""
    verdict = tell(a_register(), "project-added", a_project(title=["a"], site_kind={}))

    assert {spoken(each, "sv") for each in verdict.reasons} == {
        "title är «[…]». Sänd text.",
        "site_kind är «{…}». Sänd text.",
    }


def test_metres_are_read_back_with_their_system():
    """GK25 and TM35FIN are told apart by magnitude."""
    for lat, lon, crs in ((6672813.5, 25497385.2, "EPSG:3879"), (386409.8, 6671904.1, "EPSG:3067")):
        verdict = tell(a_register(), "project-added", a_project(lat=lat, lon=lon))
        assert verdict.reasons[0].says["crs"] == crs


def test_the_door_reads_the_fields_of_the_contracts():
    """Contract and door know the same fields, so that what the one promises the other takes."""
    for event, contract in HANDED.items():
        assert set(FIELDS[event]) == set(contract.model_fields), event


def test_a_closed_organisation_is_told_so():
    """A suspended reporter gets a verdict that says why."""
    assert codes(tell(a_register(), "project-added", a_project(), by="closed")) == [
        "organisation_suspended"]  # fmt: skip


def test_the_sample_never_reports_into_a_real_region():
    """Invented masses stay where they cannot enter anybody's figures."""
    register = a_register()

    assert codes(tell(register, "project-added", a_project(region="01"), by="demo")) == [
        "sample_stays_sample"]  # fmt: skip
    accepted = tell(register, "project-added", a_project(), by="demo")
    assert accepted.thing.state["sample"] and accepted.thing.state["region"] == "99"


def test_a_forecast_takes_from_its_project_what_it_does_not_tell():
    """Place, site kind, phase, visibility and contacts are the project's; tonnes are computed."""
    person = str(uuid7())
    register = a_register(members={("acme", person)})
    tell(register, "project-added", a_project(site_kind="extraction_site", phase="construction",
         visibility="forum", lat=60.2, lon=24.9, contacts=[person]))  # fmt: skip

    state = tell(register, "forecast-updated", a_forecast()).thing.state

    assert state["place"] == {"municipality": "091", "sub_region": "Helsinki", "lat": 60.2,
                              "lon": 24.9, "precision": "exact"}  # fmt: skip
    assert (state["site_kind"], state["phase"], state["visibility"], state["contacts"]) == (
        "extraction_site", "construction", "forum", [person])  # fmt: skip
    assert state["quantity"]["likely_t"] == 1600.0
    assert state["meets"] == ["01", "06"] and not state["sample"]


def test_only_a_municipality_is_told_as_its_centre():
    """Without a point the municipality's own is used, and said to be so."""
    register = a_register()
    tell(register, "project-added", a_project(lat=60.2, lon=24.9))
    state = tell(register, "forecast-updated", a_forecast(municipality="049")).thing.state
    assert state["place"]["precision"] == "municipality" and state["place"]["lat"] == 60.2063


def test_a_project_that_moves_tells_its_forecasts_again():
    """A moved project makes a revision of each forecast that took its place, and of no other."""
    register = a_register()
    tell(register, "project-added", a_project())
    tell(register, "forecast-updated", a_forecast("F-1"))
    tell(register, "forecast-updated", a_forecast("F-2", municipality="049"))
    register.tellings.clear()

    tell(register, "project-updated", a_project(municipality="092"))

    assert [(each.event, each.thing.external_id, each.thing.revision)
            for each in register.tellings] == [
        ("project-updated", "P-1", 2), ("forecast-updated", "F-1", 2)]  # fmt: skip


def test_a_project_that_changes_region_takes_its_forecasts_along():
    """A forecast whose place was told in the old region lies where its project lies."""
    register = a_register()
    tell(register, "project-added", a_project())
    tell(register, "forecast-updated", a_forecast(municipality="049"))

    tell(register, "project-updated", a_project(region="06", municipality="837"))

    forecast = register.things[canonical_id("acme", "forecast", "F-1")]
    assert forecast.region == "06" and forecast.state["place"]["municipality"] == "837"


def test_a_project_put_off_takes_its_forecasts_along():
    """Moved by whole days at both ends, it shifts the forecasts inside; stretched, it does not."""
    register = a_register()
    tell(register, "project-added", a_project())
    tell(register, "forecast-updated", a_forecast())
    forecast = canonical_id("acme", "forecast", "F-1")

    tell(register, "project-updated", a_project(available_from="2027-03-15",
                                                available_to="2027-07-14"))  # fmt: skip
    assert register.things[forecast].state["window"] == {
        "first": "2027-04-15", "last": "2027-05-29"}  # fmt: skip

    tell(register, "project-updated", a_project(available_from="2027-03-15",
                                                available_to="2027-09-30"))  # fmt: skip
    assert register.things[forecast].state["window"] == {
        "first": "2027-04-01", "last": "2027-05-15"}  # fmt: skip


def test_a_withdrawn_project_cancels_its_forecasts_in_any_order():
    """Whether the forecast or the withdrawal comes first, the forecast ends cancelled."""
    for first, second in ((0, 1), (1, 0)):
        register = a_register()
        tell(register, "project-added", a_project())
        news = [("forecast-updated", a_forecast()), ("project-withdrawn", {"external_id": "P-1"})]
        tell(register, *news[first])
        tell(register, *news[second])
        forecast = register.things[canonical_id("acme", "forecast", "F-1")]
        assert forecast.state["status"] == "cancelled"

    tell(register, "project-updated", a_project(title="On again"))
    assert register.things[forecast.id].state["status"] == "offered"


def test_what_is_said_twice_is_unchanged_and_what_is_late_is_superseded():
    """The company's own revision decides; canonical revisions grow only by real news."""
    register = a_register()

    def told(**more: Any) -> tuple[str, int]:
        verdict = tell(register, "project-added", a_project(**more))
        return verdict.code, verdict.thing.revision

    assert told(external_revision=5) == ("taken", 1)
    assert told(external_revision=5) == ("unchanged", 1)
    assert told(external_revision=4, title="Old") == ("superseded", 1)
    assert told(external_revision=5, title="Uncounted") == ("superseded", 1)
    assert told(external_revision=7) == ("unchanged", 1)
    assert told(external_revision=6, title="Between") == ("superseded", 1)
    assert told(external_revision=8, title="New") == ("taken", 2)
    assert told(title="New") == ("unchanged", 2)
    assert told(title="Newer") == ("taken", 3)


def test_news_without_a_revision_is_ordered_by_its_time():
    """Redelivered after a crash, older news does not win over newer."""
    register = a_register()
    tell(register, "project-added", a_project(title="New"), time="2026-12-02T10:00:00Z")

    late = tell(register, "project-added", a_project(title="Old"), time="2026-12-01T10:00:00Z")
    newer = tell(register, "project-added", a_project(title="Newest"), time="2026-12-03T10:00:00Z")

    assert (late.code, newer.code) == ("superseded", "taken")


def test_a_clock_that_runs_ahead_does_not_stop_later_news():
    """A time in the future counts as now."""
    register = a_register()
    tell(register, "project-added", a_project(), time="2099-01-01T00:00:00Z")
    known = next(iter(register.things.values()))
    assert known.told_at == NOW
    assert standing(known, None, NOW + timedelta(seconds=1), same=False) == "taken"


def test_an_owner_is_another_only_under_a_mandate():
    """Owner and reporter are both kept; the forecast is the project's owner's."""
    register = a_register(mandates={("client", "acme")})
    project = tell(register, "project-added", a_project(owner="client")).thing
    forecast = tell(register, "forecast-updated", a_forecast()).thing

    for thing in (project, forecast):
        assert (thing.state["organisation"], thing.state["reporter"]) == ("client", "acme")

    register.mandates.clear()
    assert codes(tell(register, "forecast-updated", a_forecast("F-2"))) == ["no_mandate"]


def test_a_forecast_before_its_project_waits_unless_it_is_bad_anyway():
    """Nothing is refused for having come early."""
    assert isinstance(tell(a_register(), "forecast-updated", a_forecast()), Waits)
    assert codes(tell(a_register(), "forecast-updated", a_forecast(quantity=-1))) == [
        "number_negative"]  # fmt: skip


def test_a_forecast_stays_with_its_project():
    """One forecast is one mass line of one project."""
    register = a_register()
    tell(register, "project-added", a_project())
    tell(register, "project-added", a_project("P-2"))
    tell(register, "forecast-updated", a_forecast())
    assert codes(tell(register, "forecast-updated", a_forecast(project="P-2"))) == [
        "project_changed"]  # fmt: skip


def test_ids_are_the_reporters_own():
    """Two companies may call different things by one name."""
    assert canonical_id("acme", "project", "1") != canonical_id("north", "project", "1")
    assert canonical_id("acme", "project", "1") == canonical_id("acme", "project", "1")


def test_one_name_written_in_two_ways_is_one_thing():
    """Composed and decomposed letters are the same id."""
    register = a_register()
    tell(register, "project-added", a_project("p\u00e4iv\u00e4"))
    again = tell(register, "project-added", a_project("pa\u0308iva\u0308"))
    assert isinstance(again, Accepted) and again.code == "unchanged"


def test_nobody_gives_a_region_they_do_not_coordinate():
    """A coordinator of an organisation cannot make itself a coordinator of a region."""
    check_roles(["coordinator"], [], ())
    check_roles(["regional_coordinator"], ["01"], None)
    check_roles(["regional_coordinator"], ["01"], ["01", "06"])
    for roles, regions, may in (
        (["regional_coordinator"], ["01"], ()),
        (["regional_coordinator"], [], None),
        (["coordinator"], ["01"], None),
        (["king"], [], None),
        ([], [], None),
    ):
        with pytest.raises(RoleRefused):
            check_roles(roles, regions, may)


def test_regions_come_only_with_the_role():
    """A region told without the role opens nothing."""
    person = Person(uuid7(), "A", "a@example.test", "fi", 1, (
        Membership("acme", ("coordinator",), ("06",)),
        Membership("client", ("regional_coordinator",), ("01",))))  # fmt: skip
    assert person.regions == ("01",)


def test_a_business_id_is_finnish_where_the_region_is():
    """Two digits name a Finnish region; elsewhere nothing is computed."""
    assert business_id_scheme("01", None) == "fi"
    assert business_id_scheme("us-in", None) == "other"
    assert business_id_scheme("us-in", "fi") == "fi"
