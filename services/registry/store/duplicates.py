"""Pairs of forecasts that may be about the same mass, and what was decided of them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.registry.domain import Likeness, Thing, cells_beside, municipal_cell, tonnes_alike
from services.registry.store.things import VISIBLE, Scope, from_json, scoped, told_by

MOST_BESIDE = 40
"""Neighbours of one forecast that are looked at, those closest in tonnes first."""

Pair = tuple[UUID, UUID]

# what the same told out of the same system is passed over in the index: an import is all of that
_NEAR = " UNION ALL ".join(
    f"""
        SELECT id, project_id, likely_t FROM forecast
        WHERE {place} AND told_by {other} mine.told_by AND likely_t BETWEEN mine.low AND mine.high
    """
    for place in ("cell = ANY(mine.cells)", "municipal_cell = mine.municipal_cell")
    for other in "<>"
)
_BESIDE = text(
    f"""
    SELECT mine.id AS mine, forecast.revision, forecast.state
    FROM jsonb_to_recordset(CAST(:rows AS jsonb))
        AS mine(id uuid, project_id uuid, told_by text,
                cells text[], municipal_cell text, low float8, likely float8, high float8)
    CROSS JOIN LATERAL (
        SELECT id FROM ({_NEAR}) AS near
        WHERE project_id <> mine.project_id
        ORDER BY abs(likely_t - mine.likely), id LIMIT {MOST_BESIDE}
    ) AS beside
    JOIN forecast ON forecast.id = beside.id
    """
)
_DROP = text(
    """
    UPDATE duplicate SET state = 'dropped', revision = revision + 1 WHERE state = 'suggested'
      AND (one = ANY(CAST(:ids AS uuid[])) OR other = ANY(CAST(:ids AS uuid[])))
      AND (one, other) NOT IN (
          SELECT one, other FROM jsonb_to_recordset(CAST(:rows AS jsonb))
              AS told(one uuid, other uuid))
    RETURNING one, other, revision
    """
)
_SUGGEST = text(
    """
    INSERT INTO duplicate (one, other, score, reasons, state, suggested_at)
    SELECT one, other, score, reasons, 'suggested', :now
    FROM jsonb_to_recordset(CAST(:rows AS jsonb))
        AS told(one uuid, other uuid, score float8, reasons jsonb)
    ORDER BY one, other
    ON CONFLICT (one, other) DO UPDATE SET score = excluded.score, reasons = excluded.reasons,
        state = 'suggested',
        revision = duplicate.revision + CAST(duplicate.state = 'dropped' AS integer),
        suggested_at = CASE duplicate.state WHEN 'dropped' THEN excluded.suggested_at
            ELSE duplicate.suggested_at END
    WHERE duplicate.state IN ('suggested', 'dropped')
    RETURNING one, other, revision, suggested_at = :now AS is_new
    """
)
_NAME = text(
    """
    INSERT INTO duplicate (one, other, score, reasons, state, suggested_at)
    VALUES (:one, :other, 0, '{"named_by": "person"}', 'suggested', :now)
    ON CONFLICT (one, other) DO UPDATE SET score = excluded.score, reasons = excluded.reasons,
        state = 'suggested', suggested_at = excluded.suggested_at
    WHERE duplicate.state = 'dropped'
    """
)
_LISTED = f"""
    WITH seen AS (SELECT * FROM forecast WHERE {VISIBLE})
    SELECT duplicate.*, a.state AS one_state, b.state AS other_state,
           a.duplicate_of AS one_counts, b.duplicate_of AS other_counts
    FROM duplicate JOIN seen AS a ON a.id = duplicate.one JOIN seen AS b ON b.id = duplicate.other
    WHERE duplicate.state <> 'dropped' AND (:everything OR a.region = ANY(CAST(:regions AS text[]))
        OR b.region = ANY(CAST(:regions AS text[]))
        OR CAST(:own AS text[])
            && CAST(ARRAY[a.organisation, a.reporter, b.organisation, b.reporter] AS text[]))
"""
_DECIDE = text(
    """
    UPDATE duplicate SET state = :state, decided_by = :by, decided_at = :now,
        revision = revision + 1
    WHERE one = :one AND other = :other RETURNING revision
    """
)


@dataclass(frozen=True, slots=True)
class Listed:
    """A pair with both states; *counts* is the forecast that counts, once they are linked."""

    one: Mapping[str, Any]
    other: Mapping[str, Any]
    score: float
    reasons: Mapping[str, Any]
    state: str
    suggested_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    counts: UUID | None

    @property
    def sides(self) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        return self.one, self.other

    @property
    def pair(self) -> Pair:
        return UUID(self.one["forecast_id"]), UUID(self.other["forecast_id"])


async def beside(
    session: AsyncSession, forecasts: Sequence[Thing]
) -> list[tuple[UUID, int, dict[str, Any]]]:
    """What lies beside *forecasts* and is as much: (which, the other's revision and state)."""
    rows = [_mine(one) for one in forecasts]
    found = await session.execute(_BESIDE, {"rows": json.dumps(rows)})
    return [(row["mine"], row["revision"], from_json(row["state"])) for row in found.mappings()]


def _mine(forecast: Thing) -> dict[str, Any]:
    low, high = tonnes_alike(forecast.state)
    is_exact = forecast.state["place"]["precision"] == "exact"
    return {
        "id": str(forecast.id),
        "project_id": str(forecast.project_id),
        "told_by": told_by(forecast),
        "cells": cells_beside(forecast.state),
        "municipal_cell": None if is_exact else municipal_cell(forecast.state),
        "low": low,
        "likely": forecast.state["quantity"]["likely_t"],
        "high": high,
    }


async def suggest(
    session: AsyncSession,
    ids: Iterable[UUID],
    alike: Mapping[Pair, Likeness],
    now: datetime,
) -> tuple[dict[Pair, int], dict[Pair, int]]:
    """
    The suggestions about forecasts *ids* are *alike*, and no others; decided pairs stay. The pairs
    that were not suggested before, and those that are suggested no longer, with their revisions.
    """
    rows = [
        {"one": str(one), "other": str(other), "score": each.score, "reasons": each.reasons}
        for (one, other), each in alike.items()
    ]
    told = json.dumps(rows)
    gone = await session.execute(_DROP, {"ids": list(ids), "rows": told})
    dropped = {(row.one, row.other): row.revision for row in gone}
    if not rows:
        return {}, dropped
    kept = await session.execute(_SUGGEST, {"rows": told, "now": now})
    return {(row.one, row.other): row.revision for row in kept if row.is_new}, dropped


async def duplicates(
    session: AsyncSession,
    scope: Scope,
    *,
    state: str | None = None,
    region: str | None = None,
    after: tuple[float, UUID, UUID] | None = None,
    limit: int = 100,
) -> list[Listed]:
    """
    Pairs of which *scope* may see both sides, and has a part in one: owns or reports it, or
    coordinates its region. The most alike first, going on after score and pair.
    """
    wanted, told = [_LISTED], {**scoped(scope), "limit": limit}
    if state is not None:
        wanted.append("duplicate.state = :state")
        told["state"] = state
    if region is not None:
        wanted.append("(a.region = :region OR b.region = :region)")
        told["region"] = region
    if after is not None:
        wanted.append("(-score, one, other) > (-CAST(:score AS float8), :one, :other)")
        told |= {"score": after[0], "one": after[1], "other": after[2]}
    question = text(" AND ".join(wanted) + " ORDER BY score DESC, one, other LIMIT :limit")
    rows = await session.execute(question, told)
    return [_listed(row) for row in rows.mappings()]


async def suggested(session: AsyncSession, scope: Scope, region: str) -> int:
    """How many suggested pairs of *region* *scope* may see and decide."""
    question = text(
        f"SELECT count(*) FROM ({_LISTED} AND duplicate.state = 'suggested'"
        " AND (a.region = :region OR b.region = :region)) AS pair"
    )
    found: int = (await session.execute(question, {"region": region, **scoped(scope)})).scalar_one()
    return found


async def duplicate(session: AsyncSession, scope: Scope, pair: Pair) -> Listed | None:
    """The one *pair*, when *scope* may see and decide it."""
    question = text(f"{_LISTED} AND duplicate.one = :one AND duplicate.other = :other")
    told = {**scoped(scope), "one": pair[0], "other": pair[1]}
    row = (await session.execute(question, told)).mappings().first()
    return _listed(row) if row else None


async def name(session: AsyncSession, pair: Pair, now: datetime) -> None:
    """A person names *pair*; nothing changes where it is suggested or decided of already."""
    await session.execute(_NAME, {"one": pair[0], "other": pair[1], "now": now})


async def decide(session: AsyncSession, pair: Pair, *, state: str, by: str, now: datetime) -> int:
    """*pair* is now *state*, by decision of *by*; its revision."""
    told = {"one": pair[0], "other": pair[1], "state": state, "by": by, "now": now}
    revision: int = (await session.execute(_DECIDE, told)).scalar_one()
    return revision


def _listed(row: Mapping[Any, Any]) -> Listed:
    one, other = row["one"], row["other"]
    counts = other if row["one_counts"] == other else one if row["other_counts"] == one else None
    return Listed(
        one=from_json(row["one_state"]),
        other=from_json(row["other_state"]),
        score=row["score"],
        reasons=from_json(row["reasons"]),
        state=row["state"],
        suggested_at=row["suggested_at"],
        decided_by=row["decided_by"],
        decided_at=row["decided_at"],
        counts=counts,
    )
