"""WS-Discovery as devices answer it: probes by multicast on one interface, and directed probes on a port of its own."""

from __future__ import annotations

import asyncio
import socket
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast
from xml.etree.ElementTree import Element, ParseError
from xml.sax.saxutils import escape

import structlog
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

log = structlog.get_logger(__name__)

GROUP, PORT = "239.255.255.250", 3702
SPACES = {
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "a": "http://schemas.xmlsoap.org/ws/2004/08/addressing",
    "d": "http://schemas.xmlsoap.org/ws/2005/04/discovery",
    "dn": "http://www.onvif.org/ver10/network/wsdl",
}
_ANONYMOUS = "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous"
_IP_MULTICAST_ALL = 49
"""Linux, ip(7); Python has no name for it."""
_TYPES = ("NetworkVideoTransmitter", "Device")


@dataclass(frozen=True, slots=True)
class Announced:
    """What a device tells of itself. ``address`` is its device service."""

    endpoint_reference: str
    address: str
    scopes: tuple[str, ...]


class Responder(asyncio.DatagramProtocol):
    """Answers each probe once for each of its devices."""

    def __init__(self, announced: Callable[[], Sequence[Announced]]) -> None:
        self._announced = announced
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # What asyncio hands over has its methods, but is no subclass of it.
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str | int, int]) -> None:
        asked = _probe(data)
        if asked is None or self._transport is None:
            return
        for device in self._announced():
            if all(scope in device.scopes for scope in asked.scopes):
                self._transport.sendto(_match(device, asked.message_id), addr)

    def error_received(self, exc: Exception) -> None:
        log.debug("virtual_discovery_error", error=str(exc))

    @property
    def port(self) -> int:
        return 0 if self._transport is None else int(self._transport.get_extra_info("sockname")[1])

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


async def respond_directed(host: str, announced: Callable[[], Sequence[Announced]]) -> Responder:
    """Answer unicast probes on a free port of ``host``."""
    _, responder = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Responder(announced), local_addr=(host, 0)
    )
    return responder


async def respond_multicast(interface: str, announced: Callable[[], Sequence[Announced]]) -> Responder:
    """Answer multicast probes that arrive on the interface with this address; others may do so beside us."""
    heard = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        heard.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        heard.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)  # only what was joined on this very socket
        heard.bind((GROUP, PORT))  # the group's own address: unicast to the port stays with whoever owns it
        heard.setsockopt(
            socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(GROUP) + socket.inet_aton(interface)
        )
        heard.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(interface))
        heard.setblocking(False)
        _, responder = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: Responder(announced), sock=heard
        )
    except OSError:
        heard.close()
        raise
    return responder


@dataclass(frozen=True, slots=True)
class _Probe:
    message_id: str
    scopes: tuple[str, ...]


def _probe(document: bytes) -> _Probe | None:
    """None: no probe, or one for another type of device."""
    try:
        envelope: Element = fromstring(document)
    except (ParseError, DefusedXmlException, ValueError):
        return None
    probe = envelope.find("s:Body/d:Probe", SPACES)
    message_id = envelope.findtext("s:Header/a:MessageID", "", SPACES).strip()
    if probe is None or not message_id:
        return None
    types = probe.findtext("d:Types", "", SPACES).split()
    if any(kind.rpartition(":")[2] not in _TYPES for kind in types):
        return None
    return _Probe(message_id, tuple(probe.findtext("d:Scopes", "", SPACES).split()))


def _match(device: Announced, message_id: str) -> bytes:
    spaces = " ".join(f'xmlns:{prefix}="{space}"' for prefix, space in SPACES.items())
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><s:Envelope {spaces}><s:Header>'
        f"<a:MessageID>urn:uuid:{uuid.uuid4()}</a:MessageID><a:RelatesTo>{escape(message_id)}</a:RelatesTo>"
        f"<a:To>{_ANONYMOUS}</a:To><a:Action>{SPACES['d']}/ProbeMatches</a:Action></s:Header><s:Body><d:ProbeMatches>"
        f"<d:ProbeMatch><a:EndpointReference><a:Address>{device.endpoint_reference}</a:Address></a:EndpointReference>"
        f"<d:Types>dn:NetworkVideoTransmitter</d:Types><d:Scopes>{escape(' '.join(device.scopes))}</d:Scopes>"
        f"<d:XAddrs>{escape(device.address)}</d:XAddrs><d:MetadataVersion>1</d:MetadataVersion>"
        "</d:ProbeMatch></d:ProbeMatches></s:Body></s:Envelope>"
    ).encode()
