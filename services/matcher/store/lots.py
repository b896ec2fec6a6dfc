"""Lots: kept at their highest revision, and asked for by place."""

import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.matcher.domain import Concern, Lot, LotCount
from services.matcher.store import locks
from shared.plain import plain_rows

LOT = ", ".join(Lot._fields)

_LOT_TYPES = """
    id uuid, revision int, direction text, is_open boolean, kind text, low bigint, likely bigint,
    high bigint, first date, last date, weekly_t float8, lat float8, lon float8, exact boolean,
    municipality text, region text, meets text, project_id uuid, organisation text,
    net_of_own_use boolean, visibility text, transport_payer text, cell int, terms bigint,
    beside text, base_cents int, base_grams int, base_area uuid, base_km float8, as_of date,
    moved_kg bigint
"""
_TOLD = tuple(name for name in Lot._fields if name != "moved_kg")
# loads of the day that the amount was told for, and after; a lot heard of late finds them waiting
MOVED_KG = """
    (SELECT coalesce(sum(kg), 0) FROM delivery
     WHERE surplus_id = {lot}.id AND moved_on >= {lot}.as_of AND refused IS NULL)
    + (SELECT coalesce(sum(kg * permille / 1000), 0) FROM delivery
       WHERE need_id = {lot}.id AND moved_on >= {lot}.as_of AND refused IS NULL)
"""
_ARRIVES = f"""
    SELECT pg_advisory_xact_lock_shared({locks.AREAS}, 0),
        pg_advisory_xact_lock_shared({locks.ARRIVALS}, 0)
"""
_NONE_ARRIVES = text(f"SELECT pg_advisory_xact_lock({locks.ARRIVALS}, 0)")
_KEEP = f"""
    INSERT INTO lot ({LOT})
    SELECT {", ".join(_TOLD)}, {MOVED_KG.format(lot="told")}
    FROM jsonb_to_recordset($1::jsonb) AS told({_LOT_TYPES})
    ORDER BY id
    ON CONFLICT (id) DO UPDATE SET
        {", ".join(f"{name} = excluded.{name}" for name in _TOLD if name != "id")},
        moved_kg = CASE WHEN lot.as_of = excluded.as_of THEN lot.moved_kg
                        ELSE excluded.moved_kg END
    WHERE lot.revision < excluded.revision
    RETURNING old.cell, new.cell, new.organisation,
        old.id IS NULL, old.is_open, new.is_open,
        old.terms IS DISTINCT FROM new.terms OR old.likely IS DISTINCT FROM new.likely
            OR old.is_open IS DISTINCT FROM new.is_open
            OR old.moved_kg IS DISTINCT FROM new.moved_kg
            OR old.base_cents IS DISTINCT FROM new.base_cents
"""


class Touched(NamedTuple):
    """What keeping a lot touched: the cell it was in and the one it is in, and how it differs."""

    was: int | None
    now: int
    organisation: str
    is_new: bool
    was_open: bool | None
    is_open: bool
    differs: bool

    @property
    def has_moved(self) -> bool:
        return self.was is not None and self.was != self.now

    @property
    def comes(self) -> bool:
        """Whether it takes part from now on: it may open a pair, and not only move tonnes."""
        return self.is_open and not self.was_open

    @property
    def cells(self) -> set[int]:
        """The cells to settle again: none for a lot that takes part in nothing, as before."""
        if not self.differs or not (self.was_open or self.is_open):
            return set()
        return {cell for cell in (self.was, self.now) if cell is not None}


async def arrive(session: AsyncSession) -> None:
    """Let no area change, and nobody rely on what lots there are, until the transaction ends."""
    await plain_rows(session, _ARRIVES)


async def keep_newer(session: AsyncSession, lots: Sequence[Lot]) -> list[Touched]:
    """
    Keep each lot that is newer than the one known; what that touched.

    Give each id once and in order (`latest_of` does): rows stay locked until the work ends, and
    replicas that lock in one order never wait for each other in a ring. After `arrive`.
    """
    if not lots:
        return []
    rows = json.dumps([lot._asdict() for lot in lots], default=str)
    return [Touched._make(row) for row in await plain_rows(session, _KEEP, rows)]


async def hold_arrivals(session: AsyncSession) -> None:
    """
    Let no forecast be kept until the transaction ends.

    For who keeps loads of a lot that is not heard of yet: it must find them when it comes. To be
    taken before any lot is held.
    """
    await session.execute(_NONE_ARRIVES)


_HOLD_LOTS = "SELECT id FROM lot WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE"
_RECKON = f"UPDATE lot SET moved_kg = {MOVED_KG.format(lot='lot')} WHERE id = ANY($1::uuid[])"


async def hold_lots(session: AsyncSession, ids: Iterable[UUID]) -> None:
    """Let nobody change the lots *ids* until the transaction ends. Before cells are held."""
    await plain_rows(session, _HOLD_LOTS, sorted(ids))


async def reckon_moved(session: AsyncSession, ids: Iterable[UUID]) -> None:
    """Take the loads that are kept off the lots *ids*, which are held."""
    await plain_rows(session, _RECKON, sorted(ids))


_IN_CELLS = f"SELECT {LOT} FROM lot WHERE cell = ANY($1::int[])"
# all lots, where no kinds are told
OF_KINDS = """
    ($2::text[] IS NULL OR kind = ANY(CASE direction WHEN 'surplus' THEN $2 ELSE $3::text[] END))
"""
# those in the cells and their partners; nested loops, however large the tables have grown
AROUND = f"""
    here AS MATERIALIZED (SELECT {LOT} FROM lot WHERE cell = ANY($1::int[]) AND {OF_KINDS}),
    partner AS (
        SELECT held.id FROM here, LATERAL (
            SELECT need_id AS id FROM match WHERE surplus_id = here.id AND standing = 1
            UNION ALL
            SELECT surplus_id FROM match WHERE need_id = here.id AND standing = 1 OFFSET 0
        ) AS held
        EXCEPT SELECT id FROM here
    ), around AS MATERIALIZED (
        SELECT {LOT} FROM here
        UNION ALL
        SELECT far.* FROM partner,
            LATERAL (SELECT {LOT} FROM lot WHERE id = partner.id OFFSET 0) AS far
    )
"""
_BY_ID = f"SELECT {LOT} FROM lot WHERE id = ANY($1::uuid[])"
_EVERY = f"SELECT {LOT} FROM lot"


async def lots_in(session: AsyncSession, cells: Iterable[int]) -> list[Lot]:
    """The lots in *cells*, whether they are open or not."""
    return [Lot._make(row) for row in await plain_rows(session, _IN_CELLS, list(cells))]


def kinds_of(about: Concern | None) -> tuple[list[str] | None, list[str] | None]:
    """The surpluses' kinds and the needs' kinds that `OF_KINDS` asks for; None for any."""
    return (None, None) if about is None else (about.surpluses, about.needs)


_COUNTS = """
    SELECT cell, count(*) FILTER (WHERE direction = 'surplus'),
           count(*) FILTER (WHERE direction <> 'surplus')
    FROM lot WHERE cell = ANY($1::int[]) GROUP BY cell
"""


async def lots_per_cell(session: AsyncSession, cells: Sequence[int]) -> dict[int, LotCount]:
    """How many lots each of *cells* has; cells without any are left out."""
    found = await plain_rows(session, _COUNTS, list(cells))
    return {cell: LotCount(*counted) for cell, *counted in found}


async def lots_of(session: AsyncSession, ids: Iterable[UUID]) -> dict[UUID, Lot]:
    """The lots of *ids* that are known, by id."""
    found = await plain_rows(session, _BY_ID, list(ids))
    return {row[0]: Lot._make(row) for row in found}


_BASES = f"""
    UPDATE lot SET base_cents = told.base_cents, base_grams = told.base_grams,
        base_area = told.base_area, base_km = told.base_km
    FROM (SELECT {LOT} FROM jsonb_to_recordset($1::jsonb) AS told({_LOT_TYPES}) ORDER BY id) AS told
    WHERE lot.id = told.id AND lot.revision = told.revision
"""


async def keep_baselines(session: AsyncSession, lots: Sequence[Lot]) -> None:
    """Write what a tonne of each of *lots* meets without the platform, and nothing else of it."""
    if lots:
        rows = json.dumps([lot._asdict() for lot in lots], default=str)
        await plain_rows(session, _BASES, rows)


async def every_lot(session: AsyncSession) -> list[Lot]:
    """All lots there are."""
    return [Lot._make(row) for row in await plain_rows(session, _EVERY)]
