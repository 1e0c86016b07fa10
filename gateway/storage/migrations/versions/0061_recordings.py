"""When cameras are recorded, and which recordings are held."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0061"
down_revision = "0070"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "recording_plans",
        sa.Column("camera_code", sa.String(length=20), nullable=False),
        sa.Column("hours", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("on_demand_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retention_days", sa.Float(), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("platform", sa.String(length=32), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recording_plans")),
        sa.UniqueConstraint("camera_code", name=op.f("uq_recording_plans_camera_code")),
    )
    op.create_table(
        "recording_holds",
        sa.Column("recording_id", sa.String(length=36), nullable=False),
        sa.Column("camera_code", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("held_by", sa.String(length=64), nullable=False),
        sa.Column("held_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("platform", sa.String(length=32), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recording_holds")),
        sa.UniqueConstraint("recording_id", name=op.f("uq_recording_holds_recording_id")),
    )
    for table, column in (
        ("recording_plans", "platform"),
        ("recording_holds", "platform"),
        ("recording_holds", "camera_code"),
    ):
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.create_index(batch_op.f(f"ix_{table}_{column}"), [column], unique=False)


def downgrade() -> None:
    op.drop_table("recording_holds")
    op.drop_table("recording_plans")
