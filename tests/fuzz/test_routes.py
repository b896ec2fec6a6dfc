"""Every route, as every role, with what fits and what does not: never a fault of ours."""

from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from deploy.cards import cards
from shared.service import Service
from tests.fuzz.asking import (
    EXAMPLES,
    Findings,
    Operation,
    operations,
    requests_of,
    tries,
)
from tests.fuzz.roles import Town
from tests.kept import Kept

pytestmark = [
    pytest.mark.fuzz,
    pytest.mark.timeout(3600),
    # a strategy made of a whole description is long to print; it is printed once
    pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning"),
]
APIS = [one for one in cards() if one.api is not None and one.name != "portal"]
SHORT = 5
"""Tries of each operation in the short run."""


@pytest.mark.parametrize("service", APIS, ids=lambda one: one.name)
def test_whatever_is_asked_is_answered_as_described_or_refused_with_a_code(
    service: Service, fuzzed: Town, kept: Kept, capsys: Any
) -> None:
    """
    No 5xx; each refusal a problem with a code and a text, and nothing changed by it, or by looking.
    """
    found = Findings()
    with requests.Session() as session:
        for one in operations(service):
            _ask(one, fuzzed, session, kept, found)
    if EXAMPLES:
        with capsys.disabled():
            print(f"\n{service.name}: {found.answers.total()} requests, {dict(found.answers)}")
    assert not found.wrong, str(found)


async def test_after_all_of_it_nothing_is_broken(fuzzed: Town) -> None:
    """No service died, nothing was set aside, and every promise of delivery holds."""
    await fuzzed.is_whole()


def _ask(
    one: Operation, fuzzed: Town, session: requests.Session, kept: Kept, found: Findings
) -> None:
    roles = st.sampled_from((None, *fuzzed.tokens))

    @tries(SHORT)
    @given(who=roles, asked=requests_of(one, fuzzed.known))
    def ask(who: str | None, asked: Any) -> None:
        if who is not None:
            asked.headers.setdefault("Authorization", f"Bearer {fuzzed.tokens[who]}")
        else:
            asked.headers.pop("Authorization", None)

        def refused() -> bool:
            answer = asked.send(fuzzed.url(one.service), session)
            answers.append(answer)
            found.note(one, who or "nobody", asked, answer)
            return answer.status_code >= 400 or not one.is_write

        answers: list[requests.Response] = []
        if left := kept.left_by(refused):
            what = "refused" if one.is_write else "only asked"
            found.say(f"{one.label}: {what}, and {left} changed", who or "", asked, answers[-1])

    ask()
