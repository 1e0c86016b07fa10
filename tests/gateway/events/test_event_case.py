"""What an act makes of an event, as pure rules: deadlines, requests, photographs, and walks at random through them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.access.roles import BUSINESS
from gateway.events.event_case import Act, EventCase, decide, lapse, reported
from gateway.events.event_states import ENDS, STATE_NAMES, TRANSITIONS
from gateway.events.timers import TimerRules
from gateway.events.working_days import WorkingDays, shipped_holidays
from gateway.refusals import Refusal
from gateway.settings import LimitSettings

START = datetime(2026, 2, 13, 1, 0, tzinfo=UTC)  # 09:00 in Shanghai, the last but one working day before the festival
RULES = TimerRules.of(LimitSettings(), WorkingDays.of(shipped_holidays()))
ROLE_OF = {"department": "department", "leader": "duty_leader", "officer": "duty_officer", "checker": "checker"}


def new_case(**facts: object) -> EventCase:
    return reported(EventCase(state="reported", seen_at=START, **facts), START, RULES)  # type: ignore[arg-type]


def after(case: EventCase, *steps: tuple[str, str], at: datetime = START, **asked: object) -> EventCase:
    """``case`` after steps of ``(role, action)``, all at one time, each with an opinion and a photograph."""
    for role, action in steps:
        act = Act(action, role, frozenset({role}), at, "理由", department="city", photos=1, duplicate_of="E-2")
        case = decide(case, replace(act, **asked), RULES)  # type: ignore[arg-type]
    return case


DISPATCHED = (("duty_officer", "accept"), ("dispatcher", "dispatch"))
HANDLING = (*DISPATCHED, ("department", "sign"), ("department", "handle"))


def test_signing_begins_the_clock_of_the_class_and_handling_keeps_it() -> None:
    case = after(new_case(limit_clock="work_hour", limit_amount=8), *HANDLING, at=START)
    # Eight working hours from 09:00 on a Friday: seven of them that day, one on the Saturday that is worked.
    assert case.handle_due_at == case.due_at == datetime(2026, 2, 14, 1, 0, tzinfo=UTC)


def test_a_suspended_clock_stands_and_goes_on_with_what_was_left() -> None:
    case = after(new_case(), *HANDLING)
    suspended = after(case, ("duty_leader", "suspend"), at=START + timedelta(minutes=30))
    assert (suspended.due_at, suspended.timer_at, suspended.clock_left) == (None, None, 5400)
    assert lapse(suspended, START + timedelta(days=30), RULES) == (suspended, ())
    resumed = after(suspended, ("duty_leader", "resume"), at=START + timedelta(days=30))
    assert resumed.due_at == resumed.handle_due_at == START + timedelta(days=30, minutes=90)


def test_an_overdue_event_that_is_suspended_is_overdue_when_it_goes_on() -> None:
    late = START + timedelta(hours=3)
    case, marks = lapse(after(new_case(), *HANDLING), late, RULES)
    assert (marks, case.overdue_at) == (("warn", "urge", "supervise"), START + timedelta(hours=2))
    resumed = after(case, ("duty_leader", "suspend"), ("duty_leader", "resume"), at=late)
    assert (resumed.due_at, resumed.stage) == (START + timedelta(hours=2), "overdue")


@pytest.mark.parametrize(
    ("ask", "approve"), [("ask_suspension", "suspend"), ("ask_extension", "extend"), ("appeal", "approve_appeal")]
)
def test_nobody_approves_what_they_asked_for_themselves(ask: str, approve: str) -> None:
    case = after(replace(new_case(), handled_late=ask == "appeal"), *HANDLING)
    until = START + timedelta(hours=3)
    case = after(case, ("department", ask), until=until)
    both = Act(approve, "both", frozenset({"department", "duty_leader"}), START, "同意", asked_by="both")
    with pytest.raises(Refusal, match="approver_is_asker"):
        decide(case, both, RULES)
    assert decide(case, replace(both, operator="leader"), RULES) != case


def test_the_clock_warns_urges_and_supervises_once_each() -> None:
    case = new_case()
    told = []
    for minutes in range(60):
        case, marks = lapse(case, START + timedelta(minutes=minutes), RULES)
        told += [(minutes, mark) for mark in marks]
    assert told == [(12, "warn"), (15, "urge"), (23, "supervise")]
    assert (case.urges, case.supervised, case.overdue_at) == (1, True, START + timedelta(minutes=15))


def test_an_extension_is_asked_for_and_approved_before_the_deadline() -> None:
    case = after(new_case(), *HANDLING)
    until = START + timedelta(hours=5)
    asked = after(case, ("department", "ask_extension"), until=until)
    assert (asked.extension_until, asked.due_at) == (until, case.due_at)
    longer = after(asked, ("duty_leader", "extend"), at=START + timedelta(minutes=119))
    assert (longer.due_at, longer.handle_due_at, longer.extensions, longer.stage) == (until, until, 1, "running")
    for refused, at, reason in (
        (lambda at: after(asked, ("duty_leader", "extend"), at=at), START + timedelta(hours=2), "deadline_passed"),
        (lambda at: after(case, ("department", "ask_extension"), at=at, until=until), until, "deadline_passed"),
        (lambda at: after(case, ("department", "ask_extension"), at=at, until=at), START, "extension_unfit"),
        (lambda at: after(case, ("department", "ask_extension"), at=at), START, "field_missing"),
        (lambda at: after(asked, ("department", "ask_extension"), at=at, until=until), START, "already_asked"),
        (lambda at: after(case, ("duty_leader", "extend"), at=at), START, "nothing_asked"),
    ):
        with pytest.raises(Refusal, match=reason):
            refused(at)


def test_a_feedback_needs_its_photograph_and_keeps_whether_it_was_late() -> None:
    case = after(new_case(), *HANDLING)
    with pytest.raises(Refusal, match="photo_missing") as refused:
        after(case, ("department", "feedback"), photos=0)
    assert refused.value.field == "evidence"
    late = after(case, ("department", "feedback"), at=START + timedelta(hours=2, seconds=1))
    assert late.handled_late
    again = after(late, ("checker", "check"), ("checker", "rework"), ("department", "handle"), at=START)
    assert (again.reworks, again.handled_late, again.due_at) == (1, True, START + timedelta(hours=2))


def test_nobody_checks_their_own_handling_and_no_stranger_signs() -> None:
    both = frozenset({"department", "checker"})
    fed_back = after(new_case(), *HANDLING, ("department", "feedback"))
    with pytest.raises(Refusal, match="checker_is_handler"):
        decide(fed_back, Act("check", "department", both, START), RULES)
    with pytest.raises(Refusal, match="not_your_department"):
        after(after(new_case(), *DISPATCHED), ("department", "sign"), for_department=False)


def test_a_stall_is_checked_at_the_time_of_day_at_which_it_was_seen() -> None:
    evening = datetime(2026, 2, 13, 12, 0, tzinfo=UTC)  # seen at 20:00 in Shanghai, fed back near midnight
    case = replace(after(new_case(same_slot=True), *HANDLING), seen_at=evening)
    fed_back = after(case, ("department", "feedback"), at=evening + timedelta(hours=3, minutes=50))
    assert fed_back.due_at == evening + timedelta(hours=22, minutes=30)
    with pytest.raises(Refusal, match="check_outside_slot") as refused:
        after(fed_back, ("checker", "check"), at=evening + timedelta(hours=13))
    assert "02-14 18:00" in refused.value.zh
    checked = after(fed_back, ("checker", "check"), at=evening + timedelta(hours=22, minutes=5))
    assert checked.state == "checking"


def test_an_approved_appeal_exempts_and_the_overdue_fact_stays() -> None:
    case, _ = lapse(after(new_case(), *HANDLING), START + timedelta(hours=2), RULES)
    exempt = after(case, ("department", "appeal"), ("duty_leader", "approve_appeal"))
    assert (exempt.appeal, exempt.overdue_at) == ("approved", case.overdue_at)
    with pytest.raises(Refusal, match="nothing_to_appeal"):
        after(after(new_case(), *HANDLING), ("department", "appeal"))
    with pytest.raises(Refusal, match="already_asked"):
        after(exempt, ("department", "appeal"))


steps = st.tuples(
    st.sampled_from(sorted(TRANSITIONS)),
    st.sampled_from(sorted(BUSINESS)),
    st.sampled_from(["", "理由", "理由", "理由"]),
    st.integers(0, 60),
    st.sampled_from([0, 1, 1, 1]),
    st.integers(0, 7),
)


def test_no_walk_of_any_roles_leads_astray() -> None:
    reached: set[str] = set()

    @settings(max_examples=200, deadline=None, derandomize=True)
    @given(
        st.lists(steps, min_size=60, max_size=80),
        st.booleans(),
        st.sampled_from(["urgent_hour", "work_hour", "work_day"]),
    )
    def walked(walk: list[tuple[str, str, str, int, int, int]], same_slot: bool, clock: str) -> None:
        case, now = new_case(same_slot=same_slot, limit_clock=clock), START
        flow: list[tuple[str, str, str]] = []
        photographed = fed_back = checked = False
        for number, (action, role, opinion, minutes, photos, hours) in enumerate(walk):
            now += timedelta(minutes=minutes)
            # Most of the walk takes a step that the state has and ends it only at last, or little would be reached.
            ways = sorted(way.action for way in TRANSITIONS.values() if case.state in way.from_states)
            ending = number > len(walk) - 8
            onward = [name for name in ways if ending or TRANSITIONS[name].to_state not in ENDS or name == "close"]
            if minutes % 4 and onward:
                moving = [name for name in onward if TRANSITIONS[name].to_state]
                chosen = moving if moving and hours > 1 else onward
                action = chosen[(minutes + hours) % len(chosen)]
                role = sorted(TRANSITIONS[action].roles)[hours % len(TRANSITIONS[action].roles)]
            before, _ = lapse(case, now, RULES)
            assert (before.state, before.closed_at) == (case.state, case.closed_at)
            until = before.due_at + timedelta(hours=hours) if before.due_at else None
            act = Act(action, role, frozenset({role}), now, opinion, "city", None, until, "E-2", photos, hours > 0)
            try:
                case = decide(before, act, RULES)
            except Refusal:
                case = before
                continue
            flow.append((before.state, action, case.state))
            photographed |= action == "feedback" and photos > 0
            fed_back |= action == "feedback"
            checked |= action == "check"
            assert case.state in STATE_NAMES
            assert role in TRANSITIONS[action].roles
            assert opinion or not TRANSITIONS[action].needs_reason
            stands = case.state in ENDS or case.state in ("suspended", "escalated")
            assert (case.due_at is None) == stands
            assert (case.closed_at is not None) == (case.state in ENDS)
            assert before.state not in ENDS or case.state == before.state
            # Facts stay facts, counts only count.
            assert case.overdue_at == before.overdue_at
            assert case.handled_late >= before.handled_late
            assert all(getattr(case, count) >= getattr(before, count) for count in ("urges", "reworks", "extensions"))
            if case.state == "closed":
                assert before.state in ("checking", "closed")
                assert photographed
                assert fed_back
                assert checked
                assert case.fed_back_by != role or action in ("appeal", "approve_appeal", "refuse_appeal")
            if case.state not in ("reported", "verifying", "accepted", "escalated", *ENDS):
                assert case.department
        reached.update(step[2] for step in flow)
        assert all(step[2] == following[0] for step, following in pairwise(flow))

    walked()
    # Walks that never get anywhere prove nothing.
    assert reached >= set(STATE_NAMES) - {"not_accepted", "cancelled", "forced_closed"}
