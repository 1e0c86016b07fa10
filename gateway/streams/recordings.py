"""How recordings lie on the disk: a folder for each camera, each file named after what it holds.

``<from>-<to>-<id>.mp4`` with milliseconds since the epoch, ``.part.mp4`` where it was cut short; while it grows,
``<id>.growing.mp4``. Whoever lists the folders knows all there is; no second record can be at odds with them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

GROWING = ".growing.mp4"
_NAME = re.compile(r"(\d{1,15})-(\d{1,15})-([0-9a-f-]{36})(\.part)?\.mp4")


@dataclass(frozen=True, slots=True)
class RecordingFile:
    """A closed file. ``starts_at``, ``ends_at``: arrival of its first and last frame, seconds since the epoch."""

    id: str
    path: Path
    starts_at: float
    ends_at: float
    partial: bool
    size: int


def camera_recordings(data_folder: Path) -> Path:
    return data_folder / "recordings"


def recording_name(starts_at: float, ends_at: float, recording_id: str, *, partial: bool) -> str:
    return f"{round(starts_at * 1000)}-{round(ends_at * 1000)}-{recording_id}{'.part' if partial else ''}.mp4"


def begun_at(path: Path) -> float | None:
    """When the recording in a file began, by its name, in seconds since the epoch; None: it is no recording of ours."""
    match = _NAME.fullmatch(path.name)
    return None if match is None else int(match.group(1)) / 1000


def listed(folder: Path) -> Iterator[RecordingFile]:
    """The closed files of one camera's folder, oldest first; anything else in it is passed over. Blocks."""
    if not folder.is_dir():
        return
    found = []
    for path in folder.iterdir():
        match = _NAME.fullmatch(path.name)
        if match is None:
            continue
        start, end, recording_id, part = match.groups()
        try:
            size = path.stat().st_size
        except OSError:  # deleted meanwhile
            continue
        found.append(RecordingFile(recording_id, path, int(start) / 1000, int(end) / 1000, part is not None, size))
    yield from sorted(found, key=lambda one: (one.starts_at, one.id))
