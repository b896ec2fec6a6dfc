"""Areas: kept at their highest revision, and the room that is taken in them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.matcher.domain import Area, Stay, area_of
from services.matcher.store import locks
from shared.plain import plain_rows

_SPEAK = f"SELECT pg_advisory_xact_lock({locks.AREAS}, 0)"
# one number for each area; two that share one only wait for each other
_HOLD = f"""
    SELECT pg_advisory_xact_lock({locks.ROOM}, sorted.number) FROM (
        SELECT DISTINCT hashtext(told.id::text) AS number FROM unnest($1::uuid[]) AS told(id)
        ORDER BY number OFFSET 0
    ) AS sorted
"""
_KEEP = """
    INSERT INTO area (id, revision, region, cell, told)
    SELECT id, revision, region, cell, told FROM jsonb_to_recordset($1::jsonb)
        AS told(id uuid, revision int, region text, cell int, told jsonb)
    ORDER BY id
    ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, region = excluded.region,
        cell = excluded.cell, told = excluded.told
    WHERE area.revision < excluded.revision
    RETURNING old.told::text, old.cell, new.told::text, new.cell
"""
_IN_CELLS = "SELECT told::text, cell FROM area WHERE cell = ANY($1::int[])"
_EVERY = "SELECT told::text, cell FROM area"
_SOME = "SELECT told::text, cell FROM area WHERE id = ANY($1::uuid[])"
_SITES = "SELECT told::text, cell FROM area WHERE told->>'site_kind' = ANY($1::text[])"
_STAYS = """
    SELECT id, via, tonnes, stays_from, stays_to FROM match
    WHERE standing = 1 AND via = ANY($1::uuid[]) AND stays_from IS NOT NULL
"""


async def keep_newer_areas(
    session: AsyncSession, areas: Iterable[Mapping[str, Any]]
) -> list[tuple[Area | None, Area]]:
    """
    Keep each of *areas* (id, revision, region, cell, told) that is newer than the one known.

    Returns the changed ones as they were and as they are; nobody who listens to areas is at work.
    """
    await plain_rows(session, _SPEAK)
    rows = await plain_rows(session, _KEEP, json.dumps(list(areas), default=str))
    return [
        (None if was is None else _area(was, was_cell), _area(told, cell))
        for was, was_cell, told, cell in rows
    ]


async def areas_in(session: AsyncSession, cells: Sequence[int]) -> list[Area]:
    """The areas in *cells*, open or not."""
    return [_area(*row) for row in await plain_rows(session, _IN_CELLS, list(cells))]


async def areas_of(session: AsyncSession, ids: Iterable[UUID]) -> dict[UUID, Area]:
    """The areas of *ids* that are known, by id."""
    found = [_area(*row) for row in await plain_rows(session, _SOME, list(ids))]
    return {one.id: one for one in found}


async def every_area(session: AsyncSession) -> list[Area]:
    """All areas there are."""
    return [_area(*row) for row in await plain_rows(session, _EVERY)]


async def sites(session: AsyncSession, kinds: Sequence[str]) -> list[Area]:
    """The areas of these *kinds* of site."""
    return [_area(*row) for row in await plain_rows(session, _SITES, list(kinds))]


_AROUND = """
    SELECT 0, told::text, cell, NULL, NULL FROM area WHERE told->>'site_kind' = ANY($1::text[])
    UNION ALL
    SELECT 1, told::text, cell, NULL, NULL FROM area WHERE cell = ANY($2::int[])
    UNION ALL
    SELECT 2, NULL, count(*)::int, direction, kind FROM lot
    WHERE cell = ANY($3::int[]) AND is_open GROUP BY direction, kind
"""


class Surroundings(NamedTuple):
    """What is told around a lot: sites, areas, and how many open lots of (direction, kind)."""

    sites: list[Area]
    areas: list[Area]
    kinds: dict[tuple[str, str], int]


async def surroundings(
    session: AsyncSession,
    site_kinds: Sequence[str],
    areas_in: Sequence[int],
    lots_in: Sequence[int],
) -> Surroundings:
    """The areas of *site_kinds*, those in the cells *areas_in*, and the kinds of lots in others."""
    sites, areas, kinds = found = Surroundings([], [], {})
    asked = list(site_kinds), list(areas_in), list(lots_in)
    for part, told, number, direction, kind in await plain_rows(session, _AROUND, *asked):
        if part == 2:
            kinds[direction, kind] = number
        else:
            (areas if part else sites).append(_area(told, number))
    return found


async def stays_in(session: AsyncSession, ids: Iterable[UUID]) -> list[Stay]:
    """The room that standing matches take in the areas *ids*."""
    return [Stay._make(row) for row in await plain_rows(session, _STAYS, list(ids))]


async def hold_areas(session: AsyncSession, ids: Iterable[UUID]) -> None:
    """
    Hold the room of the areas *ids* until the transaction ends, in one order.

    Who holds one asks for no cell any more, so nobody waits in a ring.
    """
    await plain_rows(session, _HOLD, list(ids))


@lru_cache(maxsize=8192)
def _area(told: str, cell: int) -> Area:
    return area_of(json.loads(told), cell)
