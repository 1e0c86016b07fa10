"""Peace, wartime and drills; alerts and rooms that arose in a drill are marked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0095"
down_revision = "0076"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    document = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
    op.create_table(
        "mode_switches",
        sa.Column("wartime", sa.Boolean(), nullable=False),
        sa.Column("drill", sa.Boolean(), nullable=False),
        sa.Column("classes", document, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("asked_by", sa.String(64), nullable=False),
        sa.Column("asked_at", TIME, nullable=False),
        sa.Column("decided_by", sa.String(64), nullable=True),
        sa.Column("since", TIME, nullable=True),
        sa.Column("until", TIME, nullable=False),
        sa.Column("warned_at", TIME, nullable=True),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("platform", sa.String(32), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mode_switches")),
    )
    op.create_index("ix_mode_switches_state_until", "mode_switches", ["state", "until"])
    op.create_index(op.f("ix_mode_switches_platform"), "mode_switches", ["platform"])
    op.create_table(
        "mode_log",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("platform", sa.String(32), nullable=False),
        sa.Column("switch_id", sa.String(36), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("operator", sa.String(64), nullable=False),
        sa.Column("opinion", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["switch_id"], ["mode_switches.id"], name=op.f("fk_mode_log_switch_id_mode_switches")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mode_log")),
    )
    op.create_index(op.f("ix_mode_log_switch_id"), "mode_log", ["switch_id"])
    op.create_index(op.f("ix_mode_log_at"), "mode_log", ["at"])
    for table in ("alerts", "rooms"):
        with op.batch_alter_table(table) as batch:
            batch.add_column(sa.Column("drill", sa.Boolean(), nullable=False, server_default=sa.false()))
        with op.batch_alter_table(table) as batch:
            batch.alter_column("drill", existing_type=sa.Boolean(), existing_nullable=False, server_default=None)


def downgrade() -> None:
    for table in ("alerts", "rooms"):
        with op.batch_alter_table(table) as batch:
            batch.drop_column("drill")
    op.drop_table("mode_log")
    op.drop_table("mode_switches")
