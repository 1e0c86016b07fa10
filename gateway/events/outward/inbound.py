"""State changes that another platform sends back: signed by its receiver's own secret, each carried out once.

A message is one step of one event, read by the receiver's rules (their field, their code → our action) and taken by the
same state machine as a person's, in the receiver's roles. The step and the message's id are one transaction; so a
message sent again is answered as it was, and a refused one has changed nothing and may come again once it is mended.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import structlog
from pydantic import BaseModel, ConfigDict, Field, field_validator
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.access import audit
from gateway.access.caller import Caller
from gateway.access.scopes import subtree
from gateway.events.announcing import Announcer, Changes
from gateway.events.event_desk import EventDesk, Photo, StepAsked
from gateway.events.event_records import held_event
from gateway.events.event_states import TRANSITIONS
from gateway.events.outward import paths
from gateway.events.outward.mapping import PathText
from gateway.events.outward.standard_webhooks import SignedHeaders, check_signature
from gateway.refusals import Refusal
from gateway.storage.database import Database
from gateway.storage.tables.grid import Platform
from gateway.storage.tables.outward import InboundMessageRow, ReceiverRow
from gateway.storage.vault import Vault

log = structlog.get_logger(__name__)

ROLES = ("department", "grid_member", "dispatcher", "checker", "duty_officer")
"""Roles that another platform may hold; leaders' decisions stay with people here."""
MOST_PHOTO_TEXT = 6_000_000
LONGEST_ID = 128


class InboundRules(BaseModel):
    """Where a message's fields stand, and what its codes mean. ``actions`` empty: the code is our action itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    event_no: PathText = "event_no"
    code: PathText = "action"
    opinion: PathText = "opinion"
    revision: PathText = "revision"
    photo: PathText = Field(default="photo", description="Base64 of a JPEG or PNG, added as the after-photo.")
    actions: dict[str, str] = Field(default={}, max_length=200, description="Their code → our action.")
    roles: tuple[str, ...] = Field(default=("department",), min_length=1, max_length=len(ROLES))
    revision_required: bool = Field(default=False, description="Refuse messages that do not say what they looked at.")

    @field_validator("actions")
    @classmethod
    def _known_actions(cls, actions: dict[str, str]) -> dict[str, str]:
        unknown = sorted(set(actions.values()) - set(TRANSITIONS))
        if unknown:
            raise ValueError(f"没有操作 no such action: {unknown[0]}")
        return actions

    @field_validator("roles")
    @classmethod
    def _known_roles(cls, roles: tuple[str, ...]) -> tuple[str, ...]:
        if not set(roles) <= set(ROLES):
            raise ValueError(f"角色只能是 roles are: {', '.join(ROLES)}")
        return tuple(sorted(set(roles)))


@dataclass(frozen=True, slots=True)
class Answer:
    """``repeated``: the message had been carried out before."""

    event_no: str
    action: str
    state: str
    revision: int
    repeated: bool = False


class KeepPhotos(Protocol):
    """Keeps photographs as files."""

    async def keep(self, content: bytes) -> Photo:
        """Refuses what is no photograph."""
        ...

    async def forget(self, photo: Photo) -> None: ...


@dataclass(frozen=True, slots=True)
class _Step:
    event_no: str
    action: str
    asked: StepAsked
    photo: bytes | None


@dataclass(frozen=True, slots=True)
class _Sender:
    receiver_id: str
    rules: InboundRules
    caller: Caller
    platforms: frozenset[str]


class InboundDesk:
    def __init__(self, db: Database, vault: Vault, announcer: Announcer, events: EventDesk, photos: KeepPhotos) -> None:
        self._db = db
        self._vault = vault
        self._announcer = announcer
        self._events = events
        self._photos = photos

    async def take(self, receiver_id: str, headers: SignedHeaders, body: bytes, now: datetime) -> Answer:
        """Carry one message out. Raises ``Refusal``; one that came with a right signature is in the audit chain."""
        sender = await self._sender(receiver_id, headers, body, now)
        try:
            return await self._carry_out(sender, headers.message_id, body)
        except Refusal as refusal:
            act = audit.Act(
                sender.caller.username, "inbound.refuse", f"receiver:{receiver_id}", sender.caller.platform,
                f"{headers.message_id} {refusal.reason}",
            )  # fmt: skip
            if refusal.kind != "unavailable":
                async with self._db.transaction() as session:
                    await audit.append(session, act, now)
            raise

    async def _sender(self, receiver_id: str, headers: SignedHeaders, body: bytes, now: datetime) -> _Sender:
        async with self._db.reading() as session:
            row = await session.get(ReceiverRow, receiver_id)
            if row is None or not row.enabled or not row.inbound or not row.sealed_inbound:
                log.warning("inbound_refused", receiver=receiver_id, reason="receiver_unknown")
                raise Refusal("unauthenticated", "signature_refused", "签名不正确。", "The signature is wrong.")
            parents = {one.code: one.parent for one in await session.execute(select(Platform.code, Platform.parent))}
        try:
            check_signature(self._vault.open(row.sealed_inbound, inbound_key(row.id)), headers, body, now)
        except Refusal as refusal:
            log.warning("inbound_refused", receiver=receiver_id, reason=refusal.reason)
            raise
        if not 0 < len(headers.message_id) <= LONGEST_ID or not headers.message_id.isprintable():
            raise Refusal(
                "invalid", "message_id_invalid", "webhook-id 应为 1 至 128 个可见字符。",
                "webhook-id has 1 to 128 printable characters.", field="webhook-id",
            )  # fmt: skip
        platforms = subtree(parents, row.platform)
        rules = InboundRules.model_validate(row.inbound)
        name = f"{row.name[:40] or row.kind}#{row.id[-6:]}"
        caller = Caller(
            user_id=row.id, username=name, display_name=row.name, roles=frozenset(rules.roles), platform=row.platform,
            platforms=platforms, session_id=row.id, kind="bearer", expires_at=now,
        )  # fmt: skip
        return _Sender(row.id, rules, caller, platforms)

    async def _carry_out(self, sender: _Sender, message_id: str, body: bytes) -> Answer:
        digest = hashlib.sha256(body).hexdigest()
        known = await self._known(sender, message_id, digest)
        if known is not None:
            return known
        step = read_step(sender.rules, body)
        photo: Photo | None = await self._photos.keep(step.photo) if step.photo is not None else None

        async def work(session: AsyncSession, changes: Changes) -> Answer:
            event = await held_event(session, step.event_no)
            if event is None or event.department is None or event.department not in sender.platforms:
                raise Refusal(
                    "not_found",
                    "event_unknown",
                    "没有这一事件，或它没有派遣给该接收方。",
                    "There is no such event, or it was not dispatched to this receiver.",
                    field=sender.rules.event_no,
                )
            again = await _answered(session, sender.receiver_id, message_id, digest)
            if again is not None:  # the same message at once, by another connection
                return again
            if step.asked.revision is not None and step.asked.revision != event.revision:
                raise Refusal(
                    "conflict",
                    "revision_stale",
                    f"事件已是第 {event.revision} 版，请取得最新状态后重发（用新的 webhook-id）。",
                    f"The event's revision is {event.revision}; look at it again and send anew under a new webhook-id.",
                    field=sender.rules.revision,
                )
            if photo is not None:
                await self._events.attach(session, changes, sender.caller, step.event_no, photo)
            asked = StepAsked(opinion=step.asked.opinion)
            shown = await self._events.step(session, changes, sender.caller, step.event_no, step.action, asked)
            session.add(
                InboundMessageRow(
                    receiver_id=sender.receiver_id, message_id=message_id, body_sha256=digest, at=changes.at,
                    event_no=shown.no, action=step.action, state=shown.state, event_revision=shown.revision,
                )
            )  # fmt: skip
            await session.flush()
            return Answer(shown.no, step.action, shown.state, shown.revision)

        used = False
        try:
            answer = await self._announcer.commit(work)
            used = not answer.repeated
            return answer
        finally:
            if photo is not None and not used:
                await self._photos.forget(photo)

    async def _known(self, sender: _Sender, message_id: str, digest: str) -> Answer | None:
        async with self._db.reading() as session:
            return await _answered(session, sender.receiver_id, message_id, digest)


async def _answered(session: AsyncSession, receiver_id: str, message_id: str, digest: str) -> Answer | None:
    query = select(InboundMessageRow).where(
        InboundMessageRow.receiver_id == receiver_id, InboundMessageRow.message_id == message_id
    )
    row = await session.scalar(query)
    if row is None:
        return None
    if row.body_sha256 != digest:
        raise Refusal(
            "conflict",
            "message_id_taken",
            "该 webhook-id 已用于另一条消息。",
            "This webhook-id was used for another message.",
            field="webhook-id",
        )
    return Answer(row.event_no, row.action, row.state, row.event_revision, repeated=True)


def read_step(rules: InboundRules, body: bytes) -> _Step:
    """What a message asks for, by the receiver's rules; refuses one that does not say it, with the field named."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise Refusal("invalid", "json_invalid", "消息不是有效的 JSON。", "The message is not valid JSON.") from None
    code = _text(document, rules.code, 100)
    action = rules.actions.get(code) if rules.actions else code if code in TRANSITIONS else None
    if action is None:
        raise Refusal(
            "invalid",
            "inbound_code_unknown",
            f"代码“{code}”没有对应的操作。",
            f"The code {code!r} stands for no action.",
            field=rules.code,
        )
    return _Step(
        _text(document, rules.event_no, 64),
        action,
        StepAsked(opinion=_text(document, rules.opinion, 2000, needed=False), revision=_revision(document, rules)),
        _photo(document, rules),
    )


def _text(document: Any, path: str, longest: int, *, needed: bool = True) -> str:
    value = paths.found(document, paths.parsed(path))
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if (needed and not text) or len(text) > longest or "\x00" in text:
        raise Refusal(
            "invalid",
            "inbound_field_invalid",
            f"字段“{path}”缺失、过长或有误。",
            f"Field {path!r} is missing, too long or wrong.",
            field=path,
        )
    return text


def _revision(document: Any, rules: InboundRules) -> int | None:
    value = paths.found(document, paths.parsed(rules.revision))
    if value is None and not rules.revision_required:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise Refusal(
            "invalid",
            "inbound_field_invalid",
            f"字段“{rules.revision}”应为所见事件的 revision。",
            f"Field {rules.revision!r} is the revision of the event that was looked at.",
            field=rules.revision,
        )
    return value


def _photo(document: Any, rules: InboundRules) -> bytes | None:
    value = paths.found(document, paths.parsed(rules.photo))
    if value is None or value == "":
        return None
    try:
        if not isinstance(value, str) or len(value) > MOST_PHOTO_TEXT:
            raise ValueError
        return base64.b64decode(value, validate=True)
    except (ValueError, binascii.Error):
        raise Refusal(
            "invalid",
            "inbound_field_invalid",
            f"字段“{rules.photo}”应为照片的 base64。",
            f"Field {rules.photo!r} is the base64 of a photograph.",
            field=rules.photo,
        ) from None


def inbound_key(receiver_id: str) -> str:
    """What the vault seals an inbound secret under: never the same as the outward one."""
    return f"{receiver_id}/inbound"
