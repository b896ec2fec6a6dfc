"""Tables that were handed in: the file, what it gave, and how far its sending is."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, delete, func, select, text, tuple_
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import Field, SQLModel

from services.registry.store.rows import ledger
from shared.service import Due
from shared.work import MOMENT

import_due = Due("import_due", ("id",), size=1, lease_s=360)  # longer than a table may be read
KEPT = timedelta(days=7)
STATES = ("waiting", "checking", "checked", "sending", "done", "refused", "broken")
OVER = ("done", "refused", "broken")


class ImportRow(SQLModel, table=True):
    """
    One table handed in: `waiting` to be read, `checking` by the registry's rules, `checked`,
    `sending`, `done`; `refused` where it is no table, `broken` where reading it failed for good.

    *places* tells the column of each field by event. *good* and *bad* count rows.
    """

    __tablename__: ClassVar[str] = "import"
    metadata = ledger.metadata
    __table_args__: ClassVar[Any] = (
        CheckConstraint(f"state IN {STATES!r}", "state"),
        # the list of an organisation's, newest first
        Index("ix_import_organisation", "organisation", "created_at"),
    )

    id: UUID = Field(primary_key=True)
    organisation: str = Field(foreign_key="organisation.token")
    actor: str
    language: str
    file_name: str
    mapping: str
    own_mapping: str | None = None
    region: str
    sheet: str | None = None
    at_once: bool
    only_good: bool
    state: str = "waiting"
    content: bytes | None = Field(default=None, sa_type=LargeBinary)
    form: str = ""
    sheet_read: str = ""
    places: dict[str, Any] = Field(default_factory=dict, sa_type=JSONB)
    notes: list[Any] = Field(default_factory=list, sa_type=JSONB)
    problem: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    rows: int = 0
    bad: int = 0
    skipped: int = 0
    events: int = 0
    slices: int = 0
    slice: int = 0
    accepted: int = 0
    unchanged: int = 0
    rejected: int = 0
    created_at: datetime = Field(sa_type=MOMENT)
    updated_at: datetime = Field(sa_type=MOMENT)


class ImportDueRow(SQLModel, table=True):
    """An import that something is to be done for: it comes again for each slice."""

    __tablename__: ClassVar[str] = "import_due"
    metadata = ledger.metadata
    __table_args__: ClassVar[Any] = (Index("ix_import_due_due", "due_at"),)

    id: UUID = Field(primary_key=True, foreign_key="import.id", ondelete="CASCADE")
    due_at: datetime = Field(sa_type=MOMENT)
    attempts: int = 0
    claimed_by: UUID | None = None
    claimed_until: datetime | None = Field(default=None, sa_type=MOMENT)


class ImportSliceRow(SQLModel, table=True):
    """Events of one import, by number from 0; gone when they were judged for good."""

    __tablename__: ClassVar[str] = "import_slice"
    metadata = ledger.metadata

    id: UUID = Field(primary_key=True, foreign_key="import.id", ondelete="CASCADE")
    number: int = Field(primary_key=True)
    body: dict[str, Any] = Field(sa_type=JSONB)


class ImportErrorRow(SQLModel, table=True):
    """One fault: of the file, or by the registry's rules at the check, or at the sending."""

    __tablename__: ClassVar[str] = "import_error"
    metadata = ledger.metadata

    id: UUID = Field(primary_key=True, foreign_key="import.id", ondelete="CASCADE")
    number: int = Field(primary_key=True)
    stage: str
    body: dict[str, Any] = Field(sa_type=JSONB)


async def add_import(session: AsyncSession, row: ImportRow) -> None:
    """Keep *row*, due at once; those of its organisation that nobody went on with are dropped."""
    await session.execute(
        delete(ImportRow).where(
            ImportRow.organisation == row.organisation,  # type: ignore[arg-type]
            ImportRow.updated_at < row.created_at - KEPT,  # type: ignore[arg-type]
        )
    )
    session.add(row)
    await session.flush()
    await make_due(session, row.id, row.created_at)


async def imports_open(session: AsyncSession, organisation: str) -> int:
    """How many of *organisation* are not over."""
    asked = select(func.count()).where(
        ImportRow.organisation == organisation,  # type: ignore[arg-type]
        ImportRow.state.not_in(OVER),  # type: ignore[attr-defined]
    )
    return (await session.execute(asked)).scalar_one()


async def import_of(session: AsyncSession, id: UUID, *, hold: bool = False) -> ImportRow | None:
    """The import *id*; with *hold* nobody else changes it until the work ends."""
    return await session.get(ImportRow, id, with_for_update=hold or None)


async def imports_of(
    session: AsyncSession,
    organisations: Sequence[str] | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[ImportRow]:
    """Imports of *organisations*, of all where None: the newest that are older than *after*."""
    place: tuple[Any, Any] = ImportRow.created_at, ImportRow.id
    asked = select(ImportRow).order_by(*(one.desc() for one in place)).limit(limit)
    if after is not None:
        asked = asked.where(tuple_(*place) < tuple_(*after))
    if organisations is not None:
        asked = asked.where(ImportRow.organisation.in_(organisations))  # type: ignore[attr-defined]
    return (await session.execute(asked)).scalars().all()


async def make_due(session: AsyncSession, id: UUID, at: datetime) -> None:
    """Let something be done for the import *id* at once."""
    await session.execute(
        text(
            """
            INSERT INTO import_due (id, due_at, attempts) VALUES (:id, :at, 0)
            ON CONFLICT (id) DO UPDATE
            SET due_at = :at, attempts = 0, claimed_by = NULL, claimed_until = NULL
            """
        ),
        {"id": id, "at": at},
    )


async def no_more_due(session: AsyncSession, id: UUID) -> None:
    """Nothing is to be done for it now."""
    await session.execute(delete(ImportDueRow).where(ImportDueRow.id == id))  # type: ignore[arg-type]


async def stay(session: AsyncSession) -> None:
    """Let the database know that this work goes on: it ends those that say nothing for a minute."""
    await session.execute(text("SELECT 1"))


async def keep_slice(session: AsyncSession, id: UUID, number: int, body: Mapping[str, Any]) -> None:
    session.add(ImportSliceRow(id=id, number=number, body=dict(body)))
    await session.flush()


async def slice_of(session: AsyncSession, id: UUID, number: int) -> Mapping[str, Any] | None:
    """The events of slice *number*; None when it was judged for good."""
    found = await session.get(ImportSliceRow, (id, number))
    return None if found is None else found.body


async def drop_slice(session: AsyncSession, id: UUID, number: int) -> None:
    await session.execute(
        delete(ImportSliceRow).where(
            ImportSliceRow.id == id,  # type: ignore[arg-type]
            ImportSliceRow.number == number,  # type: ignore[arg-type]
        )
    )


async def drop_slices(session: AsyncSession, id: UUID) -> None:
    """No event of it will be judged any more."""
    await session.execute(delete(ImportSliceRow).where(ImportSliceRow.id == id))  # type: ignore[arg-type]


async def drop_import(session: AsyncSession, id: UUID) -> None:
    """Forget the import, with its file, slices and errors."""
    await session.execute(delete(ImportRow).where(ImportRow.id == id))  # type: ignore[arg-type]


async def keep_errors(
    session: AsyncSession, id: UUID, stage: str, errors: Sequence[Mapping[str, Any]]
) -> None:
    """Add *errors* in their order."""
    if not errors:
        return
    known = await session.execute(
        select(func.coalesce(func.max(ImportErrorRow.number), -1)).where(
            ImportErrorRow.id == id  # type: ignore[arg-type]
        )
    )
    first = known.scalar_one() + 1
    for number, body in enumerate(errors, start=first):
        session.add(ImportErrorRow(id=id, number=number, stage=stage, body=dict(body)))
    await session.flush()


async def drop_errors(session: AsyncSession, id: UUID, stages: Sequence[str]) -> None:
    """Forget the errors of *stages*."""
    await session.execute(
        delete(ImportErrorRow).where(
            ImportErrorRow.id == id,  # type: ignore[arg-type]
            ImportErrorRow.stage.in_(stages),  # type: ignore[attr-defined]
        )
    )


async def errors_of(
    session: AsyncSession, id: UUID, after: int, limit: int
) -> Sequence[ImportErrorRow]:
    """The errors after number *after*, in their order."""
    asked = (
        select(ImportErrorRow)
        .where(ImportErrorRow.id == id, ImportErrorRow.number > after)  # type: ignore[arg-type]
        .order_by(ImportErrorRow.number)  # type: ignore[arg-type]
        .limit(limit)
    )
    return (await session.execute(asked)).scalars().all()
