"""From a camera's packets to the frames of the bus, and whether what comes is enough to go on. No socket, no timer.

What was read together is published together. Its frames did not arrive at one moment, nor only when they were read:
their own times, held against the quickest way of late, tell when they came, between the last read and this.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from aiortc.rtp import RtcpByePacket, RtcpPacket, RtcpSrPacket

from gateway.streams.assembly import Assembler, CodecChanged
from gateway.streams.depacketise import Depacketiser, PacketisationUnsupported
from gateway.streams.frame import EncodedFrame
from gateway.streams.framing import Framing, StreamDescription
from gateway.streams.pictures import Picture, Pictures
from gateway.streams.pull_reasons import PullEnded
from gateway.streams.rtcp_reports import SenderReport
from gateway.streams.rtp_packet import HEAD, PLAIN, RTCP_TYPES, Arrivals, read_packet
from gateway.streams.rtsp_in_sdp import SoundTrack, VideoTrack
from gateway.streams.sound_framing import SoundFraming

Kind = Literal["video", "sound"]

LONGEST_WAY = 1.0
"""Seconds by which a frame may come later after its own time than the quickest; beyond, the times are others."""
FORGETS = 0.01
"""Share of the difference by which the quickest way follows the present one at each read: clocks drift apart."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds: for packets of the video, and for a keyframe to begin with."""

    silence: float
    keyframe: float


@dataclass(slots=True)
class Counted:
    """Of all connections of a pull. ``drops``: pictures left out because something of them, or before them, was
    lost."""

    packets: int = 0
    packets_lost: int = 0
    drops: int = 0


class Reading:
    """One for each connection. ``clock``: seconds since the epoch; ``now``: seconds of a clock that goes on.
    ``live`` hears what the stream is, at its first frame and whenever that changes."""

    def __init__(
        self,
        video: VideoTrack,
        sound: SoundTrack | None,
        *,
        epoch: int,
        counted: Counted,
        patience: Patience,
        publish: Callable[[EncodedFrame], None],
        live: Callable[[StreamDescription], None],
        clock: Callable[[], float],
        now: Callable[[], float],
    ) -> None:
        numbered = video.decoding_order_numbers
        self._types: dict[Kind, int] = {"video": video.payload_type}
        self.clock_rates: dict[Kind, int] = {"video": video.clock_rate}
        self._pictures = Pictures(video.codec, Depacketiser(video.codec, decoding_order_numbers=numbered))
        self._assembler = Assembler(video.codec, video.parameters)
        self._framing = Framing(video.codec, epoch, video.clock_rate)
        self._sound: SoundFraming | None = None
        if sound is not None:
            self._types["sound"] = sound.payload_type
            self.clock_rates["sound"] = sound.clock_rate
            self._sound = SoundFraming(sound.audio, sound.clock_rate, sound.headers)
        self.arrivals: dict[Kind, Arrivals] = {kind: Arrivals() for kind in self._types}
        self._seen, self._video_type = self.arrivals["video"], video.payload_type
        self.reports: dict[Kind, SenderReport] = {}
        self._channels: dict[int, Kind | None] = {}
        self._counted = counted
        self._patience = patience
        self._publish = publish
        self._live = live
        self._clock = clock
        self._now = now
        self._whole: list[Picture] = []
        self._sounds: list[EncodedFrame] = []
        self._epoch = epoch
        self._told: StreamDescription | None = None
        self._drops = self._lost_when_whole = 0
        self._over = False
        self._came = False
        self._way: float | None = None
        self._read_at = clock()
        self._seen_at = self._whole_at = now()

    def on_channel(self, channel: int, kind: Kind) -> None:
        """Packets of this channel are of that track. Those of a channel that two have, or none, are known by type."""
        self._channels[channel] = None if channel in self._channels else kind

    def packet(self, channel: int, data: memoryview, begin: int, end: int) -> bool:
        """An interleaved packet."""
        kind = self._channels.get(channel)
        if kind == "video" and end - begin > HEAD.size:
            first, second, sequence, timestamp, source = HEAD.unpack_from(data, begin)
            seen = self._seen
            if (
                first == PLAIN
                and second == self._video_type
                and sequence == (seen.highest + 1) & 0xFFFF
                and source == seen.source
                and self._pictures.goes_on(data, timestamp, begin + HEAD.size, end)
            ):
                seen.highest += 1
                seen.received += 1
                self._counted.packets += 1
                self._came = True
                return True
        return self.take(kind, data, begin, end)

    def take(self, kind: Kind | None, data: memoryview, begin: int, end: int) -> bool:
        """A packet of a track, or of one that must be told by the type of its payload. False: it is none."""
        if end - begin > 1 and data[begin + 1] in RTCP_TYPES:
            return self._control(bytes(data[begin:end]))
        packet = read_packet(data, begin, end)
        if packet is None:
            return False
        self._counted.packets += 1
        if kind is None:
            kind = next((known for known, number in self._types.items() if number == packet.payload_type), None)
        if kind is None or packet.payload_type != self._types[kind]:
            return True
        lost = self.arrivals[kind].came(packet.sequence, packet.source)
        if lost is None:
            return True
        if lost:
            self._counted.packets_lost += lost
        if kind == "video":
            self._came = True
            try:
                self._whole += self._pictures.take(data, packet, lost)
            except PacketisationUnsupported:
                raise PullEnded("unsupported_packetisation") from None
        elif self._sound is not None and self._told is not None:
            if lost:
                self._sound.lost()
            self._sounds += self._sound.frames(
                data, packet.begin, packet.end, packet.timestamp, self._clock(), self._epoch
            )
        return True

    def received(self) -> None:
        """All that had come is told: publish what is whole. Raises ``PullEnded``."""
        arrival = self._clock()
        if self._came:
            self._came, self._seen_at = False, self._now()
        if self._whole:
            pictures, self._whole = self._whole, []
            self._pass_on(pictures, arrival)
        if self._sounds:
            sounds, self._sounds = self._sounds, []
            for sound in sounds:
                self._publish(sound)
        self._read_at = arrival
        if self._over:
            raise PullEnded("stream_ended")

    def check(self) -> None:
        """Raises ``PullEnded`` when what comes is not enough. A camera that is heard and not seen is as good as
        silent, and bytes may come for ever without a picture."""
        now = self._now()
        if now - self._seen_at > self._patience.silence:
            raise PullEnded("stalled")
        waiting = self._assembler.waiting
        if now - self._whole_at > (self._patience.keyframe if waiting else self._patience.silence):
            lossy = self.arrivals["video"].lost > self._lost_when_whole
            raise PullEnded("stalled" if not waiting else "packets_lost" if lossy else "no_keyframe")

    def _pass_on(self, pictures: list[Picture], arrival: float) -> None:
        came = min(self._read_at, arrival)
        way = self._quickest_way(arrival - max(picture.timestamp for picture in pictures) / self.clock_rates["video"])
        for picture in pictures:
            try:
                unit = self._assembler.take(picture)
            except CodecChanged:
                raise PullEnded("codec_changed") from None
            if unit is None:
                continue
            self._whole_at, self._lost_when_whole = self._now(), self.arrivals["video"].lost
            came = max(came, min(arrival, picture.timestamp / self.clock_rates["video"] + way))
            frame = self._framing.frame(unit, came)
            self._epoch = frame.epoch
            self._publish(frame)
            if self._framing.stream != self._told:
                self._told = self._framing.stream
                self._live(self._told)
        self._counted.drops += self._assembler.drops - self._drops
        self._drops = self._assembler.drops

    def _quickest_way(self, now: float) -> float:
        """Seconds from a frame's own time to its arrival, of late. ``now``: of the newest, if it came this moment."""
        if self._way is None or not self._way <= now <= self._way + LONGEST_WAY:
            self._way = now
        else:
            self._way += FORGETS * (now - self._way)
        return self._way

    def _control(self, data: bytes) -> bool:
        """Reports of the sender, and its goodbye (RFC 3550, 6)."""
        try:
            packets = RtcpPacket.parse(data)
        except (ValueError, IndexError, struct.error):
            return data[0] >> 6 == 2  # a kind or a form that is of no use here
        for packet in packets:
            if isinstance(packet, RtcpSrPacket):
                for kind, arrivals in self.arrivals.items():
                    if arrivals.source == packet.ssrc:
                        middle = packet.sender_info.ntp_timestamp >> 16 & 0xFFFFFFFF
                        self.reports[kind] = SenderReport(packet.ssrc, middle, self._now())
            elif isinstance(packet, RtcpByePacket):
                self._over = self._over or self.arrivals["video"].source in packet.sources
        return True
