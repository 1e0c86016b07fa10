"""AAC, which no browser takes over WebRTC, made into Opus (RFC 7587). It blocks: call it in a thread."""

from __future__ import annotations

from fractions import Fraction

import av
import av.error
from av.audio.codeccontext import AudioCodecContext
from av.audio.resampler import AudioResampler

from gateway.streams.frame import AudioFormat, EncodedFrame

SAMPLE_RATE = 48_000
FRAME = 960
"""Samples of 20 ms."""
BITS_PER_SECOND = 32_000
LARGEST_DRIFT = SAMPLE_RATE // 5


class OpusCoder:
    """One source's sound, in the order in which it came; mono. Damaged packets are left out."""

    def __init__(self, audio: AudioFormat) -> None:
        self._audio = audio
        self._epoch: int | None = None
        self._pts = 0
        self._begin()

    def take(self, frame: EncodedFrame) -> list[EncodedFrame]:
        if frame.codec != self._audio.codec:
            return []
        if frame.epoch != self._epoch:
            self._begin()
            self._epoch, self._pts = frame.epoch, _samples(frame)
        try:
            heard = self._decoder.decode(av.Packet(frame.data))
            # Of what the coders hold back nothing is counted: it is less than two packets.
            packets = [
                packet
                for picture in heard
                for even in self._resampler.resample(picture)
                for packet in self._encoder.encode(even)
            ]
        except av.error.FFmpegError:
            return []
        if abs(_samples(frame) - self._pts) > LARGEST_DRIFT:
            self._pts = max(self._pts, _samples(frame))
        made = []
        for packet in packets:
            made.append(
                EncodedFrame("audio", "opus", bytes(packet), self._pts, SAMPLE_RATE, frame.arrival, False, frame.epoch)
            )
            self._pts += FRAME
        return made

    def _begin(self) -> None:
        decoder = av.CodecContext.create(self._audio.codec, "r")
        assert isinstance(decoder, AudioCodecContext)  # noqa: S101 - of a sound codec
        decoder.extradata = self._audio.config
        encoder = av.CodecContext.create("libopus", "w")
        encoder.sample_rate, encoder.layout, encoder.format = SAMPLE_RATE, "mono", "s16"
        encoder.time_base = Fraction(1, SAMPLE_RATE)
        encoder.bit_rate = BITS_PER_SECOND
        self._decoder, self._encoder = decoder, encoder
        self._resampler = AudioResampler("s16", "mono", SAMPLE_RATE, FRAME)


def _samples(frame: EncodedFrame) -> int:
    return frame.pts * SAMPLE_RATE // frame.clock_rate
