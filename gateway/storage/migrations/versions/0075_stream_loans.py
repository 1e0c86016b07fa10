"""streams lent to readers outside the gateway"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0075"
down_revision = "0061"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "stream_loans",
        sa.Column("camera_code", sa.String(length=20), nullable=False),
        sa.Column("reader", sa.String(length=64), nullable=False),
        sa.Column("username", sa.String(length=64), nullable=False),
        sa.Column("sealed_password", sa.Text(), nullable=False),
        sa.Column("grant_id", sa.String(length=36), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("platform", sa.String(length=32), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["grant_id"], ["viewing_grants.id"], name=op.f("fk_stream_loans_grant_id_viewing_grants")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stream_loans")),
        sa.UniqueConstraint("camera_code", "reader", name=op.f("uq_stream_loans_camera_code_reader")),
    )
    with op.batch_alter_table("stream_loans", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_stream_loans_camera_code"), ["camera_code"], unique=False)
        batch_op.create_index(batch_op.f("ix_stream_loans_platform"), ["platform"], unique=False)


def downgrade() -> None:
    op.drop_table("stream_loans")
