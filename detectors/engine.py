"""The one seam to a YOLO engine: a picture in, detections out. Which runtime does it is a setting."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from detectors.card import TORCH, Card
from detectors.card_file import load_card
from detectors.checking import check_answers
from detectors.cores import cores
from detectors.observation import Detection
from detectors.plan import Plan, fastest, plans
from detectors.refusals import WeightsRefused

EngineName = Literal["openvino", "onnxruntime", "ultralytics", "auto"]
"""``auto``: OpenVINO where it is installed, else ONNX Runtime; for a ``.pt`` Ultralytics, which alone takes it."""
_NEEDED: Mapping[str, tuple[str, ...]] = {
    "openvino": ("openvino",),
    "onnxruntime": ("onnxruntime",),
    "ultralytics": ("torch", "ultralytics"),
}


class Detector(Protocol):
    """``detect`` takes BGR H×W×3 of any size and answers boxes normalised to it, from the card's thresholds on or from
    others by class. ``input_size`` (h, w): as many pixels as the input has instead of the card's, for a network that
    takes any size. Raises ``AnswerUnusable`` where the network answers with what is no number."""

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

    @property
    def compiling(self) -> bool:
        """Whether a network is compiled for pictures of a new shape, and looks at such wait for it."""
        ...

    def detect(
        self,
        picture: NDArray[np.uint8],
        *,
        thresholds: Mapping[str, float] | None = None,
        input_size: tuple[int, int] | None = None,
    ) -> tuple[Detection, ...]: ...


def open_detector(engine: EngineName, card_path: Path, threads: int = 0, *, any_shapes: bool = False) -> Detector:
    """Load checked weights and see them answer. ``threads`` 0: all cores, shared out as a short measurement says
    (a second or two). Raises ``WeightsRefused``.

    ``any_shapes``: pictures of however many shapes are each laid into an input of their proportions, as those of a
    camera of that shape are; without it those of the first few shapes, which bounds the memory of a service.

    ``card_path`` is the card's JSON. To ``ultralytics`` a YOLO file alone may be given, which must be trusted: a
    ``.pt`` is code.
    """
    if engine != "ultralytics" or card_path.suffix == ".json":
        engine = runtime_for(engine, load_card(card_path))
    try:
        if engine == "ultralytics":
            from detectors.ultralytics_engine import UltralyticsDetector

            detector: Detector = UltralyticsDetector(card_path, threads)
            check_answers(detector)
            return detector
        return _planned(engine, card_path, threads, any_shapes=any_shapes)
    except ImportError as error:
        raise _missing(engine, str(error.name)) from error


def runtime_for(engine: EngineName, card: Card) -> EngineName:
    """Which runtime computes the weights of this card. Raises ``WeightsRefused`` ``engine_unfit`` where the one asked
    for cannot, ``engine_missing`` where it is not installed."""
    torch = card.weights is not None and card.weights.endswith(TORCH)
    if torch and engine not in ("auto", "ultralytics"):
        raise WeightsRefused(
            "engine_unfit",
            f"{card.weights} 是 torch 文件，{engine} 不能运行：设 inference.engine 为 ultralytics，或导出为 ONNX",
            f"{card.weights} is torch's and not for {engine}: set inference.engine to ultralytics, or export to ONNX",
        )
    if engine == "auto":
        engine = "ultralytics" if torch else "openvino" if find_spec("openvino") else "onnxruntime"
    missing = [package for package in _NEEDED[engine] if find_spec(package) is None]
    if missing:
        raise _missing(engine, missing[0])
    return engine


def _missing(engine: str, package: str) -> WeightsRefused:
    how = ("，请执行 make train-setup", "; run make train-setup") if engine == "ultralytics" else ("", "")
    return WeightsRefused(
        "engine_missing",
        f"未安装推理引擎 {engine}（缺少 {package}）{how[0]}",
        f"the engine {engine} is not installed ({package} is missing){how[1]}",
    )


def _planned(engine: EngineName, card_path: Path, threads: int, *, any_shapes: bool) -> Detector:
    def opened(plan: Plan) -> Detector:
        if engine == "openvino":
            from detectors.openvino_engine import OpenVinoDetector

            detector: Detector = OpenVinoDetector(card_path, plan, any_shapes=any_shapes)
        else:
            from detectors.onnxruntime_engine import OnnxRuntimeDetector

            detector = OnnxRuntimeDetector(card_path, plan)
        check_answers(detector)  # before it is measured: by what it answers nothing can be
        return detector

    if threads:
        return opened(Plan(threads, 1))
    return fastest(opened, plans(cores()))
