"""Two worlds that differ by what somebody is not told of: the letters and counts are the same."""

import re
from random import Random
from typing import Any, get_args
from uuid import UUID

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from services.notifier import store
from services.notifier.api import Name
from shared.access import Asker
from tests.notifier.builders import (
    AINO,
    BO,
    GIVER,
    TAKER,
    a_match,
    a_member,
    a_project,
    a_question,
    a_side,
    an_organisation,
    later,
)
from tests.notifier.test_api import AS_AINO, AS_BO, AS_KEY, AS_READER, asking, url  # noqa: F401
from tests.notifier.test_facts import a_forecast, a_load, a_pair, an_area, an_end
from tests.notifier.test_mail import people, server, work_off, worker  # noqa: F401
from tests.notifier.test_near import a_near_miss, again, write_digests
from tests.notifier.test_webhooks import add  # noqa: F401
from tests.paired import differences

PAIRS = settings(
    max_examples=3,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),  # a world is long in the making
    suppress_health_check=list(HealthCheck),
)
HIDDEN, PARTNER = "piilo-oy", "varjo-ab"
PIIA, VALTO = UUID(int=21), UUID(int=22)
OTHERS = {
    "the giver": AS_AINO,
    "the taker": AS_BO,
    "the giver's system": AS_KEY,
    "who only reads": AS_READER,
    "a coordinator of another region": Asker(str(UUID(int=33)), "person", {}, ("06",)),
}
OF_THE_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.\d]*(Z|\+00:00)?")


def everybody() -> list[Any]:
    """Four organisations with a coordinator each; who takes part is known to all."""
    return [
        an_organisation(GIVER, a_member(AINO)),
        an_organisation(TAKER, a_member(BO)),
        an_organisation(HIDDEN, a_member(PIIA)),
        an_organisation(PARTNER, a_member(VALTO)),
    ]


def told_between(giver: str, taker: str, draw: Random, seen: str) -> list[list[Any]]:
    """All that may be told of two organisations' masses, theirs *seen* by so many; in batches."""
    match = a_match(surplus=a_side(giver), need=a_side(taker), asks=(giver, taker))
    near = a_near_miss(surplus=a_side(giver, region="01"), need=a_side(taker, region="01"),
                       who_could=(giver, taker))  # fmt: skip
    whose = {"organisation": giver, "reporter": giver, "visibility": seen}
    alike = [
        one.model_copy(update={"organisation": side, "reporter": side, "visibility": seen})
        for one, side in zip(a_pair("region", "region").forecasts, (giver, taker), strict=True)
    ]
    batches = [
        [a_project(match.surplus)],
        [match],
        [later(match, state="accepted", accepted_by=(giver,))] if draw.random() < 0.5 else [],
        [a_match(surplus=a_side(giver), need=a_side(taker)) for _ in range(draw.randint(0, 3))],
        [near],
        [again(near, tonnes=near.tonnes.model_copy(update={"likely": 20_000, "high": 20_000}))],
        [a_forecast(**whose) for _ in range(draw.randint(1, 3))],
        [an_area(**whose)],
        [a_load(surplus=an_end(giver), need=an_end(taker))],
        [a_question(organisation=giver, reporter=giver)],
        [a_pair("region", "region").model_copy(update={"forecasts": tuple(alike)})],
    ]
    return [batch for batch in batches if batch]


async def told_to_others(
    world: list[list[Any]], database: Any, hear: Any, address: str, *, hooks: Any, mails: Any
) -> dict[str, Any]:
    """What others are answered, and what lies ready or was sent to them, without the moments."""
    tables = ", ".join(table.name for table in store.ledger.metadata.sorted_tables)
    async with database.begin_work() as work:
        await work.session.execute(text(f"TRUNCATE {tables}"))
    posts, sender = mails
    posts.clear()
    for organisation in everybody():
        await hear(organisation)
    every = {"events": list(get_args(Name)), "whose": ["own", "others"]}
    for at, organisation in enumerate((GIVER, TAKER, HIDDEN)):
        await hooks("https://hook.example/", id=UUID(int=100 + at), secret="whsec_c2VjcmV0",
                    organisation=organisation, **every)  # fmt: skip
    for batch in world:
        await hear(*batch)
    answers: dict[str, Any] = {}
    for who, asker in OTHERS.items():
        async with asking(address, asker) as ask:
            paths = ["/inbox?limit=200", "/inbox/counts", "/webhooks",
                     "/notices?language=fi&limit=200", "/preferences"]  # fmt: skip
            paths += [f"/webhooks/{UUID(int=100 + at)}{more}" for at in range(3)
                      for more in ("", "/deliveries?limit=200")]  # fmt: skip
            for path in paths:
                answers[f"{who} {path}"] = await ask.get(path)
    async with database.begin_work() as work:
        posted = await work.session.execute(
            text("SELECT webhook_id, event, body FROM posting WHERE webhook_id <> :hidden"),
            {"hidden": UUID(int=102)},
        )
        answers["posted"] = sorted(map(str, posted))
        await work.session.execute(text("UPDATE digest SET due_at = now()"))
    await write_digests(database)
    await work_off(sender(), database)
    answers["mailed"] = sorted(_words(letter) for letter in posts if _is_to_others(letter))
    return {asked: _lasting(told) for asked, told in answers.items()}


def _is_to_others(letter: Any) -> bool:
    return "@firma.example" in letter["to"]


def _words(letter: Any) -> str:
    body = letter.get_body(("plain",))
    return f"{letter['to']}\n{letter['subject']}\n{body.get_content()}"


def _lasting(told: Any) -> Any:
    if isinstance(told, dict):
        return {name: _lasting(one) for name, one in told.items() if name not in ("id", "as_of")}
    if isinstance(told, list | tuple):
        return sorted((_lasting(one) for one in told), key=repr)
    return OF_THE_MOMENT.sub("…", told) if isinstance(told, str) else told


@PAIRS
@given(seed=st.integers(0, 2**32))
async def test_what_is_told_between_others_changes_no_letter(
    database: Any, hear: Any, url: str, add: Any, server: Any, people: Any, worker: Any,  # noqa: F811
    seed: int,
) -> None:  # fmt: skip
    """On the desk, by mail, in digests and at webhooks that want all, and in their counts."""
    draw = Random(seed)
    for number, person in enumerate((PIIA, VALTO)):
        people.people[person] = {"name": "Piia", "email": f"{number}@piilo.example",
                                 "language": "fi"}  # fmt: skip
    seen = told_between(GIVER, TAKER, draw, draw.choice(("region", "parties", "forum")))
    hidden = told_between(HIDDEN, PARTNER, draw, draw.choice(("region", "parties")))
    hidden += told_between(HIDDEN, HIDDEN, draw, "region")
    both = list(hidden)
    for at in sorted((draw.randint(0, len(hidden)) for _ in seen), reverse=True):
        both.insert(at, seen[len(seen) - 1 - (len(both) - len(hidden))])
    how = {"hooks": add, "mails": (server.mails, worker)}
    without = await told_to_others(seen, database, hear, url, **how)
    with_them = await told_to_others(both, database, hear, url, **how)
    assert differences(without, with_them) == []
    assert without["posted"] and len(without["mailed"]) > 1
