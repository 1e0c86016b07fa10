"""Which classes a platform and a department have: PostgreSQL takes them for independent otherwise, and walks a year of
events for a list that has none; and the events of a department by their class."""

from __future__ import annotations

from alembic import op

revision = "0120"
down_revision = "0080"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_events_department_class_code", "events", ["department", "class_code"])
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute("CREATE STATISTICS st_events_whose_and_what (mcv) ON platform, department, class_code FROM events")
    op.execute("ALTER STATISTICS st_events_whose_and_what SET STATISTICS 1000")
    op.execute("ANALYZE events")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP STATISTICS st_events_whose_and_what")
    op.drop_index("ix_events_department_class_code", "events")
