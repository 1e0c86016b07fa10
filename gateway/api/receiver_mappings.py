"""``/api/v1/receivers/{id}/mappings``: another platform's fields, tried on a sample event before they are in force."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from gateway.access.caller import Caller
from gateway.api.guard import permit
from gateway.api.services import Doors
from gateway.events.outward import mappings, receivers
from gateway.events.outward.mapping import Mapping
from gateway.events.outward.sample import sample_event

router = APIRouter(tags=["receivers"])
Reader = Annotated[Caller, Depends(permit("receivers.read"))]
Writer = Annotated[Caller, Depends(permit("receivers.write"))]


class PreviewAsked(BaseModel):
    model_config = ConfigDict(extra="forbid")

    mapping: Mapping


class Previewed(BaseModel):
    """What the receiver would get for ``event``, the ``data`` of a CloudEvent."""

    media_type: str
    body: str
    event: dict[str, Any]


class MappingAsked(BaseModel):
    model_config = ConfigDict(extra="forbid")

    mapping: Mapping | None = Field(description="null: CloudEvents as they are.")
    revision: int | None = Field(default=None, ge=1, description="The receiver's revision that was looked at.")


class MappingVersion(BaseModel):
    version: int
    in_force: bool
    made_by: str
    made_at: datetime
    mapping: dict[str, Any]


class MappingList(BaseModel):
    items: list[MappingVersion]
    total: int
    revision: int = Field(description="The receiver's.")


@router.post("/receivers/preview-mapping")
async def preview_mapping(asked: PreviewAsked, caller: Writer, doors: Doors) -> Previewed:
    """The mapping on a sample event; refused with the field at fault. Nothing is kept."""
    now = doors.clock()
    made = mappings.tried(asked.mapping, caller.platform, now, doors.settings.receivers.links)
    return Previewed(
        media_type=made.media_type,
        body=_readable(made.body) if made.media_type.startswith("application/json") else made.body.decode(),
        event=sample_event(caller.platform, now),
    )


@router.get("/receivers/{receiver_id}/mappings")
async def list_mappings(receiver_id: str, caller: Reader, doors: Doors) -> MappingList:
    """Every version, the newest first."""
    async with doors.db.reading() as session:
        row = await receivers.found(session, caller, receiver_id)
        items = [
            MappingVersion(
                version=one.version,
                in_force=one.version == row.mapping_version,
                made_by=one.made_by,
                made_at=one.made_at,
                mapping=one.document,
            )
            for one in await mappings.versions(session, row)
        ]
        return MappingList(items=items, total=len(items), revision=row.revision)


@router.put("/receivers/{receiver_id}/mappings")
async def set_mapping(receiver_id: str, asked: MappingAsked, caller: Writer, doors: Doors) -> MappingList:
    """Put a mapping in force as a new version, or take it away. What waits is sent in the new form."""
    async with doors.db.transaction() as session:
        await mappings.set_mapping(
            session,
            caller,
            receiver_id,
            asked.mapping,
            asked.revision,
            doors.settings.receivers.links,
            doors.clock(),
        )
    doors.wake_outbox()
    return await list_mappings(receiver_id, caller, doors)


def _readable(body: bytes) -> str:
    return json.dumps(json.loads(body), ensure_ascii=False, indent=2)
