"""mappings of receivers in versions, and what receivers send back"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.storage.tables.base import JSON_DOCUMENT

revision = "0091"
down_revision = "0085"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("receivers") as batch:
        batch.add_column(sa.Column("mapping_version", sa.Integer(), nullable=True))
        batch.add_column(sa.Column("inbound", JSON_DOCUMENT, nullable=False, server_default="{}"))
        batch.add_column(sa.Column("sealed_inbound", sa.String(length=1000), nullable=False, server_default=""))
    with op.batch_alter_table("receivers") as batch:
        batch.alter_column("inbound", server_default=None)
        batch.alter_column("sealed_inbound", server_default=None)
    op.create_table(
        "receiver_mappings",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("receiver_id", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("document", JSON_DOCUMENT, nullable=False),
        sa.Column("made_by", sa.String(length=64), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["receiver_id"], ["receivers.id"], name=op.f("fk_receiver_mappings_receiver_id_receivers")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_receiver_mappings")),
        sa.UniqueConstraint("receiver_id", "version", name=op.f("uq_receiver_mappings_receiver_id_version")),
    )
    op.create_table(
        "inbound_messages",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("receiver_id", sa.String(length=36), nullable=False),
        sa.Column("message_id", sa.String(length=128), nullable=False),
        sa.Column("body_sha256", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event_no", sa.String(length=64), nullable=False),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("event_revision", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["receiver_id"], ["receivers.id"], name=op.f("fk_inbound_messages_receiver_id_receivers")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbound_messages")),
        sa.UniqueConstraint("receiver_id", "message_id", name=op.f("uq_inbound_messages_receiver_id_message_id")),
    )


def downgrade() -> None:
    op.drop_table("inbound_messages")
    op.drop_table("receiver_mappings")
    with op.batch_alter_table("receivers") as batch:
        for name in ("sealed_inbound", "inbound", "mapping_version"):
            batch.drop_column(name)
