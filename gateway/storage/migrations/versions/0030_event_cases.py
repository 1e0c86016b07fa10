"""Events keep their deadlines, requests, photographs and duplicates; code tables are data."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0030"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "code_tables",
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("version", sa.String(length=32), nullable=False),
        sa.Column("document", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("platform", sa.String(length=32), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_code_tables")),
        sa.UniqueConstraint("kind", "name", name=op.f("uq_code_tables_kind_name")),
    )
    with op.batch_alter_table("code_tables", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_code_tables_platform"), ["platform"], unique=False)

    with op.batch_alter_table("events", schema=None) as batch_op:
        batch_op.add_column(sa.Column("source", sa.String(length=16), nullable=False, server_default="camera"))
        batch_op.add_column(sa.Column("reported_by", sa.String(length=64), nullable=False, server_default="system"))
        batch_op.add_column(sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(
            sa.Column("limit_clock", sa.String(length=16), nullable=False, server_default="urgent_hour")
        )
        batch_op.add_column(sa.Column("limit_amount", sa.Float(), nullable=False, server_default="2"))
        batch_op.add_column(sa.Column("same_slot", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(sa.Column("department", sa.String(length=32), nullable=True))
        batch_op.add_column(sa.Column("assignee", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("clock", sa.String(length=16), nullable=False, server_default="urgent_hour"))
        batch_op.add_column(sa.Column("due_from", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("stage", sa.String(length=16), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("timer_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("clock_left", sa.Float(), nullable=True))
        batch_op.add_column(sa.Column("overdue_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("handle_due_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("handling_since", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("handled_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("handled_late", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(sa.Column("fed_back_by", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("suspension_asked", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(sa.Column("extension_until", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("extensions", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("reworks", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("urges", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("urgent", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(sa.Column("supervised", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(sa.Column("appeal", sa.String(length=16), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("duplicate_of", sa.String(length=64), nullable=True))
        batch_op.create_index("ix_events_department_reported_at", ["department", "reported_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_events_duplicate_of"), ["duplicate_of"], unique=False)
        batch_op.create_index(batch_op.f("ix_events_timer_at"), ["timer_at"], unique=False)

    # What was open before goes on: its clock is said to be overdue when its present deadline passes.
    op.execute("UPDATE events SET seen_at = reported_at, due_from = reported_at")
    op.execute("UPDATE events SET stage = 'warned', timer_at = due_at WHERE due_at IS NOT NULL")
    op.execute("UPDATE events SET limit_amount = 1 WHERE class_code = '90-01'")
    op.execute(
        "UPDATE events SET department = platform WHERE state IN ('dispatched', 'signed', 'returned', 'handling',"
        " 'suspended', 'feedback', 'checking', 'rework', 'closed')"
    )
    op.execute("UPDATE events SET handle_due_at = due_at WHERE state IN ('signed', 'handling', 'suspended', 'rework')")
    op.execute("UPDATE events SET clock_left = 3600, due_at = NULL, timer_at = NULL WHERE state = 'suspended'")
    with op.batch_alter_table("events", schema=None) as batch_op:
        batch_op.alter_column("seen_at", existing_type=sa.DateTime(timezone=True), nullable=False)
        batch_op.alter_column("source", existing_type=sa.String(length=16), server_default=None)
        batch_op.alter_column("reported_by", existing_type=sa.String(length=64), server_default=None)
        batch_op.alter_column("limit_clock", existing_type=sa.String(length=16), server_default=None)
        batch_op.alter_column("limit_amount", existing_type=sa.Float(), server_default=None)
        batch_op.alter_column("same_slot", existing_type=sa.Boolean(), server_default=None)
        batch_op.alter_column("clock", existing_type=sa.String(length=16), server_default=None)
        batch_op.alter_column("stage", existing_type=sa.String(length=16), server_default=None)
        batch_op.alter_column("handled_late", existing_type=sa.Boolean(), server_default=None)
        batch_op.alter_column("suspension_asked", existing_type=sa.Boolean(), server_default=None)
        batch_op.alter_column("extensions", existing_type=sa.Integer(), server_default=None)
        batch_op.alter_column("reworks", existing_type=sa.Integer(), server_default=None)
        batch_op.alter_column("urges", existing_type=sa.Integer(), server_default=None)
        batch_op.alter_column("urgent", existing_type=sa.Boolean(), server_default=None)
        batch_op.alter_column("supervised", existing_type=sa.Boolean(), server_default=None)
        batch_op.alter_column("appeal", existing_type=sa.String(length=16), server_default=None)

    with op.batch_alter_table("evidence", schema=None) as batch_op:
        batch_op.add_column(sa.Column("event_no", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("added_by", sa.String(length=64), nullable=True))
        batch_op.alter_column("sighting_id", existing_type=sa.VARCHAR(length=36), nullable=True)
        batch_op.create_index(batch_op.f("ix_evidence_event_no"), ["event_no"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("evidence", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_evidence_event_no"))
        batch_op.alter_column("sighting_id", existing_type=sa.VARCHAR(length=36), nullable=False)
        batch_op.drop_column("added_by")
        batch_op.drop_column("event_no")

    with op.batch_alter_table("events", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_events_timer_at"))
        batch_op.drop_index(batch_op.f("ix_events_duplicate_of"))
        batch_op.drop_index("ix_events_department_reported_at")
        batch_op.drop_column("duplicate_of")
        batch_op.drop_column("appeal")
        batch_op.drop_column("supervised")
        batch_op.drop_column("urgent")
        batch_op.drop_column("urges")
        batch_op.drop_column("reworks")
        batch_op.drop_column("extensions")
        batch_op.drop_column("extension_until")
        batch_op.drop_column("suspension_asked")
        batch_op.drop_column("fed_back_by")
        batch_op.drop_column("handled_late")
        batch_op.drop_column("handled_at")
        batch_op.drop_column("handling_since")
        batch_op.drop_column("handle_due_at")
        batch_op.drop_column("overdue_at")
        batch_op.drop_column("clock_left")
        batch_op.drop_column("timer_at")
        batch_op.drop_column("stage")
        batch_op.drop_column("due_from")
        batch_op.drop_column("clock")
        batch_op.drop_column("assignee")
        batch_op.drop_column("department")
        batch_op.drop_column("same_slot")
        batch_op.drop_column("limit_amount")
        batch_op.drop_column("limit_clock")
        batch_op.drop_column("seen_at")
        batch_op.drop_column("reported_by")
        batch_op.drop_column("source")

    with op.batch_alter_table("code_tables", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_code_tables_platform"))

    op.drop_table("code_tables")
