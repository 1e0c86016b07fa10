"""An event that never was, in the form in which real ones are told: for tests of receivers and of their mappings."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from gateway.events.shown import EventShown, EvidenceShown, FlowShown

NUMBER = "TEST-000001"
_ID = "00000000-0000-7000-8000-000000000000"


def sample_event(platform: str, now: datetime) -> dict[str, Any]:
    """Marked as a drill, so that nobody takes it for real."""
    seen = now - timedelta(minutes=2)
    return EventShown(
        id=_ID, no=NUMBER, platform=platform, state="reported", hazard="stall", class_code="04-06",
        class_name="占道经营", level=4, warning_colour="blue", category="urban",
        camera_code="99000000001320000001", camera_name="测试路口东", zone="", grid="990000000001001",
        lng=120.5, lat=30.25, address="测试路1号", reported_at=now, source="camera", reported_by="system",
        seen_at=seen, department=platform, assignee=None, clock="urgent_hour", due_at=now + timedelta(minutes=15),
        stage="running", overdue_at=None, handle_due_at=None, handled_at=None, handled_late=False,
        suspension_asked=False, extension_until=None, extensions=0, reworks=0, urges=0, urgent=False,
        supervised=False, appeal="", duplicate_of=None, duplicates=[], closed_at=None,
        description="测试消息，无需处理。A test message; nothing is to be done.", alert_ids=[_ID],
        evidence=[
            EvidenceShown(
                id=_ID, kind="snapshot", media_type="image/jpeg", starts_at=seen, ends_at=seen, partial=False,
                sha256="0" * 64, size=1,
            ),
        ],
        flow=[
            FlowShown(
                at=now, from_state=None, to_state="reported", action="report", operator="system", opinion="测试",
            ),
        ],
        drill=True, revision=1,
    ).model_dump(mode="json")  # fmt: skip
