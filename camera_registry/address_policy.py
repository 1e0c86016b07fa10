"""Which addresses may be contacted: only those in the camera networks, whoever asks and wherever the address came from.

A camera's address comes from a person, from a packet on the network or from the camera itself; without this check any
of them could make the gateway knock at other doors (server-side request forgery). A host name is resolved once and the
address it gave is kept, so that it cannot point elsewhere later.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, urlsplit, urlunsplit

from camera_registry import reasons
from camera_registry.errors import CameraRefused

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address
RESOLVE_SECONDS = 3.0
LONGEST = 400
LONGEST_REPORTED = 2_000
"""Of addresses that devices make for themselves, some with a session in them."""
DEVICE_SERVICE = "/onvif/device_service"


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """``networks``: where cameras may stand."""

    networks: tuple[Network, ...]

    def allows(self, host: str) -> bool:
        """Whether this literal address may be contacted."""
        try:
            address = ip_address(host.strip("[]"))
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            return self.allows(str(address.ipv4_mapped))
        if address.is_unspecified or address.is_multicast or getattr(address, "scope_id", None):
            return False
        return any(address in network for network in self.networks)

    async def resolved(self, host: str, *, field: str | None = None) -> str:
        """A literal address for ``host``. Raises ``CameraRefused`` unless every address it stands for is allowed."""
        found = [host] if _is_literal(host) else await _lookup(host, field)
        if not all(self.allows(one) for one in found):
            raise CameraRefused(reasons.ADDRESS_NOT_ALLOWED, field=field)
        return found[0]

    async def onvif_address(self, text: str, *, field: str = "onvif_address") -> str:
        """``192.0.2.7``, ``192.0.2.7:8080`` or a URL → the URL of the device service with a literal, allowed host."""
        parts = _onvif_parts(text, field)
        return _onvif_url(parts, await self.resolved(parts.hostname or "", field=field))

    async def stream_address(self, text: str, *, field: str = "rtsp_url") -> str:
        """An RTSP URL with a literal, allowed host."""
        parts = _split(text.strip(), ("rtsp", "rtsps"), field)
        host = await self.resolved(parts.hostname or "", field=field)
        return urlunsplit((parts.scheme.lower(), _authority(host, parts.port), parts.path, parts.query, ""))


def literal_onvif(text: str, *, field: str = "onvif_address") -> str:
    """As ``AddressPolicy.onvif_address``, for a host that is a literal address; not checked against the networks."""
    parts = _onvif_parts(text, field)
    return _onvif_url(parts, _literal(parts, field))


def literal_stream(text: str, *, field: str = "rtsp_url") -> str:
    """As ``AddressPolicy.stream_address``, likewise."""
    parts = _split(text.strip(), ("rtsp", "rtsps"), field)
    host = _literal(parts, field)
    return urlunsplit((parts.scheme.lower(), _authority(host, parts.port), parts.path, parts.query, ""))


def rehosted(url: str, host: str, schemes: Sequence[str]) -> str | None:
    """``url`` on another host, port and path as they were, any login dropped; None for any other scheme."""
    url = url.strip()
    if len(url) > LONGEST_REPORTED or not url.isprintable() or " " in url:
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme.lower() not in schemes or not parts.netloc or port == 0:
        return None
    return urlunsplit((parts.scheme.lower(), _authority(host, port), parts.path, parts.query, ""))


def host_of(url: str) -> str:
    """The host of a URL that was checked before."""
    return urlsplit(url).hostname or ""


def host_or(url: str, other: str) -> str:
    """The URL's own host, or ``other`` where it has none."""
    try:
        return host_of(url) or other
    except ValueError:
        return other


def _split(text: str, schemes: Sequence[str], field: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise CameraRefused(reasons.ADDRESS_INVALID, field=field) from error
    bad = len(text) > LONGEST or any(ord(c) <= 32 or ord(c) == 127 for c in text)
    if bad or parts.scheme.lower() not in schemes or not parts.hostname or port == 0 or parts.fragment:
        raise CameraRefused(reasons.ADDRESS_INVALID, field=field)
    if parts.username is not None or parts.password is not None:
        raise CameraRefused(reasons.LOGIN_IN_ADDRESS, field=field)
    return parts


def _onvif_parts(text: str, field: str) -> SplitResult:
    text = text.strip()
    return _split(text if "://" in text else f"http://{text}", ("http", "https"), field)


def _onvif_url(parts: SplitResult, host: str) -> str:
    path = parts.path if parts.path not in ("", "/") else DEVICE_SERVICE
    return urlunsplit((parts.scheme, _authority(host, parts.port), path, parts.query, ""))


def _literal(parts: SplitResult, field: str) -> str:
    host = parts.hostname or ""
    if not _is_literal(host):
        raise CameraRefused(reasons.HOST_UNKNOWN, field=field)
    return host


def _authority(host: str, port: int | None) -> str:
    literal = f"[{host.strip('[]')}]" if ":" in host else host
    return literal if port is None else f"{literal}:{port}"


def _is_literal(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


async def _lookup(host: str, field: str | None) -> list[str]:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(RESOLVE_SECONDS):
            found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError, UnicodeError) as error:
        raise CameraRefused(reasons.HOST_UNKNOWN, field=field) from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
