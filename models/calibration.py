"""What passes through a network on training pictures: the bounds of each tensor, by which it is quantised.

Half of the pictures look as a street camera would have taken them: nearly all real ones are clean photos, and a
network in integers must know the bounds of what it will see.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper

from detectors.input_size import input_for
from detectors.letterbox import letterbox
from models.choosing import BOUNDS, Basis, to_choose_by
from models.figures import DENSEST, Say
from models.looks import camera_look
from models.prepare import NEVER_TRAINED
from models.sample_data import Sample, read_samples
from models.sample_files import read_picture

FIRES, OTHERS = 100, 50
"""Pictures of fire and smoke (hard negatives among them), and of streets, stalls and people."""
TRIED_ON = 4
"""One picture in so many is also one that bounds are tried on."""
SEED = 7
STRIDE = 32


@dataclass(frozen=True, slots=True)
class Calibration:
    """Pictures as the engine gives them to the network, ``[1, 3, h, w]``: ``inputs`` each in its own proportions, and
    some of them all of one size, ``trials``; none: bounds are not tried. ``by``: how many of each kind there were to
    draw them from (``choosing.BOUNDS``)."""

    inputs: list[NDArray[np.float32]]
    trials: list[NDArray[np.float32]]
    by: Mapping[str, Basis] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Passed:
    """Of one tensor: its least and greatest value in each picture, and the mean of each of its channels over all."""

    least: NDArray[np.float32]
    greatest: NDArray[np.float32]
    mean: NDArray[np.float32]


def calibration(
    sample_data: Path, input_size: tuple[int, int], say: Say, *, licensed_only: bool = False
) -> Calibration:
    """Of training pictures. ``input_size``: height and width in px. ``licensed_only``: see ``models.choosing``."""
    random = np.random.default_rng(SEED)
    samples = [
        one
        for one in read_samples(sample_data)
        if one.split == "train" and not one.path.name.startswith((*NEVER_TRAINED, DENSEST))
    ]
    chosen: list[Sample] = []
    by = {}
    for name, of_fire, most in zip(BOUNDS, (True, False), (FIRES, OTHERS), strict=True):
        choice = to_choose_by(
            [one for one in samples if (one.folder == "fire") == of_fire], licensed_only=licensed_only
        )
        kind, by[name] = choice.pictures, choice.basis
        chosen += [kind[int(n)] for n in random.choice(len(kind), min(most, len(kind)), replace=False)]
    inputs, trials = [], []
    for number, sample in enumerate(chosen):
        say("calibration", number, len(chosen))
        picture = read_picture(sample.path)
        if number % 2:
            picture = camera_look(picture, random)
        inputs.append(letterbox(picture, input_for(*picture.shape[:2], input_size, STRIDE))[0])
        if number % TRIED_ON == 0:
            trials.append(letterbox(picture, input_size)[0])
    return Calibration(inputs, trials, by)


def passed(model: Any, tensors: Sequence[str], inputs: Sequence[NDArray[np.float32]], say: Say) -> dict[str, Passed]:
    """What each of the ``tensors`` ([1, channels, h, w]) of an ONNX ``model`` holds; its input's is among them if asked
    for."""
    taken = model.graph.input[0].name
    within = [name for name in tensors if name != taken]
    watched = copy.deepcopy(model)
    del watched.graph.output[:]
    watched.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in within)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    data = onnx.ModelProto.SerializeToString(watched)
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    bounds: dict[str, list[tuple[float, float]]] = {name: [] for name in tensors}
    means: dict[str, Any] = dict.fromkeys(tensors, 0.0)
    for number, tensor in enumerate(inputs):
        say("bounds", number, len(inputs))
        values = dict(zip(within, session.run(within, {taken: tensor}), strict=True)) | {taken: tensor}
        for name in tensors:
            bounds[name].append((float(values[name].min()), float(values[name].max())))
            means[name] = means[name] + values[name].mean(axis=(0, 2, 3)) / len(inputs)
    return {
        name: Passed(
            np.array([low for low, _ in bounds[name]], np.float32),
            np.array([high for _, high in bounds[name]], np.float32),
            np.asarray(means[name], np.float32),
        )
        for name in tensors
    }
