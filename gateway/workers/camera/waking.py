"""How much of the processor may go into decoding more than keyframes, and whose turn it is. Pure: no clock, no task.

A woken camera's frames are decoded one and all, which costs ten to twenty times what its keyframes cost. Those for
which something asks (a rule with a candidate, motion, the camera's own event) come before those whose keyframes are
merely too slow, of those first what may be a fire, and among equals whoever came first stays. Those for which something
asks take turns: what a rule has in sight may never come to anything, and another fire is not to wait for it all night.
Whoever does not get its turn waits, and is counted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
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


TURN = 15.0
"""Seconds for which an urgent claim stays, once granted, though others wait: a fire is proved in 3 to 12."""


@dataclass(frozen=True, slots=True)
class _Claim:
    """``number``: its place among those who wait. ``urgent_from``: since when it is granted and urgent."""

    number: int
    cores: float
    urgent: bool
    fire: bool
    urgent_from: float | None = None

    def turn_over(self, now: float) -> bool:
        return self.urgent_from is not None and not 0 <= now - self.urgent_from < TURN


class WakeBudget:
    """``cores``: how many the woken cameras of one worker may use together; at 0 none is ever woken."""

    def __init__(self, cores: float) -> None:
        self._cores = cores
        self._claims: dict[str, _Claim] = {}
        self._granted: frozenset[str] = frozenset()
        self._claimed = 0
        self._now = 0.0

    def hold(self, who: str, cores: float, *, urgent: bool, fire: bool = False, now: float) -> bool:
        """Claim so many cores, or say anew what is claimed; whether ``who`` may be awake now. Ask again regularly.
        ``fire``: what makes it urgent may be one."""
        before = self._claims.get(who)
        number = before.number if before is not None else self._next_number()
        urgent_from = before.urgent_from if before is not None and urgent else None
        self._claims[who] = _Claim(number, cores, urgent, fire, urgent_from)
        self._now = now
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

    def _next_number(self) -> int:
        self._claimed += 1
        return self._claimed

    def _share_out(self) -> None:
        granted: set[str] = set()
        used = 0.0
        somebody_waits = False
        for who in sorted(self._claims, key=self._turn):
            claim = self._claims[who]
            # One that is larger than the whole budget still gets its turn when nobody else is awake.
            fits = used + claim.cores <= self._cores or (not granted and self._cores > 0)
            # Nor do smaller ones that came later go before a large one for ever.
            overtakes = somebody_waits and claim.urgent and who not in self._granted
            if fits and not overtakes:
                granted.add(who)
                used += claim.cores
            else:
                somebody_waits = somebody_waits or claim.urgent
        for who, claim in sorted(self._claims.items(), key=lambda one: one[1].number):
            if who in granted:
                since = self._now if claim.urgent and claim.urgent_from is None else claim.urgent_from
                self._claims[who] = replace(claim, urgent_from=since)
            elif claim.urgent_from is not None:
                # Whoever has had its turn waits behind all others.
                number = self._next_number() if claim.turn_over(self._now) else claim.number
                self._claims[who] = replace(claim, number=number, urgent_from=None)
        self._granted = frozenset(granted)

    def _turn(self, who: str) -> tuple[bool, bool, bool, bool, int]:
        """What may be a fire before all else; of equals those who stay, those who wait, those whose turn is over."""
        claim = self._claims[who]
        over = claim.turn_over(self._now)
        return not claim.urgent, not claim.fire, over, who not in self._granted, claim.number
