"""What a rejection says is not there: only what the rule watched; all else in the picture is painted over."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from gateway.events.watched_part import GREY, WatchedPart, watched_part

BOX = [0.4, 0.4, 0.5, 0.6]
LEFT_HALF = [[0, 0], [0.6, 0], [0.6, 1], [0, 1]]
FURNACE = [[0.05, 0.05], [0.25, 0.05], [0.25, 0.35], [0.05, 0.35]]


def jpeg() -> bytes:
    return cv2.imencode(".jpg", np.full((100, 200, 3), (20, 60, 200), np.uint8))[1].tobytes()


def told(**rule: Any) -> WatchedPart:
    part = watched_part({"kind": "fire"} | rule, BOX)
    assert part is not None
    return part


def painted(part: WatchedPart, x: float, y: float) -> bool:
    picture = cv2.imdecode(np.frombuffer(part.of(jpeg()), np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return bool(np.abs(picture[round(y * 100), round(x * 200)].astype(int) - GREY).max() < 12)


def test_a_picture_that_was_watched_whole_stays_as_it_is() -> None:
    assert told().of(jpeg()) == jpeg()


def test_what_lies_outside_the_zone_or_in_an_exclusion_is_painted_over() -> None:
    """A furnace behind an exclusion taught the next weights that its flames are none."""
    part = told(polygon=LEFT_HALF, exclusions=[FURNACE])
    assert painted(part, 0.8, 0.5)
    assert painted(part, 0.15, 0.2)
    assert not painted(part, 0.15, 0.8)


def test_what_was_told_is_never_painted_over_though_it_reaches_out_of_the_zone() -> None:
    part = told(polygon=[[0.45, 0.5], [1, 0.5], [1, 1], [0.45, 1]])
    assert not painted(part, 0.42, 0.45)
    assert painted(part, 0.3, 0.45)


def test_a_fire_rejected_under_a_rule_that_leaves_out_smoke_says_nothing_of_smoke() -> None:
    assert told().sees_smoke
    assert not told(smoke=False).sees_smoke


@pytest.mark.parametrize(
    ("rule", "box"),
    [
        (None, BOX),
        ({"kind": "flood"}, BOX),
        ({"kind": "fire"}, None),
        ({"kind": "fire"}, [0.5, 0.5, 0.4, 0.6]),
        ({"kind": "fire"}, ["a", 0, 1, 1]),
        ({"kind": "fire"}, [float("nan"), 0, 1, 1]),
        ({"kind": "stall", "permitted": [{"x": 0.1, "y": 0.2}]}, BOX),
    ],
)
def test_where_the_reasons_do_not_tell_what_was_watched_nothing_is_said(rule: Any, box: Any) -> None:
    assert watched_part(rule, box) is None


def test_what_is_no_picture_is_refused() -> None:
    for content in (b"", b"no picture"):
        with pytest.raises(ValueError, match="no picture"):
            told(polygon=LEFT_HALF).of(content)
