"""Emergency rooms: who was in them, what was ordered and said there. Rows are never deleted: they are the minutes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from gateway.storage.ids import new_id
from gateway.storage.tables.base import Base, RecordMixin


class RoomRow(RecordMixin, Base):
    """A room: ``state`` is ``scheduled``, ``open`` or ``ended``; ``origin`` is ``hand``, ``event`` or ``schedule``.

    ``number`` is what a terminal dials. ``consultation`` is the state of ``gateway.rooms.consultation`` as JSON.
    """

    __tablename__ = "rooms"

    title: Mapped[str] = mapped_column(String(100))
    number: Mapped[str | None] = mapped_column(String(8), unique=True)
    event_no: Mapped[str | None] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16), default="open")
    origin: Mapped[str | None] = mapped_column(String(16))
    created_by: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime]
    starts_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    consultation: Mapped[dict[str, Any] | None]
    drill: Mapped[bool] = mapped_column(default=False)

    __table_args__ = (
        Index("ix_rooms_state_created_at", "state", "created_at"),
        Index("ix_rooms_event_no", "event_no"),
    )


class RoomMemberRow(RecordMixin, Base):
    """A member: a person's browser, a terminal, or a camera and then the grant under which it was brought in.

    ``state`` follows what the room worker reports.
    """

    __tablename__ = "room_members"

    room_id: Mapped[str] = mapped_column(ForeignKey("rooms.id"), index=True)
    kind: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String(100))
    username: Mapped[str | None] = mapped_column(String(64))
    camera_code: Mapped[str | None] = mapped_column(String(20))
    address: Mapped[str | None] = mapped_column(String(200))
    state: Mapped[str] = mapped_column(String(16), default="joined")
    reason: Mapped[str | None] = mapped_column(String(200))
    grant_id: Mapped[str | None] = mapped_column(String(36))
    joined_at: Mapped[datetime]
    left_at: Mapped[datetime | None]


class RoomEntryRow(Base):
    """One thing that happened in a room: a control, a word in the chat, an order. Only ever added."""

    __tablename__ = "room_entries"
    __table_args__ = (Index("ix_room_entries_room_id_at", "room_id", "at"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    platform: Mapped[str] = mapped_column(String(32))
    room_id: Mapped[str] = mapped_column(ForeignKey("rooms.id"))
    at: Mapped[datetime]
    who: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(16))
    data: Mapped[dict[str, Any]]


class RoomOrderRow(RecordMixin, Base):
    """An order (指令) to one addressee; those issued together share ``batch``."""

    __tablename__ = "room_orders"

    room_id: Mapped[str] = mapped_column(ForeignKey("rooms.id"), index=True)
    batch: Mapped[str] = mapped_column(String(36))
    event_no: Mapped[str | None] = mapped_column(String(64), index=True)
    addressee: Mapped[str] = mapped_column(String(64), index=True)
    text: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(16), default="issued")
    issued_by: Mapped[str] = mapped_column(String(64))
    issued_at: Mapped[datetime]
    due_at: Mapped[datetime | None]
    signed_at: Mapped[datetime | None]
    fed_back_at: Mapped[datetime | None]
    feedback: Mapped[str] = mapped_column(Text, default="")


class RoomLinkRow(RecordMixin, Base):
    """A link into one room that works once, for a limited time. Only the SHA-256 of its token is kept."""

    __tablename__ = "room_links"

    room_id: Mapped[str] = mapped_column(ForeignKey("rooms.id"), index=True)
    token_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    issued_by: Mapped[str] = mapped_column(String(64))
    issued_at: Mapped[datetime]
    until: Mapped[datetime]
    used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    user_id: Mapped[str | None] = mapped_column(ForeignKey("users.id"))


class RoomPlanRow(RecordMixin, Base):
    """A plan (预案): for events of a class in a grid, in peace or wartime, who is invited and which cameras come in.
    ``*`` is any. ``opens``: the room opens by itself when such an event is escalated. ``author`` wrote it;
    ``approved_by`` (a username): in whose name the service then calls terminals and brings cameras in."""

    __tablename__ = "room_plans"
    __table_args__ = (UniqueConstraint("platform", "class_code", "grid", "mode"),)

    class_code: Mapped[str] = mapped_column(String(16))
    grid: Mapped[str] = mapped_column(String(32))
    invitees: Mapped[list[Any]]
    cameras: Mapped[list[Any]]
    nearest: Mapped[int] = mapped_column(default=2)
    mode: Mapped[str] = mapped_column(String(8), default="*")
    opens: Mapped[bool] = mapped_column(default=True)
    author: Mapped[str | None] = mapped_column(String(64))
    approved_by: Mapped[str | None] = mapped_column(String(64))
    approved_at: Mapped[datetime | None]


class RoomOpeningRow(Base):
    """An event was escalated: its plan is asked whether a room opens. Written with the step itself, so that no crash
    loses it; ``id`` is that of the room, so that none opens twice.

    ``state``: wanted, then calling (the room is open, ``plan_id`` calls into it) and opened; or unplanned, or void
    where the event was no longer escalated when its turn came."""

    __tablename__ = "room_openings"
    __table_args__ = (Index("ix_room_openings_state_next_at", "state", "next_at"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    platform: Mapped[str] = mapped_column(String(32))
    event_no: Mapped[str] = mapped_column(ForeignKey("events.no"), index=True)
    asked_by: Mapped[str] = mapped_column(String(64))
    asked_at: Mapped[datetime]
    state: Mapped[str] = mapped_column(String(16), default="wanted")
    next_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str | None] = mapped_column(String(200))
    plan_id: Mapped[str | None] = mapped_column(String(36))


class RoomPictureRow(RecordMixin, Base):
    """A frozen picture and what was drawn on it: ``strokes`` are polylines in 0 to 1 of its width and height."""

    __tablename__ = "room_pictures"

    room_id: Mapped[str] = mapped_column(ForeignKey("rooms.id"), index=True)
    member_id: Mapped[str | None] = mapped_column(String(36))
    path: Mapped[str] = mapped_column(String(200))
    sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int]
    frozen_by: Mapped[str] = mapped_column(String(64))
    frozen_at: Mapped[datetime]
    strokes: Mapped[list[Any]]


class RoomRecordingRow(RecordMixin, Base):
    """A recorded file of a room. ``member_id`` None: the composed picture. ``partial``: cut short by a crash."""

    __tablename__ = "room_recordings"

    room_id: Mapped[str] = mapped_column(ForeignKey("rooms.id"), index=True)
    member_id: Mapped[str | None] = mapped_column(String(36))
    path: Mapped[str] = mapped_column(String(200))
    sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(BigInteger)
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    partial: Mapped[bool] = mapped_column(default=False)


class TerminalRow(RecordMixin, Base):
    """A known conference terminal: the user part of its address, and what its digest is checked by, sealed."""

    __tablename__ = "terminals"

    username: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    address: Mapped[str] = mapped_column(String(200), default="")
    sealed_secret: Mapped[str] = mapped_column(String(500))
    created_at: Mapped[datetime]
    removed_at: Mapped[datetime | None]
