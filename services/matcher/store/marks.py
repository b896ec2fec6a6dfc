"""Locks on cells, and the marks that say what is still to be settled, swept or told."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.matcher.domain import Concern, Match
from services.matcher.store import locks
from services.matcher.store.lots import OF_KINDS, kinds_of
from services.matcher.store.matches import KEEPING, as_rows
from shared.plain import plain_rows, plainly
from shared.service.card import Due

dirty = Due("dirty", ("cell",), size=2, lease_s=30)
sweep = Due("sweep", ("tile",), size=1, lease_s=60)
tell = Due("tell", ("match_id",), size=16, lease_s=30)
calendar = Due("calendar", ("id",), size=1, lease_s=60)


# the whole region is held shared by who settles a part of it, and alone by who settles all
_HOLD = f"""
    WITH alive AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared({locks.REGION}, 0))
    SELECT sorted.cell, dirty.generation, pg_advisory_xact_lock({locks.CELL}, sorted.cell)
    FROM (SELECT told.cell FROM unnest($1::int[]) AS told(cell), alive
          ORDER BY told.cell OFFSET 0) AS sorted
    LEFT JOIN LATERAL (SELECT generation FROM dirty WHERE cell = sorted.cell OFFSET 0) AS dirty
        ON true
"""
# the cells of $1, of $4, and of the lots that those in $1 hold tonnes with
_WIDE = f"""
    SELECT told.cell FROM unnest($1::int[] || $4::int[]) AS told(cell)
    UNION
    SELECT far.cell FROM (
        SELECT id FROM lot WHERE cell = ANY($1::int[]) AND {OF_KINDS}
    ) AS here, LATERAL (
        SELECT need_id AS id FROM match WHERE surplus_id = here.id AND standing = 1
        UNION ALL
        SELECT surplus_id FROM match WHERE need_id = here.id AND standing = 1 OFFSET 0
    ) AS held, LATERAL (SELECT cell FROM lot WHERE lot.id = held.id OFFSET 0) AS far
"""
_HOLD_AROUND = f"""
    WITH alive AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared({locks.REGION}, 0)),
    wide AS MATERIALIZED ({_WIDE})
    SELECT sorted.cell, dirty.generation, pg_advisory_xact_lock({locks.CELL}, sorted.cell)
    FROM (SELECT wide.cell FROM wide, alive ORDER BY wide.cell OFFSET 0) AS sorted
    LEFT JOIN LATERAL (SELECT generation FROM dirty WHERE cell = sorted.cell OFFSET 0) AS dirty
        ON true
"""
# never waits, and takes nothing while anything at all is dirty
_TRY_HOLD_AROUND = f"""
    WITH wide AS MATERIALIZED ({_WIDE}), quiet AS MATERIALIZED (
        SELECT NOT EXISTS (SELECT FROM dirty)
            AND pg_try_advisory_xact_lock_shared({locks.REGION}, 0) AS yes
    )
    SELECT wide.cell,
        CASE WHEN quiet.yes THEN pg_try_advisory_xact_lock({locks.CELL}, wide.cell) END AS held
    FROM wide, quiet
"""
_HOLD_ALL = text(f"SELECT pg_advisory_xact_lock({locks.REGION}, 0)")
_PATIENCE = text(
    """
    SELECT set_config('idle_in_transaction_session_timeout', '0', true),
           set_config('statement_timeout', '0', true), set_config('lock_timeout', '0', true)
    """
)


async def hold(session: AsyncSession, cells: Iterable[int]) -> dict[int, UUID]:
    """
    Hold *cells* until the transaction ends; in one order, so nobody waits in a ring.

    Returns the marks that were on them before: cell and generation.
    """
    found = await plain_rows(session, _HOLD, sorted(set(cells)))
    return {cell: generation for cell, generation, _ in found if generation is not None}


async def hold_around(
    session: AsyncSession, cells: Iterable[int], more: Iterable[int] = ()
) -> tuple[set[int], dict[int, UUID]]:
    """
    Hold *cells*, *more*, and the cells of all that hold tonnes with lots in *cells*; in one order.

    Returns all that are held, and the marks that were on them before.
    """
    found = await plain_rows(session, _HOLD_AROUND, list(cells), None, None, list(more))
    marks = {cell: generation for cell, generation, _ in found if generation is not None}
    return {cell for cell, *_ in found}, marks


async def try_hold_around(session: AsyncSession, cells: Iterable[int], about: Concern) -> set[int]:
    """
    The same for lots of the kinds *about*, where nothing is dirty and all is free; else nothing.

    Waits for nobody. Some may be held all the same, until the attempt ends.
    """
    told = list(cells), *kinds_of(about), list[int]()
    found = await plain_rows(session, _TRY_HOLD_AROUND, *told)
    return {cell for cell, _ in found} if all(held for _, held in found) else set()


@asynccontextmanager
async def attempt(session: AsyncSession) -> AsyncIterator[None]:
    """What is done in the block stays undone, locks too, when it raises."""
    await plainly(session, "SAVEPOINT attempt")
    try:
        yield
    except Exception:
        await plainly(session, "ROLLBACK TO SAVEPOINT attempt")
        raise


async def hold_all(session: AsyncSession) -> None:
    """Hold the whole region alone, for as long as it takes."""
    await session.execute(_PATIENCE)
    await session.execute(_HOLD_ALL)


async def let_go(session: AsyncSession) -> None:
    """Give the locks back by ending the transaction, in which nothing has been written yet."""
    await session.rollback()


# a head start only: what waits longer than this goes before all news
_AHEAD = timedelta(minutes=1)
_MARK = """
    INSERT INTO dirty (cell, due_at, correlation)
    SELECT cell, now() - CASE WHEN cell = ANY($3::int[]) THEN $4::interval ELSE '0' END, $2
    FROM unnest($1::int[]) AS told(cell) ORDER BY cell
    ON CONFLICT (cell) DO UPDATE SET generation = excluded.generation,
        due_at = CASE WHEN excluded.due_at < now() THEN excluded.due_at
                      ELSE least(dirty.due_at, excluded.due_at) END
"""
_MARKS_IN = text(
    "SELECT cell, generation, first_at FROM dirty WHERE cell = ANY(CAST(:cells AS int[]))"
)
_MARKS = text("SELECT cell, generation, first_at FROM dirty")
# locked in the order in which they are marked, so that nobody waits in a ring
_CLEAN = """
    WITH done AS MATERIALIZED (
        SELECT dirty.cell FROM dirty
        JOIN unnest($1::int[], $2::uuid[]) AS read(cell, generation) USING (cell, generation)
        ORDER BY dirty.cell FOR UPDATE OF dirty
    )
    DELETE FROM dirty USING done WHERE dirty.cell = done.cell
"""
_FINISH = f"""
    WITH {KEEPING}, gone AS (
        DELETE FROM dirty WHERE cell = $2 AND generation = $3 RETURNING 1
    ), told AS (
        DELETE FROM tell WHERE match_id = ANY($4::uuid[])
    ), wider AS (
        INSERT INTO sweep (tile, due_at)
        SELECT tile, $6 FROM unnest($5::int[]) AS marked(tile) ORDER BY tile
        ON CONFLICT (tile) DO UPDATE SET generation = excluded.generation,
            due_at = greatest(sweep.due_at, excluded.due_at)
    ), nearer AS (
        INSERT INTO near (tile, due_at, first_at)
        SELECT tile, $8, now() FROM unnest($7::int[]) AS marked(tile) ORDER BY tile
        ON CONFLICT (tile) DO UPDATE SET generation = excluded.generation,
            due_at = excluded.due_at, first_at = coalesce(near.first_at, excluded.first_at)
    )
    SELECT count(*) FROM gone
"""
# what was marked again after it was claimed waits anew, unless that mark is to go first
_RELEASE = text(
    """
    UPDATE dirty SET claimed_by = NULL, claimed_until = NULL, attempts = 0,
        due_at = CASE WHEN due_at = :due THEN now() ELSE due_at END
    WHERE cell = :cell
    """
)


async def mark_dirty(
    session: AsyncSession,
    cells: Iterable[int],
    correlation: str | None = None,
    first: Iterable[int] = (),
) -> None:
    """
    Say that the neighbourhoods of *cells* must be settled again.

    Those of *cells* that are in *first* are taken as if they waited for `_AHEAD` already.
    """
    if marked := sorted(set(cells)):
        await plain_rows(session, _MARK, marked, correlation, sorted(set(first)), _AHEAD)


def is_ahead(row: Any) -> bool:
    """Whether the mark *row* was let go first."""
    return bool(row.due_at < row.first_at)


async def marks_in(session: AsyncSession, cells: Sequence[int]) -> dict[int, UUID]:
    """The dirty cells among *cells*, each with the generation of its mark."""
    found = await session.execute(_MARKS_IN, {"cells": list(cells)})
    return {row.cell: row.generation for row in found}


async def every_mark(session: AsyncSession) -> dict[int, UUID]:
    """All dirty cells, each with the generation of its mark."""
    return {row.cell: row.generation for row in await session.execute(_MARKS)}


async def finish(
    session: AsyncSession,
    mark: Any,
    generation: UUID,
    *,
    changed: Sequence[Match] = (),
    told: Iterable[UUID],
    tiles: Iterable[int],
    due: datetime,
    near: Iterable[int] = (),
    near_due: datetime | None = None,
) -> bool:
    """
    Take the *mark* that was claimed off its cell if no other than *generation* came; whether so.

    The matches *changed* are written as by `keep_matches`. A mark set in the meantime stays, and
    is given back behind those that wait. The matches *told* wait no more, *tiles* are swept when
    nothing more happened there until *due*, and the near misses of the tiles *near* are looked at
    when nothing more happened there until *near_due*.
    """
    gone = await plain_rows(
        session, _FINISH, as_rows(changed), mark.cell, generation, sorted(told),
        sorted(set(tiles)), due, sorted(set(near)), near_due or due,
    )  # fmt: skip
    if gone[0][0]:
        return True
    await session.execute(_RELEASE, {"cell": mark.cell, "due": mark.due_at})
    return False


async def finish_unmarked(
    session: AsyncSession,
    *,
    changed: Sequence[Match] = (),
    told: Iterable[UUID],
    tiles: Iterable[int],
    due: datetime,
    near: Iterable[int] = (),
    near_due: datetime | None = None,
) -> None:
    """As `finish`, where no mark led to it."""
    news, wide, nearer = sorted(told), sorted(set(tiles)), sorted(set(near))
    if changed or news or wide or nearer:
        await plain_rows(
            session, _FINISH, as_rows(changed), None, None, news, wide, due, nearer, near_due or due
        )


async def clean_marks(session: AsyncSession, read: dict[int, UUID]) -> None:
    """Take off every mark that is still of the generation that was *read*."""
    cells = sorted(read)
    await plain_rows(session, _CLEAN, cells, [read[cell] for cell in cells])


_SWEEP = text(
    """
    INSERT INTO sweep (tile, due_at)
    SELECT tile, :due FROM unnest(CAST(:tiles AS int[])) AS told(tile) ORDER BY tile
    ON CONFLICT (tile) DO UPDATE SET generation = excluded.generation,
        due_at = greatest(sweep.due_at, excluded.due_at)
    """
)
_SWEPT = text("DELETE FROM sweep WHERE tile = :tile AND generation = :generation")
_SWEEP_LATER = text(
    """
    UPDATE sweep SET due_at = :due, claimed_by = NULL, claimed_until = NULL, attempts = 0
    WHERE tile = :tile
    """
)
_SWEPT_ALL = text("DELETE FROM sweep")


async def mark_for_sweep(session: AsyncSession, tiles: Iterable[int], due: datetime) -> None:
    """Let *tiles* be swept when nothing more happened there until *due*."""
    told = {"tiles": sorted(set(tiles)), "due": due}
    if told["tiles"]:
        await session.execute(_SWEEP, told)


async def swept(session: AsyncSession, tile: int, generation: UUID, later: datetime) -> None:
    """*tile* needs no sweep any more, unless it was marked meanwhile: then *later*."""
    gone = await session.execute(_SWEPT, {"tile": tile, "generation": generation})
    if not gone.rowcount:  # type: ignore[attr-defined]
        await sweep_later(session, tile, later)


async def sweep_later(session: AsyncSession, tile: int, due: datetime) -> None:
    """Sweep *tile* at *due* instead."""
    await session.execute(_SWEEP_LATER, {"tile": tile, "due": due})


async def swept_all(session: AsyncSession) -> None:
    """No tile needs a sweep any more."""
    await session.execute(_SWEPT_ALL)


_TELL = text(
    """
    INSERT INTO tell (match_id, due_at, correlation)
    SELECT match_id, due_at, :correlation
    FROM unnest(CAST(:ids AS uuid[]), CAST(:dues AS timestamptz[])) AS told(match_id, due_at)
    ORDER BY match_id ON CONFLICT DO NOTHING
    """
)
_TOLD = text("DELETE FROM tell WHERE match_id = ANY(CAST(:ids AS uuid[]))")
_TELL_DUE = text(
    """
    SELECT t.match_id FROM tell t
    JOIN match m ON m.id = t.match_id
    JOIN lot s ON s.id = m.surplus_id
    JOIN lot n ON n.id = m.need_id
    WHERE t.due_at <= now() AND s.cell = ANY(CAST(:cells AS int[]))
      AND n.cell = ANY(CAST(:cells AS int[]))
    ORDER BY t.due_at LIMIT :limit
    """
)


async def tell_later(
    session: AsyncSession, dues: dict[UUID, datetime], correlation: str | None
) -> None:
    """Let each match be told at its moment, unless it is told before."""
    if dues:
        ids = sorted(dues)
        told = {"ids": ids, "dues": [dues[id] for id in ids], "correlation": correlation}
        await session.execute(_TELL, told)


async def told(session: AsyncSession, ids: Sequence[UUID]) -> None:
    """The matches *ids* were told, or need not be."""
    if ids:
        await session.execute(_TOLD, {"ids": list(ids)})


async def due_to_tell(session: AsyncSession, cells: Iterable[int], limit: int = 200) -> list[UUID]:
    """The matches between lots in *cells* that should be told by now."""
    found = await session.execute(_TELL_DUE, {"cells": sorted(set(cells)), "limit": limit})
    return [row.match_id for row in found]


_CALENDAR = text(
    """
    UPDATE calendar SET due_at = :due, claimed_by = NULL, claimed_until = NULL, attempts = 0
    """
)


async def look_again(session: AsyncSession, due: datetime) -> None:
    """Look at the calendar again at *due*."""
    await session.execute(_CALENDAR, {"due": due})


_SETTLED = text(
    """
    INSERT INTO settled (id, value_cents, optimum_cents, lots, at)
    VALUES (1, :value, :optimum, :lots, :at)
    ON CONFLICT (id) DO UPDATE SET value_cents = excluded.value_cents,
        optimum_cents = excluded.optimum_cents, lots = excluded.lots, at = excluded.at
    """
)
_LAST = text("SELECT value_cents, optimum_cents, lots, at FROM settled WHERE id = 1")
_COUNTS = text(
    """
    SELECT (SELECT count(*) FROM lot WHERE is_open) AS lots, (SELECT count(*) FROM dirty) AS dirty,
           (SELECT count(*) FROM sweep) AS sweeps
    """
)


async def keep_measure(
    session: AsyncSession, *, value: int, optimum: int, lots: int, at: datetime
) -> None:
    """Write down what a full solve found."""
    told = {"value": value, "optimum": optimum, "lots": lots, "at": at}
    await session.execute(_SETTLED, told)


async def last_measure(session: AsyncSession) -> Any:
    """The last full solve: value_cents, optimum_cents, lots, at; None before the first."""
    return (await session.execute(_LAST)).one_or_none()


async def counts(session: AsyncSession) -> Any:
    """How many open lots there are, and how many marks: lots, dirty, sweeps."""
    return (await session.execute(_COUNTS)).one()
