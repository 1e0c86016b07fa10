"""How many pictures a receiver can follow, and how large, judged by what it reports. Pure: time comes by argument.

A receiver that loses packets, or says that it can take less than it is sent (REMB: it sees packets come later and
later, before any is lost), is sent smaller pictures where there are such, then fewer at once (half of them); and more
again one by one, each after a quiet while, larger ones last. A step up that brought trouble back makes the next one
wait longer, so that a thin line is not tried every few seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

CONGESTED = 0.08
"""Share of packets lost (RFC 3550, 6.4.1: since the report before) above which a line is taken for too thin; what is
resent mends less than that."""
CLEAR = 0.02
SHORT = 0.7
"""Share of what it is sent that a receiver says it can take, below which a line is too thin. A receiver in doubt takes
its estimate back to 0.85 of what arrives (draft-ietf-rmcat-gcc-02, 6): below 0.7, a fifth does not arrive in time."""
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


@dataclass(frozen=True, slots=True)
class _Estimate:
    """Bits a second that the receiver says it can take of a stream, and that it was sent."""

    takes: float
    sent: float
    at: float
    lowered: bool
    """It fell and has not risen since. One that rises lags behind what is sent, and says nothing of the line."""


@dataclass(slots=True)
class ReceiverLine:
    """The way to one receiver, over all pictures it watches. ``most``: how many it is sent; None: all. ``small``:
    smaller ones, where there are such."""

    most: int | None = None
    small: bool = False
    _reports: dict[str, _Heard] = field(default_factory=dict)
    _estimates: dict[str, _Estimate] = field(default_factory=dict)
    _bad_since: float | None = None
    _good_since: float | None = None
    _changed_at: float = -math.inf
    _raised_at: float = -math.inf
    _wait: float = RAISES_AFTER

    def report(self, stream: str, loss: float, now: float) -> None:
        """``loss``: share of this stream's packets lost since its report before."""
        self._reports[stream] = _Heard(loss, now)

    def estimate(self, stream: str, takes: float, sent: float, now: float) -> None:
        """Bits a second that the receiver says it can take of this stream, and that were sent of it lately."""
        before = self._estimates.get(stream)
        lowered = before is not None and (takes < before.takes or (before.lowered and takes == before.takes))
        self._estimates[stream] = _Estimate(takes, sent, now, lowered)

    def forget(self, stream: str) -> None:
        self._reports.pop(stream, None)
        self._estimates.pop(stream, None)

    def judge(self, wanted: int, now: float, *, shrinks: bool = False) -> int | None:
        """How many of the ``wanted`` pictures may be sent from now on; None: all of them. ``shrinks``: whether smaller
        ones can be had of some, which ``small`` then asks for."""
        loss, short = self._loss(now), self._is_short(now)
        judged = loss is not None and now - self._changed_at >= SETTLES
        self._bad_since = _since(self._bad_since, now, holds=judged and (short or (loss or 0.0) >= CONGESTED))
        self._good_since = _since(self._good_since, now, holds=judged and not short and (loss or 0.0) <= CLEAR)
        sent = wanted if self.most is None else min(self.most, wanted)
        if self._bad_since is not None and now - self._bad_since >= HOLDS:
            self._step_down(sent, now, shrinks=shrinks and not self.small)
        elif self._good_since is not None and now - self._good_since >= self._wait:
            self._step_up(sent, wanted, now)
        return self.most

    def _step_down(self, sent: int, now: float, *, shrinks: bool) -> None:
        if not shrinks and sent <= 1:
            return
        tried = now - self._raised_at < 2 * (SETTLES + HOLDS)
        if tried:
            self._wait = min(self._wait * 2, LONGEST_WAIT)
        if shrinks:
            self.small = True
            self._change(self.most, now)
        else:
            self._change(sent - 1 if tried else max(1, sent // 2), now)

    def _step_up(self, sent: int, wanted: int, now: float) -> None:
        if self.most is None and not self.small:
            return
        self._raised_at = now
        whole = self.most is None or sent + 1 >= wanted
        if self.most is None:
            self.small = False
        self._change(None if whole else sent + 1, now)
        if whole:
            self._wait = max(self._wait / 2, RAISES_AFTER)

    def _change(self, most: int | None, now: float) -> None:
        self.most, self._changed_at = most, now
        self._bad_since = self._good_since = None
        self._reports.clear()
        self._estimates.clear()

    def _loss(self, now: float) -> float | None:
        fresh = [one.loss for one in self._reports.values() if now - one.at < FORGETS]
        return sum(fresh) / len(fresh) if fresh else None

    def _is_short(self, now: float) -> bool:
        fresh = [one for one in self._estimates.values() if now - one.at < FORGETS]
        carried = sum(min(one.takes, one.sent) if one.lowered else one.sent for one in fresh)
        return carried < SHORT * sum(one.sent for one in fresh)


def _since(before: float | None, now: float, *, holds: bool) -> float | None:
    """Since when it has held without a break; None: it does not."""
    if not holds:
        return None
    return now if before is None else before
