"""A database of the notifier's own, and its rules with short pauses."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from services.notifier import handlers, store
from shared.work import Database


@pytest.fixture
async def database(database_for: Callable[..., Awaitable[Database]]) -> Database:
    return await database_for(store.ledger)


@pytest.fixture
def rules() -> handlers.Rules:
    return handlers.Rules(
        news=timedelta(days=7),
        grace=timedelta(minutes=5),
        mail=True,
        mail_pauses_s=(0.01, 0.01),
        webhook_pauses_s=(0.01, 0.01),
    )


@pytest.fixture
def hear(database: Database, rules: handlers.Rules) -> Callable[..., Awaitable[Any]]:
    """Hands events to the handlers, each call of one kind as one batch in one work."""

    async def heard(*events: Any, by: handlers.Rules = rules) -> Any:
        async with database.begin_work() as work:
            match type(events[0]).__name__:
                case "MatchFound" | "MatchChanged":
                    await handlers.hear_matches(events, work, rules=by)
                case "NearMissFound":
                    await handlers.hear_near_misses(events, work, rules=by)
                case "DuplicateSuggested" | "DuplicateChanged":
                    await handlers.hear_duplicates(events, work, rules=by)
                case "ConfirmationAsked":
                    for event in events:
                        await handlers.hear_question(event, work, rules=by)
                case "OrganisationUpdated":
                    for event in events:
                        await handlers.hear_organisation(event, work, rules=by)
                case "ProjectAdded" | "ProjectUpdated":
                    await handlers.hear_projects(events, work, rules=by)
                case _:
                    await handlers.hear_facts(events, work, rules=by)
        return work

    return heard
