"""What the registry does when organisations, keys, mandates, members or regions change."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from services.registry import store
from services.registry.domain import (
    Clashes,
    Denied,
    Person,
    Unknown,
    business_id_scheme,
    check_roles,
)
from shared.access import digest, new_key
from shared.contracts import OrganisationUpdated
from shared.contracts.base import uuid7
from shared.contracts.parts import Member
from shared.vocabulary.enumerations import codes, known
from shared.vocabulary.identifiers import BadBusinessId, check_business_id, is_token
from shared.vocabulary.regions import BadRegion, Region, region_from, shipped
from shared.vocabulary.shown import in_words
from shared.work import Work


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made: *key* is shown once and kept nowhere."""

    id: UUID
    key: str
    expires_at: datetime | None


async def add_shipped_regions(work: Work) -> None:
    """Keep the regions that come with the platform, where their codes are not taken."""
    for region in shipped().values():
        if not await store.has_region(work.session, region.code):
            await store.add_region(work.session, region, work.now)


async def add_region(told: Mapping[str, Any], work: Work, *, actor: str) -> Region:
    """Keep the region of a region file; raises `Denied` when it is none, `Clashes` when known."""
    try:
        region = region_from(told)
    except BadRegion as error:
        case, field, value = (error.told[name] for name in ("case", "field", "value"))
        if isinstance(value, list | tuple):  # a point or a box: its numbers
            value = in_words(value)
        raise Denied(f"region_invalid/{case}", field=field, value=value) from error
    if not await store.add_region(work.session, region, work.now):
        raise Clashes("region_exists", value=region.code)
    work.note(actor, "region-added", f"region/{region.code}", places=len(region.places))
    return region


async def add_organisation(
    work: Work,
    *,
    actor: str,
    token: str,
    title: str,
    region: str,
    actor_type: str = "company",
    business_id: str | None = None,
    business_id_scheme_told: str | None = None,
    key_expires_at: datetime | None = None,
) -> tuple[store.OrganisationRow, NewKey]:
    """
    The organisation with its first HTTPS key. Raises `Denied` for a token, region, kind or business
    id that cannot be, `Clashes` when the token is taken.
    """
    if not is_token(token):
        raise Denied("token_invalid", value=token)
    if not known("actor_type", actor_type):
        offered = list(codes("actor_type"))
        raise Denied("actor_type_unknown", value=actor_type, offered=offered)
    if not await store.has_region(work.session, region):
        raise Denied("region_unknown", value=region)
    try:
        checked = business_id and check_business_id(
            business_id, business_id_scheme(region, business_id_scheme_told)
        )
    except BadBusinessId as error:
        case, value = error.told["case"], error.told["value"]
        raise Denied(f"business_id_invalid/{case}", value=value) from error
    row = store.OrganisationRow(
        token=token,
        title=title,
        region=region,
        actor_type=actor_type,
        business_id=checked or None,
        created_at=work.now,
        updated_at=work.now,
    )
    if not await store.add_organisation(work.session, row):
        raise Clashes("organisation_exists", value=token)
    work.note(actor, "organisation-added", f"organisation/{token}", token, region=region)
    await _tell(row, work)
    return row, await add_https_key(work, actor=actor, token=token, expires_at=key_expires_at)


async def change_status(
    work: Work, *, actor: str, token: str, status: Literal["active", "suspended"]
) -> store.OrganisationRow:
    """Suspend the organisation or open it again; unchanged, nothing is told."""
    row = await _held(work, token)
    if row.status == status:
        return row
    changed = await store.change_organisation(work.session, token, work.now, status=status)
    if status == "suspended":
        for person, _ in await store.members_of(work.session, token):
            await store.shrink_session(work.session, person.id)
    work.note(actor, f"organisation-{status}", f"organisation/{token}", token)
    await _tell(changed, work)
    return changed


# keys


async def add_https_key(
    work: Work, *, actor: str, token: str, expires_at: datetime | None = None
) -> NewKey:
    """A new HTTPS key: only its digest is kept, so the answer is the one time it is seen."""
    if expires_at is not None and expires_at <= work.now:
        raise Denied("expiry_past", value=expires_at.isoformat())
    made = NewKey(uuid7(), new_key(), expires_at)
    row = store.KeyRow(
        id=made.id,
        organisation=token,
        kind="https",
        digest=digest(made.key),
        created_at=work.now,
        expires_at=expires_at,
    )
    await store.add_key(work.session, row)
    work.note(actor, "key-added", f"organisation/{token}", token, key=str(made.id), kind="https")
    return made


async def add_nats_key(work: Work, *, actor: str, token: str, public_key: str) -> store.KeyRow:
    """Register the public half of an NKey; raises `Clashes` when somebody registered it before."""
    row = store.KeyRow(
        id=uuid7(), organisation=token, kind="nats", public_key=public_key, created_at=work.now
    )
    if not await store.add_key(work.session, row):
        raise Clashes("key_exists", value=public_key)
    work.note(actor, "key-added", f"organisation/{token}", token, key=str(row.id), kind="nats")
    return row


async def revoke_key(work: Work, *, actor: str, token: str, id: UUID) -> None:
    """Revoke a key for good; raises `Unknown` when there is no live one."""
    if not await store.revoke_key(work.session, token, id, work.now):
        raise Unknown("key_unknown", id=id, organisation=token)
    work.note(actor, "key-revoked", f"organisation/{token}", token, key=str(id))


# mandates


async def add_mandate(work: Work, *, actor: str, owner: str, reporter: str) -> None:
    """Let *reporter* report *owner*'s projects."""
    if owner == reporter:
        raise Denied("mandate_to_itself", value=reporter)
    if await store.organisation(work.session, reporter) is None:
        raise Denied("organisation_unknown", value=reporter)
    if await store.add_mandate(work.session, owner, reporter, work.now):
        work.note(actor, "mandate-given", f"organisation/{owner}", owner, reporter)


async def drop_mandate(work: Work, *, actor: str, owner: str, reporter: str) -> None:
    """End a mandate; what was reported under it stays."""
    if not await store.drop_mandate(work.session, owner, reporter):
        raise Unknown("mandate_unknown", owner=owner, reporter=reporter)
    work.note(actor, "mandate-ended", f"organisation/{owner}", owner, reporter)


# members


async def add_member(
    work: Work,
    *,
    actor: str,
    token: str,
    name: str,
    email: str,
    roles: Sequence[str],
    regions: Sequence[str] = (),
    language: str = "fi",
    subject: str | None = None,
    may_give: Iterable[str] | None = None,
) -> UUID:
    """
    Make the person of *email* a member with *roles*; known ones keep name, language and sign-in.

    *may_give* are the regions that the actor coordinates, None for the operator. Raises
    `RoleRefused`, `Denied` for an unknown region, `Clashes` when address and subject disagree.
    """
    check_roles(roles, regions, may_give)
    for region in regions:
        if not await store.has_region(work.session, region):
            raise Denied("region_unknown", value=region)
    await _held(work, token)
    person = await _person(work, name, email.strip().lower(), language, subject)
    before = await store.membership(work.session, token, person)
    row = store.MembershipRow(
        organisation=token,
        person=person,
        roles=sorted(set(roles)),
        regions=sorted(set(regions)),
        created_at=work.now,
    )
    if before and (before.roles, before.regions) == (row.roles, row.regions):
        return person
    await store.keep_membership(work.session, row)
    if before:
        await store.shrink_session(work.session, person)
    work.note(actor, "member-kept", f"organisation/{token}", token, person=str(person),
                roles=row.roles, regions=row.regions)  # fmt: skip
    await _tell(await store.change_organisation(work.session, token, work.now), work)
    return person


async def drop_member(work: Work, *, actor: str, token: str, person: UUID) -> None:
    """End a membership; the person's tokens are not renewed with it."""
    await _held(work, token)
    if not await store.drop_membership(work.session, token, person):
        raise Unknown("member_unknown", person=person, organisation=token)
    await store.shrink_session(work.session, person)
    work.note(actor, "member-dropped", f"organisation/{token}", token, person=str(person))
    await _tell(await store.change_organisation(work.session, token, work.now), work)


async def sign_in(work: Work, *, subject: str, email: str | None) -> Person | None:
    """
    The person who signs in as *subject*, or with a verified *email* for the first time.

    None when nobody is meant, or nobody who is still a member somewhere. An address that was bound
    to another subject opens nothing: it may have changed hands.
    """
    row = await store.person_with(work.session, subject=subject)
    if row is None and email:
        row = await store.person_with(work.session, email=email.strip().lower())
        if row is None or not await store.bind_subject(work.session, row.id, subject):
            return None
        work.note(f"person/{row.id}", "sign-in-bound", f"person/{row.id}")
    if row is None:
        return None
    found = await store.people(work.session, [row.id])
    return found[0] if found and found[0].memberships else None


async def _person(work: Work, name: str, email: str, language: str, subject: str | None) -> UUID:
    row = await store.person_with(work.session, email=email)
    if row is not None:
        if subject is not None and row.subject != subject:
            raise Clashes("person_differs", email=email, subject=subject)
        return row.id
    made = store.PersonRow(
        id=uuid7(), name=name, email=email, language=language, subject=subject, created_at=work.now
    )
    if not await store.add_person(work.session, made):
        raise Clashes("person_differs/taken", email=email, subject=subject)
    return made.id


async def _held(work: Work, token: str) -> store.OrganisationRow:
    row = await store.organisation(work.session, token, hold=True)
    if row is None:
        raise Unknown("organisation_unknown", value=token)
    return row


async def _tell(row: store.OrganisationRow, work: Work) -> None:
    members = await store.members_of(work.session, row.token)
    work.announce(
        OrganisationUpdated(
            at=work.now,
            region=row.region,
            organisation=row.token,
            revision=row.revision,
            title=row.title,
            actor_type=row.actor_type,
            business_id=row.business_id,
            members=tuple(
                Member(person=person.id, roles=each.roles, regions=each.regions)
                for person, each in members
            ),
            status="active" if row.status == "active" else "suspended",
        )
    )
    work.signal("organisation", row.region, row.token, about=row.token, revision=row.revision)
