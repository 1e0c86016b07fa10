"""A camera's login, and the patience that keeps a camera from locking its account: two wrong ones, then a pause."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import ip_address
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

from camera_registry import reasons
from camera_registry.errors import CameraRefused


@dataclass(frozen=True, slots=True)
class Login:
    """Username and password; the password is never shown."""

    username: str
    password: str = field(repr=False)


MOST_WRONG_LOGINS = 2
FORGOTTEN_AFTER = timedelta(minutes=30)
"""Common cameras lock an account for up to 30 minutes after five to seven wrong logins; some after three."""
QUEUE_SECONDS = 5.0
_MOST = 10_000


def device_of(url: str) -> str:
    """Whom a wrong login at this address is counted against: the host with all its ports, for a camera's web and RTSP
    doors share their accounts. On loopback, where every device is one port of the same host, host and port."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return f"{host}:{parts.port}" if ip_address(host).is_loopback else host


@dataclass(frozen=True, slots=True)
class _Wrong:
    count: int
    last: datetime


class LoginBackoff:
    """Counts the wrong logins that were sent to each device. After two, none is sent for half an hour.

    Only a login that was taken at all its doors wipes a device's count. Kept in memory; it is bounded, and what was
    wrong longest ago is forgotten first. ``changed`` hears of each device's count and the time of its last wrong login,
    for whoever keeps them longer.
    """

    changed: Callable[[str, int, datetime | None], None] = staticmethod(lambda _device, _count, _last: None)

    def __init__(self) -> None:
        self._wrong: OrderedDict[str, _Wrong] = OrderedDict()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def left(self, device: str, now: datetime) -> int:
        """How many wrong logins the device may still be sent."""
        wrong = self._wrong.get(device)
        if wrong is None or now - wrong.last >= FORGOTTEN_AFTER:
            return MOST_WRONG_LOGINS
        return max(0, MOST_WRONG_LOGINS - wrong.count)

    @asynccontextmanager
    async def asking(self, device: str, clock: Callable[[], datetime]) -> AsyncIterator[int]:
        """Gives what is ``left``. One asks a device at a time, or two at once would send more than were counted.

        Raises ``login_back_off`` where nothing is left, ``already_asking`` where another takes longer than
        ``QUEUE_SECONDS``.
        """
        lock = self._locks.setdefault(device, asyncio.Lock())
        try:
            async with asyncio.timeout(QUEUE_SECONDS):
                await lock.acquire()
        except TimeoutError as error:
            raise CameraRefused(reasons.ALREADY_ASKING) from error
        try:
            left = self.left(device, clock())
            if left == 0:
                raise CameraRefused(reasons.LOGIN_BACK_OFF, field="password")
            yield left
        finally:
            lock.release()

    def failed(self, device: str, now: datetime, times: int = 1) -> None:
        """``times`` wrong logins were sent."""
        before = MOST_WRONG_LOGINS - self.left(device, now)
        self._wrong.pop(device, None)
        self._wrong[device] = _Wrong(before + times, now)
        if len(self._wrong) > _MOST:
            self._wrong.popitem(last=False)
        self.changed(device, before + times, now)

    def succeeded(self, device: str) -> None:
        """The device took a login at all its doors."""
        if self._wrong.pop(device, None) is not None:
            self.changed(device, 0, None)
