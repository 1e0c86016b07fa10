"""How a camera is connected to: RTP over the RTSP connection or over UDP, and whose certificates are trusted."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network, IPv6Network, ip_address
from urllib.parse import urlsplit, urlunsplit

from gateway.streams.address import StreamAddress
from gateway.streams.tls_tunnel import TlsTrust, tunnel

RTSPS_PORT = 322


@dataclass(frozen=True, slots=True)
class Way:
    """``udp``: networks whose cameras send RTP over UDP; all others send it over the RTSP connection."""

    udp: tuple[IPv4Network | IPv6Network, ...] = ()
    trust: TlsTrust = field(default_factory=TlsTrust)

    def transport(self, address: StreamAddress) -> str:
        """``tcp`` or ``udp``; encrypted streams are never sent beside their connection."""
        parts = urlsplit(address.url)
        return "udp" if parts.scheme == "rtsp" and _lies_in(parts.hostname or "", self.udp) else "tcp"

    @contextlib.contextmanager
    def to(self, address: StreamAddress, loop: asyncio.AbstractEventLoop, seconds: float) -> Iterator[StreamAddress]:
        """The address that FFmpeg opens, for a thread beside ``loop``. Raises ``CertificateRefused``, ``OSError``, and
        ``TimeoutError`` when the way is not open within ``seconds``."""
        parts = urlsplit(address.url)
        if parts.scheme != "rtsps":
            yield address
            return
        opened = tunnel(parts.hostname or "", parts.port or RTSPS_PORT, self.trust)
        port = _on(loop, opened, seconds)
        try:
            yield replace(address, url=urlunsplit(parts._replace(scheme="rtsp", netloc=f"127.0.0.1:{port}")))
        finally:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and the connection with it
                asyncio.run_coroutine_threadsafe(opened.__aexit__(None, None, None), loop)


def _on(loop: asyncio.AbstractEventLoop, opened: AbstractAsyncContextManager[int], seconds: float) -> int:
    async def enter() -> int:
        async with asyncio.timeout(seconds):
            return await opened.__aenter__()

    return asyncio.run_coroutine_threadsafe(enter(), loop).result(seconds + 1.0)


def _lies_in(host: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in networks)
