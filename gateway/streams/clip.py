"""Evidence clips: packets copied, never transcoded, into an MP4 that plays however its writing ended.

While it is written a clip is a fragmented MP4 (ISO/IEC 14496-12, movie fragments): what a crash leaves plays up to the
last whole fragment. Closing it copies it once more into a plain MP4 with its index in front, so that browsers can seek.
All calls block; use a thread.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import av.error
import structlog
from av.container import OutputContainer
from av.video.stream import VideoStream

from gateway.streams.frame import EncodedFrame

log = structlog.get_logger(__name__)

MOST_BYTES = 300 * 1024 * 1024
_FRAGMENTED = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "flush_packets": "1"}


class ClipFailed(Exception):
    """The clip could not be written; what lies on disk stays playable. ``zh`` and ``en`` are for people."""

    def __init__(self, reason: str, zh: str, en: str) -> None:
        super().__init__(en)
        self.reason = reason
        self.zh = zh
        self.en = en


@dataclass(frozen=True, slots=True)
class ClosedClip:
    """A clip and its true bounds: arrival of its first and last frame, seconds since the epoch. ``partial``: it ends
    before it was meant to."""

    path: Path
    sha256: str
    size: int
    starts_at: float
    ends_at: float
    partial: bool


def beginning_of(path: Path) -> Path:
    """Where the arrival of a clip's first frame is kept until it is closed."""
    return path.with_name(path.name + ".begun")


class ClipWriter:
    """Writes one clip from a keyframe on. Frames before the first keyframe are left out; another epoch, another size,
    or ``max_bytes`` ends it (``closed_early``), and later frames are ignored."""

    def __init__(self, path: Path, *, max_bytes: int = MOST_BYTES) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._written = 0
        self._container: OutputContainer | None = None
        self._stream: VideoStream | None = None
        self._first: EncodedFrame | None = None
        self._last: EncodedFrame | None = None
        self.closed_early = False

    def write(self, frames: Sequence[EncodedFrame]) -> None:
        """Copy video frames. Raises ``ClipFailed`` when the disk does not take them."""
        with _disk_errors():
            for frame in frames:
                if frame.kind == "video" and not self.closed_early:
                    self._write(frame)

    def close(self, complete: bool = True) -> ClosedClip | None:
        """The finished clip, on disk for good; None where no frame came. ``complete``: it came to its planned end."""
        first, last = self._first, self._last
        if self._container is None or first is None or last is None:
            return None
        with _disk_errors():
            try:
                self._container.close()
            finally:
                self._container = None
            return settled(self._path, first.arrival, last.arrival, partial=self.closed_early or not complete)

    def _write(self, frame: EncodedFrame) -> None:
        if self._first is None:
            if frame.keyframe:
                self._open(frame)
            else:
                return
        first, stream, container = self._first, self._stream, self._container
        if first is None or stream is None or container is None:
            return
        changed = (frame.epoch, frame.codec, frame.width, frame.height) != (
            first.epoch,
            first.codec,
            first.width,
            first.height,
        )
        if changed or self._written + len(frame.data) > self._max_bytes:
            self.closed_early = True
            return
        packet = av.Packet(frame.data)
        packet.stream = stream
        packet.time_base = Fraction(1, frame.clock_rate)
        packet.dts = frame.pts - first.pts
        packet.pts = packet.dts + frame.composition_offset
        packet.is_keyframe = frame.keyframe
        container.mux(packet)
        self._written += len(frame.data)
        self._last = frame

    def _open(self, frame: EncodedFrame) -> None:
        _write_synced(beginning_of(self._path), json.dumps({"starts_at": frame.arrival}).encode())
        self._container = av.open(str(self._path), "w", format="mp4", options=_FRAGMENTED)
        # Read as a raw stream, the keyframe tells its own parameter sets; no encoder is opened.
        with av.open(io.BytesIO(frame.data), "r", format=frame.codec) as raw:
            self._stream = _copied(self._container, raw.streams.video[0])
        self._stream.time_base = Fraction(1, frame.clock_rate)
        self._first = frame


def settled(path: Path, starts_at: float, ends_at: float, *, partial: bool) -> ClosedClip:
    """Make a plain MP4 of a fragmented one in its place, and sync it. Without room for both the fragmented one stays,
    which plays as well, but browsers cannot seek in it."""
    plain = path.with_name(path.name + ".plain")
    try:
        _remux(path, plain)
        plain.replace(path)
    except (OSError, av.error.FFmpegError) as error:
        log.warning("clip_stays_fragmented", error=type(error).__name__)
        plain.unlink(missing_ok=True)
    digest, size = _synced_digest(path)
    beginning_of(path).unlink(missing_ok=True)
    return ClosedClip(path, digest, size, starts_at, ends_at, partial)


def _remux(path: Path, plain: Path) -> None:
    with (
        av.open(str(path), "r") as source,
        av.open(str(plain), "w", format="mp4", options={"movflags": "faststart"}) as target,
    ):
        stream = _copied(target, source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)


def _copied(target: OutputContainer, source: VideoStream) -> VideoStream:
    stream = target.add_stream_from_template(source, opaque=True)
    if source.codec_context.name == "hevc":
        stream.codec_context.codec_tag = "hvc1"  # browsers know H.265 in MP4 by this tag only
    return stream


def _synced_digest(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        os.fsync(file.fileno())
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return digest, file.tell()


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except (OSError, av.error.FFmpegError) as error:
        raise ClipFailed(
            "clip_not_written", f"证据片段无法写入：{error}", f"the evidence clip could not be written: {error}"
        ) from error
