"""Loads: kept as last reported, whether they count or not."""

import json
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.matcher.domain import Load
from shared.plain import plain_rows

LOAD = ", ".join(Load._fields)
_TYPES = """
    id uuid, reported int, revision int, organisation text, reporter text, region text,
    match_id uuid, forecast_id uuid, area_id uuid, surplus_id uuid, need_id uuid, outlet text,
    origin text, material text, kg bigint, tag text, method text, moved_on date, haul_km float8,
    vehicle text, energy text, waybill text, under_match boolean, refused text, at timestamptz,
    permille int
"""
_SOME = f"SELECT {LOAD} FROM delivery WHERE id = ANY($1::uuid[])"
_OF_MATCHES = f"SELECT {LOAD} FROM delivery WHERE match_id = ANY($1::uuid[]) ORDER BY moved_on, id"
_OF_MATCH = text(
    f"""
    SELECT {LOAD} FROM delivery
    WHERE match_id = :id
      AND (CAST(:own AS text[]) IS NULL OR organisation = ANY(CAST(:own AS text[]))
           OR reporter = ANY(CAST(:own AS text[])))
      AND (CAST(:after_day AS date) IS NULL
           OR (moved_on, id) > (CAST(:after_day AS date), CAST(:after_id AS uuid)))
    ORDER BY moved_on, id LIMIT :limit
    """
)
_WAITING = f"""
    SELECT {LOAD} FROM delivery
    WHERE forecast_id = ANY($1::uuid[]) AND match_id IS NULL AND surplus_id IS NULL
        AND need_id IS NULL
"""
_KEEP = text(
    f"""
    INSERT INTO delivery ({LOAD}, subject, key)
    SELECT {LOAD}, CAST(:subject AS text), CAST(:key AS text)
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS told({_TYPES}) ORDER BY id
    ON CONFLICT (id) DO UPDATE SET
        {", ".join(f"{name} = excluded.{name}" for name in Load._fields if name != "id")},
        subject = coalesce(excluded.subject, delivery.subject),
        key = coalesce(excluded.key, delivery.key)
    """
)
_UNDER = text("SELECT id FROM delivery WHERE subject = :subject AND key = :key")
_LIST = """
    SELECT {load} FROM delivery
    WHERE (:all OR region = ANY(CAST(:regions AS text[]))
           OR organisation = ANY(CAST(:organisations AS text[]))
           OR reporter = ANY(CAST(:organisations AS text[])))
      AND (CAST(:region AS text) IS NULL OR region = :region)
      AND (CAST(:refused AS boolean) IS NULL OR (refused IS NOT NULL) = :refused)
      AND (CAST(:after_at AS timestamptz) IS NULL
           OR (at, id) {beyond} (CAST(:after_at AS timestamptz), CAST(:after_id AS uuid)))
    ORDER BY at {way}, id {way} LIMIT :limit
"""
_SEEN = {
    "oldest": text(_LIST.format(load=LOAD, beyond=">", way="ASC")),
    "newest": text(_LIST.format(load=LOAD, beyond="<", way="DESC")),
}


async def loads(session: AsyncSession, ids: Iterable[UUID]) -> dict[UUID, Load]:
    """The loads of *ids* that are known, by id."""
    return {row[0]: Load._make(row) for row in await plain_rows(session, _SOME, list(ids))}


async def loads_waiting_for(session: AsyncSession, lots: Iterable[UUID]) -> list[Load]:
    """The loads of the forecasts *lots* that were told before these were heard of."""
    return [Load._make(row) for row in await plain_rows(session, _WAITING, list(lots))]


async def loads_of_matches(session: AsyncSession, ids: Iterable[UUID]) -> list[Load]:
    """The loads that name one of the matches *ids*, by day, counted or not."""
    return [Load._make(row) for row in await plain_rows(session, _OF_MATCHES, list(ids))]


async def loads_of_match(
    session: AsyncSession,
    id: UUID,
    *,
    own: Sequence[str] | None,
    after: tuple[date, UUID] | None,
    limit: int,
) -> list[Load]:
    """Up to *limit* loads that name the match *id*, by day: of all, or those of *own* alone."""
    told = {
        "id": id,
        "own": own,
        "after_day": after[0] if after else None,
        "after_id": after[1] if after else None,
        "limit": limit,
    }
    return [Load._make(row) for row in await session.execute(_OF_MATCH, told)]


async def keep_loads(
    session: AsyncSession,
    loads: Sequence[Load],
    *,
    subject: str | None = None,
    key: str | None = None,
) -> None:
    """Write *loads*, whose lots and their cells are held; under *key* where one was told."""
    if loads:
        rows = json.dumps([one._asdict() for one in loads], default=str)
        await session.execute(_KEEP, {"rows": rows, "subject": subject, "key": key})


async def reported_under(session: AsyncSession, subject: str, key: str) -> UUID | None:
    """The loads that *subject* told under the idempotency *key*."""
    found = await session.execute(_UNDER, {"subject": subject, "key": key})
    return found.scalar_one_or_none()


async def loads_seen_by(
    session: AsyncSession,
    *,
    sees_all: bool,
    regions: Sequence[str],
    organisations: Sequence[str],
    region: str | None,
    refused: bool | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
    order: Literal["oldest", "newest"] = "oldest",
) -> list[Load]:
    """Up to *limit* loads that the asker may see, by when they were told."""
    told: dict[str, Any] = {
        "all": sees_all,
        "regions": list(regions),
        "organisations": list(organisations),
        "region": region,
        "refused": refused,
        "after_at": after[0] if after else None,
        "after_id": after[1] if after else None,
        "limit": limit,
    }
    return [Load._make(row) for row in await session.execute(_SEEN[order], told)]
