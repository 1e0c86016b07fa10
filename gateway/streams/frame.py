"""The encoded frame: what travels on the bus. One access unit, never decoded on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

VideoCodec = Literal["h264", "hevc"]
"""What cameras send."""
PictureCodec = Literal["h264", "hevc", "vp8"]
"""VP8 comes from browsers alone."""
AudioCodec = Literal["pcm_alaw", "pcm_mulaw", "aac", "opus"]


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """A source's sound. ``config``: of AAC the AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1), else empty."""

    codec: AudioCodec
    sample_rate: int
    channels: int
    config: bytes = b""


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """One encoded access unit of one stream.

    ``data`` is Annex-B for H.264 and H.265 (start codes; parameter sets stand before each keyframe), a whole frame for
    VP8 (RFC 6386), the bare payload for audio.
    ``pts`` counts in units of ``1 / clock_rate`` seconds, never goes back within one ``epoch``, and starts anywhere.
    ``arrival`` is the wall-clock time of receipt (seconds since the epoch, UTC): rules and evidence count by it.
    ``composition_offset`` added to ``pts`` gives the time of presentation (ISO/IEC 14496-12); it differs from 0 only in
    streams with B-frames, where frames travel in another order than they are shown.
    ``epoch`` grows when the source was reconnected or its parameters changed: whoever copies must start anew at a
    keyframe.
    """

    kind: Literal["video", "audio"]
    codec: PictureCodec | AudioCodec
    data: bytes
    pts: int
    clock_rate: int
    arrival: float
    keyframe: bool
    epoch: int = 0
    width: int = 0
    height: int = 0
    composition_offset: int = 0
