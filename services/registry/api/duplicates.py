"""What may be the same mass told twice: listed for, and decided by, who may see both sides."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query

from services.registry import handlers, store
from services.registry.api.answers import (
    Paging,
    Told,
    actor_of,
    may_report,
    page,
    place_after,
    place_cursor,
    problems,
    scope_of,
)
from services.registry.api.told import DECIDING_DUPLICATE, LookedSoFar, ToldPair
from shared.access import Asker, NotAllowed
from shared.http import Asking, Reading, Working, cursor_invalid
from shared.openapi import Listing, answers

router = APIRouter(tags=["duplicates"])
_PERSON = re.compile(r"person/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SHOWN = ("forecast_id", "project_id", "region", "organisation", "reporter", "external_id",
          "direction", "material", "status", "quantity", "window", "place", "source")  # fmt: skip


@router.get("/duplicates", responses=answers(Listing[ToldPair]))
async def duplicates(
    asker: Asking,
    session: Reading,
    paging: Paging,
    state: Annotated[
        Literal["suggested", "linked", "refused"] | None, Query(description="what became of them")
    ] = "suggested",
    region: Annotated[str | None, Query(max_length=16)] = None,
) -> dict[str, Any]:
    """
    Pairs of forecasts that may be about the same mass, the most alike first.

    Of each pair the asker may see both sides, and owns, reports or coordinates one.
    """
    rows = await store.duplicates(session, scope_of(asker), state=state, region=region,
                                  after=_after(paging.after), limit=paging.limit + 1)  # fmt: skip
    found = rows[: paging.limit]
    following = None
    if len(rows) > paging.limit:
        one, other = found[-1].pair
        following = place_cursor(repr(found[-1].score), str(one), str(other))
    deciders = await _deciders(session, found)
    return page([_pair(each, asker, deciders) for each in found], following, datetime.now(UTC))


def _after(told: str | None) -> tuple[float, UUID, UUID] | None:
    place = place_after(told)
    if place is None:
        return None
    try:
        score, one, other = place
        return float(score), UUID(one), UUID(other)
    except ValueError as error:
        raise cursor_invalid(told or "") from error


class Decided(Told):
    """What is decided of a pair; which of them *counts* matters where they are linked."""

    decision: handlers.Decision
    counts: UUID
    duplicate: UUID


@router.post(
    "/duplicates",
    responses=answers(ToldPair) | DECIDING_DUPLICATE,
)
async def decide(told: Decided, asker: Asking, begin: Working) -> dict[str, Any]:
    """
    Link a pair, so that one counts and the other is a draft; refuse it; or unlink it again.

    Whoever reports for the owner or the reporter of either side may, and a coordinator of its
    region. It is on the trail.
    """
    async with problems(), begin() as work:
        pair = await handlers.decide(
            work,
            decision=told.decision,
            counts=told.counts,
            duplicate=told.duplicate,
            scope=scope_of(asker),
            actor=actor_of(asker),
        )
        if not any(_may_decide(asker, side) for side in pair.sides):
            sides = [side["organisation"] for side in pair.sides]
            raise NotAllowed("not_allowed/deciding_duplicate", sides=sides)
        deciders = await _deciders(work.session, [pair])
    return _pair(pair, asker, deciders)


class Looked(Told):
    """Where the last look ended; nothing to begin."""

    after: UUID | None = None


@router.post("/duplicates/look", responses=answers(LookedSoFar))
async def look(told: Looked, asker: Asking, begin: Working) -> dict[str, Any]:
    """
    Look for duplicates among some of the forecasts told before anybody looked; for the operator.

    Ask again with `after` as the `next` told, until there is none.
    """
    if not asker.is_operator:
        raise NotAllowed("not_allowed/operator_only")
    async with begin() as work:
        following = await handlers.look_for_duplicates(told.after, work)
    return {"next": str(following) if following else None}


def _may_decide(asker: Asker, side: Any) -> bool:
    tellers = (side["organisation"], side["reporter"])
    return asker.coordinates(side["region"]) or any(may_report(asker, each) for each in tellers)


async def _deciders(session: Any, pairs: Sequence[store.ListedPair]) -> dict[str, frozenset[str]]:
    """Whose each person is that decided one of *pairs*: `person/…` → organisations."""
    people = {
        UUID(each.decided_by.removeprefix("person/"))
        for each in pairs
        if each.decided_by is not None and _PERSON.fullmatch(each.decided_by)
    }
    found = await store.people(session, people) if people else []
    return {f"person/{one.id}": frozenset(one.organisations) for one in found}


def _decided_by(
    each: store.ListedPair, asker: Asker, deciders: Mapping[str, frozenset[str]]
) -> str | None:
    """Who decided; a person is told to their own organisation and the region's coordinators."""
    by = each.decided_by
    if by is None or not by.startswith("person/") or by == actor_of(asker) or asker.sees_all:
        return by
    among = deciders.get(by, frozenset()) & asker.organisations.keys()
    return by if among or any(asker.coordinates(side["region"]) for side in each.sides) else None


def _pair(
    each: store.ListedPair, asker: Asker, deciders: Mapping[str, frozenset[str]]
) -> dict[str, Any]:
    return {
        "forecasts": [_forecast(each.one), _forecast(each.other)],
        "score": each.score,
        "reasons": each.reasons,
        "state": each.state,
        "suggested_at": each.suggested_at.isoformat(),
        "decided_by": _decided_by(each, asker, deciders),
        "decided_at": each.decided_at.isoformat() if each.decided_at else None,
        "counts": str(each.counts) if each.counts else None,
    }


def _forecast(state: Any) -> dict[str, Any]:
    return {name: state[name] for name in _SHOWN if name in state}
