"""Lots and areas: kept at their highest revision, and asked for by place."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.matcher.domain import Lot
from services.matcher.store.plain import plain_rows

LOT = ", ".join(Lot._fields)

_LOT_TYPES = """
    id uuid, revision int, direction text, is_open boolean, kind text, low bigint, likely bigint,
    high bigint, first date, last date, weekly_t float8, lat float8, lon float8, exact boolean,
    municipality text, region text, meets text, project_id uuid, organisation text,
    net_of_own_use boolean, visibility text, transport_payer text, cell int, terms bigint,
    beside text, as_of date
"""
_TOLD = tuple(name for name in Lot._fields if name != "moved_kg")
# loads of the day that the amount was told for, and after; a lot heard of late finds them waiting
MOVED_KG = """
    (SELECT coalesce(sum(kg), 0) FROM delivery
     WHERE surplus_id = {lot}.id AND moved_on >= {lot}.as_of AND refused IS NULL)
    + (SELECT coalesce(sum(kg), 0) FROM delivery
       WHERE need_id = {lot}.id AND moved_on >= {lot}.as_of AND refused IS NULL)
"""
_ARRIVALS_LOCK = 715_003
_ARRIVES = text(f"SELECT pg_advisory_xact_lock_shared({_ARRIVALS_LOCK})")
_NONE_ARRIVES = text(f"SELECT pg_advisory_xact_lock({_ARRIVALS_LOCK})")
_KEEP = text(
    f"""
    INSERT INTO lot ({LOT})
    SELECT {", ".join(_TOLD)}, {MOVED_KG.format(lot="told")}
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS told({_LOT_TYPES})
    ORDER BY id
    ON CONFLICT (id) DO UPDATE SET
        {", ".join(f"{name} = excluded.{name}" for name in _TOLD if name != "id")},
        moved_kg = CASE WHEN lot.as_of = excluded.as_of THEN lot.moved_kg
                        ELSE excluded.moved_kg END
    WHERE lot.revision < excluded.revision
    RETURNING old.cell, new.cell,
        old.id IS NULL, old.is_open, new.is_open,
        old.terms IS DISTINCT FROM new.terms OR old.likely IS DISTINCT FROM new.likely
            OR old.is_open IS DISTINCT FROM new.is_open
            OR old.moved_kg IS DISTINCT FROM new.moved_kg
    """
)


class Touched(NamedTuple):
    """What keeping a lot touched: the cell it was in and the one it is in, and how it differs."""

    was: int | None
    now: int
    is_new: bool
    was_open: bool | None
    is_open: bool
    differs: bool

    @property
    def has_moved(self) -> bool:
        return self.was is not None and self.was != self.now

    @property
    def cells(self) -> set[int]:
        """The cells to settle again: none for a lot that takes part in nothing, as before."""
        if not self.differs or not (self.was_open or self.is_open):
            return set()
        return {cell for cell in (self.was, self.now) if cell is not None}


async def keep_newer(session: AsyncSession, lots: Sequence[Lot]) -> list[Touched]:
    """
    Keep each lot that is newer than the one known; what that touched.

    Give each id once and in order (`latest_of` does): rows stay locked until the work ends, and
    replicas that lock in one order never wait for each other in a ring.
    """
    if not lots:
        return []
    rows = json.dumps([lot._asdict() for lot in lots], default=str)
    await session.execute(_ARRIVES)
    return [Touched._make(row) for row in await session.execute(_KEEP, {"rows": rows})]


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


_KEEP_AREAS = text(
    """
    INSERT INTO area (id, revision, region, cell, told)
    SELECT id, revision, region, cell, told FROM jsonb_to_recordset(CAST(:rows AS jsonb))
        AS told(id uuid, revision int, region text, cell int, told jsonb)
    ORDER BY id
    ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, region = excluded.region,
        cell = excluded.cell, told = excluded.told
    WHERE area.revision < excluded.revision
    """
)


async def keep_newer_areas(session: AsyncSession, areas: Iterable[Mapping[str, Any]]) -> None:
    """Keep each of *areas* (id, revision, region, cell, told) that is newer than the one known."""
    rows = json.dumps(list(areas), default=str)
    await session.execute(_KEEP_AREAS, {"rows": rows})


_IN_CELLS = f"SELECT {LOT} FROM lot WHERE cell = ANY($1::int[])"
_BY_ID = f"SELECT {LOT} FROM lot WHERE id = ANY($1::uuid[])"
_EVERY = f"SELECT {LOT} FROM lot"


async def lots_in(session: AsyncSession, cells: Iterable[int]) -> list[Lot]:
    """The lots in *cells*, whether they are open or not."""
    return [Lot._make(row) for row in await plain_rows(session, _IN_CELLS, list(cells))]


_COUNTS = "SELECT cell, count(*) FROM lot WHERE cell = ANY($1::int[]) GROUP BY cell"


async def lots_per_cell(session: AsyncSession, cells: Sequence[int]) -> dict[int, int]:
    """How many lots each of *cells* has; cells without any are left out."""
    return {row[0]: row[1] for row in await plain_rows(session, _COUNTS, list(cells))}


async def lots_of(session: AsyncSession, ids: Iterable[UUID]) -> dict[UUID, Lot]:
    """The lots of *ids* that are known, by id."""
    found = await plain_rows(session, _BY_ID, list(ids))
    return {row[0]: Lot._make(row) for row in found}


async def every_lot(session: AsyncSession) -> list[Lot]:
    """All lots there are."""
    return [Lot._make(row) for row in await plain_rows(session, _EVERY)]
