"""When a dead worker comes back."""

from __future__ import annotations

from gateway.processes.restarts import LONGEST_DELAY, RestartHistory, after_exit


def test_a_first_crash_is_answered_at_once() -> None:
    _history, delay = after_exit(RestartHistory(), 100.0)
    assert delay < 1


def test_repeated_crashes_wait_longer_each_time_up_to_a_bound() -> None:
    history, delays = RestartHistory(), []
    for n in range(10):
        history, delay = after_exit(history, float(n))
        delays.append(delay)
    assert delays == sorted(delays)
    assert delays[-1] == LONGEST_DELAY


def test_old_crashes_are_forgotten() -> None:
    history, _ = after_exit(RestartHistory(), 0.0)
    history, delay = after_exit(history, 1000.0)
    assert delay < 1
    assert history.exits == (1000.0,)
