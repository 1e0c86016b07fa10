"""Every kind of the shipped catalogue, asked as the registry asks any camera: it ends as its file says."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path

import pytest

from camera_registry.address_policy import AddressPolicy
from camera_registry.errors import CameraRefused
from camera_registry.login import Login, LoginBackoff
from camera_registry.registration import Registrar
from gateway.refusals import Refusal
from gateway.virtual import RenderedFootage, VirtualCamera, VirtualDevice, VirtualFleet, catalogue

LOGIN = Login("viewer", "made-for-this-test")
MAIN = RenderedFootage("quiet", seconds=2.0, fps=10, size=(640, 360))


async def ends(device: VirtualDevice, turn: asyncio.Semaphore) -> tuple[str, set[str]]:
    """What its registration ends in, and what is noted of it."""
    registrar = Registrar(AddressPolicy((ip_network("127.0.0.0/8"),)), LoginBackoff(), lambda: datetime.now(UTC))
    try:
        async with turn:
            found = await registrar.over_onvif(device.onvif_address, LOGIN)
        return "registered", {note.code for note in found.notes}
    except CameraRefused as refused:
        return refused.reason, set()


@pytest.mark.integration
async def test_each_kind_ends_as_its_file_says(footage_folder: Path) -> None:
    kinds = catalogue()
    sub = RenderedFootage("quiet", seconds=2.0, fps=10, size=(320, 180))
    cameras = [
        VirtualCamera(kind.name, MAIN, LOGIN.username, LOGIN.password, sub=sub, quirks=kind.quirks) for kind in kinds
    ]
    async with VirtualFleet(cameras, footage_folder, multicast=False) as fleet:
        turn = asyncio.Semaphore(4)  # a fifth would wait for the others' descriptions to be read
        found = await asyncio.gather(*(ends(device, turn) for device in fleet.devices))
    told = {kind.name: ended for kind, (ended, _) in zip(kinds, found, strict=True)}
    assert told == {kind.name: kind.ends_in for kind in kinds}
    unnoted = {kind.name: set(kind.notes) - notes for kind, (_, notes) in zip(kinds, found, strict=True)}
    assert not any(unnoted.values()), unnoted


@pytest.mark.parametrize(
    ("content", "named"),
    [("x = 1", "x"), ("[a]\nspeed = 1", "speed"), ('[a]\nlogin = "none"', "login"), ("[a", "")],
)
def test_a_file_of_quirks_that_cannot_be_used_says_what_is_wrong(tmp_path: Path, content: str, named: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(content)
    with pytest.raises(Refusal) as refused:
        catalogue(path)
    assert refused.value.reason == "quirks_unusable"
    assert named in refused.value.en
