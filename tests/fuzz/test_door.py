"""Whatever a company says at either door gets one receipt with every reason, and nothing breaks."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import nats
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from nats.aio.client import Client as NatsClient
from nats.errors import Error as NatsError
from nats.js.errors import APIError

from services.registry.domain.fields import FIELDS, Field
from services.registry.domain.texts import LANGUAGES, TEXTS
from shared.contracts.intake import HANDED
from tests.conftest import eventually
from tests.fuzz import hostile
from tests.fuzz.asking import EXAMPLES, Asked, problem_faults, tries
from tests.fuzz.roles import OTHER, OWN, Town
from tests.kept import Kept, mark

pytestmark = [pytest.mark.fuzz, pytest.mark.timeout(3600)]
GOLDEN = Path(__file__).parents[1] / "contracts" / "golden"
SHORT = 250
"""Letters in the short run, at each door."""
AT_ONCE = 200
DOORS = ("nats", "https")
ACCEPTED = ("taken", "unchanged", "superseded")

BODIES = {
    name: [json.loads(path.read_text()) for path in sorted((GOLDEN / contract.name).glob("*.json"))]
    for name, contract in HANDED.items()
}
IDS = ("S-1", "S-1/a", "S-2", "S-2/a", "F-1", "F-2", "F-3")
"""External ids that meet each other: our own, those of another company, and new ones."""
FREE = {
    "project-added": "title", "project-updated": "title", "project-withdrawn": "reason",
    "forecast-updated": "note", "area-updated": "title", "delivery-reported": "waybill",
}  # fmt: skip
"""A text of each event that is kept as it is told."""


@dataclass
class Letter:
    """One message for the door: its name in the subject, headers and bytes."""

    name: str
    headers: dict[str, str]
    body: bytes
    language: str | None
    mark: str = ""

    @property
    def said(self) -> str:
        return f"{self.name} {self.headers} {self.body[:500]!r}"


@st.composite
def letters(draw: st.DrawFn) -> Letter:
    """An event of the golden bodies, a little or quite wrong, in an envelope that may be too."""
    name = draw(st.sampled_from(sorted(BODIES)))
    told = dict(draw(st.sampled_from(BODIES[name])))
    told["external_id"] = draw(st.sampled_from(IDS))
    if "project" in told:
        told["project"] = draw(st.sampled_from(("S-1", "S-1", "S-1", "S-2", "F-1", "none")))
    if name.startswith(("project", "area")) and name != "project-withdrawn":
        told |= {"region": "01", "municipality": "049"}
    for name_of in ("owner", "external_revision", "contacts"):
        if draw(st.integers(0, 9)):
            told.pop(name_of, None)
    if draw(st.integers(0, 9)) == 0:
        told["owner"] = draw(st.sampled_from((OTHER, OWN, "nobody", "")))
    told[FREE[name]] = mark(0)
    body = draw(hostile.mutated(told)) if draw(st.integers(0, 3)) else hostile.written(told)
    if draw(st.integers(0, 30)) == 0:
        body = draw(st.sampled_from(hostile.RAW))
    language = draw(st.sampled_from((*LANGUAGES, None)))
    headers = {
        "ce-specversion": "1.0",
        "ce-id": "" if draw(st.integers(0, 9)) else draw(st.sampled_from(("known", "known 2"))),
        "ce-source": f"/{OWN}",
        "ce-type": f"intake.{name}.v1",
        "content-type": "application/json",
    }
    if language is not None:
        headers[draw(st.sampled_from(("ce-lang", "accept-language")))] = language
    if headers["ce-id"]:
        language = None  # said again, it gets the receipt that it got, as it was told then
    if draw(st.integers(0, 9)) == 0:
        headers[draw(st.sampled_from(sorted(headers)))] = (
            draw(st.sampled_from(hostile.TEXTS)) or " "
        )
        language = None
    return Letter(name, headers, body, language)


def drawn(door: str) -> list[Letter]:
    """`SHORT` letters that are the same each time, or `FUZZ_EXAMPLES` new ones, for *door*."""
    found: list[Letter] = []

    @tries(SHORT)
    @given(letter=letters())
    def draw(letter: Letter) -> None:
        found.append(letter)

    draw()
    for at, letter in enumerate(found):
        letter.mark = mark((DOORS.index(door) + 1) * 10_000_000 + at)
        letter.body = letter.body.replace(mark(0).encode(), letter.mark.encode())
        if letter.headers["ce-id"] == "":
            letter.headers["ce-id"] = f"{door}-{at}"
    return found


@dataclass
class Told:
    """What the door said of letters, and what it should not have said."""

    verdicts: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    wrong: dict[str, str] = field(default_factory=dict)
    marks: dict[str, set[str]] = field(default_factory=dict)

    def note(self, letter: Letter, receipt: Mapping[str, Any]) -> None:
        verdict, code = receipt.get("verdict"), receipt.get("code")
        self.verdicts[str(verdict)] += 1
        self.marks.setdefault(letter.mark, set()).add(str(code if verdict == "accepted" else ""))
        for fault in _faults(letter, receipt):
            self.wrong.setdefault(fault, f"{fault}\n    {letter.said}\n    {receipt}")
        for reason in receipt.get("reasons", ()):
            self.codes[reason["code"]] += 1
        if verdict == "accepted":
            self.codes[str(code)] += 1

    def __str__(self) -> str:
        return "\n".join([f"{dict(self.verdicts)} {dict(self.codes)}", *self.wrong.values()])


def _half_kept(told: Told, kept: Kept) -> list[str]:
    """
    Where something stands of letters that were never accepted: in no table of any service but the
    door's own book. What was accepted is in whole by `Town.is_whole`.
    """
    found = kept.marked()
    faults = []
    for one, codes in told.marks.items():
        where = found.get(one, set()) - {"registry.intake"}
        if codes == {""} and where:
            faults.append(f"{one} was refused, and stands in {sorted(where)}")
    taken = [one for one, codes in told.marks.items() if "taken" in codes]
    if sum(one in found for one in taken) < len(taken) / 2:
        faults.append(f"of {len(taken)} that were taken few are found again")
    return faults


def _faults(letter: Letter, receipt: Mapping[str, Any]) -> Iterator[str]:
    reasons = receipt.get("reasons", ())
    if receipt.get("verdict") == "accepted":
        if receipt.get("code") not in ACCEPTED or reasons or not receipt.get("canonical"):
            yield f"accepted as {receipt.get('code')}, reasons {len(reasons)}"
        return
    if receipt.get("verdict") != "rejected" or not reasons:
        yield f"no verdict, or no reason: {receipt.get('verdict')} {receipt.get('code')}"
    for reason in reasons:
        if reason["code"] not in TEXTS:
            yield f"a code that has no texts: {reason['code']}"
            continue
        pointer = reason["pointer"]
        if not (pointer == "" or pointer.startswith("/")):
            yield f"{reason['code']}: the pointer is {pointer!r}"
        if reason["text"] != reason["text"].rstrip():
            yield f"{reason['code']}: no remedy at the end of {reason['text'][:80]!r}"
        if len(reason["text"]) > 2000:
            yield f"{reason['code']}: a text of {len(reason['text'])} characters"
        if letter.language is not None and not _speaks(reason, letter.language):
            yield f"{reason['code']} is not told in {letter.language}: {reason['text'][:80]!r}"


def _speaks(reason: Mapping[str, Any], language: str) -> bool:
    """Whether the text is the one that is kept in *language*, whatever its values."""
    kept = TEXTS[reason["code"]][LANGUAGES.index(language)]
    fixed = (re.escape(part) for part in re.split(r"{[a-z]+}", kept))
    return bool(re.fullmatch(".*".join(fixed), reason["text"], re.DOTALL))


def test_every_letter_over_nats_gets_one_receipt_and_nothing_breaks(
    fuzzed: Town, kept: Kept, capsys: Any
) -> None:
    """
    Accepted or refused with all reasons, in the language asked for; the other's stays as is. Good
    and bad come together: the good are in whole, of the bad nothing is kept anywhere.
    """
    told = asyncio.run(_over_nats(fuzzed, capsys))
    assert not told.wrong, str(told)
    assert _half_kept(told, kept) == []


async def _over_nats(fuzzed: Town, capsys: Any) -> Told:
    others = await _things_of_the_other(fuzzed)
    told = Told()
    heard: dict[int, list[dict[str, Any]]] = {}
    sent: dict[int, Letter] = {}
    everything = drawn("nats")
    async with _listening(fuzzed, heard) as client:
        for at in range(0, len(everything), AT_ONCE):
            for letter in everything[at : at + AT_ONCE]:
                if (seq := await _published(client, letter)) is not None:
                    sent[seq] = letter
            with suppress(AssertionError):  # which were not answered is told below
                await eventually(lambda: _all_in(sent, heard), within_s=120)
            unheard = {seq: letter for seq, letter in sent.items() if seq not in heard}
            assert not unheard, f"no receipt of {unheard}, but of {sorted(heard)}"
    for seq, letter in sent.items():
        told.note(letter, heard[seq][0])
        if any(one != heard[seq][0] for one in heard[seq][1:]):
            told.wrong["two receipts that differ"] = f"{letter.said} {heard[seq]}"
    if EXAMPLES:
        with capsys.disabled():
            print(f"\nNATS: {len(sent)} letters, {dict(told.verdicts)}, {len(told.codes)} codes")

    assert await _things_of_the_other(fuzzed) == others
    await fuzzed.is_whole()
    return told


@asynccontextmanager
async def _listening(
    fuzzed: Town, heard: dict[int, list[dict[str, Any]]]
) -> AsyncIterator[NatsClient]:
    """A connection of the company's own that keeps each receipt in *heard*, by what it is about."""
    client = await nats.connect(
        fuzzed.platform.system.nats_url,
        nkeys_seed_str=fuzzed.own.credentials.nats_seed,
        inbox_prefix=f"receipts.{OWN}.inbox".encode(),
    )

    async def hear(message: Any) -> None:
        if message.headers and "ce-id" in message.headers:
            receipt = json.loads(message.data)
            heard.setdefault(receipt.get("stream_seq"), []).append(receipt)

    for verdict in ("accepted", "rejected"):
        await client.subscribe(f"receipts.{OWN}.{verdict}.>", cb=hear)
    yield client
    await client.close()


async def _all_in(sent: Mapping[int, Letter], heard: Mapping[int, Any]) -> bool:
    return sent.keys() <= heard.keys()


async def _published(client: Any, letter: Letter) -> int | None:
    """The place of *letter* in the stream; None where no client could have sent it."""
    try:
        ack = await client.jetstream().publish(
            f"intake.{OWN}.{letter.name}", letter.body, headers=letter.headers
        )
    except (UnicodeEncodeError, ValueError, NatsError, APIError):
        return None
    return int(ack.seq)


async def _things_of_the_other(fuzzed: Town) -> Any:
    return [
        (await fuzzed.other.ask("registry", "GET", path, organisation=OTHER))[1]["items"]
        for path in ("/projects", "/forecasts", "/areas")
    ]


def test_every_letter_over_https_gets_its_receipt_as_the_answer(
    fuzzed: Town, kept: Kept, capsys: Any
) -> None:
    """
    Binary, structured, in a batch, or as a thing under its id: never a 5xx, the same reasons; and
    nothing of what was refused is kept.
    """
    told = Told()
    answers: Counter[int] = Counter()
    with requests.Session() as session:
        everything = drawn("https")
        for at, letter in enumerate(everything):
            more = everything[at : at + 5]
            for asked in _ways(fuzzed.tokens["organisation"], letter, more, at):
                answer = asked.send(fuzzed.url("registry"), session)
                answers[answer.status_code] += 1
                _note(told, more if at % 5 == 0 else [letter], asked, answer)
    if EXAMPLES:
        with capsys.disabled():
            print(f"\nHTTPS: {answers.total()} requests, {dict(answers)}, {len(told.codes)} codes")
    assert not told.wrong, str(told)
    asyncio.run(fuzzed.is_whole())
    assert _half_kept(told, kept) == []


def _ways(key: str, letter: Letter, more: list[Letter], at: int) -> Iterator[Asked]:
    """One of the ways to say *letter* over HTTPS; every fifth in a batch with those after it."""
    token = {"Authorization": f"Bearer {key}"}
    match at % 5:
        case 0:
            body = b"[" + b",".join(_structured(one, "in a batch ") for one in more) + b"]"
            headers = {"Content-Type": "application/cloudevents-batch+json"}
            yield Asked("POST", "/intake", [], token | headers, body)
        case 1 | 2:
            headers = {"Content-Type": "application/cloudevents+json"}
            if letter.language:
                headers["Accept-Language"] = letter.language
            yield Asked("POST", "/intake", [], token | headers, _structured(letter))
        case 3:
            headers = {
                name: value
                for name, value in letter.headers.items()
                if value.isascii() and value.isprintable() and value == value.strip()
            }
            yield Asked("POST", "/intake", [], token | headers, letter.body)
        case _:
            kind = letter.name.split("-")[0]
            kind = kind if kind in ("project", "forecast", "area") else "area"
            headers = {"Content-Type": "application/json", "If-Match": "*"} if at % 2 else {}
            path = f"/{kind}s/{IDS[at % len(IDS)].replace('/', '%2F')}"
            method = "DELETE" if at % 11 == 0 else "PUT"
            yield Asked(method, path, [], token | headers, letter.body)


def _structured(letter: Letter, before: str = "") -> bytes:
    head = {name[3:]: value for name, value in letter.headers.items() if name.startswith("ce-")}
    head["id"] = before + head["id"]
    return json.dumps(head).encode()[:-1] + b',"data":' + (letter.body or b"null") + b"}"


def _note(told: Told, letters: list[Letter], asked: Asked, answer: requests.Response) -> None:
    status = answer.status_code
    said = f"{asked.method} {asked.path} {asked.headers} {asked.body!r:.500}"
    said += f"\n    {status} {answer.text[:500]}"
    if status >= 500:
        told.wrong.setdefault(str(status), said)
        return
    if status >= 400:
        for fault in problem_faults(answer):
            told.wrong.setdefault(fault, said)
    whole = answer.json()
    if not isinstance(whole, list):
        whole = [whole] * len(letters)
    for letter, receipt in zip(letters, whole, strict=True):
        if receipt.get("verdict") in ("accepted", "rejected"):
            alone = asked.path == "/intake" and len(letters) == 1
            silent = replace(letter, language=None)
            told.note(letter if alone and "Accept-Language" in asked.headers else silent, receipt)
        elif status >= 400:
            told.marks.setdefault(letter.mark, set()).add("")
        elif status in (200, 202) and receipt.get("code") not in ("being_handled", "not_an_event"):
            told.wrong.setdefault("an answer without a verdict", said)


HUGE = 1e300
AMISS: dict[str, tuple[tuple[Any, str], ...]] = {
    "text": ((7, "type_wrong"), ("x\0y", "text_not_clean"), (" ", "text_empty"),
             ("x" * 3000, "text_too_long")),
    "number": (("far", "type_wrong"), (HUGE, "number_too_large")),
    "integer": (("one", "type_wrong"), (1.5, "type_wrong")),
    "boolean": (("yes", "type_wrong"), (0, "type_wrong")),
    "date": (("2027-02-30", "date_invalid"), ("1999-12-31", "date_out_of_range"),
             (7, "type_wrong")),
    "uuid": (("x", "uuid_invalid"),),
    "waste_code": (("17", "waste_code_invalid"),),
    "link": (("x y", "link_invalid"),),
}  # fmt: skip
"""Values that no field of the form takes, whatever else is told, and the code of the refusal."""


def amiss(one: Field) -> tuple[tuple[Any, str], ...]:
    """What is wrong in *one* whatever the other fields say, each with its code."""
    if one.many or one.parts is not None or one.by_code:
        return ((7, "type_wrong"),)
    if one.codes:
        return (("none such", "material_unknown" if one.list == "material" else "code_unknown"),)
    told = AMISS["text" if one.form in ("id", "note") else one.form]
    return tuple(each for each in told if each[1] != "number_too_large" or one.most < HUGE)


@st.composite
def wrong_letters(draw: st.DrawFn) -> tuple[str, dict[str, Any], dict[str, str], str]:
    """An event with any number of independent faults, the code of each by field, and a language."""
    name = draw(st.sampled_from(sorted(FIELDS)))
    told = dict(draw(st.sampled_from(BODIES[name])))
    wrong = {}
    known = {at: one for at, one in FIELDS[name].items() if at != "external_id"}
    for at in draw(st.sets(st.sampled_from(sorted(known)), min_size=1, max_size=12)):
        told[at], wrong[at] = draw(st.sampled_from(amiss(known[at])))
    if draw(st.booleans()):
        told["materiel"], wrong["materiel"] = "till", "field_unknown"
    told["external_id"] = draw(st.sampled_from(("S-1", "S-1/a", "W-1")))
    return name, told, wrong, draw(st.sampled_from(LANGUAGES))


@pytest.mark.parametrize("door", DOORS)
def test_all_faults_of_an_event_are_told_at_once_and_nothing_is_kept(
    door: str, fuzzed: Town, kept: Kept
) -> None:
    """
    Any set of independent faults, of any field of any event: a reason for each, at its pointer,
    with its code, in the language asked for; and no table of any service has changed.
    """
    found: list[Any] = []

    @tries(60)
    @given(one=wrong_letters())
    def draw(one: Any) -> None:
        found.append(one)

    draw()
    receipts: list[Mapping[str, Any]] = []
    turns = count()

    def refused() -> bool:
        turn = f"{door} {next(turns)}"
        sent = [_enveloped(one, f"{turn} {at}") for at, one in enumerate(found)]
        say = _said_over_https if door == "https" else _said_over_nats
        receipts[:] = asyncio.run(say(fuzzed, sent))
        return all(one["verdict"] == "rejected" for one in receipts)

    assert kept.left_by(refused) == []
    missed: dict[str, str] = {}
    for (name, told, wrong, language), receipt in zip(found, receipts, strict=True):
        said = {(one["pointer"], one["code"]) for one in receipt.get("reasons", ())}
        for at, code in wrong.items():
            if (f"/{at}", code) not in said:
                missed.setdefault(f"{name} {at}", f"{name} {at}: {told[at]!r:.60} {code}: {said}")
        for one in receipt.get("reasons", ()):
            if not _speaks(one, language):
                missed.setdefault(one["code"], f"{one['code']} is not told in {language}: {one}")
    assert not missed, "\n".join(missed.values())


def _enveloped(one: tuple[str, dict[str, Any], Any, str], turn: str) -> Letter:
    name, told, _, language = one
    head = {"ce-specversion": "1.0", "ce-id": f"amiss {turn}", "ce-source": f"/{OWN}",
            "ce-type": f"intake.{name}.v1", "content-type": "application/json",
            "ce-lang": language}  # fmt: skip
    return Letter(name, head, json.dumps(told).encode(), language)


async def _said_over_https(fuzzed: Town, sent: list[Letter]) -> list[Mapping[str, Any]]:
    """The receipts of *sent*, in batches of ten."""
    key = {"Authorization": f"Bearer {fuzzed.tokens['organisation']}"}
    kind = {"Content-Type": "application/cloudevents-batch+json"}
    found: list[Mapping[str, Any]] = []
    with requests.Session() as session:
        for at in range(0, len(sent), 10):
            body = b"[" + b",".join(map(_structured, sent[at : at + 10])) + b"]"
            answer = Asked("POST", "/intake", [], key | kind, body).send(
                fuzzed.url("registry"), session
            )
            found += answer.json()
    return found


async def _said_over_nats(fuzzed: Town, sent: list[Letter]) -> list[Mapping[str, Any]]:
    """The receipts of *sent*, all at once."""
    heard: dict[int, list[dict[str, Any]]] = {}
    async with _listening(fuzzed, heard) as client:
        seqs = [await _published(client, one) for one in sent]
        await eventually(lambda: _all_in(dict.fromkeys(seqs), heard), within_s=60)
    return [heard[seq][0] for seq in seqs if seq is not None]
