"""Grid staff, dispatch rules, who is responsible for an event and why; the division of a platform."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0085"
down_revision = "0090"
branch_labels = None
depends_on = None


def upgrade() -> None:
    document = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
    op.create_table(
        "grid_staff",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("username", sa.String(length=64), nullable=True),
        sa.Column("post", sa.String(length=32), nullable=False),
        sa.Column("grids", document, nullable=False),
        sa.Column("days", document, nullable=False),
        sa.Column("hours", document, nullable=False),
        sa.Column("sealed_phone", sa.Text(), nullable=True),
        sa.Column("leave_from", sa.DateTime(timezone=True), nullable=True),
        sa.Column("leave_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("replacement", sa.String(length=36), nullable=True),
        sa.Column("note", sa.String(length=200), server_default="", nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("platform", sa.String(length=32), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grid_staff")),
        sa.UniqueConstraint("username", name=op.f("uq_grid_staff_username")),
    )
    with op.batch_alter_table("grid_staff", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_grid_staff_platform"), ["platform"], unique=False)
        batch_op.create_index(batch_op.f("ix_grid_staff_replacement"), ["replacement"], unique=False)
    op.create_table(
        "dispatch_rules",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("class_code", sa.String(length=16), nullable=False),
        sa.Column("place", sa.String(length=16), nullable=False),
        sa.Column("place_code", sa.String(length=32), nullable=False),
        sa.Column("days", document, nullable=False),
        sa.Column("hours", document, nullable=False),
        sa.Column("department", sa.String(length=32), nullable=False),
        sa.Column("staff", sa.String(length=36), nullable=True),
        sa.Column("grid_staff", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("fallback", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("platform", sa.String(length=32), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dispatch_rules")),
        sa.UniqueConstraint("number", name=op.f("uq_dispatch_rules_number")),
    )
    with op.batch_alter_table("dispatch_rules", schema=None) as batch_op:
        for column in ("platform", "place_code", "department", "staff"):
            batch_op.create_index(batch_op.f(f"ix_dispatch_rules_{column}"), [column], unique=False)
    op.add_column("platforms", sa.Column("division", sa.String(length=12), server_default="", nullable=False))
    op.add_column("events", sa.Column("responsible", document, nullable=True))


def downgrade() -> None:
    op.drop_column("events", "responsible")
    op.drop_column("platforms", "division")
    op.drop_table("dispatch_rules")
    op.drop_table("grid_staff")
