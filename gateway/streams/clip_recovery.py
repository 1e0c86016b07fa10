"""What can be saved of a clip that a crash cut short: whole fragments, with their true bounds."""

from __future__ import annotations

import json
import os
from pathlib import Path

import av
import av.error
import structlog

from gateway.streams.clip import ClosedClip, beginning_of, settled

log = structlog.get_logger(__name__)


def recover_clip(path: Path) -> ClosedClip | None:
    """The clip up to its last whole fragment, as a partial one; None where there is none, or its start is unknown."""
    try:
        starts_at = float(json.loads(beginning_of(path).read_bytes())["starts_at"])
        end = _whole_until(path)
        if end is None:
            return None
        os.truncate(path, end)
        seconds = _seconds(path)
    except (OSError, ValueError, KeyError, av.error.FFmpegError) as error:
        log.warning("clip_not_recovered", error=type(error).__name__)
        return None
    if seconds is None:
        return None
    return settled(path, starts_at, starts_at + seconds, partial=True)


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


def _seconds(path: Path) -> float | None:
    """From the first packet to the last; None without any."""
    with av.open(str(path), "r") as container:
        times = [float(p.dts * p.time_base) for p in container.demux(video=0) if p.dts is not None and p.size]
    return times[-1] - times[0] if times else None
