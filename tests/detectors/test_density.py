"""People counted by density: as many boxes as the map holds, where it holds them; unusable maps refused."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from detectors.answers import AnswerUnusable
from detectors.card import Density
from detectors.density import FEWEST, SURE, DensityCounter, crowded, more_people, placed_people
from detectors.observation import Box, Detection, Look
from detectors.refusals import WeightsRefused
from detectors.rules.config import CrowdRuleConfig
from detectors.rules.crowd import CrowdRule


def red_counter(divided_by: float = 64.0, sides: Sequence[int | str] = ("h", "w")) -> bytes:
    """A network that sees one person wherever a cell of 8×8 px is wholly red. ``sides``: height and width that it
    takes, names for any."""
    nodes = [
        helper.make_node("Slice", ["images", "zero", "one", "axis"], ["red"]),
        helper.make_node("AveragePool", ["red"], ["mean"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Mul", ["mean", "factor"], ["density"]),
    ]
    constants = [
        helper.make_tensor("zero", TensorProto.INT64, [1], [0]),
        helper.make_tensor("one", TensorProto.INT64, [1], [1]),
        helper.make_tensor("axis", TensorProto.INT64, [1], [1]),
        helper.make_tensor("factor", TensorProto.FLOAT, [1], [64.0 / divided_by]),
    ]
    graph = helper.make_graph(
        nodes,
        "red",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, *sides])],
        [helper.make_tensor_value_info("density", TensorProto.FLOAT, [1, 1, "h8", "w8"])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return bytes(model.SerializeToString())


def counter(folder: Path, data: bytes, longest_side: int = 256) -> DensityCounter:
    file = folder / "density.onnx"
    file.write_bytes(data)
    return DensityCounter(Density(file.name, hashlib.sha256(data).hexdigest(), 10, 0.4, longest_side), file, threads=1)


def test_as_many_boxes_are_put_down_as_the_map_holds_people_each_where_it_is_dense() -> None:
    density = np.zeros((96, 128), np.float32)
    density[10:20, 5:25] = 0.1  # 20 people
    density[80, 100] = 3.0
    density[40:44, 60:64] = 0.02  # a third of one
    people = placed_people(density)
    assert len(people) == 23
    upper_left = [one for one in people if one.box.x2 <= 26 / 128 and one.box.y2 <= 21 / 96]
    at_the_peak = [one for one in people if one.box.x1 == 100 / 128 and one.box.y1 == 80 / 96]
    assert len(upper_left) == 20
    assert len(at_the_peak) == 3
    assert placed_people(np.zeros((8, 8), np.float32)) == ()


def test_a_picture_of_any_shape_is_counted_at_the_counters_own_size(tmp_path: Path) -> None:
    red = np.zeros((512, 512, 3), np.uint8)
    red[:256, :256, 2] = 255  # a quarter of the picture, in any size
    seen = counter(tmp_path, red_counter()).people(red)
    assert len(seen) == 16 * 16
    assert all(one.box.x2 <= 0.5 and one.box.y2 <= 0.5 for one in seen)


@pytest.mark.parametrize("sides", [(160, 256), (160, "w")])
def test_a_counter_of_one_size_is_refused_when_it_is_loaded_and_not_by_the_first_crowd_of_another_camera(
    tmp_path: Path, sides: tuple[int | str, ...]
) -> None:
    with pytest.raises(WeightsRefused) as caught:
        counter(tmp_path, red_counter(sides=sides))
    assert caught.value.reason == "weights_fixed_input"
    assert "密度模型" in caught.value.zh


def test_a_map_that_is_no_number_is_not_taken_for_an_empty_square(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(WeightsRefused, match="weights_answer_nothing_usable"):
        counter(tmp_path, red_counter(divided_by=float("nan")))
    counting = counter(tmp_path, red_counter())
    for answer in (np.full((1, 1, 8, 8), np.nan, np.float32), np.zeros((1, 0, 8, 8), np.float32)):
        monkeypatch.setattr(counting, "_run", lambda _tensor, answer=answer: answer)
        with pytest.raises(AnswerUnusable):
            counting.people(np.full((64, 64, 3), 255, np.uint8))


def test_weights_that_were_exchanged_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "density.onnx"
    file.write_bytes(red_counter())
    with pytest.raises(WeightsRefused, match="weights_damaged"):
        DensityCounter(Density(file.name, "0" * 64, 10, 0.4, 256), file, threads=1)


def test_density_counts_only_where_boxes_already_show_many_and_small_people() -> None:
    somebody = Detection("person", 0.6, Box(0.1, 0.1, 0.2, 0.3))
    fire = Detection("fire", 0.6, Box(0.1, 0.1, 0.2, 0.3))
    density = Density("density.onnx", "0" * 64, 3, 0.4, 1024)
    close = Detection("person", 0.6, Box(0.1, 0.1, 0.3, 0.9))
    assert not crowded((somebody, somebody, fire), density)
    assert crowded((somebody,) * 3, density)
    assert not crowded((close,) * 30, density)
    assert not crowded((somebody,) * 30, None)


def test_a_lower_count_takes_nobody_back_whom_boxes_have_seen() -> None:
    somebody = Detection("person", 0.6, Box(0.1, 0.1, 0.2, 0.3))
    by_density = Detection("person", 0.5, Box(0.4, 0.4, 0.41, 0.41))
    fire = Detection("fire", 0.6, Box(0.1, 0.1, 0.2, 0.3))
    assert more_people((somebody,) * 21 + (fire,), (by_density,) * 8) == (somebody,) * 21 + (fire,)
    crowd = more_people((somebody,) * 2 + (fire,), (by_density,) * 47)
    people = [somebody.box] * 2 + [by_density.box] * 47
    assert [(one.label, one.box) for one in crowd] == [("fire", fire.box)] + [("person", box) for box in people]


def test_somebody_whom_a_box_and_the_density_show_counts_once() -> None:
    boxes = [Detection("person", 0.6, Box(x, 0.5, x + 0.05, 0.8)) for x in (0.1, 0.15, 0.2, 0.3)]
    heads = [Detection("person", 0.5, Box(x, 0.53, x + 0.01, 0.54)) for x in (0.12, 0.16, 0.22)]  # one is a statue
    far = [Detection("person", 0.5, Box(x / 100, 0.1, x / 100 + 0.01, 0.11)) for x in range(FEWEST)]
    crowd = more_people(boxes, [*heads, *far])
    assert [one.box for one in crowd] == [one.box for one in (*boxes, *far)]


def test_a_gathering_in_a_zone_on_the_ground_is_told_though_the_density_sees_only_heads_above_the_zone() -> None:
    boxes = [Detection("person", 0.6, Box(x / 20, 0.4, x / 20 + 0.04, 0.8)) for x in range(18)]
    heads = [Detection("person", 0.5, Box(x / 20 + 0.01, 0.43, x / 20 + 0.02, 0.44)) for x in range(18)]
    far = [Detection("person", 0.5, Box(x / 100, 0.1, x / 100 + 0.01, 0.11)) for x in range(40)]
    square = CrowdRuleConfig(people=15, dwell_seconds=0, polygon=((0, 0.6), (1, 0.6), (1, 1), (0, 1)))
    rule = CrowdRule(square)
    look = Look(0.0, more_people(boxes, [*heads, *far]))
    assert rule.step(rule.initial(), look)[1].why["people"] == 18


def test_a_gathering_is_counted_by_its_boxes_though_the_density_sees_a_few_more() -> None:
    somebody = Detection("person", 0.6, Box(0.1, 0.1, 0.2, 0.3))
    by_density = Detection("person", 0.5, Box(0.4, 0.4, 0.41, 0.41))
    assert more_people((somebody,) * 12, (by_density,) * (FEWEST - 1)) == (somebody,) * 12
    at_heads = replace(by_density, box=Box(0.14, 0.11, 0.16, 0.13))
    assert len(more_people((somebody,) * 12, (at_heads,) * FEWEST)) == FEWEST


def test_many_people_seen_from_far_are_counted_by_density_though_they_are_no_crowd_yet() -> None:
    far, near, head = (Detection("person", 0.6, Box(0.1, 0.2, 0.2, 0.2 + high)) for high in (0.25, 0.6, 0.02))
    assert len(more_people((far,) * SURE, (head,) * 30)) == 30
    assert len(more_people((far,) * (SURE - 1), (head,) * 30)) == SURE - 1, "too few to be sure of"
    assert len(more_people((far,) * SURE + (near,) * 4, (head,) * 30)) == SURE + 4, "a gathering seen from near"
    assert len(more_people((far,) * 30, (head,) * 20)) == 30


def test_a_crowd_counted_by_density_is_as_sure_as_the_surest_box_so_that_a_rules_least_score_does_not_silence_it() -> (
    None
):
    boxes = tuple(Detection("person", score, Box(0.1, 0.1, 0.2, 0.3)) for score in (0.4, 0.82, 0.6))
    by_density = Detection("person", 0.5, Box(0.4, 0.4, 0.41, 0.41))
    crowd = more_people(boxes, (by_density,) * 50)
    rule = CrowdRule(CrowdRuleConfig(people=30, dwell_seconds=0, min_score=0.7))
    assert rule.step(rule.initial(), Look(0.0, crowd))[1].phase == "firing"
