"""How much of the processor may go into decoding more than keyframes, and whose turn it is. Pure: no clock, no task.

A woken camera's frames are decoded one and all, which costs ten to twenty times what its keyframes cost. Those for
which something asks (a rule with a candidate, motion, the camera's own event) come before those whose keyframes are
merely too slow, and among equals whoever came first stays. Whoever does not get its turn waits, and is counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Codec = Literal["h264", "hevc"]

CORES_PER_PIXEL = {"h264": 3.3e-9, "hevc": 4.6e-9}
"""Core-seconds for each pixel decoded (17 % and 24 % of a core for 1080p at 25 frames a second, measured)."""
USUAL_RATE = 25.0
SUB_STREAM_CORES = 0.035
"""What a sub-stream is expected to cost before it has been seen (640x360 at 25 frames a second, measured)."""


def expected_cores(codec: Codec, width: int, height: int, rate: float = USUAL_RATE) -> float:
    """What decoding every frame of such a stream is expected to cost, before it has been measured."""
    return CORES_PER_PIXEL[codec] * width * height * rate


@dataclass(frozen=True, slots=True)
class _Claim:
    number: int
    cores: float
    urgent: bool


class WakeBudget:
    """``cores``: how many the woken cameras of one worker may use together; at 0 none is ever woken."""

    def __init__(self, cores: float) -> None:
        self._cores = cores
        self._claims: dict[str, _Claim] = {}
        self._granted: frozenset[str] = frozenset()
        self._claimed = 0

    def hold(self, who: str, cores: float, *, urgent: bool) -> bool:
        """Claim so many cores, or say anew what is claimed; whether ``who`` may be awake now. Ask again regularly."""
        before = self._claims.get(who)
        if before is None:
            self._claimed += 1
        number = before.number if before is not None else self._claimed
        self._claims[who] = _Claim(number, cores, urgent)
        self._share_out()
        return who in self._granted

    def release(self, who: str) -> None:
        if self._claims.pop(who, None) is not None:
            self._share_out()

    @property
    def awake(self) -> int:
        return len(self._granted)

    @property
    def waiting(self) -> int:
        """Cameras that would be awake if there were room."""
        return len(self._claims) - len(self._granted)

    @property
    def used(self) -> float:
        """Cores claimed by those who are awake."""
        return sum(self._claims[who].cores for who in self._granted)

    def _share_out(self) -> None:
        def turn(who: str) -> tuple[bool, bool, int]:
            claim = self._claims[who]
            return not claim.urgent, who not in self._granted, claim.number

        granted: set[str] = set()
        used = 0.0
        for who in sorted(self._claims, key=turn):
            cores = self._claims[who].cores
            # One that is larger than the whole budget still gets its turn when nobody else is awake.
            if used + cores <= self._cores or (not granted and self._cores > 0):
                granted.add(who)
                used += cores
        self._granted = frozenset(granted)
