"""The duty log's own entries, shifts and handovers; alerts found by when they were assessed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0097"
down_revision = "0096"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    document = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
    op.create_table(
        "duty_entries",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("platform", sa.String(32), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("author", sa.String(64), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("corrects", sa.String(36), nullable=True),
        sa.ForeignKeyConstraint(["corrects"], ["duty_entries.id"], name=op.f("fk_duty_entries_corrects_duty_entries")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duty_entries")),
    )
    op.create_index("ix_duty_entries_platform_at", "duty_entries", ["platform", "at"])
    op.create_table(
        "duty_shifts",
        sa.Column("username", sa.String(64), nullable=False),
        sa.Column("post", sa.String(32), nullable=False),
        sa.Column("starts_at", TIME, nullable=False),
        sa.Column("ends_at", TIME, nullable=False),
        sa.Column("made_by", sa.String(64), nullable=False),
        sa.Column("made_at", TIME, nullable=False),
        sa.Column("removed_at", TIME, nullable=True),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("platform", sa.String(32), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duty_shifts")),
    )
    op.create_index("ix_duty_shifts_platform_starts_at", "duty_shifts", ["platform", "starts_at"])
    op.create_index(op.f("ix_duty_shifts_platform"), "duty_shifts", ["platform"])
    op.create_table(
        "handovers",
        sa.Column("given_by", sa.String(64), nullable=False),
        sa.Column("given_at", TIME, nullable=False),
        sa.Column("since", TIME, nullable=False),
        sa.Column("remarks", sa.Text(), nullable=False),
        sa.Column("summary", document, nullable=False),
        sa.Column("received_by", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("received_at", TIME, nullable=True),
        sa.Column("opinion", sa.Text(), nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("platform", sa.String(32), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_handovers")),
    )
    op.create_index("ix_handovers_platform_given_at", "handovers", ["platform", "given_at"])
    op.create_index(op.f("ix_handovers_platform"), "handovers", ["platform"])
    op.create_index(op.f("ix_alerts_assessed_at"), "alerts", ["assessed_at"])


def downgrade() -> None:
    op.drop_index(op.f("ix_alerts_assessed_at"), "alerts")
    for table in ("handovers", "duty_shifts", "duty_entries"):
        op.drop_table(table)
