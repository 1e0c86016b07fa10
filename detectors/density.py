"""People counted by density where they are too many and too small for boxes: one box each, placed where they are dense.

The network answers with people in each cell of the picture (fractions add up), each where the head is. Rules look at
detections in zones, so the map is turned into as many small boxes as it holds people. Whom the detector's boxes show
keeps them: a head may lie far above the zone in which somebody stands. It is asked only where boxes already show a
crowd: it was taught crowds, and in an empty street it may see somebody.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from statistics import median

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.answers import AnswerUnusable
from detectors.beside import Runner, checked, runner
from detectors.card import Density
from detectors.card_file import load_card
from detectors.checking import noise, seen_to_answer
from detectors.observation import Box, Detection
from detectors.refusals import WeightsRefused

HEAD = 0.1
"""Where in a person's box the head is, as a share of its height from above."""
_LEAST_SIDE = 1e-6
PIECE = 32
"""The input's sides are multiples of this."""
SCORE = 0.5
"""Of each box: the density has no score of its own, and takes that of the boxes beside which it stands."""
MOST_PEOPLE = 5000
FEWEST = 45
"""People by density from which its count stands: of gatherings seen from near boxes tell as well (decisions 0112,
0121, 0128), and in photos of fires it sees up to 30 where boxes show ten."""
FAR, SURE = 0.5, 15
"""… but for so many people in boxes of whom nine in ten are smaller than this share of the picture's height: a square
seen from far, where boxes miss a third of 20 to 45 (decision 0119). In every gathering of the train part somebody
stands nearer; and photos of fires in which the density sees more firemen than there are show fewer."""
NAMES = ("密度模型", "network for density")


def density_input(picture: NDArray[np.uint8], longest_side: int) -> NDArray[np.float32]:
    """BGR H×W×3 as ``[1, 3, h, w]`` RGB 0..1 with the longer side brought to ``longest_side``, sides whole PIECEs."""
    height, width = picture.shape[:2]
    scale = longest_side / max(height, width)
    size = (max(PIECE, round(width * scale / PIECE) * PIECE), max(PIECE, round(height * scale / PIECE) * PIECE))
    if size != (width, height):
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    tensor = np.ascontiguousarray(picture[:, :, ::-1].transpose(2, 0, 1))[None].astype(np.float32)
    tensor *= np.float32(1 / 255)
    return tensor


def placed_people(density: NDArray[np.float32]) -> tuple[Detection, ...]:
    """``density`` h×w, people in each cell: as many boxes of one cell as there are people, rounded, where they are.

    The cells are walked along a Z-curve, whose neighbours are neighbours in the picture; each time another person is
    full, a box is put down.
    """
    height, width = density.shape
    order = _z_curve(height, width)
    filled = np.cumsum(np.maximum(density.reshape(-1)[order], 0), dtype=np.float64)
    number = min(MOST_PEOPLE, round(float(filled[-1]))) if filled.size else 0
    if not number:
        return ()
    marks = (np.arange(number) + 0.5) * (filled[-1] / number)
    cells = order[np.minimum(np.searchsorted(filled, marks), filled.size - 1)]
    rows, columns = np.divmod(cells, width)
    return tuple(
        Detection("person", SCORE, Box(x / width, y / height, (x + 1) / width, (y + 1) / height))
        for x, y in zip(columns.tolist(), rows.tolist(), strict=True)
    )


@lru_cache(maxsize=8)
def _z_curve(height: int, width: int) -> NDArray[np.int64]:
    """The numbers of the cells, row by row, in the order of a Z-curve (Morton 1966)."""
    rows, columns = np.divmod(np.arange(height * width, dtype=np.int64), width)
    key = np.zeros(height * width, np.int64)
    for bit in range(12):
        key |= ((columns >> bit) & 1) << (2 * bit) | ((rows >> bit) & 1) << (2 * bit + 1)
    return np.argsort(key, kind="stable")


def crowded(detections: Sequence[Detection], density: Density | None) -> bool:
    """Whether boxes show so many and so small people that the density is asked for those whom they miss."""
    heights = [one.box.height for one in detections if one.label == "person"]
    return density is not None and len(heights) >= density.from_people and median(heights) < density.smaller_than


def more_people(detections: Sequence[Detection], by_density: Sequence[Detection]) -> tuple[Detection, ...]:
    """``detections`` with the density's people beside theirs, where those are more, each as sure as the surest of them:
    a rule's least score means boxes, and must not silence a crowd for being dense. Whom boxes show keeps his box, by
    which he stands in a zone; of the density's people those are added whom none shows.

    The density is asked because boxes miss people in a crowd; it takes none back that boxes have seen, in the whole
    picture, as in scenes unlike those it was taught, or in a part of it. A count of fewer than FEWEST is none of a
    crowd, unless boxes show many from far.
    """
    seen = [one for one in detections if one.label == "person"]
    if len(by_density) <= len(seen) or (len(by_density) < FEWEST and not _many_from_far(detections)):
        return tuple(detections)
    surest = max((one.score for one in seen), default=SCORE)
    others = (one for one in detections if one.label != "person")
    return (*others, *(replace(one, score=surest) for one in (*seen, *_not_shown(by_density, seen))))


def _not_shown(by_density: Sequence[Detection], seen: Sequence[Detection]) -> list[Detection]:
    """Of the density's people, of whom there are some, those that are left when each box has taken the one nearest to
    its head, no farther from it than the box is wide and high: a box that the density knows nothing of takes nobody."""
    x, y = np.array([(one.box.centre.x, one.box.centre.y) for one in by_density]).T
    left = np.ones(len(by_density), np.bool_)
    for one in seen:
        wide, high = max(one.box.width, _LEAST_SIDE), max(one.box.height, _LEAST_SIDE)
        away = ((x - one.box.centre.x) / wide) ** 2 + ((y - one.box.y1 - HEAD * high) / high) ** 2
        away[~left] = np.inf
        nearest = away.argmin()
        left[nearest] &= away[nearest] > 1
    return [one for one, stays in zip(by_density, left.tolist(), strict=True) if stays]


def _many_from_far(detections: Sequence[Detection]) -> bool:
    heights = sorted(one.box.height for one in detections if one.label == "person")
    return len(heights) >= SURE and heights[int(0.9 * (len(heights) - 1))] < FAR


class DensityCounter:
    """May be called from several threads; one at a time computes. Raises ``WeightsRefused``."""

    def __init__(self, density: Density, weights: Path, threads: int) -> None:
        data = checked(weights, density.sha256, *NAMES)
        self._density = density
        self._lock = threading.Lock()
        run = runner(data, threads, *NAMES)
        if not run.any_size:  # padding or stretched people are no part of what it was taught
            raise WeightsRefused(
                "weights_fixed_input",
                f"{NAMES[0]} {weights} 的输入尺寸固定，不能用于不同画幅的摄像机：请以可变的高和宽重新导出",
                f"the {NAMES[1]} {weights} takes pictures of one size alone: export it anew for any height and width",
            )
        self._run: Runner = run
        with seen_to_answer(*NAMES):
            self.map(noise(9 * PIECE, 16 * PIECE))

    def map(self, picture: NDArray[np.uint8]) -> NDArray[np.float32]:
        """People in each cell of ``picture`` (BGR H×W×3 at its full size). Raises ``AnswerUnusable``."""
        with self._lock:
            answer = self._run(density_input(picture, self._density.longest_side))
        if answer.ndim != 4 or not answer.size or not np.isfinite(answer).all():
            raise AnswerUnusable("密度图无效", f"a density of shape {answer.shape} or with what is no number")
        return np.asarray(answer[0, 0], np.float32)

    def people(self, picture: NDArray[np.uint8]) -> tuple[Detection, ...]:
        """Everybody in ``picture``, one small box each, normalised to it."""
        return placed_people(self.map(picture))


def open_density(card_path: Path, threads: int) -> DensityCounter | None:
    """The counter that a card of weights names; None where it names none. Raises ``WeightsRefused``."""
    card = load_card(card_path)
    if card.density is None:
        return None
    return DensityCounter(card.density, card_path.parent / card.density.weights, threads)
