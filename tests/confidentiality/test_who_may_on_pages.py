"""Who gets what from the portal with a cookie: every page and form, for nobody and three people."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from deploy.allinone import Platform
from deploy.asking import Asking
from tests.confidentiality.test_who_may import NOBODY, every_route, known
from tests.platform import a_forecast, a_need, a_project, company, first_match
from tests.signing_in import browser, sign_in_beside

OWN, COUNTERPART, OUTSIDER = "sivut-a", "sivut-b", "sivut-c"
WHO = ("nobody", "own", "outsider", "regional")
TONNES = "4321"
"""Of the match of `OWN`: nobody else has so many."""

# the status for each of WHO; a new page without a row fails
PAGES = {
    "GET /static/{mark}/{name}": (404, 404, 404, 404),
    "GET /fragments/{name}": (200, 200, 200, 200),
    "POST /matches/{match}/decisions": (403, 403, 403, 403),
    "POST /matches/{match}/deliveries": (403, 403, 403, 403),
    "GET /deliveries": (303, 200, 200, 200),
    "POST /deliveries": (403, 403, 403, 403),
    "POST /deliveries/{delivery}": (403, 403, 403, 403),
    "GET /matches/{match}": (303, 200, 404, 200),
    "GET /near-misses": (303, 200, 200, 200),
    "GET /openings/{forecast}": (303, 200, 200, 200),
    "GET /plan": (303, 200, 200, 200),
    "GET /plan.csv": (303, 200, 200, 200),
    "GET /confirm": (303, 200, 200, 200),
    "POST /confirm": (403, 403, 403, 403),
    "GET /duplicates": (303, 200, 200, 200),
    "POST /duplicates": (403, 403, 403, 403),
    "POST /duplicates/{notice}/read": (403, 403, 403, 403),
    "GET /to-call": (303, 200, 200, 200),
    "GET /to-call/{organisation}": (303, 200, 200, 200),
    "GET /settings/notifications": (303, 200, 200, 200),
    "POST /settings/notifications": (403, 403, 403, 403),
    "GET /settings/connections": (303, 200, 200, 200),
    "POST /settings/connections": (403, 403, 403, 403),
    "GET /imports": (303, 200, 200, 200),
    "GET /imports/template.xlsx": (200, 200, 200, 200),
    "POST /imports": (403, 403, 403, 403),
    "GET /imports/{id}": (303, 404, 404, 404),
    "POST /imports/{id}/commit": (403, 403, 403, 403),
    "GET /imports/{id}/errors.csv": (303, 404, 404, 404),
    "GET /login": (303, 303, 303, 303),
    "GET /callback": (400, 400, 400, 400),
    "GET /": (200, 200, 200, 200),
    "POST /language": (403, 403, 403, 403),
    "GET /{_:path}": (404, 404, 404, 404),
    "POST /logout": (403, 403, 403, 403),
}
SEES = ("own", "regional")


@pytest.fixture(scope="module")
async def sign_in_server(platform: Platform) -> AsyncIterator[None]:
    """The demo's sign-in, with a person for each of `WHO` but nobody."""
    people = {f"sivut-{who}": who for who in WHO[1:]}
    async with sign_in_beside(platform, people):
        yield


@pytest.fixture(scope="module")
async def things(platform: Platform, sign_in_server: None) -> dict[str, str]:
    """A match of `OWN`, and people: its coordinator, another company's, and the region's."""
    own, counterpart = await company(platform, OWN), await company(platform, COUNTERPART)
    await company(platform, OUTSIDER)
    async with Asking(platform.system) as ask:
        for token, who, role in (
            (OWN, "own", "coordinator"), (OUTSIDER, "outsider", "coordinator"),
            (OUTSIDER, "regional", "regional_coordinator"),
        ):  # fmt: skip
            await ask(
                "registry", "POST", f"/organisations/{token}/members",
                {"name": who, "email": f"sivut-{who}@example.invalid", "roles": [role],
                 "subject": f"sivut-{who}",
                 **({"regions": ["01"]} if who == "regional" else {})},
            )  # fmt: skip
    amount = {"quantity": float(TONNES), "unit": "t"}
    await own.hand_in(a_project("S-1"), a_forecast("S-1/a", "S-1", **amount))
    await counterpart.hand_in(a_project("S-2"), a_need("S-2/a", "S-2", **amount))
    match = await first_match(own)
    return {"match": match["match_id"], **await known(own)}


def filled(path: str, things: dict[str, str]) -> str:
    """*path* with the ids of *things* of `OWN` in it."""
    here = {
        **things,
        "id": NOBODY,
        "name": "matches",
        "organisation": OWN,
        "mark": "x",
        "_:path": "x",
    }
    for name, value in here.items():
        path = path.replace("{" + name + "}", value)
    return path


def portal_routes() -> list[tuple[str, str]]:
    """Method and path of every page and form but the stream."""
    return [
        (method, path)
        for service, method, path in every_route()
        if service == "portal" and path != "/events"
    ]


def test_every_page_has_a_row_and_every_row_a_page() -> None:
    """A new page is decided on before it is merged: add its row to `PAGES`."""
    assert set(PAGES) == {f"{method} {path}" for method, path in portal_routes()}


async def test_everybody_gets_from_every_page_what_the_table_says(
    platform: Platform, things: dict[str, str]
) -> None:
    """And nobody reads of a match that is not theirs, on any page."""
    found: dict[str, list[int]] = {}
    read: dict[str, set[str]] = {}
    for who in WHO:
        subject = None if who == "nobody" else f"sivut-{who}"
        async with browser(platform, subject) as session:
            for method, path in portal_routes():
                url = platform.system.urls["portal"] + filled(path, things)
                asked: dict[str, Any] = {} if method == "GET" else {"data": {"to": "fi"}}
                async with session.request(method, url, allow_redirects=False, **asked) as answer:
                    found.setdefault(f"{method} {path}", []).append(answer.status)
                    text = (
                        (await answer.text(errors="replace"))
                        .replace("\xa0", "")
                        .replace("\u202f", "")
                    )
                    if TONNES in text or things["match"] in text.replace(filled(path, things), ""):
                        read.setdefault(f"{method} {path}", set()).add(who)
    assert {one: PAGES[one] for one in found} == {one: tuple(it) for one, it in found.items()}
    assert set().union(*read.values()) == set(SEES)
