"""How many pictures a receiver can follow, judged by what its receiver reports say. Pure: time comes by argument.

A receiver that loses packets is sent fewer pictures at once (half of them), and more again one by one, each after a
while without loss. A step up that brought loss back makes the next one wait longer, so that a thin line is not tried
every few seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

CONGESTED = 0.08
"""Share of packets lost (RFC 3550, 6.4.1: since the report before) above which a line is taken for too thin; what is
resent mends less than that."""
CLEAR = 0.02
HOLDS = 2.0
"""Seconds for which loss must last: one burst is no thin line."""
SETTLES = 3.0
"""Seconds after a change in which reports still tell of before."""
RAISES_AFTER, LONGEST_WAIT = 8.0, 120.0
FORGETS = 5.0
"""Seconds after which the last report of a stream says nothing any more."""


@dataclass(frozen=True, slots=True)
class _Heard:
    loss: float
    at: float


@dataclass(slots=True)
class ReceiverLine:
    """The way to one receiver, over all pictures it watches. ``most``: how many it is sent; None: all."""

    most: int | None = None
    _reports: dict[str, _Heard] = field(default_factory=dict)
    _bad_since: float | None = None
    _good_since: float | None = None
    _changed_at: float = -math.inf
    _raised_at: float = -math.inf
    _wait: float = RAISES_AFTER

    def report(self, stream: str, loss: float, now: float) -> None:
        """``loss``: share of this stream's packets lost since its report before."""
        self._reports[stream] = _Heard(loss, now)

    def forget(self, stream: str) -> None:
        self._reports.pop(stream, None)

    def judge(self, wanted: int, now: float) -> int | None:
        """How many of the ``wanted`` pictures may be sent from now on; None: all of them."""
        loss = self._loss(now)
        judged = loss is not None and now - self._changed_at >= SETTLES
        self._bad_since = _since(self._bad_since, now, holds=judged and (loss or 0.0) >= CONGESTED)
        self._good_since = _since(self._good_since, now, holds=judged and (loss or 0.0) <= CLEAR)
        sent = wanted if self.most is None else min(self.most, wanted)
        if self._bad_since is not None and now - self._bad_since >= HOLDS and sent > 1:
            tried = now - self._raised_at < 2 * (SETTLES + HOLDS)
            if tried:
                self._wait = min(self._wait * 2, LONGEST_WAIT)
            self._change(sent - 1 if tried else max(1, sent // 2), now)
        elif self.most is not None and self._good_since is not None and now - self._good_since >= self._wait:
            self._raised_at = now
            whole = sent + 1 >= wanted
            self._change(None if whole else sent + 1, now)
            if whole:
                self._wait = max(self._wait / 2, RAISES_AFTER)
        return self.most

    def _change(self, most: int | None, now: float) -> None:
        self.most, self._changed_at = most, now
        self._bad_since = self._good_since = None
        self._reports.clear()

    def _loss(self, now: float) -> float | None:
        fresh = [one.loss for one in self._reports.values() if now - one.at < FORGETS]
        return sum(fresh) / len(fresh) if fresh else None


def _since(before: float | None, now: float, *, holds: bool) -> float | None:
    """Since when it has held without a break; None: it does not."""
    if not holds:
        return None
    return now if before is None else before
