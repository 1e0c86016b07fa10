"""A camera's sound on its way from the demuxer to the bus: which of it is taken, and with what times."""

from __future__ import annotations

from av.audio.stream import AudioStream
from av.packet import Packet

from gateway.streams.frame import AudioCodec, AudioFormat, EncodedFrame
from gateway.streams.source_time import CLOCK_RATE, SourceTime

_CODECS: dict[str, AudioCodec] = {"pcm_alaw": "pcm_alaw", "pcm_mulaw": "pcm_mulaw", "aac": "aac", "opus": "opus"}
MOST_BYTES = 4096
"""Of one packet: half a second of G.711; AAC and Opus stay below 1536 (ISO/IEC 14496-3, RFC 6716)."""


def format_of(stream: AudioStream) -> AudioFormat | None:
    """None for what no viewer could play (G.726, G.722 …) and for what makes no sense."""
    context = stream.codec_context
    codec = _CODECS.get(context.name)
    if codec is None or not 8000 <= context.sample_rate <= 96_000 or not 1 <= context.channels <= 2:
        return None
    config = bytes(context.extradata or b"") if codec == "aac" else b""
    if codec == "aac" and not 2 <= len(config) <= 64:
        return None
    if codec in ("pcm_alaw", "pcm_mulaw") and (context.sample_rate, context.channels) != (8000, 1):
        return None
    return AudioFormat(codec, context.sample_rate, context.channels, config)


class SoundFraming:
    """One for each connection; ``clock_rate`` of the frames is 90000, as that of pictures."""

    def __init__(self, stream: AudioStream, audio: AudioFormat) -> None:
        self._codec = audio.codec
        self._rate = (stream.time_base or 0) * CLOCK_RATE
        self._times = SourceTime()

    def frame(self, packet: Packet[AudioStream], arrival: float, epoch: int) -> EncodedFrame | None:
        """None where the packet holds nothing, or more than sound."""
        if not 0 < packet.size <= MOST_BYTES:
            return None
        raw = packet.dts if packet.dts is not None else packet.pts
        stamp = self._times.stamp(None if raw is None else round(raw * self._rate), None, arrival)
        return EncodedFrame("audio", self._codec, bytes(packet), stamp.pts, CLOCK_RATE, arrival, False, epoch)
