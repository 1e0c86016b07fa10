"""A camera of a room is turned by the chair and by whom the chair lets, and never by two at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.api.camera_network import CameraNetwork
from gateway.api.services import Services
from gateway.clock import system_clock
from gateway.processes.messages import Answer
from gateway.rooms.arrangement import Arrangement
from gateway.rooms.desk import RoomDesk
from gateway.settings import CameraSettings, RuleSettings
from gateway.storage.evidence_files import EvidenceFiles
from gateway.virtual import RenderedFootage, VirtualCamera, VirtualDevice, VirtualFleet
from gateway.workers.control.camera_records import CameraRecords

pytestmark = pytest.mark.integration

ClientAs = Callable[..., Awaitable[httpx.AsyncClient]]
SECRET = "made-for-this-test"


class Engine:
    """Carries no media."""

    async def open(self, room_id: str, title: str) -> None: ...
    async def close(self, room_id: str) -> None: ...
    async def add_camera(self, room_id: str, member_id: str, code: str, until: float) -> None: ...
    async def add_person(self, room_id: str, member_id: str) -> None: ...
    async def remove(self, room_id: str, member_id: str) -> None: ...
    async def publish(self, room_id: str, member_id: str, offer: str) -> str:
        return ""

    async def subscribe(self, room_id: str, viewer_id: str, member_id: str, offer: str) -> Answer:
        return Answer("")

    async def stop_publishing(self, room_id: str, member_id: str) -> None: ...
    async def stop_subscription(self, room_id: str, viewer_id: str, member_id: str) -> None: ...
    async def ring(self, room_id: str, ring_id: str, username: str, address: str, seconds: float) -> None: ...
    async def stop_ringing(self, room_id: str, ring_id: str) -> None: ...
    def alive(self, room_id: str, member_id: str) -> None: ...
    def arrange(self, room_id: str, revision: int, arrangement: Arrangement) -> None: ...


@pytest.fixture
async def services(services: Services, tmp_path: Path) -> AsyncIterator[Services]:
    files = EvidenceFiles(tmp_path / "evidence", ())
    network = CameraNetwork(CameraSettings(), system_clock)
    desk = RoomDesk.over(services.db, Engine(), services.live, services.clock, files, services.vault, tmp_path)
    cameras = CameraRecords(services.db, services.vault, RuleSettings())
    yield replace(services, rooms=desk, camera_network=network, cameras=cameras)
    await network.close()


@pytest.fixture
async def dome(tmp_path: Path) -> AsyncIterator[VirtualDevice]:
    footage = RenderedFootage("quiet", seconds=2.0, fps=10, size=(320, 180))
    camera = VirtualCamera("球机", footage, "viewer", SECRET, ptz=True)
    async with VirtualFleet([camera], tmp_path, multicast=False) as fleet:
        yield fleet.devices[0]


async def posted(client: httpx.AsyncClient, path: str, **body: Any) -> dict[str, Any]:
    answer = await client.post(f"/api/v1{path}", json=body)
    assert answer.is_success, answer.text
    return dict(answer.json())


async def test_the_chair_and_whom_it_lets_turn_a_camera_of_the_room(
    client_as: ClientAs, dome: VirtualDevice, clock: Any
) -> None:
    chair, town = await client_as("duty_leader"), await client_as("department")
    made = await posted(
        chair, "/cameras", name="球机", lng=120.6, lat=30.3, username="viewer", password=SECRET,
        onvif_address=dome.onvif_address,
    )  # fmt: skip
    until = (clock() + timedelta(hours=1)).isoformat()
    grant = await posted(chair, "/access/grants", purpose="应急会商", scope="platform:hub", until=until)
    room = f"/rooms/{(await posted(chair, '/rooms', title='火情会商'))['id']}"
    outside = await posted(chair, f"{room}/members", kind="camera", camera_code=made["code"], grant=grant["id"])
    door = f"/api/v1{room}/members/{outside['id']}/ptz"
    left, stop = {"action": "continuous", "pan": -0.5, "seconds": 0.5}, {"action": "stop"}

    assert (await chair.post(door, json=left)).json()["reason"] == "steering_not_allowed", "who is not in the room"
    await posted(chair, f"{room}/members", kind="person")
    member = await posted(town, f"{room}/members", kind="person")
    assert (await town.post(door, json=left)).json()["reason"] == "steering_not_allowed"
    assert not dome.device.ptz.moving(dome.device.now)

    await posted(chair, f"{room}/controls/let_steer", member=member["id"])
    assert (await town.post(door, json=left)).status_code == 200
    assert dome.device.ptz.moving(dome.device.now)
    assert (await town.get(door)).json()["presets"] == []
    stored = await town.post(door, json={"action": "set_preset", "name": "x"})
    assert stored.json()["reason"] == "presets_not_here"
    assert (await chair.post(door, json=stop)).status_code == 200, "the chair takes it from a member"
    assert not dome.device.ptz.moving(dome.device.now)
    assert (await town.post(door, json=left)).json()["reason"] == "head_held", "and not the other way round"
    clock.advance(seconds=9)
    assert (await town.post(door, json=left)).status_code == 200

    await posted(chair, f"{room}/controls/end_steering", member=member["id"])
    assert (await town.post(door, json=stop)).json()["reason"] == "steering_not_allowed"
    entries = (await chair.get(f"/api/v1{room}/entries")).json()
    assert [one["data"]["camera"] for one in entries if one["kind"] == "steered"] == ["球机"] * 3
