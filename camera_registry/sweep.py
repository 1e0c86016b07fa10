"""A range of addresses asked one by one for an ONVIF device: its clock, which is told without a login.

Multicast ends where a VLAN ends; this does not. ``GetSystemDateAndTime`` is open to everybody (ONVIF Core, access class
PRE_AUTH), so no login leaves the gateway. Whoever answers it is then asked for its endpoint reference, open likewise,
by which it is known to be a device that was found in another way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network, summarize_address_range

import aiohttp

from camera_registry import reasons, soap_call
from camera_registry.address_policy import DEVICE_SERVICE, AddressPolicy, Network
from camera_registry.errors import CameraRefused
from camera_registry.found_devices import DiscoveredDevice, FoundDevices
from camera_registry.onvif_transport import parsed, post
from camera_registry.ws_discovery import printable

MOST_DOORS = 65_536
MOST_RANGES = 256
CONCURRENCY = 64
RATE = 200.0
"""Doors a second: what the connection tables of small routers and firewalls bear."""
CONNECT_SECONDS = 1.5
DOOR_SECONDS = 5.0
DEFAULT_PORTS = (80,)

OnAsked = Callable[[], None]


@dataclass(frozen=True, slots=True)
class SweepRange:
    """``first`` to ``last``, both asked, at each of ``ports``."""

    first: IPv4Address | IPv6Address
    last: IPv4Address | IPv6Address
    ports: tuple[int, ...] = DEFAULT_PORTS

    @classmethod
    def parse(cls, text: str, ports: Sequence[int] = DEFAULT_PORTS) -> SweepRange:
        """``192.0.2.0/24``, ``192.0.2.10-192.0.2.40``, ``192.0.2.10-40`` or one address. Raises ``range_invalid``.

        Of a network the addresses of the network itself and of its broadcast are left out (RFC 1122, 3.2.1.3).
        """
        bare = "".join(text.split())
        try:
            if "/" in bare:
                network = ip_network(bare, strict=False)
                inner = network.version == 4 and network.prefixlen < 31
                first, last = network[1 if inner else 0], network[-2 if inner else -1]
            else:
                begin, _, end = bare.partition("-")
                first = ip_address(begin)
                last = ip_address(_completed(begin, end)) if end else first
        except ValueError as error:
            raise CameraRefused(reasons.RANGE_INVALID, field="ranges") from error
        if first.version != last.version or first > last:  # type: ignore[operator]  # the versions agree
            raise CameraRefused(reasons.RANGE_INVALID, field="ranges")
        return cls(first, last, tuple(dict.fromkeys(ports)))

    @property
    def doors(self) -> int:
        return (int(self.last) - int(self.first) + 1) * len(self.ports)

    @property
    def networks(self) -> Iterator[Network]:
        return iter(summarize_address_range(self.first, self.last))

    def __iter__(self) -> Iterator[tuple[str, int]]:
        for number in range(int(self.first), int(self.last) + 1):
            for port in self.ports:
                yield str(type(self.first)(number)), port


def checked_doors(ranges: Sequence[SweepRange], policy: AddressPolicy) -> list[tuple[str, int]]:
    """Every door of the ranges, once. Raises ``too_many_doors`` and ``address_not_allowed``."""
    if len(ranges) > MOST_RANGES or sum(one.doors for one in ranges) > MOST_DOORS:
        raise CameraRefused(reasons.TOO_MANY_DOORS, field="ranges")
    for one in ranges:
        for network in one.networks:
            inside = (known for known in policy.networks if known.version == network.version)
            if not any(network.subnet_of(known) for known in inside):  # type: ignore[arg-type]  # the versions agree
                raise CameraRefused(reasons.ADDRESS_NOT_ALLOWED, field="ranges")
    return list(dict.fromkeys(door for one in ranges for door in one if policy.allows(door[0])))


async def sweep(
    doors: Sequence[tuple[str, int]],
    found: FoundDevices,
    on_asked: OnAsked,
    *,
    concurrency: int = CONCURRENCY,
    rate: float = RATE,
) -> None:
    """Ask each door, no more than ``rate`` a second and ``concurrency`` at once; ``on_asked`` after each answer.

    May be cancelled at any time; what was found until then stays in ``found``.
    """
    room = asyncio.Semaphore(concurrency)
    timeout = aiohttp.ClientTimeout(total=DOOR_SECONDS, sock_connect=CONNECT_SECONDS)
    connector = aiohttp.TCPConnector(ssl=False, limit=concurrency, force_close=True)
    async with (
        aiohttp.ClientSession(
            connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
        ) as http,
        asyncio.TaskGroup() as asking,
    ):

        async def ask(host: str, port: int) -> None:
            try:
                device = await _device(http, host, port)
                if device is not None:
                    found.add(device)
            finally:
                room.release()
                on_asked()

        loop = asyncio.get_running_loop()
        since = loop.time()
        for number, (host, port) in enumerate(doors):
            await asyncio.sleep(max(0.0, since + number / rate - loop.time()))
            await room.acquire()
            asking.create_task(ask(host, port))


async def _device(http: aiohttp.ClientSession, host: str, port: int) -> DiscoveredDevice | None:
    """The device behind a door; None where none answers as one."""
    shown = f"[{host}]" if ":" in host else host
    address = f"{'https' if port == 443 else 'http'}://{shown}:{port}{DEVICE_SERVICE}"
    if port in (80, 443):
        address = address.replace(f":{port}/", "/", 1)
    try:
        if not await _tells_clock(http, address):
            return None
    except CameraRefused as refused:
        if refused.cause is not reasons.HTTPS_NEEDED:
            return None
        address = f"https://{shown}{DEVICE_SERVICE}"
        try:
            if not await _tells_clock(http, address):
                return None
        except CameraRefused:
            return None
    return DiscoveredDevice(address, await _reference(http, address), "", "", (), "sweep", ("sweep",))


async def _tells_clock(http: aiohttp.ClientSession, address: str) -> bool:
    """Whether there is an answer, or a fault, of a SOAP service. A page is neither."""
    question = soap_call.envelope(soap_call.element("tds:GetSystemDateAndTime"))
    _, content = await post(http, address, question)
    body = parsed(content).find("s:Body", soap_call.SPACES)
    if body is None or len(body) == 0:
        return False
    known = {f"{{{soap_call.SPACES['tds']}}}GetSystemDateAndTimeResponse", f"{{{soap_call.SPACES['s']}}}Fault"}
    return body[0].tag in known


async def _reference(http: aiohttp.ClientSession, address: str) -> str:
    """Its endpoint reference (ONVIF Core, GetEndpointReference, PRE_AUTH); empty where it does not tell it."""
    question = soap_call.envelope(soap_call.element("tds:GetEndpointReference"))
    try:
        _, content = await post(http, address, question)
        answer = soap_call.find(parsed(content), "s:Body/tds:GetEndpointReferenceResponse")
    except CameraRefused:
        return ""
    return printable(soap_call.text_at(answer, "tds:GUID"))


def _completed(begin: str, end: str) -> str:
    """``192.0.2.10-40`` means ``…-192.0.2.40``."""
    return f"{begin.rpartition('.')[0]}.{end}" if end.isdigit() and "." in begin else end
