"""What the answers have in common: pages, problems, and who may see what."""

import base64
import json
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import Depends, Query
from pydantic import BaseModel, ConfigDict

from services.registry import store
from services.registry.domain import MANAGES, REPORTS, Clashes, Denied, Unknown
from shared.access import Asker, NotAllowed
from shared.http import Problem, cursor, cursor_invalid

R = TypeVar("R")
Limit = Annotated[int, Query(ge=1, le=200, description="items a page")]
After = Annotated[str | None, Query(max_length=200, description="the `next` of the page before")]


@dataclass(frozen=True, slots=True)
class Page:
    """Which page of a list is asked for."""

    after: After = None
    limit: Limit = 100


Paging = Annotated[Page, Depends()]


@dataclass(frozen=True, slots=True)
class LongPage:
    """Which page of a list of few and small items: whoever asks for no page has a thousand."""

    after: After = None
    limit: Annotated[int, Query(ge=1, le=1000, description="items a page")] = 1000


LongPaging = Annotated[LongPage, Depends()]


class Told(BaseModel):
    """What a request may tell: nothing beside it."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


def page(items: Sequence[Any], following: tuple[datetime, UUID] | str | None,
         as_of: datetime | None = None) -> dict[str, Any]:  # fmt: skip
    """A page of a list, with where the next one begins: a moment and an id, or a cursor."""
    return {
        "items": list(items),
        "next": cursor(*following) if isinstance(following, tuple) else following,
        "as_of": as_of.isoformat() if as_of else None,
    }


def place_after(told: str | None) -> tuple[str, ...] | None:
    """The place in a list's order that its `next` means; a problem when it is not ours."""
    if told is None:
        return None
    try:
        found = json.loads(base64.urlsafe_b64decode(told.encode()))
    except ValueError:
        found = None
    if not (isinstance(found, list) and found and all(isinstance(one, str) for one in found)):
        raise cursor_invalid(told)
    return tuple(found)


def place_cursor(*place: str) -> str:
    """Where a page ended, opaque to who asks: the last item's place in the list's order."""
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def part_of(
    rows: Iterable[R], paging: LongPage, place: Callable[[R], tuple[str, ...]]
) -> tuple[list[R], str | None]:
    """The page of *rows* in the order of their *place*, and the `next` after it."""
    after = place_after(paging.after) or ()
    left = sorted((row for row in rows if place(row) > after), key=place)
    found = left[: paging.limit]
    return found, place_cursor(*place(found[-1])) if len(left) > paging.limit else None


def scope_of(asker: Asker) -> store.Scope:
    """What *asker* may see."""
    return store.Scope(asker.sees_all, tuple(asker.organisations), asker.regions)


@asynccontextmanager
async def problems() -> AsyncIterator[None]:
    """Tells what the handlers deny as problems."""
    try:
        yield
    except Clashes as error:
        raise Problem.of(409, error) from error
    except Unknown as error:
        raise Problem.of(404, error) from error
    except Denied as error:
        raise Problem.of(422, error) from error


def actor_of(asker: Asker) -> str:
    """How the trail names who asked."""
    return f"{asker.kind}/{asker.subject}"


async def managed(session: Any, token: str, asker: Asker) -> store.OrganisationRow:
    """
    The organisation, when *asker* manages it: the operator, a coordinator of its region, or a
    person who coordinates it. A problem 404 for all others, so that nothing is given away.
    """
    row = await known(session, token)
    if may_manage(asker, row):
        return row
    raise NotAllowed("not_allowed/managing", organisation=token)


def may_manage(asker: Asker, row: store.OrganisationRow) -> bool:
    """Whether *asker* manages the organisation."""
    roles = asker.organisations.get(row.token, ())
    return asker.coordinates(row.region) or (asker.kind == "person" and MANAGES in roles)


def may_report(asker: Asker, token: str) -> bool:
    """Whether *asker* may hand in events as the organisation *token*."""
    if asker.kind == "organisation":
        return token in asker.organisations
    return asker.kind == "person" and any(
        role in REPORTS for role in asker.organisations.get(token, ())
    )


async def known(session: Any, token: str) -> store.OrganisationRow:
    """The organisation, or the problem that there is none."""
    row = await store.organisation(session, token)
    if row is None:
        raise Problem(404, "organisation_unknown", value=token)
    return row
