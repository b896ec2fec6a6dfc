"""freshness of forecasts"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "calendar",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("claimed_by", sa.Uuid(), nullable=True),
        sa.Column("claimed_until", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calendar")),
    )
    op.execute("INSERT INTO calendar (id, due_at) VALUES (1, now())")
    op.add_column(
        "forecast",
        sa.Column(
            "confirmed_at",
            sa.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
    )
    op.execute("UPDATE forecast SET confirmed_at = updated_at")
    op.add_column("forecast", sa.Column("asked_at", sa.TIMESTAMP(timezone=True), nullable=True))
    op.add_column(
        "forecast",
        sa.Column("lapsed", sa.Integer(), server_default=sa.text("0"), nullable=False),
    )
    op.create_index(
        "ix_forecast_asked",
        "forecast",
        ["asked_at"],
        postgresql_where=sa.text("asked_at IS NOT NULL"),
    )
    op.create_index(
        "ix_forecast_confirmed",
        "forecast",
        ["confirmed_at"],
        postgresql_where=sa.text("asked_at IS NULL"),
    )
    op.create_index(
        "ix_forecast_opens",
        "forecast",
        [sa.literal_column("((state -> 'window') ->> 'first')")],
        postgresql_where=sa.text("asked_at IS NULL"),
    )


def downgrade() -> None:
    for name in ("ix_forecast_opens", "ix_forecast_confirmed", "ix_forecast_asked"):
        op.drop_index(name, table_name="forecast")
    for name in ("lapsed", "asked_at", "confirmed_at"):
        op.drop_column("forecast", name)
    op.drop_table("calendar")
