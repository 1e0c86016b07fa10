"""Which picture is looked at next when there are more than the engine carries: none starves, the urgent is first.

Each camera has at most one picture of a kind waiting, its newest: an older one is dropped, counted and said. Next comes
the camera whose neglect weighs most: the seconds since it was last looked at times its urgency. A camera half way to
an alert is so looked at several times as often as an idle one, and an idle one still in the end.

Both are an asker's own words: one gone wrong, with a new camera in each question, would come first for ever. So every
other turn is for the asker that has had least for each of its cameras, whatever is said of them: while others wait
nobody has more than half of the engine, but by the number of cameras that a worker carries (decision 0124).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.processes.messages import LookAt
from gateway.processes.shared_pictures import Picture
from gateway.refusals import Refusal
from gateway.workers.inference.shares import Shares

NEVER_LOOKED = 60.0
"""Seconds of neglect of a camera that was never looked at; longer neglect counts no more."""
LEAST_NEGLECT = 0.01
"""So that urgency decides between two that were looked at just now."""
MOST_CAMERAS = 50
"""Of one asker, where no setting says how many a worker carries."""

Key = tuple[int, str, str]


def _dropped(reason: str) -> Refusal:
    return Refusal(
        "unavailable", reason, "画面未及时分析，已丢弃", "the picture was not looked at in time and was dropped"
    )


@dataclass(slots=True, eq=False)
class WaitingLook:
    """A picture (BGR H×W×3) that waits, what is asked about it, by which process, and where the answer goes."""

    asker: int
    look: LookAt
    picture: Picture = field(repr=False)
    answer: asyncio.Future[object] = field(repr=False)

    @property
    def key(self) -> Key:
        return self.asker, self.look.code, self.look.part


class LookQueue:
    """Bounded: by the number of cameras and their parts, and by ``size``, beyond which the oldest picture goes of the
    asker that has most waiting. ``few``: so many may wait while it is calm. ``most_cameras``: of one asker.

    ``clock`` is monotonic: neglect goes by it, and a clock that is set back starves nobody. ``wall``, in seconds since
    the epoch, is that of deadlines."""

    def __init__(
        self,
        clock: Callable[[], float],
        wall: Callable[[], float],
        *,
        size: int = 400,
        few: int = 0,
        most_cameras: int = MOST_CAMERAS,
    ) -> None:
        self._clock = clock
        self._wall = wall
        self._shares = Shares(most_cameras)
        self._by_share = False
        self._size = size
        self._waiting: dict[Key, WaitingLook] = {}
        self._looked: dict[Key, float] = {}
        self._few = few
        self._filled, self._calm = asyncio.Event(), asyncio.Event()
        self._note_calm()
        self.dropped_replaced = 0
        self.dropped_late = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, look: LookAt, picture: Picture, asker: int) -> asyncio.Future[object]:
        """Queue a picture. Its future gets the engine's answer, or a Refusal when the picture was dropped. ``asker`` is
        the number of the process that asks."""
        self._shares.ask(asker, look.code, self._clock())
        waiting = WaitingLook(asker, look, picture, asyncio.get_running_loop().create_future())
        before = self._waiting.pop(waiting.key, None)
        if before is None and len(self._waiting) >= self._size:
            [(most, _)] = Counter(one.asker for one in self._waiting.values()).most_common(1)
            theirs = (one for one in self._waiting.values() if one.asker == most)
            oldest = min(theirs, key=lambda one: one.look.taken_at)
            before = self._waiting.pop(oldest.key)
        if before is not None:
            self.dropped_replaced += 1
            _refuse(before, "look_replaced")
        self._waiting[waiting.key] = waiting
        self._filled.set()
        self._note_calm()
        return waiting.answer

    async def calm(self) -> None:
        """Return once no more than ``few`` wait."""
        await self._calm.wait()

    async def next(self) -> WaitingLook:
        """The picture whose neglect weighs most and which is still in time: of all, and the next time of the asker that
        has had least. Waits for one."""
        while True:
            now = self._clock()
            self._drop_late(self._wall())
            if self._waiting:
                chosen = self._choose(now)
                del self._waiting[chosen.key]
                self._note_calm()
                if not chosen.answer.done():
                    self._note(chosen.key, now)
                    self._shares.looked(chosen.asker, now)
                    self._by_share = not self._by_share
                    return chosen
                continue
            self._note_calm()
            self._filled.clear()
            await self._filled.wait()

    def _note_calm(self) -> None:
        if len(self._waiting) <= self._few:
            self._calm.set()
        else:
            self._calm.clear()

    def _choose(self, now: float) -> WaitingLook:
        least = self._shares.least({one.asker for one in self._waiting.values()})
        theirs = (one for one in self._waiting.values() if not self._by_share or one.asker == least)
        return max(theirs, key=lambda one: self._rank(one, now))

    def _rank(self, one: WaitingLook, now: float) -> tuple[float, float]:
        looked = self._looked.get(one.key)
        neglect = NEVER_LOOKED if looked is None else min(NEVER_LOOKED, now - looked)
        return max(LEAST_NEGLECT, neglect) * one.look.urgency, one.look.taken_at

    def _drop_late(self, now: float) -> None:
        for key, one in tuple(self._waiting.items()):
            if one.look.deadline < now:
                del self._waiting[key]
                if not one.answer.done():
                    self.dropped_late += 1
                    _refuse(one, "look_late")

    def _note(self, key: Key, now: float) -> None:
        """Cameras come and go: what is older than counts is forgotten."""
        self._looked[key] = now
        if len(self._looked) > 2 * self._size:
            self._looked = {one: at for one, at in self._looked.items() if now - at < NEVER_LOOKED}


def _refuse(waiting: WaitingLook, reason: str) -> None:
    if not waiting.answer.done():
        waiting.answer.set_exception(_dropped(reason))
