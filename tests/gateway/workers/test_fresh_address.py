"""A camera whose stream cannot be reached is asked for its address anew, at most so often, and only where it stands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from camera_registry.codes import CodeRange
from camera_registry.login import Login
from camera_registry.ports import Site
from camera_registry.registration import CameraFound
from gateway.access import audit
from gateway.api.camera_network import CameraNetwork
from gateway.storage.camera_store import DatabaseCameraStore
from gateway.storage.database import Database
from gateway.storage.vault import Vault
from gateway.workers.control.fresh_address import PAUSE, FreshAddresses

if TYPE_CHECKING:
    from tests.gateway.conftest import ManualClock

OLD, NEW = "rtsp://10.0.0.5/old", "rtsp://10.0.0.5/new"
ONVIF = "http://10.0.0.5/onvif/device_service"


class Network:
    """The camera network: one camera, which tells its stream's address to whoever asks at its ONVIF address."""

    def __init__(self) -> None:
        self.stream_url = NEW
        self.asked: list[tuple[str, str]] = []

    async def reach(
        self, address: str, logins: Sequence[Login], field: str, *, clear_login: bool = False
    ) -> tuple[CameraFound, int]:
        self.asked.append((address, logins[0].username))
        return CameraFound(stream_url=self.stream_url, encoding="H264", onvif_address=ONVIF), 0


@pytest.fixture
def network() -> Network:
    return Network()


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
async def code(sqlite_database: Database, tmp_path: Path, clock: ManualClock) -> str:
    async with sqlite_database.transaction() as session:
        store = DatabaseCameraStore(session, Vault.at(tmp_path))
        code = await store.next_code(CodeRange("99000000"))
        found = CameraFound(stream_url=OLD, encoding="H264", onvif_address=ONVIF)
        await store.add(code, found, Site("路口", "hub"), Login("user", "made-for-this-test"), "", clock())
    return str(code)


@pytest.fixture
def addresses(
    sqlite_database: Database, tmp_path: Path, clock: ManualClock, network: Network, told: list[str]
) -> FreshAddresses:
    async def changed(code: str) -> None:
        told.append(code)

    return FreshAddresses(sqlite_database, Vault.at(tmp_path), cast(CameraNetwork, network), changed, clock)


async def test_a_stream_that_moved_is_kept_told_and_audited(
    addresses: FreshAddresses, network: Network, sqlite_database: Database, tmp_path: Path, code: str
) -> None:
    assert await addresses.ask(code)
    assert network.asked == [(ONVIF, "user")]
    async with sqlite_database.reading() as session:
        [order] = await DatabaseCameraStore(session, Vault.at(tmp_path)).orders([code])
        [row] = (await audit.page(session, what="camera.readdress")).items
    assert order.stream_url == NEW
    assert order.login == Login("user", "made-for-this-test")
    assert row.target == f"camera:{code}"
    assert not await addresses.ask(code), "asked again, nothing has changed"


async def test_a_camera_is_not_asked_too_often(
    addresses: FreshAddresses, network: Network, told: list[str], code: str, clock: ManualClock
) -> None:
    for _ in range(3):
        addresses.failed(code)
    await addresses.settled()
    assert (len(network.asked), told) == (1, [code])
    clock.advance(seconds=PAUSE + 1)
    addresses.failed(code)
    addresses.failed("99000000001320009999")
    await addresses.settled()
    assert (len(network.asked), told) == (2, [code])
