"""Devices found on loopback: by multicast, by directed probes, once each, and none that lies outside the networks."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from camera_registry.address_policy import AddressPolicy
from camera_registry.discovery import Discovery, Target, local_interfaces
from camera_registry.errors import CameraRefused
from camera_registry.ws_discovery import SPACES
from gateway.virtual import RenderedFootage, VirtualCamera, VirtualFleet

if TYPE_CHECKING:
    from tests.camera_registry.conftest import OneDevice

LOOPBACK = "127.0.0.1"
Answers = Callable[[str], list[bytes]]


class Responder(asyncio.DatagramProtocol):
    """Answers each probe with what ``answers`` makes of its message id."""

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self.asked = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str | int, int]) -> None:
        self.asked += 1
        message_id = data.decode().partition("MessageID>")[2].partition("<")[0]
        for packet in self._answers(message_id):
            self._transport.sendto(packet, addr)


@asynccontextmanager
async def responder(answers: Answers) -> AsyncIterator[Target]:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Responder(answers), local_addr=(LOOPBACK, 0)
    )
    try:
        yield Target(LOOPBACK, transport.get_extra_info("sockname")[1])
    finally:
        transport.close()


def match(message_id: str, reference: str, *addresses: str) -> bytes:
    return (
        f'<s:Envelope xmlns:s="{SPACES["s"]}" xmlns:a="{SPACES["a"]}" xmlns:d="{SPACES["d"]}"><s:Header>'
        f"<a:RelatesTo>{message_id}</a:RelatesTo></s:Header><s:Body><d:ProbeMatches><d:ProbeMatch><a:EndpointReference>"
        f"<a:Address>{reference}</a:Address></a:EndpointReference><d:XAddrs>{' '.join(addresses)}</d:XAddrs>"
        "</d:ProbeMatch></d:ProbeMatches></s:Body></s:Envelope>"
    ).encode()


async def found_at(policy: AddressPolicy, answers: Answers, seconds: float = 0.8) -> list[str]:
    async with responder(answers) as target:
        devices = await Discovery(policy).search(targets=[target], seconds=seconds)
    return [device.address for device in devices]


@pytest.mark.integration
async def test_a_device_found_by_multicast_and_directly_is_one(policy: AddressPolicy, footage_folder: Path) -> None:
    footage = RenderedFootage("quiet", seconds=2.0, fps=10, size=(320, 180))
    run = uuid.uuid4().hex[:8]  # multicast is heard by all: others may run the same test on this machine
    names = [f"{run} {number} 号" for number in range(3)]
    cameras = [VirtualCamera(name, footage, "viewer", "made-for-this-test") for name in names]
    async with VirtualFleet(cameras, footage_folder) as fleet:
        references = {device.endpoint_reference for device in fleet.devices}
        by_multicast = await Discovery(policy).search(interfaces=[LOOPBACK], seconds=1.0)
        ours = [device for device in by_multicast if device.endpoint_reference in references]
        assert {device.found_by for device in ours} == {"multicast"}
        assert {device.address for device in ours} == {device.onvif_address for device in fleet.devices}
        assert sorted(device.name for device in ours) == names
        assert {device.model for device in ours} == {"VC-2000"}
        targets = [Target.parse(device.discovery_target) for device in fleet.devices]
        both = await Discovery(policy).search(interfaces=[LOOPBACK], targets=targets * 2, seconds=1.0)
        assert sorted(d.endpoint_reference for d in both if d.endpoint_reference in references) == sorted(references)


@pytest.mark.integration
async def test_a_device_that_calls_itself_any_is_found_where_it_answered(
    policy: AddressPolicy, one_device: OneDevice
) -> None:
    async with one_device(advertised_host="0.0.0.0") as device:  # noqa: S104 - a quirk
        target = Target.parse(device.discovery_target)
        (found,) = await Discovery(policy).search(targets=[target], seconds=0.8)
        assert (found.address, found.found_by) == (device.onvif_address, "directed")


async def test_a_search_ends_in_time_when_nobody_answers(policy: AddressPolicy) -> None:
    began = time.monotonic()
    assert await found_at(policy, lambda _id: [], seconds=0.5) == []
    assert time.monotonic() - began < 10


async def test_a_device_that_answers_under_many_names_is_one(policy: AddressPolicy) -> None:
    number = iter(range(10))
    assert await found_at(policy, lambda i: [match(i, f"urn:uuid:{next(number)}", "http://127.0.0.1/a")]) == [
        "http://127.0.0.1/a"
    ]


async def test_a_name_with_and_without_its_prefix_is_one(policy: AddressPolicy) -> None:
    def answers(message_id: str) -> list[bytes]:
        return [
            match(message_id, "urn:uuid:AB", "http://127.0.0.1/a"),
            match(message_id, "uuid:ab", "http://127.0.0.1/b"),
        ]

    assert await found_at(policy, answers) == ["http://127.0.0.1/a"]


async def test_of_many_addresses_the_one_it_answered_from_wins(policy: AddressPolicy) -> None:
    addresses = ("http://169.254.1.1/x", "http://127.0.0.9/x", "http://127.0.0.1:81/x")
    assert await found_at(policy, lambda i: [match(i, "u", *addresses)]) == ["http://127.0.0.1:81/x"]


async def test_an_address_outside_the_networks_is_replaced_by_the_senders(policy: AddressPolicy) -> None:
    assert await found_at(policy, lambda i: [match(i, "u", "http://169.254.169.254:8080/latest")]) == [
        "http://127.0.0.1:8080/latest"
    ]


async def test_noise_lies_and_floods_find_nothing(policy: AddressPolicy) -> None:
    def answers(message_id: str) -> list[bytes]:
        return [
            b"noise",
            match("urn:uuid:another", "u", "http://127.0.0.1/a"),
            match(message_id, "u", "file:///etc/hostname", "gopher://127.0.0.1/", "http://"),
            *[b"<flood/>"] * 200,
        ]

    assert await found_at(policy, answers) == []


async def test_a_sender_outside_the_networks_is_not_heard() -> None:
    asked = []

    def answers(message_id: str) -> list[bytes]:
        asked.append(message_id)
        return [match(message_id, "u", "http://127.0.0.1/a")]

    elsewhere = AddressPolicy((ip_network("192.0.2.0/24"),))
    async with responder(answers) as target:
        with pytest.raises(CameraRefused, match="address_not_allowed"):
            await Discovery(elsewhere).search(targets=[target], seconds=0.2)
    assert asked == []


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("192.0.2.7", Target("192.0.2.7", 3702)),
        (" camera.example:3703 ", Target("camera.example", 3703)),
        ("[2001:db8::7]:99", Target("2001:db8::7", 99)),
    ],
)
def test_a_target_as_a_person_types_it(text: str, target: Target) -> None:
    assert Target.parse(text) == target


@pytest.mark.parametrize("text", ["", ":80", "h:0", "h:99999", "h:x", "u@h", "h/x", "http://h", "h?x", "[::1", "h h"])
def test_a_target_that_is_none_names_its_field(text: str) -> None:
    with pytest.raises(CameraRefused) as refused:
        Target.parse(text)
    assert (refused.value.reason, refused.value.field) == ("address_invalid", "targets")


async def test_what_may_not_be_searched_is_refused(policy: AddressPolicy) -> None:
    discovery = Discovery(policy)
    with pytest.raises(CameraRefused, match="too_many_targets"):
        await discovery.search(targets=[Target(LOOPBACK)] * 257)
    with pytest.raises(CameraRefused, match="interface_unknown"):
        await discovery.search(interfaces=["192.0.2.99"])


def test_loopback_is_an_interface() -> None:
    assert LOOPBACK in local_interfaces()
