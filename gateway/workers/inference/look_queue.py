"""Which picture is looked at next: the newest first, one waiting for each camera, late ones dropped and counted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.processes.messages import LookAt
from gateway.refusals import Refusal


def _dropped(reason: str) -> Refusal:
    return Refusal(
        "unavailable", reason, "画面未及时分析，已丢弃", "the picture was not looked at in time and was dropped"
    )


@dataclass(slots=True, eq=False)
class WaitingLook:
    """A picture that waits, and where its answer goes."""

    look: LookAt
    answer: asyncio.Future[object] = field(repr=False)


class LookQueue:
    """Bounded by the number of cameras: a newer picture of the same camera replaces the older, which is refused."""

    def __init__(self, clock: Callable[[], float], *, size: int = 400) -> None:
        self._clock = clock
        self._size = size
        self._waiting: dict[str, WaitingLook] = {}
        self._filled = asyncio.Event()
        self.dropped_replaced = 0
        self.dropped_late = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, look: LookAt) -> asyncio.Future[object]:
        """Queue a picture. Its future gets the engine's answer, or a Refusal when the picture was dropped."""
        answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        before = self._waiting.pop(look.code, None)
        if before is None and len(self._waiting) >= self._size:
            before = self._waiting.pop(next(iter(self._waiting)))
        if before is not None:
            self.dropped_replaced += 1
            _refuse(before, "look_replaced")
        self._waiting[look.code] = WaitingLook(look, answer)
        self._filled.set()
        return answer

    async def next(self) -> WaitingLook:
        """The newest picture that is still in time; waits for one."""
        while True:
            while self._waiting:
                newest = max(self._waiting.values(), key=lambda waiting: waiting.look.taken_at)
                del self._waiting[newest.look.code]
                if newest.answer.done():
                    continue
                if newest.look.deadline < self._clock():
                    self.dropped_late += 1
                    _refuse(newest, "look_late")
                    continue
                return newest
            self._filled.clear()
            await self._filled.wait()


def _refuse(waiting: WaitingLook, reason: str) -> None:
    if not waiting.answer.done():
        waiting.answer.set_exception(_dropped(reason))
