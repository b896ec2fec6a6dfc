"""The door's book: every event that knocked, once, with its verdict."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

Key = tuple[str, str, str]
"""Organisation, source, event id."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the book; *verdict* is None while it waits."""

    organisation: str
    source: str
    event_id: str
    digest: str
    about: str
    stream_seq: int | None
    knocks: int
    first_seen: datetime
    judged_at: datetime | None = None
    receipt_id: UUID | None = None
    verdict: str | None = None
    code: str | None = None
    kind: str | None = None
    thing_id: UUID | None = None
    revision: int | None = None
    reasons: Sequence[Mapping[str, Any]] = ()

    @property
    def key(self) -> Key:
        return self.organisation, self.source, self.event_id


_FIELDS = ", ".join(Entry.__slots__)
_ENTER = text(
    f"""
    INSERT INTO intake AS known
        (organisation, source, event_id, digest, about, about_id, stream_seq, knocks, first_seen)
    SELECT organisation, source, event_id, digest, about, about_id, stream_seq, knocks, :now
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS told(organisation text, source text,
        event_id text, digest text, about text, about_id uuid, stream_seq bigint, knocks integer)
    ORDER BY organisation, source, event_id
    ON CONFLICT (organisation, source, event_id) DO UPDATE
        SET knocks = known.knocks + excluded.knocks
    RETURNING {_FIELDS}
    """
)
_JUDGED = text(
    """
    UPDATE intake SET verdict = told.verdict, code = told.code, kind = told.kind,
        thing_id = told.thing_id, revision = told.revision, reasons = told.reasons,
        receipt_id = told.receipt_id, judged_at = :now
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS told(organisation text, source text,
        event_id text, verdict text, code text, kind text, thing_id uuid, revision integer,
        reasons jsonb, receipt_id uuid)
    WHERE intake.organisation = told.organisation AND intake.source = told.source
        AND intake.event_id = told.event_id AND intake.verdict IS NULL
    """
)


@dataclass(frozen=True, slots=True)
class Entering:
    """What is noted of an event before it is judged; *knocks*: how often it came in this work."""

    key: Key
    digest: str
    about: str
    about_id: UUID | None
    stream_seq: int | None
    knocks: int = 1


async def enter(
    session: AsyncSession, events: Iterable[Entering], now: datetime
) -> dict[Key, Entry]:
    """
    Enter *events*, each key once, and hold their rows; what was known of them already stands.

    Another work that entered one of them is waited for, so that its verdict is seen.
    """
    rows = [
        {
            "organisation": each.key[0],
            "source": each.key[1],
            "event_id": each.key[2],
            "digest": each.digest,
            "about": each.about,
            "about_id": str(each.about_id) if each.about_id else None,
            "stream_seq": each.stream_seq,
            "knocks": each.knocks,
        }
        for each in events
    ]
    if not rows:
        return {}
    found = await session.execute(_ENTER, {"rows": json.dumps(rows), "now": now})
    entries = [_entry(row) for row in found.mappings()]
    return {each.key: each for each in entries}


async def keep_verdicts(session: AsyncSession, entries: Sequence[Entry], now: datetime) -> None:
    """Write the verdicts of *entries*, which are held."""
    if not entries:
        return
    rows = [
        {
            "organisation": each.organisation,
            "source": each.source,
            "event_id": each.event_id,
            "verdict": each.verdict,
            "code": each.code,
            "kind": each.kind,
            "thing_id": str(each.thing_id) if each.thing_id else None,
            "revision": each.revision,
            "reasons": list(each.reasons),
            "receipt_id": str(each.receipt_id),
        }
        for each in entries
    ]
    await session.execute(_JUDGED, {"rows": json.dumps(rows), "now": now})


async def handled_now(session: AsyncSession, keys: Sequence[Key]) -> set[Key]:
    """Those of *keys* that another work is handling at this moment; the others are now held."""
    if not keys:
        return set()
    by_number = {_number(key): key for key in keys}
    numbers = sorted(by_number)
    rows = await session.execute(
        text(
            """
            SELECT key FROM unnest(CAST(:keys AS bigint[])) AS key
            WHERE NOT pg_try_advisory_xact_lock(key)
            """
        ),
        {"keys": numbers},
    )
    busy = set(rows.scalars())
    return {key for key in keys if _number(key) in busy}


async def rejected_lately(session: AsyncSession, things: Iterable[UUID]) -> set[UUID]:
    """Those of *things* whose latest event at the door was rejected."""
    told = list(things)
    if not told:
        return set()
    rows = await session.execute(
        text(
            """
            SELECT DISTINCT ON (about_id) about_id, verdict FROM intake
            WHERE about_id = ANY(CAST(:ids AS uuid[])) AND verdict IS NOT NULL
            ORDER BY about_id, judged_at DESC
            """
        ),
        {"ids": told},
    )
    return {row.about_id for row in rows if row.verdict == "rejected"}


async def receipt_of(
    session: AsyncSession, organisations: Sequence[str] | None, source: str, event_id: str
) -> list[Entry]:
    """The judged entries of this source and id; of all *organisations* where None."""
    rows = await session.execute(
        text(
            f"""
            SELECT {_FIELDS} FROM intake
            WHERE source = :source AND event_id = :id AND verdict IS NOT NULL
                AND (CAST(:own AS text[]) IS NULL OR organisation = ANY(CAST(:own AS text[])))
            ORDER BY organisation LIMIT 200
            """
        ),
        {"source": source, "id": event_id, "own": _or_all(organisations)},
    )
    return [_entry(row) for row in rows.mappings()]


async def receipts_after(
    session: AsyncSession,
    organisations: Sequence[str] | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[Entry]:
    """Receipts in the order they were given, going on after *after*."""
    at, last = after or (None, None)
    rows = await session.execute(
        text(
            f"""
            SELECT {_FIELDS} FROM intake
            WHERE verdict IS NOT NULL
                AND (CAST(:own AS text[]) IS NULL OR organisation = ANY(CAST(:own AS text[])))
                AND (CAST(:at AS timestamptz) IS NULL
                     OR (judged_at, receipt_id) > (CAST(:at AS timestamptz), CAST(:id AS uuid)))
            ORDER BY judged_at, receipt_id LIMIT :limit
            """
        ),
        {"own": _or_all(organisations), "at": at, "id": last, "limit": limit},
    )
    return [_entry(row) for row in rows.mappings()]


def _or_all(organisations: Sequence[str] | None) -> list[str] | None:
    return None if organisations is None else list(organisations)


def _entry(row: Mapping[Any, Any]) -> Entry:
    told = {name: row[name] for name in Entry.__slots__}
    reasons = told["reasons"]
    told["reasons"] = json.loads(reasons) if isinstance(reasons, str) else (reasons or ())
    return Entry(**told)


def _number(key: Key) -> int:
    digest = hashlib.sha256("\n".join(key).encode()).digest()
    return int.from_bytes(digest[:8], signed=True)
