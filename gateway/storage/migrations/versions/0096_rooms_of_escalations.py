"""Plans by mode; rooms that open by themselves when an event is escalated."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0096"
down_revision = "0091"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    with op.batch_alter_table("room_plans") as batch:
        batch.add_column(sa.Column("mode", sa.String(8), nullable=False, server_default="*"))
        batch.add_column(sa.Column("opens", sa.Boolean(), nullable=False, server_default=sa.true()))
    with op.batch_alter_table("room_plans") as batch:
        batch.alter_column("mode", existing_type=sa.String(8), existing_nullable=False, server_default=None)
        batch.alter_column("opens", existing_type=sa.Boolean(), existing_nullable=False, server_default=None)
        batch.drop_constraint("uq_room_plans_platform_class_code_grid", type_="unique")
        batch.create_unique_constraint(
            "uq_room_plans_platform_class_code_grid_mode", ["platform", "class_code", "grid", "mode"]
        )
    op.create_table(
        "room_openings",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("platform", sa.String(32), nullable=False),
        sa.Column("event_no", sa.String(64), nullable=False),
        sa.Column("asked_by", sa.String(64), nullable=False),
        sa.Column("asked_at", TIME, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("next_at", TIME, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("last_error", sa.String(200), nullable=True),
        sa.ForeignKeyConstraint(["event_no"], ["events.no"], name=op.f("fk_room_openings_event_no_events")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_room_openings")),
    )
    op.create_index(op.f("ix_room_openings_event_no"), "room_openings", ["event_no"])
    op.create_index("ix_room_openings_state_next_at", "room_openings", ["state", "next_at"])


def downgrade() -> None:
    op.drop_table("room_openings")
    with op.batch_alter_table("room_plans") as batch:
        batch.drop_constraint("uq_room_plans_platform_class_code_grid_mode", type_="unique")
        batch.create_unique_constraint("uq_room_plans_platform_class_code_grid", ["platform", "class_code", "grid"])
        batch.drop_column("opens")
        batch.drop_column("mode")
