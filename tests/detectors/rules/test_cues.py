"""Which parts make a stall, where it is and how sure; and what lies about in a street makes none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.observation import Box, Detection
from detectors.rules.cues import CUES, MOST, PIECES, VEHICLES, all_stalls, stalls_of


def part(label: str, score: float, x: float, y: float, side: float = 0.1) -> Detection:
    return Detection(label, score, Box(x, y, x + side, y + side))


def fruit(pieces: int, score: float = 0.2, x: float = 0.3) -> list[Detection]:
    return [part("goods", score, x + 0.05 * number, 0.5, 0.06) for number in range(pieces)]


def test_three_pieces_of_goods_side_by_side_are_a_stall_and_two_are_somebodys_lunch() -> None:
    (stall,) = stalls_of(fruit(PIECES))
    assert stall.label == "stall"
    assert stall.score == pytest.approx(1 - 0.8**3)
    assert stalls_of(fruit(PIECES - 1, 0.9)) == ()


def test_a_stall_reaches_beyond_its_goods_to_the_ground_and_not_out_of_the_picture() -> None:
    (stall,) = stalls_of(fruit(3))
    assert (stall.box.x1, stall.box.y1, stall.box.x2, stall.box.y2) == pytest.approx((0.22, 0.47, 0.54, 0.59))
    (at_the_edge,) = stalls_of(fruit(3, x=0.0))
    assert at_the_edge.box.x1 == 0


def test_goods_under_an_umbrella_are_a_stall_as_sure_as_the_less_sure_of_both() -> None:
    umbrella = part("umbrella", 0.6, 0.28, 0.4, 0.12)
    (stall,) = stalls_of([umbrella, *fruit(1, 0.4)])
    assert stall.score == pytest.approx(0.4)
    assert stall.box.y1 == pytest.approx(0.4)
    assert stalls_of([umbrella]) == ()
    assert stalls_of([umbrella, part("umbrella", 0.6, 0.35, 0.4)]) == (), "people under umbrellas"


def test_what_lies_apart_is_not_put_together() -> None:
    assert stalls_of([part("goods", 0.9, x, 0.5, 0.04) for x in (0.1, 0.4, 0.7)]) == ()
    assert len(stalls_of([*fruit(3), *fruit(4, x=0.7)])) == 2


def test_a_stall_that_was_seen_whole_is_none_beside_the_one_that_its_goods_make() -> None:
    whole = Detection("stall", 0.7, Box(0.2, 0.3, 0.6, 0.7))
    assert all_stalls([*fruit(3), whole]) == stalls_of(fruit(3))
    assert all_stalls([whole, *fruit(3, x=0.75)]) == (*stalls_of(fruit(3, x=0.75)), whole)
    assert all_stalls([whole, *fruit(2)]) == (whole,)
    assert stalls_of([whole]) == ()


def test_people_and_vehicles_are_no_parts_of_a_stall() -> None:
    assert stalls_of([part(label, 0.9, 0.3, 0.3, 0.4) for label in ("person", "fire", *sorted(VEHICLES))]) == ()


def test_of_very_many_parts_the_surest_are_compared() -> None:
    assert len(stalls_of(fruit(3, 0.9, x=0.8) + [part("goods", 0.1, 0.1, 0.1, 0.01)] * 1000)) >= 1
    assert MOST < 1000


@given(
    st.lists(
        st.builds(
            part,
            st.sampled_from(sorted(CUES)),
            st.floats(0.01, 1),
            st.floats(0, 0.9),
            st.floats(0, 0.9),
            st.floats(0.001, 0.1),
        ),
        max_size=25,
    )
)
def test_a_stall_lies_in_the_picture_around_its_parts_whatever_their_order(parts: list[Detection]) -> None:
    stalls = stalls_of(parts)
    for stall in stalls:
        assert 0 <= stall.score <= 1
        assert 0 <= stall.box.x1 <= stall.box.x2 <= 1
        assert 0 <= stall.box.y1 <= stall.box.y2 <= 1
        assert sum(stall.box.intersection(one.box) > 0 for one in parts) >= 2
    turned = stalls_of(parts[::-1])
    assert sorted(one.score for one in turned) == pytest.approx(sorted(one.score for one in stalls))
