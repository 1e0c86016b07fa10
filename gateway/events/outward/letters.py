"""From a message of the outbox to what a receiver gets."""

from __future__ import annotations

from gateway.events.outward.cap import MEDIA_TYPE as CAP_TYPE
from gateway.events.outward.mapping import Mapping, mapped
from gateway.events.outward.outbox import WARNING_TYPE
from gateway.events.outward.standard_webhooks import MEDIA_TYPE, CloudEvent
from gateway.events.outward.ways import Letter
from gateway.storage.tables.events import OutboxRow


def event_of(row: OutboxRow) -> CloudEvent:
    return CloudEvent(
        id=row.id,
        source=f"/platforms/{row.platform}",
        type=row.type,
        subject=row.subject,
        time=row.at,
        data=row.data,
    )


def letter_of(event: CloudEvent, mapping: Mapping | None, links: str) -> Letter:
    """Raises ``MappingFailed`` with the field at fault."""
    if event.type == WARNING_TYPE:
        return Letter(event, str(event.data["cap"]).encode(), CAP_TYPE, binary=True)
    if mapping is None:
        return Letter(event, event.body(), MEDIA_TYPE)
    made = mapped(mapping, event.document(), links)
    return Letter(event, made.body, made.media_type, mapped=True)
