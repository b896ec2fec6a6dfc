"""Every letter leads to a page that there is."""

import re
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from starlette.routing import Match as Matched

from deploy.cards import cards
from services.notifier import domain
from tests.architecture.test_routes import routes
from tests.notifier.builders import GIVER, a_match, a_question, heard
from tests.notifier.test_facts import a_pair
from tests.notifier.test_near import a_near_miss

DESK = "https://desk.example"
ANY_PATH = "/{_:path}"


def letters() -> dict[str, domain.Letter]:
    """A letter of each kind."""
    question = a_question().model_dump(mode="json", exclude_none=True)
    near = a_near_miss()
    almost = domain.near_miss_from(near.model_dump(mode="json", exclude_none=True), near.at)
    twice = a_pair("forum", "forum").model_dump(mode="json", exclude_none=True)
    several = [
        (a_near_miss(surplus=near.surplus).model_dump(mode="json", exclude_none=True), (GIVER,))
        for _ in range(2)
    ]
    return {
        "match": domain.letter_about(
            heard(a_match()), language="fi", why="contact", organisations=(GIVER,), places={},
            projects={}, names={}, portal_url=DESK,
        ),
        "question": domain.letter_of_question(
            question, language="fi", why="contact", portal_url=DESK
        ),
        "near misses": domain.letter_of_near_misses(
            [almost], language="fi", why="contact", places={}, portal_url=DESK
        ),
        "duplicates": domain.letter_of_pairs(
            [(domain.pair_from(twice, near.at), (GIVER,))], language="fi", why="coordinator",
            region="99", places={}, portal_url=DESK,
        ),
        "openings": domain.letter_of_openings(
            domain.openings_among(several), language="fi", why="coordinator", places={},
            portal_url=DESK,
        ),
        "webhook": domain.letter_of_disabled(
            {"organisation": GIVER, "host": "ours.example"}, language="fi", portal_url=DESK
        ),
    }  # fmt: skip


@pytest.mark.parametrize("kind", letters())
def test_a_letter_leads_to_pages_that_there_are(kind: str) -> None:
    """Where the thing can be done, and where mail is turned off."""
    portal = next(card for card in cards() if card.name == "portal")
    assert portal.api is not None
    pages = [one for one in routes(portal.api) if one.path != ANY_PATH]
    told = letters()[kind]
    links = set(re.findall(rf"{DESK}(/[^\s]*)", told.text))
    assert len(links) == 2
    for link in links:
        scope = {"type": "http", "method": "GET", "path": urlsplit(link).path}
        assert any(page.matches(scope)[0] is Matched.FULL for page in pages), link


def test_the_letters_lead_to_what_they_are_about() -> None:
    """Not to the front page, where it would have to be looked for."""
    told = {kind: letter.text for kind, letter in letters().items()}
    assert re.search(rf"{DESK}/matches/[0-9a-f-]{{36}}\n", told["match"])
    found = re.search(rf"{DESK}/confirm\?region=99&forecast=(\S+)", told["question"])
    assert found is not None and UUID(found[1])
    assert f"{DESK}/near-misses?region=01\n" in told["near misses"]
    assert f"{DESK}/duplicates?region=99&show=suggested\n" in told["duplicates"]
    opens = re.search(rf"{DESK}/openings/(\S+)\?region=01\n", told["openings"])
    assert opens is not None and UUID(opens[1])
    assert f"{DESK}/settings/connections\n" in told["webhook"]
