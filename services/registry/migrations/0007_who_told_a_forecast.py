"""who told a forecast"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_WHO_TOLD = """
    UPDATE forecast SET told_by = concat(reporter, ' ', state #>> '{source,system}')
"""


def upgrade() -> None:
    op.add_column("forecast", sa.Column("told_by", sa.String(), nullable=True))
    op.execute(_WHO_TOLD)
    for name in ("cell", "municipal_cell"):
        op.drop_index(f"ix_forecast_{name}", table_name="forecast")
        op.create_index(f"ix_forecast_{name}", "forecast", [name, "told_by", "likely_t"])


def downgrade() -> None:
    for name in ("municipal_cell", "cell"):
        op.drop_index(f"ix_forecast_{name}", table_name="forecast")
        op.create_index(f"ix_forecast_{name}", "forecast", [name, "likely_t"])
    op.drop_column("forecast", "told_by")
