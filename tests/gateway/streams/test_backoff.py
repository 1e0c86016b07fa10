"""Pauses double up to a bound, and are never longer than it."""

from __future__ import annotations

from gateway.streams.backoff import Backoff


def test_pauses_double_up_to_the_longest() -> None:
    backoff = Backoff(first=1, longest=30)
    assert [backoff.pause(failures, lambda: 0.0) for failures in range(1, 8)] == [1, 2, 4, 8, 16, 30, 30]
    assert backoff.pause(10**6, lambda: 0.0) == 30


def test_chance_takes_a_part_off() -> None:
    backoff = Backoff(first=10, longest=30, jitter=0.3)
    assert backoff.pause(1, lambda: 0.5) == 8.5
    assert backoff.pause(1, lambda: 0.999) > 7
