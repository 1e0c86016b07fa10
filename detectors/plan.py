"""How an engine shares out the cores: a few ways are measured for a moment when it starts, the fastest one is kept.

What is best differs by machine: two streams of one thread each carry a third more pictures than one stream of two on
two cores, and on a machine with many cores a stream for each starves the caches.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import structlog

if TYPE_CHECKING:
    from detectors.engine import Detector

log = structlog.get_logger(__name__)

TURNS, MEASURED_SECONDS = 3, 0.25
WORTH_IT = 1.05
"""A plan with more streams answers each picture later: it must carry so much more."""


@dataclass(frozen=True, slots=True)
class Plan:
    """``threads`` in all, divided among ``streams`` that each work on one picture at a time."""

    threads: int
    streams: int


def plans(threads: int) -> tuple[Plan, ...]:
    """The ways to share out ``threads`` that are worth a measurement, fewest streams first."""
    return tuple(
        Plan(threads, streams) for streams in sorted({1, 2, threads // 2, threads} - {0}) if streams <= threads
    )


def pictures_per_second(detector: Detector, seconds: float) -> float:
    """Pictures of the usual size looked at by as many threads as the detector takes at once."""
    height, width = detector.card.input_size
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2] = 255  # one without contrast would not be computed
    detector.detect(picture)
    counts = [0] * detector.at_once
    began = time.perf_counter()

    def run(number: int) -> None:
        while time.perf_counter() - began < seconds:
            detector.detect(picture)
            counts[number] += 1

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(counts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - began)


def fastest(
    opened: Callable[[Plan], Detector],
    wanted: Sequence[Plan],
    measure: Callable[[Detector, float], float] = pictures_per_second,
) -> Detector:
    """The detector of the plan that carries most; a plan of fewer streams unless another is clearly faster.

    They take turns, and the best turn of each counts: what else runs on the machine while it starts makes one slower,
    never faster, and one plan is kept for as long as the engine lives.
    """
    if len(wanted) == 1:
        return opened(wanted[0])
    detectors = [(plan, opened(plan)) for plan in wanted]
    rates = dict.fromkeys(wanted, 0.0)
    for _ in range(TURNS):
        for plan, detector in detectors:
            rates[plan] = max(rates[plan], measure(detector, MEASURED_SECONDS))
    best, most = detectors[0][1], 0.0
    for plan, detector in detectors:
        rate = rates[plan]
        log.info("engine_measured", threads=plan.threads, streams=plan.streams, pictures_per_second=round(rate, 1))
        if rate > most * WORTH_IT:
            best, most = detector, rate
    return best
