"""From a bus to one RTSP reader: pictures and sound as RTP, at the pace at which it takes them.

A reader that is too slow loses whole groups of pictures on the bus; one that takes nothing at all is let go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Literal

from gateway.streams.bus import FrameBus
from gateway.streams.frame import VideoCodec
from gateway.streams.packetise import SharedPayloads
from gateway.streams.rtsp_out_rtp import RtpStream
from gateway.streams.rtsp_out_sdp import sound_payload
from gateway.streams.rtsp_out_transport import Carrier

QUEUE = 150
"""Frames: six seconds at 25 a second."""
AT_ONCE = 32
"""Packets of a large frame between two looks at whether the reader takes them: 42 KB."""
REPORT_EVERY = 5.0

WhyEnded = Literal["source_ended", "codec_changed", "reader_stalled"]


class Reports:
    """Sender reports of one track, from its first packet until ``close``."""

    def __init__(self, stream: RtpStream, carrier: Carrier, clock: Callable[[], float]) -> None:
        self._stream = stream
        self._carrier = carrier
        self._clock = clock
        self._next: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        if self._next is None:
            self._report()

    def close(self) -> None:
        if self._next is not None:
            self._next.cancel()

    def _report(self) -> None:
        self._next = asyncio.get_running_loop().call_later(REPORT_EVERY, self._report)
        self._carrier.rtcp(self._stream.report(self._clock()))


class Player:
    """The pictures. ``run`` until it ends by itself or is cancelled; or closed; the carrier is another's."""

    def __init__(
        self,
        bus: FrameBus,
        name: str,
        stream: RtpStream,
        carrier: Carrier,
        shared: SharedPayloads,
        clock: Callable[[], float],
        codec: VideoCodec | None,
    ) -> None:
        self._subscription = bus.subscribe(name, QUEUE)
        self._stream = stream
        self._carrier = carrier
        self._shared = shared
        self._codec: str | None = codec
        self._reports = Reports(stream, carrier, clock)

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
                for packets in _bursts(self._stream.packets(frame, self._shared.of(frame))):
                    self._carrier.rtp(packets)
                    self._reports.begin()
                    if not await self._carrier.ready():
                        return "reader_stalled"
            return "source_ended"
        finally:
            self.close()

    def close(self) -> None:
        self._subscription.close()
        self._reports.close()


class SoundPlayer:
    """The sound, if the reader asked for it; the pictures decide when all is over."""

    def __init__(self, bus: FrameBus, stream: RtpStream, carrier: Carrier, clock: Callable[[], float]) -> None:
        self._listening = bus.sound.listen()
        self._codec = bus.audio.codec if bus.audio is not None else None
        self._stream = stream
        self._carrier = carrier
        self._reports = Reports(stream, carrier, clock)

    async def run(self) -> None:
        try:
            while (frame := await self._listening.take()) is not None:
                if frame.codec != self._codec:
                    continue
                self._carrier.rtp(self._stream.packets(frame, [sound_payload(frame)]))
                self._reports.begin()
                if not await self._carrier.ready():
                    return
        finally:
            self.close()

    def close(self) -> None:
        self._listening.close()
        self._reports.close()


def _bursts(packets: list[tuple[bytes, bytes]]) -> Iterator[Sequence[tuple[bytes, bytes]]]:
    for begin in count(0, AT_ONCE):
        if begin >= len(packets):
            return
        yield packets[begin : begin + AT_ONCE]
