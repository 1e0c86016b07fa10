"""A network in 8-bit integers answers as it did in floats, as far as bytes can, and by bounds that training pictures
set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from models.calibration import Calibration, passed
from models.quantise import quantise

SIDE, CHANNELS = 16, 8


def small_network() -> Any:
    """Layers with SiLU: one takes two tensors joined, one is of a coarse stage, and one ends a head."""
    random = np.random.default_rng(3)
    stored, nodes = [], []

    def layer(name: str, taken: str, channels: int) -> str:
        weights = random.normal(0, 0.3, (CHANNELS, channels, 3, 3)).astype(np.float32)
        stored.append(numpy_helper.from_array(weights, f"{name}.weight"))
        stored.append(numpy_helper.from_array(random.normal(0, 0.2, CHANNELS).astype(np.float32), f"{name}.bias"))
        nodes.append(
            helper.make_node(
                "Conv", [taken, f"{name}.weight", f"{name}.bias"], [f"{name}.raw"], name=f"/{name}/Conv", pads=[1] * 4
            )
        )
        nodes.append(helper.make_node("Sigmoid", [f"{name}.raw"], [f"{name}.sure"], name=f"/{name}/Sigmoid"))
        nodes.append(helper.make_node("Mul", [f"{name}.raw", f"{name}.sure"], [f"{name}.out"], name=f"/{name}/Mul"))
        return f"{name}.out"

    first = layer("first", "images", 3)
    second = layer("second", first, CHANNELS)
    nodes.append(helper.make_node("Concat", [first, second], ["joined"], name="/join", axis=1))
    third = layer("third", "joined", 2 * CHANNELS)
    coarse = layer("model.9/cv1", third, CHANNELS)
    last = layer("cv2.0/cv2.0.2", coarse, CHANNELS)
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, "h", "w"])],
        [helper.make_tensor_value_info(last, TensorProto.FLOAT, [1, CHANNELS, "h", "w"])],
        stored,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def pictures(count: int = 12) -> list[NDArray[np.float32]]:
    random = np.random.default_rng(5)
    return [random.random((1, 3, SIDE, SIDE), np.float32) for _ in range(count)]


def answers(model: Any, inputs: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(None, {"images": one})[0] for one in inputs])


def quiet(_what: str, _done: int, _of: int) -> None:
    return None


@pytest.fixture
def quantised(tmp_path: Path) -> Any:
    onnx.save(small_network(), tmp_path / "small.onnx")
    quantise(tmp_path / "small.onnx", tmp_path / "small.int8.onnx", Calibration(pictures(), []), quiet)
    return onnx.load(str(tmp_path / "small.int8.onnx"))


def test_bytes_answer_what_floats_answer_to_within_a_few_steps_and_without_leaning_to_a_side(quantised: Any) -> None:
    exact, rounded = (answers(model, pictures(40)) for model in (small_network(), quantised))
    errors = rounded - exact
    assert np.abs(errors).mean() < 0.01 * np.abs(exact).mean()
    assert np.abs(errors.mean(axis=(0, 2, 3))).max() < 0.005 * np.abs(exact).mean()


def test_what_is_joined_shares_its_steps_and_coarse_and_last_layers_stay_in_floats(quantised: Any) -> None:
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in quantised.graph.initializer}
    assert stored["first.out_scale"] == stored["second.out_scale"]
    assert stored["first.out_zero"] == stored["second.out_zero"] > 0  # SiLU answers below zero, too
    assert {name for name, value in stored.items() if value.dtype == np.int8 and value.ndim == 4} == {
        "first.weight_bytes",
        "second.weight_bytes",
        "third.weight_bytes",
    }
    assert stored["cv2.0/cv2.0.2.weight"].dtype == stored["model.9/cv1.weight"].dtype == np.float32


def test_one_picture_beyond_all_others_does_not_set_the_bounds(tmp_path: Path) -> None:
    usual = pictures(19)
    file = tmp_path / "small.onnx"
    onnx.save(small_network(), file)
    scales = []
    for inputs in (usual, [*usual, usual[0] * 20]):
        quantise(file, tmp_path / "made.onnx", Calibration(inputs, []), quiet)
        made = {one.name: one for one in onnx.load(str(tmp_path / "made.onnx")).graph.initializer}
        scales.append(float(numpy_helper.to_array(made["first.out_scale"])))
    assert scales[1] < 3 * scales[0]
    greatest = passed(small_network(), ["first.out"], [usual[0] * 20], quiet)["first.out"].greatest[0]
    assert greatest > 10 * 255 * scales[0] * 0.8


def test_a_network_without_a_convolution_is_refused(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("Sigmoid", ["images"], ["out"])],
        "none",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 4, 4])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 3, 4, 4])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "n.onnx")
    with pytest.raises(ValueError, match="no convolution"):
        quantise(tmp_path / "n.onnx", tmp_path / "made.onnx", Calibration(pictures(1), []), quiet)
