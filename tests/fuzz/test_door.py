"""Whatever a company says at either door gets one receipt with every reason, and nothing breaks."""

import asyncio
import contextlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nats
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from nats.errors import Error as NatsError
from nats.js.errors import APIError

from services.registry.domain.texts import LANGUAGES, TEXTS
from shared.contracts.intake import HANDED
from tests.conftest import eventually
from tests.fuzz import hostile
from tests.fuzz.asking import EXAMPLES, Asked, problem_faults, tries
from tests.fuzz.roles import OTHER, OWN, Town

pytestmark = [pytest.mark.fuzz, pytest.mark.timeout(3600)]
GOLDEN = Path(__file__).parents[1] / "contracts" / "golden"
SHORT = 250
"""Letters in the short run, at each door."""
AT_ONCE = 200
ACCEPTED = ("taken", "unchanged", "superseded")

BODIES = {
    name: [json.loads(path.read_text()) for path in sorted((GOLDEN / contract.name).glob("*.json"))]
    for name, contract in HANDED.items()
}
IDS = ("S-1", "S-1/a", "S-2", "S-2/a", "F-1", "F-2", "F-3")
"""External ids that meet each other: our own, those of another company, and new ones."""


@dataclass
class Letter:
    """One message for the door: its name in the subject, headers and bytes."""

    name: str
    headers: dict[str, str]
    body: bytes
    language: str | None

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
        if letter.headers["ce-id"] == "":
            letter.headers["ce-id"] = f"{door}-{at}"
    return found


@dataclass
class Told:
    """What the door said of letters, and what it should not have said."""

    verdicts: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    wrong: dict[str, str] = field(default_factory=dict)

    def note(self, letter: Letter, receipt: Mapping[str, Any]) -> None:
        verdict, code = receipt.get("verdict"), receipt.get("code")
        self.verdicts[str(verdict)] += 1
        for fault in _faults(letter, receipt):
            self.wrong.setdefault(fault, f"{fault}\n    {letter.said}\n    {receipt}")
        for reason in receipt.get("reasons", ()):
            self.codes[reason["code"]] += 1
        if verdict == "accepted":
            self.codes[str(code)] += 1

    def __str__(self) -> str:
        return "\n".join([f"{dict(self.verdicts)} {dict(self.codes)}", *self.wrong.values()])


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


async def test_every_letter_over_nats_gets_one_receipt_and_nothing_breaks(
    fuzzed: Town, capsys: Any
) -> None:
    """Accepted or refused with all reasons, in the language asked for; the other's stays as is."""
    others = await _things_of_the_other(fuzzed)
    told = Told()
    heard: dict[int, list[dict[str, Any]]] = {}
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
    sent: dict[int, Letter] = {}
    everything = drawn("nats")
    for at in range(0, len(everything), AT_ONCE):
        for letter in everything[at : at + AT_ONCE]:
            if (seq := await _published(client, letter)) is not None:
                sent[seq] = letter
        with contextlib.suppress(AssertionError):  # which were not answered is told below
            await eventually(lambda: _all_in(sent, heard), within_s=120)
        unheard = {seq: letter for seq, letter in sent.items() if seq not in heard}
        assert not unheard, f"no receipt of {unheard}, but of {sorted(heard)}"
    await client.close()
    for seq, letter in sent.items():
        told.note(letter, heard[seq][0])
        if any(one != heard[seq][0] for one in heard[seq][1:]):
            told.wrong["two receipts that differ"] = f"{letter.said} {heard[seq]}"
    if EXAMPLES:
        with capsys.disabled():
            print(f"\nNATS: {len(sent)} letters, {dict(told.verdicts)}, {len(told.codes)} codes")

    assert not told.wrong, str(told)
    assert await _things_of_the_other(fuzzed) == others
    await fuzzed.is_whole()


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


def test_every_letter_over_https_gets_its_receipt_as_the_answer(fuzzed: Town, capsys: Any) -> None:
    """Binary, structured, in a batch, or as a thing under its id: never a 5xx, the same reasons."""
    told = Told()
    answers: Counter[int] = Counter()
    with requests.Session() as session:
        everything = drawn("https")
        for at, letter in enumerate(everything):
            for asked in _ways(fuzzed.tokens["organisation"], letter, everything[at : at + 5], at):
                answer = asked.send(fuzzed.url("registry"), session)
                answers[answer.status_code] += 1
                _note(told, letter, asked, answer)
    if EXAMPLES:
        with capsys.disabled():
            print(f"\nHTTPS: {answers.total()} requests, {dict(answers)}, {len(told.codes)} codes")
    assert not told.wrong, str(told)
    asyncio.run(fuzzed.is_whole())


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


def _note(told: Told, letter: Letter, asked: Asked, answer: requests.Response) -> None:
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
    silent = Letter(letter.name, letter.headers, letter.body, None)
    for receipt in whole if isinstance(whole, list) else [whole]:
        if receipt.get("verdict") in ("accepted", "rejected"):
            alone = asked.path == "/intake" and not isinstance(whole, list) and asked.body
            told.note(letter if alone and "Accept-Language" in asked.headers else silent, receipt)
        elif status in (200, 202) and receipt.get("code") not in ("being_handled", "not_an_event"):
            told.wrong.setdefault("an answer without a verdict", said)


WRONGS: dict[str, tuple[Any, str]] = {
    "material": ("clai", "code_unknown"),
    "quantity": (-5, "number_negative"),
    "unit": ("barrels", "code_unknown"),
    "available_from": ("2027-02-30", "date_invalid"),
    "lat": ("far", "type_wrong"),
    "contamination": ("P9", "code_unknown"),
    "stones_percent": (101, "number_too_large"),
    "visibility": ("all", "code_unknown"),
    "note": ("x\0y", "text_not_clean"),
    "owner": (7, "type_wrong"),
    "materiel": ("till", "field_unknown"),
}
"""Faults that do not depend on each other, by field: the value, and the code it is refused with."""


def test_all_faults_of_an_event_are_told_at_once(fuzzed: Town) -> None:
    """Any set of independent faults: a reason for each, at its pointer."""
    good = BODIES["forecast-updated"][0] | {"project": "S-1"}
    missed: dict[str, str] = {}

    @tries(40)
    @given(fields=st.sets(st.sampled_from(sorted(WRONGS)), min_size=1), number=st.integers(0))
    def tell(fields: set[str], number: int) -> None:
        told = {**good, "external_id": f"W-{number}", **{name: WRONGS[name][0] for name in fields}}
        told.pop("external_revision", None)
        headers = {"Authorization": f"Bearer {fuzzed.tokens['organisation']}"}
        answer = requests.put(
            f"{fuzzed.url('registry')}/forecasts/W-{number}", json=told, headers=headers, timeout=60
        )
        found = {(one["pointer"], one["code"]) for one in answer.json()["reasons"]}
        for name in fields:
            if not any(pointer == f"/{name}" for pointer, _ in found):
                missed.setdefault(name, f"{name} among {sorted(fields)}: {found}")

    tell()
    assert not missed, "\n".join(missed.values())
