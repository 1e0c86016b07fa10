"""Which worker owns which camera."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.workers.control.placement import Placement


def test_workers_are_filled_one_after_the_other() -> None:
    placement = Placement(per_worker=2)
    owners = [placement.place(f"c{n}").worker for n in range(5)]
    assert owners == ["camera-1", "camera-1", "camera-2", "camera-2", "camera-3"]


def test_a_camera_stays_with_its_worker_under_a_higher_fence() -> None:
    placement = Placement(per_worker=2)
    first, again = placement.place("a"), placement.place("a")
    assert again.worker == first.worker
    assert again.fence > first.fence
    assert placement.current("a", again.worker, again.fence)
    assert not placement.current("a", first.worker, first.fence)


def test_there_is_always_a_first_worker_even_without_cameras() -> None:
    assert Placement(per_worker=2).workers == ("camera-1",)


def test_room_left_by_a_removed_camera_is_used_again() -> None:
    placement = Placement(per_worker=1)
    placement.place("a")
    placement.place("b")
    placement.remove("a")
    assert placement.place("c").worker == "camera-1"


def test_a_camera_that_is_isolated_has_a_worker_of_its_own_that_nobody_joins() -> None:
    placement = Placement(per_worker=3)
    before = [placement.place(code) for code in "abc"]
    alone = placement.isolate("b")
    assert alone is not None
    assert (alone.worker, alone.fence > before[1].fence) == ("camera-2", True)
    assert placement.isolate("b") == alone
    assert [placement.place(code).worker for code in "de"] == ["camera-1", "camera-3"]
    assert placement.place("b").worker == "camera-2"
    assert placement.isolate("nobody") is None


def test_one_that_is_alone_already_stays_where_it_is_and_may_be_joined_once_it_was_taken_out() -> None:
    placement = Placement(per_worker=3)
    placement.place("a")
    alone = placement.isolate("a")
    assert alone is not None
    assert alone.worker == "camera-1"
    assert placement.place("b").worker == "camera-2"
    placement.remove("a")
    assert placement.place("a").worker == "camera-2"


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 20)), max_size=80), st.integers(1, 5))
def test_no_worker_is_ever_overfull(steps: list[tuple[bool, int]], per_worker: int) -> None:
    placement = Placement(per_worker)
    for add, number in steps:
        if add:
            placement.place(f"c{number}")
        else:
            placement.remove(f"c{number}")
        assert all(len(placement.owned_by(worker)) <= per_worker for worker in placement.workers)
