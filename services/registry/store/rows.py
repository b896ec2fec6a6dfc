"""The registry's tables."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, Index, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from shared.work import MOMENT, DueRow, Ledger

ledger = Ledger("registry")

NAMES = ARRAY(Text)


class RegionRow(SQLModel, table=True):
    """A region as its file told it; *digest* tells readers that hold a copy whether it is this."""

    __tablename__: ClassVar[str] = "region"
    metadata = ledger.metadata

    code: str = Field(primary_key=True)
    sample: bool
    body: dict[str, Any] = Field(sa_type=JSONB)
    digest: str
    created_at: datetime = Field(sa_type=MOMENT)


class OrganisationRow(SQLModel, table=True):
    """An organisation; its token is its identity everywhere."""

    __tablename__: ClassVar[str] = "organisation"
    metadata = ledger.metadata
    __table_args__: ClassVar[Any] = (
        CheckConstraint("token ~ '^[a-z0-9-]{2,32}$'", "token"),
        CheckConstraint("status IN ('active', 'suspended')", "status"),
        CheckConstraint("revision >= 1", "revision"),
    )

    token: str = Field(primary_key=True)
    title: str
    region: str = Field(foreign_key="region.code")
    actor_type: str
    business_id: str | None = None
    status: str = "active"
    revision: int = 1
    created_at: datetime = Field(sa_type=MOMENT)
    updated_at: datetime = Field(sa_type=MOMENT)


class KeyRow(SQLModel, table=True):
    """A key of an organisation: of an HTTPS key only its digest, of a NATS key its public half."""

    __tablename__: ClassVar[str] = "organisation_key"
    metadata = ledger.metadata
    __table_args__: ClassVar[Any] = (
        CheckConstraint(
            "kind = 'https' AND digest IS NOT NULL AND public_key IS NULL"
            " OR kind = 'nats' AND public_key IS NOT NULL AND digest IS NULL",
            "kind",
        ),
        UniqueConstraint("digest"),
        UniqueConstraint("public_key"),
        Index("ix_organisation_key_organisation", "organisation"),
    )

    id: UUID = Field(primary_key=True)
    organisation: str = Field(foreign_key="organisation.token")
    kind: str
    digest: str | None = None
    public_key: str | None = None
    created_at: datetime = Field(sa_type=MOMENT)
    expires_at: datetime | None = Field(default=None, sa_type=MOMENT)
    revoked_at: datetime | None = Field(default=None, sa_type=MOMENT)


class MandateRow(SQLModel, table=True):
    """*owner* lets *reporter* report its projects."""

    __tablename__: ClassVar[str] = "mandate"
    metadata = ledger.metadata
    __table_args__: ClassVar[Any] = (
        CheckConstraint("owner <> reporter", "two"),
        Index("ix_mandate_reporter", "reporter"),
    )

    owner: str = Field(primary_key=True, foreign_key="organisation.token")
    reporter: str = Field(primary_key=True, foreign_key="organisation.token")
    created_at: datetime = Field(sa_type=MOMENT)


class PersonRow(SQLModel, table=True):
    """A person: the only place where a name and an address are kept."""

    __tablename__: ClassVar[str] = "person"
    metadata = ledger.metadata
    __table_args__: ClassVar[Any] = (
        UniqueConstraint("email"),
        UniqueConstraint("subject"),
        CheckConstraint("email = lower(email)", "email"),
    )

    id: UUID = Field(primary_key=True)
    name: str
    email: str
    language: str
    subject: str | None = None
    session: int = 1
    created_at: datetime = Field(sa_type=MOMENT)


class MembershipRow(SQLModel, table=True):
    """A person's roles in an organisation, and the regions coordinated through them."""

    __tablename__: ClassVar[str] = "membership"
    metadata = ledger.metadata
    __table_args__: ClassVar[Any] = (Index("ix_membership_person", "person"),)

    organisation: str = Field(primary_key=True, foreign_key="organisation.token")
    person: UUID = Field(primary_key=True, foreign_key="person.id")
    roles: list[str] = Field(sa_type=NAMES)
    regions: list[str] = Field(sa_type=NAMES)
    created_at: datetime = Field(sa_type=MOMENT)


class IntakeRow(SQLModel, table=True):
    """
    One event at the door and its verdict; none yet while it waits for what it speaks of.

    *about_id* is the thing it spoke of, also where it was rejected. *digest* stands for its body.
    """

    __tablename__: ClassVar[str] = "intake"
    metadata = ledger.metadata
    __table_args__: ClassVar[Any] = (
        CheckConstraint("verdict IN ('accepted', 'rejected')", "verdict"),
        CheckConstraint("(verdict IS NULL) = (judged_at IS NULL)", "judged"),
        # the receipts of an organisation, in the order they were given
        Index("ix_intake_judged", "organisation", "judged_at", "receipt_id"),
        # whether what an event waits for was itself rejected
        Index("ix_intake_about_id", "about_id", "judged_at"),
        Index("ix_intake_waiting", "first_seen", postgresql_where=text("verdict IS NULL")),
    )

    organisation: str = Field(primary_key=True)
    source: str = Field(primary_key=True)
    event_id: str = Field(primary_key=True)
    digest: str
    about: str
    about_id: UUID | None = None
    stream_seq: int | None = Field(default=None, sa_type=BigInteger)
    knocks: int = 1
    first_seen: datetime = Field(sa_type=MOMENT)
    judged_at: datetime | None = Field(default=None, sa_type=MOMENT)
    receipt_id: UUID | None = None
    verdict: str | None = None
    code: str | None = None
    kind: str | None = None
    thing_id: UUID | None = None
    revision: int | None = None
    reasons: list[Any] | None = Field(default=None, sa_type=JSONB)


class ThingRow(SQLModel):
    """What every reported thing has: what was told of it, and what is announced of it."""

    id: UUID = Field(primary_key=True)
    organisation: str = Field(foreign_key="organisation.token")
    reporter: str = Field(foreign_key="organisation.token")
    external_id: str
    external_revision: int | None = Field(default=None, sa_type=BigInteger)
    told_at: datetime | None = Field(default=None, sa_type=MOMENT)
    region: str = Field(foreign_key="region.code")
    revision: int
    visibility: str
    told: dict[str, Any] = Field(sa_type=JSONB)
    state: dict[str, Any] = Field(sa_type=JSONB)
    updated_at: datetime = Field(sa_type=MOMENT)


def _thing(name: str, *more: Any) -> tuple[Any, ...]:
    return (
        UniqueConstraint("reporter", "external_id"),
        CheckConstraint("revision >= 1", "revision"),
        # the pages of a list, scoped by who asks
        Index(f"ix_{name}_updated", "updated_at", "id"),
        Index(f"ix_{name}_organisation", "organisation", "updated_at", "id"),
        Index(f"ix_{name}_region", "region", "updated_at", "id"),
        *more,
    )


class ProjectRow(ThingRow, table=True):
    """A project."""

    __tablename__: ClassVar[str] = "project"
    metadata = ledger.metadata
    __table_args__: ClassVar[Any] = _thing("project")

    withdrawn: bool = False


class ForecastRow(ThingRow, table=True):
    """A forecast: one mass line of one project."""

    __tablename__: ClassVar[str] = "forecast"
    metadata = ledger.metadata
    __table_args__: ClassVar[Any] = _thing(
        "forecast",
        Index("ix_forecast_project", "project_id"),
        # whose owners are to be asked: after a silence, before the window opens, in vain
        Index("ix_forecast_confirmed", "confirmed_at", postgresql_where=text("asked_at IS NULL")),
        Index(
            "ix_forecast_opens",
            text("((state -> 'window') ->> 'first')"),
            postgresql_where=text("asked_at IS NULL"),
        ),
        Index("ix_forecast_asked", "asked_at", postgresql_where=text("asked_at IS NOT NULL")),
        # what may be the same mass
        Index("ix_forecast_cell", "cell", "told_by", "likely_t"),
        Index("ix_forecast_municipal_cell", "municipal_cell", "told_by", "likely_t"),
    )

    project_id: UUID = Field(foreign_key="project.id")
    anchor: dict[str, Any] | None = Field(default=None, sa_type=JSONB)
    confirmed_at: datetime = Field(
        sa_type=MOMENT, sa_column_kwargs={"server_default": text("now()")}
    )
    asked_at: datetime | None = Field(default=None, sa_type=MOMENT)
    lapsed: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    duplicate_of: UUID | None = Field(default=None, foreign_key="forecast.id")
    cell: str | None = None
    municipal_cell: str | None = None
    likely_t: float | None = None
    told_by: str | None = None


class DuplicateRow(SQLModel, table=True):
    """
    Two forecasts, *one* < *other*, that may be about the same mass, and what was decided; `dropped`
    when they are alike no longer. *revision* grows with all that is told of the pair.
    """

    __tablename__: ClassVar[str] = "duplicate"
    metadata = ledger.metadata
    __table_args__: ClassVar[Any] = (
        CheckConstraint("one < other", "order"),
        CheckConstraint("state IN ('suggested', 'linked', 'refused', 'dropped')", "state"),
        Index("ix_duplicate_other", "other"),
        Index("ix_duplicate_score", "state", "score"),
    )

    one: UUID = Field(primary_key=True, foreign_key="forecast.id")
    other: UUID = Field(primary_key=True, foreign_key="forecast.id")
    score: float
    reasons: dict[str, Any] = Field(sa_type=JSONB)
    state: str
    revision: int = Field(default=1, sa_column_kwargs={"server_default": "1"})
    suggested_at: datetime = Field(sa_type=MOMENT)
    decided_by: str | None = None
    decided_at: datetime | None = Field(default=None, sa_type=MOMENT)


class CalendarRow(DueRow, table=True):
    """When the registry looks next at which owners are to be asked; one row."""

    __tablename__: ClassVar[str] = "calendar"
    metadata = ledger.metadata

    id: int = Field(default=1, primary_key=True)


class AreaRow(ThingRow, table=True):
    """An area."""

    __tablename__: ClassVar[str] = "area"
    metadata = ledger.metadata
    __table_args__: ClassVar[Any] = _thing("area")


class DeliveryRow(ThingRow, table=True):
    """Reported loads."""

    __tablename__: ClassVar[str] = "delivery"
    metadata = ledger.metadata
    __table_args__: ClassVar[Any] = _thing("delivery")
