"""`GET /trail`: who saw and changed an organisation's data, for its coordinators."""

from collections.abc import Collection
from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from sqlalchemy import select, tuple_

from shared.access import Asker, NotAllowed
from shared.http import Asking, Reading, cursor, day_after
from shared.openapi import Answer, Items, answers
from shared.seen import tells_of

router = APIRouter()
COORDINATES = "coordinator"
"""The role in an organisation whose holder reads its trail."""


class TrailEntry(Answer):
    """One look or change; what a reader may not know is null or empty."""

    id: UUID
    at: datetime
    subject: str | None
    """Who: `person/…`, `organisation/…`, `service/…` or `operator/…`."""
    acting_for: list[str]
    """The organisations of who looked or changed."""
    action: str
    object: str
    """What was looked at or changed."""
    about: list[str]
    """The organisations whose data it is, of those that the reader coordinates."""
    correlation: str | None
    what: dict[str, Any] | None
    """Details, which depend on the action."""


@router.get("/trail", tags=["trail"], responses=answers(Items[TrailEntry]))
async def trail(
    request: Request,
    asker: Asking,
    session: Reading,
    organisation: Annotated[str | None, Query(max_length=32, description="whose data")] = None,
    since: Annotated[date | None, Query(description="first day")] = None,
    until: Annotated[date | None, Query(description="last day")] = None,
    subject: Annotated[str | None, Query(max_length=200, description="`person/…`")] = None,
    object: Annotated[str | None, Query(max_length=300, description="a part of it")] = None,
    after: Annotated[str | None, Query(max_length=200, description="`next` of before")] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="items a page")] = 100,
) -> dict[str, Any]:
    """
    Who saw and changed data in this service, newest first.

    The operator reads all of it; a person who coordinates an organisation, what is about that one:
    others that a row is about are left out, and so are the details of what they share. Who was not
    told the name of the organisation is not named to it either, and a person of another who
    decided of a pair of duplicates is named only to coordinators of the region.
    """
    whose = _whose(asker, organisation)
    kept = request.app.state.database.ledger.trail.c
    question = select(*kept).order_by(kept.day.desc(), kept.id.desc()).limit(limit + 1)
    if whose is not None:
        question = question.where(kept.about.overlap(whose))
    if since is not None:
        question = question.where(kept.day >= since)
    if until is not None:
        question = question.where(kept.day <= until)
    if subject is not None:
        question = question.where(kept.subject == subject)
    if object is not None:
        question = question.where(kept.object.contains(object, autoescape=True))
    if (place := day_after(after)) is not None:
        question = question.where(tuple_(kept.day, kept.id) < tuple_(*place))
    rows = (await session.execute(question)).all()
    own = None if asker.is_operator else whose
    items = [_item(row, own, asker.regions) for row in rows[:limit]]
    tells_of(request, {one for item in items for one in (*item["about"], *item["acting_for"])})
    last = rows[limit - 1] if len(rows) > limit else None
    return {"items": items, "next": cursor(last.day.toordinal(), last.id) if last else None}


def _whose(asker: Asker, organisation: str | None) -> list[str] | None:
    """The organisations whose trail is read; None for everybody's."""
    if asker.is_operator:
        return None if organisation is None else [organisation]
    own = [
        token
        for token, roles in asker.organisations.items()
        if asker.kind == "person" and COORDINATES in roles and organisation in (None, token)
    ]
    if not own:
        if organisation is None:
            raise NotAllowed("not_allowed/trails")
        raise NotAllowed("not_allowed/trail", organisation=organisation)
    return own


def _item(row: Any, own: list[str] | None, regions: Collection[str]) -> dict[str, Any]:
    shared = own is not None and not set(row.about) <= set(own)
    seen = row.about if own is None else [one for one in row.about if one in own]
    mine = own is not None and set(row.acting_for) & set(own)
    hidden = own is not None and not mine and set(seen) <= set(row.what.get("unnamed", ()))
    told_in = row.what.get("person_told_in")  # a person of another: only to who coordinates there
    shy = own is not None and not mine and told_in is not None and not {*told_in} & {*regions}
    return {
        "id": str(row.id),
        "at": row.at.isoformat(),
        "subject": None if hidden or shy else row.subject,
        "acting_for": [] if hidden else row.acting_for,
        "action": row.action,
        "object": row.object,
        "about": seen,
        "correlation": None if shared or hidden else row.correlation,
        "what": None if shared or hidden else row.what,
    }
