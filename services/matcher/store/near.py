"""Near misses, the lots with tonnes that nobody holds, and the tiles whose near misses are due."""

import json
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, Index, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import Field, SQLModel

from services.matcher.domain import KnownNearMiss, Lot
from services.matcher.store import locks
from services.matcher.store.lots import LOT
from services.matcher.store.tables import ledger
from shared.plain import plain_rows
from shared.service.card import Due
from shared.work import MOMENT, DueRow

near = Due("near", ("tile",), size=1, lease_s=60)


class NearMissRow(SQLModel, table=True):
    """A near miss of a pair; the columns are those of `domain.KnownNearMiss`, in its order."""

    __tablename__ = "near_miss"
    metadata = ledger.metadata
    __table_args__ = (
        Index("uq_near_miss_pair", "surplus_id", "need_id", unique=True),
        Index("ix_near_miss_surplus", "surplus_id", postgresql_where=text("state = 'open'")),
        Index("ix_near_miss_need", "need_id", postgresql_where=text("state = 'open'")),
        # the list, worth most first
        Index("ix_near_miss_worth", "worth_cents", "id", postgresql_where=text("state = 'open'")),
    )

    id: UUID = Field(primary_key=True)
    revision: int
    surplus_id: UUID
    need_id: UUID
    state: str = Field(sa_type=Text)
    gate: str = Field(sa_type=Text)
    offered: str = Field(sa_type=Text)
    wanted: str = Field(sa_type=Text)
    remedies: list[object] = Field(sa_column=Column(JSONB, nullable=False))
    tonnes: int = Field(sa_type=BigInteger)
    cents_per_t: int
    worth_cents: int = Field(sa_type=BigInteger)
    km: float
    region: str = Field(sa_type=Text)
    surplus_organisation: str = Field(sa_type=Text)
    need_organisation: str = Field(sa_type=Text)
    born_at: datetime = Field(sa_type=MOMENT)
    changed_at: datetime = Field(sa_type=MOMENT)


class NearRow(DueRow, table=True):
    """
    A tile whose near misses must be looked at again when it is quiet.

    *first_at* is when it was first marked; empty while it rests until its windows may be over.
    """

    __tablename__ = "near"
    metadata = ledger.metadata
    __table_args__ = (Index("ix_near_due", "due_at"),)

    tile: int = Field(primary_key=True)
    generation: UUID = Field(sa_column_kwargs={"server_default": text("gen_random_uuid()")})
    first_at: datetime | None = Field(default=None, sa_type=MOMENT)


# --- what is due ------------------------------------------------------------------------------

_MARK = """
    INSERT INTO near (tile, due_at, first_at)
    SELECT tile, $2, now() FROM unnest($1::int[]) AS told(tile) ORDER BY tile
    ON CONFLICT (tile) DO UPDATE SET generation = excluded.generation, due_at = excluded.due_at,
        first_at = coalesce(near.first_at, excluded.first_at)
"""
_LATER = """
    UPDATE near SET due_at = $2, claimed_by = NULL, claimed_until = NULL, attempts = 0
    WHERE tile = $1
"""
_DONE = "DELETE FROM near WHERE tile = $1 AND generation = $2 RETURNING 1"
_REST = """
    UPDATE near SET due_at = $3, first_at = NULL, claimed_by = NULL, claimed_until = NULL,
        attempts = 0
    WHERE tile = $1 AND generation = $2 RETURNING 1
"""
_BUSY = """
    SELECT EXISTS (SELECT FROM dirty WHERE cell = ANY($1::int[]))
        OR EXISTS (SELECT FROM sweep WHERE tile = $2)
"""


async def mark_near(session: AsyncSession, tiles: Iterable[int], due: datetime) -> None:
    """Look at the near misses of *tiles* again, when nothing more happened there until *due*."""
    told = sorted(set(tiles))
    if told:
        await plain_rows(session, _MARK, told, due)


async def near_later(session: AsyncSession, tile: int, due: datetime) -> None:
    """Look at *tile* at *due* instead."""
    await plain_rows(session, _LATER, tile, due)


async def near_done(
    session: AsyncSession, tile: int, generation: UUID, *, rests_until: datetime | None
) -> bool:
    """
    *tile* was looked at, and is again at *rests_until*, if ever.

    False when it was marked again meanwhile: then it stays due.
    """
    if rests_until is None:
        return bool(await plain_rows(session, _DONE, tile, generation))
    return bool(await plain_rows(session, _REST, tile, generation, rests_until))


async def is_busy(session: AsyncSession, cells: Sequence[int], tile: int) -> bool:
    """Whether *cells* are still to be settled, or *tile* to be swept."""
    return bool((await plain_rows(session, _BUSY, list(cells), tile))[0][0])


async def hold_near(session: AsyncSession) -> bool:
    """Hold all near misses until the transaction ends, without waiting; whether they were free."""
    asked = f"SELECT pg_try_advisory_xact_lock({locks.NEAR}, 0)"
    return bool((await plain_rows(session, asked))[0][0])


# --- what nobody holds ------------------------------------------------------------------------

_HELD = "coalesce((SELECT sum({what}) FROM match WHERE standing = 1 AND {end} = lot.id), 0)"
_GIVEN = _HELD.format(what="greatest(0, tonnes * 1000 - delivered_kg)", end="surplus_id")
_ARRIVING = _HELD.format(
    what="greatest(0, tonnes * permille / 1000 * 1000 - delivered_kg * permille / 1000)",
    end="need_id",
)
_UNMATCHED = f"""
    SELECT * FROM (
        SELECT {LOT}, floor(
            (likely * 1000 - moved_kg - {_GIVEN} - {_ARRIVING}) / 1000
        )::bigint AS tonnes_left
        FROM lot WHERE cell = ANY($1::int[]) AND is_open AND likely >= $2 AND last >= $3
    ) AS offered WHERE tonnes_left >= $2
"""


async def unmatched_in(
    session: AsyncSession, cells: Iterable[int], *, least: int, since: date
) -> tuple[list[Lot], dict[UUID, int]]:
    """The lots in *cells* open after *since* that have *least* tonnes or more left; and these."""
    found = await plain_rows(session, _UNMATCHED, list(cells), max(1, least), since)
    lots = [Lot._make(row[:-1]) for row in found]
    return lots, {lot.id: row[-1] for lot, row in zip(lots, found, strict=True)}


# --- near misses ------------------------------------------------------------------------------

_NAMES = KnownNearMiss._fields
NEAR_MISS = ", ".join(f"near_miss.{one}" for one in _NAMES).replace("remedies", "remedies::text")
_TYPES = """
    id uuid, revision int, surplus_id uuid, need_id uuid, state text, gate text, offered text,
    wanted text, remedies jsonb, tonnes bigint, cents_per_t int, worth_cents bigint, km float8,
    region text, surplus_organisation text, need_organisation text, born_at timestamptz,
    changed_at timestamptz
"""
_KEEP = f"""
    INSERT INTO near_miss ({", ".join(_NAMES)})
    SELECT {", ".join(_NAMES)} FROM jsonb_to_recordset($1::jsonb) AS told({_TYPES}) ORDER BY id
    ON CONFLICT (id) DO UPDATE SET
        {", ".join(f"{name} = excluded.{name}" for name in _NAMES if name not in ("id", "born_at"))}
"""
_AROUND = f"""
    SELECT {NEAR_MISS}, s.cell, n.cell FROM near_miss
    JOIN lot s ON s.id = surplus_id JOIN lot n ON n.id = need_id
    WHERE state = 'open' AND (surplus_id IN (SELECT id FROM lot WHERE cell = ANY($1::int[]))
                              OR need_id IN (SELECT id FROM lot WHERE cell = ANY($1::int[])))
"""
_BY_ID = f"SELECT {NEAR_MISS} FROM near_miss WHERE id = ANY($1::uuid[])"


async def keep_near_misses(session: AsyncSession, told: Sequence[KnownNearMiss]) -> None:
    """Write near misses as they were just told."""
    if told:
        rows = [{**one._asdict(), "remedies": json.loads(one.remedies)} for one in told]
        await plain_rows(session, _KEEP, json.dumps(rows, default=str))


async def near_misses_around(
    session: AsyncSession, cells: Iterable[int]
) -> list[tuple[KnownNearMiss, int, int]]:
    """The open near misses with an end in *cells*, each with the cells of its two lots."""
    found = await plain_rows(session, _AROUND, list(cells))
    return [(KnownNearMiss._make(row[:-2]), row[-2], row[-1]) for row in found]


async def near_misses_by_id(
    session: AsyncSession, ids: Iterable[UUID]
) -> dict[UUID, KnownNearMiss]:
    """Those of *ids* that were ever told, by id."""
    found = await plain_rows(session, _BY_ID, list(ids))
    return {row[0]: KnownNearMiss._make(row) for row in found}


_SEEN = text(
    f"""
    SELECT {NEAR_MISS} FROM near_miss
    WHERE state = 'open'
      AND (:all OR region = ANY(CAST(:regions AS text[]))
           OR surplus_organisation = ANY(CAST(:organisations AS text[]))
           OR need_organisation = ANY(CAST(:organisations AS text[])))
      AND (CAST(:region AS text) IS NULL OR region = :region)
      AND (CAST(:organisation AS text) IS NULL OR surplus_organisation = :organisation
           OR need_organisation = :organisation)
      AND (CAST(:worth AS bigint) IS NULL
           OR (worth_cents, id) < (CAST(:worth AS bigint), CAST(:id AS uuid)))
    ORDER BY worth_cents DESC, id DESC LIMIT :limit
    """
)


async def near_misses_seen_by(
    session: AsyncSession,
    *,
    sees_all: bool,
    regions: Sequence[str],
    organisations: Sequence[str],
    region: str | None,
    organisation: str | None,
    after: tuple[int, UUID] | None,
    limit: int,
) -> list[KnownNearMiss]:
    """Up to *limit* open near misses that the asker may see, worth most first."""
    told: dict[str, Any] = {
        "all": sees_all,
        "regions": list(regions),
        "organisations": list(organisations),
        "region": region,
        "organisation": organisation,
        "worth": after[0] if after else None,
        "id": after[1] if after else None,
        "limit": limit,
    }
    return [KnownNearMiss._make(row) for row in await session.execute(_SEEN, told)]
