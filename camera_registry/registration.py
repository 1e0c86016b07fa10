"""A camera on its way into the registry: asked over ONVIF or reached by its RTSP address, and seen to send video.

Nothing is kept here. What comes back has been proved: the login works and pictures arrive.

The calls others make:

- ``Registrar(policy: AddressPolicy, backoff: LoginBackoff, clock: Callable[[], datetime])``: one for the process, since
  ``backoff`` counts wrong logins for each device; ``clock`` answers aware UTC.
- ``await registrar.over_onvif(address: str, login: Login) -> CameraFound``, with ``address`` as a person types it:
  ``host``, ``host:port`` or a URL. At most 30 s.
- ``await registrar.over_rtsp(url: str, login: Login | None) -> CameraFound``, no login in ``url``. At most 15 s.
- ``await registrar.over(address: str, login: Login | None) -> CameraFound``: one of the two, by the address's scheme.

Each raises only ``CameraRefused`` (``errors``): its ``reason`` is a code of ``reasons``, ``zh`` and ``en`` say what to
do, ``field`` names the input at fault (``onvif_address``, ``rtsp_url``, ``password``) or is None. What is amiss with a
camera that is registered all the same stands in ``CameraFound.notes``. Addresses in ``CameraFound`` hold a literal,
allowed host and no login. Elsewhere: ``address_policy.AddressPolicy(networks)``, the 20 digits in ``codes``, what a
store must do in ``ports``, and health in ``health.initial`` and ``health.step``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import structlog

from camera_registry import reasons
from camera_registry.address_policy import AddressPolicy
from camera_registry.errors import CameraRefused, Reason
from camera_registry.login import Login, LoginBackoff
from camera_registry.onvif_session import LADDER_SECONDS, NOTEWORTHY_OFFSET, OnvifSession
from camera_registry.profiles import choose
from camera_registry.rtsp_check import check_stream

log = structlog.get_logger(__name__)

_WRONG_LOGINS = (reasons.AUTH_FAILED, reasons.CLOCK_UNKNOWN, reasons.STREAM_AUTH_FAILED)


@dataclass(frozen=True, slots=True)
class CameraFound:
    """What is known of a camera that answered. Addresses hold no login; ``encoding`` is ``H264`` or ``H265``."""

    stream_url: str
    encoding: str
    onvif_address: str | None = None
    sub_stream_url: str | None = None
    vendor: str = ""
    model: str = ""
    firmware: str = ""
    serial: str = ""
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    gop: int | None = None
    """Frames from one keyframe to the next, as the camera is set; None where it does not tell."""
    clock_offset: timedelta | None = None
    notes: tuple[Reason, ...] = ()
    requests: int = 0


class Registrar:
    """Asks cameras within ``policy``; see the head of this module."""

    def __init__(self, policy: AddressPolicy, backoff: LoginBackoff, clock: Callable[[], datetime]) -> None:
        self._policy = policy
        self._backoff = backoff
        self._clock = clock

    async def over_onvif(self, address: str, login: Login) -> CameraFound:
        """Climb the ONVIF ladder and look at the stream at its top."""
        address = await self._policy.onvif_address(address)
        async with self._patient(address):
            try:
                async with asyncio.timeout(LADDER_SECONDS):
                    found = await self._climb(address, login)
            except TimeoutError as error:
                raise CameraRefused(reasons.TIMEOUT) from error
            await check_stream(found.stream_url, login)
        return found

    async def over_rtsp(self, url: str, login: Login | None) -> CameraFound:
        """Look at the stream; the camera's model and clock stay unknown."""
        url = await self._policy.stream_address(url)
        async with self._patient(url):
            facts = await check_stream(url, login)
        notes = (reasons.H265_ONLY,) if facts.encoding == "H265" else ()
        return CameraFound(stream_url=url, encoding=facts.encoding, notes=notes)

    async def over(self, address: str, login: Login | None) -> CameraFound:
        """``over_rtsp`` for an ``rtsp://`` address, else ``over_onvif``."""
        if address.strip().lower().startswith("rtsp://"):
            return await self.over_rtsp(address, login)
        return await self.over_onvif(address, login or Login("", ""))

    async def _climb(self, address: str, login: Login) -> CameraFound:
        async with OnvifSession(address, login, self._clock) as session:
            offset = await session.read_clock()
            information = await session.information()
            await session.find_services()
            choice = choose(await session.profiles())
            stream = await session.stream_address(choice.main.token)
            sub = None if choice.sub is None else await session.stream_address(choice.sub.token)
            notes = []
            if offset is not None and abs(offset) > NOTEWORTHY_OFFSET:
                notes.append(reasons.CLOCK_WRONG)
            if choice.main.encoding == "H265" and choice.sub is None:
                notes.append(reasons.H265_ONLY)
            return CameraFound(
                stream_url=stream,
                encoding=choice.main.encoding,
                onvif_address=address,
                sub_stream_url=sub,
                vendor=information.vendor,
                model=information.model,
                firmware=information.firmware,
                serial=information.serial,
                width=choice.main.width,
                height=choice.main.height,
                clock_offset=offset,
                notes=tuple(notes),
                requests=session.requests,
            )

    @asynccontextmanager
    async def _patient(self, address: str) -> AsyncIterator[None]:
        """Leaves a camera alone that has just refused a login, and remembers those that do."""
        host = urlsplit(address).netloc
        self._backoff.check(host, self._clock())
        try:
            yield
        except CameraRefused as refused:
            if refused.cause in _WRONG_LOGINS:
                self._backoff.failed(host, self._clock())
            log.info("camera_refused", host=host, reason=refused.reason, detail=refused.detail)
            raise
        self._backoff.succeeded(host)
