"""Plans as standing orders: who wrote one, and in whose name it acts by itself."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0099"
down_revision = "0120"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Of older plans nobody knows who wrote them: they open rooms as before, and call once somebody approves them."""
    with op.batch_alter_table("room_plans") as batch:
        batch.add_column(sa.Column("author", sa.String(64), nullable=True))
        batch.add_column(sa.Column("approved_by", sa.String(64), nullable=True))
        batch.add_column(sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True))
    with op.batch_alter_table("room_openings") as batch:
        batch.add_column(sa.Column("plan_id", sa.String(36), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("room_openings") as batch:
        batch.drop_column("plan_id")
    with op.batch_alter_table("room_plans") as batch:
        batch.drop_column("approved_at")
        batch.drop_column("approved_by")
        batch.drop_column("author")
