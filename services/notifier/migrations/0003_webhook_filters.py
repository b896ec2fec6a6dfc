"""webhook filters"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("regions", "materials", "municipalities"):
        column = sa.Column(name, sa.ARRAY(sa.Text()), server_default="{}", nullable=False)
        op.add_column("webhook", column)


def downgrade() -> None:
    for name in ("municipalities", "materials", "regions"):
        op.drop_column("webhook", name)
