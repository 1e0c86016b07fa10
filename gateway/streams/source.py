"""Where a stream's frames come from, for whoever takes them without asking: a camera of this process, or of another."""

from __future__ import annotations

from typing import Protocol

from gateway.streams.bus import FrameBus


class FrameSource(Protocol):
    """``start`` before the first frame is wanted, ``stop`` when no more is; both answer within a bounded time."""

    @property
    def bus(self) -> FrameBus: ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class LocalSource:
    """A stream that this process pulls anyway: it is neither started nor stopped on anyone's behalf."""

    def __init__(self, bus: FrameBus) -> None:
        self.bus = bus

    async def start(self) -> None:
        """Nothing to do."""

    async def stop(self) -> None:
        """Nothing to do: others read the same bus."""
