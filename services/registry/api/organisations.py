"""Organisations, their keys, mandates and members."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import AwareDatetime, Field, model_validator

from services.registry import handlers, store
from services.registry.api.answers import (
    LongPaging,
    Told,
    actor_of,
    known,
    managed,
    may_manage,
    page,
    part_of,
    place_after,
    place_cursor,
    problems,
)
from services.registry.api.told import (
    ADDING_KEY,
    ADDING_MANDATE,
    ADDING_MEMBER,
    ADDING_ORGANISATION,
    DROPPING_KEY,
    DROPPING_MANDATE,
    DROPPING_MEMBER,
    OF_ORGANISATION,
    OF_PEOPLE,
    KnownPerson,
    MadeKey,
    MadeMandate,
    MadeMember,
    MadeOrganisation,
    NatsUser,
    ToldKey,
    ToldMandate,
    ToldMember,
    ToldOrganisation,
)
from services.registry.domain import Person
from shared.access import NotAllowed
from shared.http import Asking, Problem, Reading, Working, moment_after
from shared.openapi import Listing, answers
from shared.seen import tells_of
from shared.vocabulary.errors import NotFitting

router = APIRouter(tags=["organisations"])
Language = Literal["fi", "sv", "en"]
Reporter = Annotated[str, Path(description="the token of the organisation that reports")]
PersonId = Annotated[UUID, Path(description="the id of the person, as the members tell it")]


class NewOrganisation(Told):
    """An organisation to be."""

    token: str = Field(max_length=32)
    title: str = Field(min_length=1, max_length=200)
    region: str = Field(max_length=16)
    actor_type: str = "company"
    business_id: str | None = Field(None, max_length=64)
    business_id_scheme: Literal["fi", "other"] | None = None
    key_expires_at: AwareDatetime | None = None


class Status(Told):
    """Whether an organisation may knock."""

    status: Literal["active", "suspended"]


class NewKey(Told):
    """An HTTPS key to be made, or the public half of a NATS key that the company made."""

    kind: Literal["https", "nats"]
    public_key: str | None = Field(None, pattern=r"^U[A-Z2-7]{55}$")
    expires_at: AwareDatetime | None = None

    @model_validator(mode="after")
    def fitting(self) -> "NewKey":
        if (self.kind == "nats") != (self.public_key is not None):
            raise NotFitting("field_value_error/public_key", kind=self.kind)
        return self


class NewMandate(Told):
    """Who may report for the owner."""

    reporter: str = Field(max_length=32)


class NewMember(Told):
    """A person and what it is in the organisation."""

    name: str = Field(min_length=1, max_length=200)
    email: str = Field(max_length=254, pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")
    roles: tuple[str, ...] = Field(max_length=10)
    regions: tuple[str, ...] = Field((), max_length=50)
    language: Language = "fi"
    subject: str | None = Field(None, min_length=1, max_length=255)


@router.post(
    "/organisations",
    status_code=201,
    responses=answers(MadeOrganisation, 201) | ADDING_ORGANISATION,
)
async def add_organisation(told: NewOrganisation, asker: Asking, begin: Working) -> dict[str, Any]:
    """A new organisation and its first HTTPS key, which is shown only here."""
    if not asker.coordinates(told.region):
        raise NotAllowed("not_allowed/coordinating", region=told.region)
    async with problems(), begin() as work:
        row, key = await handlers.add_organisation(
            work,
            actor=actor_of(asker),
            token=told.token,
            title=told.title,
            region=told.region,
            actor_type=told.actor_type,
            business_id=told.business_id,
            business_id_scheme_told=told.business_id_scheme,
            key_expires_at=told.key_expires_at,
        )
    return {"organisation": _organisation(row), "key": key.key, "key_id": str(key.id)}


@router.get("/organisations", responses=answers(Listing[ToldOrganisation]))
async def list_organisations(_: Asking, session: Reading, paging: LongPaging) -> dict[str, Any]:
    """Organisations, by token: who takes part is known to all who take part."""
    after = place_after(paging.after)
    rows = await store.organisations(
        session, after=after[0] if after else None, limit=paging.limit + 1
    )
    found = rows[: paging.limit]
    following = place_cursor(found[-1].token) if len(rows) > paging.limit else None
    return page([_organisation(row) for row in found], following)


@router.get(
    "/organisations/{token}", responses=answers(ToldOrganisation, 200, "ETag") | OF_ORGANISATION
)
async def show_organisation(
    token: str, _: Asking, session: Reading, response: Response
) -> dict[str, Any]:
    """One organisation."""
    row = await known(session, token)
    response.headers["ETag"] = f'"{row.revision}"'
    return _organisation(row)


@router.patch("/organisations/{token}", responses=answers(ToldOrganisation) | OF_ORGANISATION)
async def change_organisation(
    token: str, told: Status, asker: Asking, begin: Working
) -> dict[str, Any]:
    """Suspend an organisation, or open it again."""
    async with problems(), begin() as work:
        row = await known(work.session, token)
        if not asker.coordinates(row.region):
            raise NotAllowed("not_allowed/coordinating", region=row.region)
        changed = await handlers.change_status(
            work, actor=actor_of(asker), token=token, status=told.status
        )
    return _organisation(changed)


# keys


@router.post(
    "/organisations/{token}/keys", status_code=201, responses=answers(MadeKey, 201) | ADDING_KEY
)
async def add_key(token: str, told: NewKey, asker: Asking, begin: Working) -> dict[str, Any]:
    """An HTTPS key, shown once; or a NATS key, of which only the public half is ever told."""
    async with problems(), begin() as work:
        await managed(work.session, token, asker)
        if told.public_key is not None:
            row = await handlers.add_nats_key(
                work, actor=actor_of(asker), token=token, public_key=told.public_key
            )
            return {"id": str(row.id), "public_key": told.public_key}
        key = await handlers.add_https_key(
            work, actor=actor_of(asker), token=token, expires_at=told.expires_at
        )
    return {"id": str(key.id), "key": key.key, "expires_at": _moment(key.expires_at)}


@router.get("/organisations/{token}/keys", responses=answers(Listing[ToldKey]) | OF_ORGANISATION)
async def list_keys(
    token: str, asker: Asking, session: Reading, paging: LongPaging
) -> dict[str, Any]:
    """The keys of an organisation, the newest first, without what opens anything."""
    await managed(session, token, asker)
    after = moment_after(paging.after)
    rows = await store.keys_of(session, token, after=after, limit=paging.limit + 1)
    found = rows[: paging.limit]
    following = (found[-1].created_at, found[-1].id) if len(rows) > paging.limit else None
    return page([_key(row) for row in found], following)


@router.delete("/organisations/{token}/keys/{id}", status_code=204, responses=DROPPING_KEY)
async def revoke_key(token: str, id: UUID, asker: Asking, begin: Working) -> None:
    """Revoke a key at once and for good."""
    async with problems(), begin() as work:
        await managed(work.session, token, asker)
        await handlers.revoke_key(work, actor=actor_of(asker), token=token, id=id)


@router.get("/nats-users", responses=answers(Listing[NatsUser]))
async def nats_users(asker: Asking, session: Reading, paging: LongPaging) -> dict[str, Any]:
    """The NATS keys that may connect now, for the server's configuration."""
    _for_platform(asker.sees_all)
    users, following = part_of(await store.nats_users(session), paging, lambda user: user)
    return page([{"organisation": token, "public_key": key} for token, key in users], following)


# mandates


@router.post(
    "/organisations/{owner}/mandates",
    status_code=201,
    responses=answers(MadeMandate, 201) | ADDING_MANDATE,
)
async def add_mandate(
    owner: str, told: NewMandate, asker: Asking, begin: Working
) -> dict[str, Any]:
    """Let another organisation report the owner's projects."""
    async with problems(), begin() as work:
        await managed(work.session, owner, asker)
        await handlers.add_mandate(work, actor=actor_of(asker), owner=owner, reporter=told.reporter)
    return {"owner": owner, "reporter": told.reporter}


@router.get(
    "/organisations/{owner}/mandates", responses=answers(Listing[ToldMandate]) | OF_ORGANISATION
)
async def list_mandates(
    owner: str, asker: Asking, session: Reading, paging: LongPaging
) -> dict[str, Any]:
    """The mandates that the owner gave."""
    row = await known(session, owner)
    if not (may_manage(asker, row) or asker.sees_all or owner in asker.organisations):
        raise NotAllowed("not_allowed/members_only", organisation=owner)
    mandates = await store.mandates_of(session, owner)
    rows, following = part_of(mandates, paging, lambda each: (each.reporter,))
    items = [{"owner": owner, "reporter": each.reporter, "since": _moment(each.created_at)}
             for each in rows]  # fmt: skip
    return page(items, following)


@router.delete(
    "/organisations/{owner}/mandates/{reporter}", status_code=204, responses=DROPPING_MANDATE
)
async def drop_mandate(owner: str, reporter: Reporter, asker: Asking, begin: Working) -> None:
    """End a mandate; what was reported under it stays."""
    async with problems(), begin() as work:
        await managed(work.session, owner, asker)
        await handlers.drop_mandate(work, actor=actor_of(asker), owner=owner, reporter=reporter)


# members and people


@router.post(
    "/organisations/{token}/members",
    status_code=201,
    responses=answers(MadeMember, 201) | ADDING_MEMBER,
)
async def add_member(token: str, told: NewMember, asker: Asking, begin: Working) -> dict[str, Any]:
    """Make a person a member. Nobody gives a region that they do not coordinate themselves."""
    async with problems(), begin() as work:
        await managed(work.session, token, asker)
        person = await handlers.add_member(
            work,
            actor=actor_of(asker),
            token=token,
            may_give=None if asker.is_operator else asker.regions,
            **told.model_dump(),
        )
    return {"person": str(person)}


@router.get(
    "/organisations/{token}/members", responses=answers(Listing[ToldMember]) | OF_ORGANISATION
)
async def list_members(
    token: str, asker: Asking, session: Reading, paging: LongPaging
) -> dict[str, Any]:
    """The members, for the members and those who manage them."""
    row = await known(session, token)
    among = asker.kind == "person" and token in asker.organisations
    if not (may_manage(asker, row) or asker.sees_all or among):
        raise NotAllowed("not_allowed/members_only", organisation=token)
    members = await store.members_of(session, token)
    rows, following = part_of(members, paging, lambda each: (each[0].name, str(each[0].id)))
    items = [
        {**_person(person), "roles": list(each.roles), "regions": list(each.regions)}
        for person, each in rows
    ]
    return page(items, following)


@router.delete(
    "/organisations/{token}/members/{person}", status_code=204, responses=DROPPING_MEMBER
)
async def drop_member(token: str, person: PersonId, asker: Asking, begin: Working) -> None:
    """End a membership."""
    async with problems(), begin() as work:
        await managed(work.session, token, asker)
        await handlers.drop_member(work, actor=actor_of(asker), token=token, person=person)


@router.get("/people", response_model=None, responses=answers(list[KnownPerson]) | OF_PEOPLE)
async def people(
    request: Request,
    asker: Asking,
    session: Reading,
    ids: Annotated[str, Query(max_length=8000, description="UUIDs joined by commas")],
) -> Sequence[dict[str, Any]]:
    """Names and addresses of *ids* (joined by commas), for the platform's services only."""
    _for_platform(asker.sees_all)
    try:
        wanted = [UUID(each) for each in ids.split(",") if each]
    except ValueError as error:
        raise Problem(422, "ids_invalid", value=ids) from error
    found = await store.people(session, wanted)
    tells_of(request, {token for person in found for token in person.organisations})
    return [
        {
            **_person(person),
            "organisations": list(person.organisations),
            "roles": sorted({role for each in person.memberships for role in each.roles}),
            "regions": list(person.regions),
        }
        for person in found
    ]


def _for_platform(sees_all: bool) -> None:
    if not sees_all:
        raise NotAllowed("not_allowed/services_only")


def _organisation(row: store.OrganisationRow) -> dict[str, Any]:
    return {
        "token": row.token,
        "title": row.title,
        "region": row.region,
        "actor_type": row.actor_type,
        "business_id": row.business_id,
        "status": row.status,
        "revision": row.revision,
    }


def _key(row: store.KeyRow) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "kind": row.kind,
        "public_key": row.public_key,
        "created_at": _moment(row.created_at),
        "expires_at": _moment(row.expires_at),
        "revoked_at": _moment(row.revoked_at),
    }


def _person(person: Person) -> dict[str, Any]:
    return {
        "person": str(person.id),
        "name": person.name,
        "email": person.email,
        "language": person.language,
    }


def _moment(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
