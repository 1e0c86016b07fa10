"""The form of a measurement's result, and the machine it was taken on."""

from __future__ import annotations

import json
import operator
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Figures = Mapping[str, float | None]
Target = tuple[str, float]
_OPERATORS = {"<=": operator.le, ">=": operator.ge, "==": operator.eq, "<": operator.lt, ">": operator.gt}


@dataclass(frozen=True, slots=True)
class Result:
    """``targets``: for each figure the operator and number it is held to. A figure that is None holds no target."""

    bench: str
    figures: Figures
    targets: Mapping[str, Target]

    @property
    def holds(self) -> bool:
        return all(self._holds(name, *target) for name, target in self.targets.items())

    def line(self) -> str:
        """One line of JSON."""
        return json.dumps(
            {
                "bench": self.bench,
                "machine": machine(),
                "figures": dict(self.figures),
                "targets": {name: list(target) for name, target in self.targets.items()},
                "holds": self.holds,
            },
            ensure_ascii=False,
        )

    def _holds(self, name: str, sign: str, number: float) -> bool:
        figure = self.figures.get(name)
        return figure is not None and bool(_OPERATORS[sign](figure, number))


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory / 2**30, 1),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
    }


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
