"""webhooks of everything"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ONCE = ("subject_kind", "subject_id", "subject_revision", "recipient", "channel")
ADDED = {"whose": "{own}", "directions": "{}", "projects": "{}"}


def upgrade() -> None:
    for name, default in ADDED.items():
        column = sa.Column(name, sa.ARRAY(sa.Text()), server_default=default, nullable=False)
        op.add_column("webhook", column)
    op.drop_constraint("uq_notification_once", "notification")
    op.create_unique_constraint("uq_notification_once", "notification", list(ONCE))


def downgrade() -> None:
    op.drop_constraint("uq_notification_once", "notification")
    op.create_unique_constraint("uq_notification_once", "notification", list(ONCE[1:]))
    for name in ADDED:
        op.drop_column("webhook", name)
