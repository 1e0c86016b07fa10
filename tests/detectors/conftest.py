"""A network small enough to build here, with the outputs of a real one, and a card for it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import settings
from onnx import TensorProto, helper, numpy_helper

# The same examples in every run, however busy the machine.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")

CLASSES = ("person", "fire", "smoke", "stall")
SIDE, CELL = 64, 16


def red_finder(
    names: tuple[str, ...] | None = CLASSES, *, bias: float = -20, said: Sequence[int | str] = (SIDE, SIDE)
) -> bytes:
    """ONNX of a network that takes red for fire and blue for a person: one box of 16 px for each 16 px cell.

    Its output is that of an exported YOLO: ``[1, 4 + classes, N]``, centre, size, and scores already 0..1. ``said``:
    the height and width that it says to take, names for any; it takes 64 px alone.
    """
    cells = SIDE // CELL
    centres = np.array([[(x + 0.5) * CELL, (y + 0.5) * CELL] for y in range(cells) for x in range(cells)], np.float32)
    boxes = np.concatenate((centres.T, np.full((2, cells * cells), CELL, np.float32)))[None]
    # Rows: classes; columns: red, green, blue.
    weights = np.array([[-20, -20, 20], [20, -20, -20], [0, 0, 0], [0, 0, 0]], np.float32)[:, :, None, None]
    biases = np.array([-10, -10, bias, -20], np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("AveragePool", ["images"], ["cells"], kernel_shape=[CELL, CELL], strides=[CELL, CELL]),
            helper.make_node("Conv", ["cells", "weights", "bias"], ["raw"]),
            helper.make_node("Sigmoid", ["raw"], ["sure"]),
            helper.make_node("Reshape", ["sure", "shape"], ["scores"]),
            helper.make_node("Concat", ["boxes", "scores"], ["output0"], axis=1),
        ],
        "red_finder",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, *said])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, [1, 8, cells * cells])],
        [
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(biases, "bias"),
            numpy_helper.from_array(np.array([1, 4, cells * cells], np.int64), "shape"),
            numpy_helper.from_array(boxes, "boxes"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    if names is not None:
        helper.set_model_props(model, {"stride": "32", "names": str(dict(enumerate(names)))})
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString()
    return data


def red_judge(factor: float = 1.0, hazards: int = 2) -> bytes:
    """A network that believes in fire as far as a crop is red, and in every other hazard as far as it is blue; of a
    whole picture half of that."""
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["means"], axes=[2, 3], keepdims=0),
        helper.make_node("Gather", ["means", "channels"], ["picked"], axis=1),
        helper.make_node("Mul", ["picked", "factor"], ["of_crop"]),
        helper.make_node("Mul", ["of_crop", "half"], ["of_whole"]),
        helper.make_node("Concat", ["of_crop", "of_whole"], ["both"], axis=0),
        helper.make_node("Reshape", ["both", "shape"], ["believed"]),
    ]
    graph = helper.make_graph(
        nodes,
        "red_judge",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 224, 224])],
        [helper.make_tensor_value_info("believed", TensorProto.FLOAT, [1, 2, hazards])],
        [
            helper.make_tensor("channels", TensorProto.INT64, [hazards], [0, *[2] * (hazards - 1)]),
            helper.make_tensor("factor", TensorProto.FLOAT, [1], [factor]),
            helper.make_tensor("half", TensorProto.FLOAT, [1], [0.5]),
            helper.make_tensor("shape", TensorProto.INT64, [3], [1, 2, hazards]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


MakeWeights = Callable[..., Path]


@pytest.fixture
def make_weights(tmp_path: Path) -> MakeWeights:
    """Writes weights and a card that fits, but for what the test changes; answers the card's path."""

    def make(model: bytes | None = None, **changes: Any) -> Path:
        data = red_finder() if model is None else model
        (tmp_path / "tiny.onnx").write_bytes(data)
        card = {
            "name": "tiny",
            "sha256": hashlib.sha256(data).hexdigest(),
            "classes": list(CLASSES),
            "input_size": [SIDE, SIDE],
            "stride": 32,
            "thresholds": dict.fromkeys(CLASSES, 0.5),
            "precision": "fp32",
            "licence": "AGPL-3.0",
            "note": "made for a test",
            **changes,
        }
        path = tmp_path / "tiny.json"
        path.write_text(json.dumps({key: value for key, value in card.items() if value is not None}))
        return path

    return make


@pytest.fixture
def unnamed_model() -> bytes:
    """The same network, exported without names."""
    return red_finder(None)


@pytest.fixture
def market_model() -> bytes:
    """The same network, to which each 32 px that are red are a market, too."""
    model = onnx.load_from_string(red_finder(None))
    model.graph.node.extend(
        [
            helper.make_node("AveragePool", ["images"], ["places"], kernel_shape=[32, 32], strides=[32, 32]),
            helper.make_node("Gather", ["places", "red"], ["likely"], axis=1),
            helper.make_node("Concat", ["likely", "likely"], ["market"], axis=1),
        ]
    )
    model.graph.initializer.append(helper.make_tensor("red", TensorProto.INT64, [1], [0]))
    model.graph.output.append(
        helper.make_tensor_value_info("market", TensorProto.FLOAT, [1, 2, SIDE // 32, SIDE // 32])
    )
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


@pytest.fixture
def secretly_bound_model() -> bytes:
    """The same network, which says to take any size."""
    return red_finder(None, said=("height", "width"))


@pytest.fixture
def swapped_model() -> bytes:
    """The same network, whose export says that fire is called smoke and the other way about."""
    return red_finder(("person", "smoke", "fire", "stall"))


@pytest.fixture
def broken_model() -> bytes:
    """The same network, whose scores for smoke are no numbers, as an export with lost ranges computes them."""
    return red_finder(bias=float("nan"))


@pytest.fixture
def sees_smoke_too() -> bytes:
    """A network that sees smoke everywhere, and else as the usual one."""
    return red_finder(bias=20)


MakeJudge = Callable[..., bytes]


@pytest.fixture
def judge_model() -> MakeJudge:
    """Builds a judge (see ``red_judge``)."""
    return red_judge
