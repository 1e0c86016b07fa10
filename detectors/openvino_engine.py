"""Weights on OpenVINO: the default on a CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino
from numpy.typing import NDArray

from detectors.boxes import detections
from detectors.letterbox import letterbox
from detectors.observation import Detection
from detectors.weights import Card, WeightsRefused, checked_weights, classes_differ


class OpenVinoDetector:
    """One compiled model and one request; fixed input size, as the card says."""

    def __init__(self, card_path: Path, threads: int) -> None:
        self._card, weights = checked_weights(card_path)
        height, width = self._card.input_size
        core = openvino.Core()
        try:
            model = core.read_model(str(weights))
            model.reshape([1, 3, height, width])
            options = {
                "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_NUM_THREADS": threads,
                "INFERENCE_PRECISION_HINT": "f32",
                "ENABLE_CPU_PINNING": False,
            }
            self._compiled = core.compile_model(model, "CPU", options)
        except RuntimeError as error:
            raise WeightsRefused(
                "weights_unusable", f"模型权重无法加载：{weights}", f"OpenVINO cannot load {weights}: {error}"
            ) from error
        self._request = self._compiled.create_infer_request()
        outputs = self._compiled.output(0).partial_shape
        if outputs[1].is_static and outputs[1].get_length() != 4 + len(self._card.classes):
            raise classes_differ(outputs[1].get_length() - 4, self._card.classes)

    @property
    def card(self) -> Card:
        return self._card

    def detect(self, picture: NDArray[np.uint8]) -> tuple[Detection, ...]:
        tensor, placement = letterbox(picture, self._card.input_size)
        result = self._request.infer([tensor])
        output = np.asarray(result[self._compiled.output(0)], np.float32)[0]
        return detections(output, self._card.classes, self._card.thresholds, placement)
