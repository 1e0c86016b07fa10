"""Periodic works: one turn after another until the process ends, whatever became of the last one.

A turn that fails is told with the work's name, in the log and in the metrics, and the next one comes all the same. Of
the rows that a turn goes through, one that fails is put off by itself: it keeps no other waiting, in this turn or the
next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from gateway.processes.messages import Sample
from gateway.refusals import Refusal

log = structlog.get_logger(__name__)

FIRST_WAIT, LONGEST_WAIT = 1.0, 10.0
"""Seconds from a turn that failed to the next. An hourly work comes back sooner than in an hour."""
FIRST_PUT_OFF, LONGEST_PUT_OFF = timedelta(seconds=1), timedelta(minutes=1)
MOST_PUT_OFF = 1_000
"""Rows of one work; of more than that the one that was put off first is tried again at once."""


class PeriodicWork:
    """``run`` until it is cancelled: ``turn`` again and again, ``every`` so many seconds, sooner once it is ``woken``.

    After a refusal (a database that is away) the next turn comes after the usual wait; while turns go on failing for a
    reason that nobody foresaw, it comes later each time, up to ``LONGEST_WAIT``.
    """

    def __init__(
        self,
        name: str,
        turn: Callable[[], Awaitable[object]],
        every: float,
        *,
        woken: asyncio.Event | None = None,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.name = name
        self.rows = Rows(name)
        self.failing: str | None = None
        """Why the last turn failed; None where it did not."""
        self.faults = 0
        self._turn = turn
        self._every = every
        self._woken = woken
        self._pause = pause
        self._unforeseen = 0
        """In a row."""

    async def run(self) -> None:
        while True:
            if self._woken is not None:
                self._woken.clear()
            wait: float | None = None
            try:
                await self._turn()
                self._went_well()
            except Exception as error:  # noqa: BLE001 - told by what follows
                wait = self._failed(error)
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise asyncio.CancelledError  # a group of tasks that fails while it is told to end tells of its fault
            await (self._rest() if wait is None else self._pause(wait))

    def _failed(self, error: Exception) -> float:
        """Note it; the seconds to wait."""
        was, self.failing = self.failing, reason_of(error)
        self.faults += 1
        foreseen = isinstance(error, Refusal)
        self._unforeseen = 0 if foreseen else self._unforeseen + 1
        first = min(max(self._every, FIRST_WAIT), LONGEST_WAIT)
        wait = min(first * 2.0 ** min(max(self._unforeseen - 1, 0), 10), LONGEST_WAIT)
        _tell("work_failed", error, new=self.failing != was, work=self.name, again_in=wait)
        return wait

    def _went_well(self) -> None:
        if self.failing is not None:
            log.info("work_goes_on", work=self.name)
        self.failing, self._unforeseen = None, 0

    async def _rest(self) -> None:
        if self._woken is None:
            await self._pause(self._every)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(self._every):
                await self._woken.wait()


@dataclass(frozen=True, slots=True)
class _PutOff:
    until: datetime
    reason: str
    faults: int


class Rows:
    """The rows of a work that failed, each left alone for a while: longer each time, up to ``LONGEST_PUT_OFF``."""

    def __init__(self, work: str) -> None:
        self._work = work
        self._put_off: dict[str, _PutOff] = {}

    def __len__(self) -> int:
        """How many are put off: so many more are to be asked for, or they would take the places of all others."""
        return len(self._put_off)

    def ready(self, keys: Iterable[str], now: datetime) -> list[str]:
        """Those that are not put off, in their order."""
        for key, put_off in list(self._put_off.items()):
            seen_to = now > put_off.until + 2 * LONGEST_PUT_OFF  # nobody asks for it any more
            set_back = put_off.until > now + LONGEST_PUT_OFF  # the clock was: nothing is put off for so long
            if seen_to or set_back:
                del self._put_off[key]
        return [key for key in keys if key not in self._put_off or self._put_off[key].until <= now]

    @contextmanager
    def by_itself(self, key: str, now: datetime) -> Iterator[None]:
        """What is done inside for one row costs only that row where it fails, whatever the fault is."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - told by what follows
            self._note(key, now, error)
        else:
            self._put_off.pop(key, None)

    def _note(self, key: str, now: datetime, error: Exception) -> None:
        was = self._put_off.pop(key, None)
        # Where the database is away the row is not to blame: it is tried again as soon as any.
        away = isinstance(error, Refusal) and error.kind == "unavailable"
        faults = 0 if away else 1 if was is None else was.faults + 1
        wait = min(FIRST_PUT_OFF * 2 ** min(faults - 1, 10), LONGEST_PUT_OFF) if faults else timedelta()
        reason = reason_of(error)
        self._put_off[key] = _PutOff(now + wait, reason, faults)
        if len(self._put_off) > MOST_PUT_OFF:
            del self._put_off[next(iter(self._put_off))]
        new = was is None or was.reason != reason
        _tell("row_put_off", error, new=new, work=self._work, row=key, again_in=wait.total_seconds())


def reason_of(error: Exception) -> str:
    """As an operator is told it: a refusal's reason, or what kind of fault it was."""
    return error.reason if isinstance(error, Refusal) else type(error).__name__


def samples(works: Iterable[PeriodicWork]) -> Iterator[Sample]:
    """For ``/metrics``."""
    for work in works:
        labels = {"work": work.name}
        yield Sample("gateway_work_failing", labels, float(work.failing is not None))
        yield Sample("gateway_work_faults_total", labels, work.faults, "counter")
        yield Sample("gateway_work_rows_put_off", labels, len(work.rows))


def _tell(what: str, error: Exception, *, new: bool, **fields: object) -> None:
    """Where it came from is told once, not each time that it comes again."""
    if isinstance(error, Refusal):
        log.warning(what, reason=error.reason, error=error.en, **fields)
    else:
        log.error(what, reason=reason_of(error), error=str(error)[:200], exc_info=error if new else None, **fields)
