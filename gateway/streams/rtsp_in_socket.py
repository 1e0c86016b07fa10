"""The connection to a camera: a socket that never blocks, read when its reader wants to and not for every packet.

What comes waits in the kernel. A read takes all of it at once into one buffer that all connections share, so that a
camera costs no buffer of its own, and a few system calls a second instead of some for each packet.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from ipaddress import ip_address

from gateway.streams.tls_trust import TlsTrust, check_pin, encrypted_over, looking, verifying

BUFFER = 512 * 1024
KERNEL_BUFFER = 1024 * 1024
"""Bytes that may wait: at 16 Mbit/s half a second. Taken only while they are needed."""
MOST_AT_ONCE = 1024 * 1024
"""Bytes of one go. TLS hands out 16 KiB at a time, and whoever sends without an end must not keep the loop."""


class RtspSocket:
    """``encrypted``: the other end's certificate is trusted. Sockets of one loop only: they share a buffer."""

    _buffer = memoryview(bytearray(BUFFER))

    def __init__(self, connected: socket.socket, *, encrypted: bool = False) -> None:
        self._socket = connected
        self._encrypted = encrypted
        self._rest = b""
        self._loop = asyncio.get_running_loop()
        self._watched = False

    @property
    def encrypted(self) -> bool:
        return self._encrypted

    @property
    def own_address(self) -> str:
        return str(self._socket.getsockname()[0])

    @property
    def peer_address(self) -> str:
        return str(self._socket.getpeername()[0])

    def send(self, data: bytes) -> None:
        """Requests are small: a camera that does not even take one is gone. Raises ``OSError``."""
        try:
            sent = self._socket.send(data)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            sent = 0
        if sent != len(data):
            raise ConnectionError

    def receive(self, take: Callable[[memoryview, int], int]) -> int:
        """Read what there is; ``take`` gets it and answers how much of it was of use, the rest comes again with what
        follows. How many bytes came. Raises ``EOFError`` at the end, and ``OSError``."""
        total = 0
        buffer = self._buffer
        while total < MOST_AT_ONCE:
            kept = len(self._rest)
            buffer[:kept] = self._rest
            try:
                got = self._socket.recv_into(buffer[kept:])
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                break
            if not got:
                raise EOFError
            total += got
            end = kept + got
            used = take(buffer, end)
            self._rest = bytes(buffer[used:end])
            if end < BUFFER and not self._encrypted:
                break
        return total

    async def readable(self) -> None:
        """Wait until something came."""
        came: asyncio.Future[None] = self._loop.create_future()

        def arrived() -> None:
            if not came.done():
                came.set_result(None)

        self.watch(arrived)
        try:
            await came
        finally:
            self.unwatch()

    def watch(self, arrived: Callable[[], None]) -> None:
        """Call ``arrived`` whenever there is something to receive, until ``unwatch``."""
        self._loop.add_reader(self._socket, arrived)
        self._watched = True

    def unwatch(self) -> None:
        if self._watched:
            self._watched = False
            self._loop.remove_reader(self._socket)

    def close(self) -> None:
        self.unwatch()
        with contextlib.suppress(OSError):
            self._socket.close()


async def connect(host: str, port: int, trust: TlsTrust | None) -> RtspSocket:
    """``trust`` None: not encrypted. Raises ``CertificateRefused`` and ``OSError``; set a time limit around it."""
    if trust is None:
        return RtspSocket(await _connected(host, port))
    try:
        encrypted = await encrypted_over(await _connected(host, port), host, verifying(trust))
    except ssl.SSLCertVerificationError:
        encrypted = await encrypted_over(await _connected(host, port), host, looking())
        try:
            check_pin(encrypted, trust)
        except BaseException:
            encrypted.close()
            raise
    return RtspSocket(encrypted, encrypted=True)


async def _connected(host: str, port: int) -> socket.socket:
    loop = asyncio.get_running_loop()
    failed: OSError | None = None
    for family, address in await _addresses(host, port):
        made = socket.socket(family, socket.SOCK_STREAM)
        try:
            made.setblocking(False)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # Linux makes the buffer as large as what is to wait, and goes on tuning it; SO_RCVBUF would fix it.
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, KERNEL_BUFFER)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
            await loop.sock_connect(made, address)
        except OSError as error:
            made.close()
            failed = error
        except BaseException:
            made.close()
            raise
        else:
            return made
    raise failed or OSError


async def _addresses(host: str, port: int) -> list[tuple[socket.AddressFamily, tuple[str, int]]]:
    try:
        version = ip_address(host).version
    except ValueError:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return [(one[0], (str(one[4][0]), port)) for one in found]
    return [(socket.AF_INET if version == 4 else socket.AF_INET6, (host, port))]
