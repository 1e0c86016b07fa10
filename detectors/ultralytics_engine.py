"""Weights on Ultralytics (the training extra): the engine for GPUs and for any YOLO file, and the one training used."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.boxes import detections
from detectors.card import Card
from detectors.cores import cores
from detectors.input_size import input_for
from detectors.letterbox import letterbox, shows_nothing
from detectors.observation import Detection
from detectors.refusals import WeightsRefused, classes_differ
from detectors.weights import checked_weights

THRESHOLD = 0.25
"""Least score where a YOLO file has no card: Ultralytics' own default."""
SIDE = 640
"""Input px where a YOLO file does not say what it was trained at."""


class UltralyticsDetector:
    """Ultralytics loads and runs the network; boxes are made by the same code as for the other engines.

    ``path`` is a card (JSON, its weights beside it) or a YOLO file. A ``.pt`` is a pickle, so code: only trusted ones.
    Of networks that can do without suppression (YOLO26, YOLOv10) the head that suppression follows is taken.
    ``threads``: of torch on a CPU, for all of this process; 0: as torch itself does, one for each core.
    """

    def __init__(self, path: Path, threads: int = 0) -> None:
        card, weights = checked_weights(path) if path.suffix == ".json" else (None, path)
        if not weights.is_file():
            raise WeightsRefused("weights_missing", f"找不到模型权重 {weights}", f"{weights} is not there")
        # Before the first import: Ultralytics must neither ask the network nor install packages.
        os.environ.setdefault("YOLO_OFFLINE", "true")
        os.environ.setdefault("YOLO_AUTOINSTALL", "false")
        from models.torchvision_ops import register

        register()
        import torch
        from ultralytics.nn.autobackend import AutoBackend

        self._torch = torch
        torch.set_num_threads(threads or min(cores(), torch.get_num_threads()))
        self._device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
        try:
            self._network: Any = AutoBackend(model=str(weights), device=self._device, verbose=False, end2end=False)
        except Exception as error:  # whatever the many loaders behind it raise
            raise WeightsRefused(
                "weights_unusable", f"模型权重无法加载：{weights}", f"Ultralytics cannot load {weights}: {error}"
            ) from error
        names = tuple(str(self._network.names[number]) for number in range(len(self._network.names)))
        self._named = not _numbered(names)
        if card is not None and self._named and names != card.classes:
            raise classes_differ(names, card.classes)
        self._card = card or _card_of(weights, names, self._network)
        self._any_size = weights.suffix == ".pt" or bool(
            getattr(getattr(self._network, "backend", None), "dynamic", False)
        )
        self._one = threading.Lock()
        self._ready: set[tuple[int, ...]] = set()
        """Shapes that were looked at before: at the first of each a GPU loads or compiles what it computes by, which
        may take a minute."""
        self._compiling = False

    @property
    def card(self) -> Card:
        return self._card

    @property
    def precision(self) -> str:
        return "int8" if self._card.precision == "int8" else "fp32"

    @property
    def at_once(self) -> int:
        return 1

    @property
    def compiling(self) -> bool:
        return self._compiling

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
        with self._one, self._torch.inference_mode():
            self._compiling = tensor.shape not in self._ready
            try:
                output = self._network(self._torch.from_numpy(tensor).to(self._device))
                self._ready.add(tensor.shape)
            finally:
                self._compiling = False
        while isinstance(output, list | tuple):
            output = output[0]
        array = np.asarray(output.float().cpu().numpy(), np.float32)[0]
        if array.ndim != 2 or len(array) != 4 + len(self._card.classes):
            if self._named or array.ndim != 2:
                raise WeightsRefused(
                    "weights_no_detector",
                    f"模型 {self._card.name} 不是目标检测模型（如分割、姿态、分类模型）",
                    f"the weights {self._card.name} do not answer with boxes of their classes (they segment, classify,"
                    " tell poses): only detectors are taken",
                )
            raise classes_differ(len(array) - 4, self._card.classes)
        return detections(array, self._card.classes, thresholds or self._card.thresholds, placement)


def _numbered(names: tuple[str, ...]) -> bool:
    """Ultralytics makes up ``class0`` and so on where a file names none."""
    return names == tuple(f"class{number}" for number in range(len(names)))


def _fixed_size(network: Any) -> tuple[int, int] | None:
    """Height and width that an ONNX file is bound to, where it is."""
    session = getattr(getattr(network, "backend", None), "session", None)
    shape: list[Any] = session.get_inputs()[0].shape if session is not None else []
    return (shape[2], shape[3]) if len(shape) == 4 and all(isinstance(side, int) for side in shape[2:]) else None


def _card_of(weights: Path, names: tuple[str, ...], network: Any) -> Card:
    """A YOLO file's card, from what the file says of itself."""
    stride = max(1, int(network.stride))
    size = (
        _fixed_size(network)
        or getattr(network, "imgsz", None)
        or getattr(getattr(network, "model", None), "args", {}).get("imgsz", SIDE)
    )
    height, width = (size, size) if isinstance(size, int) else size
    return Card(
        name=weights.stem,
        sha256=hashlib.sha256(weights.read_bytes()).hexdigest(),
        classes=names,
        input_size=(-(-int(height) // stride) * stride, -(-int(width) // stride) * stride),
        stride=stride,
        thresholds=dict.fromkeys(names, THRESHOLD),
        precision="fp32",
        licence="unknown",
        weights=weights.name,
    )
