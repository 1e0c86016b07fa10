"""An index of the events that are open, of which a year holds few."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0076"
down_revision = "0075"
branch_labels = None
depends_on = None


def upgrade() -> None:
    open_ = sa.text("closed_at IS NULL")
    op.create_index("ix_events_open", "events", ["reported_at"], sqlite_where=open_, postgresql_where=open_)


def downgrade() -> None:
    op.drop_index("ix_events_open", "events")
