"""``POST /api/v1/cameras``: a camera taken into the registry.

A camera is asked before anything is written: what is stored has been seen to work, and what is refused leaves nothing
behind, not even a gap in the codes.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints
from sqlalchemy.ext.asyncio import AsyncSession

from camera_registry.errors import CameraRefused
from camera_registry.login import Login
from camera_registry.ports import Site
from gateway.access import audit
from gateway.access.caller import Caller
from gateway.api.camera_description import DescriptionAsked
from gateway.api.camera_lookup import found_camera
from gateway.api.camera_network import CameraNetwork, refusal_of
from gateway.api.camera_place import Place, owner_of, place_of
from gateway.api.camera_reach import network_of, reach
from gateway.api.camera_shown import CameraShown, shown_camera
from gateway.api.fields import one_line, plain_text
from gateway.api.guard import permit
from gateway.api.services import Doors, Services
from gateway.live import Notice
from gateway.refusals import Refusal
from gateway.storage.camera_store import DatabaseCameraStore

router = APIRouter(tags=["cameras"])

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), one_line]
Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200), one_line]
CameraAddress = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=400), one_line]
Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000), plain_text]
Username = Annotated[str, StringConstraints(max_length=100), one_line]
Password = Annotated[SecretStr, Field(max_length=200)]
CredentialSet = Annotated[str, Field(min_length=1, max_length=36)]
Longitude = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]
Latitude = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]


Network = Annotated[CameraNetwork, Depends(network_of)]


class CameraAsked(BaseModel):
    """Either ``onvif_address`` or ``rtsp_url``. The login is never shown again."""

    model_config = ConfigDict(extra="forbid")

    onvif_address: CameraAddress | None = Field(default=None, description="host, host:port or a full URL.")
    rtsp_url: CameraAddress | None = Field(default=None, description="Without the login; for cameras without ONVIF.")
    username: Username = ""
    password: Password = SecretStr("")
    name: Name
    lng: Longitude
    lat: Latitude
    address: Line = Field(default="", description="The place in words.")
    platform: str | None = Field(default=None, max_length=32, description="Its owner; left out: that of its grid.")
    grid: str | None = Field(default=None, max_length=32, description="Left out: the grid at lng and lat.")
    industry: str = Field(default="08", max_length=2, description="Two digits of the code (08: city management).")
    network: str = Field(default="2", max_length=1, description="A digit of the code (2: the trade's own network).")
    endpoint_reference: Line | None = Field(default=None, description="As discovery gave it.")
    credential_set: CredentialSet | None = Field(
        default=None, description="In place of a login. With neither, the sets bound to its address are tried."
    )
    clear_login: bool = Field(
        default=False, description="Let this camera be sent its password readably (Basic), if it takes no other."
    )
    description: DescriptionAsked = Field(default_factory=DescriptionAsked)
    note: Note = ""


def address_given(onvif_address: str | None, rtsp_url: str | None) -> tuple[str, str]:
    """The address and the field it was given in; refuses none and two."""
    if onvif_address is not None and rtsp_url is None:
        return onvif_address, "onvif_address"
    if rtsp_url is not None and onvif_address is None:
        return rtsp_url, "rtsp_url"
    raise Refusal(
        "invalid",
        "one_address_needed",
        "onvif_address 与 rtsp_url 须且只能填写一个。",
        "Give either onvif_address or rtsp_url, not both.",
        field="onvif_address",
    )


def login_of(username: str, password: SecretStr) -> Login | None:
    """None where neither is given: some cameras let everybody in."""
    login = Login(username, password.get_secret_value())
    return None if login == Login("", "") else login


@router.post("/cameras", status_code=201)
async def register_camera(
    asked: CameraAsked, caller: Annotated[Caller, Depends(permit("cameras.write"))], doors: Doors, network: Network
) -> CameraShown:
    """Ask a camera, see that it sends video, and give it its code. A refused camera leaves nothing behind."""
    address, field = address_given(asked.onvif_address, asked.rtsp_url)
    codes = network.code_range(asked.industry, asked.network)
    description = asked.description.checked()
    async with doors.db.reading() as session:
        # What is wrong with the place is said at once, not after the camera has been asked.
        await owner_of(session, caller, asked.platform, await _place(session, doors, asked))
    login = login_of(asked.username, asked.password)
    reached = await reach(doors, network, address, field, login, asked.credential_set, clear_login=asked.clear_login)
    now = doors.clock()
    async with doors.db.transaction() as session:
        place = await _place(session, doors, asked)
        owner = await owner_of(session, caller, asked.platform, place)
        store = DatabaseCameraStore(session, doors.vault)
        site = Site(asked.name, owner, place.grid, asked.lng, asked.lat, asked.address)
        try:
            code = await store.next_code(codes)
            await store.add(
                code,
                reached.found,
                site,
                reached.login,
                asked.note,
                now,
                endpoint_reference=asked.endpoint_reference or None,
                credential_set=reached.credential_set,
                clear_login=asked.clear_login,
                description=description,
            )
        except CameraRefused as refused:
            raise refusal_of(refused, field) from refused
        row = await found_camera(session, caller, str(code))
        act = audit.Act(caller.username, "camera.register", f"camera:{code}", owner, why=asked.name)
        await audit.append(session, act, now)
        shown = shown_camera(row)
    await doors.cameras_changed(shown.code)
    doors.live.publish(Notice("camera.health", shown.platform, shown.model_dump(mode="json")))
    return shown


async def _place(session: AsyncSession, doors: Services, asked: CameraAsked) -> Place:
    return await place_of(session, doors.grids, asked.grid, asked.lng, asked.lat)
