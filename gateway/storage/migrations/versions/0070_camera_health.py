"""camera health, change by change, and learned scenes"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0070"
down_revision = "0060"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "camera_health",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("camera_code", sa.String(length=20), nullable=False),
        sa.Column("platform", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("evidence", sa.String(length=200), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_camera_health")),
    )
    with op.batch_alter_table("camera_health", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_camera_health_at"), ["at"], unique=False)
        batch_op.create_index("ix_camera_health_camera_code_at", ["camera_code", "at"], unique=False)
    op.create_table(
        "camera_scenes",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("camera_code", sa.String(length=20), nullable=False),
        sa.Column("preset", sa.String(length=64), nullable=False),
        sa.Column("scene", sa.LargeBinary(), nullable=False),
        sa.Column("learned_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_camera_scenes")),
        sa.UniqueConstraint("camera_code", "preset", name=op.f("uq_camera_scenes_camera_code_preset")),
    )
    # What is known of each camera now is where its history begins.
    op.execute(
        "INSERT INTO camera_health (id, camera_code, platform, state, reason, at) "
        "SELECT id, code, platform, health_state, health_reason, health_since FROM cameras WHERE status <> 'removed'"
    )


def downgrade() -> None:
    op.drop_table("camera_scenes")
    op.drop_table("camera_health")
