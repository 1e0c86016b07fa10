"""A member of a room: a person's browser or a camera; what it sends, and what it watches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from gateway.rooms.bandwidth import ReceiverLine
from gateway.rooms.conference_network import TerminalLine
from gateway.rooms.presence import MemberKind, MemberState, Presence
from gateway.rooms.publishing import Publication
from gateway.streams.bus import FrameBus
from gateway.streams.sound import Sound
from gateway.streams.source import FrameSource

if TYPE_CHECKING:
    from gateway.rooms.watching import Watching


class Smaller(Protocol):
    """The smaller stream of a camera, which is pulled while somebody uses it."""

    @property
    def bus(self) -> FrameBus: ...
    def acquire(self) -> None: ...
    def release(self) -> None: ...
    async def close(self) -> None: ...


class Member:
    """``bus`` carries its video; ``sound`` its Opus (None: a camera without sound); ``smaller`` a smaller picture of
    the same, where there is one. ``watchings`` by member watched."""

    def __init__(self, member_id: str, kind: MemberKind, bus: FrameBus, sound: Sound | None, now: float) -> None:
        self.id = member_id
        self.kind: MemberKind = kind
        self.bus = bus
        self.sound = sound
        self.smaller: Smaller | None = None
        self.presence = Presence(kind, now, publishing=kind == "camera")
        self.state: MemberState = "joined"
        self.publication: Publication | None = None
        self.publications = 0
        self.watchings: dict[str, Watching] = {}
        self.receiving = ReceiverLine()
        self.unsent: frozenset[str] = frozenset()
        """Whose pictures its line does not carry now."""
        self.sent_smaller: frozenset[str] = frozenset()
        """Of whom it is sent smaller ones, for want of a line."""

    @property
    def makes_keyframes(self) -> bool:
        return self.kind != "camera"

    @property
    def small(self) -> bool:
        return self.kind != "camera"

    def ask_keyframe(self) -> None:
        if self.publication is not None:
            self.publication.ask_keyframe()

    async def stop_publishing(self) -> None:
        publication, self.publication = self.publication, None
        self.presence.publishing = False
        self.presence.media_at = None
        if publication is not None:
            await publication.close()

    async def close(self) -> None:
        """End all it sends and watches."""
        watchings = list(self.watchings.values())
        self.watchings.clear()
        await asyncio.gather(self.stop_publishing(), *(watching.close() for watching in watchings))


class TerminalMember(Member):
    """A conference terminal: what it sends comes over its line; it takes one picture and one mix."""

    def __init__(self, member_id: str, line: TerminalLine, now: float) -> None:
        super().__init__(member_id, "terminal", line.bus, line.sound, now)
        self.line = line
        self.presence.publishing = line.sends

    def ask_keyframe(self) -> None:
        self.line.ask_keyframe()

    async def close(self) -> None:
        await super().close()
        await self.line.close()


class CameraMember(Member):
    """A camera, through a ``FrameSource`` that the room starts and stops."""

    def __init__(
        self, member_id: str, source: FrameSource, smaller: Smaller | None, now: float,
        monotonic: Callable[[], float],
    ) -> None:  # fmt: skip
        super().__init__(member_id, "camera", source.bus, None, now)
        self._source = source
        self.smaller = smaller
        self._monotonic = monotonic
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self._source.start()
        self._watch = asyncio.get_running_loop().create_task(self._notice())

    async def close(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
        await super().close()
        await self._source.stop()
        if self.smaller is not None:
            await self.smaller.close()

    async def _notice(self) -> None:
        """Notes when a picture came: a camera that sends none is shown as silent."""
        subscription = self.bus.subscribe(f"room-{self.id}", 8, start="gop_cache")
        try:
            async for frame in subscription:
                if frame.kind == "video":
                    self.presence.media_at = self._monotonic()
        finally:
            subscription.close()
