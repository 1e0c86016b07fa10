"""A recording of a room as it is written: H.264 in a fragmented MP4, VP8 in WebM clusters, so that a crash costs its
last second or two at the most.

Pictures are copied, never encoded again; sound is Opus. Memory does not grow with length: each fragment goes to the
disk. All calls block; the composer has a thread for them.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import av.error
import structlog
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream

from gateway.streams.frame import PictureCodec

log = structlog.get_logger(__name__)

VIDEO_CLOCK = 90_000
SOUND_CLOCK = 48_000
MOST_BYTES = 16 * 1024**3
Container = Literal["mp4", "webm"]
CONTAINERS: Mapping[PictureCodec, Container] = {"h264": "mp4", "vp8": "webm"}
"""By what is recorded: a browser plays VP8 from WebM."""
_EVERY = {
    "flush_packets": "1",
    # Microseconds for which pictures wait for the sound of somebody who says nothing.
    "max_interleave_delta": "500000",
}
_OPTIONS: Mapping[Container, dict[str, str]] = {
    "mp4": _EVERY | {"movflags": "frag_keyframe+empty_moov+default_base_moof", "frag_duration": "1000000"},
    "webm": _EVERY | {"cluster_time_limit": "1000"},
}


@dataclass(frozen=True, slots=True)
class RecordedFile:
    """Bounds in seconds since the epoch. ``partial``: a crash or the disk cut it short."""

    path: Path
    sha256: str
    size: int
    starts_at: float
    ends_at: float
    partial: bool


class RecordingFile:
    """Begins with the first keyframe. Times are seconds of the wall clock at which a frame came."""

    def __init__(self, path: Path, container: Container = "mp4") -> None:
        self._path = path
        self.container: Container = container
        self._file: io.FileIO | None = None
        self._synced = 0
        self._container: OutputContainer | None = None
        self._video: VideoStream | None = None
        self._sound: AudioStream | None = None
        self._starts_at = 0.0
        self._ends_at = 0.0
        self._last_dts = -1
        self._last_sound = -1
        self._epoch: tuple[int, int] | None = None
        self._offset = 0
        self._size: bytes | None = None
        self.full = False

    @property
    def begun(self) -> bool:
        return self._container is not None

    def picture(self, data: bytes, pts: int, keyframe: bool, at: float, epoch: int = 0) -> bool:
        """Copy an access unit. False: it cannot go into this file (another size), a new one is to be begun."""
        if self._container is None:
            if not keyframe:
                return True
            self._begin(data, at)
        elif keyframe and self._parameters(data) != self._size:
            return False
        container, stream = self._container, self._video
        if container is None or stream is None or self.full:
            return True
        if self._epoch is None or self._epoch[0] != epoch:
            self._epoch = (epoch, pts)
            self._offset = round((at - self._starts_at) * VIDEO_CLOCK)
        packet = av.Packet(data)
        packet.stream, packet.time_base = stream, Fraction(1, VIDEO_CLOCK)
        self._last_dts = max(pts - self._epoch[1] + self._offset, self._last_dts + 1)
        packet.dts = packet.pts = self._last_dts
        packet.is_keyframe = keyframe
        container.mux(packet)
        self._ends_at = at
        if keyframe:
            self._sync()
        self.full = self._file is not None and self._file.tell() > MOST_BYTES
        return True

    def sound(self, data: bytes, at: float) -> None:
        """Copy 20 ms of Opus; before the first picture there is no file yet."""
        if self._container is None or self._sound is None or self.full:
            return
        expected = self._last_sound + SOUND_CLOCK // 50
        by_clock = round((at - self._starts_at) * SOUND_CLOCK)
        # In step with the packets while they come evenly, with the clock after a pause.
        drifted = self._last_sound < 0 or abs(by_clock - expected) > SOUND_CLOCK // 5
        self._last_sound = max(by_clock if drifted else expected, self._last_sound + 1, 0)
        packet = av.Packet(data)
        packet.stream, packet.time_base = self._sound, Fraction(1, SOUND_CLOCK)
        packet.pts = packet.dts = self._last_sound
        packet.duration = SOUND_CLOCK // 50
        self._container.mux(packet)
        self._ends_at = max(self._ends_at, at)

    def close(self) -> RecordedFile | None:
        """The finished file, synced and digested; None where nothing was written."""
        container, self._container = self._container, None
        if container is None:
            return None
        with suppress(OSError, av.error.FFmpegError):
            container.close()
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
        return digested(self._path, self._starts_at, self._ends_at, partial=self.full)

    def _sync(self) -> None:
        """Once a group of pictures: what is written survives the machine, not only the process."""
        if self._file is not None and self._file.tell() != self._synced:
            self._synced = self._file.tell()
            os.fdatasync(self._file.fileno())

    def _begin(self, keyframe: bytes, at: float) -> None:
        self._file = self._path.open("xb", buffering=0)
        container = av.open(self._file, "w", format=self.container, options=_OPTIONS[self.container])
        container.metadata["comment"] = json.dumps({"starts_at": at})
        alone, form = (keyframe, "h264") if self.container == "mp4" else (_ivf(keyframe), "ivf")
        with av.open(io.BytesIO(alone), "r", format=form) as raw:
            self._video = container.add_stream_from_template(raw.streams.video[0], opaque=True)
        self._video.time_base = Fraction(1, VIDEO_CLOCK)
        self._sound = container.add_stream("libopus", rate=SOUND_CLOCK, layout="mono")
        self._sound.codec_context.open()
        self._container = container
        self._starts_at = self._ends_at = at
        self._size = self._parameters(keyframe)

    def _parameters(self, keyframe: bytes) -> bytes:
        """What stays the same as long as the picture's size does, which a file holds one of."""
        return _sequence_parameters(keyframe) if self.container == "mp4" else keyframe[6:10]


def left_behind(path: Path) -> RecordedFile | None:
    """What a crash left: playable up to its last whole fragment; None where there is nothing to play.

    Raises ``OSError`` or ``MemoryError`` where it cannot be read for now: what it holds is not known then.
    """
    starts_at, last = path.stat().st_mtime, 0.0
    try:
        with av.open(str(path), "r") as container:
            comment = container.metadata.get("comment") or container.metadata.get("COMMENT") or ""  # as WebM has it
            starts_at = _begun(comment, starts_at)
            for packet in container.demux(video=0):
                if packet.pts is not None and packet.time_base is not None:
                    last = max(last, float(packet.pts * packet.time_base))
    except (OSError, MemoryError):
        raise
    except (ValueError, IndexError, av.error.FFmpegError):
        log.info("recording_cut_short", path=path.name, seconds=last)
    return digested(path, starts_at, starts_at + last, partial=True) if last > 0 else None


def _begun(comment: str, otherwise: float) -> float:
    """When the recording began, as the file says; ``otherwise`` where it says nothing that can be a time."""
    try:
        told = json.loads(comment)
    except ValueError:
        return otherwise
    at = told.get("starts_at") if isinstance(told, dict) else None
    return float(at) if isinstance(at, int | float) and math.isfinite(at) else otherwise


def digested(path: Path, starts_at: float, ends_at: float, *, partial: bool) -> RecordedFile:
    with path.open("rb") as file:
        os.fsync(file.fileno())
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return RecordedFile(path, digest, file.tell(), starts_at, ends_at, partial)


def recorded_in(folder: Path) -> list[Path]:
    """The recordings that lie there, by name; none where there is no folder."""
    return sorted(path for path in folder.glob("*") if path.suffix[1:] in CONTAINERS.values())


def container_of(path: str) -> Container:
    return "webm" if path.endswith(".webm") else "mp4"


def _ivf(keyframe: bytes) -> bytes:
    """A VP8 keyframe as a file that can be opened (https://wiki.multimedia.cx/index.php/Duck_IVF)."""
    header = struct.pack("<4sHH4sHHIIII", b"DKIF", 0, 32, b"VP80", *struct.unpack("<HH", keyframe[6:10]), 30, 1, 1, 0)
    return header + struct.pack("<IQ", len(keyframe), 0) + keyframe


def _sequence_parameters(keyframe: bytes) -> bytes:
    """The sequence parameter set: another one is another picture size."""
    begins = keyframe.find(b"\x00\x00\x01\x67")
    if begins < 0:
        begins = keyframe.find(b"\x00\x00\x01\x27")
    ends = keyframe.find(b"\x00\x00\x01", begins + 4)
    return keyframe[begins:ends].rstrip(b"\x00") if begins >= 0 else b""
