"""A virtual camera steered over HTTP: it stops by itself, its rules follow its presets, and its clock is set."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from camera_registry import reasons
from camera_registry.errors import CameraRefused
from camera_registry.ports import StreamOrder
from camera_registry.ptz import LONGEST_MOVE, Ptz, Vector
from gateway.access.passwords import Passwords
from gateway.api.camera_network import CameraNetwork
from gateway.api.services import Services
from gateway.clock import Clock, system_clock
from gateway.events.suppressions import in_force
from gateway.live import LiveHub
from gateway.processes.messages import LearnScene, Message
from gateway.settings import CameraSettings, Settings
from gateway.storage import camera_health
from gateway.storage.camera_store import DatabaseCameraStore
from gateway.storage.database import Database
from gateway.storage.tables.suppressions import SuppressionRow
from gateway.storage.vault import Vault
from gateway.virtual import Quirks, RenderedFootage, VirtualCamera, VirtualDevice, VirtualFleet
from gateway.workers.control.device_events import DeviceEvents

pytestmark = pytest.mark.integration

ClientAs = Callable[..., Awaitable[httpx.AsyncClient]]

CAMERAS = "/api/v1/cameras"
SECRET = "made-for-this-test"
SMALL = RenderedFootage("quiet", seconds=2.0, fps=10, size=(320, 180))


@pytest.fixture
def told() -> list[Message]:
    """What the cameras' workers are told."""
    return []


@pytest.fixture
async def services(
    sqlite_database: Database, tmp_path: Path, passwords: Passwords, clock: Clock, told: list[Message]
) -> AsyncIterator[Services]:
    vault, live = Vault.at(tmp_path), LiveHub()
    network = CameraNetwork(CameraSettings(), system_clock)
    events = DeviceEvents(sqlite_database, vault, network.control, live, system_clock)
    yield Services(
        settings=Settings(data_folder=tmp_path, platform_code="hub"),
        db=sqlite_database,
        vault=vault,
        clock=clock,
        live=live,
        passwords=passwords,
        camera_network=network,
        cameras_changed=events.changed,
        tell_camera=lambda _code, message: told.append(message),
        device_events=events,
    )
    await events.close()
    await network.close()


@pytest.fixture(scope="session")
def footage_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("footage")


@pytest.fixture
async def dome(footage_folder: Path) -> AsyncIterator[VirtualDevice]:
    camera = VirtualCamera("球机", SMALL, "viewer", SECRET, quirks=Quirks(clock_offset=-7200.0), ptz=True)
    async with VirtualFleet([camera], footage_folder, multicast=False) as fleet:
        yield fleet.devices[0]


async def registered(client: httpx.AsyncClient, device: VirtualDevice, **more: Any) -> str:
    body = {"name": "球机", "lng": 120.6, "lat": 30.3, "username": "viewer", "password": SECRET}
    made = await client.post(CAMERAS, json=body | {"onvif_address": device.onvif_address} | more)
    assert made.status_code == 201, made.text
    assert "ptz" in made.json()["offers"]
    return f"{CAMERAS}/{made.json()['code']}"


async def until(holds: Callable[[], bool], seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.02)


async def test_a_continuous_move_ends_by_itself_and_sooner_when_told(client_as: ClientAs, dome: VirtualDevice) -> None:
    client = await client_as("duty_leader")
    door = await registered(client, dome)
    head, now = dome.device.ptz, lambda: dome.device.now
    moved = await client.post(f"{door}/ptz", json={"action": "continuous", "pan": 0.5, "seconds": 0.4})
    assert (moved.status_code, moved.json()) == (200, {"preset": None, "at": ""})
    assert head.moving(now())
    await until(lambda: not head.moving(now()))
    assert 0.05 < head.position(now()).pan < 0.6
    asked = dome.device.requests
    await client.post(f"{door}/ptz", json={"action": "continuous", "zoom": 0.2, "seconds": 10})
    assert dome.device.requests - asked <= 2  # what it told of itself is remembered
    await client.post(f"{door}/ptz", json={"action": "stop"})
    assert not head.moving(now())
    await client.post(f"{door}/ptz", json={"action": "absolute", "pan": -1, "tilt": 0.25})
    await until(lambda: head.position(now()).pan == -1.0)
    shown = (await client.get(f"{door}/ptz")).json()
    assert (shown["pan"], shown["tilt"], shown["moving"], shown["at"]) == (-1.0, 0.25, False, "")


async def test_a_move_whose_answer_is_lost_ends_all_the_same(
    client_as: ClientAs, dome: VirtualDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await client_as("duty_leader")
    door = await registered(client, dome)
    head, now = dome.device.ptz, lambda: dome.device.now
    move = Ptz.move

    async def lost(self: Ptz, velocity: Vector, seconds: float) -> None:
        await move(self, velocity, LONGEST_MOVE)  # nor does it keep to the time that it is told
        raise CameraRefused(reasons.TIMEOUT)

    monkeypatch.setattr(Ptz, "move", lost)
    moved = await client.post(f"{door}/ptz", json={"action": "continuous", "pan": 0.1, "seconds": 0.4})
    assert moved.json()["reason"] == reasons.TIMEOUT.code
    assert head.moving(now())
    await until(lambda: not head.moving(now()), 5)


async def test_rules_belong_to_the_preset_they_were_drawn_for(
    client_as: ClientAs, dome: VirtualDevice, services: Services
) -> None:
    client = await client_as("duty_leader")
    door = await registered(client, dome)
    code = door.rpartition("/")[2]

    async def ordered() -> StreamOrder:
        async with services.db.reading() as session:
            (order,) = await DatabaseCameraStore(session, services.vault).orders([code])
        return order

    async def in_force() -> int | None:
        order = await ordered()
        return None if order.rules is None else len(order.rules)

    assert (await ordered()).preset == ""
    first = (await client.post(f"{door}/ptz", json={"action": "set_preset", "name": "东向"})).json()
    assert first["at"] == first["preset"]
    assert (await client.put(f"{door}/rules", json={"rules": []})).json()["preset"] == first["preset"]
    assert await in_force() == 0
    await client.post(f"{door}/ptz", json={"action": "absolute", "pan": 0.4, "tilt": 0})
    assert await in_force() is None  # zones drawn for another view mean nothing here
    assert (await ordered()).preset is None  # nor is this view held against a scene: it was turned on purpose
    await client.post(f"{door}/ptz", json={"action": "goto_preset", "preset": first["preset"]})
    async with asyncio.timeout(30):
        while await in_force() != 0:
            await asyncio.sleep(0.05)
    assert (await ordered()).preset == first["preset"]
    assert dome.device.ptz.position(dome.device.now).pan == 0.0
    presets = (await client.get(f"{door}/ptz")).json()
    assert (presets["presets"], presets["at"]) == ([{"token": first["preset"], "name": "东向"}], first["preset"])
    unknown = await client.post(f"{door}/ptz", json={"action": "goto_preset", "preset": "nowhere"})
    assert (unknown.status_code, unknown.json()["reason"]) == (422, "preset_unknown")
    await client.post(f"{door}/ptz", json={"action": "remove_preset", "preset": first["preset"]})
    assert (await client.get(f"{door}/ptz")).json()["presets"] == []


async def test_what_a_preset_looked_like_is_forgotten_when_it_is_set_anew_or_gone_and_all_of_a_camera_with_it(
    client_as: ClientAs, dome: VirtualDevice, services: Services, told: list[Message]
) -> None:
    """A token that the device gives to another view was held against the scene of the first: moved, it said."""
    client = await client_as("duty_leader")
    door = await registered(client, dome)
    code = door.rpartition("/")[2]

    async def learned(*presets: str) -> None:
        async with services.db.transaction() as session:
            for preset in presets:
                await camera_health.keep_scene(session, code, preset, b"scene", services.clock())

    async def known() -> set[str]:
        async with services.db.reading() as session:
            return set((await camera_health.scenes(session, [code])).get(code, {}))

    made = (await client.post(f"{door}/ptz", json={"action": "set_preset", "name": "东向"})).json()["preset"]
    await learned(made, "", "another")
    told.clear()
    await client.post(f"{door}/ptz", json={"action": "set_preset", "name": "东向", "preset": made})
    assert await known() == {"", "another"}
    assert told == [LearnScene(code, made)]
    await learned(made)
    told.clear()
    await client.post(f"{door}/ptz", json={"action": "remove_preset", "preset": made})
    assert await known() == {"", "another"}
    assert told == [LearnScene(code, made)]
    assert (await client.delete(door)).status_code == 204
    assert await known() == set()


async def test_what_was_rejected_in_the_view_of_a_preset_lapses_when_it_is_set_anew(
    client_as: ClientAs, dome: VirtualDevice, services: Services, raise_alert: Callable[..., Awaitable[str]]
) -> None:
    """The same token, another view: a gathering that nobody had judged was held back in it."""
    client = await client_as("duty_leader")
    door = await registered(client, dome)
    code = door.rpartition("/")[2]
    made = (await client.post(f"{door}/ptz", json={"action": "set_preset", "name": "东向"})).json()["preset"]
    now = services.clock()
    row = SuppressionRow(
        platform=services.settings.platform_code, alert_id=await raise_alert("crowd"), camera_code=code,
        hazard="crowd", zone="全画面", preset=made, box=None, appearance=[], people=18, created_at=now,
        created_by="duty", until=now + timedelta(hours=1),
    )  # fmt: skip
    async with services.db.transaction() as session:
        session.add(row)
    await client.post(f"{door}/ptz", json={"action": "set_preset", "name": "东向", "preset": made})
    async with services.db.reading() as session:
        assert await in_force(session, [code], services.clock()) == {}


async def test_what_is_wrong_in_a_command_is_named_and_turns_nothing(client_as: ClientAs, dome: VirtualDevice) -> None:
    client = await client_as("duty_leader")
    door = await registered(client, dome)
    for body in (
        {"action": "continuous"},
        {"action": "continuous", "pan": 2},
        {"action": "continuous", "pan": 1, "seconds": 60},
        {"action": "absolute", "zoom": -0.5},
        {"action": "goto_preset"},
        {"action": "set_preset", "name": "a\nb"},
        {"action": "spin"},
    ):
        answer = await client.post(f"{door}/ptz", json=body)
        assert (answer.status_code, answer.json()["reason"]) == (422, "field_invalid"), body
    assert not dome.device.ptz.moving(dome.device.now)
    assert (await (await client_as("department")).post(f"{door}/ptz", json={"action": "stop"})).status_code == 403


async def test_picture_settings_and_clock_are_set_at_the_camera(client_as: ClientAs, dome: VirtualDevice) -> None:
    client = await client_as("system_admin")
    door = await registered(client, dome)
    changed = await client.patch(f"{door}/imaging", json={"brightness": 70, "ir_cut": "ON"})
    assert changed.status_code == 200, changed.text
    assert (changed.json()["levels"]["brightness"]["value"], changed.json()["ir_cut"]) == (70.0, "ON")
    wrong = await client.patch(f"{door}/imaging", json={"contrast": 1000})
    assert (wrong.status_code, wrong.json()["reason"], wrong.json()["field"]) == (
        422, "imaging_out_of_range", "contrast",
    )  # fmt: skip
    offered = (await client.get(f"{door}/imaging")).json()["modes"]
    assert offered["wide_dynamic_range"] == {"value": "OFF", "offered": ["ON", "OFF"]}
    assert "backlight_compensation" not in offered
    wide = await client.patch(f"{door}/imaging", json={"wide_dynamic_range": "ON", "wide_dynamic_range_level": 30})
    assert wide.json()["modes"]["wide_dynamic_range"]["value"] == "ON"
    lower = await client.patch(f"{door}/imaging", json={"wide_dynamic_range_level": 20})
    assert (lower.json()["levels"]["wide_dynamic_range_level"]["value"], dome.device.imaging.wide_dynamic_range) == (
        20, "ON",
    )  # fmt: skip
    none = await client.patch(f"{door}/imaging", json={"backlight_compensation": "ON"})
    assert (none.status_code, none.json()["field"]) == (422, "backlight_compensation")
    assert (await client.post(f"{door}/clock", json={"allow": False})).status_code == 422
    clock = (await client.get(f"{door}/clock")).json()
    assert (clock["mode"], round(clock["offset"] / 60)) == ("manual", -120)
    assert [one["reason"] for one in (await client.get(door)).json()["notices"]] == ["clock_wrong"]
    done = (await client.post(f"{door}/clock", json={"allow": True})).json()
    assert abs(done["before"] + 7200) < 3
    assert abs(done["after"]) < 3
    assert (await client.get(door)).json()["notices"] == []
    assert dome.device.logins.refused == 0


async def test_a_camera_that_is_asked_for_its_events_is_heard_until_it_is_not(
    client_as: ClientAs, dome: VirtualDevice, services: Services
) -> None:
    client = await client_as("duty_leader")
    door = await registered(client, dome)
    async with services.live.listen() as listener:
        assert (await client.patch(door, json={"device_events": True})).json()["device_events"] is True
        await until(lambda: dome.device.events.open == 1)
        dome.device.events.set("motion", True)
        async with asyncio.timeout(30):
            while True:
                notice = await listener.queue.get()
                if notice.topic == "camera.event" and not notice.data["initial"]:
                    break
    assert (notice.data["kind"], notice.data["state"], notice.platform) == ("motion", True, "hub")
    heard = (await client.get(f"{door}/device-events")).json()
    assert (heard["subscribed"], heard["items"][-1]["kind"]) == (True, "motion")
    await client.patch(door, json={"device_events": False})
    await until(lambda: dome.device.events.open == 0)
    assert (await client.get(f"{door}/device-events")).json()["subscribed"] is False
    assert dome.device.logins.refused == 0
