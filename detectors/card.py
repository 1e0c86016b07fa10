"""What a card says of a set of weights, as values. ``detectors.card_facts`` says which of them make sense."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

TORCH = ".pt"
"""A YOLO file as torch pickles it. That is code: it is loaded only where a card names its sha256."""


@dataclass(frozen=True, slots=True)
class Counting:
    """How people are counted where they are many and small: ``columns`` × ``rows`` tiles of the picture at its full
    size, each reaching ``overlap`` of its sides into its neighbours, their boxes merged.

    Looked at once the whole picture shows ``from_people``; ``threshold``: a person's score in a tile.
    """

    columns: int
    rows: int
    overlap: float
    from_people: int
    threshold: float


@dataclass(frozen=True, slots=True)
class Density:
    """How people are counted where boxes no longer do: by a network for density (see ``detectors.density``).

    ``weights``: its file beside the card, of ``sha256``. It is asked, with the picture's longer side at
    ``longest_side`` px, once boxes show ``from_people`` whose median height is under ``smaller_than`` of the picture's:
    people so small are mostly missed by boxes. Whom they miss is then added.
    """

    weights: str
    sha256: str
    from_people: int
    smaller_than: float
    longest_side: int


@dataclass(frozen=True, slots=True)
class Augmented:
    """How a whole picture is looked at once more (see ``detectors.augmented``): where fire or smoke is seen at
    ``from_score``, in an input of as many pixels as ``input_size``, height and width in px."""

    input_size: tuple[int, int]
    from_score: float


@dataclass(frozen=True, slots=True)
class Judging:
    """Who judges the second look (see ``detectors.judge``): the file ``weights`` beside the card, of ``sha256``, which
    answers for each of ``labels`` in this order."""

    weights: str
    sha256: str
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cues:
    """Who finds the parts of a stall, and vehicles (see ``detectors.cues``): the file ``weights`` beside the card, of
    ``sha256``, whose ``classes`` bear in this order the names that rules know, several the same one.

    ``thresholds``: the least score by name. ``input_size``: height and width in px, as the card's. ``market_from``: the
    least score of a market scene, which is a stall (see ``detectors.market``); None: it tells none.
    """

    weights: str
    sha256: str
    classes: tuple[str, ...]
    thresholds: Mapping[str, float]
    input_size: tuple[int, int]
    market_from: float | None = None


@dataclass(frozen=True, slots=True)
class Quantised:
    """The same network in 8-bit integers: the file ``weights`` beside the card, of ``sha256``. It is computed where the
    processor multiplies such numbers by itself (``detectors.processor``); elsewhere the card's own file is.

    ``accuracy_lost``: as the card's, for this file.
    """

    weights: str
    sha256: str
    accuracy_lost: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Card:
    """What a set of weights is. ``input_size`` is height and width in px: how many pixels an input has; its
    proportions follow the camera's.

    ``thresholds`` holds the shipped score of each class. ``precision``: ``fp32``, ``bf16`` (computed in bfloat16 where
    the CPU can), ``int8`` (quantised in the file). ``accuracy_lost``: what fewer bits cost each class, in average
    precision at IoU 0.5 on the validation split, against the same weights in fp32. ``counting`` None: whole pictures.
    ``augmented`` None: once. ``density`` None: boxes alone. ``judge`` None: the detector alone looks a second time.
    ``cues`` None: stalls are told by the detector alone. ``quantised`` None: there is but the one file. ``weights``:
    the file beside the card; None: the card's own name with ``.onnx``.

    ``sha256`` is of the detector's weights alone. ``card_sha256`` is of the card's own file, which names all the other
    networks by theirs and says how they are used: by it two cards are told apart that share a detector. Empty: the card
    was read from no file.
    """

    name: str
    sha256: str
    classes: tuple[str, ...]
    input_size: tuple[int, int]
    stride: int
    thresholds: Mapping[str, float]
    precision: str
    licence: str
    counting: Counting | None = None
    augmented: Augmented | None = None
    density: Density | None = None
    judge: Judging | None = None
    cues: Cues | None = None
    quantised: Quantised | None = None
    weights: str | None = None
    accuracy_lost: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    details: Mapping[str, Any] = field(repr=False, default_factory=lambda: MappingProxyType({}))
    card_sha256: str = ""

    def thresholds_to(self, lowest: float) -> Mapping[str, float]:
        """The thresholds, none of them above ``lowest``."""
        return {name: min(threshold, lowest) for name, threshold in self.thresholds.items()}
