"""What planning asks: of one moment, and without leave to write."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.matcher.domain import Lot, Match
from services.matcher.store.lots import LOT
from services.matcher.store.matches import MATCH
from shared.plain import plain_rows

_SNAPSHOT = text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
_MATCHES = f"""
    SELECT {MATCH} FROM match
    WHERE standing = 1 AND ($1::text IS NULL OR region = $1)
      AND ($2 OR region = ANY($3::text[]) OR surplus_organisation = ANY($4::text[])
           OR need_organisation = ANY($4::text[]))
"""
_SEEN = """
    FROM lot
    WHERE is_open AND ($1::text IS NULL OR region = $1)
      AND ($2 OR region = ANY($3::text[]) OR organisation = ANY($4::text[]))
"""
_OF_PROJECTS = f"SELECT {LOT} FROM lot WHERE project_id = ANY($1::uuid[])"
_IN_REGIONS = f"SELECT {LOT} FROM lot WHERE region = ANY($1::text[])"
_COUNT_IN_REGIONS = "SELECT count(*) FROM lot WHERE region = ANY($1::text[])"
_MEETS = "SELECT meets FROM lot WHERE region = $1 LIMIT 1"


async def take_snapshot(session: AsyncSession) -> None:
    """Let all that *session* asks be of this moment, and let it write nothing. Ask this first."""
    await session.execute(_SNAPSHOT)


async def standing_seen_by(
    session: AsyncSession,
    *,
    region: str | None,
    sees_all: bool,
    regions: Sequence[str],
    organisations: Sequence[str],
) -> list[Match]:
    """The matches that hold tonnes and that the asker may see, of surpluses in *region*."""
    seen = region, sees_all, list(regions), list(organisations)
    return [Match._make(row) for row in await plain_rows(session, _MATCHES, *seen)]


async def open_lots_seen_by(
    session: AsyncSession,
    *,
    region: str | None,
    sees_all: bool,
    regions: Sequence[str],
    organisations: Sequence[str],
    limit: int,
) -> list[Lot]:
    """Up to *limit* open lots that the asker may see, in *region*."""
    seen = region, sees_all, list(regions), list(organisations)
    found = await plain_rows(session, f"SELECT {LOT} {_SEEN} LIMIT $5", *seen, limit)
    return [Lot._make(row) for row in found]


async def lots_of_projects(session: AsyncSession, projects: Iterable[UUID]) -> list[Lot]:
    """The lots of *projects*, open or not."""
    return [Lot._make(row) for row in await plain_rows(session, _OF_PROJECTS, list(projects))]


async def lots_in_regions(session: AsyncSession, regions: Iterable[str]) -> list[Lot]:
    """The lots in *regions*, open or not."""
    return [Lot._make(row) for row in await plain_rows(session, _IN_REGIONS, list(regions))]


async def count_in_regions(session: AsyncSession, regions: Iterable[str]) -> int:
    """How many lots *regions* have."""
    return int((await plain_rows(session, _COUNT_IN_REGIONS, list(regions)))[0][0])


async def meets_of(session: AsyncSession, region: str) -> str:
    """The regions that lots of *region* may meet, as they were told; empty where it has none."""
    found = await plain_rows(session, _MEETS, region)
    return str(found[0][0]) if found else ""
