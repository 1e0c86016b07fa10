"""Finds ONVIF devices: probes by multicast on chosen interfaces and directed ones, answers gathered for a bounded time.

The call others make: ``await Discovery(policy: AddressPolicy).search(interfaces: Sequence[str] | None = None,
targets: Sequence[Target] = (), seconds: float = 3.0) -> tuple[DiscoveredDevice, ...]``; ``Target.parse("host[:port]")``
reads what a person types. It takes ``seconds`` (at most 30), and 3 s more where targets are names. It raises only
``CameraRefused``: ``address_invalid``, ``host_unknown``, ``address_not_allowed``, ``too_many_targets`` with field
``targets``, and ``interface_unknown`` with field ``interfaces``. Nothing found is an empty tuple, no error.

A device that answers on several ways is one device, told apart by its endpoint reference. Where it names several
addresses, the one it answered from wins; one outside the camera networks, or one that means "any" (``0.0.0.0``, a
common quirk), is repaired with the sender's address, which the network itself vouches for.
"""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast
from urllib.parse import urlsplit

import structlog

from camera_registry import reasons
from camera_registry.address_policy import LONGEST, AddressPolicy, host_of, host_or, rehosted
from camera_registry.errors import CameraRefused
from camera_registry.ws_discovery import GROUP, PORT, ProbeMatch, matches, probe

log = structlog.get_logger(__name__)

MOST_DEVICES = 2_000
MOST_TARGETS = 256
LONGEST_SEARCH = 30.0
MOST_PACKETS = 20_000
"""Read in one search, so that a flood cannot hold up the loop."""
REPEAT_AFTER = 0.25
"""Probes are sent twice (SOAP-over-UDP 1.1, 3.4): a datagram may be lost."""
_SIOCGIFADDR = 0x8915

FoundBy = Literal["multicast", "directed"]


@dataclass(frozen=True, slots=True)
class DiscoveredDevice:
    """``address`` is the URL of the device service, with a host in the camera networks."""

    address: str
    endpoint_reference: str
    name: str
    model: str
    scopes: tuple[str, ...]
    found_by: FoundBy


@dataclass(frozen=True, slots=True)
class Target:
    """Where to send a directed probe. ``host`` may be a name, which is resolved when the search begins."""

    host: str
    port: int = PORT

    @classmethod
    def parse(cls, text: str) -> Target:
        """``192.0.2.7`` or ``192.0.2.7:3702``. Raises ``address_invalid``."""
        text = text.strip()
        try:
            parts = urlsplit(f"//{text}")
            port = parts.port
        except ValueError as error:
            raise CameraRefused(reasons.ADDRESS_INVALID, field="targets") from error
        plain = text.isprintable() and not {" ", "@"} & set(text) and len(text) <= LONGEST and parts.netloc == text
        if not parts.hostname or port == 0 or not plain:
            raise CameraRefused(reasons.ADDRESS_INVALID, field="targets")
        return cls(parts.hostname, port or PORT)


@dataclass(frozen=True, slots=True)
class Discovery:
    """Finds devices within ``policy``."""

    policy: AddressPolicy

    async def search(
        self, *, interfaces: Sequence[str] | None = None, targets: Sequence[Target] = (), seconds: float = 3.0
    ) -> tuple[DiscoveredDevice, ...]:
        """Devices by address. ``interfaces``: IPv4 addresses of this machine; None: all of them, unless ``targets``
        are given, which are then probed alone.

        Takes ``seconds`` and no longer. Raises ``CameraRefused`` for a target or interface that may not be used.
        """
        if len(targets) > MOST_TARGETS:
            raise CameraRefused(reasons.TOO_MANY_TARGETS, field="targets")
        seconds = min(max(seconds, 0.0), LONGEST_SEARCH)
        targets = await self._resolved(targets)
        own = local_interfaces()
        if interfaces is None:
            interfaces = () if targets else own
        elif not set(interfaces) <= set(own):
            raise CameraRefused(reasons.INTERFACE_UNKNOWN, field="interfaces")
        found = _Found(self.policy)
        listeners = [
            listener for interface in dict.fromkeys(interfaces) if (listener := await _multicast(interface, found))
        ]
        if targets:
            listeners.append(await _directed(targets, found))
        try:
            for listener in listeners:
                listener.ask()
            await asyncio.sleep(min(REPEAT_AFTER, seconds))
            for listener in listeners:
                listener.ask()
            await asyncio.sleep(max(0.0, seconds - REPEAT_AFTER))
        finally:
            for listener in listeners:
                listener.close()
        log.info("cameras_discovered", devices=len(found.devices), packets=found.packets, refused=found.refused)
        return tuple(sorted(found.devices.values(), key=lambda device: device.address))

    async def _resolved(self, targets: Sequence[Target]) -> list[Target]:
        hosts = await asyncio.gather(*(self.policy.resolved(target.host, field="targets") for target in targets))
        return [Target(host, target.port) for host, target in zip(hosts, targets, strict=True)]


class _Found:
    """What has been found so far, and how much was thrown away."""

    def __init__(self, policy: AddressPolicy) -> None:
        self._policy = policy
        self.devices: dict[str, DiscoveredDevice] = {}
        self._by_address: dict[str, str] = {}
        self.packets = 0
        self.refused = 0

    def take(self, packet: bytes, sender: str, asked: frozenset[str], found_by: FoundBy) -> None:
        self.packets += 1
        if self.packets > MOST_PACKETS or not self._policy.allows(sender):
            self.refused += 1
            return
        for match in matches(packet, asked):
            address = self._address(match, sender)
            if address is None or len(self.devices) >= MOST_DEVICES:
                self.refused += 1
                continue
            # A device cannot be put in another's place: the first answer under a reference or an address stays.
            self.devices.setdefault(
                self._identity(match.endpoint_reference, address),
                DiscoveredDevice(address, match.endpoint_reference, match.name, match.model, match.scopes, found_by),
            )

    def _identity(self, reference: str, address: str) -> str:
        """Cameras write their reference with and without ``urn:``, and some make a new one for each answer."""
        bare = reference.lower().removeprefix("urn:").removeprefix("uuid:")
        return self._by_address.setdefault(address, bare)

    def _address(self, match: ProbeMatch, sender: str) -> str | None:
        usable = [url for url in (rehosted(a, host_or(a, sender), ("http", "https")) for a in match.addresses) if url]
        for url in usable:
            if host_of(url) == sender:
                return url
        for url in usable:
            if self._policy.allows(host_of(url)):
                return url
        return rehosted(usable[0], sender, ("http", "https")) if usable else None


class _Listener(asyncio.DatagramProtocol):
    """Sends the probes of one socket and hands on what comes back."""

    def __init__(self, where: Sequence[tuple[str, int]], found: _Found, found_by: FoundBy) -> None:
        self._where = where
        self._found = found
        self._found_by: FoundBy = found_by
        self._message_id = f"urn:uuid:{uuid.uuid4()}"
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # What asyncio hands over has its methods, but is no subclass of it.
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str | int, int]) -> None:
        self._found.take(data, str(addr[0]), frozenset({self._message_id}), self._found_by)

    def error_received(self, exc: Exception) -> None:
        """An unreachable target says so; the others still answer."""

    def ask(self) -> None:
        if self._transport is not None:
            for address in self._where:
                self._transport.sendto(probe(self._message_id), address)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


async def _multicast(interface: str, found: _Found) -> _Listener | None:
    """None where the interface cannot send multicast; the others are searched all the same."""
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(interface))
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
        sender.bind((interface, 0))
        sender.setblocking(False)
        _, listener = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Listener([(GROUP, PORT)], found, "multicast"), sock=sender
        )
    except OSError as error:
        sender.close()
        log.warning("discovery_interface_unusable", interface=interface, error=str(error))
        return None
    return listener


async def _directed(targets: Sequence[Target], found: _Found) -> _Listener:
    where = [(target.host, target.port) for target in targets]
    _, listener = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Listener(where, found, "directed"), family=socket.AF_INET
    )
    return listener


def local_interfaces() -> tuple[str, ...]:
    """The IPv4 address of each interface of this machine that has one (Linux, netdevice(7))."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        for _, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(handle.fileno(), _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
            except OSError:  # an interface without an address
                continue
            found.append(socket.inet_ntoa(answer[20:24]))
    return tuple(found)
