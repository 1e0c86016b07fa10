"""Whether a network takes pictures of any height and width, as cameras of all proportions send them.

What an export says of itself is not enough: one traced at a single size may say "any" and be bound to that size within.
ONNX Runtime then fails at the first camera of other proportions, and OpenVINO may answer with whatever lies in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnxruntime
    import openvino

SIZES = (256, 512), (512, 256)
"""Heights and widths in px by which it is tried: a wide picture and an upright one."""


def model_takes_any_size(model: openvino.Model) -> bool:
    """Of OpenVINO, with an input ``[1, 3, h, w]``. Only shapes are computed."""
    said = model.input(0).partial_shape
    if said.rank.is_dynamic or said.rank.get_length() != 4 or said[2].is_static or said[3].is_static:
        return False
    try:
        for size in SIZES:
            model.clone().reshape([1, 3, *size])
    except RuntimeError:
        return False
    return True


def session_takes_any_size(session: onnxruntime.InferenceSession) -> bool:
    """Of ONNX Runtime, with an input ``[1, 3, h, w]``. It is run."""
    taken = session.get_inputs()[0]
    if len(taken.shape) != 4 or any(isinstance(side, int) for side in taken.shape[2:]):
        return False
    try:
        for size in SIZES:
            session.run(None, {taken.name: np.zeros((1, 3, *size), np.float32)})
    except Exception:  # noqa: BLE001 - the runtime's exceptions have no base of their own
        return False
    return True
