"""The stage: the one picture that all have in common. It switches between members at keyframes, on a bus of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from gateway.streams.bus import FrameBus
from gateway.streams.frame import EncodedFrame

CACHED_STEP = 10
"""Ticks between the pictures with which a camera's begins, so that the player runs through them at once."""


class OnStage(Protocol):
    """A member as the stage sees it."""

    @property
    def bus(self) -> FrameBus: ...

    def ask_keyframe(self) -> None: ...


class Stage:
    """Whoever watches it goes on watching while members change; each change is an ``epoch`` of its own."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.bus = FrameBus()
        self._clock = clock
        self._remove: Callable[[], None] | None = None
        self._member: OnStage | None = None
        self._epoch = 0
        self._source_epoch = -1
        self._waits = True

    @property
    def member(self) -> OnStage | None:
        return self._member

    def show(self, member: OnStage | None) -> None:
        """Show this member's picture from its next keyframe, or from what is cached of it, on."""
        if member is self._member:
            return
        if self._remove is not None:
            self._remove()
            self._remove = None
        self._member = member
        self._epoch += 1
        self._waits = True
        self.bus.interrupted()
        if member is None:
            return
        cached = member.bus.gop()
        for at, frame in enumerate(cached):
            behind = (len(cached) - 1 - at) * CACHED_STEP * frame.clock_rate // 90_000
            self._take(replace(frame, pts=cached[-1].pts - behind, arrival=self._clock()))
        self._remove = member.bus.tap(self._take)
        member.ask_keyframe()

    def ask_keyframe(self) -> None:
        if self._member is not None:
            self._member.ask_keyframe()

    def close(self) -> None:
        self.show(None)
        self.bus.close()

    def _take(self, frame: EncodedFrame) -> None:
        if frame.kind != "video":
            return
        if frame.epoch != self._source_epoch:
            self._source_epoch = frame.epoch
            self._waits = True
            self._epoch += 1
        if self._waits and not frame.keyframe:
            return
        self._waits = False
        self.bus.publish(replace(frame, epoch=self._epoch))
