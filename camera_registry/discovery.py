"""Finds ONVIF devices: multicast on chosen interfaces, directed probes, and a sweep of address ranges, together.

The calls others make: ``await Discovery(policy).search(interfaces=, targets=, seconds=)`` for probes alone, and
``await Discovery(policy).run(wanted: Wanted, progress: Progress)`` for all three. ``Target.parse("host[:port]")`` and
``sweep.SweepRange.parse`` read what a person types. Both raise only ``CameraRefused``: ``address_invalid``,
``host_unknown``, ``address_not_allowed``, ``too_many_targets`` with field ``targets``; ``range_invalid``,
``too_many_doors``, ``address_not_allowed`` with field ``ranges``; ``interface_unknown`` with field ``interfaces``.
Nothing found is an empty tuple, no error.

Where a device names several addresses, the one it answered from wins; one outside the camera networks, or one that
means "any" (``0.0.0.0``, a common quirk), is repaired with the sender's, which the network itself vouches for.
"""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import structlog

from camera_registry import reasons
from camera_registry.address_policy import LONGEST, AddressPolicy
from camera_registry.errors import CameraRefused
from camera_registry.found_devices import DiscoveredDevice, FoundBy, FoundDevices
from camera_registry.sweep import RATE, SweepRange, checked_doors, sweep
from camera_registry.ws_discovery import GROUP, PORT, TYPES, probe

log = structlog.get_logger(__name__)

MOST_TARGETS = 256
LONGEST_SEARCH = 30.0
REPEAT_AFTER = 0.25
"""Probes are sent twice (SOAP-over-UDP 1.1, 3.4): a datagram may be lost."""
_SIOCGIFADDR = 0x8915


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
class Wanted:
    """Where to search. ``interfaces`` None: all, unless targets or ranges are given; ``seconds``: how long answers to
    probes are waited for, 30 at most; ``rate``: doors of the ranges asked a second."""

    interfaces: Sequence[str] | None = None
    targets: tuple[Target, ...] = ()
    ranges: tuple[SweepRange, ...] = ()
    seconds: float = 3.0
    rate: float = RATE


class Progress:
    """How far a search is: devices ``found``, doors ``asked`` of ``total``; ``changed`` is called at each step."""

    def __init__(self, policy: AddressPolicy, changed: Callable[[], None] = lambda: None) -> None:
        self.changed = changed
        self.found = FoundDevices(policy, changed)
        self.asked = 0
        self.total = 0

    def one_asked(self) -> None:
        self.asked += 1
        self.changed()


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
        progress = Progress(self.policy)
        await self.run(Wanted(interfaces, tuple(targets), seconds=seconds), progress)
        return progress.found.devices

    async def run(self, wanted: Wanted, progress: Progress) -> None:
        """Search in every way that is wanted, at once. Cancelled, it leaves in ``progress`` what was found so far."""
        interfaces, targets, doors = await self.checked(wanted)
        progress.total = len(doors)
        progress.changed()
        async with asyncio.TaskGroup() as ways:
            if interfaces or targets:
                ways.create_task(self._probe(interfaces, targets, wanted.seconds, progress.found))
            if doors:
                ways.create_task(sweep(doors, progress.found, progress.one_asked, rate=wanted.rate))
        found = progress.found
        log.info("cameras_discovered", devices=len(found), packets=found.packets, refused=found.refused)

    async def checked(self, wanted: Wanted) -> tuple[Sequence[str], Sequence[Target], Sequence[tuple[str, int]]]:
        """Interfaces, targets and doors as they will be asked. Raises what ``run`` would be refused for."""
        if len(wanted.targets) > MOST_TARGETS:
            raise CameraRefused(reasons.TOO_MANY_TARGETS, field="targets")
        targets = await self._resolved(wanted.targets)
        doors = checked_doors(wanted.ranges, self.policy)
        own = local_interfaces()
        if wanted.interfaces is None:
            return () if targets or doors else own, targets, doors
        if not set(wanted.interfaces) <= set(own):
            raise CameraRefused(reasons.INTERFACE_UNKNOWN, field="interfaces")
        return wanted.interfaces, targets, doors

    async def _probe(
        self, interfaces: Sequence[str], targets: Sequence[Target], seconds: float, found: FoundDevices
    ) -> None:
        seconds = min(max(seconds, 0.0), LONGEST_SEARCH)
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

    async def _resolved(self, targets: Sequence[Target]) -> list[Target]:
        hosts = await asyncio.gather(*(self.policy.resolved(target.host, field="targets") for target in targets))
        return [Target(host, target.port) for host, target in zip(hosts, targets, strict=True)]


class _Listener(asyncio.DatagramProtocol):
    """Sends the probes of one socket and hands on what comes back."""

    def __init__(self, where: Sequence[tuple[str, int]], found: FoundDevices, found_by: FoundBy) -> None:
        self._where = where
        self._found = found
        self._found_by: FoundBy = found_by
        self._probes = {f"urn:uuid:{uuid.uuid4()}": kind for kind in TYPES}
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # What asyncio hands over has its methods, but is no subclass of it.
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str | int, int]) -> None:
        self._found.take(data, str(addr[0]), frozenset(self._probes), self._found_by)

    def error_received(self, exc: Exception) -> None:
        """An unreachable target says so; the others still answer."""

    def ask(self) -> None:
        if self._transport is not None:
            for message_id, kind in self._probes.items():
                for address in self._where:
                    self._transport.sendto(probe(message_id, kind), address)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


async def _multicast(interface: str, found: FoundDevices) -> _Listener | None:
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


async def _directed(targets: Sequence[Target], found: FoundDevices) -> _Listener:
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
