"""An export in 8-bit integers: ONNX with quantise and dequantise nodes, calibrated on training pictures.

The head's last steps (scores, distances, boxes) stay in floats: eight bits there cost several points of accuracy for
no time. OpenVINO and ONNX Runtime both read such files.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from detectors.letterbox import letterbox

HEAD = "/model.22/"
LAYERS_OF_HEAD = ("/cv2.", "/cv3.")
PER_STEP = 16


class _Pictures(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime is untyped
    def __init__(self, name: str, pictures: Sequence[NDArray[np.uint8]], input_size: tuple[int, int]) -> None:
        self._name = name
        self._left: Iterator[Any] = iter([letterbox(picture, input_size)[0] for picture in pictures])

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        found = next(self._left, None)
        return None if found is None else {self._name: found}


def quantise(onnx_file: Path, to: Path, pictures: Sequence[NDArray[np.uint8]], input_size: tuple[int, int]) -> str:
    """Write ``to`` and answer its sha256. ``pictures`` BGR, some dozens; ``input_size`` height and width in px."""
    with tempfile.TemporaryDirectory() as folder:
        shaped = Path(folder) / "shaped.onnx"
        quant_pre_process(str(onnx_file), str(shaped), skip_symbolic_shape=True)
        model = onnx.load(str(shaped))
        kept = [node.name for node in model.graph.node if _of_the_end(node.name)]
        quantize_static(
            str(shaped),
            str(to),
            _Pictures(model.graph.input[0].name, pictures, input_size),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            weight_type=QuantType.QInt8,
            activation_type=QuantType.QUInt8,
            nodes_to_exclude=kept,
            op_types_to_quantize=["Conv", "MaxPool", "Concat", "Add"],
            calibrate_method=CalibrationMethod.MinMax,
        )
    return hashlib.sha256(to.read_bytes()).hexdigest()


def _of_the_end(name: str) -> bool:
    """Nodes after the head's convolutions, and the last of those."""
    if not name.startswith(HEAD):
        return False
    return not any(layer in name for layer in LAYERS_OF_HEAD) or any(f".{n}.2/" in name for n in range(3))
