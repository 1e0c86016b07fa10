"""Weights on Ultralytics (the training extra): the engine for GPUs, and the one that training used."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.boxes import detections
from detectors.letterbox import letterbox
from detectors.observation import Detection
from detectors.weights import Card, WeightsRefused, checked_weights


class UltralyticsDetector:
    """Ultralytics loads and runs the network; boxes are made by the same code as for the other engines."""

    def __init__(self, card_path: Path) -> None:
        from models.torchvision_ops import register

        register()
        import torch
        from ultralytics.nn.autobackend import AutoBackend

        os.environ.setdefault("YOLO_OFFLINE", "true")
        self._card, weights = checked_weights(card_path)
        self._torch = torch
        self._device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
        try:
            self._network: Any = AutoBackend(model=str(weights), device=self._device, verbose=False)
        except Exception as error:  # whatever the many loaders behind it raise
            raise WeightsRefused(
                "weights_unusable", f"模型权重无法加载：{weights}", f"Ultralytics cannot load {weights}: {error}"
            ) from error

    @property
    def card(self) -> Card:
        return self._card

    def detect(self, picture: NDArray[np.uint8]) -> tuple[Detection, ...]:
        tensor, placement = letterbox(picture, self._card.input_size)
        with self._torch.inference_mode():
            output = self._network(self._torch.from_numpy(tensor).to(self._device))
        if isinstance(output, list | tuple):
            output = output[0]
        array = np.asarray(output.float().cpu().numpy(), np.float32)[0]
        return detections(array, self._card.classes, self._card.thresholds, placement)
