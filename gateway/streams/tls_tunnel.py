"""RTSPS: the encrypted way to a camera, made here because FFmpeg's own checks no certificate.

The certificate is verified against the authorities that the operator trusts, or it is one that the operator has
pinned; any other ends the attempt before a word is said. FFmpeg speaks RTSP to a port of this machine that takes one
connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class TlsTrust:
    """``authorities``: a PEM file beside the system's own. ``pins``: SHA-256 of certificates that are taken as they
    are, in hexadecimal."""

    authorities: Path | None = None
    pins: frozenset[str] = frozenset()


class CertificateRefused(Exception):
    """The camera's certificate is neither verified nor pinned. ``fingerprint``: its SHA-256, to be compared, then
    pinned."""

    def __init__(self, fingerprint: str) -> None:
        super().__init__(fingerprint)
        self.fingerprint = fingerprint


@contextlib.asynccontextmanager
async def tunnel(host: str, port: int, trust: TlsTrust) -> AsyncIterator[int]:
    """The local port that leads to the camera, until it is left. Raises ``CertificateRefused`` and ``OSError``."""
    reader, writer = await _connect(host, port, trust)
    tasks: set[asyncio.Task[None]] = set()

    async def accept(near_reader: asyncio.StreamReader, near_writer: asyncio.StreamWriter) -> None:
        server.close()
        for come, go in ((near_reader, writer), (reader, near_writer)):
            tasks.add(asyncio.create_task(_copy(come, go)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        writer.close()


async def _connect(host: str, port: int, trust: TlsTrust) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    checked = ssl.create_default_context()
    if trust.authorities is not None:
        checked.load_verify_locations(trust.authorities)
    try:
        return await asyncio.open_connection(host, port, ssl=checked)
    except ssl.SSLCertVerificationError:
        pass
    seen = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    seen.check_hostname, seen.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection(host, port, ssl=seen)
    encrypted: ssl.SSLObject = writer.get_extra_info("ssl_object")
    fingerprint = hashlib.sha256(encrypted.getpeercert(binary_form=True) or b"").hexdigest()
    if fingerprint not in trust.pins:
        writer.close()
        raise CertificateRefused(fingerprint)
    return reader, writer


async def _copy(come: asyncio.StreamReader, go: asyncio.StreamWriter) -> None:
    """Until one side ends; then the other ends as well."""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        while data := await come.read(CHUNK):
            go.write(data)
            await go.drain()
    go.close()
