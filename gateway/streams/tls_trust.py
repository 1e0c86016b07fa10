"""RTSPS: whose certificates are trusted, and the encrypted way to a camera over a socket that never blocks.

The certificate is verified against the authorities that the operator trusts, or it is one that the operator has
pinned; any other ends the attempt before a word is said.
"""

from __future__ import annotations

import asyncio
import hashlib
import socket
import ssl
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path


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


@lru_cache(maxsize=8)
def verifying(trust: TlsTrust) -> ssl.SSLContext:
    """Made once: reading the system's authorities takes 10 ms."""
    context = ssl.create_default_context()
    if trust.authorities is not None:
        context.load_verify_locations(trust.authorities)
    return context


def looking() -> ssl.SSLContext:
    """Takes any certificate: only in order to see which it is."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def check_pin(encrypted: ssl.SSLSocket, trust: TlsTrust) -> None:
    """Raises ``CertificateRefused``."""
    fingerprint = hashlib.sha256(encrypted.getpeercert(binary_form=True) or b"").hexdigest()
    if fingerprint not in trust.pins:
        raise CertificateRefused(fingerprint)


async def encrypted_over(connected: socket.socket, host: str, context: ssl.SSLContext) -> ssl.SSLSocket:
    """The handshake over a connected socket that does not block. Raises ``OSError``, ``ssl.SSLError`` among them; the
    socket is closed then."""
    loop = asyncio.get_running_loop()
    wrapped = context.wrap_socket(connected, server_hostname=host, do_handshake_on_connect=False)
    try:
        while True:
            ready: asyncio.Future[None] = loop.create_future()
            try:
                wrapped.do_handshake()
            except ssl.SSLWantReadError:
                loop.add_reader(wrapped, _done, ready)
                try:
                    await ready
                finally:
                    loop.remove_reader(wrapped)
            except ssl.SSLWantWriteError:
                loop.add_writer(wrapped, _done, ready)
                try:
                    await ready
                finally:
                    loop.remove_writer(wrapped)
            else:
                return wrapped
    except BaseException:
        wrapped.close()
        raise


def _done(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
