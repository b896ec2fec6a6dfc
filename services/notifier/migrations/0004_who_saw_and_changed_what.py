"""who saw and changed what"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from shared.trail import only_grows

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "trail",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("acting_for", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("object", sa.Text(), nullable=False),
        sa.Column("about", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("correlation", sa.Text(), nullable=True),
        sa.Column("what", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trail")),
    )
    op.create_index("ix_trail_day", "trail", ["day", "id"], unique=False)
    op.create_table(
        "trail_seal",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("seal", sa.Text(), nullable=False),
        sa.Column("sealed_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_trail_seal")),
    )
    for command in only_grows("trail", "trail_seal"):
        op.execute(command)


def downgrade() -> None:
    op.drop_table("trail_seal")
    op.drop_index("ix_trail_day", table_name="trail")
    op.drop_table("trail")
    op.execute("DROP FUNCTION only_grows()")
