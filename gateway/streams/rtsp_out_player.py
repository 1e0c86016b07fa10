"""From a bus to one RTSP reader: frames as RTP over its connection, at the pace at which it takes them.

A reader that is too slow loses whole groups of pictures on the bus; one that takes nothing at all is let go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Literal

from gateway.streams.bus import FrameBus
from gateway.streams.frame import VideoCodec
from gateway.streams.packetise import SharedPayloads
from gateway.streams.rtsp_out_rtp import RtpStream

QUEUE = 150
"""Frames: six seconds at 25 a second."""
WRITE_AHEAD = 128 * 1024
"""Bytes that wait in this process for the socket, beside one frame."""
REPORT_EVERY = 5.0

WhyEnded = Literal["source_ended", "codec_changed", "reader_stalled"]


class Player:
    """``run`` until it ends by itself or is cancelled; or closed; the connection is another's."""

    def __init__(
        self,
        bus: FrameBus,
        name: str,
        stream: RtpStream,
        writer: asyncio.StreamWriter,
        shared: SharedPayloads,
        clock: Callable[[], float],
        codec: VideoCodec | None,
        stalled: float,
    ) -> None:
        self._subscription = bus.subscribe(name, QUEUE)
        self._stream = stream
        self._writer = writer
        self._shared = shared
        self._clock = clock
        self._codec: str | None = codec
        self._stalled = stalled
        self._next_report: asyncio.TimerHandle | None = None
        writer.transport.set_write_buffer_limits(high=WRITE_AHEAD)

    @property
    def drops(self) -> int:
        """Frames that this reader lost because it was too slow."""
        return self._subscription.drops

    async def run(self) -> WhyEnded:
        try:
            async for frame in self._subscription:
                if frame.kind != "video":
                    continue
                self._codec = self._codec or frame.codec
                if frame.codec != self._codec:
                    # The reader was told of another codec: it has to ask again.
                    return "codec_changed"
                self._writer.write(self._stream.frame(frame, self._shared.of(frame)))
                if self._next_report is None:
                    self._report()
                if not await drained(self._writer, self._stalled):
                    return "reader_stalled"
            return "source_ended"
        finally:
            self.close()

    def close(self) -> None:
        self._subscription.close()
        if self._next_report is not None:
            self._next_report.cancel()

    def _report(self) -> None:
        self._next_report = asyncio.get_running_loop().call_later(REPORT_EVERY, self._report)
        if self._writer.transport.get_write_buffer_size() <= WRITE_AHEAD:
            self._writer.write(self._stream.report(self._clock()))


async def drained(writer: asyncio.StreamWriter, stalled: float) -> bool:
    """Wait until the reader has taken most of what was written. False: it took nothing for ``stalled`` seconds."""
    while True:
        before = writer.transport.get_write_buffer_size()
        try:
            async with asyncio.timeout(stalled):
                await writer.drain()
        except TimeoutError:
            if writer.transport.get_write_buffer_size() >= before:
                return False
        else:
            return True
