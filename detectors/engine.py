"""The one seam to a YOLO engine: a picture in, detections out. Which runtime does it is a setting."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from detectors.observation import Detection
from detectors.weights import Card, WeightsRefused

EngineName = Literal["openvino", "onnxruntime", "ultralytics", "auto"]
"""``auto``: OpenVINO where it is installed, else ONNX Runtime."""


class Detector(Protocol):
    """``detect`` takes BGR H×W×3 of any size and answers boxes normalised to it. Not for several threads at once."""

    @property
    def card(self) -> Card: ...

    def detect(self, picture: NDArray[np.uint8]) -> tuple[Detection, ...]: ...


def open_detector(engine: EngineName, card_path: Path, threads: int = 0) -> Detector:
    """Load checked weights. ``threads`` 0: all cores but one, at least one. Raises ``WeightsRefused``.

    ``card_path`` is the card's JSON; Ultralytics also takes any YOLO file (``.pt``), which must be trusted: it is code.
    """
    threads = threads or max(1, (os.cpu_count() or 2) - 1)
    if engine == "auto":
        engine = "openvino" if find_spec("openvino") else "onnxruntime"
    try:
        if engine == "openvino":
            from detectors.openvino_engine import OpenVinoDetector

            return OpenVinoDetector(card_path, threads)
        if engine == "onnxruntime":
            from detectors.onnxruntime_engine import OnnxRuntimeDetector

            return OnnxRuntimeDetector(card_path, threads)
        from detectors.ultralytics_engine import UltralyticsDetector

        return UltralyticsDetector(card_path)
    except ImportError as error:
        raise WeightsRefused(
            "engine_missing",
            f"未安装推理引擎 {engine}（{error.name}）",
            f"the engine {engine} is not installed ({error.name})",
        ) from error
