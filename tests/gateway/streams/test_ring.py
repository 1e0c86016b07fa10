"""The ring of the last seconds: whole groups of pictures, bounded, read from before a moment on."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.streams.frame import EncodedFrame
from gateway.streams.ring import ClipRing


def frame(at: float, *, keyframe: bool = False, epoch: int = 0, size: int = 100) -> EncodedFrame:
    return EncodedFrame("video", "h264", b"x" * size, int(at * 90_000), 90_000, at, keyframe, epoch)


def filled(seconds: float, until: int, *, gop: int = 2, epoch: int = 0) -> ClipRing:
    ring = ClipRing(seconds)
    for at in range(until):
        ring.add(frame(float(at), keyframe=at % gop == 0, epoch=epoch))
    return ring


def test_nothing_is_kept_before_the_first_keyframe() -> None:
    ring = ClipRing(10)
    ring.add(frame(0.0))
    assert ring.since(0.0) == []
    assert ring.size_bytes == 0


def test_it_reaches_as_far_back_as_was_asked_for_and_not_much_further() -> None:
    ring = filled(10, 100)
    assert 10 <= ring.seconds_held < 12


def test_what_is_read_begins_at_the_keyframe_before_the_moment() -> None:
    ring = filled(30, 20)
    frames = ring.since(7.5)
    assert frames[0].arrival == 6.0
    assert frames[0].keyframe
    assert [one.arrival for one in frames] == [float(at) for at in range(6, 20)]


def test_a_moment_before_everything_gives_all_there_is() -> None:
    assert filled(30, 6).since(-100.0)[0].arrival == 0.0


def test_a_clock_that_is_set_back_makes_nothing_that_is_held_young() -> None:
    """For two minutes the ring of each camera grew, to four times its size."""
    ring = filled(10, 100)
    sizes = []
    for n in range(60):
        ring.add(frame(100.0 - 8 * 3600 + n, keyframe=n % 2 == 0))
        sizes.append(ring.size_bytes)
    assert max(sizes) <= 1300
    assert 10 <= ring.seconds_held < 12


def test_what_came_before_the_clock_was_set_back_still_comes_before() -> None:
    """A clip of a hazard began at the step, or held two minutes from before it, with an end before its beginning."""
    ring = filled(30, 20)
    back = 20.0 - 8 * 3600
    for n in range(4):
        ring.add(frame(back + n, keyframe=n % 2 == 0))
    arrivals = [one.arrival for one in ring.since(back - 4.0)]
    assert arrivals == sorted(arrivals)
    assert len(arrivals) == 10
    assert back - 7 < arrivals[0] <= back - 4


def test_a_new_epoch_is_not_mixed_with_the_old_one() -> None:
    ring = filled(30, 6)
    for at in (6.0, 7.0):
        ring.add(frame(at, keyframe=at == 6.0, epoch=1))
    assert [one.arrival for one in ring.since(0.0)] == [6.0, 7.0]


def test_what_follows_a_reconnection_waits_for_its_own_keyframe() -> None:
    ring = filled(30, 6)
    ring.add(frame(6.0, epoch=1))
    assert (ring.since(0.0), ring.size_bytes, ring.seconds_held) == ([], 0, 0.0)
    ring.add(frame(7.0, keyframe=True, epoch=1))
    ring.add(frame(8.0, epoch=1))
    assert [one.arrival for one in ring.since(9.0)] == [7.0, 8.0]


def test_too_many_bytes_let_go_of_the_oldest_groups() -> None:
    ring = ClipRing(1000, max_bytes=500)
    for at in range(10):
        ring.add(frame(float(at), keyframe=at % 2 == 0))
    assert ring.size_bytes <= 500
    assert ring.since(0.0)[0].keyframe


def test_a_group_that_outgrows_the_ring_by_itself_is_let_go() -> None:
    ring = ClipRing(1000, max_bytes=500)
    for at in range(10):
        ring.add(frame(float(at), keyframe=at == 0))
    assert ring.size_bytes == 0
    assert ring.since(0.0) == []


def test_sound_is_not_kept() -> None:
    ring = filled(30, 2)
    ring.add(EncodedFrame("audio", "pcm_alaw", b"y", 0, 8000, 1.5, True))
    assert all(one.kind == "video" for one in ring.since(0.0))


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 300), st.integers(0, 2)), max_size=80), st.integers(0, 80))
def test_whatever_comes_it_stays_bounded_counts_right_and_reads_from_a_keyframe_on(
    coming: list[tuple[bool, int, int]], at: int
) -> None:
    ring = ClipRing(10, max_bytes=2_000)
    epoch = 0
    for number, (keyframe, size, step) in enumerate(coming):
        epoch += step == 2
        ring.add(frame(float(number), keyframe=keyframe or step == 2, epoch=epoch, size=size))
        assert ring.size_bytes <= 2_000
    frames = ring.since(float(at))
    assert not frames or frames[0].keyframe
    assert len({one.epoch for one in frames}) <= 1
    assert [one.arrival for one in frames] == sorted(one.arrival for one in frames)
