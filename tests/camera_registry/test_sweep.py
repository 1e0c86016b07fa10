"""A range swept: what a person may type, whom it finds without any login, and that it ends when it is told to."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from camera_registry import sweep as sweeping
from camera_registry.address_policy import AddressPolicy
from camera_registry.discovery import Discovery, Progress, Target, Wanted
from camera_registry.errors import CameraRefused
from camera_registry.found_devices import DiscoveredDevice, FoundDevices
from camera_registry.sweep import SweepRange, checked_doors

if TYPE_CHECKING:
    from tests.camera_registry.conftest import OneDevice, SoapPeer

CLOCK, REFERENCE = "tds:GetSystemDateAndTime", "tds:GetEndpointReference"


@pytest.mark.parametrize(
    ("text", "first", "last", "doors"),
    [
        ("192.0.2.0/24", "192.0.2.1", "192.0.2.254", 254),
        ("192.0.2.7/31", "192.0.2.6", "192.0.2.7", 2),
        ("192.0.2.7", "192.0.2.7", "192.0.2.7", 1),
        (" 192.0.2.10 - 192.0.3.1 ", "192.0.2.10", "192.0.3.1", 248),
        ("192.0.2.10-40", "192.0.2.10", "192.0.2.40", 31),
        ("fd00::/120", "fd00::", "fd00::ff", 256),
    ],
)
def test_a_range_is_read_as_people_write_it(text: str, first: str, last: str, doors: int) -> None:
    made = SweepRange.parse(text)
    assert (str(made.first), str(made.last), made.doors) == (first, last, doors)
    assert len(list(made)) == doors


@pytest.mark.parametrize("text", ["", "camera", "192.0.2.9-1", "192.0.2.1-fd00::1", "192.0.2.0/33", "1.2.3", "-"])
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(CameraRefused, match="range_invalid"):
        SweepRange.parse(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("127.0.0.0/8", "too_many_doors"),
        ("126.255.255.250-127.0.0.5", "address_not_allowed"),
        ("169.254.169.254", "address_not_allowed"),
        ("::ffff:0:0/96", "too_many_doors"),
    ],
)
def test_a_sweep_stays_in_the_networks_and_has_an_end(policy: AddressPolicy, text: str, reason: str) -> None:
    with pytest.raises(CameraRefused, match=reason):
        checked_doors([SweepRange.parse(text)], policy)


def test_a_door_in_two_ranges_is_asked_once(policy: AddressPolicy) -> None:
    ranges = [SweepRange.parse("127.0.0.1-3", (80, 8000, 80)), SweepRange.parse("127.0.0.3/32")]
    assert len(checked_doors(ranges, policy)) == 6


async def swept(policy: AddressPolicy, *ports: int, **wanted: object) -> Progress:
    progress = Progress(policy)
    ranges = (SweepRange.parse("127.0.0.1", ports),)
    await Discovery(policy).run(replace(Wanted(ranges=ranges, seconds=0.5), **wanted), progress)  # type: ignore[arg-type]  # each has its own type
    return progress


def port_of(address: str) -> int:
    return int(address.split(":")[2].split("/")[0])


async def test_a_device_is_found_without_a_login(policy: AddressPolicy, soap_peer: SoapPeer) -> None:
    soap_peer.replaced[REFERENCE] = lambda _: (
        "<tds:GetEndpointReferenceResponse><tds:GUID>urn:uuid:ab</tds:GUID></tds:GetEndpointReferenceResponse>"
    )
    progress = await swept(policy, port_of(soap_peer.address), 9)
    (device,) = progress.found.devices
    assert (device.address, device.endpoint_reference, device.ways) == (soap_peer.address, "urn:uuid:ab", ("sweep",))
    assert (progress.asked, progress.total) == (2, 2)
    assert soap_peer.asked == [(CLOCK, "none"), (REFERENCE, "none")]


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: web.Response(text="<html>a page</html>", content_type="text/html"),
        lambda _: web.Response(status=404),
        lambda _: web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"}),
        lambda _: b"x" * 2_000_000,
        lambda _: b"not xml",
        lambda _: "<tds:SomethingElse/>",
    ],
    ids=["page", "nothing", "elsewhere", "endless", "noise", "another service"],
)
async def test_what_is_no_device_is_not_found(policy: AddressPolicy, soap_peer: SoapPeer, answer: object) -> None:
    soap_peer.replaced[CLOCK] = answer  # type: ignore[assignment]  # lambdas of several kinds
    assert len((await swept(policy, port_of(soap_peer.address))).found) == 0


@pytest.mark.integration
async def test_a_device_found_in_two_ways_is_one(policy: AddressPolicy, one_device: OneDevice) -> None:
    async with one_device() as device:
        target = Target.parse(device.discovery_target)
        progress = await swept(policy, device.device.port, targets=(target,))
        (found,) = progress.found.devices
        assert sorted(found.ways) == ["directed", "sweep"]
        assert (found.endpoint_reference, found.model) == (device.endpoint_reference, "VC-2000")
        assert device.device.logins.refused == 0


def test_two_doors_of_one_device_are_told_by_its_reference(policy: AddressPolicy) -> None:
    told: list[int] = []
    found = FoundDevices(policy, lambda: told.append(1))
    swept_http = DiscoveredDevice("http://127.0.0.1/onvif/device_service", "", "", "", (), "sweep", ("sweep",))
    found.add(swept_http)
    found.add(replace(swept_http, address="http://127.0.0.1:80/x", endpoint_reference="urn:uuid:AB", name="门"))
    found.add(replace(swept_http, address="https://127.0.0.1/x", endpoint_reference="uuid:ab"))
    (device,) = found.devices
    assert (device.address, device.endpoint_reference, device.name) == (swept_http.address, "urn:uuid:AB", "门")
    assert told == [1]


async def test_a_sweep_is_cancelled_at_once_and_keeps_what_it_found(
    policy: AddressPolicy, soap_peer: SoapPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "CONCURRENCY", 2)
    found = asyncio.Event()
    progress = Progress(policy, lambda: found.set() if len(progress.found) else None)
    soap_peer.replaced[REFERENCE] = lambda _: web.Response(status=500)
    port = port_of(soap_peer.address)
    ranges = (SweepRange.parse("127.0.0.1", (port,)), SweepRange.parse("127.0.0.0/20", (port,)))
    sweep = asyncio.create_task(Discovery(policy).run(Wanted(ranges=ranges, rate=20), progress))
    await asyncio.wait_for(found.wait(), 30)
    began = time.monotonic()
    sweep.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sweep
    assert time.monotonic() - began < 10
    assert len(progress.found) == 1
    assert progress.asked < 200 < progress.total
