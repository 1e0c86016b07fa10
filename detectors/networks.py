"""The networks of one card, and which of them answers about which part of a picture.

The whole picture goes to the detector, twice where it may show fire or smoke, and so do tiles; a crop round a candidate
goes to it and to the judge, and so does a whole picture in which there is a candidate; where people are many, the
counter of dense crowds is asked, and for the parts of a stall the finder of those. Live, in
trials and in benches it is this that looks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import numpy as np
import structlog
from numpy.typing import NDArray

from detectors import augmented, cues, density, judge
from detectors.answers import AnswerUnusable
from detectors.beside import QUANTISED, checked
from detectors.card import Card
from detectors.closer import HAZARDS
from detectors.cues import CueFinder, open_cues
from detectors.density import DensityCounter, open_density
from detectors.engine import Detector, EngineName, open_detector
from detectors.judge import Judge, View, open_judge
from detectors.observation import Detection
from detectors.refusals import WeightsRefused
from detectors.sees import refuse_blindness
from detectors.weights import checked_weights, weights_of

log = structlog.get_logger(__name__)

WHOLE, DENSITY, CUES = "whole", "density", "cues"
_CROP = "crop-"


def crop_part(number: int) -> str:
    """The name of the crop round a candidate."""
    return f"{_CROP}{number}"


@dataclass(frozen=True, slots=True)
class Sighting:
    """``judged``: how likely the picture shows each hazard; empty where nobody judged."""

    detections: tuple[Detection, ...]
    judged: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Networks:
    """``look`` may be called from several threads. Raises ``AnswerUnusable``."""

    detector: Detector
    density: DensityCounter | None = None
    judge: Judge | None = None
    cues: CueFinder | None = None

    def look(self, picture: NDArray[np.uint8], part: str) -> Sighting:
        """What is seen in ``picture`` (BGR H×W×3), boxes normalised to it."""
        if part == DENSITY and self.density is not None:
            return Sighting(self.density.people(picture))
        if part == CUES:
            return Sighting(self.cues.find(picture) if self.cues is not None else ())
        found = augmented.look(self.detector, picture) if part == WHOLE else self.detector.detect(picture)
        if self.judge is None:
            return Sighting(found)
        if part.startswith(_CROP):
            return Sighting(found, _judged(self.judge, picture, "crop"))
        if part == WHOLE and any(one.label in HAZARDS for one in found):
            return Sighting(found, _judged(self.judge, picture, "whole"))
        return Sighting(found)


def _judged(judge: Judge, picture: NDArray[np.uint8], view: View) -> Mapping[str, float]:
    """Nothing where the judge answers with nothing usable: a fire that the detector sees is not silenced by that."""
    try:
        return judge.judged(picture, view)
    except AnswerUnusable as unusable:
        log.warning("judge_unusable", view=view, detail=unusable.en)
        return {}


def files_of(card: Card, card_path: Path) -> tuple[Path, ...]:
    """Every file of weights that a card names, the detector's first; not yet read."""
    beside = (one for one in (card.quantised, card.density, card.judge, card.cues) if one is not None)
    return (weights_of(card, card_path), *(card_path.parent / one.weights for one in beside))


def checked_files(card_path: Path) -> tuple[Card, tuple[Path, ...]]:
    """The card, and every file of weights that it names, the detector's first: all there and those that it means, and
    fit to watch: a hazard can be told by them, and what fewer bits cost was measured. Raises ``WeightsRefused``."""
    card, weights = checked_weights(card_path)
    refuse_blindness(card)
    if card.precision == "int8" and not card.accuracy_lost:
        raise WeightsRefused(
            "accuracy_unmeasured",
            f"int8 模型 {card.name} 的模型卡没有写明精度损失（accuracy_lost），请重新导出",
            f"the card of the int8 weights {card.name} does not say what they lost (accuracy_lost): export them anew",
        )
    files = [weights]
    for named, names in (
        (card.quantised, QUANTISED),
        (card.density, density.NAMES),
        (card.judge, judge.NAMES),
        (card.cues, cues.NAMES),
    ):
        if named is not None:
            beside = card_path.parent / named.weights
            checked(beside, named.sha256, *names)
            files.append(beside)
    return card, tuple(files)


def open_networks(engine: EngineName, card_path: Path, threads: int = 0) -> Networks:
    """All that a card names. Blocks for seconds. Raises ``WeightsRefused``."""
    detector = open_detector(engine, card_path, threads)
    return Networks(detector, open_density(card_path, 1), open_judge(card_path, 1), open_cues(card_path, 1))
