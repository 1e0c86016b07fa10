"""Camera records (一机一档): who a camera is, where it stands, how it is reached and how it is.

A camera that is taken out stays as a row in status ``removed``, its login wiped: alerts, events and the audit chain
name it by its code, which must go on meaning this camera and is never given to another. ``stream_key`` is set only
while a camera is registered and is unique: the database itself keeps that one stream is pulled once.

Health is what workers observe, not what the owner of the record decides: it is written past the revision, so that a
flapping camera never makes an operator's change stale.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Float, Integer, String, Text, false
from sqlalchemy.orm import Mapped, mapped_column

from gateway.storage.tables.base import Base, RecordMixin


class CameraRow(RecordMixin, Base):
    """A camera. ``lng``/``lat`` are WGS-84, ``grid`` the code of the grid it stands in; addresses hold no login.

    ``status``: ``in_use``, ``stopped`` (kept, not pulled), ``awaiting`` (recorded by an import, not yet asked: its
    ``stream_url`` may be empty) or ``removed``. ``rules`` None: it was given none of its
    own. ``fps`` and ``gop`` (frames from one keyframe to the next) as the camera is set; ``clock_offset``: its clock
    less ours, seconds. ``notices``: codes of what is amiss though it was registered. ``profiles``: every media profile,
    as ``camera_registry.profiles.RecordedProfile``; ``offers``: which of PTZ, imaging, events and replay it has.

    From ``owner_unit`` to ``confidentiality``: see ``camera_registry.record``. ``credential_set``: whose login is used
    in place of ``sealed_login``. ``device_events``: the camera is asked for its own events (ONVIF pull point).
    ``preset``: the device's token of the view it looks at; empty: one that nobody stored, None: it was never steered.
    ``preset_rules``: rules by the preset they were drawn for, in force in place of ``rules`` while it looks there.
    ``clear_login``: its password may be sent readably (HTTP and RTSP Basic).
    """

    __tablename__ = "cameras"

    code: Mapped[str] = mapped_column(String(20), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    status: Mapped[str] = mapped_column(String(16), default="in_use", index=True)
    vendor: Mapped[str] = mapped_column(String(200), default="")
    model: Mapped[str] = mapped_column(String(200), default="")
    firmware: Mapped[str] = mapped_column(String(200), default="")
    serial: Mapped[str] = mapped_column(String(200), default="")
    endpoint_reference: Mapped[str | None] = mapped_column(String(200), index=True)
    onvif_address: Mapped[str | None] = mapped_column(String(600))
    stream_url: Mapped[str] = mapped_column(String(600))
    stream_key: Mapped[str | None] = mapped_column(String(600), unique=True)
    sub_stream_url: Mapped[str | None] = mapped_column(String(600))
    sealed_login: Mapped[str | None] = mapped_column(Text)
    encoding: Mapped[str] = mapped_column(String(16))
    width: Mapped[int | None]
    height: Mapped[int | None]
    fps: Mapped[float | None] = mapped_column(Float)
    gop: Mapped[int | None]
    clock_offset: Mapped[float | None] = mapped_column(Float)
    profiles: Mapped[list[Any]] = mapped_column(default=list, server_default="[]")
    offers: Mapped[list[Any]] = mapped_column(default=list, server_default="[]")
    snapshot_url: Mapped[str | None] = mapped_column(String(600))
    replay_url: Mapped[str | None] = mapped_column(String(600))
    credential_set: Mapped[str | None] = mapped_column(String(36), index=True)
    clear_login: Mapped[bool] = mapped_column(default=False, server_default=false())
    device_events: Mapped[bool] = mapped_column(default=False, server_default=false())
    owner_unit: Mapped[str] = mapped_column(String(100), default="", server_default="")
    division: Mapped[str] = mapped_column(String(12), default="", server_default="")
    structure: Mapped[str] = mapped_column(String(2), default="", server_default="")
    position_type: Mapped[str] = mapped_column(String(2), default="", server_default="")
    room_type: Mapped[str] = mapped_column(String(2), default="", server_default="")
    use_type: Mapped[str] = mapped_column(String(2), default="", server_default="")
    fill_light: Mapped[str] = mapped_column(String(2), default="", server_default="")
    bearing: Mapped[float | None] = mapped_column(Float)
    confidentiality: Mapped[str] = mapped_column(String(1), default="", server_default="")
    grid: Mapped[str | None] = mapped_column(String(32), index=True)
    lng: Mapped[float | None] = mapped_column(Float)
    lat: Mapped[float | None] = mapped_column(Float)
    address: Mapped[str] = mapped_column(String(200), default="")
    note: Mapped[str] = mapped_column(Text, default="")
    notices: Mapped[list[Any]]
    rules: Mapped[list[Any] | None]
    preset: Mapped[str | None] = mapped_column(String(64))
    preset_rules: Mapped[dict[str, Any]] = mapped_column(default=dict, server_default="{}")
    health_state: Mapped[str] = mapped_column(String(16), index=True)
    health_reason: Mapped[str] = mapped_column(String(64))
    health_since: Mapped[datetime]
    registered_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    removed_at: Mapped[datetime | None]


class CredentialSetRow(RecordMixin, Base):
    """A login for the cameras of some networks (凭据集). ``networks``: CIDR texts; ``position``: tried lowest first.

    The password is sealed by the vault under the row's id. Cameras name the set, so a new password reaches them all.
    """

    __tablename__ = "credential_sets"

    name: Mapped[str] = mapped_column(String(100))
    networks: Mapped[list[Any]]
    position: Mapped[int] = mapped_column(Integer, default=0)
    username: Mapped[str] = mapped_column(String(100))
    sealed_password: Mapped[str] = mapped_column(Text)
    changed_at: Mapped[datetime]
