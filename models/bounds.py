"""By which bounds each tensor of a network is quantised: chosen by what the network then answers.

The mean over pictures of a tensor's extremes suits most: the very extremes of one picture stretch the steps for all.
But where a few large values carry what is seen, cutting them costs more than coarse steps do; elsewhere cutting more
would cost less. Which is which cannot be told from the values; so each family of tensors is tried with wider and with
narrower bounds, in the order of the network, and what changes the scores of a few training pictures least is kept. No
label is looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray

from models.calibration import Passed

LEVELS = 255
NARROWER = 0.7
"""Share of the mean greatest value to which the narrower bounds reach."""
BETTER = 0.995
"""The loss must fall below this share of what it was: less is chance."""
SEEN = 0.1
"""Score in floats from which a place counts."""
FEWEST = 20
"""Places that a class must be seen at for it to count."""


@dataclass(frozen=True, slots=True)
class Steps:
    """Bytes for a tensor: value = ``scale`` × (byte - ``zero``)."""

    scale: float
    zero: int


Family = frozenset[str]
Loss = Callable[[Mapping[str, Steps]], float]
"""Of a network whose tensors are quantised by these steps."""


def by_mean(family: Family, known: Mapping[str, Passed]) -> Steps:
    """Bounds are means over pictures of the least and of the greatest value."""
    return _steps(
        min(float(known[name].least.mean()) for name in family),
        max(float(known[name].greatest.mean()) for name in family),
    )


def by_extremes(family: Family, known: Mapping[str, Passed]) -> Steps:
    """Nothing that was ever seen is cut."""
    return _steps(
        min(float(known[name].least.min()) for name in family),
        max(float(known[name].greatest.max()) for name in family),
    )


def narrower(family: Family, known: Mapping[str, Passed]) -> Steps:
    """Below zero, where SiLU ends soon, nothing more is cut."""
    return _steps(
        min(float(known[name].least.mean()) for name in family),
        max(float(known[name].greatest.mean()) for name in family) * NARROWER,
    )


def best_steps(
    families: Sequence[Family], known: Mapping[str, Passed], loss: Loss | None, said: Callable[[int], None]
) -> dict[str, Steps]:
    """Steps for each tensor of the ``families``, which come in the order of the network. ``loss`` None: none is tried.
    ``said`` is told how many families are done."""
    steps = {name: by_mean(family, known) for family in families for name in family}
    if loss is None:
        return steps
    least = loss(steps)
    for number, family in enumerate(families):
        said(number)
        for way in (by_extremes, narrower):
            tried = steps | dict.fromkeys(family, way(family, known))
            if (value := loss(tried)) < BETTER * least:
                steps, least = tried, value
    return steps


class ScoresKept:
    """How far the scores of a quantised detector lie from those of floats: the mean square in logits, added up over the
    classes, at places where floats see something. ``inputs`` [1, 3, h, w], all of one size."""

    def __init__(self, model: Any, inputs: Sequence[NDArray[np.float32]]) -> None:
        self._core = openvino.Core()
        self._inputs = inputs
        exact = [_logits(answer) for answer in self._answers(model)]
        self._seen = [answer > np.log(SEEN / (1 - SEEN)) for answer in exact]
        counts = np.sum([places.sum(axis=1) for places in self._seen], axis=0)
        self._classes = np.flatnonzero(counts >= FEWEST)
        self._exact = exact

    def __call__(self, model: Any) -> float:
        rounded = [_logits(answer) for answer in self._answers(model)]
        return float(
            sum(
                np.concatenate(
                    [(r[k] - e[k])[s[k]] ** 2 for r, e, s in zip(rounded, self._exact, self._seen, strict=True)]
                ).mean()
                for k in self._classes
            )
        )

    def _answers(self, model: Any) -> list[NDArray[np.float32]]:
        network = self._core.read_model(model.SerializeToString())
        network.reshape(list(self._inputs[0].shape))
        options = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
        compiled = self._core.compile_model(network, "CPU", options)
        return [np.array(compiled([one])[0][0], np.float32) for one in self._inputs]


def _logits(answer: NDArray[np.float32]) -> NDArray[np.float32]:
    scores = np.clip(answer[4:], 1e-4, 1 - 1e-4)
    return np.asarray(np.log(scores / (1 - scores)), np.float32)


def _steps(low: float, high: float) -> Steps:
    low, high = min(0.0, low), max(1e-6, high)
    scale = (high - low) / LEVELS
    return Steps(scale, round(-low / scale))
