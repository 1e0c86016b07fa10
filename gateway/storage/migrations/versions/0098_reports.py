"""Reports and the plans by which they are made."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0098"
down_revision = "0105"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "reports",
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("since", TIME, nullable=False),
        sa.Column("until", TIME, nullable=False),
        sa.Column("asked_by", sa.String(64), nullable=False),
        sa.Column("asked_at", TIME, nullable=False),
        sa.Column("plan_key", sa.String(100), nullable=True),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(200), nullable=True),
        sa.Column("made_at", TIME, nullable=True),
        sa.Column("path", sa.String(200), nullable=True),
        sa.Column("sha256", sa.String(64), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("platform", sa.String(32), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reports")),
        sa.UniqueConstraint("plan_key", name=op.f("uq_reports_plan_key")),
    )
    op.create_index("ix_reports_platform_since", "reports", ["platform", "since"])
    op.create_index("ix_reports_state", "reports", ["state"])
    op.create_index(op.f("ix_reports_platform"), "reports", ["platform"])
    op.create_table(
        "report_plans",
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("made_by", sa.String(64), nullable=False),
        sa.Column("begins_at", TIME, nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("platform", sa.String(32), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_plans")),
        sa.UniqueConstraint("platform", "kind", name=op.f("uq_report_plans_platform_kind")),
    )
    op.create_index(op.f("ix_report_plans_platform"), "report_plans", ["platform"])


def downgrade() -> None:
    op.drop_table("report_plans")
    op.drop_table("reports")
