"""A refused login is tried again soon, then seldom, and never so often that a camera locks its account."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from camera_registry.login_patience import KEPT, LIMITS, QUICK_SECONDS, SLOW_SECONDS, WrongLogins, may_try, next_try


def tries(hours: float, begun: float = 0.0) -> list[float]:
    """When a camera is asked whose password stays wrong."""
    wrong, found, now = WrongLogins(), [], begun
    while now < begun + hours * 3600:
        found.append(now)
        wrong.note(now)
        now += wrong.wait(now)
    return found


def most_within(times: list[float], seconds: float) -> int:
    return max(sum(at <= other < at + seconds for other in times) for at in times)


def test_twice_soon_and_then_seldom() -> None:
    assert tries(1.0)[:4] == [0.0, 12.0, 24.0, 624.0]
    gaps = [after - before for before, after in zip(tries(6.0), tries(6.0)[1:], strict=False)]
    assert max(gaps) <= 1_800.0
    assert gaps[-1] == 600.0


def test_no_window_ever_holds_more_than_a_camera_bears() -> None:
    for seconds, most in LIMITS:
        assert most_within(tries(12.0), seconds) <= most


@given(st.lists(st.floats(0.0, 4_000.0), max_size=40))
def test_signs_that_it_may_be_right_now_lead_to_no_more_than_the_limits(signs: list[float]) -> None:
    """Whatever restarts a camera shows, beside the tries by the clock."""
    wrong, sent = WrongLogins(), [0.0]
    wrong.note(0.0)
    for now in sorted(signs):
        while (due := next_try(wrong.times)) <= now:
            sent.append(due)
            wrong.note(due)
        if may_try(wrong.times, now):
            sent.append(now)
            wrong.note(now)
    for seconds, most in LIMITS:
        assert most_within(sent, seconds) <= most
    assert len(wrong.times) <= KEPT


def test_what_was_wrong_before_a_restart_of_ours_counts_after_it() -> None:
    wrong = WrongLogins([100.0, 112.0, 124.0])
    assert wrong.wait(125.0) == 599.0
    wrong.clear()
    assert wrong.wait(125.0) == 0.0
    assert may_try([], 0.0)
    assert not may_try([0.0], QUICK_SECONDS - 1)


def test_a_clock_that_is_set_back_keeps_no_login_from_being_tried_for_longer_than_usual() -> None:
    """It was tried again once the clock had made up for it: a day later."""
    wrong = WrongLogins([90_000.0, 90_012.0])
    wrong.note(3_600.0)
    assert wrong.wait(3_600.0) == SLOW_SECONDS
    assert wrong.wait(3_900.0) == SLOW_SECONDS - 300
