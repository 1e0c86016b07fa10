"""Session timers (RFC 4028): how long a call counts as alive without a sign of the other side, and who gives it.

RTP says sooner that a terminal has gone; what stands between (an MCU, a proxy) often goes by these timers alone, and
ends a call that is not refreshed. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from sipmessage import Request, Response

USUAL = 1800
"""Seconds (RFC 4028, 4 recommends them)."""
LEAST = 90
"""Seconds: shorter ones are refused (RFC 4028, 5)."""
LONGEST = 86_400
REFRESH_WITHIN = 32.0
"""Seconds that a refresh may wait for its answer (64 T1)."""
OPTION = "timer"
_EXPIRES = re.compile(r"\s*(\d{1,9})\s*(?:;(.{0,200}))?")
_REFRESHER = re.compile(r"(?:^|;)\s*refresher\s*=\s*(uac|uas)\b", re.IGNORECASE)

Refresher = Literal["uac", "uas"]
"""The side that sent the request, or the one that answers it."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Seconds: what is offered, and what is the least."""

    usual: int = USUAL
    least: int = LEAST


RECOMMENDED = Bounds()


class TooSmall(Exception):
    """422: the interval asked for is below our least."""


@dataclass(frozen=True, slots=True)
class SessionTimer:
    """What has been agreed. ``interval`` in seconds; ``ours``: we refresh."""

    interval: int
    ours: bool

    @property
    def acts_after(self) -> float:
        """Seconds after a refresh until we refresh (half of the interval), or give the call up because the other side
        does not (RFC 4028, 10)."""
        return self.interval / 2 if self.ours else self.interval - min(REFRESH_WITHIN, self.interval / 3)

    @property
    def answers_within(self) -> float:
        return min(REFRESH_WITHIN, self.interval / 2)


@dataclass(frozen=True, slots=True)
class _Said:
    interval: int
    refresher: Refresher | None


def _said(message: Request | Response) -> _Said | None:
    found = _EXPIRES.fullmatch(message.headers.get("Session-Expires") or "")
    if found is None or int(found[1]) < 1:
        return None
    named = _REFRESHER.search(found[2] or "")
    refresher: Refresher | None = None if named is None else "uac" if named[1].lower() == "uac" else "uas"
    return _Said(min(int(found[1]), LONGEST), refresher)


def least_of(message: Request | Response) -> int:
    """Its Min-SE; 0 where it says none."""
    found = re.match(r"\s*(\d{1,9})", message.headers.get("Min-SE") or "")
    return min(int(found[1]), LONGEST) if found else 0


def knows_timers(message: Request | Response) -> bool:
    values = ",".join([*message.headers.getlist("Supported"), *message.headers.getlist("Require")])
    return OPTION in [one.strip().lower() for one in values.split(",")]


def taken(request: Request, bounds: Bounds) -> SessionTimer | None:
    """What we agree to where this request begins or refreshes a session; None: no timer, for a peer that knows none.
    Raises ``TooSmall``."""
    if not knows_timers(request):
        return None
    said = _said(request)
    if said is not None and said.interval < bounds.least:
        raise TooSmall
    if said is None:
        return SessionTimer(max(bounds.usual, least_of(request)), ours=False)
    interval = max(min(said.interval, bounds.usual), least_of(request))
    return SessionTimer(min(interval, said.interval), said.refresher == "uas")


def agreed(response: Response, asked: SessionTimer | None = None) -> SessionTimer | None:
    """What the answer to a request of ours makes of it. An answer without a word: there is no timer, or where one was
    refreshed (``asked``), it goes on."""
    said = _said(response)
    return asked if said is None else SessionTimer(said.interval, said.refresher != "uas")


def put_into_answer(response: Response, timer: SessionTimer | None) -> None:
    response.headers.set("Supported", OPTION)
    if timer is not None:
        response.headers.set("Session-Expires", f"{timer.interval};refresher={'uas' if timer.ours else 'uac'}")
        if not timer.ours:
            response.headers.set("Require", OPTION)


def put_into_request(request: Request, interval: int, *, refresher: Refresher | None = None) -> None:
    request.headers.set("Supported", OPTION)
    request.headers.set("Session-Expires", f"{interval};refresher={refresher}" if refresher else str(interval))
    if interval > USUAL:  # it has been raised for somebody on the way
        request.headers.set("Min-SE", str(interval))
