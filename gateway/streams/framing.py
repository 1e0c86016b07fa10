"""From access units to the frames of the bus: their times, epoch and size; and what the stream turns out to be."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gateway.streams.assembly import AccessUnit
from gateway.streams.decoding_order import DecodingOrder
from gateway.streams.frame import EncodedFrame, VideoCodec
from gateway.streams.nal import ParameterSets
from gateway.streams.source_time import CLOCK_RATE, SourceTime
from gateway.streams.sps import size_in


@dataclass(frozen=True, slots=True)
class StreamDescription:
    """What the camera sends. ``b_frames``: pictures travel in another order than they are shown (browsers cannot)."""

    codec: VideoCodec
    width: int
    height: int
    b_frames: bool


class Framing:
    """One for each connection; ``epoch`` is that of its first frames, ``clock_rate`` that of its timestamps."""

    def __init__(self, codec: VideoCodec, epoch: int, clock_rate: int = CLOCK_RATE) -> None:
        self._codec: VideoCodec = codec
        self._epoch = epoch
        self._clock_rate = clock_rate
        self._times = SourceTime()
        self._order = DecodingOrder()
        self._parameters: ParameterSets | None = None
        self.stream = StreamDescription(codec, 0, 0, b_frames=False)

    def frame(self, unit: AccessUnit, arrival: float) -> EncodedFrame:
        shown = unit.timestamp * CLOCK_RATE // self._clock_rate
        stamp = self._times.stamp(shown, self._order.decoded_at(shown), arrival)
        if unit.parameters != self._parameters:
            self._epoch += self._parameters is not None
            self._parameters = unit.parameters
            width, height = size_in(unit.parameters)
            self.stream = StreamDescription(self._codec, width, height, b_frames=False)
        if stamp.reordered and not self.stream.b_frames:
            self.stream = replace(self.stream, b_frames=True)
        return EncodedFrame(
            "video",
            self._codec,
            unit.data,
            stamp.pts,
            CLOCK_RATE,
            arrival,
            unit.keyframe,
            self._epoch,
            self.stream.width,
            self.stream.height,
            stamp.composition_offset,
        )
