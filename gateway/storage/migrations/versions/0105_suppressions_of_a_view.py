"""A rejection belongs to the view of the camera in which it was made."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0105"
down_revision = "0092"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Older rejections hold on for cameras that were never steered; those of others may be of another view."""
    with op.batch_alter_table("suppressions", schema=None) as batch_op:
        batch_op.add_column(sa.Column("preset", sa.String(length=64), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("suppressions", schema=None) as batch_op:
        batch_op.drop_column("preset")
