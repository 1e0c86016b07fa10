"""When pictures are decoded is told from when they are shown, once it is known how far they are reordered."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.streams.decoding_order import DecodingOrder

STEP = 3600


def told(shown: list[int]) -> list[int | None]:
    order = DecodingOrder()
    return [order.decoded_at(time) for time in shown]


def test_without_b_frames_both_are_one() -> None:
    assert told([STEP * n for n in range(20)]) == [STEP * n for n in range(20)]


def test_with_b_frames_it_is_the_order_of_showing_some_pictures_later() -> None:
    shown = [STEP * (group + n) for group in range(0, 60, 4) for n in (4, 2, 1, 3)]
    decoded = told(shown)
    assert decoded[8:] == [STEP * (n - 1) for n in range(8, 60)]
    assert all(at is not None and at <= time for at, time in zip(decoded[8:], shown[8:], strict=True))


def test_a_clock_that_is_set_back_is_no_reordering() -> None:
    shown = [STEP * n for n in range(20)] + [STEP * n for n in range(5, 30)]
    assert told(shown)[20:] == shown[20:]


@given(st.lists(st.integers(-(2**40), 2**40) | st.integers(0, 40).map(lambda n: n * STEP), max_size=60))
def test_whatever_the_times_are_one_of_them_is_told(shown: list[int]) -> None:
    assert set(told(shown)) <= {None, *shown}
