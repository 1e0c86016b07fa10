"""From NAL units to pictures: what belongs together, and whether anything of it is missing. Pure.

A picture ends where the timestamp changes, and at the packet with the marker bit; but cameras forget the marker, set
it at every slice, and have clocks that stand still. So the marker is believed only when it has told the truth at two
keyframes, and no more once it lied; until then a picture is known for whole when the next begins. Where the clock
stands still, a slice that begins a picture tells.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.streams import nal
from gateway.streams.depacketise import Depacketiser
from gateway.streams.frame import VideoCodec
from gateway.streams.rtp_packet import RtpPacket, Unwrapped

TRUTHFUL_KEYFRAMES = 2
MOST_BYTES = 16 * 1024 * 1024
MOST_UNITS = 2048
"""A larger picture is none, but a broken or hostile stream."""


@dataclass(frozen=True, slots=True)
class Picture:
    """``timestamp`` counts RTP ticks and does not wrap. ``whole``: nothing of it is missing. ``after_loss``: something
    before it is. ``units`` may hold no slice at all: parameter sets that came alone."""

    units: list[bytes]
    timestamp: int
    whole: bool
    after_loss: bool


class Pictures:
    """One for each connection."""

    def __init__(self, codec: VideoCodec, depacketiser: Depacketiser) -> None:
        self._codec: VideoCodec = codec
        self._depacketiser = depacketiser
        self._times = Unwrapped()
        self._timestamp: int | None = None
        self._ended_at: int | None = None
        self._begin()
        self._lost_before = False
        self._truths = 0
        self._lied = self._ever_marked = False

    def _begin(self) -> None:
        self._units: list[bytes] = []
        self._ahead: list[bytes] = []
        self._slices = 0
        self._bytes = self._count = 0
        self._keyframe = self._marked = self._damaged = False

    def goes_on(self, data: memoryview, timestamp: int, begin: int, end: int) -> bool:
        """Whether a payload without a marker, before which nothing is missing, is one piece more of the unit at hand;
        then it is taken."""
        if timestamp != self._timestamp or self._bytes > MOST_BYTES:
            return False
        self._bytes += end - begin
        return self._depacketiser.goes_on(data, begin, end)

    def take(self, data: memoryview, packet: RtpPacket, lost: int) -> list[Picture]:
        """The pictures that are known for whole, or for damaged, with this packet. ``lost``: how many are missing
        before it."""
        done: list[Picture] = []
        if packet.timestamp != self._timestamp:
            if self._timestamp is not None:
                # The last packet of a picture without its mark may be among the missing.
                self._damaged |= bool(lost and self._bytes) and not self._marked
                done = self._end(by_time=True)
            self._timestamp = packet.timestamp
            if lost:
                self._depacketiser.lost()
                self._lost_before = True
        elif lost:
            self._depacketiser.lost()
            self._damaged = self._lost_before = True
        self._bytes += packet.end - packet.begin
        if self._bytes > MOST_BYTES or self._count > MOST_UNITS:
            self._outgrown()
        for unit in self._depacketiser.take(data, packet.begin, packet.end):
            self._add(unit, done)
        if packet.marker:
            for unit in self._depacketiser.flush():
                self._add(unit, done)
            self._ever_marked = True
            self._marked = self._slices > 0
            if self._marked and not self._lied and self._truths >= TRUTHFUL_KEYFRAMES:
                self._ended_at = packet.timestamp
                done += self._end(by_time=False)
        return done

    def _add(self, unit: bytes, done: list[Picture]) -> None:
        self._count += 1
        if not nal.is_slice(self._codec, unit):
            # Behind a slice it belongs to the next picture, or to this one if that goes on.
            (self._ahead if self._slices else self._units).append(unit)
            return
        begins = nal.begins_picture(self._codec, unit)
        if self._slices:
            if begins and (self._marked or not self._ever_marked):
                ahead, self._ahead = self._ahead, []
                done += self._end(by_time=False)
                self._units = ahead
            elif self._marked:
                self._lied, self._marked = True, False
        elif not begins:
            # Its first slice is missing, or went out with a picture whose mark lied.
            self._damaged = True
            self._lied = self._lied or self._ended_at == self._timestamp
        self._units += self._ahead
        self._ahead = []
        self._units.append(unit)
        self._slices += 1
        self._keyframe = self._keyframe or nal.is_random_access(self._codec, unit)

    def _end(self, *, by_time: bool) -> list[Picture]:
        """``by_time``: the next packet has another timestamp, so what there is is all."""
        if by_time:
            for unit in self._depacketiser.flush():
                self._count += 1
                self._units.append(unit)
                self._slices += nal.is_slice(self._codec, unit)
            if self._keyframe and self._marked:
                self._truths += 1
        damaged = self._damaged or self._depacketiser.damaged
        self._depacketiser.damaged = False
        units, ahead = self._units, self._ahead
        picture = Picture(units, self._times.of(self._timestamp or 0), not damaged, self._lost_before)
        has_slices = bool(self._slices)
        self._begin()
        if by_time and has_slices:
            # What stood behind the last slice opens the next picture.
            self._units = ahead
        if not units and not damaged:
            return []
        self._lost_before = damaged
        return [picture]

    def _outgrown(self) -> None:
        self._units, self._ahead = [], []
        self._bytes = self._count = 0
        self._depacketiser.lost()
        self._damaged = True
