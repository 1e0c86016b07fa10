"""Datagrams come out in their order, once, and what is missing holds nothing up for long."""

from __future__ import annotations

import struct
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway.streams.rtp_reordering import PATIENCE, WINDOW, Reordering


def packet(sequence: int, source: int = 1) -> bytes:
    return struct.pack("!BBHII", 0x80, 96, sequence & 0xFFFF, 0, source)


def numbers(packets: list[bytes]) -> list[int]:
    return [int.from_bytes(one[2:4]) for one in packets]


def begun(first: int) -> Reordering:
    """A stream that has come in order so far, up to before ``first``."""
    reordering = Reordering()
    for sequence in range(first - 2, first):
        reordering.put(packet(sequence), 0.0)
    assert numbers(reordering.overdue(PATIENCE * 1.1)) == [(first - 2) & 0xFFFF, (first - 1) & 0xFFFF]
    return reordering


@given(st.integers(0, 65_535), st.lists(st.integers(0, 5), min_size=1, max_size=100))
def test_what_is_late_by_a_few_comes_out_in_its_place(first: int, late: list[int]) -> None:
    reordering = begun(first)
    came = [first + n for n in sorted(range(len(late)), key=lambda n: n + late[n])]
    out = [one for sequence in came for one in reordering.put(packet(sequence), 1.0)]
    assert numbers(out) == [(first + n) & 0xFFFF for n in range(len(came))]


def test_the_first_of_all_may_be_late_too() -> None:
    reordering = Reordering()
    assert [reordering.put(packet(sequence), 0.0) for sequence in (8, 7, 9)] == [[], [], []]
    assert numbers(reordering.overdue(PATIENCE * 1.1)) == [7, 8, 9]


def test_one_that_is_missing_is_given_up_after_a_while_or_a_window() -> None:
    reordering = begun(2)
    assert reordering.put(packet(3), 1.0) == []
    assert reordering.overdue(1 + PATIENCE / 2) == []
    assert numbers(reordering.overdue(1 + PATIENCE * 1.5)) == [3]
    assert reordering.put(packet(2), 1.2) == [], "too late"
    assert reordering.put(packet(3), 1.2) == [], "twice"
    held = [one for sequence in range(5, 6 + WINDOW) for one in reordering.put(packet(sequence), 1.2)]
    assert numbers(held) == list(range(5, 6 + WINDOW))


def test_a_stream_begun_anew_goes_on_after_a_moment() -> None:
    reordering = begun(40_000)
    reordering.put(packet(10), 1.0)
    assert numbers(reordering.overdue(1 + PATIENCE * 1.1)) == [10]
    reordering.put(packet(9, source=2), 2.0)
    assert numbers(reordering.overdue(2 + PATIENCE * 1.1)) == [9]


@given(st.lists(st.tuples(st.binary(max_size=20), st.floats(0, 1)), max_size=100))
def test_whatever_comes_little_is_kept(came: list[tuple[bytes, float]]) -> None:
    reordering, now, out = Reordering(), 0.0, list[bytes]()
    for data, passed in came:
        now += passed
        out += reordering.put(data, now)
    assert len(out) <= len(came)
    assert all(len(one) >= 12 for one in out)


@given(st.lists(st.integers(0, 65_535), max_size=200))
def test_nothing_goes_back_within_a_stream(sequences: list[int]) -> None:
    reordering = Reordering()
    out = numbers([one for sequence in sequences for one in reordering.put(packet(sequence), 0.0)])
    assert all((b - a) & 0xFFFF for a, b in pairwise(out)), "nothing twice in a row"
