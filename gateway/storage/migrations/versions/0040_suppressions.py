"""What officers rejected, and what that holds back."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0040"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    document = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
    op.create_table(
        "suppressions",
        sa.Column("alert_id", sa.String(length=36), nullable=False),
        sa.Column("camera_code", sa.String(length=20), nullable=False),
        sa.Column("hazard", sa.String(length=32), nullable=False),
        sa.Column("zone", sa.String(length=100), nullable=False),
        sa.Column("box", document, nullable=True),
        sa.Column("appearance", document, nullable=False),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(length=64), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("undone_by", sa.String(length=64), nullable=True),
        sa.Column("held_back", sa.Integer(), nullable=False),
        sa.Column("last_held_back_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("platform", sa.String(length=32), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["alert_id"], ["alerts.id"], name=op.f("fk_suppressions_alert_id_alerts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suppressions")),
        sa.UniqueConstraint("alert_id", name=op.f("uq_suppressions_alert_id")),
    )
    with op.batch_alter_table("suppressions", schema=None) as batch_op:
        batch_op.create_index("ix_suppressions_camera_code_until", ["camera_code", "until"], unique=False)
        batch_op.create_index(batch_op.f("ix_suppressions_platform"), ["platform"], unique=False)


def downgrade() -> None:
    op.drop_table("suppressions")
