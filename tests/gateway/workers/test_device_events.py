"""What cameras report of themselves is heard of each, whatever is amiss with another's record."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from sqlalchemy import update

from camera_registry.codes import CodeRange
from camera_registry.control import CameraControl
from camera_registry.errors import CameraRefused
from camera_registry.login import Login
from camera_registry.ports import Site
from camera_registry.reasons import CLOCK_UNKNOWN
from camera_registry.registration import CameraFound
from gateway.live import LiveHub
from gateway.refusals import Refusal
from gateway.storage.camera_store import DatabaseCameraStore
from gateway.storage.database import Database
from gateway.storage.tables.cameras import CameraRow
from gateway.storage.vault import Vault
from gateway.workers.control.device_events import DeviceEvents

if TYPE_CHECKING:
    from tests.gateway.conftest import ManualClock


class Away:
    """Cameras that do not answer."""

    @asynccontextmanager
    async def listening(self, *_: object, **__: object) -> Any:
        raise CameraRefused(CLOCK_UNKNOWN)
        yield


@pytest.fixture
async def codes(sqlite_database: Database, tmp_path: Path, clock: ManualClock) -> list[str]:
    made = []
    async with sqlite_database.transaction() as session:
        store = DatabaseCameraStore(session, Vault.at(tmp_path))
        for number in range(3):
            code = await store.next_code(CodeRange("99000000"))
            address = f"http://127.0.0.1:{8000 + number}/onvif/device_service"
            found = CameraFound(stream_url=f"rtsp://127.0.0.1/{number}", encoding="H264", onvif_address=address)
            await store.add(code, found, Site("路口", "hub"), Login("user", "made-for-this-test"), "", clock())
            made.append(str(code))
        await session.execute(update(CameraRow).values(device_events=True))
    return made


@pytest.mark.parametrize("fault", [KeyError("a bug"), Refusal("invalid", "value_not_storable", "无效", "not valid")])
async def test_a_camera_whose_record_cannot_be_read_keeps_neither_the_others_unheard_nor_control_from_starting(
    sqlite_database: Database, tmp_path: Path, clock: ManualClock, codes: list[str], fault: Exception,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    read = DatabaseCameraStore.row

    async def fails_for_one(self: DatabaseCameraStore, code: str, *, held: bool = False) -> CameraRow | None:
        if code == codes[0]:
            raise fault
        return await read(self, code, held=held)

    monkeypatch.setattr(DatabaseCameraStore, "row", fails_for_one)
    control = cast(CameraControl, Away())
    events = DeviceEvents(sqlite_database, Vault.at(tmp_path), control, LiveHub(), clock)
    await events.start()
    assert [events.heard(code) is not None for code in codes] == [False, True, True]
    await events.close()
