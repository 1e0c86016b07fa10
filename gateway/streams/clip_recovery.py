"""What can be saved of a clip that a crash or a full disk cut short: whole fragments, with their true bounds."""

from __future__ import annotations

import os
from pathlib import Path

import av
import av.error
import structlog
from av.container import InputContainer

from gateway.streams.clip_file import Bounds, ClosedClip, closed_clip, settled

log = structlog.get_logger(__name__)


def recover_clip(path: Path) -> ClosedClip | None:
    """The clip up to its last whole fragment, as a partial one; None where there is none, or its start is unknown.

    A clip that was closed, but not noted before the crash, comes back as it was closed.
    """
    try:
        end = _whole_until(path)
        if end is None:
            return None
        if end < path.stat().st_size:
            os.truncate(path, end)
        with av.open(str(path), "r") as container:
            said = Bounds.read(container)
            seconds = _seconds(container) if said.ends_at is None else None
        if said.ends_at is not None:
            return closed_clip(path, said.starts_at, said.ends_at, partial=said.partial)
        return None if seconds is None else settled(path, said.starts_at, said.starts_at + seconds, partial=True)
    except (OSError, ValueError, av.error.FFmpegError) as error:
        log.warning("clip_not_recovered", error=type(error).__name__, detail=str(error))
        return None


def _whole_until(path: Path) -> int | None:
    """The end of the last media data box that is wholly there (ISO/IEC 14496-12, 4.2: size, type, largesize)."""
    length = path.stat().st_size
    end, at = None, 0
    with path.open("rb") as file:
        while at + 8 <= length:
            file.seek(at)
            head = file.read(16)
            size, kind = int.from_bytes(head[:4], "big"), head[4:8]
            if size == 1 and len(head) == 16:
                size = int.from_bytes(head[8:], "big")
            if size < 8 or at + size > length:
                break
            at += size
            if kind == b"mdat":
                end = at
    return end


def _seconds(container: InputContainer) -> float | None:
    """From the first packet to the last, as they came; None without any."""
    times = [
        float(packet.dts * packet.time_base)
        for packet in container.demux(video=0)
        if packet.size and packet.dts is not None and packet.time_base is not None
    ]
    return times[-1] - times[0] if times else None
