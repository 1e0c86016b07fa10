"""camera profiles, record fields and credential sets"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_TEXTS = {
    "owner_unit": 100, "division": 12, "structure": 2, "position_type": 2, "room_type": 2, "use_type": 2,
    "fill_light": 2, "confidentiality": 1,
}  # fmt: skip


def upgrade() -> None:
    with op.batch_alter_table("cameras", schema=None) as batch_op:
        for name in ("profiles", "offers"):
            batch_op.add_column(sa.Column(name, _JSON, server_default="[]", nullable=False))
        for name in ("snapshot_url", "replay_url"):
            batch_op.add_column(sa.Column(name, sa.String(length=600), nullable=True))
        batch_op.add_column(sa.Column("credential_set", sa.String(length=36), nullable=True))
        for name in ("clear_login", "device_events"):
            batch_op.add_column(sa.Column(name, sa.Boolean(), server_default=sa.false(), nullable=False))
        for name, length in _TEXTS.items():
            batch_op.add_column(sa.Column(name, sa.String(length=length), server_default="", nullable=False))
        batch_op.add_column(sa.Column("bearing", sa.Float(), nullable=True))
        batch_op.create_index(batch_op.f("ix_cameras_credential_set"), ["credential_set"], unique=False)
    op.create_table(
        "credential_sets",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("networks", _JSON, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("username", sa.String(length=100), nullable=False),
        sa.Column("sealed_password", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("platform", sa.String(length=32), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_credential_sets")),
    )
    with op.batch_alter_table("credential_sets", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_credential_sets_platform"), ["platform"], unique=False)


def downgrade() -> None:
    op.drop_table("credential_sets")
    with op.batch_alter_table("cameras", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_cameras_credential_set"))
        for name in (
            "profiles", "offers", "snapshot_url", "replay_url", "credential_set", "clear_login", "device_events",
            *_TEXTS, "bearing",
        ):  # fmt: skip
            batch_op.drop_column(name)
