"""From a camera's thread to the event loop: frames cross in batches, in order, and never pile up without bound.

Waking the loop costs more than what it is woken for: a third of the cost of a camera that nobody views. So frames that
only the ring will keep wait for a moment and cross together; a keyframe, and every frame while somebody views, crosses
at once.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable

from gateway.streams.frame import EncodedFrame

MOST_WAITING = 256
"""Ten seconds of frames: a loop that is later than this has lost the present anyway."""


PATIENCE = 0.2
"""Seconds for which frames may wait that nobody waits for."""


class Handover:
    """``put`` and ``call`` belong to the camera's thread, everything they bring about to the loop's.

    ``hurried`` tells whether somebody waits for every frame; ``clock``: seconds that never go back.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        publish: Callable[[EncodedFrame], None],
        most: int = MOST_WAITING,
        *,
        hurried: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.loop = loop
        self._publish = publish
        self._hurried = hurried
        self._clock = clock
        self._crossing = False
        self._first_at = 0.0
        self._most = most
        self._frames: deque[EncodedFrame] = deque()
        self._lock = threading.Lock()
        self._waiting = False
        self.drops = 0

    def put(self, frame: EncodedFrame) -> bool:
        """Publish a frame soon. False: the loop is closed, there is nobody left to pull for."""
        with self._lock:
            if self._waiting:
                if not frame.keyframe:
                    self.drops += 1
                    return True
                self._waiting = False
            if len(self._frames) >= self._most:
                # The loop stands still. What waits is the past; go on at a keyframe.
                self.drops += len(self._frames)
                self._frames.clear()
                if not frame.keyframe:
                    self.drops += 1
                    self._waiting = True
                    return True
            if not self._frames:
                self._first_at = self._clock()
            self._frames.append(frame)
            if self._crossing or not self._is_time(frame):
                return True
            self._crossing = True
        return self._soon(self._drain)

    def call(self, what: Callable[[], None]) -> bool:
        """Call on the loop, after the frames that were put before. False: the loop is closed."""

        def drained() -> None:
            self._drain()
            what()

        return self._soon(drained)

    def _is_time(self, frame: EncodedFrame) -> bool:
        return frame.keyframe or self._hurried() or self._clock() - self._first_at >= PATIENCE

    def _soon(self, what: Callable[[], None]) -> bool:
        try:
            self.loop.call_soon_threadsafe(what)
        except RuntimeError:
            return False
        return True

    def _drain(self) -> None:
        with self._lock:
            frames, self._frames = self._frames, deque()
            self._crossing = False
        for frame in frames:
            self._publish(frame)
