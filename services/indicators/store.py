"""
Lots, matches, the cells they fill, and the figures told; and the questions asked of them.

Locks go loads, lots, matches, balance cells, flow cells, load cells, due figures, moments: always
in that order, each sorted by key, so that replicas never wait for each other in a ring.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

from sqlalchemy import (
    TIMESTAMP,
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Text,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import Field, SQLModel

from services.indicators.domain import (
    FEWEST_ORGANISATIONS,
    HAUL,
    Cells,
    Figure,
    Flow,
    Haul,
    KeptLoad,
    KeptLot,
    KeptMatch,
    Lot,
    Match,
    Months,
    Pace,
    Standing,
    Stock,
)
from services.indicators.domain.matches import flow_of
from shared.work import Ledger

ledger = Ledger("indicators")
# a cell is changed far more often than made: room on its page keeps its index out of it
ROOM = {"postgresql_with": {"fillfactor": 70}}


class LotRow(SQLModel, table=True):
    """A lot as told, what its matches hold of it, and what it adds. Revision 0: not told yet."""

    metadata = ledger.metadata
    __tablename__ = "lot"
    __table_args__ = (
        CheckConstraint("revision >= 0", "revision"),
        CheckConstraint("direction IN ('surplus', 'need')", "direction"),
        CheckConstraint("onsite_kg >= 0 AND agreed_kg >= 0 AND proposed_kg >= 0", "standing"),
        Index("ix_lot_place", "region", "municipality"),  # how long its lots wait
    )

    id: UUID = Field(primary_key=True)
    revision: int = Field(sa_column=Column(BigInteger, nullable=False, server_default="0"))
    at: datetime | None = Field(sa_column=Column(TIMESTAMP(timezone=True)))
    region: str | None = Field(sa_column=Column(Text))
    project: UUID | None = Field(index=True)
    organisation: str | None = Field(sa_column=Column(Text))
    municipality: str | None = Field(sa_column=Column(Text))
    sub_region: str | None = Field(sa_column=Column(Text))
    direction: str | None = Field(sa_column=Column(Text))
    material: str | None = Field(sa_column=Column(Text))
    status: str | None = Field(sa_column=Column(Text))
    first: date | None
    last: date | None
    kg_low: int | None = Field(sa_column=Column(BigInteger))
    kg: int | None = Field(sa_column=Column(BigInteger))
    kg_high: int | None = Field(sa_column=Column(BigInteger))
    unverified: bool | None
    sample: bool | None
    onsite_kg: int = Field(sa_column=Column(BigInteger, nullable=False, server_default="0"))
    agreed_kg: int = Field(sa_column=Column(BigInteger, nullable=False, server_default="0"))
    proposed_kg: int = Field(sa_column=Column(BigInteger, nullable=False, server_default="0"))
    contribution: dict[str, Any] | None = Field(sa_column=Column(JSONB(none_as_null=True)))
    as_of: date | None
    moved: dict[str, int] = Field(sa_column=Column(JSONB, nullable=False, server_default="{}"))
    offered_at: datetime | None = Field(sa_column=Column(TIMESTAMP(timezone=True)))
    agreed_at: datetime | None = Field(sa_column=Column(TIMESTAMP(timezone=True)))


class MatchRow(SQLModel, table=True):
    """A match as told, where its kilograms stand (*bucket*), and what it adds to the flows."""

    metadata = ledger.metadata
    __tablename__ = "match"
    __table_args__ = (
        CheckConstraint("revision >= 1", "revision"),
        CheckConstraint("bucket IN ('', 'onsite', 'agreed', 'proposed')", "bucket"),
        # what was decided on: few among all that was proposed
        Index(
            "ix_match_decided",
            "surplus_id",
            postgresql_where=text("state IN ('agreed', 'moving', 'done', 'declined')"),
        ),
        CheckConstraint("kg >= 0", "kg"),
    )

    id: UUID = Field(primary_key=True)
    revision: int = Field(sa_column=Column(BigInteger, nullable=False))
    at: datetime = Field(sa_column=Column(TIMESTAMP(timezone=True), nullable=False))
    surplus_id: UUID = Field(index=True)
    need_id: UUID = Field(index=True)
    state: str = Field(sa_column=Column(Text, nullable=False))
    bucket: str = Field(sa_column=Column(Text, nullable=False))
    first: date
    last: date
    kg: int = Field(sa_column=Column(BigInteger, nullable=False))
    kg_km: int = Field(sa_column=Column(BigInteger, nullable=False))
    cents: int = Field(sa_column=Column(BigInteger, nullable=False))
    grams: int = Field(sa_column=Column(BigInteger, nullable=False))
    contribution: dict[str, Any] | None = Field(sa_column=Column(JSONB(none_as_null=True)))
    decline_reason: str | None = Field(sa_column=Column(Text))


class LoadRow(SQLModel, table=True):
    """Loads as recorded, with what they add. Revision 0: a place held for them."""

    metadata = ledger.metadata
    __tablename__ = "load"
    __table_args__ = (CheckConstraint("revision >= 0", "revision"),)

    id: UUID = Field(primary_key=True)
    revision: int = Field(sa_column=Column(BigInteger, nullable=False, server_default="0"))
    contribution: dict[str, Any] | None = Field(sa_column=Column(JSONB(none_as_null=True)))


class _Cell(SQLModel):
    scope: str = Field(sa_type=Text, primary_key=True)
    code: str = Field(sa_type=Text, primary_key=True)
    region: str = Field(sa_type=Text, primary_key=True)
    side: str = Field(sa_type=Text, primary_key=True)
    material: str = Field(sa_type=Text, primary_key=True)
    state: str = Field(sa_type=Text, primary_key=True)
    month: str = Field(sa_type=Text, primary_key=True)
    sample: bool = Field(primary_key=True)


class CellRow(_Cell, table=True):
    """
    Kilograms of lots that stand in one state, in one scope, side, material and month.

    No `CHECK (kg >= 0)`: a change is inserted first, and a change may be negative.
    """

    metadata = ledger.metadata
    __tablename__ = "cell"
    __table_args__ = (
        CheckConstraint("state IN ('forecast', 'proposed', 'agreed', 'delivered')", "state"),
        CheckConstraint("side IN ('surplus', 'need')", "side"),
        ROOM,
    )

    kg_low: int = Field(sa_column=Column(BigInteger, nullable=False))
    kg: int = Field(sa_column=Column(BigInteger, nullable=False))
    kg_high: int = Field(sa_column=Column(BigInteger, nullable=False))
    onsite_kg: int = Field(sa_column=Column(BigInteger, nullable=False))
    unverified_kg: int = Field(sa_column=Column(BigInteger, nullable=False))


class FlowCellRow(_Cell, table=True):
    """What matches of one state move and save, in one scope, end, material and month."""

    metadata = ledger.metadata
    __tablename__ = "flow_cell"
    __table_args__ = (
        CheckConstraint("state IN ('proposed', 'agreed', 'delivered')", "state"),
        CheckConstraint("side IN ('surplus', 'need')", "side"),
        ROOM,
    )

    kg: int = Field(sa_column=Column(BigInteger, nullable=False))
    kg_km: int = Field(sa_column=Column(BigInteger, nullable=False))
    cents: int = Field(sa_column=Column(BigInteger, nullable=False))
    grams: int = Field(sa_column=Column(BigInteger, nullable=False))
    virgin_kg: int = Field(sa_column=Column(BigInteger, nullable=False))
    value_unverified_kg: int = Field(sa_column=Column(BigInteger, nullable=False))
    climate_unverified_kg: int = Field(sa_column=Column(BigInteger, nullable=False))
    cross_kg: int = Field(sa_column=Column(BigInteger, nullable=False, server_default="0"))


class LoadCellRow(_Cell, table=True):
    """What loads of one outlet moved and saved, in one scope, end, material and month."""

    metadata = ledger.metadata
    __tablename__ = "load_cell"
    __table_args__ = (CheckConstraint("side IN ('surplus', 'need')", "side"), ROOM)

    kg: int = Field(sa_column=Column(BigInteger, nullable=False))
    matched_kg: int = Field(sa_column=Column(BigInteger, nullable=False))
    km_kg: int = Field(sa_column=Column(BigInteger, nullable=False))
    modelled_kg: int = Field(sa_column=Column(BigInteger, nullable=False))
    kg_km: int = Field(sa_column=Column(BigInteger, nullable=False))
    clean_kg_km: int = Field(sa_column=Column(BigInteger, nullable=False))
    known_kg_km: int = Field(sa_column=Column(BigInteger, nullable=False))
    grams: int = Field(sa_column=Column(BigInteger, nullable=False))
    cents: int = Field(sa_column=Column(BigInteger, nullable=False))
    fuel_ml: int = Field(sa_column=Column(BigInteger, nullable=False))
    saved_kg: int = Field(sa_column=Column(BigInteger, nullable=False))
    unverified_kg: int = Field(sa_column=Column(BigInteger, nullable=False))
    virgin_kg: int = Field(sa_column=Column(BigInteger, nullable=False))
    once_kg: int = Field(sa_column=Column(BigInteger, nullable=False))
    measured_kg: int = Field(sa_column=Column(BigInteger, nullable=False))
    cross_kg: int = Field(sa_column=Column(BigInteger, nullable=False))
    lone_kg: int = Field(sa_column=Column(BigInteger, nullable=False))


class TitleRow(SQLModel, table=True):
    """What a project, an organisation or an area is called, and whose it is."""

    metadata = ledger.metadata
    __tablename__ = "title"
    __table_args__ = (CheckConstraint("kind IN ('project', 'organisation', 'area')", "kind"),)

    kind: str = Field(sa_column=Column(Text, primary_key=True))
    code: str = Field(sa_column=Column(Text, primary_key=True))
    revision: int = Field(sa_column=Column(BigInteger, nullable=False))
    region: str = Field(sa_column=Column(Text, nullable=False))
    organisation: str = Field(sa_column=Column(Text, nullable=False))
    title: str = Field(sa_column=Column(Text, nullable=False))


class HeardRow(SQLModel, table=True):
    """When the newest event of a region that was applied here was told."""

    metadata = ledger.metadata
    __tablename__ = "heard"

    region: str = Field(sa_column=Column(Text, primary_key=True))
    at: datetime = Field(sa_column=Column(TIMESTAMP(timezone=True), nullable=False))


class FigureRow(SQLModel, table=True):
    """A figure as last told, with its revision: the service's own, kept through a rebuild."""

    metadata = ledger.metadata
    __tablename__ = "figure"

    region: str = Field(sa_column=Column(Text, primary_key=True))
    scope: str = Field(sa_column=Column(Text, primary_key=True))
    code: str = Field(sa_column=Column(Text, primary_key=True))
    indicator: str = Field(sa_column=Column(Text, primary_key=True))
    state: str = Field(sa_column=Column(Text, primary_key=True))
    revision: int = Field(sa_column=Column(BigInteger, nullable=False))
    value: float | None
    numerator: float | None
    denominator: float | None
    unverified_share: float | None
    definition: str = Field(sa_column=Column(Text, nullable=False))
    told_at: datetime = Field(sa_column=Column(TIMESTAMP(timezone=True), nullable=False))


class FigureDueRow(SQLModel, table=True):
    """A scope whose cells changed since its figures were told."""

    metadata = ledger.metadata
    __tablename__ = "figure_due"

    region: str = Field(sa_column=Column(Text, primary_key=True))
    scope: str = Field(sa_column=Column(Text, primary_key=True))
    code: str = Field(sa_column=Column(Text, primary_key=True))
    due_at: datetime = Field(sa_column=Column(TIMESTAMP(timezone=True), nullable=False, index=True))
    claimed_by: UUID | None
    claimed_until: datetime | None = Field(sa_column=Column(TIMESTAMP(timezone=True)))
    attempts: int = Field(default=0, sa_column_kwargs={"server_default": "0"})


HEARD = ("lot", "match", "load", "cell", "flow_cell", "load_cell", "title", "heard")
ledger.hears(*HEARD)

TOLD_SCOPES = ("region", "municipality")
"""The scopes whose figures are announced; the others are answered when asked."""


@dataclass(frozen=True, slots=True)
class Title:
    """A name that is told, with its revision; *organisation* is whose it is."""

    kind: str
    code: str
    revision: int
    region: str
    organisation: str
    title: str


class Told(NamedTuple):
    """Whose figures are told: a scope and its code, in a region."""

    region: str
    scope: str
    code: str


@dataclass(frozen=True, slots=True)
class Asked:
    """
    What is asked about: a scope and its code, in *region* (None: in all), in *months*.

    Scope `country` is the sum of all regions but samples. *bounded*: only of those materials and
    months that `FEWEST_ORGANISATIONS` or more of the region have a part in.
    """

    scope: str
    code: str
    region: str | None = None
    months: Months = field(default_factory=Months)
    material: str | None = None
    bounded: bool = False

    def where(self, table: str) -> str:
        """The condition on a cell of *table*."""
        told = [
            "scope = 'region' AND NOT sample"
            if self.scope == "country"
            else "scope = :scope AND code = :code",
            "region = :region" if self.region and self.scope != "country" else "",
            "month >= :first" if self.months.first else "",
            "month <= :last" if self.months.last else "",
            "material = :material" if self.material else "",
            f"(material, month) IN ({self.of_enough(table)})" if self.bounded else "",
        ]
        return " AND ".join(filter(None, told))

    def of_enough(self, table: str) -> str:
        """The materials and months of *table* that enough organisations have a part in."""
        together = "NOT sample" if self.scope == "country" else "region = :region"
        return f"""
            SELECT material, month FROM {table}
            WHERE scope = 'organisation' AND kg > 0 AND {together}
            GROUP BY material, month HAVING count(DISTINCT code) >= {FEWEST_ORGANISATIONS}
        """

    @property
    def told(self) -> dict[str, Any]:
        """The values that `where` names."""
        return {
            "scope": self.scope,
            "code": self.code,
            "region": self.region,
            "first": self.months.first,
            "last": self.months.last,
            "material": self.material,
        }


@dataclass(frozen=True, slots=True)
class Standings:
    """One row of the balance: kg low, likely, high and on site by state and side."""

    period: str
    material: str
    sample: bool
    kg: Mapping[tuple[str, str], Stock]


LOT = LotRow.__table__  # type: ignore[attr-defined]
PLACEHOLDERS = text(
    """
    INSERT INTO lot (id) SELECT id FROM unnest(CAST(:ids AS uuid[])) WITH ORDINALITY AS t(id, n)
    ORDER BY n ON CONFLICT DO NOTHING
    """
)
WRITE_LOTS = text(
    """
    UPDATE lot SET revision = t.revision, at = t.at, region = t.region, project = t.project,
        organisation = t.organisation, municipality = t.municipality, sub_region = t.sub_region,
        direction = t.direction, material = t.material, status = t.status, first = t.first,
        last = t.last, kg_low = t.kg_low, kg = t.kg, kg_high = t.kg_high,
        unverified = t.unverified, sample = t.sample, onsite_kg = t.onsite_kg,
        agreed_kg = t.agreed_kg, proposed_kg = t.proposed_kg, contribution = t.contribution,
        as_of = t.as_of, moved = t.moved
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS t(
        id uuid, revision bigint, at timestamptz, region text, project uuid, organisation text,
        municipality text, sub_region text, direction text, material text, status text,
        first date, last date, kg_low bigint, kg bigint, kg_high bigint, unverified boolean,
        sample boolean, onsite_kg bigint, agreed_kg bigint, proposed_kg bigint, contribution jsonb,
        as_of date, moved jsonb)
    WHERE lot.id = t.id
    """
)
WRITE_MATCHES = text(
    """
    INSERT INTO match (id, revision, at, surplus_id, need_id, state, bucket, first, last, kg,
                       kg_km, cents, grams, contribution, decline_reason)
    SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS t(
        id uuid, revision bigint, at timestamptz, surplus_id uuid, need_id uuid, state text,
        bucket text, first date, last date, kg bigint, kg_km bigint, cents bigint, grams bigint,
        contribution jsonb, decline_reason text)
    ORDER BY id
    ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, at = excluded.at,
        surplus_id = excluded.surplus_id, need_id = excluded.need_id, state = excluded.state,
        bucket = excluded.bucket, first = excluded.first, last = excluded.last, kg = excluded.kg,
        kg_km = excluded.kg_km, cents = excluded.cents, grams = excluded.grams,
        contribution = excluded.contribution, decline_reason = excluded.decline_reason
    WHERE match.revision < excluded.revision
    """
)
KEY = ("scope", "code", "region", "side", "material", "state", "month", "sample")
STOCK = ("kg_low", "kg", "kg_high", "onsite_kg", "unverified_kg")
FLOW = ("kg", "kg_km", "cents", "grams", "virgin_kg", "value_unverified_kg",
        "climate_unverified_kg", "cross_kg")  # fmt: skip


def _increment(table: str, amounts: tuple[str, ...]) -> str:
    """Adds to each cell its change; the keys of those that came to hold nothing are answered."""
    columns = (*KEY, *amounts)
    types = ("text",) * 7 + ("boolean",) + ("bigint",) * len(amounts)
    given = ", ".join(
        f"CAST(:{name} AS {kind}[])" for name, kind in zip(columns, types, strict=True)
    )
    added = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in amounts)
    empty = " AND ".join(f"{name} = 0" for name in amounts)
    named = ", ".join(columns)
    return f"""
        WITH changed AS (
            INSERT INTO {table} ({named})
            SELECT {named} FROM unnest({given}) WITH ORDINALITY AS t({named}, n) ORDER BY n
            ON CONFLICT ({", ".join(KEY)}) DO UPDATE SET {added}
            RETURNING {named}
        )
        SELECT {", ".join(KEY)} FROM changed WHERE {empty}
        """


def _forget(table: str) -> str:
    same = " AND ".join(f"{table}.{name} = t.{name}" for name in KEY)
    given = ", ".join(f"CAST(:{name} AS text[])" for name in KEY[:-1])
    return f"""
        DELETE FROM {table} USING unnest({given}, CAST(:sample AS boolean[])) AS t({", ".join(KEY)})
        WHERE {same}
        """


CHANGE = {
    "cell": (STOCK, text(_increment("cell", STOCK)), text(_forget("cell"))),
    "flow_cell": (FLOW, text(_increment("flow_cell", FLOW)), text(_forget("flow_cell"))),
    "load_cell": (HAUL, text(_increment("load_cell", HAUL)), text(_forget("load_cell"))),
}
MARK = text(
    """
    INSERT INTO figure_due (region, scope, code, due_at)
    SELECT region, scope, code, now()
    FROM unnest(CAST(:regions AS text[]), CAST(:scopes AS text[]), CAST(:codes AS text[]))
         WITH ORDINALITY AS t(region, scope, code, n)
    ORDER BY n
    ON CONFLICT (region, scope, code) DO UPDATE SET due_at = figure_due.due_at
    """
)
WRITE_TITLES = text(
    """
    INSERT INTO title (kind, code, revision, region, organisation, title)
    SELECT * FROM unnest(CAST(:kinds AS text[]), CAST(:codes AS text[]),
        CAST(:revisions AS bigint[]), CAST(:regions AS text[]), CAST(:organisations AS text[]),
        CAST(:titles AS text[])) AS t(kind, code, revision, region, organisation, title)
    ORDER BY kind, code
    ON CONFLICT (kind, code) DO UPDATE SET revision = excluded.revision, region = excluded.region,
        organisation = excluded.organisation, title = excluded.title
    WHERE title.revision < excluded.revision
    """
)
WRITE_HEARD = text(
    """
    INSERT INTO heard (region, at)
    SELECT * FROM unnest(CAST(:regions AS text[]), CAST(:moments AS timestamptz[])) AS t(region, at)
    ORDER BY region
    ON CONFLICT (region) DO UPDATE SET at = greatest(heard.at, excluded.at)
    """
)
HOLD_DUE = text(
    """
    SELECT 1 FROM figure_due WHERE region = :region AND scope = :scope AND code = :code FOR UPDATE
    """
)
POSTPONE = text(
    """
    UPDATE figure_due SET due_at = :at, claimed_by = NULL, claimed_until = NULL, attempts = 0
    WHERE region = :region AND scope = :scope AND code = :code
    """
)
DONE = text("DELETE FROM figure_due WHERE region = :region AND scope = :scope AND code = :code")
WRITE_FIGURES = text(
    """
    INSERT INTO figure (region, scope, code, indicator, state, revision, value, numerator,
                        denominator, unverified_share, definition, told_at)
    SELECT * FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS t(
        region text, scope text, code text, indicator text, state text, revision bigint,
        value double precision, numerator double precision, denominator double precision,
        unverified_share double precision, definition text, told_at timestamptz)
    ON CONFLICT (region, scope, code, indicator, state) DO UPDATE SET
        revision = excluded.revision, value = excluded.value, numerator = excluded.numerator,
        denominator = excluded.denominator, unverified_share = excluded.unverified_share,
        definition = excluded.definition, told_at = excluded.told_at
    """
)


async def hold_lots(session: AsyncSession, ids: Iterable[UUID]) -> dict[UUID, KeptLot]:
    """
    The lots *ids*, locked until the work ends; one not heard of yet is kept as an empty place.

    So a match that comes before its forecasts has something to hold and to be held by.
    """
    wanted = sorted(set(ids))
    await session.execute(PLACEHOLDERS, {"ids": wanted})
    locked = select(LOT).where(LOT.c.id.in_(wanted)).order_by(LOT.c.id).with_for_update()
    return {row.id: _kept_lot(row) for row in await session.execute(locked)}


def _kept_lot(row: Any) -> KeptLot:
    lot = None
    if row.revision:
        lot = Lot(
            row.id, row.revision, row.at, row.region, row.project, row.organisation,
            row.municipality, row.sub_region, row.direction, row.material, row.status, row.first,
            row.last, row.kg_low, row.kg, row.kg_high, row.unverified, row.sample, row.as_of,
        )  # fmt: skip
    standing = Standing(row.onsite_kg, row.agreed_kg, row.proposed_kg)
    return KeptLot(row.id, lot, standing, row.contribution, dict(row.moved))


async def keep_lots(session: AsyncSession, lots: Sequence[KeptLot]) -> None:
    """Write *lots*, which this work holds."""
    if lots:
        await session.execute(WRITE_LOTS, {"rows": _json([_lot_row(lot) for lot in lots])})


def _lot_row(kept: KeptLot) -> dict[str, Any]:
    told = {"id": kept.id, "revision": 0} if kept.lot is None else asdict(kept.lot)
    standing = kept.standing
    return told | {
        "onsite_kg": standing.onsite,
        "agreed_kg": standing.agreed,
        "proposed_kg": standing.proposed,
        "contribution": kept.contribution,
        "moved": kept.moved,
    }


EARLIEST = {
    column: text(
        f"""
        UPDATE lot SET {column} = least(lot.{column}, t.at)
        FROM unnest(CAST(:ids AS uuid[]), CAST(:moments AS timestamptz[])) AS t(id, at)
        WHERE lot.id = t.id AND (lot.{column} IS NULL OR t.at < lot.{column})
        """
    )
    for column in ("offered_at", "agreed_at")
}


async def keep_earliest(
    session: AsyncSession, column: Literal["offered_at", "agreed_at"], at: Mapping[UUID, datetime]
) -> None:
    """When each lot was first offered, or first agreed; the lots are held by this work."""
    if at:
        ids = sorted(at)
        await session.execute(EARLIEST[column], {"ids": ids, "moments": [at[id] for id in ids]})


LOAD_PLACES = text(
    """
    INSERT INTO load (id) SELECT id FROM unnest(CAST(:ids AS uuid[])) WITH ORDINALITY AS t(id, n)
    ORDER BY n ON CONFLICT DO NOTHING
    """
)
HOLD_LOADS = text(
    """
    SELECT id, revision, contribution FROM load WHERE id = ANY(CAST(:ids AS uuid[]))
    ORDER BY id FOR UPDATE
    """
)
WRITE_LOADS = text(
    """
    UPDATE load SET revision = t.revision, contribution = t.contribution
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS t(
        id uuid, revision bigint, contribution jsonb)
    WHERE load.id = t.id
    """
)


async def hold_loads(session: AsyncSession, ids: Iterable[UUID]) -> dict[UUID, KeptLoad]:
    """
    The loads *ids*, locked until the work ends; one not heard of yet is kept as an empty place.

    Before any lot: only then is it known which lots they were taken off.
    """
    wanted = sorted(set(ids))
    await session.execute(LOAD_PLACES, {"ids": wanted})
    rows = await session.execute(HOLD_LOADS, {"ids": wanted})
    return {row.id: KeptLoad(*row) for row in rows}


async def keep_loads(session: AsyncSession, loads: Sequence[KeptLoad]) -> None:
    """Write *loads*, which this work holds."""
    if loads:
        await session.execute(WRITE_LOADS, {"rows": _json([asdict(one) for one in loads])})


async def matches_among(session: AsyncSession, ids: Iterable[UUID]) -> dict[UUID, KeptMatch]:
    """The matches *ids* as kept; not locked, as whoever changes one holds its lots first."""
    columns = (MatchRow.id, MatchRow.revision, MatchRow.bucket, MatchRow.kg, MatchRow.contribution)
    rows = await session.execute(
        select(*columns).where(MatchRow.id.in_(set(ids)))  # type: ignore[attr-defined,call-overload]
    )
    return {row.id: KeptMatch(*row) for row in rows}


async def keep_matches(session: AsyncSession, matches: Sequence[Match]) -> None:
    """Write *matches*, whose lots this work holds."""
    if matches:
        await session.execute(WRITE_MATCHES, {"rows": _json([_match_row(one) for one in matches])})


def _match_row(match: Match) -> dict[str, Any]:
    return {
        "id": match.id, "revision": match.revision, "at": match.at,
        "surplus_id": match.surplus.lot, "need_id": match.need.lot, "state": match.state,
        "bucket": match.bucket, "first": match.first, "last": match.last, "kg": match.kg,
        "kg_km": match.kg_km, "cents": match.cents, "grams": match.grams,
        "contribution": flow_of(match), "decline_reason": match.decline_reason,
    }  # fmt: skip


async def add_to_cells(session: AsyncSession, cells: Cells) -> None:
    """Add *cells* to the balance; one that comes to hold nothing is no more."""
    await _change(session, "cell", cells)


async def add_to_flows(session: AsyncSession, cells: Cells) -> None:
    """Add *cells* to the flows; one that comes to hold nothing is no more."""
    await _change(session, "flow_cell", cells)


async def add_to_loads(session: AsyncSession, cells: Cells) -> None:
    """Add *cells* to those of loads; one that comes to hold nothing is no more."""
    await _change(session, "load_cell", cells)


async def _change(session: AsyncSession, table: str, cells: Cells) -> None:
    if not cells:
        return
    names, add, forget = CHANGE[table]
    keys = sorted(cells)
    told = _columns(KEY, keys) | _columns(names, [cells[key] for key in keys])
    empty = [tuple(row) for row in await session.execute(add, told)]
    if empty:
        await session.execute(forget, _columns(KEY, empty))


def _columns(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> dict[str, list[Any]]:
    return {name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


async def mark_due(session: AsyncSession, *changes: Cells) -> bool:
    """Let the figures of the scopes in *changes* be looked at; whether there are any."""
    touched = sorted(
        {(key[2], key[0], key[1]) for cells in changes for key in cells if key[0] in TOLD_SCOPES}
    )
    if touched:
        await session.execute(MARK, _columns(("regions", "scopes", "codes"), touched))
    return bool(touched)


async def keep_titles(session: AsyncSession, titles: Sequence[Title]) -> None:
    """Keep each of *titles* that is newer than the one known. Give each once."""
    if not titles:
        return
    rows = [
        (title.kind, title.code, title.revision, title.region, title.organisation, title.title)
        for title in titles
    ]
    names = ("kinds", "codes", "revisions", "regions", "organisations", "titles")
    await session.execute(WRITE_TITLES, _columns(names, rows))


async def keep_moments(session: AsyncSession, moments: Mapping[str, datetime]) -> None:
    """Keep the newest moment of each region."""
    names = ("regions", "moments")
    await session.execute(WRITE_HEARD, _columns(names, sorted(moments.items())))


async def hold_due(session: AsyncSession, due: Told) -> bool:
    """Whether the figures are still due; then they are this work's until it ends."""
    return (await session.execute(HOLD_DUE, due._asdict())).scalar() is not None


async def postpone_due(session: AsyncSession, due: Told, at: datetime) -> None:
    """Look at the figures again *at* that moment, not before."""
    await session.execute(POSTPONE, due._asdict() | {"at": at})


async def end_due(session: AsyncSession, due: Told) -> None:
    """The figures are told as they are."""
    await session.execute(DONE, due._asdict())


async def figures_told(session: AsyncSession, due: Told) -> list[FigureRow]:
    """The figures of one scope as last told."""
    rows = await session.execute(select(FigureRow).filter_by(**due._asdict()))
    return list(rows.scalars())


async def keep_figures(
    session: AsyncSession,
    due: Told,
    figures: Sequence[tuple[Figure, int]],
    told_at: datetime,
) -> None:
    """Keep *figures*, each with its revision, as told now."""
    rows = [
        {
            **due._asdict(), "indicator": figure.indicator, "state": figure.state,
            "revision": revision, "value": figure.value,
            "numerator": figure.numerator, "denominator": figure.denominator,
            "unverified_share": figure.unverified_share,
            "definition": figure.definition.label, "told_at": told_at,
        }
        for figure, revision in figures
    ]  # fmt: skip
    if rows:
        await session.execute(WRITE_FIGURES, {"rows": _json(rows)})


async def stocks_and_flows(
    session: AsyncSession, asked: Asked
) -> tuple[dict[tuple[str, str], Stock], dict[tuple[str, str], Flow], bool]:
    """What stands and what moves, by state and side, and whether any of it is sample data."""
    stocks = await session.execute(
        text(_summed("cell", ("state", "side"), STOCK, asked)), asked.told
    )
    flows = await session.execute(
        text(_summed("flow_cell", ("state", "side"), FLOW, asked)), asked.told
    )
    standing = list(stocks)
    return (
        {(row.state, row.side): Stock(*row[2:-1]) for row in standing},
        {(row.state, row.side): Flow(*row[2:-1]) for row in flows},
        any(row.sample for row in standing),
    )


async def hauls(session: AsyncSession, asked: Asked) -> dict[tuple[str, str], Haul]:
    """What loads moved and saved, by side and outlet."""
    question = _summed("load_cell", ("side", "state"), HAUL, asked)
    rows = await session.execute(text(question), asked.told)
    return {(row.side, row.state): Haul(*row[2:-1]) for row in rows}


async def pace(session: AsyncSession, asked: Asked) -> Pace:
    """How long lots waited for an agreement, and what became of matches, by their giver's place."""
    place = _at_place(asked)
    lots = text(_PACE_OF_LOTS.format(place=place, during=_during(asked, "lot.agreed_at")))
    median, agreed_lots, open_lots = (await session.execute(lots, asked.told)).one()
    decided = text(_PACE_OF_MATCHES.format(place=place, during=_during(asked, "match.at")))
    counts = {row[0]: row[1] for row in await session.execute(decided, asked.told)}
    agreed = counts.pop(None, 0)
    return Pace(median, agreed_lots, open_lots, agreed, counts)


_PACE_OF_LOTS = """
    SELECT percentile_cont(0.5) WITHIN GROUP (
               ORDER BY extract(epoch FROM lot.agreed_at - lot.offered_at) / 86400.0
           ) FILTER (WHERE lot.agreed_at >= lot.offered_at AND {during}),
           count(*) FILTER (WHERE lot.agreed_at IS NOT NULL AND {during}),
           count(*) FILTER (WHERE lot.agreed_at IS NULL AND lot.status = 'offered')
    FROM lot WHERE lot.revision > 0 AND {place}
"""
_PACE_OF_MATCHES = """
    SELECT decline_reason, count(*) FROM (
        SELECT CASE WHEN match.state = 'declined' THEN coalesce(match.decline_reason, 'other') END
               AS decline_reason
        FROM match JOIN lot ON lot.id = match.surplus_id
        WHERE match.state IN ('agreed', 'moving', 'done', 'declined')
            AND match.bucket <> 'onsite' AND {place} AND {during}
    ) AS decided GROUP BY 1 ORDER BY 1
"""


def _at_place(asked: Asked) -> str:
    """The condition on a lot."""
    if asked.scope == "country":
        told = ["NOT lot.sample"]
    elif asked.scope == "project":
        told = ["lot.project = CAST(:code AS uuid)"]
    else:
        told = [f"lot.{asked.scope} = :code"]
        if asked.region:
            told.append("lot.region = :region")
    if asked.material:
        told.append("lot.material = :material")
    return " AND ".join(told)


def _during(asked: Asked, moment: str) -> str:
    """The condition that *moment* lies in the months asked about."""
    month = f"to_char({moment}, 'YYYY-MM')"
    told = [f"{month} >= :first" if asked.months.first else "",
            f"{month} <= :last" if asked.months.last else ""]  # fmt: skip
    return " AND ".join(filter(None, told)) or "true"


def _summed(table: str, by: tuple[str, ...], amounts: tuple[str, ...], asked: Asked) -> str:
    sums = ", ".join(f"CAST(sum({name}) AS bigint) AS {name}" for name in amounts)
    return f"""
        SELECT {", ".join(by)}, {sums}, bool_or(sample) AS sample
        FROM {table} WHERE {asked.where(table)} GROUP BY {", ".join(by)}
        """


PERIODS = {
    "month": "month",
    "quarter": "left(month, 5) || 'Q' || ((CAST(right(month, 2) AS integer) + 2) / 3)",
    "year": "left(month, 4)",
}


async def balance(
    session: AsyncSession,
    asked: Asked,
    *,
    grain: str,
    after: tuple[str, str] | None = None,
    limit: int | None = None,
) -> list[Standings]:
    """
    The balance by period (*grain*: month, quarter, year) and material, in their order.

    At most *limit* rows, those *after* a period and material.
    """
    period = PERIODS[grain]
    sums = ", ".join(f"CAST(sum({name}) AS bigint) AS {name}" for name in STOCK)
    later = "WHERE (period, material) > (:after_period, :after_material)" if after else ""
    question = f"""
        WITH standing AS (
            SELECT {period} AS period, material, state, side, {sums}, bool_or(sample) AS sample
            FROM cell WHERE {asked.where("cell")} GROUP BY 1, 2, 3, 4
        ), page AS (
            SELECT DISTINCT period, material FROM standing {later}
            ORDER BY period, material LIMIT :limit
        )
        SELECT * FROM standing JOIN page USING (period, material) ORDER BY period, material
        """
    told = asked.told | {"limit": limit}
    if after:
        told |= {"after_period": after[0], "after_material": after[1]}
    rows: dict[tuple[str, str], dict[tuple[str, str], Stock]] = {}
    sample: dict[tuple[str, str], bool] = {}
    for row in await session.execute(text(question), told):
        key = (row.period, row.material)
        amounts = (row.kg_low, row.kg, row.kg_high, row.onsite_kg, row.unverified_kg)
        rows.setdefault(key, {})[row.state, row.side] = Stock(*amounts)
        sample[key] = sample.get(key, False) or row.sample
    return [Standings(*key, sample[key], standing) for key, standing in rows.items()]


async def title_of(session: AsyncSession, kind: str, code: str) -> TitleRow | None:
    """What *code* is called, if it has been told."""
    return await session.get(TitleRow, (kind, code))


async def organisations_in(session: AsyncSession, asked: Asked) -> int:
    """
    How many organisations have lots at the asked place in materials and months of enough.

    The others are in no sum there: they must not tell by being counted that they are.
    """
    question = f"""
        SELECT count(DISTINCT lot.organisation) FROM lot JOIN ({asked.of_enough("cell")}) AS part
            ON part.material = lot.material AND part.month
                BETWEEN to_char(lot.first, 'YYYY-MM') AND to_char(lot.last, 'YYYY-MM')
        WHERE lot.kg > 0 AND {_at_place(asked)}
    """
    return int((await session.execute(text(question), asked.told)).scalar_one())


async def owner_of(session: AsyncSession, project: UUID) -> tuple[str, str] | None:
    """The organisation and region of *project*, if it has been heard of."""
    title = await title_of(session, "project", str(project))
    if title is not None:
        return title.organisation, title.region
    lots = select(LOT.c.organisation, LOT.c.region).where(LOT.c.project == project).limit(1)
    row = (await session.execute(lots)).first()
    return (row.organisation, row.region) if row else None


async def as_of(session: AsyncSession, region: str | None = None) -> datetime | None:
    """When the newest applied event was told, of *region* or of all."""
    where = "WHERE region = :region" if region else ""
    asked = await session.execute(
        text(f"SELECT max(at) FROM heard {where}"), {"region": region} if region else {}
    )
    moment: datetime | None = asked.scalar()
    return moment


async def own_as_of(session: AsyncSession, asked: Asked) -> datetime | None:
    """When the newest news of the asked organisation's or project's own lots was told."""
    question = f"SELECT max(at) FROM lot WHERE {_at_place(asked)}"
    moment: datetime | None = (await session.execute(text(question), asked.told)).scalar()
    return moment


async def checksum(session: AsyncSession) -> dict[str, str]:
    """One sum for each table of others' facts: equal rows, equal sums, whenever they came."""
    sums: dict[str, str] = {}
    for table in HEARD:
        question = f"""
            SELECT md5(coalesce(string_agg(md5(CAST(t AS text)), '' ORDER BY CAST(t AS text)), ''))
            FROM {table} AS t
            """
        sums[table] = str((await session.execute(text(question))).scalar())
    return sums


def _json(rows: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps(rows, default=str, separators=(",", ":"))
