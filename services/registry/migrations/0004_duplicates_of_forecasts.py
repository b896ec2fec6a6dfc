"""duplicates of forecasts"""

import sqlalchemy as sa
import sqlmodel
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_WHERE_THEY_LIE = """
    UPDATE forecast SET
        likely_t = (state #>> '{quantity,likely_t}')::float8,
        municipal_cell = concat_ws('/', state ->> 'direction', state #>> '{place,municipality}',
                                   state ->> 'material'),
        cell = CASE state #>> '{place,precision}' WHEN 'exact' THEN
            concat_ws('/', state ->> 'direction',
                floor((state #>> '{place,lat}')::float8 * 100)::integer,
                floor((state #>> '{place,lon}')::float8 * 100)::integer)
            ELSE concat_ws('/', state ->> 'direction', state #>> '{place,municipality}',
                           state ->> 'material') END
"""


def upgrade() -> None:
    op.create_table(
        "duplicate",
        sa.Column("one", sa.Uuid(), nullable=False),
        sa.Column("other", sa.Uuid(), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("reasons", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("state", sqlmodel.sql.sqltypes.AutoString(), nullable=False),
        sa.Column("suggested_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("decided_by", sqlmodel.sql.sqltypes.AutoString(), nullable=True),
        sa.Column("decided_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.CheckConstraint("one < other", name=op.f("ck_duplicate_order")),
        sa.CheckConstraint(
            "state IN ('suggested', 'linked', 'refused')", name=op.f("ck_duplicate_state")
        ),
        sa.ForeignKeyConstraint(["one"], ["forecast.id"], name=op.f("fk_duplicate_one_forecast")),
        sa.ForeignKeyConstraint(
            ["other"], ["forecast.id"], name=op.f("fk_duplicate_other_forecast")
        ),
        sa.PrimaryKeyConstraint("one", "other", name=op.f("pk_duplicate")),
    )
    op.create_index("ix_duplicate_other", "duplicate", ["other"], unique=False)
    op.create_index("ix_duplicate_score", "duplicate", ["state", "score"], unique=False)
    op.add_column("forecast", sa.Column("duplicate_of", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_forecast_duplicate_of_forecast"), "forecast", "forecast", ["duplicate_of"], ["id"]
    )
    for name in ("cell", "municipal_cell"):
        op.add_column(
            "forecast", sa.Column(name, sqlmodel.sql.sqltypes.AutoString(), nullable=True)
        )
    op.add_column("forecast", sa.Column("likely_t", sa.Float(), nullable=True))
    op.execute(_WHERE_THEY_LIE)
    op.create_index("ix_forecast_cell", "forecast", ["cell", "likely_t"], unique=False)
    op.create_index(
        "ix_forecast_municipal_cell", "forecast", ["municipal_cell", "likely_t"], unique=False
    )


def downgrade() -> None:
    for name in ("municipal_cell", "cell"):
        op.drop_index(f"ix_forecast_{name}", table_name="forecast")
    op.drop_constraint(op.f("fk_forecast_duplicate_of_forecast"), "forecast", type_="foreignkey")
    for name in ("likely_t", "municipal_cell", "cell", "duplicate_of"):
        op.drop_column("forecast", name)
    op.drop_table("duplicate")
