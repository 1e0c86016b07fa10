"""The line to one receiver: keeps the way open, sends what is due in order, rests after failures.

Order: of one subject (one event) a message goes out only after those before it have been delivered or are dead; so a
receiver never hears of an event's past after its present, while another event's trouble holds nothing up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError

from gateway.clock import Clock
from gateway.events.outward.post import Due, Post
from gateway.events.outward.ways import OpenWay, Outcome, Receiver, Way, WayLost
from gateway.refusals import Refusal

log = structlog.get_logger(__name__)

LONGEST_REST = timedelta(seconds=60)
AWAY = 3
"""After so many failures in a row a receiver counts as away: when it is back, all that waits is due at once."""


@dataclass(slots=True)
class Line:
    """``run`` until it is cancelled. ``tell`` it each round whether something is due."""

    receiver: Receiver
    open_way: OpenWay
    post: Post
    clock: Clock
    task: asyncio.Task[None] | None = None
    failures: int = 0
    _due: bool = False
    _careful: bool = False
    _rest_until: datetime | None = None
    _told: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, due: bool) -> None:
        self._due = due
        self._told.set()

    async def run(self) -> None:
        while True:
            try:
                while self._resting():
                    await self._next_round()
                async with self.open_way(self.receiver) as way:
                    while True:
                        way.check()
                        if self._due and not self._resting():
                            await self._serve(way)
                        await self._next_round()
            except WayLost as lost:
                log.warning("receiver_lost", receiver=self.receiver.id, reason=lost.reason)
                self._rest()
                await self._note_lost(lost.reason)
            except (Refusal, SQLAlchemyError) as error:
                log.warning("receiver_not_served", receiver=self.receiver.id, error=str(error))
                await self._next_round()
            except Exception:  # whatever it is, one receiver's trouble ends nothing but this try
                log.exception("receiver_failed", receiver=self.receiver.id)
                self._rest()

    async def _serve(self, way: Way) -> None:
        """Send what is due, until there is nothing or a try fails."""
        while due := await self.post.due(self.receiver.id):
            for some in _together(due, 1 if self._careful else way.at_once):
                letters = await self.post.letters(self.receiver, some)
                if not letters:
                    continue
                results = await asyncio.gather(*(way.send(one.letter) for one in letters), return_exceptions=True)
                outcomes: list[Outcome] = []
                lost: WayLost | None = None
                for result in results:
                    if isinstance(result, WayLost):
                        lost = result
                        result = Outcome(None, result.reason)
                    if isinstance(result, Exception):  # it is this letter's fault, and keeps no other from being sent
                        log.error("letter_not_sent", receiver=self.receiver.id, exc_info=result)
                        result = Outcome(None, type(result).__name__)
                    if isinstance(result, BaseException):
                        raise result
                    outcomes.append(result)
                failed = any(one.error is not None for one in outcomes)
                back = self.failures >= AWAY and any(one.error is None for one in outcomes)
                if failed and lost is None:
                    self._rest()  # from when it failed: noting it may take a while
                await self.post.note(
                    self.receiver, list(zip((one.due for one in letters), outcomes, strict=True)), back
                )
                # A message that breaks the way must not take those beside it along again and again.
                self._careful = lost is not None
                if lost is not None:
                    raise lost
                if failed:
                    return
                self.failures, self._rest_until = 0, None

    def _resting(self) -> bool:
        return self._rest_until is not None and self._rest_until > self.clock()

    def _rest(self) -> None:
        self.failures += 1
        longest = min(timedelta(seconds=2.0 ** min(self.failures, 10)), LONGEST_REST)
        self._rest_until = self.clock() + longest * (1 - self.post.chance() / 2)

    async def _note_lost(self, reason: str) -> None:
        try:
            await self.post.note_lost(self.receiver.id, reason)
        except (Refusal, SQLAlchemyError) as error:
            log.warning("receiver_not_noted", receiver=self.receiver.id, error=str(error))

    async def _next_round(self) -> None:
        await self._told.wait()
        self._told.clear()


def _together(due: Sequence[Due], most: int) -> list[list[Due]]:
    """In order, in groups that may be under way at once: none holds two of one subject."""
    groups: list[list[Due]] = []
    for one in due:
        last = groups[-1] if groups else None
        if last is None or len(last) >= most or any(other.subject == one.subject for other in last):
            groups.append([one])
        else:
            last.append(one)
    return groups
