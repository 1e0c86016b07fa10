"""The mappings of receivers: tried before they are kept, kept in versions, the newest in force."""

from __future__ import annotations

from datetime import datetime

from pydantic import ValidationError
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access import audit
from gateway.access.caller import Caller
from gateway.events.outward.mapping import Mapped, Mapping, MappingFailed, mapped
from gateway.events.outward.outbox import TEST_TYPE
from gateway.events.outward.receivers import found, same_revision
from gateway.events.outward.sample import sample_event
from gateway.events.outward.standard_webhooks import CloudEvent
from gateway.refusals import Refusal
from gateway.storage.tables.outward import ReceiverMappingRow, ReceiverRow

_REASONS = {
    "source_empty": ("来源为空", "its source is empty"),
    "not_a_time": ("来源不是时间", "its source is no time"),
    "not_a_number": ("来源不是数字", "its source is no number"),
    "not_a_boolean": ("来源不是真假值", "its source is neither true nor false"),
    "not_in_table": ("代码表中没有来源的值", "its source's value is not in the table"),
    "target_clashes": ("与其他字段冲突", "it clashes with another field"),
    "body_too_large": ("消息过大", "the message grows too large"),
}


def tried(mapping: Mapping, platform: str, now: datetime, links: str) -> Mapped:
    """The mapping on an event that never was; refuses one that fails, with the field named."""
    event = CloudEvent(
        id="00000000-0000-7000-8000-000000000000",
        source=f"/platforms/{platform}",
        type=TEST_TYPE,
        subject="events/TEST-000001",
        time=now,
        data=sample_event(platform, now),
    )
    try:
        return mapped(mapping, event.document(), links)
    except MappingFailed as error:
        zh, en = _REASONS.get(error.reason.split(" ")[0], (error.reason, error.reason))
        raise Refusal(
            "invalid",
            f"mapping_{error.reason.split(' ')[0]}",
            f"字段“{error.field}”：{zh}。",
            f"Field {error.field!r}: {en}.",
            field=error.field,
        ) from None


async def set_mapping(
    session: AsyncSession,
    caller: Caller,
    receiver_id: str,
    mapping: Mapping | None,
    revision: int | None,
    links: str,
    now: datetime,
) -> ReceiverRow:
    """Put a new version in force, or none: CloudEvents as they are. Earlier versions stay on record."""
    row = await found(session, caller, receiver_id, held=True)
    same_revision(row, revision)
    if mapping is None:
        row.mapping_version = None
    else:
        tried(mapping, row.platform, now, links)
        last = select(func.coalesce(func.max(ReceiverMappingRow.version), 0)).where(
            ReceiverMappingRow.receiver_id == row.id
        )
        version = (await session.execute(last)).scalar_one() + 1
        document = mapping.model_dump(mode="json", by_alias=True, exclude_unset=True)
        session.add(
            ReceiverMappingRow(
                receiver_id=row.id, version=version, document=document, made_by=caller.username, made_at=now
            )
        )
        row.mapping_version = version
    await session.flush()
    why = f"version {row.mapping_version}" if row.mapping_version is not None else "none"
    await audit.append(
        session, audit.Act(caller.username, "receiver.map", f"receiver:{row.id}", row.platform, why), now
    )
    return row


async def mapping_in_force(session: AsyncSession, row: ReceiverRow) -> Mapping | None:
    if row.mapping_version is None:
        return None
    query = select(ReceiverMappingRow.document).where(
        ReceiverMappingRow.receiver_id == row.id, ReceiverMappingRow.version == row.mapping_version
    )
    document = await session.scalar(query)
    try:
        return Mapping.model_validate(document)
    except ValidationError:
        raise Refusal(
            "unavailable",
            "mapping_unreadable",
            "已保存的字段映射无法读取，请重新保存。",
            "The stored mapping cannot be read; save it again.",
        ) from None


async def versions(session: AsyncSession, row: ReceiverRow) -> list[ReceiverMappingRow]:
    """Every version, the newest first."""
    query = select(ReceiverMappingRow).where(ReceiverMappingRow.receiver_id == row.id)
    return list(await session.scalars(query.order_by(ReceiverMappingRow.version.desc()).limit(200)))
