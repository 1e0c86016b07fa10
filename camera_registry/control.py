"""Sessions with cameras that are registered, for steering them and hearing what they report.

What a camera told of its services and its clock is remembered for a minute, so that a turn of the head costs one
request. Wrong logins count against the same patience as those of a registration.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from camera_registry import reasons
from camera_registry.address_policy import AddressPolicy, host_of
from camera_registry.errors import CameraRefused
from camera_registry.login import Login, LoginBackoff, device_of
from camera_registry.onvif_session import LOGIN_REASONS, OnvifSession, SessionFacts
from camera_registry.pull_point import PULL_SECONDS

KNOWN_FOR = timedelta(minutes=1)
_MOST_KNOWN = 2_000


@dataclass(frozen=True, slots=True)
class _Known:
    facts: SessionFacts
    since: datetime


class CameraControl:
    """One for the process. ``clock`` answers aware UTC."""

    def __init__(self, policy: AddressPolicy, backoff: LoginBackoff, clock: Callable[[], datetime]) -> None:
        self._policy = policy
        self._backoff = backoff
        self._clock = clock
        self._known: OrderedDict[tuple[str, Login], _Known] = OrderedDict()

    @asynccontextmanager
    async def session(
        self, address: str, login: Login | None, *, clear_login: bool = False
    ) -> AsyncIterator[OnvifSession]:
        """A session that knows the camera's clock and services. One at a time for each device.

        Raises ``CameraRefused``, as does what is asked in it.
        """
        device = self._device(address)
        async with (
            self._backoff.asking(device, self._clock) as left,
            self._open(device, address, login or Login("", ""), clear_login, left) as session,
        ):
            yield session

    @asynccontextmanager
    async def listening(
        self, address: str, login: Login | None, *, clear_login: bool = False
    ) -> AsyncIterator[OnvifSession]:
        """As ``session``, for as long as whoever asks likes: it waits for slow answers and keeps nobody else out."""
        device = self._device(address)
        left = self._backoff.left(device, self._clock())
        if left == 0:
            raise CameraRefused(reasons.LOGIN_BACK_OFF, field="password")
        seconds = PULL_SECONDS + 5.0
        async with self._open(device, address, login or Login("", ""), clear_login, left, seconds) as session:
            yield session

    @asynccontextmanager
    async def _open(
        self, device: str, address: str, login: Login, clear_login: bool, left: int, seconds: float | None = None
    ) -> AsyncIterator[OnvifSession]:
        key = (address, login)
        known = self._known.get(key)
        facts = known.facts if known is not None and self._clock() - known.since < KNOWN_FOR else None
        session = OnvifSession(
            address, login, self._clock, wrong_logins_left=left, clear_login=clear_login, known=facts,
            request_seconds=seconds,
        )  # fmt: skip
        async with session:
            try:
                if facts is None:
                    await session.read_clock()
                    await session.find_services()
                    self._remember(key, session.facts)
                yield session
            except CameraRefused as refused:
                if refused.cause in LOGIN_REASONS:
                    self._known.pop(key, None)  # perhaps its clock was set meanwhile
                raise
            finally:
                if session.wrong_logins:
                    self._backoff.failed(device, self._clock(), session.wrong_logins)

    def forget(self, address: str) -> None:
        """What was remembered of a device holds no more, since its clock was set."""
        for key in [key for key in self._known if key[0] == address]:
            del self._known[key]

    def _remember(self, key: tuple[str, Login], facts: SessionFacts) -> None:
        self._known.pop(key, None)
        self._known[key] = _Known(facts, self._clock())
        while len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)

    def _device(self, address: str) -> str:
        """Networks may have been narrowed since the camera was registered."""
        if not self._policy.allows(host_of(address)):
            raise CameraRefused(reasons.ADDRESS_NOT_ALLOWED, field="onvif_address")
        return device_of(address)
