"""A judge of the second look: how likely a crop round a candidate, or a whole picture, shows fire, and smoke.

The detector looks at the crop with the same eyes as before and takes the same wall for smoke again. The judge stands on
features that were taught to tell a thousand things apart, lamps and sunsets among them; so it errs at other places.
What it doubts lowers the detector's score (``detectors.doubt``) and counts as not confirmed
(``detectors.rules.fire_proof``), no more: it never silences what the detector is sure of.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.answers import check_scores, shape_differs
from detectors.beside import checked, runner
from detectors.card import Judging
from detectors.card_file import load_card
from detectors.checking import noise, seen_to_answer
from detectors.observation import Box

View = Literal["crop", "whole"]
VIEWS: tuple[View, ...] = ("crop", "whole")
"""What a picture that is judged shows: the surroundings of a candidate, or all that the camera sees."""
SIDE = 224
"""Height and width in px of the judge's input; a picture is stretched to it."""
NAMES = ("复核模型", "judge of the second look")


def part_of(picture: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """The pixels of ``picture`` (H×W×3) within ``box``; at least one."""
    height, width = picture.shape[:2]
    x1, y1 = min(width - 1, int(box.x1 * width)), min(height - 1, int(box.y1 * height))
    return picture[y1 : max(y1 + 1, round(box.y2 * height)), x1 : max(x1 + 1, round(box.x2 * width))]


def judge_input(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The crop (BGR H×W×3) as SIDE×SIDE×3."""
    larger = crop.shape[0] > SIDE or crop.shape[1] > SIDE
    way = cv2.INTER_AREA if larger else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(crop, (SIDE, SIDE), interpolation=way), np.uint8)


def tensor(crop: NDArray[np.uint8]) -> NDArray[np.float32]:
    """SIDE×SIDE×3 BGR bytes as ``[1, 3, SIDE, SIDE]`` RGB 0..1."""
    made = np.ascontiguousarray(crop[:, :, ::-1].transpose(2, 0, 1))[None].astype(np.float32)
    made *= np.float32(1 / 255)
    return made


class Judge:
    """May be called from several threads; one at a time computes. Raises ``WeightsRefused``."""

    def __init__(self, judging: Judging, weights: Path, threads: int) -> None:
        data = checked(weights, judging.sha256, *NAMES)
        self._labels = judging.labels
        self._lock = threading.Lock()
        self._run = runner(data, threads, *NAMES)
        with seen_to_answer(*NAMES):
            self.judged(noise(SIDE, SIDE), "crop")

    def judged(self, picture: NDArray[np.uint8], view: View) -> Mapping[str, float]:
        """By hazard, 0..1, how likely the picture (BGR H×W×3) shows it. Raises ``AnswerUnusable``."""
        with self._lock:
            answer = self._run(tensor(judge_input(picture)))
        if answer.shape != (1, len(VIEWS), len(self._labels)):
            raise shape_differs(answer.shape, f"{len(self._labels)} hazards")
        check_scores(answer[0])
        said = answer[0, VIEWS.index(view)]
        return {label: float(value) for label, value in zip(self._labels, said, strict=True)}


def open_judge(card_path: Path, threads: int) -> Judge | None:
    """The judge that a card of weights names; None where it names none. Raises ``WeightsRefused``."""
    card = load_card(card_path)
    if card.judge is None:
        return None
    return Judge(card.judge, card_path.parent / card.judge.weights, threads)
