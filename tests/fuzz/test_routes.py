"""Every route, as every role, with what fits and what does not: never a fault of ours."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import asyncpg
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from deploy.cards import cards
from shared.service import Service
from tests.architecture.test_routes import routes
from tests.fuzz.asking import (
    EXAMPLES,
    Findings,
    Operation,
    anything_at,
    operations,
    requests_of,
    tries,
)
from tests.fuzz.roles import Town

pytestmark = [
    pytest.mark.fuzz,
    pytest.mark.timeout(3600),
    # a strategy made of a whole description is long to print; it is printed once
    pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning"),
]
APIS = [one for one in cards() if one.api is not None and one.name != "portal"]
SHORT = 5
"""Tries of each operation in the short run."""

CHANGED_BY_ASKING = {
    "registry": ("region", "organisation", "organisation_key", "mandate", "membership",
                 "project", "forecast", "area", "duplicate"),
    "matcher": ("decision", "delivery"),
    "notifier": ("webhook", "preference", "notice", "inbox_entry"),
    "indicators": (),
}  # fmt: skip
"""The tables that only a request changes while nothing else happens: a refused one must not."""


@pytest.fixture(scope="module")
def rows_of(fuzzed: Town) -> Iterator[Callable[[str], Any]]:
    """What stands in a service's `CHANGED_BY_ASKING`, as one value to compare."""
    loop = asyncio.new_event_loop()
    opened: dict[str, asyncpg.Connection[Any]] = {}

    def look(service: str) -> Any:
        if service not in opened:
            url = f"{fuzzed.platform.system.postgres_url}/massakoppi_{service}"
            opened[service] = loop.run_until_complete(asyncpg.connect(url))
        asked = " UNION ALL ".join(
            f"SELECT '{name}', count(*), coalesce(sum(hashtext(t::text)::bigint), 0) FROM {name} t"
            for name in CHANGED_BY_ASKING[service]
        )
        found = loop.run_until_complete(opened[service].fetch(asked)) if asked else []
        return [tuple(row) for row in found]

    yield look
    for connection in opened.values():
        loop.run_until_complete(connection.close())
    loop.close()


@pytest.mark.parametrize("service", APIS, ids=lambda one: one.name)
def test_whatever_is_asked_is_answered_as_described_or_refused_with_a_code(
    service: Service, fuzzed: Town, rows_of: Callable[[str], Any], capsys: Any
) -> None:
    """No 5xx; each refusal a problem with a code and a text, and nothing changed by it."""
    found = Findings()
    with requests.Session() as session:
        for one in operations(service):
            _ask(one, fuzzed, session, rows_of, found)
    if EXAMPLES:
        with capsys.disabled():
            print(f"\n{service.name}: {found.answers.total()} requests, {dict(found.answers)}")
    assert not found.wrong, str(found)


def test_the_portal_answers_whatever_it_is_asked(fuzzed: Town, capsys: Any) -> None:
    """Pages, forms and uploads, asked by nobody: never a 5xx but for the missing sign-in."""
    (portal,) = (one for one in cards() if one.name == "portal")
    assert portal.api is not None
    found = Findings()
    with requests.Session() as session:
        for route in routes(portal.api):
            if route.path != "/events":  # a stream that never ends
                for method in sorted(route.methods):
                    _look(method, route.path, fuzzed, session, found)
    assert found.answers.total() > 0
    if EXAMPLES:
        with capsys.disabled():
            print(f"\nportal: {found.answers.total()} requests, {dict(found.answers)}")
    assert not found.wrong, str(found)


async def test_after_all_of_it_nothing_is_broken(fuzzed: Town) -> None:
    """No service died, nothing was set aside, and every promise of delivery holds."""
    await fuzzed.is_whole()


def _look(method: str, path: str, fuzzed: Town, session: requests.Session, found: Findings) -> None:
    one = Operation("portal", method, path, {}, {})

    @tries(SHORT)
    @given(asked=anything_at(method, path, fuzzed.known))
    def look(asked: Any) -> None:
        answer = asked.send(fuzzed.url("portal"), session)
        found.answers[f"{answer.status_code // 100}xx"] += 1
        if answer.status_code >= 500 and (path, answer.status_code) != ("/login", 503):
            found.say(f"{one.label}: {answer.status_code}", "nobody", asked, answer)

    look()


def _ask(
    one: Operation, fuzzed: Town, session: requests.Session, rows_of: Any, found: Findings
) -> None:
    roles = st.sampled_from((None, *fuzzed.tokens))

    @tries(SHORT)
    @given(who=roles, asked=requests_of(one, fuzzed.known))
    def ask(who: str | None, asked: Any) -> None:
        if who is not None:
            asked.headers.setdefault("Authorization", f"Bearer {fuzzed.tokens[who]}")
        else:
            asked.headers.pop("Authorization", None)
        before = rows_of(one.service) if one.is_write else None
        answer = asked.send(fuzzed.url(one.service), session)
        found.note(one, who or "nobody", asked, answer)
        if one.is_write and answer.status_code >= 400 and rows_of(one.service) != before:
            found.say(f"{one.label}: refused, and changed something", who or "", asked, answer)

    ask()
