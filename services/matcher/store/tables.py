"""The matcher's tables: lots and areas as they were told, its own matches, decisions and marks."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, Column, Index, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from shared.work import MOMENT, DueRow, Ledger

ledger = Ledger("matcher")
ledger.hears("lot", "area")

_NOW = {"server_default": text("now()")}


class LotRow(SQLModel, table=True):
    """A forecast as it was last told; the columns are those of `domain.Lot`, in its order."""

    __tablename__ = "lot"
    metadata = ledger.metadata
    __table_args__ = (Index("ix_lot_cell", "cell"),)  # a neighbourhood's lots

    id: UUID = Field(primary_key=True)
    revision: int
    direction: str = Field(sa_type=Text)
    is_open: bool
    kind: str = Field(sa_type=Text)
    low: int = Field(sa_type=BigInteger)
    likely: int = Field(sa_type=BigInteger)
    high: int = Field(sa_type=BigInteger)
    first: date
    last: date
    weekly_t: float | None = None
    lat: float
    lon: float
    exact: bool
    municipality: str = Field(sa_type=Text)
    region: str = Field(sa_type=Text)
    meets: str = Field(sa_type=Text)
    project_id: UUID
    organisation: str = Field(sa_type=Text)
    net_of_own_use: bool
    visibility: str = Field(sa_type=Text)
    transport_payer: str | None = Field(default=None, sa_type=Text)
    cell: int
    terms: int = Field(sa_type=BigInteger)
    beside: str = Field(sa_type=Text)
    base_cents: int | None = None
    base_grams: int | None = None
    base_area: UUID | None = None
    base_km: float | None = None
    as_of: date = Field(default=date.min, sa_column_kwargs={"server_default": "0001-01-01"})
    moved_kg: int = Field(
        default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": text("0")}
    )


class AreaRow(SQLModel, table=True):
    """An area as it was last told, whole."""

    __tablename__ = "area"
    metadata = ledger.metadata
    __table_args__ = (Index("ix_area_cell", "cell"),)  # the areas around a neighbourhood

    id: UUID = Field(primary_key=True)
    revision: int
    region: str = Field(sa_type=Text)
    cell: int
    told: dict[str, object] = Field(sa_column=Column(JSONB, nullable=False))


class MatchRow(SQLModel, table=True):
    """A match; the columns are those of `domain.Match`, in its order."""

    __tablename__ = "match"
    metadata = ledger.metadata
    __table_args__ = (
        # a pair has one proposal over each area or straight, or one on its own site, at a time
        Index(
            "uq_match_undecided",
            "surplus_id",
            "need_id",
            "via",
            unique=True,
            postgresql_nulls_not_distinct=True,
            postgresql_where=text("standing = 1 AND (state IN ('proposed', 'accepted') "
                                  "OR route = 'onsite')"),
        ),
        # the plan's questions: what of these lots' tonnes is taken, and which pairs are excluded
        Index("ix_match_surplus", "surplus_id", postgresql_where=text("standing > 0")),
        Index("ix_match_need", "need_id", postgresql_where=text("standing > 0")),
        # what room of an area is taken
        Index("ix_match_via", "via", postgresql_where=text("standing = 1 AND via IS NOT NULL")),
        # the lists of an organisation, of a region, and what changed since
        Index("ix_match_giver", "surplus_organisation", "changed_at"),
        Index("ix_match_taker", "need_organisation", "changed_at"),
        Index("ix_match_changed", "changed_at", "id"),
        # whose window is over
        Index("ix_match_last", "last", postgresql_where=text("standing = 1")),
    )  # fmt: skip

    id: UUID = Field(primary_key=True)
    revision: int
    surplus_id: UUID
    need_id: UUID
    state: str = Field(sa_type=Text)
    route: str = Field(sa_type=Text)
    standing: int
    tonnes: int = Field(sa_type=BigInteger)
    cents_per_t: int
    km: float
    first: date
    last: date
    surplus_terms: int = Field(sa_type=BigInteger)
    need_terms: int = Field(sa_type=BigInteger)
    surplus_organisation: str = Field(sa_type=Text)
    need_organisation: str = Field(sa_type=Text)
    region: str = Field(sa_type=Text)
    accepted_by: str = Field(default="", sa_type=Text)
    declined_by: str | None = Field(default=None, sa_type=Text)
    decline_reason: str | None = Field(default=None, sa_type=Text)
    change: str = Field(default="", sa_type=Text)
    alternatives: int = 0
    next_best_cents: int | None = None
    alarm: str = Field(default="", sa_type=Text)
    told_revision: int = 0
    born_at: datetime = Field(sa_type=MOMENT)
    changed_at: datetime = Field(sa_type=MOMENT)
    judged: str | None = Field(default=None, sa_type=Text)
    via: UUID | None = None
    permille: int = Field(default=1000, sa_column_kwargs={"server_default": text("1000")})
    stays_from: date | None = None
    stays_to: date | None = None
    distance_method: str = Field(
        default="ratio", sa_type=Text, sa_column_kwargs={"server_default": text("'ratio'")}
    )
    distance_version: str = Field(
        default="", sa_type=Text, sa_column_kwargs={"server_default": text("''")}
    )
    delivered_kg: int = Field(
        default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": text("0")}
    )
    closed_by: str | None = Field(default=None, sa_type=Text)
    barred: str = Field(default="", sa_type=Text, sa_column_kwargs={"server_default": ""})
    facts: int = Field(
        default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": text("0")}
    )


class PastRow(SQLModel, table=True):
    """A match as it was told at one revision, so that a conflict can say what changed since."""

    __tablename__ = "match_past"
    metadata = ledger.metadata

    match_id: UUID = Field(primary_key=True)
    revision: int = Field(primary_key=True)
    state: str = Field(sa_type=Text)
    tonnes: int = Field(sa_type=BigInteger)
    cents_per_t: int
    first: date
    last: date
    accepted_by: str = Field(sa_type=Text)
    told_at: datetime = Field(sa_type=MOMENT, sa_column_kwargs=_NOW)


class DecisionRow(SQLModel, table=True):
    """One decision on a match as it was made; nothing here is ever changed."""

    __tablename__ = "decision"
    metadata = ledger.metadata
    __table_args__ = (
        Index("ix_decision_match", "match_id"),  # was this said already?
        Index(
            "uq_decision_key",
            "subject",
            "key",
            unique=True,
            postgresql_where=text("key IS NOT NULL"),
        ),
    )

    id: UUID = Field(primary_key=True)
    match_id: UUID
    organisation: str = Field(sa_type=Text)
    subject: str = Field(sa_type=Text)
    decision: str = Field(sa_type=Text)
    reason: str | None = Field(default=None, sa_type=Text)
    note: str | None = Field(default=None, sa_type=Text)
    revision_seen: int
    revision_made: int
    key: str | None = Field(default=None, sa_type=Text)
    at: datetime = Field(sa_type=MOMENT)
    tonnes: int | None = Field(default=None, sa_type=BigInteger)
    first: date | None = None
    last: date | None = None


class DeliveryRow(SQLModel, table=True):
    """
    Loads as last reported; the columns are those of `domain.Load`, in its order.

    The matcher's own, kept through a rebuild: some were told over HTTP, under *subject* and *key*.
    """

    __tablename__ = "delivery"
    metadata = ledger.metadata
    __table_args__ = (
        Index("ix_delivery_match", "match_id"),  # the balance of a match
        # what loads take off a lot
        Index("ix_delivery_surplus", "surplus_id", "moved_on"),
        Index("ix_delivery_need", "need_id", "moved_on"),
        Index("ix_delivery_forecast", "forecast_id"),  # a lot that is heard of late
        Index("ix_delivery_organisation", "organisation", "at"),
        Index(
            "uq_delivery_key",
            "subject",
            "key",
            unique=True,
            postgresql_where=text("key IS NOT NULL"),
        ),
    )

    id: UUID = Field(primary_key=True)
    reported: int
    revision: int
    organisation: str = Field(sa_type=Text)
    reporter: str = Field(sa_type=Text)
    region: str = Field(sa_type=Text)
    match_id: UUID | None = None
    forecast_id: UUID | None = None
    area_id: UUID | None = None
    surplus_id: UUID | None = None
    need_id: UUID | None = None
    outlet: str = Field(sa_type=Text)
    origin: str = Field(sa_type=Text)
    material: str = Field(sa_type=Text)
    kg: int = Field(sa_type=BigInteger)
    tag: str = Field(sa_type=Text)
    method: str = Field(sa_type=Text)
    moved_on: date
    haul_km: float | None = None
    vehicle: str | None = Field(default=None, sa_type=Text)
    energy: str | None = Field(default=None, sa_type=Text)
    waybill: str | None = Field(default=None, sa_type=Text)
    under_match: bool
    refused: str | None = Field(default=None, sa_type=Text)
    at: datetime = Field(sa_type=MOMENT)
    permille: int = Field(default=1000, sa_column_kwargs={"server_default": text("1000")})
    subject: str | None = Field(default=None, sa_type=Text)
    key: str | None = Field(default=None, sa_type=Text)


class DirtyRow(DueRow, table=True):
    """A cell whose neighbourhood must be settled; each mark gives it another *generation*."""

    __tablename__ = "dirty"
    metadata = ledger.metadata
    __table_args__ = (Index("ix_dirty_due", "due_at"),)

    cell: int = Field(primary_key=True)
    generation: UUID = Field(sa_column_kwargs={"server_default": text("gen_random_uuid()")})
    first_at: datetime = Field(sa_type=MOMENT, sa_column_kwargs=_NOW)
    correlation: str | None = Field(default=None, sa_type=Text)


class SweepRow(DueRow, table=True):
    """A tile that changed and will be settled with more around it when it is quiet."""

    __tablename__ = "sweep"
    metadata = ledger.metadata
    __table_args__ = (Index("ix_sweep_due", "due_at"),)

    tile: int = Field(primary_key=True)
    generation: UUID = Field(sa_column_kwargs={"server_default": text("gen_random_uuid()")})


class TellRow(DueRow, table=True):
    """A match whose present revision is told by *due_at*, while news keeps coming around it."""

    __tablename__ = "tell"
    metadata = ledger.metadata
    __table_args__ = (Index("ix_tell_due", "due_at"),)

    match_id: UUID = Field(primary_key=True)
    correlation: str | None = Field(default=None, sa_type=Text)


class CalendarRow(DueRow, table=True):
    """The one row that comes due now and then, to find matches whose window is over."""

    __tablename__ = "calendar"
    metadata = ledger.metadata

    id: int = Field(default=1, primary_key=True)


class SettledRow(SQLModel, table=True):
    """The last full solve: what stood, and the optimum then, in cents."""

    __tablename__ = "settled"
    metadata = ledger.metadata

    id: int = Field(default=1, primary_key=True)
    value_cents: int = Field(sa_type=BigInteger)
    optimum_cents: int = Field(sa_type=BigInteger)
    lots: int
    at: datetime = Field(sa_type=MOMENT)
