"""Gives a trained network back the people its teacher sees, without touching what else it learned.

Fire, smoke and stalls are learned from pictures in which people are few, and the person score suffers. Its last layer
is one row of 80 weights on each of the three scales; that row alone is fitted anew, to COCO's own person scores, place
by place, on streets and gatherings of the train part. All other outputs stay bit for bit as they were.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from detectors.input_size import input_for
from detectors.letterbox import letterbox
from models.classes import PERSON
from models.coco_init import COCO_PERSON

SCALES = 3
STEPS = 300
LAST = "model.22.cv3.{}.2"


def refit_person(
    weights: Path,
    coco_onnx: Path,
    pictures: Sequence[NDArray[np.uint8]],
    input_size: tuple[int, int],
    say: Callable[[str, int, int], None],
) -> None:
    """Replace the person rows in the ONNX file ``weights``. ``pictures`` BGR; ``input_size`` height and width, px."""
    model = onnx.load(str(weights))
    inputs = [_input_of(model, scale) for scale in range(SCALES)]
    student = _session(_up_to(model, inputs))
    teacher_model = onnx.load(str(coco_onnx))
    outputs = [_node(teacher_model, scale).output[0] for scale in range(SCALES)]
    teacher = _session(_up_to(teacher_model, outputs))
    features: list[list[Any]] = [[] for _ in range(SCALES)]
    targets: list[list[Any]] = [[] for _ in range(SCALES)]
    for done, picture in enumerate(pictures):
        say("people", done, len(pictures))
        tensor, _ = letterbox(picture, input_for(picture.shape[0], picture.shape[1], input_size, 32))
        ours = student.run(None, {student.get_inputs()[0].name: tensor})
        theirs = teacher.run(None, {teacher.get_inputs()[0].name: tensor})
        for scale in range(SCALES):
            features[scale].append(ours[scale][0].reshape(ours[scale].shape[1], -1).T.astype(np.float16))
            targets[scale].append(1 / (1 + np.exp(-theirs[scale][0, COCO_PERSON].reshape(-1))))
    for scale in range(SCALES):
        row, bias = _fitted(np.concatenate(features[scale]), np.concatenate(targets[scale]))
        for tensor in model.graph.initializer:
            if tensor.name in (f"{LAST.format(scale)}.weight", f"{LAST.format(scale)}.bias"):
                values = numpy_helper.to_array(tensor).copy()
                values[PERSON] = row.reshape(-1, 1, 1) if tensor.name.endswith("weight") else bias
                tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    weights.write_bytes(model.SerializeToString())


def _fitted(features: NDArray[np.float16], targets: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
    """Weights and bias of the logistic regression of ``targets`` (N) on ``features`` (N×80)."""
    spread = features.astype(np.float32).std(axis=0) + 1e-3
    x, y = torch.from_numpy(features), torch.from_numpy(targets.astype(np.float32))
    # Empty places are nearly all: of those where neither sees anything a tenth, counted ten times, says the same.
    empty = y < 0.002
    kept = ~empty | (torch.rand(len(y), generator=torch.Generator().manual_seed(7)) < 0.1)
    weight = torch.where(empty, 10.0, 1.0)[kept]
    x, y = x[kept].float() / torch.from_numpy(spread), y[kept]
    row = torch.zeros(x.shape[1], requires_grad=True)
    bias = torch.full((1,), -6.0, requires_grad=True)
    optimiser = torch.optim.LBFGS([row, bias], lr=1, max_iter=STEPS, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = (
            torch.nn.functional.binary_cross_entropy_with_logits(x @ row + bias, y, weight, reduction="sum") / y.sum()
        )
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    return (row.detach().numpy() / spread).astype(np.float32), float(bias.detach())


def _node(model: onnx.ModelProto, scale: int) -> Any:
    return next(one for one in model.graph.node if f"{LAST.format(scale)}.weight" in one.input)


def _input_of(model: onnx.ModelProto, scale: int) -> str:
    return str(_node(model, scale).input[0])


def _up_to(model: onnx.ModelProto, outputs: Sequence[str]) -> onnx.ModelProto:
    """The network that answers with these of its inner values, for any height and width."""
    cut = onnx.ModelProto()
    cut.CopyFrom(model)
    needed = set(outputs)
    nodes = []
    for node in reversed(model.graph.node):
        if needed & set(node.output):
            nodes.append(node)
            needed |= set(node.input)
    del cut.graph.node[:], cut.graph.value_info[:], cut.graph.output[:]
    cut.graph.node.extend(reversed(nodes))
    cut.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs)
    for axis, name in ((2, "h"), (3, "w")):
        cut.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = name
    return cut


def _session(model: onnx.ModelProto) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3  # it tells of each weight that the cut network no longer needs
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
