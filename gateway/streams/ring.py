"""The last seconds of a stream, encoded, in bounded memory: a clip can begin before anybody knew of the hazard."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from itertools import islice

from gateway.streams.frame import EncodedFrame

SET_BACK = 5.0
"""Seconds by which a frame may seem to arrive before the one before it, for a source's own times; more is a clock that
was set back, by which what is held would be young for as long."""
MOST_BYTES = 64 * 1024 * 1024
"""Bytes that one camera may hold: 30 s at 16 Mbit/s."""


class ClipRing:
    """Whole groups of pictures of one epoch; the oldest is let go when what is left still reaches ``seconds`` back. A
    clock that is set back moves the times of what is held as far: it is as old as it was."""

    def __init__(self, seconds: float, max_bytes: int = MOST_BYTES) -> None:
        self._seconds = seconds
        self._max_bytes = max_bytes
        self._groups: deque[list[EncodedFrame]] = deque()
        self.size_bytes = 0

    def add(self, frame: EncodedFrame) -> None:
        """Keep a video frame; nothing is kept before the first keyframe, and nothing of an epoch that is over."""
        if frame.kind != "video":
            return
        if self._groups and self._groups[-1][0].epoch != frame.epoch:
            self.clear()
        if self._groups and (by := self._groups[-1][-1].arrival - frame.arrival) > SET_BACK:
            self._groups = deque([replace(one, arrival=one.arrival - by) for one in held] for held in self._groups)
        if frame.keyframe:
            self._groups.append([frame])
        elif self._groups:
            self._groups[-1].append(frame)
        else:
            return
        self.size_bytes += len(frame.data)
        while len(self._groups) > 1 and (
            self.size_bytes > self._max_bytes or frame.arrival - self._groups[1][0].arrival >= self._seconds
        ):
            self.size_bytes -= sum(len(old.data) for old in self._groups.popleft())
        if self.size_bytes > self._max_bytes:
            self.clear()

    @property
    def seconds_held(self) -> float:
        return self._groups[-1][-1].arrival - self._groups[0][0].arrival if self._groups else 0.0

    def since(self, at: float) -> list[EncodedFrame]:
        """From the last keyframe that arrived at or before ``at`` on, or from the oldest; of the newest epoch only."""
        first = max((n for n, group in enumerate(self._groups) if group[0].arrival <= at), default=0)
        return [frame for group in islice(self._groups, first, None) for frame in group]

    def clear(self) -> None:
        self._groups.clear()
        self.size_bytes = 0
