"""Bounds are chosen by what the network then answers, family by family, and chance changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from models.bounds import ScoresKept, Steps, best_steps, by_extremes, by_mean, narrower
from models.calibration import Passed

SILU = Passed(np.array([-0.2, -0.3], np.float32), np.array([2.0, 6.0], np.float32), np.zeros(1, np.float32))
JOINED = Passed(np.array([-0.1, -0.1], np.float32), np.array([8.0, 8.0], np.float32), np.zeros(1, np.float32))
KNOWN = {"a": SILU, "b": JOINED, "c": SILU}
ALONE, TOGETHER = frozenset({"a"}), frozenset({"b", "c"})


def reach(steps: Steps) -> float:
    return steps.scale * (255 - steps.zero)


def test_bounds_are_means_over_pictures_and_those_joined_share_the_widest() -> None:
    assert reach(by_mean(ALONE, KNOWN)) == pytest.approx(4.0, abs=0.02)
    assert reach(by_mean(TOGETHER, KNOWN)) == pytest.approx(8.0, abs=0.04)
    assert reach(by_extremes(ALONE, KNOWN)) == pytest.approx(6.0, abs=0.03)
    assert reach(narrower(ALONE, KNOWN)) == pytest.approx(2.8, abs=0.02)
    assert by_mean(ALONE, KNOWN).zero == round(0.25 / 4.25 * 255)


def test_each_family_takes_the_bounds_by_which_the_network_answers_best() -> None:
    def loss(steps: Mapping[str, Steps]) -> float:
        """The one wants to be cut nowhere, the other more."""
        return abs(reach(steps["a"]) - 6.0) + abs(reach(steps["b"]) - 5.6)

    found = best_steps([ALONE, TOGETHER], KNOWN, loss, lambda _done: None)
    assert found["a"] == by_extremes(ALONE, KNOWN)
    assert found["b"] == found["c"] == narrower(TOGETHER, KNOWN)


def test_a_gain_too_small_to_be_more_than_chance_changes_nothing() -> None:
    def loss(steps: Mapping[str, Steps]) -> float:
        return 1.0 - 0.001 * reach(steps["a"])

    assert best_steps([ALONE], KNOWN, loss, lambda _done: None)["a"] == by_mean(ALONE, KNOWN)
    assert best_steps([ALONE], KNOWN, None, lambda _done: None)["a"] == by_mean(ALONE, KNOWN)


def one_class(factor: float) -> Any:
    """A network with one class, sure of it at every second place of an 8×8 picture."""
    nodes = [
        helper.make_node("Conv", ["images", "weights"], ["raw"]),
        helper.make_node("Sigmoid", ["raw"], ["sure"]),
        helper.make_node("Reshape", ["sure", "shape"], ["output0"]),
    ]
    weights = np.full((5, 3, 1, 1), factor, np.float32)
    graph = helper.make_graph(
        nodes,
        "one_class",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, "h", "w"])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, [1, 5, "n"])],
        [
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(np.array([1, 5, -1], np.int64), "shape"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def test_the_loss_is_what_the_scores_changed_where_something_is_seen() -> None:
    picture = np.full((1, 3, 8, 8), -2.0, np.float32)
    picture[..., ::2] = 1.0
    kept = ScoresKept(one_class(1.0), [picture])
    assert kept(one_class(1.0)) == pytest.approx(0.0, abs=1e-6)
    assert kept(one_class(1.1)) == pytest.approx(0.3**2, rel=0.01)
