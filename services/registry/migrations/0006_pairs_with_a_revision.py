"""pairs with a revision"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_AS_TOLD = """
    UPDATE duplicate SET revision = a.revision + b.revision
    FROM forecast AS a, forecast AS b WHERE a.id = one AND b.id = other
"""


def upgrade() -> None:
    op.add_column(
        "duplicate", sa.Column("revision", sa.Integer(), server_default="1", nullable=False)
    )
    op.execute(_AS_TOLD)
    op.drop_constraint(op.f("ck_duplicate_state"), "duplicate", type_="check")
    op.create_check_constraint(
        op.f("ck_duplicate_state"),
        "duplicate",
        "state IN ('suggested', 'linked', 'refused', 'dropped')",
    )


def downgrade() -> None:
    op.execute("DELETE FROM duplicate WHERE state = 'dropped'")
    op.drop_constraint(op.f("ck_duplicate_state"), "duplicate", type_="check")
    op.create_check_constraint(
        op.f("ck_duplicate_state"), "duplicate", "state IN ('suggested', 'linked', 'refused')"
    )
    op.drop_column("duplicate", "revision")
