"""Who wants to know: the persons in charge of both sides, and the regional coordinators."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from services.notifier.domain.matches import Match, Side
from services.notifier.domain.near import NearMiss

COORDINATOR = "coordinator"
REGIONAL = "regional_coordinator"
Why = Literal["contact", "coordinator", "region"]


@dataclass(frozen=True, slots=True)
class Membership:
    """
    A person in an organisation, by id.

    *regions* are those the person coordinates; *since* is when this standing was first told.
    """

    person: UUID
    organisation: str
    roles: frozenset[str]
    regions: frozenset[str]
    since: datetime

    @property
    def standing(self) -> frozenset[str]:
        """What of this membership decides who is told."""
        told = roles_that_are_told(self.roles)
        return told | self.regions if REGIONAL in told else told


@dataclass(frozen=True, slots=True)
class Reader:
    """
    One person who is told of a match, and *why*.

    *organisation* is the one the person is reached through; *organisations* are those he or she
    reads for: none for a regional coordinator. *since* is unknown for a named contact. Mail goes
    to the sides that are told; whoever else is told reads on the desk.
    """

    person: UUID
    why: Why
    organisation: str
    organisations: tuple[str, ...] = ()
    since: datetime | None = None
    by_mail: bool = False


def roles_that_are_told(roles: Iterable[str]) -> frozenset[str]:
    """Those of *roles* by which a person is told of matches."""
    return frozenset(roles) & {COORDINATOR, REGIONAL}


def readers_of(
    match: Match | NearMiss, members: Iterable[Membership], reporters: Mapping[UUID, str]
) -> list[Reader]:
    """
    Who is told of this revision of *match*, or near miss: each person once, in the order of ids.

    A side is its contacts, else the coordinators of its organisation among *members*. *reporters*
    names, by project, the organisation that reports it: its people may be contacts too.
    """
    if not match.told_sides:
        return []
    known = list(members)
    found: dict[UUID, Reader] = {}
    for side in match.sides:
        for reader in _readers_of(side, known, reporters, told=side in match.told_sides):
            found[reader.person] = _both(found.get(reader.person), reader)
    told = {person: reader for person, reader in found.items() if reader.by_mail}
    for member in known:
        if REGIONAL in member.roles and match.region in member.regions:
            regional = Reader(member.person, "region", member.organisation, (), member.since)
            told.setdefault(member.person, found.get(member.person, regional))
    return [told[person] for person in sorted(told)]


def _readers_of(
    side: Side, members: Iterable[Membership], reporters: Mapping[UUID, str], *, told: bool
) -> Iterable[Reader]:
    if side.organisation is None:
        return
    if side.contacts:
        reporter = reporters.get(side.project_id, side.organisation)
        through = tuple(dict.fromkeys((side.organisation, reporter)))
        for person in side.contacts:
            yield Reader(person, "contact", side.organisation, through, None, told)
        return
    for member in members:
        if member.organisation == side.organisation and COORDINATOR in member.roles:
            through = (side.organisation,)
            since = member.since
            yield Reader(member.person, "coordinator", side.organisation, through, since, told)


def _both(one: Reader | None, other: Reader) -> Reader:
    if one is None:
        return other
    organisations = tuple(dict.fromkeys(one.organisations + other.organisations))
    by_mail = one.by_mail or other.by_mail
    if one.since is None or other.since is None:
        contact = one if one.since is None else other
        person, organisation = contact.person, contact.organisation
        return Reader(person, "contact", organisation, organisations, None, by_mail)
    since = min(one.since, other.since)
    return Reader(one.person, one.why, one.organisation, organisations, since, by_mail)


def arrived(
    known: Iterable[Membership], told: Iterable[Membership]
) -> tuple[list[Membership], set[UUID]]:
    """
    The members as *told*, each with the earlier *since* where the standing did not grow, and the
    persons whose standing grew: they may be owed what was told before they were known.
    """
    before = {member.person: member for member in known}
    members, owed = [], set()
    for member in told:
        earlier = before.get(member.person)
        if earlier is not None and member.standing <= earlier.standing:
            members.append(_since(member, earlier.since))
        else:
            members.append(member)
            if member.standing:
                owed.add(member.person)
    return members, owed


def _since(member: Membership, since: datetime) -> Membership:
    return Membership(member.person, member.organisation, member.roles, member.regions, since)


def is_news_to(reader: Reader, told_at: datetime, grace: timedelta) -> bool:
    """Whether *reader* stood here when something was told, or within *grace* after it."""
    return reader.since is None or reader.since <= told_at + grace
