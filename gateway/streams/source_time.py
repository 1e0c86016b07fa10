"""A timeline that never goes back, from what a camera says about time and from when its pictures arrive. Pure.

Camera clocks are set, jump, stand still and begin anew. As long as the stream's own times are plausible they are kept
to the tick; where they are not, the time that really passed takes their place and the stream's times count on from it.
"""

from __future__ import annotations

from dataclasses import dataclass

CLOCK_RATE = 90_000
LONGEST_STEP = 10 * CLOCK_RATE
LARGEST_REORDERING = CLOCK_RATE
"""B-frames are shown at most so much earlier than a frame that came before them."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """``pts`` and ``composition_offset`` as in ``EncodedFrame``. ``reordered``: shown before one that came earlier."""

    pts: int
    composition_offset: int
    reordered: bool


class SourceTime:
    """One for each connection. Times go in and come out in units of 1/90000 s."""

    def __init__(self) -> None:
        self._last = -1
        self._raw: int | None = None
        self._raw_is_dts = False
        self._offset = 0
        self._arrival = 0.0
        self._latest_shown: int | None = None

    def stamp(self, pts: int | None, dts: int | None, arrival: float) -> Stamp:
        raw = dts if dts is not None else pts
        now = self._follow(raw, is_dts=dts is not None, arrival=arrival)
        shown = now
        if pts is not None and raw is not None and 0 <= abs(pts + self._offset - now) <= LARGEST_REORDERING:
            shown = pts + self._offset
        # Where decoding times are known the difference is exact; else only a step back shows that frames are reordered.
        reordered = self._latest_shown is not None and shown < self._latest_shown
        self._latest_shown = shown if self._latest_shown is None else max(self._latest_shown, shown)
        self._last, self._arrival = now, arrival
        return Stamp(now, shown - now, reordered)

    def _follow(self, raw: int | None, *, is_dts: bool, arrival: float) -> int:
        if raw is None:
            return self._passed(arrival)
        before, self._raw = self._raw, raw
        ordered, self._raw_is_dts = self._raw_is_dts and is_dts, is_dts
        if before is None:
            now = max(self._last + 1, raw)
            self._offset = now - raw
            return now
        step = raw - before
        # Decoding times always go on; the first few are often unknown, and times of presentation take their place.
        backwards = step <= 0 if ordered else step < -LARGEST_REORDERING or (step == 0 and not is_dts)
        if not backwards and step <= LONGEST_STEP:
            return max(self._last + 1, raw + self._offset)
        now = self._passed(arrival)
        self._offset = now - raw
        # What was shown before belongs to the old times.
        self._latest_shown = None
        return now

    def _passed(self, arrival: float) -> int:
        if self._last < 0:
            return 0
        return self._last + max(1, round((arrival - self._arrival) * CLOCK_RATE))
