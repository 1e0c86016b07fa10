"""wrong logins that devices were sent lately"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0080"
down_revision = "0098"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "wrong_logins",
        sa.Column("subject", sa.String(length=200), nullable=False),
        sa.Column("times", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_wrong_logins")),
    )


def downgrade() -> None:
    op.drop_table("wrong_logins")
