"""Sound on its way to its listeners: encoded packets as they came, each listener with a short queue of its own.

Apart from the pictures on the bus: what is heard late is of no use, so nothing is kept for those who come later.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from gateway.streams.frame import EncodedFrame
from gateway.streams.rtp_sending import AtOnce, OutgoingFrame

QUEUE = 25
"""Half a second of 20 ms packets: a listener further behind loses the oldest, rather than hearing them late."""


class Listening:
    """One listener. ``next_frame`` is what ``aiortc_seams.send_encoded`` asks for, where the packets are Opus."""

    def __init__(self, sound: Sound, passes: Callable[[], bool]) -> None:
        self._sound = sound
        self._passes = passes
        self._queue: deque[EncodedFrame] = deque(maxlen=QUEUE)
        self._ready = asyncio.Event()
        self._sending: AtOnce | None = None
        self._closed = False
        self.drops = 0

    def can_send_at_once(self, sending: AtOnce) -> None:
        """From now on packets leave while they are published, unless others wait before them."""
        self._sending = sending

    def push(self, frame: EncodedFrame) -> None:
        if not self._passes():
            return
        sending = self._sending
        if sending is not None and not self._queue and sending.room_for(len(frame.data)):
            sending.frame_now((frame.data,), frame.pts)
            return
        if len(self._queue) == QUEUE:
            self.drops += 1
        self._queue.append(frame)
        self._ready.set()

    async def take(self) -> EncodedFrame | None:
        """The next packet; None once closed."""
        while not self._queue:
            if self._closed:
                return None
            self._ready.clear()
            await self._ready.wait()
        return self._queue.popleft()

    async def next_frame(self) -> OutgoingFrame | None:
        frame = await self.take()
        return None if frame is None else OutgoingFrame([frame.data], frame.pts)

    def close(self) -> None:
        self._closed = True
        self._queue.clear()
        self._ready.set()
        self._sound.leave(self)


def _always() -> bool:
    return True


class Sound:
    """The sound of one source. ``taps`` are called with every packet, at once: they must be quick and never raise."""

    def __init__(self) -> None:
        self._listeners: set[Listening] = set()
        self._taps: list[Callable[[EncodedFrame], None]] = []

    @property
    def listeners(self) -> int:
        return len(self._listeners)

    def publish(self, frame: EncodedFrame) -> None:
        for tap in self._taps:
            tap(frame)
        for listener in self._listeners:
            listener.push(frame)

    def tap(self, take: Callable[[EncodedFrame], None]) -> Callable[[], None]:
        """Answers how to remove it."""
        self._taps = [*self._taps, take]

        def remove() -> None:
            self._taps = [other for other in self._taps if other is not take]

        return remove

    def listen(self, passes: Callable[[], bool] = _always) -> Listening:
        """A new listener, which hears what ``passes`` when it comes."""
        listener = Listening(self, passes)
        self._listeners.add(listener)
        return listener

    def leave(self, listener: Listening) -> None:
        self._listeners.discard(listener)

    def close(self) -> None:
        """The source has ended for good."""
        for listener in list(self._listeners):
            listener.close()
