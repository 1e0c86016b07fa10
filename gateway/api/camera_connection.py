"""One camera that an import put on record, connected: asked with the credential sets of its network, then watched.

What its sets are refused counts as it does at a registration, so no account is locked. Where it fails, the record says
why from then on; nothing else of it is changed.
"""

from __future__ import annotations

from sqlalchemy import update

from camera_registry.errors import CameraRefused
from gateway.access import audit
from gateway.access.caller import Caller
from gateway.api.camera_lookup import found_camera
from gateway.api.camera_network import CameraNetwork, refusal_of
from gateway.api.camera_reach import Reached, reach
from gateway.api.camera_shown import CONNECT_FAILED, shown_camera
from gateway.api.services import Services
from gateway.live import Notice
from gateway.refusals import Refusal
from gateway.storage.camera_store import DatabaseCameraStore
from gateway.storage.tables.cameras import CameraRow

_LONGEST_REASON = 64
_NOT_ITS_OWN = frozenset({"too_many_registrations", "camera_unknown", "revision_stale"})
"""Reasons that say nothing of the camera."""


async def connect_camera(doors: Services, network: CameraNetwork, caller: Caller, code: str) -> bool:
    """False where the camera was connected before. Raises ``Refusal`` with the reason, which is noted in its record."""
    async with doors.db.reading() as session:
        row = await found_camera(session, caller, code)
        if row.status != "awaiting":
            return False
        revision, clear_login = row.revision, row.clear_login
        field = "onvif_address" if row.onvif_address is not None else "rtsp_url"
        address = row.onvif_address or row.stream_url
    try:
        reached = await reach(doors, network, address, field, None, clear_login=clear_login)
        return await _kept(doors, caller, code, revision, reached)
    except Refusal as refusal:
        if refusal.reason not in _NOT_ITS_OWN and refusal.kind != "unavailable":
            await _note(doors, code, refusal)
        raise


async def _kept(doors: Services, caller: Caller, code: str, revision: int, reached: Reached) -> bool:
    now = doors.clock()
    async with doors.db.transaction() as session:
        row = await found_camera(session, caller, code, held=True)
        if row.status != "awaiting":
            return False  # somebody connected it meanwhile
        if row.revision != revision:
            raise Refusal(
                "conflict",
                "revision_stale",
                "记录已被他人修改，请重试。",
                "The record was changed meanwhile; try again.",
            )
        store = DatabaseCameraStore(session, doors.vault)
        try:
            await store.reached_anew(row, reached.found, None, now, credential_set=reached.credential_set)
        except CameraRefused as refused:
            raise refusal_of(refused, reached.field) from refused
        await store.set_status(row, "in_use", now)
        row.changed_at = now
        await session.flush()
        act = audit.Act(caller.username, "camera.connect", f"camera:{code}", row.platform, why=row.name)
        await audit.append(session, act, now)
        shown = shown_camera(row)
    await doors.cameras_changed(code)
    doors.live.publish(Notice("camera.health", shown.platform, shown.model_dump(mode="json")))
    return True


async def _note(doors: Services, code: str, refusal: Refusal) -> None:
    """Why it failed stands in the record, past its revision as all of its health does."""
    reason = f"{CONNECT_FAILED}{refusal.reason}"[:_LONGEST_REASON]
    async with doors.db.transaction() as session:
        row = await DatabaseCameraStore(session, doors.vault).row(code, held=True)
        if row is None or row.status != "awaiting":
            return
        await session.execute(
            update(CameraRow).where(CameraRow.id == row.id).values(health_reason=reason, health_since=doors.clock())
        )
        await session.refresh(row)
        shown = shown_camera(row)
    doors.live.publish(Notice("camera.health", shown.platform, shown.model_dump(mode="json")))
