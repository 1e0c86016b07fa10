"""Streams given on over RTSP, to the room worker and to decoders on a wall: every reader with lent credentials.

RTP goes over the connection itself (interleaved) or as datagrams to the reader's own address. The door listens where it
is told to; what may be read, by whom and until when is decided by whoever lends.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from gateway.refusals import Refusal
from gateway.streams.lending import Lending, Loan
from gateway.streams.packetise import SharedPayloads
from gateway.streams.rtsp_out_messages import MOST_HEAD
from gateway.streams.rtsp_out_session import CLOSING, SESSION_TIMEOUT, Session, Shared
from gateway.streams.source import FrameSource

log = structlog.get_logger(__name__)

SOCKET_BUFFER = 512 * 1024
"""Bytes the system keeps for a slow reader: with more it would be shown the past, with less it would lose pictures."""
DEAD_AFTER_MS = 20_000
_SWEEP_EVERY = 0.25


@dataclass(frozen=True, slots=True)
class RtspLimits:
    """Seconds until a connection has shown credentials, until it plays, until one that takes nothing is let go, and
    until a reader by datagrams is that says nothing (it is told to speak every ``SESSION_TIMEOUT``). Numbers of
    connections: all, those without credentials, and readers at a time on one loan (a reader that comes back may find
    its old self still there)."""

    authenticated_within: float = 10.0
    playing_within: float = 30.0
    stalled: float = 10.0
    silent: float = 1.5 * SESSION_TIMEOUT
    connections: int = 512
    strangers: int = 128
    on_one_loan: int = 4


class RtspServer:
    """``find`` answers the source of a path (``cameras/CODE``) for one connection, which starts and stops it, or None.
    ``clock``: seconds since the epoch, UTC."""

    def __init__(
        self,
        find: Callable[[str], FrameSource | None],
        clock: Callable[[], float] = time.time,
        *,
        limits: RtspLimits | None = None,
    ) -> None:
        self._limits = limits or RtspLimits()
        self._lending = Lending(clock)
        self._shared = Shared(find, self._lending, SharedPayloads(), clock, self._may_play, self._limits.stalled)
        self._sessions: dict[Session, asyncio.Task[None]] = {}
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.Task[None] | None = None
        self._drops_of_gone = 0
        self.turned_away = 0

    @property
    def readers(self) -> int:
        """Readers that play now."""
        return sum(session.playing for session in self._sessions)

    @property
    def drops(self) -> int:
        """Frames that slow readers lost, those gone included."""
        return self._drops_of_gone + sum(session.drops for session in self._sessions)

    async def start(self, host: str, port: int) -> int:
        """Listen, on any free port for 0. Answers the port. ``Refusal`` where that is not possible."""
        try:
            self._server = await asyncio.start_server(self._connected, host, port, limit=MOST_HEAD, backlog=64)
        except OSError as error:
            raise _not_listening(host, port, error) from None
        self._sweeper = asyncio.create_task(self._sweep())
        bound: int = self._server.sockets[0].getsockname()[1]
        log.info("rtsp_listening", host=host, port=bound)
        return bound

    async def stop(self) -> None:
        """Every reader is told the end; answers within a few seconds."""
        if self._server is not None:
            self._server.close()
        if self._sweeper is not None:
            self._sweeper.cancel()
        ending = list(self._sessions.values())
        for session in list(self._sessions):
            session.end("server_stopped")
        if ending:
            await asyncio.wait(ending, timeout=2 * CLOSING)

    def lend(self, path: str, reader: str, until: float, login: tuple[str, str] | None = None) -> tuple[str, str]:
        """User name and password for one reader of one path until a time. The reader's earlier ones open nothing more,
        but what it reads already goes on under the new time."""
        loan = self._lending.lend(path, reader, until, login)
        return loan.username, loan.password

    def withdraw(self, path: str, reader: str) -> None:
        """End what was lent, and what is read under it."""
        self._lending.withdraw(path, reader)
        self._end_expired()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        strangers = sum(session.loan is None for session in self._sessions)
        if len(self._sessions) >= self._limits.connections or strangers >= self._limits.strangers:
            self.turned_away += 1
            writer.transport.abort()
            return
        connection = writer.get_extra_info("socket")
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if hasattr(socket, "TCP_USER_TIMEOUT"):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_AFTER_MS)
        session = Session(self._shared, reader, writer)
        self._sessions[session] = asyncio.create_task(self._run(session))

    async def _run(self, session: Session) -> None:
        try:
            await session.run()
        except Exception as defect:  # noqa: BLE001 - a defect ends one connection, and is told without what it held
            log.error("rtsp_connection_failed", error=type(defect).__name__)
        finally:
            self._drops_of_gone += session.drops
            del self._sessions[session]

    def _may_play(self, loan: Loan) -> bool:
        having = (session.loan for session in self._sessions if session.set_up and session.loan is not None)
        return sum(loan.same_reader(other) for other in having) < self._limits.on_one_loan

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_EVERY)
            self._end_expired()
            now = asyncio.get_running_loop().time()
            for session in list(self._sessions):
                if session.loan is None and now - session.begun > self._limits.authenticated_within:
                    session.end("not_authenticated")
                elif session.over_datagrams and now - session.heard > self._limits.silent:
                    session.end("reader_silent")
                elif not session.playing and now - session.begun > self._limits.playing_within:
                    session.end("not_playing")

    def _end_expired(self) -> None:
        for session in list(self._sessions):
            loan = session.loan
            if loan is not None and self._lending.of_reader(loan.path, loan.reader) is None:
                session.end("loan_expired")


def _not_listening(host: str, port: int, error: OSError) -> Refusal:
    if error.errno == errno.EADDRINUSE:
        return Refusal(
            "unavailable",
            "port_taken",
            f"RTSP 端口 {port} 已被占用，请更换端口或停止占用它的程序",
            f"RTSP port {port} is taken; choose another or stop what uses it",
            field="port",
        )
    return Refusal(
        "unavailable",
        "address_unavailable",
        f"无法在 {host}:{port} 上监听 RTSP，请检查地址与权限",
        f"RTSP cannot listen on {host}:{port}; check the address and the rights",
        field="host",
    )
