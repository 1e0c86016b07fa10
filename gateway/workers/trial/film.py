"""A film as a camera's pictures: decoded in the order of its own time, each picture made only when it is wanted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import av.error
from av import VideoFrame

from gateway.refusals import Refusal
from gateway.streams.decoding import MOST_PIXELS

PLAYLISTS = frozenset({"concat", "dash", "hls", "imf"})
"""Formats that name other files of this machine: whoever brings one would be told what is to be seen in those."""


def frames(path: Path, *, repeat_until: float = 0.0) -> Iterator[tuple[float, VideoFrame]]:
    """Each frame with the seconds since the film's beginning. A film shorter than ``repeat_until`` is shown again and
    again until then. Raises ``Refusal`` ``footage_unreadable``."""
    offset = 0.0
    while True:
        last, step = 0.0, 0.04
        for at, frame in _once(path):
            step = at - last if 0 < at - last < 1 else step
            last = at
            yield offset + at, frame
        offset += last + step
        if offset >= repeat_until or last == 0.0:
            return


def _once(path: Path) -> Iterator[tuple[float, VideoFrame]]:
    try:
        with av.open(str(path), "r", options={"protocol_whitelist": "file"}) as film:
            if film.format.name in PLAYLISTS:
                raise unreadable(path, "a list of other files")
            if not film.streams.video:
                raise unreadable(path, "no picture")
            video = film.streams.video[0]
            if video.width * video.height > MOST_PIXELS:
                raise unreadable(path, "pictures larger than 8192 by 8192")
            video.codec_context.options = {"max_pixels": str(MOST_PIXELS)}  # later pictures may be larger than it says
            video.thread_type = "SLICE"
            start: float | None = None
            for frame in film.decode(video):
                if frame.pts is None or frame.time is None:
                    continue
                start = frame.time if start is None else start
                yield max(0.0, frame.time - start), frame
    except (av.error.FFmpegError, OSError) as error:
        raise unreadable(path, str(error)) from error


def unreadable(path: Path, why: str) -> Refusal:
    return Refusal(
        "invalid",
        "footage_unreadable",
        f"录像 {path.name} 无法读取（{why}）",
        f"the footage {path.name} cannot be read ({why})",
        field="footage",
    )
