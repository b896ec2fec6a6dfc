"""Organisations, their keys, mandates and members; regions."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, exists, func, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.registry.domain import Membership, Organisation, Person
from services.registry.store.rows import (
    KeyRow,
    MandateRow,
    MembershipRow,
    OrganisationRow,
    PersonRow,
    RegionRow,
)
from shared.vocabulary.regions import Region, region_from

# regions


_read: dict[str, Region] = {}
"""Regions by the digest of their text: a region never changes, so a copy is always true."""


async def regions(session: AsyncSession) -> dict[str, Region]:
    """Every region by its code; the bodies are read once a process."""
    rows = (await session.execute(select(col(RegionRow.code), col(RegionRow.digest)))).all()
    unread = [row.code for row in rows if row.digest not in _read]
    if unread:
        bodies = select(col(RegionRow.digest), col(RegionRow.body)).where(
            col(RegionRow.code).in_(unread)
        )
        for row in await session.execute(bodies):
            _read[row.digest] = region_from(row.body)
    return {row.code: _read[row.digest] for row in rows}


async def add_region(session: AsyncSession, region: Region, now: datetime) -> bool:
    """Keep *region* unless its code is known; whether it was new or is the very same."""
    body = region.to_json()
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
    told = insert(RegionRow).values(
        code=region.code, sample=region.sample, body=body, digest=digest, created_at=now
    )
    await session.execute(told.on_conflict_do_nothing())
    known = select(col(RegionRow.digest)).where(col(RegionRow.code) == region.code)
    return (await session.execute(known)).scalar_one() == digest


async def has_region(session: AsyncSession, code: str) -> bool:
    """Whether the region *code* is known."""
    found = await session.execute(select(exists().where(col(RegionRow.code) == code)))
    return bool(found.scalar_one())


# organisations


async def organisation(
    session: AsyncSession, token: str, *, hold: bool = False
) -> OrganisationRow | None:
    """The organisation *token*, held until the work ends where *hold*."""
    question = select(OrganisationRow).where(col(OrganisationRow.token) == token)
    if hold:
        question = question.with_for_update(key_share=True)
    return (await session.execute(question)).scalars().one_or_none()


async def organisations(
    session: AsyncSession, *, after: str | None = None, limit: int
) -> Sequence[OrganisationRow]:
    """Up to *limit* organisations, by token, going on after one."""
    question = select(OrganisationRow).order_by(col(OrganisationRow.token)).limit(limit)
    if after is not None:
        question = question.where(col(OrganisationRow.token) > after)
    return (await session.execute(question)).scalars().all()


async def organisations_named(
    session: AsyncSession, tokens: Iterable[str]
) -> dict[str, Organisation]:
    """Those of *tokens* that are known."""
    question = select(
        col(OrganisationRow.token), col(OrganisationRow.region), col(OrganisationRow.status)
    ).where(col(OrganisationRow.token).in_(list(tokens)))
    rows = await session.execute(question)
    return {row.token: Organisation(row.token, row.region, row.status == "active") for row in rows}


async def add_organisation(session: AsyncSession, row: OrganisationRow) -> bool:
    """Keep the organisation; whether its token was free."""
    told = insert(OrganisationRow).values(row.model_dump()).on_conflict_do_nothing()
    added = await session.execute(told.returning(col(OrganisationRow.token)))
    return added.first() is not None


async def change_organisation(
    session: AsyncSession, token: str, now: datetime, **news: Any
) -> OrganisationRow:
    """The organisation with *news* and the next revision; whoever calls knows that it exists."""
    told = (
        update(OrganisationRow)
        .where(col(OrganisationRow.token) == token)
        .values(revision=col(OrganisationRow.revision) + 1, updated_at=now, **news)
        .returning(OrganisationRow)
        .execution_options(populate_existing=True)
    )
    return (await session.execute(told)).scalars().one()


async def open_doors(session: AsyncSession) -> list[str]:
    """Active organisations that hold a NATS key which was not revoked."""
    question = (
        select(col(OrganisationRow.token))
        .where(
            col(OrganisationRow.status) == "active",
            exists().where(
                col(KeyRow.organisation) == col(OrganisationRow.token),
                col(KeyRow.kind) == "nats",
                col(KeyRow.revoked_at).is_(None),
            ),
        )
        .order_by(col(OrganisationRow.token))
    )
    return list((await session.execute(question)).scalars())


# keys


async def add_key(session: AsyncSession, row: KeyRow) -> bool:
    """Keep the key; whether nobody holds it yet."""
    told = insert(KeyRow).values(row.model_dump()).on_conflict_do_nothing()
    return (await session.execute(told.returning(col(KeyRow.id)))).first() is not None


async def keys_of(
    session: AsyncSession, token: str, *, after: tuple[datetime, UUID] | None = None, limit: int
) -> Sequence[KeyRow]:
    """Up to *limit* keys of *token*, the newest first, revoked ones too, going on after one."""
    question = (
        select(KeyRow)
        .where(col(KeyRow.organisation) == token)
        .order_by(col(KeyRow.created_at).desc(), col(KeyRow.id).desc())
        .limit(limit)
    )
    if after is not None:
        question = question.where(tuple_(col(KeyRow.created_at), col(KeyRow.id)) < after)
    return (await session.execute(question)).scalars().all()


async def revoke_key(session: AsyncSession, token: str, id: UUID, now: datetime) -> bool:
    """Revoke the key *id* of *token*; whether there was one to revoke."""
    told = (
        update(KeyRow)
        .where(
            col(KeyRow.id) == id,
            col(KeyRow.organisation) == token,
            col(KeyRow.revoked_at).is_(None),
        )
        .values(revoked_at=now)
        .returning(col(KeyRow.id))
    )
    return (await session.execute(told)).first() is not None


async def organisation_of_key(session: AsyncSession, digest: str) -> str | None:
    """The active organisation whose live HTTPS key has this *digest*."""
    question = (
        select(col(KeyRow.organisation))
        .join(OrganisationRow, col(OrganisationRow.token) == col(KeyRow.organisation))
        .where(
            col(KeyRow.digest) == digest,
            col(KeyRow.revoked_at).is_(None),
            or_(col(KeyRow.expires_at).is_(None), col(KeyRow.expires_at) > func.now()),
            col(OrganisationRow.status) == "active",
        )
    )
    return (await session.execute(question)).scalars().one_or_none()


async def nats_users(session: AsyncSession) -> list[tuple[str, str]]:
    """(organisation, public key) of every live NATS key of an active organisation."""
    question = (
        select(col(KeyRow.organisation), col(KeyRow.public_key))
        .join(OrganisationRow, col(OrganisationRow.token) == col(KeyRow.organisation))
        .where(
            col(KeyRow.kind) == "nats",
            col(KeyRow.revoked_at).is_(None),
            col(OrganisationRow.status) == "active",
        )
        .order_by(col(KeyRow.organisation), col(KeyRow.public_key))
    )
    return [(row.organisation, row.public_key or "") for row in await session.execute(question)]


# mandates


async def add_mandate(session: AsyncSession, owner: str, reporter: str, now: datetime) -> bool:
    """Let *reporter* report for *owner*; whether that is new."""
    told = insert(MandateRow).values(owner=owner, reporter=reporter, created_at=now)
    added = await session.execute(told.on_conflict_do_nothing().returning(col(MandateRow.owner)))
    return added.first() is not None


async def drop_mandate(session: AsyncSession, owner: str, reporter: str) -> bool:
    """End the mandate; whether there was one."""
    told = delete(MandateRow).where(
        col(MandateRow.owner) == owner, col(MandateRow.reporter) == reporter
    )
    return (await session.execute(told.returning(col(MandateRow.owner)))).first() is not None


async def mandates_of(session: AsyncSession, owner: str) -> Sequence[MandateRow]:
    """The mandates that *owner* gave."""
    question = select(MandateRow).where(col(MandateRow.owner) == owner)
    return (await session.execute(question.order_by(col(MandateRow.reporter)))).scalars().all()


async def mandates_to(session: AsyncSession, reporters: Iterable[str]) -> set[tuple[str, str]]:
    """(owner, reporter) of every mandate that *reporters* hold."""
    question = select(col(MandateRow.owner), col(MandateRow.reporter)).where(
        col(MandateRow.reporter).in_(list(reporters))
    )
    return {(row.owner, row.reporter) for row in await session.execute(question)}


# people


async def person_with(
    session: AsyncSession, *, email: str | None = None, subject: str | None = None
) -> PersonRow | None:
    """The person of this address or sign-in subject, held until the work ends."""
    wanted = col(PersonRow.subject) == subject if subject else col(PersonRow.email) == email
    question = select(PersonRow).where(wanted).with_for_update()
    return (await session.execute(question)).scalars().one_or_none()


async def add_person(session: AsyncSession, row: PersonRow) -> bool:
    """Keep the person; whether address and subject were free."""
    told = insert(PersonRow).values(row.model_dump()).on_conflict_do_nothing()
    return (await session.execute(told.returning(col(PersonRow.id)))).first() is not None


async def bind_subject(session: AsyncSession, person: UUID, subject: str) -> bool:
    """Remember under which *subject* the person signs in, unless one is known already."""
    told = (
        update(PersonRow)
        .where(col(PersonRow.id) == person, col(PersonRow.subject).is_(None))
        .values(subject=subject)
        .returning(col(PersonRow.id))
    )
    return (await session.execute(told)).first() is not None


async def shrink_session(session: AsyncSession, person: UUID) -> None:
    """Let every token given so far be known as older than the person's rights."""
    await session.execute(
        update(PersonRow)
        .where(col(PersonRow.id) == person)
        .values(session=col(PersonRow.session) + 1)
    )


async def membership(session: AsyncSession, token: str, person: UUID) -> MembershipRow | None:
    """What *person* is in the organisation *token*."""
    question = select(MembershipRow).where(
        col(MembershipRow.organisation) == token, col(MembershipRow.person) == person
    )
    return (await session.execute(question)).scalars().one_or_none()


async def keep_membership(session: AsyncSession, row: MembershipRow) -> None:
    """Make *row* the person's membership in its organisation."""
    told = insert(MembershipRow).values(row.model_dump())
    await session.execute(
        told.on_conflict_do_update(
            index_elements=["organisation", "person"],
            set_={"roles": told.excluded.roles, "regions": told.excluded.regions},
        )
    )


async def drop_membership(session: AsyncSession, token: str, person: UUID) -> bool:
    """End the membership; whether there was one."""
    told = delete(MembershipRow).where(
        col(MembershipRow.organisation) == token, col(MembershipRow.person) == person
    )
    return (await session.execute(told.returning(col(MembershipRow.person)))).first() is not None


async def members_of(session: AsyncSession, token: str) -> list[tuple[Person, Membership]]:
    """The members of *token*, each with what it is there."""
    question = select(col(MembershipRow.person)).where(col(MembershipRow.organisation) == token)
    ids = list((await session.execute(question)).scalars())
    return [
        (person, each)
        for person in await people(session, ids)
        for each in person.memberships
        if each.organisation == token
    ]


async def people(session: AsyncSession, ids: Iterable[UUID]) -> list[Person]:
    """Those of *ids* that are known, with every membership in an active organisation."""
    told = list(ids)
    question = select(PersonRow).where(col(PersonRow.id).in_(told)).order_by(col(PersonRow.name))
    rows = (await session.execute(question)).scalars().all()
    held: dict[UUID, list[Membership]] = {row.id: [] for row in rows}
    members = (
        select(MembershipRow)
        .join(OrganisationRow, col(OrganisationRow.token) == col(MembershipRow.organisation))
        .where(col(MembershipRow.person).in_(told), col(OrganisationRow.status) == "active")
        .order_by(col(MembershipRow.organisation))
    )
    for each in (await session.execute(members)).scalars():
        held[each.person].append(
            Membership(each.organisation, tuple(each.roles), tuple(each.regions))
        )
    return [
        Person(row.id, row.name, row.email, row.language, row.session, tuple(held[row.id]))
        for row in rows
    ]


async def members_among(session: AsyncSession, persons: Iterable[str]) -> set[tuple[str, str]]:
    """(organisation, person) for every membership of *persons*, ids as text."""
    told = [UUID(each) for each in persons]
    if not told:
        return set()
    question = select(col(MembershipRow.organisation), col(MembershipRow.person)).where(
        col(MembershipRow.person).in_(told)
    )
    return {(row.organisation, str(row.person)) for row in await session.execute(question)}
