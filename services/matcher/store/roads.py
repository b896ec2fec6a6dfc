"""Roads as an engine told them, and those that are still to be asked for."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import BigInteger, Index, Text, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import Field, SQLModel

from services.matcher.domain.roads import Pair, Road, Roads
from services.matcher.store.tables import ledger
from shared.plain import plain_rows
from shared.service.card import Due
from shared.work import MOMENT, DueRow

road_wanted = Due("road_wanted", ("origin", "destination"), size=200, lease_s=60, together=True)


class RoadRow(SQLModel, table=True):
    """What an engine told of the way between two points; no *km* when it was not usable."""

    __tablename__ = "road"
    metadata = ledger.metadata

    origin: int = Field(sa_type=BigInteger, primary_key=True)
    destination: int = Field(sa_type=BigInteger, primary_key=True)
    km: float | None = None
    version: str = Field(sa_type=Text)
    at: datetime = Field(sa_type=MOMENT, sa_column_kwargs={"server_default": text("now()")})


class RoadWantedRow(DueRow, table=True):
    """A road to be asked for."""

    __tablename__ = "road_wanted"
    metadata = ledger.metadata
    __table_args__ = (Index("ix_road_wanted_due", "due_at"),)

    origin: int = Field(sa_type=BigInteger, primary_key=True)
    destination: int = Field(sa_type=BigInteger, primary_key=True)


# one row of arrays: the driver reads it in a fraction of the time of as many rows
_KNOWN = """
    SELECT coalesce(array_agg(origin), '{}'), coalesce(array_agg(destination), '{}'),
        coalesce(array_agg(km), '{}'), coalesce(array_agg(version), '{}'),
        coalesce(array_agg(asked), '{}')
    FROM (
        SELECT origin, destination, km, version, at > now() - $3 * interval '1 day' AS asked
        FROM road WHERE origin = ANY($1::bigint[]) AND destination = ANY($2::bigint[])
        UNION ALL
        SELECT origin, destination, NULL, '', true FROM road_wanted
        WHERE origin = ANY($1::bigint[]) AND destination = ANY($2::bigint[])
            AND NOT EXISTS (SELECT FROM road WHERE road.origin = road_wanted.origin
                            AND road.destination = road_wanted.destination)
    ) AS found
"""
_WANT = """
    INSERT INTO road_wanted (origin, destination, due_at)
    SELECT origin, destination, now() FROM unnest($1::bigint[], $2::bigint[])
        AS told(origin, destination) ORDER BY origin, destination
    ON CONFLICT DO NOTHING
"""
_KEEP = """
    INSERT INTO road (origin, destination, km, version)
    SELECT origin, destination, km, version FROM jsonb_to_recordset($1::jsonb)
        AS told(origin bigint, destination bigint, km float8, version text)
    ORDER BY origin, destination
    ON CONFLICT (origin, destination) DO UPDATE SET km = excluded.km, version = excluded.version,
        at = now()
    RETURNING new.origin, new.destination, old.km
"""
_ANSWERED = """
    DELETE FROM road_wanted USING unnest($1::bigint[], $2::bigint[]) AS told(origin, destination)
    WHERE road_wanted.origin = told.origin AND road_wanted.destination = told.destination
"""
_LATER = """
    UPDATE road_wanted SET claimed_by = NULL, claimed_until = NULL,
        due_at = now() + $3 * interval '1 second'
    FROM unnest($1::bigint[], $2::bigint[]) AS told(origin, destination)
    WHERE road_wanted.origin = told.origin AND road_wanted.destination = told.destination
"""


async def roads_between(
    session: AsyncSession, origins: Iterable[int], destinations: Iterable[int], *, keep_days: float
) -> Roads:
    """
    What is known of the roads from *origins* to *destinations*, and what is asked for already.

    A road told more than *keep_days* ago is known, but should be asked for again.
    """
    starts, ends = sorted(set(origins)), sorted(set(destinations))
    (found,) = await plain_rows(session, _KNOWN, starts, ends, keep_days)
    return Roads.of(*found)


async def want_roads(session: AsyncSession, pairs: Sequence[Pair]) -> None:
    """Let each of *pairs* be asked for, unless it is already."""
    await plain_rows(session, _WANT, *_columns(pairs))


async def keep_roads(session: AsyncSession, roads: Sequence[Road]) -> dict[Pair, float | None]:
    """Keep what was told, and want it no more; the km that each pair had before, if any."""
    rows = json.dumps([
        {"origin": one.pair[0], "destination": one.pair[1], "km": one.km, "version": one.version}
        for one in roads
    ])  # fmt: skip
    found = await plain_rows(session, _KEEP, rows)
    await plain_rows(session, _ANSWERED, *_columns([one.pair for one in roads]))
    return {(origin, destination): km for origin, destination, km in found}


async def ask_later(session: AsyncSession, pairs: Sequence[Pair], seconds: float) -> None:
    """Let *pairs* be asked for in *seconds*."""
    await plain_rows(session, _LATER, *_columns(pairs), seconds)


def _columns(pairs: Sequence[Pair]) -> tuple[list[int], list[int]]:
    return [origin for origin, _ in pairs], [destination for _, destination in pairs]
