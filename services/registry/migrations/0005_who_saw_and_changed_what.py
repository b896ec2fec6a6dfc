"""who saw and changed what"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from shared.trail import only_grows

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_WHOSE = """
    UPDATE trail SET
        day = (at AT TIME ZONE 'Europe/Helsinki')::date,
        about = array_remove(
            ARRAY[
                CASE WHEN object LIKE 'organisation/%' THEN split_part(object, '/', 2) END,
                what ->> 'reporter',
                (SELECT organisation FROM forecast WHERE object = 'forecast/' || forecast.id),
                (SELECT organisation FROM forecast WHERE what ->> 'counts' = forecast.id::text)
            ],
            NULL
        )
"""


def upgrade() -> None:
    op.create_table(
        "trail_seal",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("seal", sa.Text(), nullable=False),
        sa.Column("sealed_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_trail_seal")),
    )
    op.drop_index("ix_trail_object", table_name="trail")
    op.alter_column("trail", "actor", new_column_name="subject", type_=sa.Text())
    op.alter_column("trail", "detail", new_column_name="what")
    for name in ("action", "object"):
        op.alter_column("trail", name, type_=sa.Text())
    names = postgresql.ARRAY(sa.Text())
    op.add_column("trail", sa.Column("day", sa.Date(), nullable=True))
    for name in ("acting_for", "about"):
        op.add_column("trail", sa.Column(name, names, nullable=False, server_default="{}"))
    op.add_column("trail", sa.Column("correlation", sa.Text(), nullable=True))
    op.execute(_WHOSE)
    op.alter_column("trail", "day", nullable=False)
    for name in ("acting_for", "about"):
        op.alter_column("trail", name, server_default=None)
    op.create_index("ix_trail_day", "trail", ["day", "id"], unique=False)
    for command in only_grows("trail", "trail_seal"):
        op.execute(command)


def downgrade() -> None:
    for table in ("trail", "trail_seal"):
        for name in ("rows", "all"):
            op.execute(f"DROP TRIGGER {table}_keeps_{name} ON {table}")
    op.execute("DROP FUNCTION only_grows()")
    op.drop_index("ix_trail_day", table_name="trail")
    for name in ("correlation", "about", "acting_for", "day"):
        op.drop_column("trail", name)
    op.alter_column("trail", "what", new_column_name="detail")
    op.alter_column("trail", "subject", new_column_name="actor")
    op.create_index("ix_trail_object", "trail", ["object", "at"], unique=False)
    op.drop_table("trail_seal")
