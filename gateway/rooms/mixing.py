"""Sound of many, mixed for each without its own. Pure but for the codecs: whoever owns it calls ``tick`` every 20 ms.

Inside everything is 48 kHz, mono, 16 bits. Each source has a short buffer that evens out its network; what comes later
than that is let go, so that sound never creeps behind the picture.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import av
import av.error
import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.int16]
SoundCodec = Literal["opus", "pcm_alaw", "pcm_mulaw"]

RATE = 48_000
TICK = RATE // 50
BEGIN = 2 * TICK
"""A source that has fallen silent is heard again once so much of it waits."""
LONGEST = 10 * TICK
_ENCODER: dict[SoundCodec, tuple[str, int]] = {
    "opus": ("libopus", RATE),
    "pcm_alaw": ("pcm_alaw", 8000),
    "pcm_mulaw": ("pcm_mulaw", 8000),
}


class SoundSource:
    """One member's sound on its way into the mix."""

    def __init__(self, codec: SoundCodec) -> None:
        self.codec = codec
        self._decoder: av.AudioCodecContext = av.CodecContext.create("libopus" if codec == "opus" else codec, "r")
        self._decoder.sample_rate = RATE if codec == "opus" else 8000
        self._decoder.layout = "stereo" if codec == "opus" else "mono"
        self._resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
        self._held: list[Samples] = []
        self._size = 0
        self._running = False

    def add(self, data: bytes) -> None:
        """A packet, as it came; one that cannot be decoded is let go."""
        try:
            for frame in self._decoder.decode(av.Packet(data)):
                frame.pts = None
                for made in self._resampler.resample(frame):
                    samples = made.to_ndarray().reshape(-1).astype(np.int16)
                    self._held.append(samples)
                    self._size += samples.size
        except (av.error.FFmpegError, ValueError):
            return
        if self._size > LONGEST:
            self._keep_newest(BEGIN)

    def take(self) -> Samples | None:
        """The next 20 ms; None while it is silent."""
        if not self._running and self._size < BEGIN:
            return None
        self._running = self._size >= TICK
        if not self._running:
            return None
        joined = np.concatenate(self._held)
        self._held = [joined[TICK:]]
        self._size -= TICK
        return joined[:TICK]

    def _keep_newest(self, size: int) -> None:
        self._held = [np.concatenate(self._held)[-size:]]
        self._size = self._held[0].size


class SoundTarget:
    """One listener's encoder."""

    def __init__(self, codec: SoundCodec) -> None:
        self.codec = codec
        name, rate = _ENCODER[codec]
        self._encoder: av.AudioCodecContext = _audio_encoder(name)
        self._encoder.sample_rate = rate
        self._encoder.layout = "mono"
        self._encoder.format = "s16"
        if codec == "opus":
            self._encoder.options = {"application": "voip", "frame_duration": "20"}
        self._encoder.open()
        self._resampler = av.AudioResampler(format="s16", layout="mono", rate=rate) if rate != RATE else None
        self._pts = 0

    def encode(self, samples: Samples) -> list[bytes]:
        frame = sound_frame(samples, self._pts)
        self._pts += samples.size
        frames = [frame] if self._resampler is None else self._resampler.resample(frame)
        return [bytes(packet) for one in frames for packet in self._encoder.encode(one)]


def _audio_encoder(name: str) -> av.AudioCodecContext:
    made = av.CodecContext.create(name, "w")
    if not isinstance(made, av.AudioCodecContext):
        raise TypeError(name)
    return made


def sound_frame(samples: Samples, pts: int) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate, frame.pts = RATE, pts
    return frame


class Mixer:
    """Sources by member, and what each listener hears: everybody but itself."""

    def __init__(self) -> None:
        self._sources: dict[str, SoundSource] = {}

    def add(self, member: str, codec: SoundCodec, data: bytes) -> None:
        source = self._sources.get(member)
        if source is None or source.codec != codec:
            source = self._sources[member] = SoundSource(codec)
        source.add(data)

    def keep(self, members: Iterable[str]) -> None:
        """Forget those who have gone."""
        kept = set(members)
        self._sources = {member: source for member, source in self._sources.items() if member in kept}

    def tick(self, listeners: Iterable[str]) -> dict[str, Samples]:
        """20 ms for each listener; a listener that is no member hears all."""
        parts = {member: samples for member, source in self._sources.items() if (samples := source.take()) is not None}
        whole = np.zeros(TICK, np.int32)
        for samples in parts.values():
            whole += samples
        mixed = {}
        for listener in listeners:
            own = parts.get(listener)
            heard = whole if own is None else whole - own
            mixed[listener] = np.clip(heard, -32768, 32767).astype(np.int16)
        return mixed
