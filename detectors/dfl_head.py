"""The head of a YOLO with distribution focal loss (YOLOv8 and later), cut open where it spells out its boxes.

For each of thousands of anchors such a network says each side of a box as a distribution over distances (Li et al.
2020, Generalized Focal Loss). A picture has a few dozen that count: the network ends at the distributions, and
only those of anchors that reach a threshold are worked out here.

Which part of a network does this is found by its shape and believed only when it answers with the same boxes as this
module, on random numbers; any other network is left whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import openvino
import structlog
from numpy.typing import NDArray
from openvino import opset13
from openvino.passes import ConstantFolding, Manager

from detectors.boxes import SIDES

log = structlog.get_logger(__name__)

_TRIED = 64, 96
"""Height and width in px of the input by which a head is tried."""
_SIGMA = 3.0
"""Of the random distributions by which a head is tried: as sharp as a trained network's."""
_NEAR = 0.01
"""Pixels by which the boxes may differ then."""


@dataclass(frozen=True, slots=True)
class DflHead:
    """For one input of the network: ``centres`` N×2 are the anchors' x and y, ``strides`` N how many px a distance of 1
    is, ``begins`` the first anchor of each level. A level's distributions are [h, w, 4 × bins]."""

    centres: NDArray[np.float32]
    strides: NDArray[np.float32]
    begins: tuple[int, ...]

    @classmethod
    def of(cls, input_size: tuple[int, int], levels: Sequence[tuple[int, int]]) -> DflHead:
        """For an input of ``input_size`` (h, w) px and levels of so many rows and columns, the finest first."""
        centres, strides, begins, begin = [], [], [], 0
        for rows, columns in levels:
            stride = input_size[0] / rows
            y, x = np.mgrid[:rows, :columns].reshape(2, -1)
            centres.append((np.stack((x, y), axis=1) + 0.5) * stride)
            strides.append(np.full(rows * columns, stride))
            begins.append(begin)
            begin += rows * columns
        return cls(np.concatenate(centres).astype(np.float32), np.concatenate(strides).astype(np.float32), (*begins,))

    def boxes(self, levels: Sequence[NDArray[np.float32]], anchors: NDArray[np.int64]) -> NDArray[np.float32]:
        """Boxes of the ``anchors`` (ascending), K×4: centre x, y, width, height in input px."""
        ends = np.searchsorted(anchors, (*self.begins[1:], len(self.centres)))
        rows, first = [], 0
        for level, begin, end in zip(levels, self.begins, ends.tolist(), strict=True):
            rows.append(level.reshape(-1, level.shape[-1])[anchors[first:end] - begin])
            first = end
        said = np.concatenate(rows).reshape(len(anchors), SIDES, -1)
        weights = np.exp(said - said.max(axis=2, keepdims=True))
        distances = weights @ np.arange(weights.shape[2], dtype=np.float32) / weights.sum(axis=2)
        distances *= self.strides[anchors, None]
        before, after = distances[:, :2], distances[:, 2:]
        return np.concatenate((self.centres[anchors] + (after - before) / 2, before + after), axis=1)


def cut_open(model: openvino.Model) -> openvino.Model | None:
    """The network (input ``[1, 3, h, w]``) with its levels' distributions ``[1, h, w, 4 × bins]`` and then the scores
    ``[1, classes, N]`` for answers, in the place of ``[1, 4 + classes, N]``; None where it has no such head."""
    cut = model.clone()
    parts = _parts(cut)
    try:
        if parts is None or not _answers_alike(model):
            return None
    except (RuntimeError, ValueError, IndexError) as unlike:  # what looked like such a head has other shapes or inputs
        log.info("head_left_whole", detail=str(unlike))
        return None
    levels, _, scores = parts
    channels_last = np.array([0, 2, 3, 1])
    answers = [opset13.transpose(level, channels_last).output(0) for level in levels] + [scores]
    return openvino.Model([opset13.result(answer) for answer in answers], cut.get_parameters(), "cut_open")


Parts = tuple[list[openvino.Output], openvino.Output, openvino.Output]


def _parts(model: openvino.Model) -> Parts | None:
    """Where the distributions of each level, the boxes and the scores come from; None where that is not to be seen."""
    last = model.output(0).get_node().input_value(0).get_node()
    if len(model.outputs) != 1 or last.get_type_name() != "Concat" or last.get_input_size() != 2:
        return None
    # Attention has a softmax too, but none of several levels.
    found = (_levels(one) for one in model.get_ordered_ops() if one.get_type_name() == "Softmax")
    levels = [one for one in found if one is not None]
    return (levels[0], last.input_value(0), last.input_value(1)) if len(levels) == 1 else None


def _levels(softmax: openvino.Node) -> list[openvino.Output] | None:
    """What is laid flat, joined and put into ``softmax``."""
    joined = softmax
    while joined.get_type_name() in ("Softmax", "Transpose", "Reshape"):
        joined = joined.input_value(0).get_node()
    flat = [joined.input_value(number).get_node() for number in range(joined.get_input_size())]
    if joined.get_type_name() != "Concat" or any(one.get_type_name() != "Reshape" for one in flat):
        return None
    return [one.input_value(0) for one in flat]


def _answers_alike(model: openvino.Model) -> bool:
    """Whether this module makes the boxes of random distributions that the network makes of them."""
    tried = model.clone()
    if tried.input(0).partial_shape.is_dynamic:
        tried.reshape([1, 3, *_TRIED])
    fold = Manager()
    fold.register_pass(ConstantFolding())  # the anchors' places no longer follow from the picture's
    fold.run_passes(tried)
    parts = _parts(tried)
    if parts is None:
        return False
    levels, boxes, _ = parts
    taken = [opset13.parameter(level.shape, np.float32) for level in levels]
    for level, instead in zip(levels, taken, strict=True):
        for target in level.get_target_inputs():
            if target.get_node().get_type_name() == "Reshape":
                target.replace_source_output(instead.output(0))
    random = np.random.default_rng(0)
    said = [random.normal(0, _SIGMA, level.shape).astype(np.float32) for level in levels]
    tail = openvino.Model([opset13.result(boxes)], taken, "tail")
    options = {"INFERENCE_PRECISION_HINT": "f32"}
    theirs = openvino.Core().compile_model(tail, "CPU", options)(said)[0][0]
    size = tried.input(0).shape[2:]
    head = DflHead.of((size[0], size[1]), [(one.shape[2], one.shape[3]) for one in said])
    ours = head.boxes([one[0].transpose(1, 2, 0) for one in said], np.arange(len(head.centres)))
    return theirs.shape == ours.T.shape and bool(np.abs(theirs - ours.T).max() < _NEAR)
