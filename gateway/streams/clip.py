"""Evidence clips: packets copied, never transcoded, into an MP4 that plays however its writing ended.

While it is written a clip is a fragmented MP4 (ISO/IEC 14496-12, movie fragments): what a crash leaves plays up to the
last whole fragment. Closing it copies it once more into a plain MP4 with its index in front: whoever opens it knows its
length and every moment of it from the first bytes. 40 s at 4 Mbit/s take 0.05 s to write and 0.1 s to close, digest and
sync included. All calls block; use a thread.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path

import av
import av.error
from av.container import OutputContainer
from av.video.stream import VideoStream

from gateway.streams.clip_file import Bounds, ClipFailed, ClosedClip, closed_clip, copied_stream, settled
from gateway.streams.clip_recovery import recover_clip
from gateway.streams.frame import EncodedFrame
from gateway.streams.source_time import CLOCK_RATE, LARGEST_REORDERING

__all__ = ["ClipFailed", "ClipWriter", "ClosedClip"]

MOST_BYTES = 300 * 1024 * 1024
_FRAGMENTED = {
    "movflags": "frag_keyframe+empty_moov+default_base_moof",
    # Microseconds. "Smart" encoders send a keyframe every 10 s and more; a crash shall not cost so much.
    "frag_duration": "1000000",
    "flush_packets": "1",
}


class ClipWriter:
    """Writes one clip from a keyframe on. Frames before the first keyframe are left out; another epoch, codec or size,
    ``max_bytes`` or the disk ends it (``closed_early``), and later frames are ignored. Not ``plain``: it stays
    fragmented when it is closed, which costs no second copy."""

    def __init__(self, path: Path, *, max_bytes: int = MOST_BYTES, plain: bool = True) -> None:
        self._path = path
        self._plain = plain
        self._max_bytes = max_bytes
        self._taken = 0
        self._synced = 0
        self._file: io.BufferedWriter | None = None
        self._container: OutputContainer | None = None
        self._stream: VideoStream | None = None
        self._first: EncodedFrame | None = None
        self._last: EncodedFrame | None = None
        self._last_dts = -1
        self._failed = False
        self.closed_early = False

    def write(self, frames: Sequence[EncodedFrame]) -> None:
        """Copy video frames. Raises ``ClipFailed`` when the disk does not take them; ``close`` saves what it took."""
        if self.closed_early:
            return
        with self._failures():
            for frame in frames:
                if frame.kind == "video" and not self.closed_early:
                    self._write(frame)
            self._sync()

    def close(self, complete: bool = True) -> ClosedClip | None:
        """The finished clip, on disk for good; None where no frame came, or none that the disk took whole.
        ``complete``: it came to its planned end."""
        container, self._container = self._container, None
        if container is None:
            self._close_file()
            return None
        with suppress(ClipFailed), self._failures():
            container.close()
        self._close_file()
        if self._failed or self._first is None or self._last is None:
            return recover_clip(self._path)
        try:
            partial = self.closed_early or not complete
            close = settled if self._plain else closed_clip
            return close(self._path, self._first.arrival, self._last.arrival, partial=partial)
        except (OSError, av.error.FFmpegError) as error:
            raise ClipFailed.because(error) from error

    def _write(self, frame: EncodedFrame) -> None:
        if self._first is None and frame.keyframe:
            self._open(frame)
        first, stream, container = self._first, self._stream, self._container
        if first is None or stream is None or container is None:
            return
        if not _goes_on(first, frame) or self._taken + len(frame.data) > self._max_bytes:
            self.closed_early = True
            return
        packet = av.Packet(frame.data)
        packet.stream = stream
        packet.time_base = Fraction(1, frame.clock_rate)
        # Cameras send two pictures with one time; MP4 has no two samples at one.
        packet.dts = self._last_dts = max(frame.pts - first.pts, self._last_dts + 1)
        # Where decoding times are not known a picture may be shown "before" it is decoded. MP4 wants all shown later,
        # by as much as pictures can be reordered; closing takes back what was not needed.
        shown = frame.pts - first.pts + frame.composition_offset + _later(frame.clock_rate)
        packet.pts = max(shown, packet.dts)
        packet.is_keyframe = frame.keyframe
        container.mux(packet)
        self._taken += len(frame.data)
        self._last = frame

    def _open(self, frame: EncodedFrame) -> None:
        # A file of our own: FFmpeg keeps an error of its own file to itself until the end.
        self._file = self._path.open("wb")
        container = av.open(self._file, "w", format="mp4", options=_FRAGMENTED)
        container.metadata["comment"] = Bounds(frame.arrival).comment()
        # Read as a raw stream, the keyframe tells its own parameter sets; no encoder is opened.
        with av.open(io.BytesIO(frame.data), "r", format=frame.codec) as raw:
            self._stream = copied_stream(container, raw.streams.video[0])
        self._stream.time_base = Fraction(1, frame.clock_rate)
        self._container = container
        self._first = frame

    def _sync(self) -> None:
        """Bring whole fragments to the disk, if one came since."""
        file = self._file
        if file is not None and file.tell() != self._synced:
            self._synced = file.tell()
            file.flush()
            os.fdatasync(file.fileno())

    def _close_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with suppress(OSError):  # what it could not write was said already
                file.close()

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except (OSError, av.error.FFmpegError) as error:
            self._failed = self.closed_early = True
            raise ClipFailed.because(error) from error


def _later(clock_rate: int) -> int:
    return clock_rate * LARGEST_REORDERING // CLOCK_RATE


def _goes_on(first: EncodedFrame, frame: EncodedFrame) -> bool:
    """Whether the frame belongs to the stream with which the clip began."""
    return (frame.epoch, frame.codec, frame.clock_rate, frame.width, frame.height) == (
        first.epoch,
        first.codec,
        first.clock_rate,
        first.width,
        first.height,
    )
