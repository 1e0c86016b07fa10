"""Metres on the ground of a calibrated camera, and who stands together there."""

from __future__ import annotations

import pytest

from detectors.observation import Box, Detection, Look, Point
from detectors.rules.config import CrowdRuleConfig
from detectors.rules.ground import ground_plane, largest_group, on_ground
from detectors.rules.making import make_rule
from detectors.rules.parsing import RulesRefused, parse_rules
from detectors.rules.replay import hazards, replay

# A square of 20 m seen from a mast: the far side is a third as wide in the picture as the near one.
CORNERS = (
    ((0.0, 1.0), (0.0, 0.0)),
    ((1.0, 1.0), (20.0, 0.0)),
    ((0.65, 0.2), (20.0, 20.0)),
    ((0.35, 0.2), (0.0, 20.0)),
)
GROUND = [{"x": x, "y": y, "east": east, "north": north} for (x, y), (east, north) in CORNERS]


def test_the_four_points_lie_where_they_were_measured_and_others_between_them() -> None:
    plane = ground_plane(CORNERS)
    assert plane is not None
    for (x, y), place in CORNERS:
        assert on_ground(Point(x, y), plane) == pytest.approx(place, abs=1e-6)
    middle = on_ground(Point(0.5, 0.5), plane)
    assert middle is not None
    assert middle[0] == pytest.approx(10)
    assert 5 < middle[1] < 20
    assert on_ground(Point(0.5, -0.9), plane) is None


def test_people_on_a_chain_are_one_group_and_a_gap_parts_them() -> None:
    assert largest_group([(0, 0), (2, 0), (4, 0), (9, 0), (10, 0)], 2.5) == {0, 1, 2}
    assert largest_group([], 2.5) == frozenset()


def test_many_who_cross_a_square_far_apart_are_no_gathering() -> None:
    config = CrowdRuleConfig.model_validate({"people": 4, "dwell_seconds": 10, "ground": GROUND, "spacing_metres": 2.0})

    def looks(feet: list[tuple[float, float]]) -> list[Look]:
        crowd = tuple(Detection("person", 0.8, Box(x - 0.01, y - 0.1, x + 0.01, y)) for x, y in feet)
        return [Look(2.0 * n, crowd) for n in range(12)]

    spread = [(0.1, 0.95), (0.9, 0.95), (0.5, 0.6), (0.4, 0.25), (0.6, 0.25)]
    together = [(0.50 + 0.02 * n, 0.6) for n in range(5)]
    assert hazards(replay(make_rule(config), looks(spread))) == ()
    assert hazards(replay(make_rule(config), looks(together)))


@pytest.mark.parametrize("ground", [GROUND[:3], [GROUND[0], GROUND[1], GROUND[0], GROUND[2]]])
def test_a_calibration_that_is_none_is_refused(ground: list[dict[str, float]]) -> None:
    with pytest.raises(RulesRefused) as caught:
        parse_rules([{"kind": "crowd", "ground": ground}])
    assert caught.value.reason == "calibration_invalid"
