"""From a camera's thread to the event loop: frames cross in batches, in order, and never pile up without bound."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable

from gateway.streams.frame import EncodedFrame

MOST_WAITING = 256
"""Ten seconds of frames: a loop that is later than this has lost the present anyway."""


class Handover:
    """``put`` and ``call`` belong to the camera's thread, everything they bring about to the loop's."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, publish: Callable[[EncodedFrame], None], most: int = MOST_WAITING
    ) -> None:
        self.loop = loop
        self._publish = publish
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
            first = not self._frames
            self._frames.append(frame)
        return self.call(self._drain) if first else True

    def call(self, what: Callable[[], None]) -> bool:
        """Call on the loop, after the frames that were put before. False: the loop is closed."""
        try:
            self.loop.call_soon_threadsafe(what)
        except RuntimeError:
            return False
        return True

    def _drain(self) -> None:
        with self._lock:
            frames, self._frames = self._frames, deque()
        for frame in frames:
            self._publish(frame)
