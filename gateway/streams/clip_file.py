"""The clip as a file: what it says of itself, how it becomes a plain MP4, and its digest once it is on disk for good.

A clip carries its bounds in its own comment: what a crash leaves needs no second file to be understood, at whatever
instant between the first fragment and the journal's note the crash came. All calls block; use a thread.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import av
import av.error
import structlog
from av.container import InputContainer, OutputContainer
from av.video.stream import VideoStream

log = structlog.get_logger(__name__)


class ClipFailed(Exception):
    """The clip could not be written; what lies on disk stays playable. ``zh`` and ``en`` are for people."""

    def __init__(self, reason: str, zh: str, en: str) -> None:
        super().__init__(en)
        self.reason = reason
        self.zh = zh
        self.en = en

    @classmethod
    def because(cls, error: OSError | av.error.FFmpegError) -> ClipFailed:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return cls("clip_disk_full", "磁盘空间不足，证据片段无法写入", "no room on the disk for the evidence clip")
        cause = error.strerror or type(error).__name__
        return cls("clip_not_written", f"证据片段无法写入：{cause}", f"the evidence clip could not be written: {cause}")


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


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a clip says of itself. ``ends_at`` is None while it is written."""

    starts_at: float
    ends_at: float | None = None
    partial: bool = True

    def comment(self) -> str:
        return json.dumps({"starts_at": self.starts_at, "ends_at": self.ends_at, "partial": self.partial})

    @classmethod
    def read(cls, container: InputContainer) -> Bounds:
        """Raises ``ValueError`` where there are none."""
        said = json.loads(container.metadata.get("comment", ""))
        match said:
            case {"starts_at": float(start), "ends_at": float() | None as end, "partial": bool(partial)} if (
                math.isfinite(start) and (end is None or math.isfinite(end))
            ):
                return cls(start, end, partial)
        raise ValueError("a comment that says no bounds")


def settled(path: Path, starts_at: float, ends_at: float, *, partial: bool) -> ClosedClip:
    """Make a plain MP4 of a fragmented one in its place, and sync it. Without room for both the fragmented one stays,
    which plays as well, but shows its first picture a second late."""
    plain = path.with_name(path.name + ".plain")
    try:
        _remux(path, plain, Bounds(starts_at, ends_at, partial))
        closed = closed_clip(plain, starts_at, ends_at, partial=partial)
        plain.replace(path)
    except (OSError, av.error.FFmpegError) as error:
        log.warning("clip_stays_fragmented", error=type(error).__name__, detail=error.strerror)
        with suppress(OSError):
            plain.unlink(missing_ok=True)
        return closed_clip(path, starts_at, ends_at, partial=partial)
    return ClosedClip(path, closed.sha256, closed.size, starts_at, ends_at, partial)


def closed_clip(path: Path, starts_at: float, ends_at: float, *, partial: bool) -> ClosedClip:
    """Sync and digest a file to which nothing is added any more."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return ClosedClip(path, digest, file.tell(), starts_at, ends_at, partial)


def copied_stream(target: OutputContainer, source: VideoStream) -> VideoStream:
    stream = target.add_stream_from_template(source, opaque=True)
    if source.codec_context.name == "hevc":
        stream.codec_context.codec_tag = "hvc1"  # browsers know H.265 in MP4 by this tag only
    return stream


def _remux(path: Path, plain: Path, bounds: Bounds) -> None:
    """Copy into one index, in front. The first picture is shown at 0, and decoding runs ahead of showing by no more
    than the order of the pictures asks for; with B-frames it begins before 0, which an edit list says."""
    ahead = _decoded_ahead(path)
    with (
        av.open(str(path), "r") as source,
        av.open(str(plain), "w", format="mp4", options={"movflags": "faststart"}) as target,
    ):
        target.metadata["comment"] = bounds.comment()
        stream = copied_stream(target, source.streams.video[0])
        begins: int | None = None
        for packet in source.demux(video=0):
            if not packet.size or packet.pts is None or packet.dts is None:
                continue
            begins = packet.pts if begins is None else begins
            packet.pts -= begins
            packet.dts += ahead - begins
            packet.stream = stream
            target.mux(packet)


def _decoded_ahead(path: Path) -> int:
    """By how many ticks every picture is decoded before it is shown, at the least."""
    with av.open(str(path), "r") as source:
        return min(
            (
                packet.pts - packet.dts
                for packet in source.demux(video=0)
                if packet.size and packet.pts is not None and packet.dts is not None
            ),
            default=0,
        )
