"""An ONNX file read whole, or refused with a reason."""

from __future__ import annotations

from pathlib import Path

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # it has no stubs

from detectors.refusals import WeightsRefused
from detectors.weights import LARGEST
from detectors.whole_file import FileTooLarge, whole_file


def read_network(path: Path) -> onnx.ModelProto:
    """Raises ``WeightsRefused`` where it is no network, ``OSError`` where it cannot be read."""
    try:
        model = onnx.load_from_string(whole_file(path, LARGEST))
    except (DecodeError, FileTooLarge) as error:
        raise _unusable(path, str(error)) from error
    if not model.graph.node:
        raise _unusable(path, "empty")
    return model


def _unusable(path: Path, why: str) -> WeightsRefused:
    return WeightsRefused("weights_unusable", f"{path} 不是可用的 ONNX 模型", f"{path} is no usable ONNX model: {why}")
