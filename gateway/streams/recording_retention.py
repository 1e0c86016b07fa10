"""Which recordings go: those past their time, then the oldest while they take too much room. Held ones never. Pure.

Evidence is not among them: it lies elsewhere and is never deleted to make room.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass

from gateway.streams.recordings import RecordingFile


@dataclass(frozen=True, slots=True)
class Room:
    """``bound``: bytes that recordings may take together. ``least_free``: bytes that must stay free on their disk, for
    evidence and the database; ``free``: those that are."""

    bound: int
    least_free: int
    free: int


def to_delete(
    files: Sequence[tuple[str, RecordingFile]],
    *,
    now: float,
    keep_seconds: Callable[[str], float],
    held: Set[str],
    room: Room,
) -> list[RecordingFile]:
    """``files``: each with its camera's code. ``keep_seconds`` tells how long a camera's recordings are kept.

    What is dated further ahead than it would be kept was recorded before the clock was set back, be it to the right
    time or to a wrong one: it goes before all that came since, or for years nothing new would have room.
    """
    loose = [(code, file) for code, file in files if file.id not in held]
    gone = [file for code, file in loose if file.ends_at < now - keep_seconds(code)]
    expired = {file.id for file in gone}
    freed = sum(file.size for file in gone)
    total = sum(file.size for _, file in files) - freed
    free = room.free + freed
    ahead = {file.id for code, file in loose if file.ends_at > now + keep_seconds(code)}
    left = (file for _, file in loose if file.id not in expired)
    for file in sorted(left, key=lambda one: (one.id not in ahead, one.starts_at)):
        if total <= room.bound and free >= room.least_free:
            break
        gone.append(file)
        total -= file.size
        free += file.size
    return gone
