"""``PATCH /api/v1/cameras/{code}``: a camera's name and place, and how it is reached.

Another address or login is tried at the camera before it is kept, as at registration. A new address needs the login
with it: what is stored is sent nowhere but to where it was given for.
"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from sqlalchemy.ext.asyncio import AsyncSession

from camera_registry.errors import CameraRefused
from camera_registry.login import Login
from gateway.access import audit
from gateway.access.caller import Caller
from gateway.api.camera_description import DescriptionAsked
from gateway.api.camera_lookup import checked_revision, found_camera
from gateway.api.camera_network import refusal_of
from gateway.api.camera_place import place_of
from gateway.api.camera_reach import Reached, network_of, reach
from gateway.api.camera_registration import (
    CameraAddress,
    CredentialSet,
    Latitude,
    Line,
    Longitude,
    Name,
    Note,
    Password,
    Username,
    address_given,
    login_of,
)
from gateway.api.camera_shown import CameraShown, shown_camera
from gateway.api.guard import permit
from gateway.api.services import Doors, Services
from gateway.live import Notice
from gateway.processes.messages import RetryLogin
from gateway.refusals import Refusal
from gateway.storage.camera_store import DatabaseCameraStore
from gateway.storage.tables.cameras import CameraRow

router = APIRouter(tags=["cameras"])


class CameraChange(BaseModel):
    """What is left out stays as it is."""

    model_config = ConfigDict(extra="forbid")

    name: Name | None = None
    lng: Longitude | None = Field(default=None, description="With lat. The grid follows, unless grid is given too.")
    lat: Latitude | None = None
    grid: str | None = Field(default=None, max_length=32)
    address: Line | None = Field(default=None, description="The place in words.")
    status: Literal["in_use", "stopped"] | None = None
    note: Note | None = None
    onvif_address: CameraAddress | None = None
    rtsp_url: CameraAddress | None = None
    username: Username | None = Field(default=None, description="With password.")
    password: Password | None = Field(default=None, description="Alone: of the same user as before.")
    credential_set: CredentialSet | None = Field(default=None, description="In place of a login of its own.")
    clear_login: bool | None = Field(default=None, description="Whether its password may be sent readably (Basic).")
    device_events: bool | None = Field(default=None, description="Whether the camera is asked for its own events.")
    description: DescriptionAsked | None = Field(default=None, description="Only what is given in it is changed.")
    revision: int | None = Field(default=None, ge=1, description="Given: refused when the camera changed meanwhile.")

    @property
    def readdressed(self) -> bool:
        return self.onvif_address is not None or self.rtsp_url is not None

    @property
    def reached_otherwise(self) -> bool:
        return self.readdressed or self.logs_in_otherwise or self.clear_login is not None

    @property
    def logs_in_otherwise(self) -> bool:
        return self.username is not None or self.password is not None or self.credential_set is not None


@router.patch("/cameras/{code}")
async def change_camera(
    code: str, asked: CameraChange, caller: Annotated[Caller, Depends(permit("cameras.write"))], doors: Doors
) -> CameraShown:
    """Change a camera, all or nothing. With another address or login the camera is asked first."""
    _check(asked)
    revision, reached = asked.revision, None
    if asked.reached_otherwise:
        async with doors.db.reading() as session:
            row = await found_camera(session, caller, code)
            checked_revision(row, revision)
            login = await _login(DatabaseCameraStore(session, doors.vault), row, asked)
        revision, reached = row.revision, await _reach(doors, row, asked, login)
    elif asked.status == "in_use":
        async with doors.db.reading() as session:
            row = await found_camera(session, caller, code)
        if row.encoding == "":  # recorded by an import: it is asked now for the first time
            revision, reached = row.revision, await _reach(doors, row, asked, None)
    now = doors.clock()
    async with doors.db.transaction() as session:
        row = await found_camera(session, caller, code, held=True)
        checked_revision(row, revision)
        store = DatabaseCameraStore(session, doors.vault)
        if reached is not None:
            try:
                await store.reached_anew(row, reached.found, reached.login, now, credential_set=reached.credential_set)
            except CameraRefused as refused:
                raise refusal_of(refused, reached.field) from refused
        await _apply(session, doors, row, asked)
        if asked.clear_login is not None:
            row.clear_login = asked.clear_login
        if asked.device_events is not None:
            row.device_events = asked.device_events
        if asked.status is not None or (reached is not None and row.status == "awaiting"):
            await store.set_status(row, asked.status or "in_use", now)
        row.changed_at = now
        await session.flush()
        fields = ", ".join(sorted(asked.model_fields_set - {"revision"}))
        await audit.append(
            session, audit.Act(caller.username, "camera.change", f"camera:{code}", row.platform, why=fields), now
        )
        shown = shown_camera(row)
    await doors.cameras_changed(code)
    if reached is not None:
        doors.tell_camera(code, RetryLogin(code, proved=True))  # it may be the login it was refused with before
    doors.live.publish(Notice("camera.health", shown.platform, shown.model_dump(mode="json")))
    return shown


def _check(asked: CameraChange) -> None:
    if (asked.lng is None) != (asked.lat is None):
        raise Refusal(
            "invalid",
            "point_incomplete",
            "经度与纬度须同时给出。",
            "Longitude and latitude go together.",
            field="lat" if asked.lat is None else "lng",
        )
    incomplete = asked.password is None or (asked.readdressed and asked.username is None)
    login_needed = asked.readdressed or asked.username is not None or asked.password is not None
    if login_needed and asked.credential_set is None and incomplete:
        raise Refusal(
            "invalid",
            "login_incomplete",
            "更换地址或用户名时须同时给出用户名和口令，或指定凭据集。",
            "A new address or username needs the username and the password with it, or a credential set.",
            field="password" if asked.password is None else "username",
        )


async def _login(store: DatabaseCameraStore, row: CameraRow, asked: CameraChange) -> Login | None:
    """What is to be tried: the login given, that of the same user, or what it logs in with today."""
    if asked.credential_set is not None and asked.username is None and asked.password is None:
        return None
    if asked.username is None and asked.password is None:
        return None if row.credential_set is not None else await store.login(row)
    password = asked.password or SecretStr("")
    if asked.username is not None:
        return login_of(asked.username, password)
    before = await store.login(row)
    return login_of(before.username if before else "", password)


async def _reach(doors: Services, row: CameraRow, asked: CameraChange, login: Login | None) -> Reached:
    if asked.readdressed:
        address, field = address_given(asked.onvif_address, asked.rtsp_url)
    elif row.onvif_address is not None:
        address, field = row.onvif_address, "onvif_address"
    else:
        address, field = row.stream_url, "rtsp_url"
    set_id = asked.credential_set or (None if asked.logs_in_otherwise else row.credential_set)
    clear_login = row.clear_login if asked.clear_login is None else asked.clear_login
    return await reach(doors, network_of(doors), address, field, login, set_id, clear_login=clear_login)


async def _apply(session: AsyncSession, doors: Services, row: CameraRow, asked: CameraChange) -> None:
    if asked.lng is not None and asked.lat is not None:
        row.lng, row.lat = asked.lng, asked.lat
        row.grid = (await place_of(session, doors.grids, asked.grid, asked.lng, asked.lat)).grid
    elif asked.grid is not None:
        row.grid = (await place_of(session, doors.grids, asked.grid, row.lng or 0.0, row.lat or 0.0)).grid
    row.name = row.name if asked.name is None else asked.name
    row.address = row.address if asked.address is None else asked.address
    row.note = row.note if asked.note is None else asked.note
    if asked.description is not None:
        asked.description.change(row)
