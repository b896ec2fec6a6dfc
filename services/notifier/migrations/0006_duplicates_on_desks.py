"""duplicates on desks"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "duplicate",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("told_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("change", sa.Text(), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("told", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duplicate")),
    )
    op.create_table(
        "duplicate_notice",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person", sa.Uuid(), nullable=False),
        sa.Column("duplicate_id", sa.Uuid(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("organisation", sa.Text(), nullable=False),
        sa.Column("organisations", sa.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("by_mail", sa.Boolean(), nullable=False),
        sa.Column("unread", sa.Boolean(), nullable=False),
        sa.Column("told_revision", sa.Integer(), nullable=False),
        sa.Column("told_at", sa.TIMESTAMP(timezone=True), nullable=False),
        sa.Column("mailed_at", sa.TIMESTAMP(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duplicate_notice")),
        sa.UniqueConstraint("person", "duplicate_id", name="uq_duplicate_notice_once"),
    )
    op.create_index(
        "ix_duplicate_notice_duplicate", "duplicate_notice", ["duplicate_id"], unique=False
    )
    op.create_index(
        "ix_duplicate_notice_page", "duplicate_notice", ["person", "told_at", "id"], unique=False
    )


def downgrade() -> None:
    op.drop_index("ix_duplicate_notice_page", table_name="duplicate_notice")
    op.drop_index("ix_duplicate_notice_duplicate", table_name="duplicate_notice")
    op.drop_table("duplicate_notice")
    op.drop_table("duplicate")
