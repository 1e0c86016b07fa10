"""A camera whose stream takes its worker down twice is pulled alone, and says so."""

from __future__ import annotations

import signal

from gateway.workers.control.quarantine import WINDOW, Quarantine, is_crash


def test_one_crash_proves_nothing_and_the_second_does() -> None:
    quarantine = Quarantine()
    assert quarantine.crashed({"a", "b"}, 0.0) == ()
    assert quarantine.crashed({"b", "c"}, 10.0) == ("b",)
    assert "b" in quarantine
    assert "a" not in quarantine


def test_two_crashes_that_lie_a_day_apart_are_two_accidents() -> None:
    quarantine = Quarantine()
    quarantine.crashed({"a"}, 0.0)
    assert quarantine.crashed({"a"}, WINDOW) == ()
    assert quarantine.crashed({"a"}, WINDOW + 5.0) == ("a",)


def test_who_is_alone_already_is_not_told_again_and_is_forgotten_when_it_is_stopped() -> None:
    quarantine = Quarantine()
    for at in (0.0, 1.0):
        quarantine.crashed({"a"}, at)
    assert quarantine.crashed({"a"}, 2.0) == ()
    quarantine.forget("a")
    assert len(quarantine) == 0
    assert quarantine.crashed({"a"}, 3.0) == ()


def test_an_end_in_order_is_no_crash() -> None:
    assert [is_crash(code) for code in (0, 1, -signal.SIGTERM, -signal.SIGINT)] == [False] * 4
    assert [is_crash(code) for code in (-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGKILL)] == [True] * 3
