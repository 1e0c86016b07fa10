"""What an action makes of an event: the rules behind the table of states. Pure: a case and an act in, a case out.

An ``EventCase`` is the part of an event's record that these rules own, field by field under the same names as in the
table. ``decide`` answers the case after an act or refuses it; ``lapse`` lets its clock run to a moment. Neither reads
anything but its arguments, so any story can be replayed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType

from gateway.events.check_slots import in_slot, next_slot
from gateway.events.clocks import ClockKind, Limit, advance, elapsed
from gateway.events.event_states import ENDS, step
from gateway.events.local_time import LOCAL_TIME
from gateway.events.timers import NO_TIMER, Mark, Stage, Timer, TimerRules, begin, overdue_again, tick, until
from gateway.refusals import Refusal

APPROVALS: Mapping[str, str] = MappingProxyType(
    {"suspend": "ask_suspension", "extend": "ask_extension", "approve_appeal": "appeal"}
)
"""Which step approves what which other one asks for."""
LONGEST_EXTENSION = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class EventCase:
    """``due_at`` ends the clock of the present state; ``handle_due_at`` is the deadline of the class, and the fact of
    ``handled_late`` stays whatever comes after. ``clock_left``: seconds left of a clock that stands (挂账).
    ``appeal``: ``""``, ``asked``, ``approved`` (exempt from the score) or ``refused``."""

    state: str
    seen_at: datetime
    limit_clock: ClockKind = "urgent_hour"
    limit_amount: float = 2
    same_slot: bool = False
    department: str | None = None
    assignee: str | None = None
    clock: ClockKind = "urgent_hour"
    due_from: datetime | None = None
    due_at: datetime | None = None
    stage: Stage = ""
    timer_at: datetime | None = None
    clock_left: float | None = None
    overdue_at: datetime | None = None
    handle_due_at: datetime | None = None
    handling_since: datetime | None = None
    handled_at: datetime | None = None
    handled_late: bool = False
    fed_back_by: str | None = None
    suspension_asked: bool = False
    extension_until: datetime | None = None
    extensions: int = 0
    reworks: int = 0
    urges: int = 0
    urgent: bool = False
    supervised: bool = False
    appeal: str = ""
    duplicate_of: str | None = None
    closed_at: datetime | None = None

    @property
    def timer(self) -> Timer:
        return Timer(self.clock, self.due_from, self.due_at, self.stage, self.timer_at)

    def with_timer(self, timer: Timer) -> EventCase:
        return replace(
            self,
            clock=timer.clock,
            due_from=timer.due_from,
            due_at=timer.due_at,
            stage=timer.stage,
            timer_at=timer.timer_at,
        )


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody asks for. ``photos``: after-photos of the handling that the event holds; ``for_department``:
    whether the operator acts for the event's department; ``asked_by``: who asked for what is decided on here."""

    action: str
    operator: str
    roles: frozenset[str]
    at: datetime
    opinion: str = ""
    department: str | None = None
    assignee: str | None = None
    until: datetime | None = None
    duplicate_of: str | None = None
    photos: int = 0
    for_department: bool = True
    asked_by: str | None = None


def reported(case: EventCase, at: datetime, rules: TimerRules) -> EventCase:
    """A case that has just been reported: its first clock runs."""
    return _clocked(replace(case, state="reported"), at, rules)


def lapse(case: EventCase, now: datetime, rules: TimerRules) -> tuple[EventCase, tuple[Mark, ...]]:
    """The case as its clock has made it by ``now``. That a deadline passed is kept as a fact."""
    timer, marks = tick(case.timer, now, rules)
    case = case.with_timer(timer)
    if "urge" in marks:
        case = replace(case, urges=case.urges + 1, overdue_at=case.overdue_at or timer.due_at)
    if "supervise" in marks:
        case = replace(case, supervised=True)
    return case, marks


def decide(case: EventCase, act: Act, rules: TimerRules) -> EventCase:
    """The case after ``act``; refuses what state, role, reason, deadline or evidence do not allow."""
    way = step(case.state, act.action, act.roles, act.opinion, rules.also_may.get(act.action, frozenset()))
    if way.of_department and not act.for_department:
        raise Refusal(
            "forbidden",
            "not_your_department",
            "该事件派遣给了其他单位。",
            "The event was dispatched to another department.",
            field="action",
        )
    if act.asked_by == act.operator and act.action in APPROVALS:
        raise Refusal(
            "forbidden",
            "approver_is_asker",
            "申请人不能批准自己的申请。",
            "Nobody approves what they asked for themselves.",
            field="action",
        )
    after = replace(case, state=way.to_state or case.state)
    effect = _EFFECTS.get(act.action)
    if effect is not None:
        return effect(after, act, rules)
    if way.to_state is None:
        return after
    return _clocked(after, act.at, rules)


def _clocked(case: EventCase, now: datetime, rules: TimerRules) -> EventCase:
    """The clock that the case's state brings: none at an end, that of the state, or the one already running."""
    if case.state in ENDS:
        return replace(case, closed_at=now, clock_left=None, suspension_asked=False, extension_until=None).with_timer(
            NO_TIMER
        )
    if case.state == "escalated":
        return case.with_timer(NO_TIMER)
    limit = rules.state_limits.get(case.state)
    return case if limit is None else case.with_timer(begin("urgent_hour", limit, now, rules))


def _class_clock(case: EventCase, now: datetime, rules: TimerRules) -> EventCase:
    running = Limit(case.limit_clock, case.limit_amount).running * rules.limit_share
    timer = begin(case.limit_clock, running, now, rules)
    return replace(case.with_timer(timer), handle_due_at=timer.due_at)


def _merge_duplicate(case: EventCase, act: Act, rules: TimerRules) -> EventCase:
    if act.duplicate_of is None:
        raise _missing("duplicate_of", "请指明并入的事件。", "Say which event it duplicates.")
    return _clocked(replace(case, duplicate_of=act.duplicate_of), act.at, rules)


def _verify(case: EventCase, act: Act, rules: TimerRules) -> EventCase:
    return _clocked(replace(case, assignee=act.assignee), act.at, rules)


def _dispatch(case: EventCase, act: Act, rules: TimerRules) -> EventCase:
    if act.department is None:
        raise _missing("department", "请指明责任单位。", "Say which department is responsible.")
    return _clocked(replace(case, department=act.department, assignee=act.assignee), act.at, rules)


def _sign(case: EventCase, act: Act, rules: TimerRules) -> EventCase:
    return _class_clock(case, act.at, rules)


def _handle(case: EventCase, act: Act, rules: TimerRules) -> EventCase:
    return replace(case, handling_since=act.at)


def _feedback(case: EventCase, act: Act, rules: TimerRules) -> EventCase:
    if act.photos < 1:
        raise Refusal(
            "invalid",
            "photo_missing",
            "反馈须先上传处置后照片。",
            "A feedback needs a photograph taken after the handling; upload one first.",
            field="evidence",
        )
    late = case.handle_due_at is not None and act.at > case.handle_due_at
    case = replace(
        case,
        handled_at=act.at,
        handled_late=case.handled_late or late,
        fed_back_by=act.operator,
        suspension_asked=False,
        extension_until=None,
    )
    limit = rules.state_limits["feedback"]
    if case.same_slot and not in_slot(case.seen_at, act.at + limit):
        return case.with_timer(begin("urgent_hour", next_slot(case.seen_at, act.at) + limit - act.at, act.at, rules))
    return _clocked(case, act.at, rules)


def _check(case: EventCase, act: Act, rules: TimerRules) -> EventCase:
    if act.operator == case.fed_back_by:
        raise Refusal(
            "forbidden",
            "checker_is_handler",
            "不能核查自己处置的事件。",
            "Nobody checks what they handled themselves.",
            field="action",
        )
    if case.same_slot and act.action == "check" and not in_slot(case.seen_at, act.at):
        begins = next_slot(case.seen_at, act.at).astimezone(LOCAL_TIME)
        raise Refusal(
            "conflict",
            "check_outside_slot",
            f"须同时段核查，请于 {begins:%m-%d %H:%M} 之后核查。",
            f"It is checked at the time of day at which it was seen: after {begins:%Y-%m-%d %H:%M} (+08:00).",
            field="action",
        )
    if act.action != "rework":
        return _clocked(case, act.at, rules)
    return _class_clock(replace(case, reworks=case.reworks + 1), act.at, rules)


def _ask_suspension(case: EventCase, act: Act, rules: TimerRules) -> EventCase:
    if case.suspension_asked:
        raise _pending()
    return replace(case, suspension_asked=True)


def _suspend(case: EventCase, act: Act, rules: TimerRules) -> EventCase:
    left = elapsed(case.clock, act.at, case.due_at, rules.days) if case.due_at is not None else timedelta(0)
    stopped = replace(case.timer, due_at=None, timer_at=None)
    return replace(
        case.with_timer(stopped), clock_left=left.total_seconds(), suspension_asked=False, extension_until=None
    )


def _refuse_suspension(case: EventCase, act: Act, rules: TimerRules) -> EventCase:
    if not case.suspension_asked:
        raise _nothing_asked()
    return replace(case, suspension_asked=False)


def _resume(case: EventCase, act: Act, rules: TimerRules) -> EventCase:
    left = timedelta(seconds=case.clock_left or 0)
    if left > timedelta(0):
        end = advance(case.clock, act.at, left, rules.days)
        timer = until(case.timer, end, act.at, rules)
    else:
        end = case.handle_due_at or act.at
        timer = overdue_again(case.timer, end, act.at, rules)
    return replace(case.with_timer(timer), handle_due_at=end, clock_left=None)


def _ask_extension(case: EventCase, act: Act, rules: TimerRules) -> EventCase:
    due_at = _before_deadline(case, act)
    if case.extension_until is not None:
        raise _pending()
    if act.until is None:
        raise _missing("until", "请填写延期至何时。", "Say until when.")
    if not due_at < act.until <= due_at + LONGEST_EXTENSION:
        raise Refusal(
            "invalid",
            "extension_unfit",
            f"延期须晚于现有时限，且不超过 {LONGEST_EXTENSION.days} 天。",
            f"An extension ends after the present deadline, by at most {LONGEST_EXTENSION.days} days.",
            field="until",
        )
    return replace(case, extension_until=act.until)


def _extend(case: EventCase, act: Act, rules: TimerRules) -> EventCase:
    if case.extension_until is None:
        raise _nothing_asked()
    _before_deadline(case, act)
    end = case.extension_until
    longer = case.with_timer(until(case.timer, end, act.at, rules))
    return replace(longer, handle_due_at=end, extension_until=None, extensions=case.extensions + 1)


def _refuse_extension(case: EventCase, act: Act, rules: TimerRules) -> EventCase:
    if case.extension_until is None:
        raise _nothing_asked()
    return replace(case, extension_until=None)


def _urge(case: EventCase, act: Act, rules: TimerRules) -> EventCase:
    return replace(case, urges=case.urges + 1)


def _supervise(case: EventCase, act: Act, rules: TimerRules) -> EventCase:
    return replace(case, supervised=True)


def _mark_urgent(case: EventCase, act: Act, rules: TimerRules) -> EventCase:
    return replace(case, urgent=True)


def _appeal(case: EventCase, act: Act, rules: TimerRules) -> EventCase:
    if case.appeal:
        raise _pending()
    if case.overdue_at is None and not case.handled_late and not case.reworks:
        raise Refusal(
            "conflict",
            "nothing_to_appeal",
            "没有超时或返工记录，无须申诉。",
            "It was neither overdue nor reworked; there is nothing to appeal against.",
            field="action",
        )
    return replace(case, appeal="asked")


def _judge_appeal(case: EventCase, act: Act, rules: TimerRules) -> EventCase:
    if case.appeal != "asked":
        raise _nothing_asked()
    return replace(case, appeal="approved" if act.action == "approve_appeal" else "refused")


_Effect = Callable[[EventCase, Act, TimerRules], EventCase]
_EFFECTS: Mapping[str, _Effect] = MappingProxyType(
    {
        "merge_duplicate": _merge_duplicate,
        "verify": _verify,
        "dispatch": _dispatch,
        "sign": _sign,
        "handle": _handle,
        "feedback": _feedback,
        "check": _check,
        "close": _check,
        "rework": _check,
        "ask_suspension": _ask_suspension,
        "suspend": _suspend,
        "refuse_suspension": _refuse_suspension,
        "resume": _resume,
        "ask_extension": _ask_extension,
        "extend": _extend,
        "refuse_extension": _refuse_extension,
        "urge": _urge,
        "supervise": _supervise,
        "mark_urgent": _mark_urgent,
        "appeal": _appeal,
        "approve_appeal": _judge_appeal,
        "refuse_appeal": _judge_appeal,
    }
)


def _before_deadline(case: EventCase, act: Act) -> datetime:
    if case.due_at is None or act.at >= case.due_at:
        raise Refusal(
            "conflict",
            "deadline_passed",
            "时限已过，不能再延期。",
            "The deadline has passed; it cannot be extended any more.",
            field="action",
        )
    return case.due_at


def _missing(field: str, zh: str, en: str) -> Refusal:
    return Refusal("invalid", "field_missing", zh, en, field=field)


def _pending() -> Refusal:
    return Refusal(
        "conflict",
        "already_asked",
        "已提出过，请等待审批。",
        "It has been asked for already.",
        field="action",
    )


def _nothing_asked() -> Refusal:
    return Refusal(
        "conflict", "nothing_asked", "没有待审批的申请。", "There is no request to decide on.", field="action"
    )
