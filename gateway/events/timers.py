"""The clock of an event's present state: it warns before its end, then the event is urged, then supervised. Pure.

A timer is kept in the event's row; ``timer_at`` is when the next stage begins, so that one indexed query finds what is
due. A stage that passed while nobody looked is not skipped: ``tick`` makes up for each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from gateway.events.clocks import ClockKind, advance, elapsed
from gateway.events.mode import Conduct
from gateway.events.working_days import WorkingDays
from gateway.settings import LimitSettings

Stage = Literal["", "running", "warned", "overdue", "supervised"]
"""``""``: no clock runs (closed, suspended, escalated)."""
Mark = Literal["warn", "urge", "supervise"]


@dataclass(frozen=True, slots=True)
class TimerRules:
    """``warn_share``: the part of a limit after which it warns; ``supervise_share``: the part of it by which an
    overdue event may lie before it is supervised; ``limit_share``: the part of a class's limit that is given;
    ``also_may``: who may take a step beside those of the table of states."""

    days: WorkingDays = field(default_factory=WorkingDays)
    state_limits: Mapping[str, timedelta] = field(default_factory=dict)
    warn_share: float = 0.75
    supervise_share: float = 0.5
    limit_share: float = 1.0
    also_may: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: LimitSettings, days: WorkingDays | None = None) -> TimerRules:
        """How long an event may stay in each state, in urgent hours. ``signed`` begins the limit of its class."""
        minutes = {
            "reported": settings.accept,
            "verifying": settings.verify,
            "accepted": settings.dispatch,
            "dispatched": settings.sign,
            "returned": settings.dispatch,
            "feedback": settings.check,
            "checking": settings.check,
        }
        limits = {state: timedelta(minutes=number) for state, number in minutes.items()}
        return cls(days or WorkingDays(), limits, settings.warn_share, settings.supervise_share)

    def under(self, conduct: Conduct) -> TimerRules:
        """The rules as a mode changes them, for what begins from now on: clocks that run already keep their ends."""
        return replace(
            self,
            state_limits={state: limit * conduct.limit_share for state, limit in self.state_limits.items()},
            limit_share=self.limit_share * conduct.limit_share,
            supervise_share=self.supervise_share * conduct.supervise_share,
            also_may=conduct.also_may,
        )


@dataclass(frozen=True, slots=True)
class Timer:
    """A clock that was begun at ``due_from`` and ends at ``due_at``; all None while none runs."""

    clock: ClockKind = "urgent_hour"
    due_from: datetime | None = None
    due_at: datetime | None = None
    stage: Stage = ""
    timer_at: datetime | None = None


NO_TIMER = Timer()


def begin(clock: ClockKind, running: timedelta, now: datetime, rules: TimerRules) -> Timer:
    """A timer over ``running`` from ``now`` on."""
    warn_at = advance(clock, now, running * rules.warn_share, rules.days)
    return Timer(clock, now, advance(clock, now, running, rules.days), "running", warn_at)


def until(timer: Timer, due_at: datetime, now: datetime, rules: TimerRules) -> Timer:
    """The same clock with another end, as an extension sets it; it warns anew."""
    left = elapsed(timer.clock, now, due_at, rules.days)
    return replace(
        timer, due_at=due_at, stage="running", timer_at=advance(timer.clock, now, left * rules.warn_share, rules.days)
    )


def tick(timer: Timer, now: datetime, rules: TimerRules) -> tuple[Timer, tuple[Mark, ...]]:
    """The timer as of ``now``, and what has come due since it was last looked at, in order."""
    marks: list[Mark] = []
    while timer.timer_at is not None and timer.due_at is not None and timer.timer_at <= now:
        due_at = timer.due_at
        if timer.stage == "running":
            timer = replace(timer, stage="warned", timer_at=due_at)
            marks.append("warn")
        elif timer.stage == "warned":
            timer = replace(timer, stage="overdue", timer_at=_supervise_at(timer, due_at, rules))
            marks.append("urge")
        else:
            timer = replace(timer, stage="supervised", timer_at=None)
            marks.append("supervise")
    return timer, tuple(marks)


def overdue_again(timer: Timer, due_at: datetime, now: datetime, rules: TimerRules) -> Timer:
    """A timer that had already run out when it was stopped goes on being overdue."""
    back = replace(timer, due_at=due_at, stage="overdue")
    return replace(back, timer_at=_supervise_at(back, now, rules))


def _supervise_at(timer: Timer, start: datetime, rules: TimerRules) -> datetime:
    limit = elapsed(timer.clock, timer.due_from or start, timer.due_at or start, rules.days)
    return advance(timer.clock, start, limit * rules.supervise_share, rules.days)
