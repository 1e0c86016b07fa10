"""Whether a film's picture stands frozen, judged as a camera's worker judges it while it lives.

A worker decodes a group of pictures anew to see whether anything stirs within it. Of a film all are decoded as it is:
the first and the last one of each group are kept.
"""

from __future__ import annotations

from av import VideoFrame

from camera_registry.health import PacketArrived, PictureJudged, initial, step
from camera_registry.picture_quality import PictureJudge, Sight
from gateway.streams.decoding import in_bgr
from gateway.streams.upright import upright
from gateway.workers.camera.glimpse import Glimpse


class Stillness:
    """Of one film: ``came`` is told of each picture, ``judge`` of those that are looked at. No scene is known of a
    film: that its camera was turned is not seen."""

    def __init__(self) -> None:
        self._judge = PictureJudge()
        self._health = step(initial(0.0), PacketArrived(), 0.0)
        self._first: VideoFrame | None = None
        self._last: VideoFrame | None = None
        self._group: tuple[VideoFrame, VideoFrame] | None = None

    @property
    def frozen(self) -> bool:
        """Whether the pictures judged so far make the camera count as frozen."""
        return self._health.state == "frozen"

    def came(self, frame: VideoFrame) -> None:
        """The next picture. Of a film of keyframes alone two that follow one another stand for a group."""
        if frame.key_frame:
            if self._first is not None and self._last is not None:
                self._group = self._first, frame if self._last is self._first else self._last
            self._first = frame
        self._last = frame

    def judge(self, glimpse: Glimpse) -> None:
        """Blocks for some milliseconds."""

        def within_group() -> tuple[Sight, Sight] | None:
            if self._group is None:
                return None
            height, width = glimpse.small.shape[:2]
            first, last = (Sight.of(in_bgr(upright(one), width, height), glimpse.profile) for one in self._group)
            return first, last

        sight = Sight.of(glimpse.small, glimpse.profile)
        fault = self._judge.judge(sight, glimpse.arrival, None, within_group)
        self._health = step(self._health, PictureJudged(fault), glimpse.arrival)
