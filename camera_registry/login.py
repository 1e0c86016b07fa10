"""A camera's login, and the patience that keeps a camera from locking its account."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from camera_registry import reasons
from camera_registry.errors import CameraRefused


@dataclass(frozen=True, slots=True)
class Login:
    """Username and password; the password is never shown."""

    username: str
    password: str = field(repr=False)


FREE_FAILURES = 2
FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(minutes=15)
"""Common cameras lock an account for 30 minutes after five to seven wrong logins."""
_MOST = 10_000


@dataclass(frozen=True, slots=True)
class _Failures:
    count: int
    last: datetime

    def free_again(self) -> datetime:
        over = self.count - FREE_FAILURES
        return self.last if over < 0 else self.last + min(FIRST_WAIT * (1 << min(over, 8)), LONGEST_WAIT)


class LoginBackoff:
    """Counts wrong logins for each host; after two, each next try waits, twice as long each time."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def check(self, host: str, now: datetime) -> None:
        """Raises ``CameraRefused`` ``login_back_off`` while the host must be left alone."""
        failures = self._failures.get(host)
        if failures is not None and now < failures.free_again():
            raise CameraRefused(reasons.LOGIN_BACK_OFF, field="password")

    def failed(self, host: str, now: datetime) -> None:
        before = self._failures.pop(host, None)
        fresh = before is None or now - before.last > 2 * LONGEST_WAIT
        self._failures[host] = _Failures(1 if fresh or before is None else before.count + 1, now)
        if len(self._failures) > _MOST:
            self._failures.popitem(last=False)

    def succeeded(self, host: str) -> None:
        self._failures.pop(host, None)
