"""The one seam to a YOLO engine: a picture in, detections out. Which runtime does it is a setting."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from detectors.checking import check_answers
from detectors.observation import Detection
from detectors.plan import Plan, cores, fastest, plans
from detectors.weights import Card, WeightsRefused

EngineName = Literal["openvino", "onnxruntime", "ultralytics", "auto"]
"""``auto``: OpenVINO where it is installed, else ONNX Runtime."""


class Detector(Protocol):
    """``detect`` takes BGR H×W×3 of any size and answers boxes normalised to it. Raises ``AnswerUnusable`` where the
    network answers with what is no number."""

    @property
    def card(self) -> Card: ...

    @property
    def precision(self) -> str:
        """In what it computes here: ``fp32``, ``bf16`` or ``int8``."""
        ...

    @property
    def at_once(self) -> int:
        """From how many threads ``detect`` may be called at the same time with profit; more of them wait."""
        ...

    def detect(self, picture: NDArray[np.uint8]) -> tuple[Detection, ...]: ...


def open_detector(engine: EngineName, card_path: Path, threads: int = 0) -> Detector:
    """Load checked weights and see them answer. ``threads`` 0: all cores, shared out as a short measurement says
    (a second or two). Raises ``WeightsRefused``.

    ``card_path`` is the card's JSON; Ultralytics also takes any YOLO file (``.pt``), which must be trusted: it is code.
    """
    if engine == "auto":
        engine = "openvino" if find_spec("openvino") else "onnxruntime"
    try:
        if engine == "ultralytics":
            from detectors.ultralytics_engine import UltralyticsDetector

            detector: Detector = UltralyticsDetector(card_path)
        else:
            detector = _planned(engine, card_path, threads)
    except ImportError as error:
        raise WeightsRefused(
            "engine_missing",
            f"未安装推理引擎 {engine}（{error.name}）",
            f"the engine {engine} is not installed ({error.name})",
        ) from error
    check_answers(detector)
    return detector


def _planned(engine: EngineName, card_path: Path, threads: int) -> Detector:
    if engine == "openvino":
        from detectors.openvino_engine import OpenVinoDetector as Engine
    else:
        from detectors.onnxruntime_engine import OnnxRuntimeDetector as Engine  # type: ignore[assignment]  # same calls

    def opened(plan: Plan) -> Detector:
        return Engine(card_path, plan)

    if threads:
        return opened(Plan(threads, 1))
    return fastest(opened, plans(cores()))
