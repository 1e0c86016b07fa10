"""An export in 8-bit integers: ONNX with quantise and dequantise nodes, calibrated on training pictures.

What was measured to matter, on val (decision 0113):

- A tensor's bounds (``models.bounds``).
- SiLU's answers reach from -0.28 to far above 0: unsigned bytes with a zero point of their own.
- What is joined later shares its bounds, so that joining costs nothing (a tenth of the time else).
- The mean error that rounding the weights makes in each channel is taken out of its bias.
- The head's last convolutions stay in floats: eight bits there cost accuracy for no time. So do the coarsest stages:
  bytes there save a sixteenth of the time and nearly double what a person's score is off by.

Weights are stored as bytes, a quarter of the file. OpenVINO and ONNX Runtime both read it; the latter is no faster.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from models.bounds import Family, Loss, ScoresKept, Steps, best_steps
from models.calibration import Calibration, Passed, passed
from models.figures import Say

PASSING = ("Split", "Concat", "MaxPool", "Resize")
"""Operators whose answers are values that they were given."""
COARSEST = ("/model.8/", "/model.9/", "/model.21/")
"""In the names of YOLOv8's stages that look at one place for each 32 px."""
LAST = tuple(f"/cv{branch}.{scale}/cv{branch}.{scale}.2/" for branch in (2, 3) for scale in range(3))
"""In the names of the head's last convolutions, as Ultralytics exports them."""
DISTANCES = "/dfl/"
"""… of the head's convolution without weights of its own, which makes distances of distributions."""
WEIGHT_LEVELS = 127


def quantise(onnx_file: Path, to: Path, pictures: Calibration, say: Say) -> str:
    """Write ``to`` and answer its sha256. Raises ``ValueError`` where the network has no convolution to quantise."""
    model = onnx.load(str(onnx_file))
    network = _Network(model)
    in_floats = (*LAST, *COARSEST, DISTANCES)
    convolutions = [
        node for node in model.graph.node if node.op_type == "Conv" and not any(n in node.name for n in in_floats)
    ]
    if not convolutions:
        raise ValueError(f"{onnx_file.name} has no convolution")
    families = network.families([node.input[0] for node in convolutions])
    asked = sorted({name for family in families for name in family} | {node.input[0] for node in convolutions})
    known = passed(model, asked, pictures.inputs, say)
    rewritten = partial(_rewritten, network, convolutions, known)
    steps = best_steps(
        families, known, _loss(model, rewritten, pictures), lambda done: say("bounds tried", done, len(families))
    )
    quantised = rewritten(steps)
    onnx.checker.check_model(quantised)
    data = onnx.ModelProto.SerializeToString(quantised)
    to.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def _loss(model: Any, rewritten: Callable[[Mapping[str, Steps]], Any], pictures: Calibration) -> Loss | None:
    if not pictures.trials:
        return None
    kept = ScoresKept(model, pictures.trials)
    return lambda steps: kept(rewritten(steps))


class _Network:
    """An ONNX graph as one looks back in it."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self._makers = {name: node for node in model.graph.node for name in node.output}

    def passing(self, tensor: str) -> Any | None:
        """The node that made a tensor, if it only passes values on."""
        node = self._makers.get(tensor)
        return node if node is not None and node.op_type in PASSING else None

    def sources(self, tensor: str) -> list[str]:
        """The tensors whose values it holds: itself, or those that were split, joined, pooled or enlarged for it."""
        node = self.passing(tensor)
        if node is None:
            return [tensor]
        given = node.input if node.op_type == "Concat" else node.input[:1]
        return [source for name in given for source in self.sources(name)]

    def families(self, tensors: Sequence[str]) -> list[Family]:
        """Sources, those together that are joined anywhere."""
        families: list[Family] = []
        for tensor in tensors:
            family = frozenset(self.sources(tensor))
            touched = [one for one in families if one & family]
            families = [one for one in families if not one & family] + [family.union(*touched)]
        return families


def _rewritten(
    network: _Network, convolutions: Sequence[Any], known: Mapping[str, Passed], steps: Mapping[str, Steps]
) -> Any:
    """A copy of the model in which the convolutions take bytes. Who else reads such a tensor takes it as it was."""
    model = copy.deepcopy(network.model)
    graph = model.graph
    nodes = {node.name: node for node in graph.node}
    stored = {tensor.name: tensor for tensor in graph.initializer}
    before: dict[str, Any] = {}
    for original in convolutions:
        node = nodes[original.name]
        _take_bytes(network, nodes, node, steps)
        weights, bias = node.input[1], node.input[2]
        before[node.name] = _store_bytes(graph, stored, weights, bias, known[original.input[0]].mean)
        node.input[1] = f"{weights}_dequantised"
    after = {name: _there_and_back(graph, name, one) for name, one in sorted(steps.items())}
    ordered = [node for tensor in graph.input for node in after.get(tensor.name, ())]
    for node in graph.node:
        if node.name in before:
            ordered.append(before[node.name])
        ordered.append(node)
        ordered += [one for name in node.output for one in after.get(name, ())]
    del graph.node[:]
    graph.node.extend(ordered)
    return model


def _take_bytes(network: _Network, nodes: Mapping[str, Any], node: Any, steps: Mapping[str, Steps]) -> None:
    """Lead the first input of ``node``, through what only passes it on, to its sources as they come back from bytes."""
    for number in range(len(node.input) if node.op_type == "Concat" else 1):
        name = node.input[number]
        if name in steps:
            node.input[number] = f"{name}_dequantised"
        elif (passing := network.passing(name)) is not None:
            _take_bytes(network, nodes, nodes[passing.name], steps)


def _there_and_back(graph: Any, name: str, steps: Steps) -> tuple[Any, Any]:
    scale, zero = f"{name}_scale", f"{name}_zero"
    graph.initializer.append(numpy_helper.from_array(np.array(steps.scale, np.float32), scale))
    graph.initializer.append(numpy_helper.from_array(np.array(steps.zero, np.uint8), zero))
    return (
        helper.make_node("QuantizeLinear", [name, scale, zero], [f"{name}_bytes"], name=f"{name}/quantise"),
        helper.make_node(
            "DequantizeLinear", [f"{name}_bytes", scale, zero], [f"{name}_dequantised"], name=f"{name}/dequantise"
        ),
    )


def _store_bytes(graph: Any, stored: Mapping[str, Any], weights: str, bias: str, mean: NDArray[np.float32]) -> Any:
    """Replace stored weights [out, in, h, w] by bytes, a scale for each output; answers the node that brings them back.

    ``mean`` of each input channel: what rounding adds to an output on average is taken out of the bias.
    """
    exact = numpy_helper.to_array(stored[weights]).astype(np.float32)
    scales = np.maximum(np.abs(exact).max(axis=(1, 2, 3)) / WEIGHT_LEVELS, 1e-12).astype(np.float32)
    rounded = np.clip(np.round(exact / scales[:, None, None, None]), -WEIGHT_LEVELS, WEIGHT_LEVELS)
    error = (exact - rounded * scales[:, None, None, None]).sum(axis=(2, 3)) @ mean
    corrected = numpy_helper.to_array(stored[bias]) + error
    stored[bias].CopyFrom(numpy_helper.from_array(corrected.astype(np.float32), bias))
    graph.initializer.remove(stored[weights])
    for name, value in (
        (f"{weights}_bytes", rounded.astype(np.int8)),
        (f"{weights}_scale", scales),
        (f"{weights}_zero", np.zeros(len(scales), np.int8)),
    ):
        graph.initializer.append(numpy_helper.from_array(value, name))
    return helper.make_node(
        "DequantizeLinear",
        [f"{weights}_bytes", f"{weights}_scale", f"{weights}_zero"],
        [f"{weights}_dequantised"],
        name=f"{weights}/dequantise",
        axis=0,
    )
