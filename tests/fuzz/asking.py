"""Requests made of an API's own description, bent out of shape, and what no answer may be."""

import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from deploy.codes import refused_codes
from deploy.generated import openapi
from services.registry.domain.texts import TEXTS
from shared.problems import problem_codes
from shared.service import Service
from tests.described import described
from tests.fuzz import hostile

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))
"""How many tries each part gets in the long run; 0 in the short one, which has its own counts."""
PROBLEM = "application/problem+json"
CODE = re.compile(r"[a-z][a-z0-9_.]{2,60}")
TIMEOUT_S = 60
NOT_OURS = ("User-Agent", "Accept-Encoding", "Accept", "Connection", "Authorization",
            "X-Schemathesis-TestCaseId")  # fmt: skip
OUTAGES = ("provider_away",)
"""What may answer 503 here: there is no sign-in provider under test."""
LISTED = {*problem_codes(), *TEXTS, *refused_codes()}
"""The codes of docs/codes.md that an answer over HTTP may bear."""
NO_HTTP = "Invalid HTTP request received."
"""What the server says of an address too long to read, before any service is asked."""


def tries(short: int) -> settings:
    """Settings for *short* tries that are the same each time, or for `EXAMPLES` new ones."""
    return settings(
        max_examples=EXAMPLES or short,
        derandomize=not EXAMPLES,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )


@dataclass
class Asked:
    """One request."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes | None

    def send(self, base: str, session: requests.Session) -> requests.Response:
        return session.request(
            self.method,
            base + self.path,
            params=self.query,
            headers={name: value.encode("latin-1") for name, value in self.headers.items()},
            data=self.body,
            allow_redirects=False,
            timeout=TIMEOUT_S,
        )


@dataclass(repr=False)
class Operation:
    """One operation of a service's description, and what makes requests of it."""

    service: str
    method: str
    path: str
    described: Mapping[str, Any]
    made: dict[GenerationMode, st.SearchStrategy[Any]]

    @property
    def label(self) -> str:
        return f"{self.service} {self.method} {self.path}"

    def __repr__(self) -> str:
        return self.label  # the strategies' own take megabytes

    @property
    def is_write(self) -> bool:
        return self.method not in ("GET", "HEAD")


def operations(service: Service) -> Iterator[Operation]:
    """Every operation of *service*, from the description that it serves."""
    held = described(service.name)
    for result in schemathesis.openapi.from_dict(openapi(service)).get_all_operations():
        one = result.ok()
        told = held.document["paths"][one.path][one.method.lower()]
        made = {mode: one.as_strategy(generation_mode=mode)
                for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)}  # fmt: skip
        yield Operation(service.name, one.method.upper(), one.path, told, made)


@st.composite
def requests_of(draw: st.DrawFn, one: Operation, known: tuple[str, ...]) -> Asked:
    """A request of *one*: as described, against it, with known ids in it, or hostile throughout."""
    mode = draw(st.sampled_from((GenerationMode.POSITIVE, GenerationMode.NEGATIVE)))
    case = draw(one.made[mode])
    sent = case.as_transport_kwargs(base_url="http://x")
    places = {str(name): value for name, value in (case.path_parameters or {}).items()}
    for name in places:
        how = draw(st.integers(0, 9))
        if how < 6:
            places[name] = draw(st.sampled_from(known))
        elif how == 6:
            places[name] = draw(st.sampled_from(hostile.TEXTS))
    path = one.path
    for name, value in places.items():
        told = quote(str(value).encode("utf-8", "surrogatepass"), safe="")
        for form in (f"{{{name}}}", f"{{{name}:path}}"):
            path = path.replace(form, told or "%20")
    query = [
        (str(name), str(each))
        for name, value in (case.query or {}).items()
        for each in (value if isinstance(value, list) else [value])
    ]
    query = [(name, draw(_perhaps(value, known))) for name, value in query]
    if draw(st.integers(0, 9)) == 0 and query:
        query.append((query[0][0], draw(st.sampled_from(hostile.TEXTS))))
    query = [(sendable(name), sendable(value)) for name, value in query]
    headers = {
        str(name): str(value)
        for name, value in (sent.get("headers") or {}).items()
        if name not in NOT_OURS
    }
    body = _body(sent, headers)
    if one.is_write:
        body = draw(_bent(body, known))
    if draw(st.booleans()):
        headers |= draw(hostile.headers)
    headers = {name: value for name, value in headers.items() if fits(name, value)}
    return Asked(one.method, path, query, headers, body)


def _perhaps(value: str, known: tuple[str, ...]) -> st.SearchStrategy[str]:
    return st.integers(0, 9).flatmap(
        lambda how: st.sampled_from(known) if how < 3
        else st.sampled_from(hostile.TEXTS) if how == 3 else st.just(value)
    )  # fmt: skip


def sendable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _body(sent: dict[str, Any], headers: dict[str, str]) -> bytes | None:
    told = requests.Request(
        "POST", "http://x", headers=headers, json=sent.get("json"), data=sent.get("data"),
        files=sent.get("files"),
    )  # fmt: skip
    try:
        ready = told.prepare()
    except (ValueError, TypeError):  # what no request can carry
        return hostile.written(sent.get("json", sent.get("data")))
    if kind := ready.headers.get("Content-Type"):
        headers["Content-Type"] = kind if isinstance(kind, str) else kind.decode("latin-1")
    if isinstance(ready.body, str):
        return ready.body.encode("utf-8", "replace")
    return ready.body if isinstance(ready.body, bytes) else None


@st.composite
def _bent(draw: st.DrawFn, body: bytes | None, known: tuple[str, ...]) -> bytes | None:
    how = draw(st.integers(0, 9))
    if how == 0:
        return draw(st.sampled_from(hostile.RAW))
    if how == 1 or body is None:
        return hostile.written(draw(hostile.values)) if how == 1 else body
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return body
    if not isinstance(told, dict) or how < 4:
        return body
    for name, value in told.items():
        if isinstance(value, str) and draw(st.booleans()):
            told[name] = draw(st.sampled_from(known))
    return draw(hostile.mutated(told)) if how > 6 else hostile.written(told)


def fits(name: str, value: str) -> bool:
    try:
        value.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return name.isascii() and not re.search(r"[\r\n\0]", value) and value == value.strip()


@dataclass
class Findings:
    """What was asked, and every answer that should not have been; each kind told once."""

    answers: Counter[str] = field(default_factory=Counter)
    wrong: dict[str, str] = field(default_factory=dict)

    def note(self, one: Operation, who: str, asked: Asked, answer: requests.Response) -> None:
        self.answers[f"{answer.status_code // 100}xx"] += 1
        for fault in faults_of(one, answer):
            self.say(f"{one.label}: {fault}", who, asked, answer)

    def say(self, what: str, who: str, asked: Asked, answer: requests.Response) -> None:
        headers = {name: value for name, value in asked.headers.items() if name != "Authorization"}
        self.wrong.setdefault(
            what,
            f"{what}\n    as {who}: {asked.method} {asked.path} {asked.query} {headers}\n"
            f"    {(asked.body or b'')[:600]!r}\n    {answer.status_code} {answer.text[:600]!r}",
        )

    def __str__(self) -> str:
        return "\n".join(
            [f"{len(self.wrong)} faults in {dict(self.answers)}", *self.wrong.values()]
        )


def faults_of(one: Operation, answer: requests.Response) -> Iterator[str]:
    """Why *answer* is not as promised: a 5xx, no problem, or not what is described."""
    status = answer.status_code
    if status >= 500:
        if status != 503 or answer.json().get("code") not in OUTAGES:
            yield f"{status}"
        return
    if status == 400 and answer.text == NO_HTTP:
        return
    if status >= 400:
        yield from problem_faults(answer)
    if status != 405:  # the path is another's, which has no such method
        held = described(one.service)
        yield from held.faults(one.described, status, answer.headers, answer.content)


def problem_faults(answer: requests.Response) -> Iterator[str]:
    """Why *answer* is no problem of RFC 9457 with a code, a text and reasons that are whole."""
    status = answer.status_code
    kind = answer.headers.get("content-type", "").partition(";")[0]
    if kind != PROBLEM:
        yield f"{status} as {kind!r} is no problem"
        return
    told = answer.json()
    if told.get("status") != status:
        yield f"{status} tells another status"
    for each in (told, *told.get("reasons", ())):
        code = str(each.get("code", ""))
        if code not in LISTED and not code.startswith("field_"):
            yield f"{status} has a code that is not listed: {code!r}"
        if not str(each.get("detail") or each.get("text") or "").strip():
            yield f"{status} {each.get('code')} has no text"
