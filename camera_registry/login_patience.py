"""When a login that was refused may be sent once more, so that no account is locked. Pure: times in, a time out.

What is known of common cameras: an account, or the address that asks, is locked for half an hour after five to seven
wrong logins (some count only those of the last minutes, some all since the last right one); a restart forgets them. So
a refused login is tried again twice soon, for a password may be set back a moment later, and then seldom: never more
than three wrong ones in five minutes, never a fifth in half an hour. A camera that locks after three is best given its
right password at the gateway, which is tried at once.
"""

from __future__ import annotations

from collections.abc import Sequence

QUICK_SECONDS, QUICK_TRIES = 12.0, 3
"""Between the first tries: what is cured within half a minute is live again within 15 s."""
SLOW_SECONDS = 600.0
LIMITS = ((300.0, 3), (1_800.0, 4))
"""Seconds, and how many wrong logins at most within any such time."""
KEPT = 8


def next_try(wrong: Sequence[float]) -> float:
    """The earliest time of the next try. ``wrong``: times of the wrong logins since the last right one, in order."""
    if not wrong:
        return float("-inf")
    return max(wrong[-1] + (QUICK_SECONDS if len(wrong) < QUICK_TRIES else SLOW_SECONDS), _within_limits(wrong))


def may_try(wrong: Sequence[float], now: float) -> bool:
    """Whether a sign that the login may be right now, such as a restart of the camera, may be followed at once."""
    return not wrong or now >= max(wrong[-1] + QUICK_SECONDS, _within_limits(wrong))


def _within_limits(wrong: Sequence[float]) -> float:
    return max((wrong[-most] + seconds for seconds, most in LIMITS if len(wrong) >= most), default=float("-inf"))


class WrongLogins:
    """Those of one camera's stream since its last right one; the last ``KEPT`` of them."""

    def __init__(self, times: Sequence[float] = ()) -> None:
        self.times = sorted(times)[-KEPT:]

    def note(self, now: float) -> None:
        self.times = [*self.times, now][-KEPT:]

    def clear(self) -> None:
        """A login was taken, or another one is sent from now on."""
        self.times = []

    def wait(self, now: float) -> float:
        """Seconds until the next try."""
        self.times = [min(at, now) for at in self.times]  # what is yet to come was just now: the clock was set back
        return max(0.0, next_try(self.times) - now)
