"""What other systems build on: each contract as committed, readable for ever, named by rule."""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from deploy.cards import cards
from deploy.compatibility import advice, breaks, leaves_too_early
from deploy.generated import SCHEMAS, asyncapi, committed, schemas
from deploy.keyring import SERVICES
from deploy.provision import announced, awaited
from shared.contracts import EVENTS, HANDED, OUTWARD, Event
from shared.contracts.base import DRAFT, NotAnEvent, last_day, notice, notice_headers, uuid7
from shared.contracts.intake import Handed
from shared.service import durable_of

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden"
TOOLS = ROOT / "tests" / "tools"

TOLD: tuple[type[Event], ...] = (*EVENTS, *OUTWARD)
CONTRACTS: dict[str, type[Event] | type[Handed]] = {
    one.name: one for one in (*TOLD, *HANDED.values())
}
NOW = schemas()
BODIES = sorted(GOLDEN.glob("*/*.json"))
PERSONAL = {"name", "email", "mail", "phone", "address", "person_name", "birthday"}

every_contract = pytest.mark.parametrize("name", sorted(CONTRACTS))
every_told = pytest.mark.parametrize("contract", TOLD, ids=lambda one: one.name)
every_body = pytest.mark.parametrize("path", BODIES, ids=lambda p: f"{p.parent.name}/{p.stem}")


# -- as committed ---------------------------------------------------------------------------


@every_contract
def test_a_contract_is_as_committed(name: str) -> None:
    """The schema that others have read is the one that the code tells."""
    before, after = committed(name), NOW[name]

    assert before == after, advice(name, before, after, draft=DRAFT)


def test_every_committed_schema_has_its_contract() -> None:
    """A contract that was told once does not vanish, nor leave its schema behind."""
    left_behind = {path.stem for path in SCHEMAS.glob("*.json")} - set(CONTRACTS)

    assert not left_behind, f"schemas without a contract: {sorted(left_behind)}"


def a_schema(**fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"id": {"type": "string"}, **fields},
        "required": ["id"],
    }


def test_a_new_optional_field_breaks_nobody() -> None:
    """A published contract may gain a field that has a default."""
    gained = a_schema(colour={"type": "string", "default": "brown", "title": "Colour"})

    assert breaks(a_schema(), gained) == []
    assert "make docs" in advice("registry.clod-moved.v1", a_schema(), gained, draft=False)


@pytest.mark.parametrize(
    ("after", "told"),
    [
        ({**a_schema(), "required": []}, "/id: was required"),
        ({**a_schema(colour={}), "required": ["id", "colour"]}, "/colour: is now required"),
        ({**a_schema(id={"type": "integer"})}, "/id: type was 'string', is 'integer'"),
        ({**a_schema(), "properties": {}}, "/id: is gone"),
    ],
)
def test_anything_else_asks_for_a_new_major(after: dict[str, Any], told: str) -> None:
    """What an old reader or an old body would not survive is named, with the way out."""
    assert told in breaks(a_schema(), after)
    said = advice("registry.clod-moved.v1", a_schema(), after, draft=False)
    assert "registry.clod-moved.v2" in said


def test_a_break_inside_a_part_is_seen_through_its_reference() -> None:
    """A part that several events carry is part of each of their contracts."""
    field = {"$ref": "#/$defs/Place", "default": None}
    before = {**a_schema(place=field), "$defs": {"Place": a_schema(lat={"type": "number"})}}
    after = {**a_schema(place=field), "$defs": {"Place": a_schema()}}

    assert breaks(before, after) == ["/place/lat: is gone"]


def test_a_draft_says_when_it_freezes() -> None:
    """While contracts are drafts, a change is told to be one, and what ends that."""
    said = advice("registry.clod-moved.v1", a_schema(), a_schema(colour={}), draft=True)

    assert "make docs" in said
    assert "base.DRAFT becomes False" in said


# -- golden bodies --------------------------------------------------------------------------


@every_contract
def test_a_contract_has_a_golden_body(name: str) -> None:
    """At least one body of each contract is kept for ever."""
    assert list((GOLDEN / name).glob("*.json")), f"write one: tests/contracts/golden/{name}/….json"


@every_body
def test_an_old_body_parses_for_ever_and_comes_back_whole(path: Path) -> None:
    """What was written once is still read, and nothing of it is lost or changed by reading."""
    golden = json.loads(path.read_text())

    read = CONTRACTS[path.parent.name].model_validate_json(path.read_text())

    written = json.loads(read.body())
    assert lost(golden, written) == []
    again = CONTRACTS[path.parent.name].model_validate_json(read.body())
    assert json.loads(again.body()) == written


def lost(before: Any, after: Any, at: str = "") -> list[str]:
    """Where *after* does not say what *before* said; nothing told and null are the same."""
    if isinstance(before, dict):
        return [
            one
            for key, value in before.items()
            if value is not None
            for one in lost(value, after.get(key), f"{at}/{key}")
        ]
    if isinstance(before, list):
        if len(before) != len(after or ()):
            return [f"{at}: {len(before)} items became {len(after or ())}"]
        pairs = enumerate(zip(before, after, strict=True))
        return [one for i, (b, a) in pairs for one in lost(b, a, f"{at}/{i}")]
    return [] if before == after else [f"{at}: {before!r} became {after!r}"]


@every_body
def test_a_golden_body_is_true_to_the_committed_schema(path: Path) -> None:
    """A reader who knows only the committed schema accepts what we kept."""
    schema = committed(path.parent.name)
    assert schema is not None, f"no schema of {path.parent.name}: `make docs`"
    body = {key: value for key, value in json.loads(path.read_text()).items() if value is not None}

    Draft202012Validator(schema).validate(body)


@every_told
def test_an_event_survives_the_way_over_the_wire(contract: type[Event]) -> None:
    """Headers and body give back the event with its id and its time."""
    body = next(iter(sorted((GOLDEN / contract.name).glob("*.json")))).read_text()
    told = contract.model_validate_json(body).model_copy(
        update={"id": uuid7(), "at": datetime(2027, 6, 14, 7, 30, tzinfo=UTC)}
    )

    heard = contract.from_message(told.headers(correlation="år 1"), told.body())

    assert heard == told
    assert heard.id == told.id
    assert heard.at == told.at


@every_told
def test_what_may_be_null_may_be_left_out(contract: type[Event]) -> None:
    """Bodies leave null out, so a field that may be null has a default, however deep it stands."""
    kinds = [NOW[contract.name], *NOW[contract.name].get("$defs", {}).values()]
    stuck = [
        f"{kind.get('title')}.{name}"
        for kind in kinds
        for name in kind.get("required", ())
        if {"type": "null"} in kind["properties"][name].get("anyOf", [])
    ]

    assert stuck == []


@every_told
def test_an_event_of_another_name_is_refused(contract: type[Event]) -> None:
    """A body under the wrong name is no event, however well it reads."""
    body = next(iter(sorted((GOLDEN / contract.name).glob("*.json")))).read_text()
    told = contract.model_validate_json(body)

    with pytest.raises(NotAnEvent, match="ce-type"):
        contract.from_message({**told.headers(), "ce-type": "registry.clod-moved.v1"}, told.body())


@pytest.mark.parametrize("contract", HANDED.values(), ids=lambda one: one.name)
def test_a_field_that_nobody_knows_is_refused_at_the_door(contract: type[Handed]) -> None:
    """What a company misspells is told to it, not silently dropped."""
    body = json.loads(next(iter(sorted((GOLDEN / contract.name).glob("*.json")))).read_text())

    with pytest.raises(ValueError, match="Extra inputs are not permitted"):
        contract.model_validate({**body, "colour_of_the_lorry": "blue"})


# -- names ----------------------------------------------------------------------------------

NAME = r"[a-z]+(-[a-z]+)+\.v[1-9]\d*"


def an_event(contract: type[Event]) -> Event:
    path = next(iter(sorted((GOLDEN / contract.name).glob("*.json"))))
    return contract.model_validate_json(path.read_text())


@pytest.mark.parametrize("contract", EVENTS, ids=lambda one: one.name)
def test_an_event_between_services_is_named_by_rule(contract: type[Event]) -> None:
    """`events.<service>.<event-name>.v<major>.<region>`, and the name is the `ce-type`."""
    event = an_event(contract)

    assert re.fullmatch(rf"({'|'.join(SERVICES)})\.{NAME}", contract.name)
    assert event.subject == f"events.{contract.name}.{event.region}"
    assert event.subject.rsplit(".", 1)[1] == event.region
    assert contract.subjects() == f"events.{contract.name}.*"
    assert event.headers()["ce-type"] == contract.name
    assert contract.stream() == f"events-{contract.name.split('.')[0]}"
    assert class_name(contract.event_name()) == contract.__name__


def class_name(event_name: str) -> str:
    return "".join(word.capitalize() for word in event_name.split("-"))


@pytest.mark.parametrize("contract", OUTWARD, ids=lambda one: one.name)
def test_what_is_told_to_one_organisation_bears_its_token(contract: type[Event]) -> None:
    """The second token of the subject is the organisation: rights at the server stand on it."""
    event = an_event(contract)

    first, organisation, *rest = event.subject.split(".")
    assert first == contract.stream() == contract.name.split(".")[0]
    assert organisation == event.model_dump()["organisation"]
    assert rest in ([contract.event_name()], ["accepted", "forecast-updated"])
    assert contract.owner() in SERVICES


@pytest.mark.parametrize("event_name", sorted(HANDED))
def test_what_is_handed_in_is_named_by_the_event_alone(event_name: str) -> None:
    """`intake.<organisation>.<event-name>`: who hands in is no part of the name."""
    contract = HANDED[event_name]

    assert re.fullmatch(rf"intake\.{NAME}", contract.name)
    assert contract.name.split(".")[1] == event_name


@pytest.mark.parametrize("reader", SERVICES)
def test_a_durable_is_named_by_reader_and_event(reader: str) -> None:
    """`<reader>-<event-name>-v<major>`: a promise to the server, never a function's name."""
    for contract in EVENTS:
        _, event_name, version = contract.name.split(".")
        assert durable_of(reader, contract) == f"{reader}-{event_name}-{version}"


@every_contract
def test_no_contract_has_room_for_a_name_or_an_address(name: str) -> None:
    """People travel as ids: no field of any event, however deep, is personal."""
    assert not PERSONAL & set(fields_of(NOW[name]))


def fields_of(told: Any) -> list[str]:
    if isinstance(told, list):
        return [one for each in told for one in fields_of(each)]
    if not isinstance(told, dict):
        return []
    here = list(told.get("properties", {}))
    return here + [one for each in told.values() for one in fields_of(each)]


# -- who tells and who reads -----------------------------------------------------------------


def test_every_awaited_event_is_announced_by_exactly_one_service() -> None:
    """`announced` refuses two tellers; nobody waits for what nobody tells."""
    services = cards()
    told = announced(services)

    orphans = [f"{reader} awaits {e.name}" for reader, e in awaited(services) if e not in told]

    assert orphans == []


def test_a_service_announces_only_what_bears_its_name() -> None:
    """The owner in the name is the one that tells: the server's rights stand on it."""
    for service in cards():
        for contract in (*service.announces, *service.also_tells):
            assert contract.owner() == service.name


def test_whoever_announces_keeps_a_ledger() -> None:
    """An announcement stands in the outbox of its teller; without a ledger there is none."""
    for service in cards():
        assert service.ledger is not None or not (service.announces or service.reacts_to)


# -- AsyncAPI -------------------------------------------------------------------------------


def validated(document: Mapping[str, Any], folder: Path) -> subprocess.CompletedProcess[str]:
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    if not (TOOLS / "node_modules" / "@asyncapi" / "parser").is_dir():
        pytest.skip("the AsyncAPI parser is not installed: `make setup`")
    path = folder / "asyncapi.json"
    path.write_text(json.dumps(document))
    command = ["node", str(TOOLS / "validate_asyncapi.mjs"), str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_an_independent_parser_accepts_the_asyncapi_document(tmp_path: Path) -> None:
    """The document made from contracts and cards is valid AsyncAPI 3 to somebody else's reader."""
    found = validated(asyncapi(cards()), tmp_path)

    assert found.returncode == 0, found.stdout + found.stderr
    assert "error" not in found.stdout


def test_the_parser_refuses_what_is_not_asyncapi(tmp_path: Path) -> None:
    """The test above can fail: a channel that points nowhere is an error."""
    document = asyncapi([])
    operation = next(iter(document["operations"].values()))
    operation["channel"]["$ref"] = "#/channels/nowhere"

    found = validated(document, tmp_path)

    assert found.returncode == 1
    assert "error" in found.stdout


# -- twelve months' notice ------------------------------------------------------------------


def test_a_published_contract_stays_for_twelve_months_after_notice() -> None:
    """Without notice it may not go at all; a draft may go at once."""
    published = {"x-status": "published"}
    under_notice = {**published, **notice(date(2027, 3, 1))}

    assert leaves_too_early("a.b.v1", {"x-status": "draft"}, date(2027, 1, 1)) == []
    assert "without notice" in leaves_too_early("a.b.v1", published, date(2050, 1, 1))[0]
    assert "2028-03-01" in leaves_too_early("a.b.v1", under_notice, date(2028, 2, 29))[0]
    assert leaves_too_early("a.b.v1", under_notice, date(2028, 3, 1)) == []
    assert last_day(date(2028, 2, 29)) == date(2029, 3, 1)


def test_notice_breaks_no_reader() -> None:
    """A contract under notice is the same contract."""
    before = {"type": "object", "properties": {}}
    assert breaks(before, {**before, **notice(date(2027, 3, 1))}) == []


def test_notice_is_told_in_two_headers() -> None:
    """Deprecation as seconds, Sunset as an HTTP date: RFC 9745 and RFC 8594."""
    assert notice_headers(date(2027, 3, 1)) == {
        "Deprecation": "@1803859200",
        "Sunset": "Wed, 01 Mar 2028 00:00:00 GMT",
    }
