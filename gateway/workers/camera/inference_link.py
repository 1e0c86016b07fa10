"""The camera worker's line to the inference process: one connection for all its cameras, made anew when it breaks."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import structlog

from gateway.processes.channel import Channel, ChannelClosed, connect
from gateway.processes.messages import Done, LookAt, Message, Seen
from gateway.refusals import Refusal

log = structlog.get_logger(__name__)

CONNECT_SECONDS = 5.0
PAUSE = 0.5


class InferenceLink:
    """``look`` answers what was seen, or None: no engine now, or the picture was not looked at in time."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._channel: Channel | None = None
        self._running: asyncio.Task[None] | None = None
        self.unanswered = 0

    def start(self) -> None:
        self._running = asyncio.create_task(self._run(), name="inference-link")

    async def stop(self) -> None:
        if self._channel is not None:
            self._channel.close()
        if self._running is not None:
            self._running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._running

    @property
    def connected(self) -> bool:
        return self._channel is not None

    async def look(self, look: LookAt, *, timeout: float) -> Seen | None:
        """Ask the engine. ``timeout`` in seconds; late pictures are dropped by the engine itself and counted there."""
        if self._channel is None:
            self.unanswered += 1
            return None
        try:
            answer = await self._channel.request(look, timeout=timeout)
        except (ChannelClosed, TimeoutError):
            self.unanswered += 1
            return None
        except Refusal as refusal:
            if refusal.kind == "invalid":
                log.warning("look_refused", camera=look.code, reason=refusal.reason)
            self.unanswered += 1
            return None
        return answer if isinstance(answer, Seen) else None

    async def _run(self) -> None:
        while True:
            try:
                channel = await connect(self._socket, _nothing_asked, name="inference", timeout=CONNECT_SECONDS)
            except (ChannelClosed, OSError):
                await asyncio.sleep(PAUSE)
                continue
            self._channel = channel
            log.info("inference_connected")
            try:
                await channel.run()
            finally:
                self._channel = None
            log.warning("inference_lost")
            await asyncio.sleep(PAUSE)


async def _nothing_asked(_message: Message) -> Message | None:
    return Done()
