"""The timeline goes forward whatever a camera's clock does."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway.streams.source_time import SourceTime, Stamp

STEP = 3600
MAYBE = st.none() | st.integers(-(2**40), 2**40) | st.integers(0, 20).map(lambda n: n * STEP)


def stamps(times: list[tuple[int | None, int | None]], *, apart: float = 0.04) -> list[Stamp]:
    source = SourceTime()
    return [source.stamp(pts, dts, 100 + number * apart) for number, (pts, dts) in enumerate(times)]


def steps(made: list[Stamp]) -> list[int]:
    return [b.pts - a.pts for a, b in pairwise(made)]


def test_plausible_times_are_kept_to_the_tick() -> None:
    made = stamps([(STEP * n, STEP * n) for n in range(10)], apart=0.05)
    assert steps(made) == [STEP] * 9
    assert not any(stamp.reordered or stamp.composition_offset for stamp in made)


def test_a_clock_that_jumps_stands_still_or_says_nothing_is_replaced_by_the_time_that_passed() -> None:
    for strange in (
        [(10**9, 10**9), (10**9 + STEP, 10**9 + STEP)],
        [(-(10**9), -(10**9)), (STEP - 10**9, STEP - 10**9)],
        [(2 * STEP, 2 * STEP), (2 * STEP, 2 * STEP)],
        [(None, None), (None, None)],
    ):
        made = stamps([(0, 0), (STEP, STEP), (2 * STEP, 2 * STEP), *strange])
        assert steps(made) == [STEP] * 4
        assert not any(stamp.reordered for stamp in made)


def test_reordered_pictures_are_noticed_and_shown_in_their_order() -> None:
    shown = [0, 3, 1, 2, 6, 4, 5, 9, 7, 8]
    known: list[tuple[int | None, int | None]] = [(STEP * n, STEP * (at - 2)) for at, n in enumerate(shown)]
    unknown: list[tuple[int | None, int | None]] = [(STEP * n, None) for n in shown]
    for times in (known, unknown, unknown[:3] + known[3:]):
        made = stamps(times)
        assert any(stamp.reordered for stamp in made)
        first = made[0].pts + made[0].composition_offset
        assert [made_.pts + made_.composition_offset - first for made_ in made] == [STEP * n for n in shown]


@given(st.lists(st.tuples(MAYBE, MAYBE, st.floats(-5, 20)), max_size=50))
def test_time_never_goes_back(times: list[tuple[int | None, int | None, float]]) -> None:
    source, now, made = SourceTime(), 0.0, []
    for pts, dts, passed in times:
        now += passed
        made.append(source.stamp(pts, dts, now))
    assert all(step > 0 for step in steps(made))
    assert all(abs(stamp.composition_offset) <= 90_000 for stamp in made)
