"""Metres on the ground of a calibrated camera, and who stands together there."""

from __future__ import annotations

from typing import Any

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


def seen_from_a_lamp_post(east: float, north: float) -> dict[str, float]:
    """Where a point of the ground lies in the picture of a camera whose horizon is at a fifth of its height."""
    return {"x": 0.5 + 0.8 * east / north, "y": 0.2 + 4 / north, "east": east, "north": north}


STREET = [seen_from_a_lamp_post(*place) for place in ((-3, 6), (3, 6), (4, 12), (-4, 12))]


def test_a_camera_that_sees_the_horizon_counts_who_stands_on_the_ground_and_nobody_above_it() -> None:
    config = CrowdRuleConfig.model_validate({"people": 4, "dwell_seconds": 10, "ground": STREET, "spacing_metres": 2.0})
    plane = config.plane
    assert plane is not None
    for one in [*STREET, seen_from_a_lamp_post(10, 40)]:
        assert on_ground(Point(one["x"], one["y"]), plane) == pytest.approx((one["east"], one["north"]), abs=1e-6)
    assert on_ground(Point(0.5, 0.1), plane) is None
    feet = [seen_from_a_lamp_post(east, 9) for east in range(4)]
    crowd = tuple(Detection("person", 0.8, Box(at["x"] - 0.01, at["y"] - 0.1, at["x"], at["y"])) for at in feet)
    assert hazards(replay(make_rule(config), [Look(2.0 * n, crowd) for n in range(12)]))


def test_a_zone_above_the_horizon_is_refused_for_nobody_ever_stands_there() -> None:
    sky = [[0.0, 0.0], [1.0, 0.0], [1.0, 0.15], [0.0, 0.15]]
    with pytest.raises(RulesRefused) as caught:
        parse_rules([{"kind": "crowd", "ground": STREET, "polygon": sky}])
    assert (caught.value.reason, caught.value.field) == ("never_fires", "rules.0.ground")
    assert parse_rules([{"kind": "crowd", "ground": STREET}])


def test_people_on_a_chain_are_one_group_and_a_gap_parts_them() -> None:
    assert largest_group([(0, 0), (2, 0), (4, 0), (9, 0), (10, 0)], 2.5) == {0, 1, 2}
    assert largest_group([], 2.5) == frozenset()


def test_a_crowd_is_not_gone_through_once_for_each_who_stands_in_it() -> None:
    """Five thousand people, as the density counts them, kept all cameras of their worker waiting for five seconds."""

    class Counted(list[tuple[float, float]]):
        reads = 0

        def __getitem__(self, number: Any) -> Any:
            Counted.reads += 1
            return super().__getitem__(number)

    standing = Counted((float(n % 50), float(n // 50)) for n in range(1000))
    assert len(largest_group(standing, 1.0)) == 1000
    assert len(largest_group(standing, 0.9)) == 1
    assert Counted.reads <= 2 * len(standing)


def test_many_who_cross_a_square_far_apart_are_no_gathering() -> None:
    config = CrowdRuleConfig.model_validate({"people": 4, "dwell_seconds": 10, "ground": GROUND, "spacing_metres": 2.0})

    def looks(feet: list[tuple[float, float]]) -> list[Look]:
        crowd = tuple(Detection("person", 0.8, Box(x - 0.01, y - 0.1, x + 0.01, y)) for x, y in feet)
        return [Look(2.0 * n, crowd) for n in range(12)]

    spread = [(0.1, 0.95), (0.9, 0.95), (0.5, 0.6), (0.4, 0.25), (0.6, 0.25)]
    together = [(0.50 + 0.02 * n, 0.6) for n in range(5)]
    assert hazards(replay(make_rule(config), looks(spread))) == ()
    assert hazards(replay(make_rule(config), looks(together)))


CROSSED = [
    {**here, "east": there["east"], "north": there["north"]}
    for here, there in zip(STREET, [STREET[1], STREET[0], *STREET[2:]], strict=True)
]


@pytest.mark.parametrize("ground", [GROUND[:3], [GROUND[0], GROUND[1], GROUND[0], GROUND[2]], CROSSED])
def test_a_calibration_that_is_none_is_refused(ground: list[dict[str, float]]) -> None:
    with pytest.raises(RulesRefused) as caught:
        parse_rules([{"kind": "crowd", "ground": ground}])
    assert caught.value.reason == "calibration_invalid"
