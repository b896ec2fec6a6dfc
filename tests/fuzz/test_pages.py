"""Every page and form of the portal, as nobody and as each person signed in, with whatever."""

import re
from typing import Any
from urllib.parse import quote, urlencode, urlsplit
from zlib import crc32

import pytest
import requests
from hypothesis import given, seed
from hypothesis import strategies as st

from deploy.cards import cards
from tests.architecture.test_routes import routes
from tests.fuzz import hostile
from tests.fuzz.asking import EXAMPLES, Asked, Findings, Operation, fits, sendable, tries
from tests.fuzz.roles import OWN, PEOPLE, Town
from tests.kept import Kept
from tests.signing_in import SESSION

pytestmark = [pytest.mark.fuzz, pytest.mark.timeout(3600)]
SHORT = {"GET": 1, "POST": 3}
"""Tries of each page and form in the short run, as each person."""
LONGEST = 3000
SCRIPT = "\"'><script>alert(1)</script>"
BOUNDARY = "massakoppi-boundary"
PARTS = ("matches", "match", "loads", "near_misses", "plan", "import", "confirm", "contacts")
MULTIPART = ("/imports",)


def forms(town: Town) -> dict[str, dict[str, str]]:
    """What each form says when all is well; a new form without a row fails."""
    load = {"tonnes": "24,5", "moved_on": "1.11.2026", "waybill": "W-1", "method": "weighed",
            "haul_km": "12,5", "energy": "diesel", "vehicle": "lorry", "region": "01"}  # fmt: skip
    return {
        "/matches/{match}/decisions": {
            "decision": "counter", "revision": "1", "organisation": OWN, "region": "01",
            "reason": "timing", "note": "a note", "tonnes": "500", "first": "1.2.2027",
            "last": "1.3.2027", "page": "match",
        },
        "/matches/{match}/deliveries": {
            **load, "revision": "1", "organisation": OWN, "outlet": "need_direct",
            "area": town.known[-1], "corrects": town.known[-1],
        },
        "/deliveries": {**load, "forecast": town.forecast, "to": "onsite", "form": "f"},
        "/deliveries/{delivery}": {**load, "match": town.match, "revision": "1"},
        "/settings/notifications": {"language": "sv", "mail": "true"},
        "/settings/connections": {"webhook": town.known[-1]},
        "/duplicates/{notice}/read": {"region": "01"},
        "/confirm": {"forecast": town.forecast, "region": "01"},
        "/duplicates": {
            "decision": "link", "counts": town.forecast, "duplicate": town.known[-1],
            "region": "01", "show": "suggested",
        },
        "/imports": {
            "organisation": OWN, "mapping": "template", "region": "01", "sheet": "1",
            "file": "a;b\n1;2\n",
        },
        "/imports/{id}/commit": {"only_good": "true"},
        "/language": {"to": "sv", "then": "/plan"},
        "/logout": {},
    }  # fmt: skip


def pages() -> list[tuple[str, str, tuple[str, ...]]]:
    """Method, path and the names that are read of the query, of all but the endless stream."""
    (portal,) = (one for one in cards() if one.name == "portal")
    assert portal.api is not None
    found = []
    for route in routes(portal.api):
        needed = route.dependant  # codespell:ignore dependant
        names = tuple(one.alias for one in needed.query_params)
        found += [(method, route.path, names) for method in sorted(route.methods)]
    return [one for one in found if one[1] != "/events"]


@st.composite
def asked_of(draw: st.DrawFn, method: str, path: str, read: tuple[str, ...], town: Town) -> Asked:
    """A request at *path*: the page as it asks itself, with some of it hostile, or all."""
    texts = st.sampled_from((*town.known, *hostile.TEXTS, SCRIPT))
    usual = {"match": town.match, "forecast": town.forecast, "id": town.known[-1],
             "organisation": OWN, "name": draw(st.sampled_from(PARTS))}  # fmt: skip
    for name in re.findall(r"{([^}]*)}", path):
        told = usual.get(name, "x") if draw(st.integers(0, 3)) else draw(texts)
        told = quote(told.encode("utf-8", "surrogatepass"), safe="") or "%20"
        path = path.replace(f"{{{name}}}", told[:LONGEST])
    names = st.sampled_from((*read, "x"))
    pairs = draw(st.lists(st.tuples(names, texts), max_size=4))
    query = [(name, sendable(value)[:LONGEST]) for name, value in pairs]
    headers = draw(hostile.headers) if draw(st.integers(0, 2)) == 0 else {}
    if draw(st.booleans()):
        headers["X-Live"] = "1"
    body = None
    if method == "POST":
        route = next(one for one in forms(town) if _fills(one, path))
        form = draw(_bent(forms(town)[route], texts))
        kind = f"multipart/form-data; boundary={BOUNDARY}"
        if route not in MULTIPART:
            kind = "application/x-www-form-urlencoded"
        body = _multipart(form) if route in MULTIPART else urlencode(form).encode()
        if draw(st.integers(0, 9)) == 0:
            body = draw(st.sampled_from(hostile.RAW))
        headers.setdefault("Content-Type", kind)
        if draw(st.integers(0, 19)):
            headers["Sec-Fetch-Site"] = "same-origin"
    headers = {name: value for name, value in headers.items() if fits(name, value)}
    return Asked(method, path, query, headers, body)


def _fills(path: str, filled: str) -> bool:
    return bool(re.fullmatch(re.sub(r"{[^}]*}", "[^/]*", path), filled))


@st.composite
def _bent(draw: st.DrawFn, form: dict[str, str], texts: Any) -> list[tuple[str, str]]:
    """*form* with none to three of its fields hostile, gone, or told twice."""
    told = list(form.items())
    for _ in range(draw(st.integers(0, 3)) if told else 0):
        at = draw(st.integers(0, len(told) - 1))
        match draw(st.sampled_from(("text", "text", "gone", "twice", "empty"))):
            case "text":
                told[at] = (told[at][0], sendable(draw(texts)))
            case "gone" if len(told) > 1:
                told.pop(at)
            case "twice":
                told.append((told[at][0], sendable(draw(texts))))
            case _:
                told[at] = (told[at][0], "")
    return told


def _multipart(form: list[tuple[str, str]]) -> bytes:
    parts = []
    for name, value in form:
        named = '; filename="masses.csv"' if name == "file" else ""
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'
        parts.append(head.encode() + value.encode() + b"\r\n")
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def faults_of(asked: Asked, answer: requests.Response, town: Town) -> list[str]:
    """Why *answer* is no page that a person can go on from."""
    status, found = answer.status_code, []
    if status >= 500:
        found.append(str(status))
    if "Traceback" in answer.text or "<script>alert(1)" in answer.text:
        found.append(f"{status} shows what it should not")
    if status in (301, 302, 303, 307):
        to, provider = answer.headers["Location"], town.platform.system.urls["oidc"]
        if not re.match(r"/([^/\\]|$)", to) and not to.startswith(f"{provider}/"):
            found.append(f"sent away to {urlsplit(to).netloc or to}")
    if status == 422 and asked.method == "POST" and not _named(answer.text):
        found.append("422 names no field")
    return found


def _named(page: str) -> bool:
    """Whether *page* says which field is wrong: a link to it, or its name among those wrong."""
    problem = re.search(r'id="problem".*?</p>', page, re.DOTALL)
    return "data-field=" in page or (problem is not None and 'href="#' in problem[0])


def test_every_form_of_the_portal_is_known_here(fuzzed: Town) -> None:
    """A new form is fuzzed from what it says when all is well."""
    assert set(forms(fuzzed)) == {path for method, path, _ in pages() if method == "POST"}


@pytest.mark.parametrize("who", ("nobody", *PEOPLE))
def test_every_page_and_form_answers_whatever_it_is_asked(
    who: str, fuzzed: Town, kept: Kept, capsys: Any
) -> None:
    """No 5xx and no traceback; wrong input is answered with a page that names the field."""
    found = Findings()
    for method, path, read in pages():
        _look(method, path, read, who, fuzzed, kept, found)
    if EXAMPLES:
        with capsys.disabled():
            print(f"\nportal as {who}: {found.answers.total()} requests, {dict(found.answers)}")
    assert not found.wrong, str(found)


def _look(
    method: str, path: str, read: tuple[str, ...], who: str, town: Town, kept: Kept,
    found: Findings,
) -> None:  # fmt: skip
    browser = town.browser(who)
    label = Operation("portal", method, path, {}, {}).label

    @seed(crc32(f"{who} {label}".encode()) if not EXAMPLES else None)
    @tries(SHORT[method])
    @given(asked=asked_of(method, path, read, town))
    def look(asked: Asked) -> None:
        nonlocal browser
        if who in PEOPLE and SESSION not in browser.cookies:  # signed out by what was asked
            browser = town.browser(who)

        def refused() -> bool:
            answer = asked.send(town.url("portal"), browser)
            answers.append(answer)
            found.answers[f"{answer.status_code // 100}xx"] += 1
            for fault in faults_of(asked, answer, town):
                found.say(f"{label}: {fault}", who, asked, answer)
            return answer.status_code >= 400 or method == "GET"

        answers: list[requests.Response] = []
        if left := kept.left_by(refused):
            what = "refused" if method == "POST" else "only asked"
            found.say(f"{label}: {what}, and {left} changed", who, asked, answers[-1])

    look()
    browser.close()
