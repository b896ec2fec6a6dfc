"""What the notifier does when something is told, and when a mail or a webhook is due."""

import json
import random
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.notifier import domain, store
from services.notifier.domain import Fact, Match, Membership, NearMiss, Pair, Reader, Seen
from services.notifier.domain.facts import Kind
from services.notifier.gateways import Courier, PostOffice, Registry
from shared.contracts import (
    AreaUpdated,
    ConfirmationAsked,
    DeliveryRecorded,
    DuplicateChanged,
    DuplicateSuggested,
    ForecastUpdated,
    MatchChanged,
    MatchFound,
    NearMissFound,
    NotificationSent,
    OrganisationUpdated,
    ProjectAdded,
    ProjectUpdated,
    ProjectWithdrawn,
)
from shared.contracts.base import uuid7
from shared.work import Work, point

Told = (
    AreaUpdated
    | ConfirmationAsked
    | DeliveryRecorded
    | DuplicateChanged
    | DuplicateSuggested
    | ForecastUpdated
    | MatchChanged
    | MatchFound
    | NearMissFound
    | ProjectAdded
    | ProjectUpdated
    | ProjectWithdrawn
)
ABOUT: Mapping[type[Any], tuple[Kind, str]] = {
    AreaUpdated: ("area", "area_id"),
    ConfirmationAsked: ("confirmation", "forecast_id"),
    DeliveryRecorded: ("delivery", "delivery_id"),
    DuplicateChanged: ("duplicate", "duplicate_id"),
    DuplicateSuggested: ("duplicate", "duplicate_id"),
    ForecastUpdated: ("forecast", "forecast_id"),
    MatchChanged: ("match", "match_id"),
    MatchFound: ("match", "match_id"),
    NearMissFound: ("near_miss", "near_miss_id"),
    ProjectAdded: ("project", "project_id"),
    ProjectUpdated: ("project", "project_id"),
    ProjectWithdrawn: ("project", "project_id"),
}
"""What a webhook may be told, by the kind of thing and the field of its id."""

POSTINGS_AT_ONCE = 20
IN_ONE_DIGEST = 20  # near misses, those worth most; or pairs
GATHERED = 200  # near misses that openings are gathered from
POSTING_FOR_S = 20.0  # then the webhook is given back: well within its lease
DEFAULT_LANGUAGE = "fi"


@dataclass(frozen=True)
class Rules:
    """What an operator may turn: how old news may be, whether there is mail, when to try again."""

    news: timedelta
    grace: timedelta
    mail: bool
    mail_pauses_s: tuple[float, ...]
    webhook_pauses_s: tuple[float, ...]
    near_worth_cents: int = 0
    digest_after: timedelta = timedelta(hours=4)
    digest_every: timedelta = timedelta(days=1)


@dataclass(frozen=True)
class Telling:
    """One revision of a match, the body it came with, and who is told of it."""

    match: Match
    told: Mapping[str, Any]
    readers: Sequence[Reader]


@dataclass(frozen=True)
class Subject:
    """What a notification is about: its kind, its id, and which revision of it."""

    kind: str
    id: UUID
    revision: int


@dataclass(frozen=True)
class Mailing:
    """
    One mail to one person *about* something: in which *kind* of letter, *why* to that person, and
    what is *told* in it.
    """

    person: UUID
    about: Subject
    region: str
    told_at: datetime
    kind: str
    why: str
    organisations: Sequence[str]
    told: Mapping[str, Any]
    found: bool = False

    def noted(self, id: UUID) -> dict[str, Any]:
        """The notification that this mail is."""
        return {
            "id": str(id),
            "subject_kind": self.about.kind,
            "subject_id": str(self.about.id),
            "subject_revision": self.about.revision,
            "recipient": str(self.person),
            "channel": "mail",
            "region": self.region,
            "told_at": self.told_at.isoformat(),
            "result": None,
        }

    def queued(self, id: UUID) -> dict[str, Any]:
        """The mail as it waits to be sent."""
        return {
            "id": str(id),
            "person": str(self.person),
            "kind": self.kind,
            "why": self.why,
            "organisations": list(self.organisations),
            "told_at": self.told_at.isoformat(),
            "found": self.found,
            "told": self.told,
        }


# --- what others tell -------------------------------------------------------------------------


async def hear_matches(
    events: Sequence[MatchFound | MatchChanged], work: Work, *, rules: Rules
) -> None:
    """Keep each match's newest revision, and tell of those revisions that are worth telling."""
    heard = [_heard(event) for event in events]
    ids = {match.id for match, _ in heard}
    organisations = {one for match, _ in heard for one in match.organisations}
    regions = {match.region for match, _ in heard}
    await store.hold_together(work.session, organisations, regions)
    await store.keep_matches(work.session, heard)
    news = [one for one in heard if work.now - one[0].told_at <= rules.news]
    worth_telling = [one for one in news if one[0].told_sides]
    await store.keep_tellings(work.session, worth_telling)
    newest = await store.matches(work.session, ids)

    members = await store.who_may_be_told(work.session, organisations, regions)
    reporters = await _reporters(work, (match for match, _ in worth_telling))
    tellings = [
        Telling(match, told, domain.readers_of(match, members, reporters))
        for match, told in worth_telling
    ]

    await _tell(work, rules, tellings, newest)
    await _post(work, rules, [_fact(one) for one in events if one.route != "onsite"])
    await _move(work, newest)


async def hear_organisation(event: OrganisationUpdated, work: Work, *, rules: Rules) -> None:
    """Keep who belongs to an organisation; who joined is owed what was told before we knew."""
    told = [_member(event, member) for member in event.members]
    regions = {region for member in told for region in member.regions}
    await store.hold_alone(work.session, [event.organisation], regions)
    if not await store.keep_organisation(
        work.session, event.organisation, event.revision, event.region, event.title
    ):
        return
    known = await store.members_of(work.session, event.organisation)

    members, owed = domain.arrived(known, told)

    await store.keep_members(work.session, event.organisation, members)
    if owed:
        await _tell_those(work, rules, [one for one in members if one.person in owed])


async def hear_projects(
    events: Sequence[ProjectAdded | ProjectUpdated], work: Work, *, rules: Rules
) -> None:
    """Keep the title of each project, and who reports it; post what was told."""
    newest = {event.project_id: event for event in sorted(events, key=lambda one: one.revision)}
    rows = [
        {
            "id": str(event.project_id),
            "revision": event.revision,
            "organisation": event.organisation,
            "reporter": event.reporter,
            "title": event.title,
        }
        for event in newest.values()
    ]
    await store.keep_projects(work.session, rows)
    await hear_facts(events, work, rules=rules)


async def hear_facts(events: Sequence[Told], work: Work, *, rules: Rules) -> None:
    """Post what was told of things, loads and pairs to the systems that asked for it."""
    facts = [_fact(event) for event in events]
    organisations = {one for fact in facts for one in fact.organisations}
    await store.hold_together(work.session, [*organisations, store.EVERYBODY], [])
    await _post(work, rules, facts)


def _heard(event: MatchFound | MatchChanged) -> tuple[Match, dict[str, Any]]:
    told = event.model_dump(mode="json", exclude_none=True)
    return domain.match_from(told, event.at, found=isinstance(event, MatchFound)), told


def _member(event: OrganisationUpdated, member: Any) -> Membership:
    regional = "regional_coordinator" in member.roles
    regions = (member.regions or (event.region,)) if regional else ()
    active = member.roles if event.status == "active" else ()
    return Membership(
        member.person, event.organisation, frozenset(active), frozenset(regions), event.at
    )


async def _reporters(work: Work, matches: Iterable[Match]) -> dict[UUID, str]:
    projects = {side.project_id for match in matches for side in match.sides}
    return await store.reporters_of(work.session, projects)


async def _tell_those(work: Work, rules: Rules, joined: Sequence[Membership]) -> None:
    """Tell *joined* of the last days' news; of what is closed only who stood here then."""
    organisations = {member.organisation for member in joined}
    regions = {region for member in joined for region in member.regions}
    heard = await store.owed_to(work.session, organisations, regions, since=work.now - rules.news)
    newest = await store.matches(work.session, {match.id for match, _ in heard})
    reporters = await _reporters(work, (match for match, _ in heard))
    persons = {member.person for member in joined}
    tellings = []
    for match, told in heard:
        readers = [
            reader
            for reader in domain.readers_of(match, joined, reporters)
            if reader.person in persons
            and (
                domain.is_news_to(reader, match.told_at, rules.grace)
                or not newest[match.id].is_closed
            )
        ]
        tellings.append(Telling(match, told, readers))
    await _tell(work, rules, tellings, newest)


async def _tell(
    work: Work, rules: Rules, tellings: Sequence[Telling], newest: Mapping[UUID, Match]
) -> None:
    """On the desk at once; by mail where it is on. What was told before is told no more."""
    desk = {uuid7(): (telling, reader) for telling in tellings for reader in telling.readers}
    rows = [
        _notification(id, telling.match, str(reader.person), "desk")
        for id, (telling, reader) in desk.items()
    ]
    fresh = await store.notify(work.session, rows, work.now)
    told = [(id, *desk[id]) for id in desk if id in fresh]
    if not told:
        return
    entries = {}
    for _, telling, reader in sorted(told, key=lambda one: one[1].match.revision):
        tab = domain.tab_of(newest[telling.match.id], reader.organisations)
        entry = store.entry_row(uuid7(), reader, telling.match, tab)
        entries[reader.person, telling.match.id] = entry
    await store.enter(work.session, list(entries.values()))
    for id, telling, reader in told:
        work.announce(_sent(id, telling.match, str(reader.person), "desk"))
        _signal(work, reader.organisation, telling.match)
    await _write_mail(work, rules, [(telling, reader) for _, telling, reader in told])


async def _write_mail(work: Work, rules: Rules, told: Sequence[tuple[Telling, Reader]]) -> None:
    if not rules.mail:
        return
    wanted = [
        (telling, reader)
        for telling, reader in told
        if reader.by_mail and domain.is_news_to(reader, telling.match.told_at, rules.grace)
    ]
    chosen = await store.preferences_of(work.session, {reader.person for _, reader in wanted})
    await _mail(
        work,
        [
            Mailing(
                person=reader.person,
                about=Subject("match", telling.match.id, telling.match.revision),
                region=telling.match.region,
                told_at=telling.match.told_at,
                kind="match",
                why=reader.why,
                organisations=reader.organisations,
                told=telling.told,
                found=telling.match.found,
            )
            for telling, reader in wanted
            if reader.person not in chosen or chosen[reader.person].mail
        ],
    )


async def _mail(work: Work, mailings: Iterable[Mailing]) -> None:
    """Note each mail and queue it, but those that were noted before."""
    mails = {uuid7(): one for one in mailings}
    fresh = await store.notify(work.session, [one.noted(id) for id, one in mails.items()], work.now)
    queued = [one.queued(id) for id, one in mails.items() if id in fresh]
    await store.write_mail(work.session, queued, work.now)
    if queued:
        work.wake("mail")


async def _post(work: Work, rules: Rules, facts: Iterable[Fact]) -> None:
    """Queue for each webhook what its organisation may see of *facts* and its filter wants."""
    news = [fact for fact in facts if work.now - fact.told_at <= rules.news]
    postings: dict[UUID, tuple[Fact, dict[str, Any]]] = {}
    for webhook in await store.webhooks_for(
        work.session,
        {fact.name for fact in news},
        {one for fact in news for one in fact.organisations},
        are_open=any(fact.is_open for fact in news),
    ):
        filter = domain.Filter(**{name: tuple(getattr(webhook, name)) for name in store.FILTERS})
        for fact in news:
            seen = domain.seen_by(fact, webhook.organisation)
            if seen is None or webhook.created_at > fact.told_at:
                continue
            if filter.wants(fact.name, seen):
                id = uuid7()
                postings[id] = fact, _posting(id, webhook.id, fact, seen)
    rows = [_posted_to(id, row["webhook_id"], fact) for id, (fact, row) in postings.items()]
    fresh = await store.notify(work.session, rows, work.now)
    queued = [row for id, (_, row) in postings.items() if id in fresh]
    await store.write_postings(work.session, queued, work.now)
    await store.queue(work.session, [UUID(row["webhook_id"]) for row in queued], work.now)
    if queued:
        work.wake("webhook")


def _posting(id: UUID, webhook: UUID, fact: Fact, seen: Seen) -> dict[str, Any]:
    body = {"type": fact.type, "timestamp": fact.told_at.isoformat(), "data": seen.body}
    return {
        "id": str(id),
        "webhook_id": str(webhook),
        "event": fact.name,
        "body": json.dumps(body, ensure_ascii=False, separators=(",", ":")),
    }


def _posted_to(id: UUID, webhook: str, fact: Fact) -> dict[str, Any]:
    return {
        "id": str(id),
        "subject_kind": fact.kind,
        "subject_id": str(fact.id),
        "subject_revision": fact.revision,
        "recipient": webhook,
        "channel": "webhook",
        "region": fact.region,
        "told_at": fact.told_at.isoformat(),
        "result": None,
    }


def _fact(event: Told) -> Fact:
    kind, id = ABOUT[type(event)]
    # a match is told to its sides on a subject of theirs, and here by the same name
    of_match = isinstance(event, MatchFound | MatchChanged)
    type_ = event.name.replace("matcher.", "matches.", 1) if of_match else event.name
    body = event.model_dump(mode="json", exclude_none=True)
    return Fact(type_, kind, getattr(event, id), event.revision, event.at, body)


async def _move(work: Work, newest: Mapping[UUID, Match]) -> None:
    """Let every inbox that holds these matches show what they are now."""
    entries = await store.entries_of(work.session, newest)
    tabs = {}
    for entry in entries:
        match = newest[entry.match_id]
        tab = domain.tab_of(match, entry.organisations)
        if tab != entry.tab:
            tabs[entry.id] = tab
        _signal(work, entry.organisation, match)
    await store.move_entries(work.session, tabs)


def _signal(work: Work, organisation: str, match: Match) -> None:
    """One look-again an organisation and work: pages fetch the whole list anyway."""
    told = ("inbox", match.region, organisation)
    if told not in {(one.topic, one.region, one.organisation) for one in work.signals}:
        work.signal(*told, about=match.id, revision=match.revision)


def _notification(
    id: UUID, match: Match | NearMiss | Pair, recipient: str, channel: str, *, kind: str = "match"
) -> dict[str, Any]:
    return {
        "id": str(id),
        "subject_kind": kind,
        "subject_id": str(match.id),
        "subject_revision": match.revision,
        "recipient": recipient,
        "channel": channel,
        "region": match.region,
        "told_at": match.told_at.isoformat(),
        "result": "sent" if channel == "desk" else None,
    }


def _sent(
    id: UUID, match: Match | NearMiss | Pair, recipient: str, channel: Any, *, kind: str = "match"
) -> NotificationSent:
    return NotificationSent(
        region=match.region,
        notification_id=id,
        channel=channel,
        recipient=recipient,
        subject_kind=kind,
        subject_id=match.id,
        subject_revision=match.revision,
    )


# --- near misses ------------------------------------------------------------------------------


async def hear_near_misses(events: Sequence[NearMissFound], work: Work, *, rules: Rules) -> None:
    """
    Keep each near miss's newest revision, and tell calmly of those worth it.

    A person is told of one again only when it differs much from what he or she was told; that it
    is gone shows on the desk and is told to nobody.
    """
    heard = [_near_heard(event) for event in events]
    organisations = {one for near, _ in heard for one in near.organisations}
    regions = {near.region for near, _ in heard}
    await store.hold_together(work.session, organisations, regions)
    newer = await store.keep_near_misses(work.session, heard)
    latest = {near.id: near for near, _ in heard if (near.id, near.revision) in newer}
    worth = [
        near
        for near in latest.values()
        if near.is_open
        and near.worth_cents >= rules.near_worth_cents
        and work.now - near.told_at <= rules.news
    ]
    members = await store.who_may_be_told(work.session, organisations, regions)
    projects = {side.project_id for near in worth for side in near.sides}
    reporters = await store.reporters_of(work.session, projects)
    before = await store.noticed(work.session, latest)

    told = [
        (near, reader)
        for near in worth
        for reader in domain.readers_of(near, members, reporters)
        if domain.is_news(near, before.get((reader.person, near.id)))
    ]

    await _notice(work, rules, told)
    await _post(work, rules, map(_fact, events))
    for region, organisation in await store.where_noticed(work.session, latest):
        work.signal("inbox", region, organisation)


def _near_heard(event: NearMissFound) -> tuple[NearMiss, dict[str, Any]]:
    told = event.model_dump(mode="json", exclude_none=True)
    return domain.near_miss_from(told, event.at), told


async def _notice(work: Work, rules: Rules, told: Sequence[tuple[NearMiss, Reader]]) -> None:
    """On the desk at once; by mail in one letter with others, later."""
    desk = {uuid7(): each for each in told}
    rows = [
        _notification(id, near, str(reader.person), "desk", kind="near_miss")
        for id, (near, reader) in desk.items()
    ]
    fresh = await store.notify(work.session, rows, work.now)
    new = [(id, *desk[id]) for id in desk if id in fresh]
    await store.notice(work.session, [store.notice_row(uuid7(), *each[1:]) for each in new])
    for id, near, reader in new:
        work.announce(_sent(id, near, str(reader.person), "desk", kind="near_miss"))
    if rules.mail:
        persons = {
            reader.person
            for _, near, reader in new
            if reader.by_mail and domain.is_news_to(reader, near.told_at, rules.grace)
        }
        await store.digest_later(
            work.session, persons, work.now + rules.digest_after, rules.digest_every
        )


async def write_digest(row: Any, work: Work) -> None:
    """
    Write what the person of *row* was not mailed of yet: one letter of near misses, one of pairs
    that may be one mass, and with the first of a week what one change would open.
    """
    near = await store.unmailed(work.session, row.person, limit=IN_ONE_DIGEST)
    pairs = await store.unmailed_duplicates(work.session, row.person, limit=IN_ONE_DIGEST)
    chosen = (await store.preferences_of(work.session, {row.person})).get(row.person)
    written = bool(near or pairs) and (chosen is None or chosen.mail)
    await store.digested(work.session, row, work.now if written else None)
    if not written:
        return
    told = {
        "near_misses": ("digest", near, [one.told for one in near]),
        "duplicates": ("duplicates", pairs, [_paired(one) for one in pairs]),
    }
    almost = await store.almost(work.session, row.person, limit=GATHERED) if near else ()
    openings = domain.openings_among([(one.told, one.organisations) for one in almost])
    await _mail(
        work,
        [
            Mailing(
                person=row.person,
                about=Subject(about, row.person, row.revision + 1),
                region=found[0].region,
                told_at=work.now,
                kind=kind,
                why=found[0].why,
                organisations=found[0].organisations,
                told={"items": items},
            )
            for kind, (about, found, items) in told.items()
            if found
        ]
        + [
            Mailing(
                person=row.person,
                about=Subject("openings", row.person, _week(work.now)),
                region=openings[0].region,
                told_at=work.now,
                kind="openings",
                why=near[0].why,
                organisations=near[0].organisations,
                told={"items": [_gathered(one) for one in almost]},
            )
            for _ in openings[:1]
        ],
    )


def _week(now: datetime) -> int:
    """The ISO week as 202648: what is told under it is told once a week."""
    year, week, _ = now.isocalendar()
    return year * 100 + week


def _gathered(row: Any) -> dict[str, Any]:
    return {"told": row.told, "organisations": row.organisations}


# --- duplicates -------------------------------------------------------------------------------


async def hear_duplicates(
    events: Sequence[DuplicateSuggested | DuplicateChanged], work: Work, *, rules: Rules
) -> None:
    """
    Keep each pair's newest revision, and tell those who may know of both forecasts: on the desk at
    once, the owners by mail in one letter with others, later.

    That a pair is refused or alike no longer is told to nobody: it leaves the desks.
    """
    heard = [_pair_heard(event) for event in events]
    organisations = {one for pair, _ in heard for one in pair.organisations}
    regions = {region for pair, _ in heard for region in pair.regions}
    await store.hold_together(work.session, [*organisations, store.EVERYBODY], regions)
    newer = await store.keep_duplicates(work.session, heard)
    latest = {pair.id: pair for pair, _ in heard if (pair.id, pair.revision) in newer}
    members = await store.who_may_be_told(work.session, organisations, regions)

    told = [
        (pair, reader, region)
        for pair in latest.values()
        if work.now - pair.told_at <= rules.news
        for reader, region in domain.readers_of_pair(pair, members)
    ]

    await _notice_pairs(work, rules, told)
    await _post(work, rules, map(_fact, events))
    for region, organisation in await store.where_duplicates_noticed(work.session, latest):
        work.signal("inbox", region, organisation)


def _pair_heard(event: DuplicateSuggested | DuplicateChanged) -> tuple[Pair, dict[str, Any]]:
    told = event.model_dump(mode="json", exclude_none=True)
    return domain.pair_from(told, event.at), told


async def _notice_pairs(work: Work, rules: Rules, told: Sequence[tuple[Pair, Reader, str]]) -> None:
    desk = {uuid7(): each for each in told}
    rows = [
        _notification(id, pair, str(reader.person), "desk", kind="duplicate")
        for id, (pair, reader, _) in desk.items()
    ]
    fresh = await store.notify(work.session, rows, work.now)
    new = [(id, *desk[id]) for id in desk if id in fresh]
    await store.notice_duplicates(
        work.session, [store.duplicate_notice_row(uuid7(), *each[1:]) for each in new]
    )
    for id, pair, reader, _ in new:
        work.announce(_sent(id, pair, str(reader.person), "desk", kind="duplicate"))
    if rules.mail:
        persons = {
            reader.person
            for _, pair, reader, _ in new
            if reader.by_mail and domain.is_news_to(reader, pair.told_at, rules.grace)
        }
        await store.digest_later(
            work.session, persons, work.now + rules.digest_after, rules.digest_every
        )


def _paired(row: Any) -> dict[str, Any]:
    return {
        "region": row.region,
        "told": row.told,
        "told_at": row.changed_at.isoformat(),
        "organisations": row.organisations,
    }


# --- questions to owners ----------------------------------------------------------------------


async def hear_question(event: ConfirmationAsked, work: Work, *, rules: Rules) -> None:
    """
    Ask the owner of a forecast by mail whether it holds, and its system; the desk lists what is
    asked.
    """
    await hear_facts([event], work, rules=rules)
    if not rules.mail or work.now - event.at > rules.news:
        return
    members = await store.who_may_be_told(work.session, [event.organisation], [])
    asked = domain.asked_of(event.organisation, event.contacts, members)
    chosen = await store.preferences_of(work.session, set(asked))
    await _mail(
        work,
        [
            Mailing(
                person=person,
                about=Subject("confirmation", event.forecast_id, event.revision),
                region=event.region,
                told_at=event.at,
                kind="confirmation",
                why=why,
                organisations=(event.organisation,),
                told=event.model_dump(mode="json", exclude_none=True),
            )
            for person, why in sorted(asked.items())
            if person not in chosen or chosen[person].mail
        ],
    )


# --- what is due ------------------------------------------------------------------------------


async def send_mail(
    row: Any, work: Work, *, rules: Rules, registry: Registry, post: PostOffice
) -> None:
    """
    Send one mail that is due, outside any transaction, then record it.

    While the registry is away nothing is counted: the mail waits.
    """
    chosen = (await store.preferences_of(work.session, {row.person})).get(row.person)
    match = domain.match_from(row.told, row.told_at, found=row.found) if _is_match(row) else None
    titles = await _titles(work, match)
    await store.let_go(work.session)

    outcome = None
    if work.now - row.told_at > rules.news:
        outcome = domain.Outcome("never", work.now, error="this is no news any more")
    elif chosen is not None and not chosen.mail:
        outcome = domain.Outcome("never", work.now, error="the reader wants no mail")
    if outcome is None:
        person = await registry.person(row.person)
        if person is None or not person.email:
            outcome = domain.Outcome("never", work.now, error="nobody has this id any more")
        else:
            language = (chosen.language if chosen else None) or person.language
            letter = await _letter(
                row,
                match,
                language or DEFAULT_LANGUAGE,
                registry=registry,
                post=post,
                titles=titles,
            )
            outcome = await post.send(letter, person, row.id)
            point("after-send-before-record")

    await _record_mail(row, work, rules, outcome)


def _is_match(row: Any) -> bool:
    return bool(row.kind == "match")


async def _titles(work: Work, match: Match | None) -> tuple[dict[UUID, str], dict[str, str]]:
    if match is None:
        return {}, {}
    projects = [side.project_id for side in match.sides]
    return (
        await store.titles_of_projects(work.session, projects),
        await store.titles_of_organisations(work.session, match.organisations),
    )


async def _letter(
    row: Any,
    match: Match | None,
    language: str,
    *,
    registry: Registry,
    post: PostOffice,
    titles: tuple[Mapping[UUID, str], Mapping[str, str]],
) -> domain.Letter:
    if row.kind == "near_misses":
        items: Sequence[Mapping[str, Any]] = row.told["items"]
        return domain.letter_of_near_misses(
            [domain.near_miss_from(one, row.told_at) for one in items],
            language=language,
            why=row.why,
            places=await _places(registry, items, language),
            portal_url=post.portal_url,
        )
    if row.kind == "openings":
        gathered = [(one["told"], one["organisations"]) for one in row.told["items"]]
        return domain.letter_of_openings(
            domain.openings_among(gathered),
            language=language,
            why=row.why,
            places=await _places(registry, [told for told, _ in gathered], language),
            portal_url=post.portal_url,
        )
    if row.kind == "duplicates":
        return await _letter_of_pairs(row, language, registry=registry, post=post)
    if row.kind == "confirmation":
        return domain.letter_of_question(
            row.told, language=language, why=row.why, portal_url=post.portal_url
        )
    if match is None:
        return domain.letter_of_disabled(row.told, language=language, portal_url=post.portal_url)
    places = await _places(registry, [row.told], language)
    return domain.letter_about(
        match,
        language=language,
        why=row.why,
        organisations=tuple(row.organisations),
        places=places,
        projects=titles[0],
        names=titles[1],
        portal_url=post.portal_url,
    )


async def _letter_of_pairs(
    row: Any, language: str, *, registry: Registry, post: PostOffice
) -> domain.Letter:
    found = [
        (domain.pair_from(one["told"], row.told_at), one["organisations"])
        for one in row.told["items"]
    ]
    places: dict[str, str] = {}
    for region in sorted({region for pair, _ in found for region in pair.regions}):
        places |= await registry.places(region, language)
    return domain.letter_of_pairs(
        found,
        language=language,
        why=row.why,
        region=row.told["items"][0]["region"],
        places=places,
        portal_url=post.portal_url,
    )


async def _places(
    registry: Registry, told: Iterable[Mapping[str, Any]], language: str
) -> dict[str, str]:
    """Names of the municipalities of every region in *told*."""
    places: dict[str, str] = {}
    for region in sorted({one[end]["region"] for one in told for end in ("surplus", "need")}):
        places |= await registry.places(region, language)
    return places


async def _record_mail(row: Any, work: Work, rules: Rules, outcome: domain.Outcome) -> None:
    tries = row.tries + (outcome.status is not None or outcome.result != "never")
    next_at = domain.next_try(outcome, tries, rules.mail_pauses_s, random.random())
    if next_at is not None:
        await store.mail_waits(work.session, row, tries, next_at)
        return
    if await store.drop_mail(work.session, row):
        await _settle(work, row.id, outcome, tries)


async def _settle(work: Work, id: UUID, outcome: domain.Outcome, tries: int) -> None:
    result = "sent" if outcome.result == "sent" else "gave_up"
    known = await store.settle(work.session, id, result, tries, outcome)
    if known is not None:
        work.announce(
            NotificationSent(
                region=known.region,
                notification_id=id,
                channel=known.channel,
                recipient=known.recipient,
                subject_kind=known.subject_kind,
                subject_id=known.subject_id,
                subject_revision=known.subject_revision,
                result=result,
                attempts=max(tries, 1),
            )
        )


async def test_webhook(work: Work, webhook: Any) -> UUID:
    """Queue a posting that says nothing but that the webhook works; its id."""
    id = uuid7()
    body = {
        "type": "massakoppi.webhook-test.v1",
        "timestamp": work.now.isoformat(),
        "data": {"organisation": webhook.organisation, "webhook_id": str(webhook.id)},
    }
    told = {
        "id": str(id),
        "subject_kind": "webhook",
        "subject_id": str(id),
        "subject_revision": 1,
        "recipient": str(webhook.id),
        "channel": "webhook",
        "region": await store.region_of(work.session, webhook.organisation),
        "told_at": work.now.isoformat(),
        "result": None,
    }
    posting = {
        "id": str(id),
        "webhook_id": str(webhook.id),
        "event": "webhook-test",
        "body": json.dumps(body, separators=(",", ":")),
    }
    await store.notify(work.session, [told], work.now)
    await store.write_postings(work.session, [posting], work.now)
    await store.queue(work.session, [webhook.id], work.now)
    work.wake("webhook")
    return id


async def post_webhook(row: Any, work: Work, *, rules: Rules, courier: Courier) -> None:
    """
    Post what waits for one webhook, outside any transaction, then record it.

    At the first failure the webhook rests, so a dead receiver costs one try and holds no other.
    """
    limit = POSTINGS_AT_ONCE if row.status == "active" else 0
    waiting = await store.postings_due(work.session, row.id, work.now, limit=limit)
    await store.let_go(work.session)

    tried = []
    for posting in waiting:
        outcome = await courier.post(row.url, row.secret, posting.id, posting.body)
        point("after-send-before-record")
        tried.append((posting, outcome))
        if outcome.result != "sent" or _seconds(work.now, outcome.at) > POSTING_FOR_S:
            break

    held = await store.hold_webhook(work.session, row)
    if held is not None:
        await _record_postings(held, work, rules, tried)


def _seconds(since: datetime, until: datetime) -> float:
    return (until - since).total_seconds()


async def _record_postings(
    webhook: Any, work: Work, rules: Rules, tried: Sequence[tuple[Any, domain.Outcome]]
) -> None:
    endpoint = domain.Endpoint(webhook.failures, webhook.resting_until)
    for posting, outcome in tried:
        tries = posting.tries + 1
        jitter = random.random()
        next_at = domain.next_try(outcome, tries, rules.webhook_pauses_s, jitter)
        await store.posted(work.session, posting.id, tries, outcome, next_at)
        if next_at is None:
            await _settle(work, posting.id, outcome, tries)
        if outcome.result == "sent":
            endpoint = domain.after_success(endpoint)
        else:
            endpoint = domain.rest(endpoint, outcome, rules.webhook_pauses_s, jitter)
    if endpoint.disabled is None or webhook.status != "active":
        await store.release(work.session, webhook.id, endpoint)
        return
    revision, given_up = await store.disable(work.session, webhook.id, endpoint)
    for posting in given_up:
        outcome = domain.Outcome("never", work.now, error="the webhook was disabled")
        await _settle(work, posting.id, outcome, posting.tries)
    await _write_to_owner(work, rules, webhook, revision, tried[-1][0].region)


async def _write_to_owner(
    work: Work, rules: Rules, webhook: Any, revision: int, region: str
) -> None:
    if not rules.mail:
        return
    await _mail(
        work,
        [
            Mailing(
                person=person,
                about=Subject("webhook", webhook.id, revision),
                region=region,
                told_at=work.now,
                kind="webhook",
                why="owner",
                organisations=(webhook.organisation,),
                told={"organisation": webhook.organisation, "host": _host(webhook.url)},
            )
            for person in await _owners(work, webhook)
        ],
    )


async def _owners(work: Work, webhook: Any) -> Collection[UUID]:
    """Who made it, where that was a person; else the organisation's coordinators."""
    try:
        return [UUID(webhook.created_by)]
    except ValueError:
        members = await store.members_of(work.session, webhook.organisation)
        return [one.person for one in members if "coordinator" in one.roles]


def _host(url: str) -> str:
    return url.split("//", 1)[-1].split("/", 1)[0]
