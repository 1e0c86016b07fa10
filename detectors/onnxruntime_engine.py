"""Weights on ONNX Runtime: the second engine without torch.

It computes floats though a card names a quantised file: bytes take it a third longer (76 ms of processor, not 57).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from detectors.any_size import session_takes_any_size
from detectors.boxes import detections
from detectors.card import Card
from detectors.input_size import input_for
from detectors.letterbox import letterbox, shows_nothing
from detectors.observation import Detection
from detectors.plan import Plan
from detectors.refusals import WeightsRefused, classes_differ
from detectors.weights import checked_weights


class OnnxRuntimeDetector:
    """One session on the CPU; several threads may call it."""

    def __init__(self, card_path: Path, plan: Plan) -> None:
        self._card, weights = checked_weights(card_path)
        self._plan = plan
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = max(1, plan.threads // plan.streams)
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            data = weights.read_bytes()  # by its path, tensors would be taken from files that no sha256 vouches for
            self._session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the runtime's exceptions have no base of their own
            raise WeightsRefused(
                "weights_unusable", f"模型权重无法加载：{weights}", f"ONNX Runtime cannot load {weights}: {error}"
            ) from error
        taken = self._session.get_inputs()[0]
        self._input = taken.name
        self._any_size = session_takes_any_size(self._session)
        shape = self._session.get_outputs()[0].shape
        channels = shape[1] if len(shape) > 1 else None
        if isinstance(channels, int) and channels != 4 + len(self._card.classes):
            raise classes_differ(channels - 4, self._card.classes)

    @property
    def card(self) -> Card:
        return self._card

    @property
    def precision(self) -> str:
        return "int8" if self._card.precision == "int8" else "fp32"

    @property
    def at_once(self) -> int:
        return self._plan.streams

    @property
    def compiling(self) -> bool:
        return False

    def detect(
        self,
        picture: NDArray[np.uint8],
        *,
        thresholds: Mapping[str, float] | None = None,
        input_size: tuple[int, int] | None = None,
    ) -> tuple[Detection, ...]:
        if shows_nothing(picture):
            return ()
        size = self._card.input_size
        if self._any_size:
            size = input_for(picture.shape[0], picture.shape[1], input_size or size, self._card.stride)
        tensor, placement = letterbox(picture, size)
        output = np.asarray(self._session.run(None, {self._input: tensor})[0], np.float32)[0]
        return detections(output, self._card.classes, thresholds or self._card.thresholds, placement)
