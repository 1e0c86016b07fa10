"""Averages the weights of two networks of one descent: between them often lies one better than both.

Wortsman et al. 2022 (model soups; robust fine-tuning). With COCO's own weights as the second, what a
fine-tuned network forgot comes back in part; with an earlier release, what either learned by chance evens out.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import numpy_helper

from detectors.refusals import WeightsRefused
from models.classes import PERSON
from models.coco_init import COCO_PERSON
from models.draft import write_whole
from models.onnx_file import read_network


def blend(weights: Path, other: Path, share: float, to: Path) -> None:
    """Write ``to``: ``share`` of ``weights`` and the rest of ``other``, both ONNX exports of YOLOv8n.

    Where ``other`` has COCO's 80 classes, of its last layer only the person's row comes in. Raises ``WeightsRefused``
    where one of them is no network, or another one; nothing is written then.
    """
    model = read_network(weights)
    others = {tensor.name: numpy_helper.to_array(tensor) for tensor in read_network(other).graph.initializer}
    for tensor in model.graph.initializer:
        if tensor.name not in others:
            raise WeightsRefused(
                "weights_differ", f"{other} 与 {weights} 不是同一种网络", f"{other} is another network than {weights}"
            )
        ours, theirs = numpy_helper.to_array(tensor), others[tensor.name]
        if ours.dtype != np.float32:
            continue
        if ours.shape == theirs.shape:
            mixed = share * ours + (1 - share) * theirs
        else:
            mixed = ours.copy()
            mixed[PERSON] = share * ours[PERSON] + (1 - share) * theirs[COCO_PERSON]
        tensor.CopyFrom(numpy_helper.from_array(mixed.astype(np.float32), tensor.name))
    write_whole({to: model.SerializeToString()})
