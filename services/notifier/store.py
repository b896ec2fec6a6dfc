"""The notifier's tables, and the questions it asks them."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Text,
    Time,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import Field, SQLModel

from services.notifier.domain.matches import Match, match_from
from services.notifier.domain.near import NearMiss
from services.notifier.domain.pairs import Pair
from services.notifier.domain.readers import Membership, Reader
from services.notifier.domain.retries import Endpoint, Outcome
from shared.work import MOMENT, Ledger

ledger = Ledger("notifier")
ledger.hears("organisation", "member", "project", "match", "telling", "near_miss", "duplicate")


def moment(*, nullable: bool = False) -> Any:
    return Field(sa_column=Column(MOMENT, nullable=nullable))


def texts() -> Any:
    return Field(sa_column=Column(ARRAY(Text), nullable=False, server_default="{}"))


def body() -> Any:
    return Field(sa_column=Column(JSONB, nullable=False))


def words() -> Any:
    return Field(sa_column=Column(Text, nullable=False))


class OrganisationRow(SQLModel, table=True):
    """An organisation as the registry told it."""

    __tablename__ = "organisation"
    metadata = ledger.metadata

    token: str = Field(sa_column=Column(Text, primary_key=True))
    revision: int
    region: str = words()
    title: str = words()


class MemberRow(SQLModel, table=True):
    """A person of an organisation, by id."""

    __tablename__ = "member"
    metadata = ledger.metadata
    # regional coordinators of a region, at each match
    __table_args__ = (Index("ix_member_regions", "regions", postgresql_using="gin"),)

    organisation: str = Field(sa_column=Column(Text, primary_key=True))
    person: UUID = Field(primary_key=True)
    roles: list[str] = texts()
    regions: list[str] = texts()
    since: datetime = moment()


class ProjectRow(SQLModel, table=True):
    """A project's title, and who reports it."""

    __tablename__ = "project"
    metadata = ledger.metadata

    id: UUID = Field(primary_key=True)
    revision: int
    organisation: str = words()
    reporter: str = words()
    title: str = words()


class MatchRow(SQLModel, table=True):
    """The newest revision of a match, as told."""

    __tablename__ = "match"
    metadata = ledger.metadata
    # the time of the newest news
    __table_args__ = (Index("ix_match_told_at", "told_at"),)

    id: UUID = Field(primary_key=True)
    revision: int
    told_at: datetime = moment()
    found: bool
    told: dict[str, Any] = body()


class TellingRow(SQLModel, table=True):
    """A revision of a match that is worth telling: recipients known later are owed it too."""

    __tablename__ = "telling"
    metadata = ledger.metadata
    __table_args__ = (
        # what an organisation, or a region's coordinator, that became known is owed
        Index("ix_telling_organisations", "organisations", postgresql_using="gin"),
        Index("ix_telling_region", "region", "told_at"),
    )

    match_id: UUID = Field(primary_key=True)
    revision: int = Field(primary_key=True)
    told_at: datetime = moment()
    region: str = words()
    organisations: list[str] = texts()
    found: bool
    told: dict[str, Any] = body()


class NotificationRow(SQLModel, table=True):
    """One telling to one recipient on one channel: what makes it happen once."""

    __tablename__ = "notification"
    metadata = ledger.metadata
    __table_args__ = (
        UniqueConstraint(
            "subject_kind",
            "subject_id",
            "subject_revision",
            "recipient",
            "channel",
            name="uq_notification_once",
        ),
        CheckConstraint("channel IN ('desk', 'mail', 'webhook')", name="channel"),
        CheckConstraint("result IN ('sent', 'gave_up')", name="result"),
    )

    id: UUID = Field(primary_key=True)
    subject_kind: str = words()
    subject_id: UUID
    subject_revision: int
    recipient: str = words()
    channel: str = words()
    region: str = words()
    told_at: datetime = moment()
    created_at: datetime = moment()
    result: str | None = Field(default=None, sa_column=Column(Text))
    tries: int = 0
    settled_at: datetime | None = moment(nullable=True)
    error: str | None = Field(default=None, sa_column=Column(Text))


class EntryRow(SQLModel, table=True):
    """A match in one person's inbox."""

    __tablename__ = "inbox_entry"
    metadata = ledger.metadata
    __table_args__ = (
        UniqueConstraint("person", "match_id", name="uq_inbox_entry_once"),
        CheckConstraint("tab IN ('decide', 'waiting', 'moving', 'told', 'closed')", name="tab"),
        # one page of one tab, newest first
        Index("ix_inbox_entry_page", "person", "tab", "told_at", "id"),
        Index("ix_inbox_entry_match", "match_id"),
    )

    id: UUID = Field(primary_key=True)
    person: UUID
    match_id: UUID
    region: str = words()
    why: str = words()
    organisation: str = words()
    organisations: list[str] = texts()
    tab: str = words()
    unread: bool
    told_revision: int
    told_at: datetime = moment()
    read_at: datetime | None = moment(nullable=True)


class NearMissRow(SQLModel, table=True):
    """The newest revision of a near miss, as told."""

    __tablename__ = "near_miss"
    metadata = ledger.metadata

    id: UUID = Field(primary_key=True)
    revision: int
    told_at: datetime = moment()
    is_open: bool
    told: dict[str, Any] = body()


class NoticeRow(SQLModel, table=True):
    """A near miss on one person's desk, with the thing and worth that he or she was told."""

    __tablename__ = "notice"
    metadata = ledger.metadata
    __table_args__ = (
        UniqueConstraint("person", "near_miss_id", name="uq_notice_once"),
        # one's own, newest first
        Index("ix_notice_page", "person", "told_at", "id"),
        Index("ix_notice_near_miss", "near_miss_id"),
    )

    id: UUID = Field(primary_key=True)
    person: UUID
    near_miss_id: UUID
    region: str = words()
    why: str = words()
    organisation: str = words()
    organisations: list[str] = texts()
    by_mail: bool
    thing: str = words()
    worth_cents: int = Field(sa_column=Column(BigInteger, nullable=False))
    unread: bool
    told_revision: int
    told_at: datetime = moment()
    mailed_at: datetime | None = moment(nullable=True)


class DuplicateRow(SQLModel, table=True):
    """The newest revision of a pair that may be one mass, as told."""

    __tablename__ = "duplicate"
    metadata = ledger.metadata

    id: UUID = Field(primary_key=True)
    revision: int
    told_at: datetime = moment()
    change: str = words()
    is_open: bool
    told: dict[str, Any] = body()


class DuplicateNoticeRow(SQLModel, table=True):
    """A pair on one person's desk, as he or she was told of it last."""

    __tablename__ = "duplicate_notice"
    metadata = ledger.metadata
    __table_args__ = (
        UniqueConstraint("person", "duplicate_id", name="uq_duplicate_notice_once"),
        # one's own, newest first
        Index("ix_duplicate_notice_page", "person", "told_at", "id"),
        Index("ix_duplicate_notice_duplicate", "duplicate_id"),
    )

    id: UUID = Field(primary_key=True)
    person: UUID
    duplicate_id: UUID
    region: str = words()
    why: str = words()
    organisation: str = words()
    organisations: list[str] = texts()
    by_mail: bool
    unread: bool
    told_revision: int
    told_at: datetime = moment()
    mailed_at: datetime | None = moment(nullable=True)


class DigestRow(SQLModel, table=True):
    """When a person is next mailed of what is told together; `due_at` is empty while nothing is."""

    __tablename__ = "digest"
    metadata = ledger.metadata
    # the writer's claim
    __table_args__ = (
        Index("ix_digest_due", "due_at", postgresql_where=text("due_at IS NOT NULL")),
    )

    person: UUID = Field(primary_key=True)
    revision: int = Field(0, sa_column=Column(Integer, nullable=False, server_default="0"))
    sent_at: datetime | None = moment(nullable=True)
    due_at: datetime | None = moment(nullable=True)
    claimed_by: UUID | None = Field(default=None, sa_column=Column(Uuid))
    claimed_until: datetime | None = moment(nullable=True)
    attempts: int = Field(0, sa_column=Column(Integer, nullable=False, server_default="0"))


class MailRow(SQLModel, table=True):
    """A mail that is not sent yet; its id is the notification's and the Message-ID."""

    __tablename__ = "mail"
    metadata = ledger.metadata
    __table_args__ = (Index("ix_mail_due", "due_at"),)  # the sender's claim

    id: UUID = Field(primary_key=True)
    person: UUID
    kind: str = words()
    why: str = words()
    organisations: list[str] = texts()
    told_at: datetime = moment()
    found: bool = False
    told: dict[str, Any] = body()
    tries: int = Field(0, sa_column=Column(Integer, nullable=False, server_default="0"))
    due_at: datetime = moment()
    claimed_by: UUID | None = Field(default=None, sa_column=Column(Uuid))
    claimed_until: datetime | None = moment(nullable=True)
    attempts: int = Field(0, sa_column=Column(Integer, nullable=False, server_default="0"))


class WebhookRow(SQLModel, table=True):
    """
    An organisation's webhook: its queue is due as one row, so that a dead one holds no other.

    `due_at` is empty while nothing waits for it.
    """

    __tablename__ = "webhook"
    metadata = ledger.metadata
    __table_args__ = (
        CheckConstraint("status IN ('active', 'disabled')", name="status"),
        # the sender's claim
        Index("ix_webhook_due", "due_at", postgresql_where=text("due_at IS NOT NULL")),
        Index("ix_webhook_organisation", "organisation"),
    )

    id: UUID = Field(primary_key=True)
    revision: int = Field(1, sa_column=Column(Integer, nullable=False, server_default="1"))
    organisation: str = words()
    url: str = words()
    events: list[str] = texts()
    whose: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False, server_default="{own}"))
    regions: list[str] = texts()
    materials: list[str] = texts()
    municipalities: list[str] = texts()
    directions: list[str] = texts()
    projects: list[str] = texts()
    secret: str = words()
    created_by: str = words()
    created_at: datetime = moment()
    status: str = Field("active", sa_column=Column(Text, nullable=False, server_default="active"))
    reason: str | None = Field(default=None, sa_column=Column(Text))
    failures: int = Field(0, sa_column=Column(Integer, nullable=False, server_default="0"))
    resting_until: datetime | None = moment(nullable=True)
    due_at: datetime | None = moment(nullable=True)
    claimed_by: UUID | None = Field(default=None, sa_column=Column(Uuid))
    claimed_until: datetime | None = moment(nullable=True)
    attempts: int = Field(0, sa_column=Column(Integer, nullable=False, server_default="0"))


class PostingRow(SQLModel, table=True):
    """
    One notification to one webhook, with the exact bytes that are signed at every try.

    `next_at` is empty when it is settled; the row stays for the log and for sending it again.
    """

    __tablename__ = "posting"
    metadata = ledger.metadata
    __table_args__ = (
        Index("ix_posting_waiting", "webhook_id", "next_at",
              postgresql_where=text("next_at IS NOT NULL")),
        Index("ix_posting_log", "webhook_id", "id"),
    )  # fmt: skip

    id: UUID = Field(primary_key=True)
    webhook_id: UUID = Field(
        sa_column=Column(Uuid, ForeignKey("webhook.id", ondelete="CASCADE"), nullable=False)
    )
    event: str = words()
    body: str = words()
    created_at: datetime = moment()
    next_at: datetime | None = moment(nullable=True)
    tries: int = Field(0, sa_column=Column(Integer, nullable=False, server_default="0"))
    status: int | None = Field(default=None, sa_column=Column(Integer))
    error: str | None = Field(default=None, sa_column=Column(Text))
    sent_at: datetime | None = moment(nullable=True)


class PreferenceRow(SQLModel, table=True):
    """What a person chose; quiet hours are kept and do not act yet."""

    __tablename__ = "preference"
    metadata = ledger.metadata
    __table_args__ = (CheckConstraint("language IN ('fi', 'sv', 'en')", name="language"),)

    person: UUID = Field(primary_key=True)
    language: str | None = Field(default=None, sa_column=Column(Text))
    mail: bool = True
    quiet_from: time | None = Field(default=None, sa_column=Column(Time))
    quiet_to: time | None = Field(default=None, sa_column=Column(Time))
    changed_at: datetime = moment()


# --- what others told -------------------------------------------------------------------------

EVERYBODY = "*"
"""Held alone by a webhook that is told of everybody's open things, together by who tells them."""

HOLD = """
    SELECT {function}(key) FROM (
        SELECT DISTINCT hashtextextended(name, 8104) AS key
        FROM unnest(CAST(:names AS text[])) AS held(name) ORDER BY key
    ) AS keys
"""
HOLD_ALONE = text(HOLD.format(function="pg_advisory_xact_lock"))
HOLD_TOGETHER = text(HOLD.format(function="pg_advisory_xact_lock_shared"))


def _holds(organisations: Iterable[str], regions: Iterable[str]) -> dict[str, list[str]]:
    return {"names": [f"o {one}" for one in organisations] + [f"r {one}" for one in regions]}


async def hold_together(
    session: AsyncSession, organisations: Iterable[str], regions: Iterable[str]
) -> None:
    """Until the work ends, no membership of these changes; several works may hold so at once."""
    await session.execute(HOLD_TOGETHER, _holds(organisations, regions))


async def hold_alone(
    session: AsyncSession, organisations: Iterable[str], regions: Iterable[str]
) -> None:
    """Until the work ends, no match of these is heard: who joins and what is told cannot miss."""
    await session.execute(HOLD_ALONE, _holds(organisations, regions))


KEEP_ORGANISATION = text(
    """
    INSERT INTO organisation AS known (token, revision, region, title)
    VALUES (:token, :revision, :region, :title)
    ON CONFLICT (token) DO UPDATE SET revision = excluded.revision, region = excluded.region,
        title = excluded.title
    WHERE known.revision < excluded.revision
    RETURNING token
    """
)


async def keep_organisation(
    session: AsyncSession, token: str, revision: int, region: str, title: str
) -> bool:
    """Keep an organisation; False when it was known at this revision or a newer one."""
    told = {"token": token, "revision": revision, "region": region, "title": title}
    return (await session.execute(KEEP_ORGANISATION, told)).first() is not None


MEMBERS = text("SELECT * FROM member WHERE organisation = :organisation ORDER BY person")
MEMBERS_OF = text(
    """
    SELECT * FROM member
    WHERE organisation = ANY(CAST(:organisations AS text[]))
       OR regions && CAST(:regions AS text[])
    ORDER BY organisation, person
    """
)
LEAVE = text("DELETE FROM member WHERE organisation = :organisation")
JOIN = text(
    """
    INSERT INTO member (organisation, person, roles, regions, since)
    SELECT organisation, person, roles, regions, since
    FROM jsonb_to_recordset(CAST(:rows AS jsonb))
         AS t(organisation text, person uuid, roles text[], regions text[], since timestamptz)
    """
)


def _member(row: Any) -> Membership:
    return Membership(
        row.person, row.organisation, frozenset(row.roles), frozenset(row.regions), row.since
    )


async def members_of(session: AsyncSession, organisation: str) -> list[Membership]:
    """Everybody of one organisation."""
    rows = await session.execute(MEMBERS, {"organisation": organisation})
    return [_member(row) for row in rows]


async def who_may_be_told(
    session: AsyncSession, organisations: Iterable[str], regions: Iterable[str]
) -> list[Membership]:
    """The members of *organisations*, and who coordinates one of *regions*."""
    told = {"organisations": sorted(organisations), "regions": sorted(regions)}
    return [_member(row) for row in await session.execute(MEMBERS_OF, told)]


async def keep_members(
    session: AsyncSession, organisation: str, members: Sequence[Membership]
) -> None:
    """*members* are now all there are of *organisation*."""
    await session.execute(LEAVE, {"organisation": organisation})
    rows = [
        {
            "organisation": organisation,
            "person": str(member.person),
            "roles": sorted(member.roles),
            "regions": sorted(member.regions),
            "since": member.since.isoformat(),
        }
        for member in members
    ]
    if rows:
        await session.execute(JOIN, {"rows": json.dumps(rows)})


KEEP_PROJECTS = text(
    """
    INSERT INTO project AS known (id, revision, organisation, reporter, title)
    SELECT id, revision, organisation, reporter, title
    FROM jsonb_to_recordset(CAST(:rows AS jsonb))
         AS t(id uuid, revision int, organisation text, reporter text, title text)
    ORDER BY id
    ON CONFLICT (id) DO UPDATE SET revision = excluded.revision,
        organisation = excluded.organisation, reporter = excluded.reporter, title = excluded.title
    WHERE known.revision < excluded.revision
    """
)
PROJECTS = text("SELECT * FROM project WHERE id = ANY(CAST(:ids AS uuid[]))")
TITLES = text("SELECT token, title FROM organisation WHERE token = ANY(CAST(:tokens AS text[]))")


async def region_of(session: AsyncSession, organisation: str) -> str:
    """The region of *organisation*, `-` while it is not known."""
    found = await session.execute(
        text("SELECT region FROM organisation WHERE token = :token"), {"token": organisation}
    )
    return found.scalar_one_or_none() or "-"


async def keep_projects(session: AsyncSession, rows: Sequence[Mapping[str, Any]]) -> None:
    """Keep each project that is newer than the one known; each id once."""
    await session.execute(KEEP_PROJECTS, {"rows": json.dumps(list(rows))})


async def reporters_of(session: AsyncSession, projects: Iterable[UUID]) -> dict[UUID, str]:
    """Who reports each of *projects* that is known."""
    rows = await session.execute(PROJECTS, {"ids": list(projects)})
    return {row.id: row.reporter for row in rows}


async def titles_of_projects(session: AsyncSession, ids: Iterable[UUID]) -> dict[UUID, str]:
    """The titles of those of *ids* that are known."""
    return {row.id: row.title for row in await session.execute(PROJECTS, {"ids": list(ids)})}


async def titles_of_organisations(session: AsyncSession, tokens: Iterable[str]) -> dict[str, str]:
    """The titles of those of *tokens* that are known."""
    rows = await session.execute(TITLES, {"tokens": list(tokens)})
    return {row.token: row.title for row in rows}


Told = Mapping[str, Any]
Heard = tuple[Match, Told]
"""A revision of a match, and the body it was told with."""

KEEP_MATCHES = text(
    """
    INSERT INTO match AS known (id, revision, told_at, found, told)
    SELECT DISTINCT ON (id) id, revision, told_at, found, told
    FROM jsonb_to_recordset(CAST(:rows AS jsonb))
         AS t(id uuid, revision int, told_at timestamptz, found boolean, told jsonb)
    ORDER BY id, revision DESC
    ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, told_at = excluded.told_at,
        found = excluded.found, told = excluded.told
    WHERE known.revision < excluded.revision
    """
)
KEEP_TELLINGS = text(
    """
    INSERT INTO telling (match_id, revision, told_at, region, organisations, found, told)
    SELECT id, revision, told_at, region, organisations, found, told
    FROM jsonb_to_recordset(CAST(:rows AS jsonb))
         AS t(id uuid, revision int, told_at timestamptz, region text, organisations text[],
              found boolean, told jsonb)
    ORDER BY id, revision
    ON CONFLICT DO NOTHING
    """
)
MATCHES = text("SELECT told, told_at, found FROM match WHERE id = ANY(CAST(:ids AS uuid[]))")
OWED = text(
    """
    SELECT told, told_at, found FROM telling
    WHERE told_at >= :since
      AND (organisations && CAST(:organisations AS text[])
           OR region = ANY(CAST(:regions AS text[])))
    ORDER BY match_id, revision
    """
)
NEWEST = text("SELECT max(told_at) FROM match")


def _match_row(heard: Heard) -> dict[str, Any]:
    match, told = heard
    return {
        "id": str(match.id),
        "revision": match.revision,
        "told_at": match.told_at.isoformat(),
        "region": match.region,
        "organisations": list(match.organisations),
        "found": match.found,
        "told": told,
    }


async def keep_matches(session: AsyncSession, heard: Sequence[Heard]) -> None:
    """Keep of each match the newest revision; its row stays locked until the work ends."""
    await session.execute(KEEP_MATCHES, {"rows": json.dumps([*map(_match_row, heard)])})


async def keep_tellings(session: AsyncSession, heard: Sequence[Heard]) -> None:
    """Keep these revisions for who becomes known later."""
    if heard:
        await session.execute(KEEP_TELLINGS, {"rows": json.dumps([*map(_match_row, heard)])})


async def matches(session: AsyncSession, ids: Iterable[UUID]) -> dict[UUID, Match]:
    """The newest revision of each of *ids*."""
    rows = await session.execute(MATCHES, {"ids": list(ids)})
    read = [match_from(row.told, row.told_at, found=row.found) for row in rows]
    return {match.id: match for match in read}


async def owed_to(
    session: AsyncSession,
    organisations: Iterable[str],
    regions: Iterable[str],
    *,
    since: datetime,
) -> list[Heard]:
    """What was told of *organisations* and in *regions* since then."""
    asked = {"organisations": list(organisations), "regions": list(regions), "since": since}
    rows = await session.execute(OWED, asked)
    return [(match_from(row.told, row.told_at, found=row.found), row.told) for row in rows]


async def newest_news(session: AsyncSession) -> datetime | None:
    """When the newest match that is known was told."""
    newest: datetime | None = (await session.execute(NEWEST)).scalar_one()
    return newest


# --- notifications and the inbox --------------------------------------------------------------

NOTIFY = text(
    """
    INSERT INTO notification (id, subject_kind, subject_id, subject_revision, recipient, channel,
                              region, told_at, created_at, result, tries, settled_at)
    SELECT id, subject_kind, subject_id, subject_revision, recipient, channel, region, told_at,
           CAST(:now AS timestamptz), result, CASE WHEN result = 'sent' THEN 1 ELSE 0 END,
           CASE WHEN result = 'sent' THEN CAST(:now AS timestamptz) END
    FROM jsonb_to_recordset(CAST(:rows AS jsonb))
         AS t(id uuid, subject_kind text, subject_id uuid, subject_revision int, recipient text,
              channel text, region text, told_at timestamptz, result text)
    ORDER BY subject_kind, subject_id, subject_revision, recipient, channel
    ON CONFLICT ON CONSTRAINT uq_notification_once DO NOTHING
    RETURNING id
    """
)


async def notify(
    session: AsyncSession, rows: Sequence[Mapping[str, Any]], now: datetime
) -> set[UUID]:
    """Write notifications; the ids of those that are new. The others were written before."""
    if not rows:
        return set()
    told = {"rows": json.dumps(list(rows)), "now": now}
    return {row.id for row in await session.execute(NOTIFY, told)}


ENTER = text(
    """
    INSERT INTO inbox_entry AS known (id, person, match_id, region, why, organisation,
                                      organisations, tab, unread, told_revision, told_at)
    SELECT id, person, match_id, region, why, organisation, organisations, tab, true,
           told_revision, told_at
    FROM jsonb_to_recordset(CAST(:rows AS jsonb))
         AS t(id uuid, person uuid, match_id uuid, region text, why text, organisation text,
              organisations text[], tab text, told_revision int, told_at timestamptz)
    ORDER BY person, match_id
    ON CONFLICT ON CONSTRAINT uq_inbox_entry_once DO UPDATE SET
        why = excluded.why, organisation = excluded.organisation,
        organisations = excluded.organisations, tab = excluded.tab, unread = true,
        told_revision = excluded.told_revision, told_at = excluded.told_at
    WHERE known.told_revision < excluded.told_revision
    """
)
ENTRIES = text(
    """
    SELECT id, match_id, organisation, organisations, tab FROM inbox_entry
    WHERE match_id = ANY(CAST(:ids AS uuid[]))
    """
)
MOVE = text(
    """
    UPDATE inbox_entry SET tab = moved.tab
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS moved(id uuid, tab text)
    WHERE inbox_entry.id = moved.id
    """
)


async def enter(session: AsyncSession, rows: Sequence[Mapping[str, Any]]) -> None:
    """Put matches in inboxes, unread; each person and match once, what is newer wins."""
    if rows:
        await session.execute(ENTER, {"rows": json.dumps(list(rows))})


async def entries_of(session: AsyncSession, match_ids: Iterable[UUID]) -> Sequence[Any]:
    """The entries about *match_ids*: id, match_id, organisation, organisations, tab."""
    return (await session.execute(ENTRIES, {"ids": list(match_ids)})).all()


async def move_entries(session: AsyncSession, tabs: Mapping[UUID, str]) -> None:
    """Put entries under another tab."""
    if tabs:
        rows = [{"id": str(id), "tab": tab} for id, tab in sorted(tabs.items())]
        await session.execute(MOVE, {"rows": json.dumps(rows)})


# whoever left an organisation no longer reads for it, whatever the entry says
MAY_READ = """
    entry.person = :person
    AND (entry.organisations && CAST(:organisations AS text[])
         OR entry.why = 'region' AND entry.region = ANY(CAST(:regions AS text[])))
"""
PAGE = text(
    f"""
    SELECT entry.*, match.told, match.told_at AS changed_at, match.found
    FROM inbox_entry AS entry JOIN match ON match.id = entry.match_id
    WHERE {MAY_READ}
      AND (CAST(:tab AS text) IS NULL OR entry.tab = :tab)
      AND (CAST(:after_at AS timestamptz) IS NULL
           OR (entry.told_at, entry.id) < (CAST(:after_at AS timestamptz), CAST(:after_id AS uuid)))
    ORDER BY entry.told_at DESC, entry.id DESC LIMIT :limit
    """
)
COUNTS = text(
    f"""
    SELECT entry.tab, count(*) AS entries, count(*) FILTER (WHERE entry.unread) AS unread
    FROM inbox_entry AS entry WHERE {MAY_READ} GROUP BY entry.tab
    """
)
READ = text(
    f"""
    UPDATE inbox_entry AS entry
    SET unread = :unread, read_at = CASE WHEN :unread THEN read_at ELSE :now END
    WHERE entry.id = :id AND {MAY_READ}
    RETURNING entry.id, entry.region, entry.organisation, entry.match_id, entry.told_revision,
              entry.unread
    """
)


async def inbox_page(
    session: AsyncSession,
    reads: Mapping[str, Any],
    *,
    tab: str | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[Any]:
    """Up to *limit* entries, newest first; *reads* is who reads: person, organisations, regions."""
    after_at, after_id = after or (None, None)
    asked = {**reads, "tab": tab, "after_at": after_at, "after_id": after_id, "limit": limit}
    return (await session.execute(PAGE, asked)).all()


async def inbox_counts(session: AsyncSession, reads: Mapping[str, Any]) -> Sequence[Any]:
    """Entries and unread ones by tab."""
    return (await session.execute(COUNTS, dict(reads))).all()


async def mark_read(
    session: AsyncSession, reads: Mapping[str, Any], id: UUID, *, unread: bool, now: datetime
) -> Any | None:
    """Mark one's own entry; None when there is no such entry."""
    return (await session.execute(READ, {**reads, "id": id, "unread": unread, "now": now})).first()


# --- near misses ------------------------------------------------------------------------------

KEEP_NEAR_MISSES = text(
    """
    INSERT INTO near_miss AS known (id, revision, told_at, is_open, told)
    SELECT DISTINCT ON (id) id, revision, told_at, is_open, told
    FROM jsonb_to_recordset(CAST(:rows AS jsonb))
         AS t(id uuid, revision int, told_at timestamptz, is_open boolean, told jsonb)
    ORDER BY id, revision DESC
    ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, told_at = excluded.told_at,
        is_open = excluded.is_open, told = excluded.told
    WHERE known.revision < excluded.revision
    RETURNING id, revision
    """
)
NOTICED = text(
    """
    SELECT person, near_miss_id, thing, worth_cents FROM notice
    WHERE near_miss_id = ANY(CAST(:ids AS uuid[]))
    """
)
WHERE_NOTICED = text(
    """
    SELECT DISTINCT region, organisation FROM notice
    WHERE near_miss_id = ANY(CAST(:ids AS uuid[])) ORDER BY 1, 2
    """
)
NOTICE = text(
    """
    INSERT INTO notice AS known (id, person, near_miss_id, region, why, organisation, organisations,
                                 by_mail, thing, worth_cents, unread, told_revision, told_at)
    SELECT id, person, near_miss_id, region, why, organisation, organisations, by_mail, thing,
           worth_cents, true, told_revision, told_at
    FROM jsonb_to_recordset(CAST(:rows AS jsonb))
         AS t(id uuid, person uuid, near_miss_id uuid, region text, why text, organisation text,
              organisations text[], by_mail boolean, thing text, worth_cents bigint,
              told_revision int, told_at timestamptz)
    ORDER BY person, near_miss_id
    ON CONFLICT ON CONSTRAINT uq_notice_once DO UPDATE SET
        why = excluded.why, organisation = excluded.organisation,
        organisations = excluded.organisations, by_mail = excluded.by_mail,
        thing = excluded.thing, worth_cents = excluded.worth_cents, unread = true,
        told_revision = excluded.told_revision, told_at = excluded.told_at, mailed_at = NULL
    WHERE known.told_revision < excluded.told_revision
    """
)
DIGEST_LATER = text(
    """
    INSERT INTO digest AS known (person, due_at)
    SELECT person, :due FROM unnest(CAST(:persons AS uuid[])) AS t(person) ORDER BY person
    ON CONFLICT (person) DO UPDATE SET due_at = coalesce(known.due_at,
        greatest(excluded.due_at, known.sent_at + :every))
    """
)
UNMAILED = text(
    """
    SELECT notice.*, near_miss.told FROM notice JOIN near_miss ON near_miss.id = near_miss_id
    WHERE person = :person AND by_mail AND mailed_at IS NULL AND is_open
    ORDER BY worth_cents DESC, notice.id LIMIT :limit
    """
)
ALMOST = text(
    """
    SELECT notice.*, near_miss.told FROM notice JOIN near_miss ON near_miss.id = near_miss_id
    WHERE person = :person AND by_mail AND is_open ORDER BY worth_cents DESC, notice.id LIMIT :limit
    """
)
DIGESTED = text(
    """
    UPDATE digest SET due_at = NULL, claimed_by = NULL, claimed_until = NULL, attempts = 0,
        sent_at = coalesce(:at, sent_at), revision = revision + 1
    WHERE person = :person
    """
)
MAILED = tuple(
    text(
        f"UPDATE {one} SET mailed_at = :at WHERE person = :person AND by_mail AND mailed_at IS NULL"
    )
    for one in ("notice", "duplicate_notice")
)
NOTICES = text(
    f"""
    SELECT entry.*, near_miss.told, near_miss.told_at AS changed_at
    FROM notice AS entry JOIN near_miss ON near_miss.id = entry.near_miss_id
    WHERE {MAY_READ} AND near_miss.is_open
      AND (CAST(:region AS text) IS NULL OR entry.region = :region)
      AND (CAST(:after_at AS timestamptz) IS NULL
           OR (entry.told_at, entry.id) < (CAST(:after_at AS timestamptz), CAST(:after_id AS uuid)))
    ORDER BY entry.told_at DESC, entry.id DESC LIMIT :limit
    """
)
READ_NOTICE = text(
    f"""
    UPDATE notice AS entry SET unread = false WHERE id = :id AND {MAY_READ}
    RETURNING entry.id, entry.region, entry.organisation, entry.near_miss_id, entry.told_revision
    """
)


async def keep_near_misses(
    session: AsyncSession, heard: Sequence[tuple[NearMiss, Told]]
) -> set[tuple[UUID, int]]:
    """Keep of each near miss the newest revision; ids and revisions of those that are newer."""
    rows = [
        {
            "id": str(near.id),
            "revision": near.revision,
            "told_at": near.told_at.isoformat(),
            "is_open": near.is_open,
            "told": told,
        }
        for near, told in heard
    ]
    found = await session.execute(KEEP_NEAR_MISSES, {"rows": json.dumps(rows)})
    return {(row.id, row.revision) for row in found}


async def noticed(
    session: AsyncSession, ids: Iterable[UUID]
) -> dict[tuple[UUID, UUID], tuple[str, int]]:
    """By person and near miss, the thing and worth that was told last."""
    rows = await session.execute(NOTICED, {"ids": list(ids)})
    return {(row.person, row.near_miss_id): (row.thing, row.worth_cents) for row in rows}


async def where_noticed(session: AsyncSession, ids: Iterable[UUID]) -> list[tuple[str, str]]:
    """The regions and organisations on whose desks the near misses *ids* lie."""
    rows = await session.execute(WHERE_NOTICED, {"ids": list(ids)})
    return [(row.region, row.organisation) for row in rows]


def notice_row(id: UUID, near: NearMiss, reader: Reader) -> dict[str, Any]:
    """What `notice` wants to know of one telling to one reader."""
    return {
        "id": str(id),
        "person": str(reader.person),
        "near_miss_id": str(near.id),
        "region": near.region,
        "why": reader.why,
        "organisation": reader.organisation,
        "organisations": list(reader.organisations),
        "by_mail": reader.by_mail,
        "thing": near.thing,
        "worth_cents": near.worth_cents,
        "told_revision": near.revision,
        "told_at": near.told_at.isoformat(),
    }


async def notice(session: AsyncSession, rows: Sequence[Mapping[str, Any]]) -> None:
    """Put near misses on desks, unread; each person and near miss once, what is newer wins."""
    if rows:
        await session.execute(NOTICE, {"rows": json.dumps(list(rows))})


async def digest_later(
    session: AsyncSession, persons: Collection[UUID], due: datetime, every: timedelta
) -> None:
    """Mail *persons* of what is on their desks at *due*, at most once in *every*."""
    if persons:
        told = {"persons": sorted(persons), "due": due, "every": every}
        await session.execute(DIGEST_LATER, told)


async def unmailed(session: AsyncSession, person: UUID, *, limit: int) -> Sequence[Any]:
    """The open near misses that *person* was told of and not mailed, worth most first."""
    return (await session.execute(UNMAILED, {"person": person, "limit": limit})).all()


async def almost(session: AsyncSession, person: UUID, *, limit: int) -> Sequence[Any]:
    """The open near misses that *person* was told of, mailed or not, worth most first."""
    return (await session.execute(ALMOST, {"person": person, "limit": limit})).all()


async def digested(session: AsyncSession, row: Any, at: datetime | None) -> None:
    """The person of *row* was mailed *at*, or need not be."""
    told = {"person": row.person, "at": at}
    await session.execute(DIGESTED, told)
    if at is not None:
        for mailed in MAILED:
            await session.execute(mailed, told)


async def notices_page(
    session: AsyncSession,
    reads: Mapping[str, Any],
    *,
    region: str | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[Any]:
    """Up to *limit* notices of open near misses, newest first; *reads* is who reads."""
    after_at, after_id = after or (None, None)
    asked = {**reads, "region": region, "after_at": after_at, "after_id": after_id, "limit": limit}
    return (await session.execute(NOTICES, asked)).all()


async def notice_read(session: AsyncSession, reads: Mapping[str, Any], id: UUID) -> Any | None:
    """Mark one's own notice as read; None when there is no such."""
    return (await session.execute(READ_NOTICE, {**reads, "id": id})).first()


# --- duplicates -------------------------------------------------------------------------------

KEEP_DUPLICATES = text(
    """
    INSERT INTO duplicate AS known (id, revision, told_at, change, is_open, told)
    SELECT DISTINCT ON (id) id, revision, told_at, change, is_open, told
    FROM jsonb_to_recordset(CAST(:rows AS jsonb))
         AS t(id uuid, revision int, told_at timestamptz, change text, is_open boolean, told jsonb)
    ORDER BY id, revision DESC
    ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, told_at = excluded.told_at,
        change = excluded.change, is_open = excluded.is_open, told = excluded.told
    WHERE known.revision < excluded.revision
    RETURNING id, revision
    """
)
NOTICE_DUPLICATES = text(
    """
    INSERT INTO duplicate_notice AS known (id, person, duplicate_id, region, why, organisation,
                                           organisations, by_mail, unread, told_revision, told_at)
    SELECT id, person, duplicate_id, region, why, organisation, organisations, by_mail, true,
           told_revision, told_at
    FROM jsonb_to_recordset(CAST(:rows AS jsonb))
         AS t(id uuid, person uuid, duplicate_id uuid, region text, why text, organisation text,
              organisations text[], by_mail boolean, told_revision int, told_at timestamptz)
    ORDER BY person, duplicate_id
    ON CONFLICT ON CONSTRAINT uq_duplicate_notice_once DO UPDATE SET
        region = excluded.region, why = excluded.why, organisation = excluded.organisation,
        organisations = excluded.organisations, by_mail = excluded.by_mail, unread = true,
        told_revision = excluded.told_revision, told_at = excluded.told_at, mailed_at = NULL
    WHERE known.told_revision < excluded.told_revision
    """
)
WHERE_DUPLICATES_NOTICED = text(
    """
    SELECT DISTINCT region, organisation FROM duplicate_notice
    WHERE duplicate_id = ANY(CAST(:ids AS uuid[])) ORDER BY 1, 2
    """
)
UNMAILED_DUPLICATES = text(
    """
    SELECT notice.*, duplicate.told, duplicate.told_at AS changed_at
    FROM duplicate_notice AS notice JOIN duplicate ON duplicate.id = duplicate_id
    WHERE person = :person AND by_mail AND mailed_at IS NULL
      AND (is_open OR change = 'linked' AND told_revision = revision)
    ORDER BY notice.told_at, notice.id LIMIT :limit
    """
)
# a pair that is to be decided stays on the desk; what was linked, until it is read
DUPLICATE_NOTICES = text(
    f"""
    SELECT entry.*, duplicate.told, duplicate.told_at AS changed_at
    FROM duplicate_notice AS entry JOIN duplicate ON duplicate.id = entry.duplicate_id
    WHERE {MAY_READ}
      AND (is_open OR change = 'linked' AND entry.unread AND told_revision = revision)
      AND (CAST(:region AS text) IS NULL OR entry.region = :region)
      AND (CAST(:after_at AS timestamptz) IS NULL
           OR (entry.told_at, entry.id) < (CAST(:after_at AS timestamptz), CAST(:after_id AS uuid)))
    ORDER BY entry.told_at DESC, entry.id DESC LIMIT :limit
    """
)
READ_DUPLICATE = text(
    f"""
    UPDATE duplicate_notice AS entry SET unread = false WHERE id = :id AND {MAY_READ}
    RETURNING entry.id, entry.region, entry.organisation, entry.duplicate_id, entry.told_revision
    """
)


async def keep_duplicates(
    session: AsyncSession, heard: Sequence[tuple[Pair, Told]]
) -> set[tuple[UUID, int]]:
    """Keep of each pair the newest revision; ids and revisions of those that are newer."""
    rows = [
        {
            "id": str(pair.id),
            "revision": pair.revision,
            "told_at": pair.told_at.isoformat(),
            "change": pair.change,
            "is_open": pair.is_open,
            "told": told,
        }
        for pair, told in heard
    ]
    found = await session.execute(KEEP_DUPLICATES, {"rows": json.dumps(rows)})
    return {(row.id, row.revision) for row in found}


def duplicate_notice_row(id: UUID, pair: Pair, reader: Reader, region: str) -> dict[str, Any]:
    """What `notice_duplicates` wants to know of one telling to one reader, in *region*."""
    return {
        "id": str(id),
        "person": str(reader.person),
        "duplicate_id": str(pair.id),
        "region": region,
        "why": reader.why,
        "organisation": reader.organisation,
        "organisations": list(reader.organisations),
        "by_mail": reader.by_mail,
        "told_revision": pair.revision,
        "told_at": pair.told_at.isoformat(),
    }


async def notice_duplicates(session: AsyncSession, rows: Sequence[Mapping[str, Any]]) -> None:
    """Put pairs on desks, unread; each person and pair once, what is newer wins."""
    if rows:
        await session.execute(NOTICE_DUPLICATES, {"rows": json.dumps(list(rows))})


async def where_duplicates_noticed(
    session: AsyncSession, ids: Iterable[UUID]
) -> list[tuple[str, str]]:
    """The regions and organisations on whose desks the pairs *ids* lie."""
    rows = await session.execute(WHERE_DUPLICATES_NOTICED, {"ids": list(ids)})
    return [(row.region, row.organisation) for row in rows]


async def unmailed_duplicates(session: AsyncSession, person: UUID, *, limit: int) -> Sequence[Any]:
    """What *person* was told of pairs and not mailed, while it still holds; oldest first."""
    asked = {"person": person, "limit": limit}
    return (await session.execute(UNMAILED_DUPLICATES, asked)).all()


async def duplicate_notices_page(
    session: AsyncSession,
    reads: Mapping[str, Any],
    *,
    region: str | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[Any]:
    """Up to *limit* pairs to decide or news of them, newest first; *reads* is who reads."""
    after_at, after_id = after or (None, None)
    asked = {**reads, "region": region, "after_at": after_at, "after_id": after_id, "limit": limit}
    return (await session.execute(DUPLICATE_NOTICES, asked)).all()


async def duplicate_read(session: AsyncSession, reads: Mapping[str, Any], id: UUID) -> Any | None:
    """Mark one's own notice of a pair as read; None when there is no such."""
    return (await session.execute(READ_DUPLICATE, {**reads, "id": id})).first()


# --- mail -------------------------------------------------------------------------------------

WRITE_MAIL = text(
    """
    INSERT INTO mail (id, person, kind, why, organisations, told_at, found, told, due_at)
    SELECT id, person, kind, why, organisations, told_at, found, told, CAST(:now AS timestamptz)
    FROM jsonb_to_recordset(CAST(:rows AS jsonb))
         AS t(id uuid, person uuid, kind text, why text, organisations text[],
              told_at timestamptz, found boolean, told jsonb)
    """
)
DROP_MAIL = text(
    """
    DELETE FROM mail
    WHERE id = :id AND claimed_by = :claimed_by AND claimed_until = :claimed_until
    """
)
MAIL_WAITS = text(
    """
    UPDATE mail SET tries = :tries, due_at = :next_at, claimed_by = NULL, claimed_until = NULL
    WHERE id = :id AND claimed_by = :claimed_by AND claimed_until = :claimed_until
    """
)
SETTLE = text(
    """
    UPDATE notification SET result = :result, tries = :tries, settled_at = :at, error = :error
    WHERE id = :id AND result IS DISTINCT FROM :result
    RETURNING *
    """
)
PREFERENCES = text("SELECT * FROM preference WHERE person = ANY(CAST(:persons AS uuid[]))")


async def write_mail(
    session: AsyncSession, rows: Sequence[Mapping[str, Any]], now: datetime
) -> None:
    """Put mails in the queue, due at once."""
    if rows:
        await session.execute(WRITE_MAIL, {"rows": json.dumps(list(rows)), "now": now})


def _claim_of(row: Any) -> dict[str, Any]:
    return {"id": row.id, "claimed_by": row.claimed_by, "claimed_until": row.claimed_until}


async def drop_mail(session: AsyncSession, row: Any) -> bool:
    """The mail is done with; False when its lease is another's by now."""
    result = await session.execute(DROP_MAIL, _claim_of(row))
    return bool(result.rowcount)  # type: ignore[attr-defined]


async def mail_waits(session: AsyncSession, row: Any, tries: int, next_at: datetime) -> None:
    """Try the mail again at *next_at*."""
    await session.execute(MAIL_WAITS, {**_claim_of(row), "tries": tries, "next_at": next_at})


async def settle(
    session: AsyncSession, id: UUID, result: str, tries: int, outcome: Outcome
) -> Any | None:
    """Record what became of a notification; None when that was recorded before."""
    error = outcome.error[:500] or None
    told = {"id": id, "result": result, "tries": tries, "at": outcome.at, "error": error}
    return (await session.execute(SETTLE, told)).first()


async def preferences_of(
    session: AsyncSession, persons: Collection[UUID]
) -> dict[UUID, PreferenceRow]:
    """What those of *persons* chose who chose anything."""
    rows = await session.execute(PREFERENCES, {"persons": list(persons)})
    return {row.person: PreferenceRow(**row._mapping) for row in rows}


KEEP_PREFERENCE = text(
    """
    INSERT INTO preference (person, language, mail, quiet_from, quiet_to, changed_at)
    VALUES (:person, :language, :mail, :quiet_from, :quiet_to, :changed_at)
    ON CONFLICT (person) DO UPDATE SET language = excluded.language, mail = excluded.mail,
        quiet_from = excluded.quiet_from, quiet_to = excluded.quiet_to,
        changed_at = excluded.changed_at
    """
)


async def keep_preference(session: AsyncSession, row: PreferenceRow) -> None:
    """Keep what a person chose."""
    await session.execute(KEEP_PREFERENCE, row.model_dump())


async def let_go(session: AsyncSession) -> None:
    """End the reading, so that no transaction is open while the world is told."""
    await session.rollback()


# --- webhooks ---------------------------------------------------------------------------------

WEBHOOKS_OF = text(
    """
    SELECT * FROM webhook WHERE organisation = ANY(CAST(:organisations AS text[]))
      AND (CAST(:after_at AS timestamptz) IS NULL
           OR (created_at, id) > (CAST(:after_at AS timestamptz), CAST(:after_id AS uuid)))
    ORDER BY created_at, id LIMIT :limit
    """
)
# to whom facts of *organisations* are told; where others may see one, who asked for theirs too
WEBHOOKS_FOR = text(
    """
    SELECT * FROM webhook
    WHERE status = 'active' AND events && CAST(:events AS text[])
      AND (organisation = ANY(CAST(:organisations AS text[]))
           OR :are_open AND 'others' = ANY(whose))
    ORDER BY created_at, id
    """
)
WEBHOOK = text("SELECT * FROM webhook WHERE id = :id")
FILTERS = ("events", "whose", "regions", "materials", "municipalities", "directions", "projects")
ADD_WEBHOOK = text(
    f"""
    INSERT INTO webhook (id, organisation, url, {", ".join(FILTERS)},
                         secret, created_by, created_at)
    VALUES (:id, :organisation, :url, {", ".join(f"CAST(:{one} AS text[])" for one in FILTERS)},
            :secret, :created_by, :created_at)
    """
)
CHANGE_WEBHOOK = text(
    f"""
    UPDATE webhook SET url = :url, status = :status,
        {", ".join(f"{one} = CAST(:{one} AS text[])" for one in FILTERS)},
        reason = CASE WHEN :status = 'active' THEN NULL ELSE reason END,
        failures = CASE WHEN :status = 'active' THEN 0 ELSE failures END, resting_until = NULL,
        due_at = CASE WHEN :status = 'active' THEN due_at END
    WHERE id = :id
    """
)
REMOVE_WEBHOOK = text("DELETE FROM webhook WHERE id = :id")
WRITE_POSTINGS = text(
    """
    INSERT INTO posting (id, webhook_id, event, body, created_at, next_at)
    SELECT id, webhook_id, event, body, CAST(:now AS timestamptz), CAST(:now AS timestamptz)
    FROM jsonb_to_recordset(CAST(:rows AS jsonb))
         AS t(id uuid, webhook_id uuid, event text, body text)
    """
)
# rows locked in one order; a resting endpoint stays at rest
QUEUE = text(
    """
    UPDATE webhook SET due_at = least(due_at, greatest(resting_until, CAST(:now AS timestamptz)))
    FROM (
        SELECT id AS queued FROM webhook
        WHERE id = ANY(CAST(:ids AS uuid[])) AND status = 'active' ORDER BY id FOR UPDATE
    ) AS locked
    WHERE id = queued
    """
)
POSTINGS_DUE = text(
    """
    SELECT posting.*, notification.region FROM posting JOIN notification USING (id)
    WHERE webhook_id = :id AND next_at <= :now ORDER BY next_at, id LIMIT :limit
    """
)
HOLD_WEBHOOK = text(
    """
    SELECT * FROM webhook
    WHERE id = :id AND claimed_by = :claimed_by AND claimed_until = :claimed_until FOR UPDATE
    """
)
POSTED = text(
    """
    UPDATE posting SET tries = :tries, status = :status, error = :error, next_at = :next_at,
        sent_at = coalesce(:sent_at, sent_at)
    WHERE id = :id
    """
)
RELEASE = text(
    """
    UPDATE webhook SET failures = :failures, resting_until = :resting_until,
        claimed_by = NULL, claimed_until = NULL, attempts = 0,
        due_at = CASE WHEN status = 'active' THEN (
            SELECT greatest(min(next_at), CAST(:resting_until AS timestamptz)) FROM posting
            WHERE webhook_id = :id AND next_at IS NOT NULL HAVING count(*) > 0
        ) END
    WHERE id = :id
    """
)
DISABLE = text(
    """
    UPDATE webhook SET status = 'disabled', reason = :reason, revision = revision + 1,
        failures = :failures, resting_until = NULL, due_at = NULL, claimed_by = NULL,
        claimed_until = NULL
    WHERE id = :id RETURNING revision
    """
)
GIVE_UP_WAITING = text(
    """
    UPDATE posting SET next_at = NULL, error = coalesce(error, 'the webhook was disabled')
    WHERE webhook_id = :id AND next_at IS NOT NULL RETURNING id, tries
    """
)
LOG = text(
    """
    SELECT posting.*, notification.subject_kind, notification.subject_id,
           notification.subject_revision, notification.result
    FROM posting JOIN notification USING (id)
    WHERE webhook_id = :id AND (CAST(:after AS uuid) IS NULL OR posting.id < CAST(:after AS uuid))
    ORDER BY posting.id DESC LIMIT :limit
    """
)
AGAIN = text(
    """
    UPDATE posting SET next_at = :now, tries = 0
    WHERE id = :id AND webhook_id = :webhook_id RETURNING id
    """
)


async def webhooks_of(
    session: AsyncSession,
    organisations: Iterable[str],
    *,
    after: tuple[datetime, UUID] | None = None,
    limit: int,
) -> Sequence[Any]:
    """Up to *limit* webhooks of *organisations*, oldest first, going on after one."""
    after_at, after_id = after or (None, None)
    asked = {"organisations": list(organisations), "after_at": after_at, "after_id": after_id,
             "limit": limit}  # fmt: skip
    return (await session.execute(WEBHOOKS_OF, asked)).all()


async def webhooks_for(
    session: AsyncSession, events: Iterable[str], organisations: Iterable[str], *, are_open: bool
) -> Sequence[Any]:
    """The active webhooks that may want facts of *organisations*, oldest first."""
    asked = {"events": list(events), "organisations": list(organisations), "are_open": are_open}
    return (await session.execute(WEBHOOKS_FOR, asked)).all()


async def webhook(session: AsyncSession, id: UUID) -> Any | None:
    """One webhook."""
    return (await session.execute(WEBHOOK, {"id": id})).first()


async def add_webhook(session: AsyncSession, row: Mapping[str, Any]) -> None:
    """Keep a new webhook."""
    await session.execute(ADD_WEBHOOK, dict(row))


async def change_webhook(session: AsyncSession, row: Mapping[str, Any]) -> None:
    """Change where, of what and whether; an active one begins without failures."""
    await session.execute(CHANGE_WEBHOOK, dict(row))


async def remove_webhook(session: AsyncSession, id: UUID) -> None:
    """Forget a webhook and its log."""
    await session.execute(REMOVE_WEBHOOK, {"id": id})


async def write_postings(
    session: AsyncSession, rows: Sequence[Mapping[str, Any]], now: datetime
) -> None:
    """Queue postings; afterwards `queue` their webhooks."""
    if rows:
        await session.execute(WRITE_POSTINGS, {"rows": json.dumps(list(rows)), "now": now})


async def queue(session: AsyncSession, webhook_ids: Iterable[UUID], now: datetime) -> None:
    """These webhooks have something to post, as soon as they may be tried."""
    ids = sorted(set(webhook_ids))
    if ids:
        await session.execute(QUEUE, {"ids": ids, "now": now})


async def postings_due(
    session: AsyncSession, webhook_id: UUID, now: datetime, *, limit: int
) -> Sequence[Any]:
    """What waits for one webhook, with the region of each."""
    asked = {"id": webhook_id, "now": now, "limit": limit}
    return (await session.execute(POSTINGS_DUE, asked)).all()


async def hold_webhook(session: AsyncSession, row: Any) -> Any | None:
    """The webhook, locked; None when the lease of *row* is another's by now."""
    return (await session.execute(HOLD_WEBHOOK, _claim_of(row))).first()


async def posted(
    session: AsyncSession, id: UUID, tries: int, outcome: Outcome, next_at: datetime | None
) -> None:
    """Record one try of a posting."""
    told = {
        "id": id,
        "tries": tries,
        "status": outcome.status,
        "error": outcome.error[:500] or None,
        "next_at": next_at,
        "sent_at": outcome.at if outcome.result == "sent" else None,
    }
    await session.execute(POSTED, told)


async def release(session: AsyncSession, webhook_id: UUID, endpoint: Endpoint) -> None:
    """The webhook is free again, due when its next posting is and it does not rest."""
    told = {
        "id": webhook_id,
        "failures": endpoint.failures,
        "resting_until": endpoint.resting_until,
    }
    await session.execute(RELEASE, told)


async def disable(
    session: AsyncSession, webhook_id: UUID, endpoint: Endpoint
) -> tuple[int, Sequence[Any]]:
    """Disable a webhook: its revision, and the postings that waited and are given up."""
    told = {"id": webhook_id, "reason": endpoint.disabled, "failures": endpoint.failures}
    revision = (await session.execute(DISABLE, told)).scalar_one()
    return revision, (await session.execute(GIVE_UP_WAITING, {"id": webhook_id})).all()


async def posting_log(
    session: AsyncSession, webhook_id: UUID, *, after: UUID | None, limit: int
) -> Sequence[Any]:
    """What was posted to a webhook and what waits, newest first."""
    asked = {"id": webhook_id, "after": after, "limit": limit}
    return (await session.execute(LOG, asked)).all()


async def post_again(session: AsyncSession, webhook_id: UUID, id: UUID, now: datetime) -> bool:
    """Queue a posting once more, under its id; False when there is none."""
    told = {"id": id, "webhook_id": webhook_id, "now": now}
    return (await session.execute(AGAIN, told)).first() is not None


def entry_row(id: UUID, reader: Reader, match: Match, tab: str) -> dict[str, Any]:
    """What `enter` wants to know of one telling to one reader."""
    return {
        "id": str(id),
        "person": str(reader.person),
        "match_id": str(match.id),
        "region": match.region,
        "why": reader.why,
        "organisation": reader.organisation,
        "organisations": list(reader.organisations),
        "tab": tab,
        "told_revision": match.revision,
        "told_at": match.told_at.isoformat(),
    }
