"""The channel between two processes: typed messages over a local socket, each frame a length and a msgpack envelope.

Either side may ask and either may answer. What waits to be written is bounded, so is the number of requests worked on
at once, and so is the size of a frame: a peer that misbehaves is cut off, it never fills this process's memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
import structlog

from gateway.processes.frames import FrameTooLarge, framed, read_frame
from gateway.processes.messages import AnyMessage, Message, Refused
from gateway.refusals import Refusal

log = structlog.get_logger(__name__)

MAX_FRAME = 16 * 1024 * 1024
"""Bytes of the largest message: a 4K snapshot as JPEG or a 1080p picture in BGR fits."""
MOST_WAITING = 128 * 1024 * 1024
"""Bytes of messages that wait to be written: those of many cameras whose pictures for a large input cross the channel,
while the engine stands still, would be gigabytes before they were too many."""
CLOSED_WITHIN = 1.0
"""Seconds after which a channel that was closed has ended: what was said before is let through as far as it goes."""
MOST_BETWEEN_TRIES = 0.5
"""Seconds between two tries to connect to a process that is not there: soon at first, for it may be starting."""

Handler = Callable[[Message], Awaitable[Message | None]]
"""Answers a request with a message; the answer to a one-way message is not sent."""


Accept = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Envelope(msgspec.Struct, frozen=True, array_like=True):
    """What stands around a message on the wire. ``seq`` 0: no answer is wanted; ``reply_to`` 0: not an answer."""

    seq: int
    reply_to: int
    body: AnyMessage


class ChannelClosed(ConnectionError):
    """The peer is gone, or was cut off."""


class ChannelBusy(ChannelClosed):
    """Too much waits to be written: the peer does not keep up."""


class MessageTooLarge(ValueError):
    """More than ``MAX_FRAME`` bytes; nothing was sent."""

    def __init__(self, size: int) -> None:
        super().__init__(f"message of {size} bytes is too large")


class Channel:
    """One connection. ``run()`` serves it until it ends; ``send`` and ``request`` may be used meanwhile."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        handler: Handler,
        *,
        name: str,
        outgoing: int = 256,
        at_once: int = 64,
    ) -> None:
        self.name = name
        self._reader = reader
        self._writer = writer
        self._handler = handler
        self._outgoing: asyncio.Queue[bytes] = asyncio.Queue(outgoing)
        self._outgoing_bytes = 0
        self._at_once = asyncio.Semaphore(at_once)
        self._waiting: dict[int, asyncio.Future[Message]] = {}
        self._serving: set[asyncio.Task[None]] = set()
        self._seq = 0
        self._closed = asyncio.Event()
        self._encoder = msgspec.msgpack.Encoder(enc_hook=_plain)
        self._decoder = msgspec.msgpack.Decoder(Envelope)

    @property
    def closed(self) -> bool:
        return self._closed.is_set()

    def peer_pid(self) -> int:
        """The process at the other end, as the kernel knows it (SO_PEERCRED)."""
        sock: socket.socket = self._writer.get_extra_info("socket")
        pid, _uid, _gid = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        return int(pid)

    def send(self, message: Message) -> None:
        """Send without waiting for an answer. Raises ChannelClosed, ChannelBusy or MessageTooLarge; nothing was sent
        then."""
        self._put(Envelope(0, 0, message))  # type: ignore[arg-type]  # AnyMessage is the union of all subclasses

    async def request(self, message: Message, *, timeout: float) -> Message:
        """Ask and wait for the answer. Raises the peer's ``Refusal``, TimeoutError after ``timeout`` s, and what
        ``send`` raises."""
        self._seq += 1
        seq = self._seq
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[seq] = answer
        try:
            self._put(Envelope(seq, 0, message))  # type: ignore[arg-type]  # as above
            async with asyncio.timeout(timeout):
                reply = await answer
        finally:
            self._waiting.pop(seq, None)
        if isinstance(reply, Refused):
            raise Refusal(reply.kind, reply.reason, reply.zh, reply.en, field=reply.field)  # type: ignore[arg-type]  # checked by the peer's type
        return reply

    async def run(self) -> None:
        """Serve until the connection ends. Whoever still waits for an answer gets ChannelClosed."""
        writing = asyncio.create_task(self._write_all(), name=f"{self.name}-write")
        try:
            await self._read_all()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except OSError as error:  # for want of memory: the connection has ended as any other
            log.warning("channel_broken", channel=self.name, error=str(error))
        except msgspec.MsgspecError as error:
            log.warning("channel_bad_message", channel=self.name, error=str(error))
        finally:
            self._closed.set()
            writing.cancel()
            for task in self._serving:
                task.cancel()
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(ChannelClosed(f"{self.name} is gone"))
            self.close()
            # Told to end meanwhile, it ends as told: swallowed here, the word would be lost for whoever waits for us.
            await asyncio.gather(writing, *self._serving, return_exceptions=True)

    def close(self) -> None:
        """End the connection; ``run`` returns within ``CLOSED_WITHIN``, whether or not the peer reads."""
        self._writer.close()
        asyncio.get_running_loop().call_later(CLOSED_WITHIN, self._cut)

    def _cut(self) -> None:
        """Neither what the peer does not take holds the end up, nor a request that is worked on without end."""
        self._writer.transport.abort()
        for task in self._serving:
            task.cancel()

    def _put(self, envelope: Envelope) -> None:
        if self._closed.is_set() or self._writer.is_closing():
            raise ChannelClosed(f"{self.name} is gone")
        data = self._encoder.encode(envelope)
        if len(data) > MAX_FRAME:
            raise MessageTooLarge(len(data))
        if self._outgoing.empty() and not self._writer.transport.get_write_buffer_size():
            self._writer.write(framed(data))  # nothing waits before it: no turn of the loop is spent on it
            return
        if self._outgoing.full() or self._outgoing_bytes + len(data) > MOST_WAITING:
            raise ChannelBusy(f"{self.name} does not keep up")
        self._outgoing.put_nowait(data)
        self._outgoing_bytes += len(data)

    async def _write_all(self) -> None:
        try:
            while True:
                data = await self._outgoing.get()
                self._outgoing_bytes -= len(data)
                self._writer.write(framed(data))  # one packet: the peer wakes once
                await self._writer.drain()
        except ConnectionError:
            self._writer.close()

    async def _read_all(self) -> None:
        while True:
            try:
                frame = await read_frame(self._reader, MAX_FRAME)
            except FrameTooLarge as error:
                log.warning("channel_frame_too_large", channel=self.name, size=error.size)
                return
            envelope = self._decoder.decode(frame)
            if envelope.reply_to:
                answer = self._waiting.get(envelope.reply_to)
                if answer is not None and not answer.done():
                    answer.set_result(envelope.body)
                continue
            await self._at_once.acquire()
            if self._writer.is_closing():
                return
            task = asyncio.create_task(self._serve(envelope))
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)

    async def _serve(self, envelope: Envelope) -> None:
        try:
            try:
                reply = await self._handler(envelope.body)
            except Refusal as refusal:
                reply = Refused(refusal.kind, refusal.reason, refusal.zh, refusal.en, refusal.field)
            except Exception:
                log.exception("channel_handler_failed", channel=self.name, message=type(envelope.body).__name__)
                reply = Refused("unavailable", "internal_error", "内部错误，详见日志", "internal error, see the log")
            if envelope.seq:
                self._answer(envelope.seq, reply)
        finally:
            self._at_once.release()

    def _answer(self, seq: int, reply: Message | None) -> None:
        with contextlib.suppress(ChannelClosed):
            try:
                self._put(Envelope(0, seq, reply))  # type: ignore[arg-type]  # as in send
            except MessageTooLarge as error:  # who asks would wait for its time limit
                log.error(
                    "channel_answer_too_large", channel=self.name, message=type(reply).__name__, detail=str(error)
                )
                refused = Refused(
                    "unavailable", "answer_too_large", "结果过大，无法返回", "the answer is too large to be given"
                )
                self._put(Envelope(0, seq, refused))


def _plain(value: Any) -> dict[Any, Any]:
    """A mapping that cannot change travels as any other."""
    if isinstance(value, MappingProxyType):
        return dict(value)
    raise NotImplementedError(f"{type(value).__name__} is no part of a message")


async def connect(path: Path, handler: Handler, *, name: str, timeout: float) -> Channel:
    """Connect to a listening process, trying again until ``timeout`` seconds are over. Raises ChannelClosed then."""
    loop = asyncio.get_running_loop()
    until = loop.time() + timeout
    pause = 0.05
    while True:
        try:
            reader, writer = await asyncio.open_unix_connection(path, limit=MAX_FRAME)
            return Channel(reader, writer, handler, name=name)
        except (FileNotFoundError, ConnectionRefusedError):
            if loop.time() >= until:
                raise ChannelClosed(f"nobody listens on {path.name}") from None
            await asyncio.sleep(pause)
            pause = min(2 * pause, MOST_BETWEEN_TRIES)


async def listen(path: Path, accept: Accept) -> asyncio.Server:
    """Listen on a socket that only this user can reach; a socket left behind by a killed process is replaced."""
    _clear(path)
    before = os.umask(0o177)
    try:
        return await asyncio.start_unix_server(accept, path, limit=MAX_FRAME)
    finally:
        os.umask(before)


def _clear(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
