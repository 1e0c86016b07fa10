"""How a camera is connected to: RTP over the RTSP connection or over UDP, and whose certificates are trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Literal
from urllib.parse import urlsplit

from gateway.streams.address import StreamAddress
from gateway.streams.rtsp_in_socket import RtspSocket, connect
from gateway.streams.tls_trust import TlsTrust

RTSP_PORT, RTSPS_PORT = 554, 322
"""RFC 7826, 4.2."""


@dataclass(frozen=True, slots=True)
class Way:
    """``udp``: networks whose cameras send RTP over UDP; all others send it over the RTSP connection."""

    udp: tuple[IPv4Network | IPv6Network, ...] = ()
    trust: TlsTrust = field(default_factory=TlsTrust)

    def transport(self, address: StreamAddress) -> Literal["tcp", "udp"]:
        """Encrypted streams are never sent beside their connection."""
        parts = urlsplit(address.url)
        return "udp" if parts.scheme == "rtsp" and _lies_in(parts.hostname or "", self.udp) else "tcp"

    async def connect(self, address: StreamAddress) -> RtspSocket:
        """Raises ``CertificateRefused`` and ``OSError``; set a time limit around it."""
        parts = urlsplit(address.url)
        encrypted = parts.scheme == "rtsps"
        port = parts.port or (RTSPS_PORT if encrypted else RTSP_PORT)
        return await connect(parts.hostname or "", port, self.trust if encrypted else None)


def _lies_in(host: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in networks)
