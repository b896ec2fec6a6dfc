"""whose data the trail is about"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_trail_about", "trail", ["about"], postgresql_using="gin")


def downgrade() -> None:
    op.drop_index("ix_trail_about", table_name="trail")
