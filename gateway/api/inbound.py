"""``/api/v1/inbound/{receiver}``: another platform's state changes, signed in the Standard Webhooks form.

It is a door for machines that hold no session: the signature by the receiver's own secret says who they are.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Request
from pydantic import BaseModel, ConfigDict, Field

from gateway.access.caller import Caller
from gateway.api.event_photos import kept_photo
from gateway.api.events import event_desk_of
from gateway.api.guard import permit
from gateway.api.services import Doors, Services
from gateway.events.event_desk import Photo
from gateway.events.intake import evidence_folder
from gateway.events.outward import receivers
from gateway.events.outward.inbound import InboundDesk, InboundRules
from gateway.events.outward.standard_webhooks import SignedHeaders
from gateway.refusals import Refusal
from gateway.storage.evidence_files import EvidenceFiles

router = APIRouter(tags=["receivers"])


class InboundAnswer(BaseModel):
    """``repeated``: this webhook-id had been carried out before; nothing was done again."""

    event_no: str
    action: str
    state: str
    revision: int
    repeated: bool


class InboundAsked(BaseModel):
    model_config = ConfigDict(extra="forbid")

    rules: InboundRules | None = Field(description="null: nothing is taken any more, and the secret is forgotten.")
    new_secret: bool = Field(default=False, description="Make a new secret; the old one is worth nothing then.")
    revision: int | None = Field(default=None, ge=1)


class InboundOpened(BaseModel):
    address: str
    rules: InboundRules | None
    secret: str | None = Field(description="Shown this once, where one was made.")
    revision: int


@dataclass(frozen=True, slots=True)
class _Photos:
    doors: Services

    async def keep(self, content: bytes) -> Photo:
        return await kept_photo(self.doors, content, "after_photo")

    async def forget(self, photo: Photo) -> None:
        await EvidenceFiles(evidence_folder(self.doors.settings), ()).forget([photo.file.path])


@router.post("/inbound/{receiver_id}")
async def take_message(
    receiver_id: str,
    request: Request,
    doors: Doors,
    message_id: Annotated[str, Header(alias="webhook-id", max_length=200)] = "",
    timestamp: Annotated[str, Header(alias="webhook-timestamp", max_length=20)] = "",
    signature: Annotated[str, Header(alias="webhook-signature", max_length=2000)] = "",
) -> InboundAnswer:
    """One step of one event that was dispatched to the receiver. 401: signature or time; 404: not its event; 409: the
    event's state or revision is another, or the id was used; 422: a field or code."""
    # By address too, so that nobody else can use up what a receiver may send.
    client = request.client.host if request.client is not None else ""
    wait = doors.inbound_attempts.wait(f"{receiver_id} {client}", time.monotonic())
    if wait:
        raise Refusal(
            "too_many",
            "inbound_too_fast",
            f"消息过于频繁，请 {wait:.0f} 秒后再试。",
            f"Too many messages; try again in {wait:.0f} s.",
        )
    if not (message_id and timestamp and signature):
        raise Refusal("unauthenticated", "not_signed_in", "消息未签名。", "The message is not signed.")

    desk = InboundDesk(doors.db, doors.vault, doors.announcer, event_desk_of(doors), _Photos(doors))
    headers = SignedHeaders(message_id, timestamp, signature)
    return InboundAnswer(**asdict(await desk.take(receiver_id, headers, await request.body(), doors.clock())))


@router.put("/receivers/{receiver_id}/inbound")
async def open_inbound(
    receiver_id: str, asked: InboundAsked, caller: Annotated[Caller, Depends(permit("receivers.write"))], doors: Doors
) -> InboundOpened:
    """Open the way back for a receiver, change its rules, or close it."""
    async with doors.db.transaction() as session:
        row, secret = await receivers.Receivers(doors.vault, doors.settings.receivers).open_inbound(
            session, caller, receiver_id, asked.rules, asked.new_secret, asked.revision, doors.clock()
        )
        return InboundOpened(
            address=f"/api/v1/inbound/{row.id}", rules=asked.rules, secret=secret, revision=row.revision
        )
