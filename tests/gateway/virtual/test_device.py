"""The virtual device over HTTP: what it tells anybody, what only after a login, and how it refuses."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from gateway.virtual import Quirks, RenderedFootage, VirtualCamera, VirtualDevice, VirtualFleet

pytestmark = pytest.mark.integration

PASSWORD = "made-for-this-test"
SECURITY = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity"


@pytest.fixture
async def device(
    footage_folder: Path, small: RenderedFootage, request: pytest.FixtureRequest
) -> AsyncIterator[VirtualDevice]:
    quirks = getattr(request, "param", Quirks())
    fleet = VirtualFleet(
        [VirtualCamera("东 & 西门", small, "viewer", PASSWORD, quirks=quirks)], footage_folder, multicast=False
    )
    async with fleet:
        yield fleet.devices[0]


def login(password: str = PASSWORD, nonce: bytes = b"0123456789abcdef", at: datetime | None = None) -> str:
    created = (at or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")
    digest = hashlib.sha1(nonce + created.encode() + password.encode()).digest()  # noqa: S324 - the profile's
    return (
        f'<wsse:Security xmlns:wsse="{SECURITY}-secext-1.0.xsd" xmlns:wsu="{SECURITY}-utility-1.0.xsd">'
        f"<wsse:UsernameToken><wsse:Username>viewer</wsse:Username>"
        f"<wsse:Password>{base64.b64encode(digest).decode()}</wsse:Password>"
        f"<wsse:Nonce>{base64.b64encode(nonce).decode()}</wsse:Nonce><wsu:Created>{created}</wsu:Created>"
        "</wsse:UsernameToken></wsse:Security>"
    )


async def call(device: VirtualDevice, body: str, header: str = "") -> httpx.Response:
    document = (
        '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:tds="http://www.onvif.org/ver10/device/wsdl"'
        ' xmlns:trt="http://www.onvif.org/ver10/media/wsdl" xmlns:tr2="http://www.onvif.org/ver20/media/wsdl">'
        f"<s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    )
    async with httpx.AsyncClient(timeout=5) as client:
        return await client.post(device.onvif_address, content=document)


async def test_the_clock_is_told_to_anybody(device: VirtualDevice) -> None:
    answer = await call(device, "<tds:GetSystemDateAndTime/>")
    assert answer.status_code == 200
    assert f"<tt:Year>{datetime.now(UTC).year}</tt:Year>" in answer.text


async def test_a_login_opens_the_device_once(device: VirtualDevice) -> None:
    header = login()
    first = await call(device, "<tds:GetDeviceInformation/>", header)
    replayed = await call(device, "<tds:GetDeviceInformation/>", header)
    assert (first.status_code, replayed.status_code) == (200, 401)
    assert "<tds:Model>VC-2000</tds:Model>" in first.text
    assert "ter:NotAuthorized" in replayed.text


@pytest.mark.parametrize(
    "header",
    ["", login("guessed"), login(at=datetime.now(UTC) - timedelta(minutes=5))],
    ids=["none", "wrong password", "old"],
)
async def test_no_other_login_does(device: VirtualDevice, header: str) -> None:
    answer = await call(device, "<tds:GetDeviceInformation/>", header)
    assert answer.status_code == 401
    assert "ter:NotAuthorized" in answer.text


@pytest.mark.parametrize("device", [Quirks(clock_offset=-3600)], indirect=True)
async def test_a_device_with_a_wrong_clock_judges_logins_by_it(device: VirtualDevice) -> None:
    now = datetime.now(UTC)
    assert (await call(device, "<tds:GetScopes/>", login(at=now))).status_code == 401
    assert (await call(device, "<tds:GetScopes/>", login(at=now - timedelta(hours=1)))).status_code == 200


@pytest.mark.parametrize("device", [Quirks(media2=False)], indirect=True)
async def test_an_older_device_knows_no_media2(device: VirtualDevice) -> None:
    assert "ver20/media" not in (await call(device, "<tds:GetServices/>")).text.partition("Body")[2]
    answer = await call(device, "<tr2:GetProfiles/>", login())
    assert (answer.status_code, "ter:ActionNotSupported" in answer.text) == (500, True)


async def test_a_snapshot_asks_for_http_digest(device: VirtualDevice, small: RenderedFootage) -> None:
    body = "<trt:GetSnapshotUri><trt:ProfileToken>main</trt:ProfileToken></trt:GetSnapshotUri>"
    uri = (await call(device, body, login())).text.partition("<tt:Uri>")[2].partition("</tt:Uri>")[0]
    async with httpx.AsyncClient(timeout=5) as client:
        assert (await client.get(uri)).status_code == 401
        assert (await client.get(uri, auth=httpx.DigestAuth("viewer", "guessed"))).status_code == 401
        picture = await client.get(uri, auth=httpx.DigestAuth("viewer", PASSWORD))
    assert picture.content.startswith(b"\xff\xd8")


@pytest.mark.parametrize(
    "document", [b"", b"<", b"<a/>", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', b"\x00" * 100, b"<a>" * 20_000]
)
async def test_what_is_no_request_is_a_fault(device: VirtualDevice, document: bytes) -> None:
    async with httpx.AsyncClient(timeout=5) as client:
        answer = await client.post(device.onvif_address, content=document)
    assert (answer.status_code, "ter:WellFormed" in answer.text) == (400, True)


async def test_identity_stays_the_same_over_starts(footage_folder: Path, small: RenderedFootage) -> None:
    camera = VirtualCamera("门口", small, "viewer", PASSWORD)
    names = []
    for _ in range(2):
        async with VirtualFleet([camera], footage_folder, multicast=False) as fleet:
            names.append(fleet.devices[0].endpoint_reference)
    assert names[0] == names[1]
