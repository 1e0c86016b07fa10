"""rooms: consultation, entries, orders, links, plans, pictures, recordings, terminals"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0060"
down_revision = "0040"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
TIME = sa.DateTime(timezone=True)


def _record(name: str, *columns: sa.Column, constraints: tuple[sa.Constraint, ...] = ()) -> None:  # type: ignore[type-arg]
    op.create_table(
        name,
        *columns,
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("platform", sa.String(32), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=f"pk_{name}"),
        *constraints,
    )
    op.create_index(f"ix_{name}_platform", name, ["platform"])


def _of_room(name: str) -> tuple[sa.Column, sa.Constraint]:  # type: ignore[type-arg]
    return (
        sa.Column("room_id", sa.String(36), nullable=False),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name=f"fk_{name}_room_id_rooms"),
    )


def upgrade() -> None:
    with op.batch_alter_table("rooms") as batch:
        batch.add_column(sa.Column("number", sa.String(8), nullable=True))
        batch.add_column(sa.Column("origin", sa.String(16), nullable=True))
        batch.add_column(sa.Column("starts_at", TIME, nullable=True))
        batch.add_column(sa.Column("consultation", JSON, nullable=True))
        batch.create_unique_constraint("uq_rooms_number", ["number"])
        batch.create_index("ix_rooms_event_no", ["event_no"])
    with op.batch_alter_table("room_members") as batch:
        batch.add_column(sa.Column("address", sa.String(200), nullable=True))
    with op.batch_alter_table("user_sessions") as batch:
        batch.add_column(sa.Column("room_id", sa.String(36), nullable=True))
        batch.create_index("ix_user_sessions_room_id", ["room_id"])

    room_id, in_room = _of_room("room_entries")
    op.create_table(
        "room_entries",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("platform", sa.String(32), nullable=False),
        room_id,
        sa.Column("at", TIME, nullable=False),
        sa.Column("who", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("data", JSON, nullable=False),
        in_room,
        sa.PrimaryKeyConstraint("id", name="pk_room_entries"),
    )
    op.create_index("ix_room_entries_room_id_at", "room_entries", ["room_id", "at"])

    room_id, in_room = _of_room("room_orders")
    _record(
        "room_orders",
        room_id,
        sa.Column("batch", sa.String(36), nullable=False),
        sa.Column("event_no", sa.String(64), nullable=True),
        sa.Column("addressee", sa.String(64), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("issued_by", sa.String(64), nullable=False),
        sa.Column("issued_at", TIME, nullable=False),
        sa.Column("due_at", TIME, nullable=True),
        sa.Column("signed_at", TIME, nullable=True),
        sa.Column("fed_back_at", TIME, nullable=True),
        sa.Column("feedback", sa.Text(), nullable=False),
        constraints=(in_room,),
    )
    for column in ("room_id", "event_no", "addressee"):
        op.create_index(f"ix_room_orders_{column}", "room_orders", [column])

    room_id, in_room = _of_room("room_links")
    _record(
        "room_links",
        room_id,
        sa.Column("token_sha256", sa.String(64), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("issued_by", sa.String(64), nullable=False),
        sa.Column("issued_at", TIME, nullable=False),
        sa.Column("until", TIME, nullable=False),
        sa.Column("used_at", TIME, nullable=True),
        sa.Column("revoked_at", TIME, nullable=True),
        sa.Column("user_id", sa.String(36), nullable=True),
        constraints=(
            in_room,
            sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_room_links_user_id_users"),
            sa.UniqueConstraint("token_sha256", name="uq_room_links_token_sha256"),
        ),
    )
    op.create_index("ix_room_links_room_id", "room_links", ["room_id"])

    _record(
        "room_plans",
        sa.Column("class_code", sa.String(16), nullable=False),
        sa.Column("grid", sa.String(32), nullable=False),
        sa.Column("invitees", JSON, nullable=False),
        sa.Column("cameras", JSON, nullable=False),
        sa.Column("nearest", sa.Integer(), nullable=False),
        constraints=(
            sa.UniqueConstraint("platform", "class_code", "grid", name="uq_room_plans_platform_class_code_grid"),
        ),
    )

    room_id, in_room = _of_room("room_pictures")
    _record(
        "room_pictures",
        room_id,
        sa.Column("member_id", sa.String(36), nullable=True),
        sa.Column("path", sa.String(200), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("frozen_by", sa.String(64), nullable=False),
        sa.Column("frozen_at", TIME, nullable=False),
        sa.Column("strokes", JSON, nullable=False),
        constraints=(in_room,),
    )
    op.create_index("ix_room_pictures_room_id", "room_pictures", ["room_id"])

    room_id, in_room = _of_room("room_recordings")
    _record(
        "room_recordings",
        room_id,
        sa.Column("member_id", sa.String(36), nullable=True),
        sa.Column("path", sa.String(200), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("starts_at", TIME, nullable=False),
        sa.Column("ends_at", TIME, nullable=False),
        sa.Column("partial", sa.Boolean(), nullable=False),
        constraints=(in_room,),
    )
    op.create_index("ix_room_recordings_room_id", "room_recordings", ["room_id"])

    _record(
        "terminals",
        sa.Column("username", sa.String(64), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("address", sa.String(200), nullable=False),
        sa.Column("sealed_secret", sa.String(500), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("removed_at", TIME, nullable=True),
        constraints=(sa.UniqueConstraint("username", name="uq_terminals_username"),),
    )


def downgrade() -> None:
    for name in (
        "terminals", "room_recordings", "room_pictures", "room_plans", "room_links", "room_orders", "room_entries",
    ):  # fmt: skip
        op.drop_table(name)
    with op.batch_alter_table("user_sessions") as batch:
        batch.drop_index("ix_user_sessions_room_id")
        batch.drop_column("room_id")
    with op.batch_alter_table("room_members") as batch:
        batch.drop_column("address")
    with op.batch_alter_table("rooms") as batch:
        batch.drop_index("ix_rooms_event_no")
        batch.drop_constraint("uq_rooms_number", type_="unique")
        for column in ("consultation", "starts_at", "origin", "number"):
            batch.drop_column(column)
