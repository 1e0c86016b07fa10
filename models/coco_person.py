"""Finds people with the COCO weights, to label what the sources leave unlabelled."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

_SIZE = 640
_PERSON_ROW = 4


@dataclass(frozen=True, slots=True)
class FoundPerson:
    """A person: score 0..1, box as centre x, centre y, width, height, normalised to the picture."""

    score: float
    box: tuple[float, float, float, float]


class CocoPersonFinder:
    """The shared YOLOv8n COCO export on ONNX Runtime, people only. Raises ``FileNotFoundError`` without it."""

    def __init__(self, weights: Path, threads: int = 2) -> None:
        if not weights.is_file():
            raise FileNotFoundError(weights)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(str(weights), options, providers=["CPUExecutionProvider"])

    def find(self, picture: NDArray[np.uint8], least: float) -> tuple[FoundPerson, ...]:
        """People with a score of at least ``least``, best first."""
        height, width = picture.shape[:2]
        scale = _SIZE / max(height, width)
        small = cv2.resize(picture, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)
        framed = np.full((_SIZE, _SIZE, 3), 114, np.uint8)
        framed[: small.shape[0], : small.shape[1]] = small
        blob = framed[:, :, ::-1].transpose(2, 0, 1)[None].astype(np.float32) / 255
        (output,) = self._session.run(None, {"images": blob})
        rows = output[0].T
        rows = rows[rows[:, _PERSON_ROW] >= least]
        boxes = [(x - w / 2, y - h / 2, w, h) for x, y, w, h in rows[:, :4].tolist()]
        scores = rows[:, _PERSON_ROW].tolist()
        kept = cv2.dnn.NMSBoxes(boxes, scores, least, 0.6) if boxes else []
        found = []
        for index in np.asarray(kept, np.int64).reshape(-1).tolist():
            x, y, w, h = (
                value / (extent * scale)
                for value, extent in zip(rows[index, :4].tolist(), (width, height) * 2, strict=True)
            )
            found.append(FoundPerson(scores[index], (x, y, w, h)))
        return tuple(found)
