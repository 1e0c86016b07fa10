"""Figures of few values hide none of them."""

from __future__ import annotations

from math import inf

from bench.nearest_rank import p95


def test_of_a_few_values_it_is_the_largest() -> None:
    assert p95([7.0, 8.0, 9.0, 6.0, 14.0]) == 14.0
    assert p95([5.0]) == 5.0


def test_of_many_one_in_twenty_may_be_larger() -> None:
    assert p95([float(number) for number in range(1, 101)]) == 95.0


def test_what_never_came_is_no_number() -> None:
    assert p95([1.0, inf]) is None
    assert p95([1.0] * 39 + [inf]) == 1.0
    assert p95([]) is None
