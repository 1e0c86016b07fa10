"""A camera on its way into the registry: asked over ONVIF or reached by its RTSP address, and seen to send video.

Nothing is kept here. What comes back has been proved: the login works and pictures arrive.

The calls others make:

- ``Registrar(policy: AddressPolicy, backoff: LoginBackoff, clock: Callable[[], datetime])``: one for the process, since
  ``backoff`` counts wrong logins for each device; ``clock`` answers aware UTC.
- ``await registrar.over_onvif(address: str, login: Login) -> CameraFound``, with ``address`` as a person types it:
  ``host``, ``host:port`` or a URL. At most 30 s. ``clear_login=True``: this device may be sent a readable password.
- ``await registrar.over_rtsp(url: str, login: Login | None) -> CameraFound``, no login in ``url``. At most 15 s.
- ``await registrar.over(address: str, login: Login | None) -> CameraFound``: one of the two, by the address's scheme.

One asks a device at a time: another waits 5 s at most, and is then refused with ``already_asking``.

Each raises only ``CameraRefused`` (``errors``): its ``reason`` is a code of ``reasons``, ``zh`` and ``en`` say what to
do, ``field`` names the input at fault (``onvif_address``, ``rtsp_url``, ``password``) or is None. What is amiss with a
camera that is registered all the same stands in ``CameraFound.notes``. Addresses in ``CameraFound`` hold a literal,
allowed host and no login. Elsewhere: ``address_policy.AddressPolicy(networks)``, the 20 digits in ``codes``, what a
store must do in ``ports``, and health in ``health.initial`` and ``health.step``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from camera_registry import reasons
from camera_registry.address_policy import AddressPolicy
from camera_registry.errors import CameraRefused, Reason
from camera_registry.login import Login, LoginBackoff, device_of
from camera_registry.onvif_session import LADDER_SECONDS, NOTEWORTHY_OFFSET, OnvifSession
from camera_registry.onvif_transport import LoginForm
from camera_registry.profiles import MediaProfile, ProfileChoice, RecordedProfile, choose
from camera_registry.rtsp_check import CHECK_SECONDS, StreamFacts, check_stream

SUB_SECONDS = 4.0
_ANOTHER_LOGIN = (reasons.AUTH_FAILED, reasons.CLOCK_SKEWED, reasons.CLOCK_UNKNOWN, reasons.STREAM_AUTH_FAILED)
"""Reasons after which another login may be the right one."""

log = structlog.get_logger(__name__)


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
    profiles: tuple[RecordedProfile, ...] = ()
    snapshot_url: str | None = None
    replay_url: str | None = None
    """Of its first recording (Profile G)."""
    offers: tuple[str, ...] = ()
    """Which of ``onvif_session.OFFERS`` it has."""
    notes: tuple[Reason, ...] = ()
    requests: int = 0


class Registrar:
    """Asks cameras within ``policy``; see the head of this module."""

    def __init__(self, policy: AddressPolicy, backoff: LoginBackoff, clock: Callable[[], datetime]) -> None:
        self._policy = policy
        self._backoff = backoff
        self._clock = clock

    async def over_onvif(
        self, address: str, login: Login, *, clear_login: bool = False, form: LoginForm = "either"
    ) -> CameraFound:
        """Climb the ONVIF ladder and look at the stream at its top."""
        address = await self._policy.onvif_address(address)
        device = device_of(address)
        async with self._asking(device) as left:
            async with OnvifSession(
                address, login, self._clock, wrong_logins_left=left, form=form, clear_login=clear_login
            ) as session:
                try:
                    async with asyncio.timeout(LADDER_SECONDS):
                        found = await self._climb(session, address)
                except TimeoutError as error:
                    raise CameraRefused(reasons.TIMEOUT) from error
                finally:
                    # Even where whoever asked has gone away meanwhile.
                    if session.wrong_logins:
                        self._backoff.failed(device, self._clock(), session.wrong_logins)
            facts = await self._seen(device, found.stream_url, login, clear_login)
            found, sub_facts = await self._with_sub(device, found, login, clear_login)
        return replace(
            found,
            encoding=facts.encoding,
            profiles=_seen_profiles(found.profiles, facts, sub_facts),
            notes=_notes(found, facts),
        )

    async def over_rtsp(self, url: str, login: Login | None, *, clear_login: bool = False) -> CameraFound:
        """Look at the stream; the camera's model and clock stay unknown."""
        url = await self._policy.stream_address(url)
        device = device_of(url)
        async with self._asking(device):
            facts = await self._seen(device, url, login, clear_login)
        found = CameraFound(stream_url=url, encoding=facts.encoding)
        return replace(found, notes=_notes(found, facts))

    async def over(self, address: str, login: Login | None) -> CameraFound:
        """``over_rtsp`` for an ``rtsp://`` address, else ``over_onvif``."""
        if is_stream(address):
            return await self.over_rtsp(address, login)
        return await self.over_onvif(address, login or Login("", ""))

    async def with_any(
        self, address: str, logins: Sequence[Login], *, clear_login: bool = False
    ) -> tuple[CameraFound, int]:
        """The camera with the first of ``logins`` that it takes, and the number of that one.

        The device is asked first, without a login, in which form it takes one, so that a wrong one counts but once;
        after as many wrong ones as ``LoginBackoff`` allows it is left alone. Raises the reason of the last try.
        """
        over_rtsp = is_stream(address)
        form: LoginForm = "either"
        if len(logins) > 1 and not over_rtsp:
            address = await self._policy.onvif_address(address)
            async with OnvifSession(address, logins[0], self._clock) as session:
                form = await session.login_form()
        last = CameraRefused(reasons.AUTH_FAILED, field="password")
        for number, login in enumerate(logins):
            try:
                if over_rtsp:
                    return await self.over_rtsp(address, login, clear_login=clear_login), number
                return await self.over_onvif(address, login, clear_login=clear_login, form=form), number
            except CameraRefused as refused:
                if refused.cause is reasons.LOGIN_BACK_OFF and number > 0:
                    break  # two wrong ones are enough: what the last one was told stands
                last = refused
                if refused.cause not in _ANOTHER_LOGIN or (over_rtsp != (refused.cause is reasons.STREAM_AUTH_FAILED)):
                    break
        raise last

    async def _climb(self, session: OnvifSession, address: str) -> CameraFound:
        offset = await session.read_clock()
        information = await session.information()
        await session.find_services()
        profiles = await session.profiles()
        choice = choose(profiles)
        stream = await session.stream_address(choice.main.token)
        sub = None if choice.sub is None else await session.stream_address(choice.sub.token)
        snapshot = await session.snapshot_address(choice.main.token)
        replay = await session.replay_address()
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
            fps=choice.main.fps or None,
            gop=choice.main.gop,
            clock_offset=offset,
            profiles=_recorded(profiles, choice),
            snapshot_url=snapshot,
            replay_url=replay,
            offers=session.offers,
            notes=(reasons.HOST_REPAIRED,) if session.host_repaired else (),
            requests=session.requests,
        )

    async def _with_sub(
        self, device: str, found: CameraFound, login: Login, clear_login: bool
    ) -> tuple[CameraFound, StreamFacts | None]:
        """A sub-stream that does not play is not used; the main one serves for all."""
        if found.sub_stream_url is None:
            return found, None
        try:
            return found, await self._seen(device, found.sub_stream_url, login, clear_login, SUB_SECONDS)
        except CameraRefused as refused:
            log.info("sub_stream_unusable", device=device, reason=refused.reason, detail=refused.detail)
            return replace(found, sub_stream_url=None, notes=(*found.notes, reasons.SUB_STREAM_UNUSABLE)), None

    async def _seen(
        self, device: str, url: str, login: Login | None, clear_login: bool, seconds: float = CHECK_SECONDS
    ) -> StreamFacts:
        try:
            facts = await check_stream(url, login, clear_login=clear_login, seconds=seconds)
        except CameraRefused as refused:
            if login is not None and refused.cause is reasons.STREAM_AUTH_FAILED:
                self._backoff.failed(device, self._clock())
            raise
        self._backoff.succeeded(device)
        return facts

    @asynccontextmanager
    async def _asking(self, device: str) -> AsyncIterator[int]:
        """One at a time, with the wrong logins that are left. A refusal is logged; whoever asked tells the operator."""
        try:
            async with self._backoff.asking(device, self._clock) as left:
                yield left
        except CameraRefused as refused:
            log.info("camera_refused", device=device, reason=refused.reason, detail=refused.detail)
            raise


def is_stream(address: str) -> bool:
    """Whether what a person typed is a stream's address, not a device service's."""
    return address.strip().lower().startswith(("rtsp://", "rtsps://"))


def _recorded(profiles: Sequence[MediaProfile], choice: ProfileChoice) -> tuple[RecordedProfile, ...]:
    roles = {choice.main.token: "main", **({choice.sub.token: "sub"} if choice.sub else {})}
    return tuple(
        RecordedProfile(p.token, p.name, roles.get(p.token, ""), p.encoding, p.width, p.height, p.fps, p.gop)
        for p in profiles
    )


def _seen_profiles(
    profiles: Sequence[RecordedProfile], main: StreamFacts, sub: StreamFacts | None
) -> tuple[RecordedProfile, ...]:
    """The profiles in use as their streams were seen to be: a camera may say one codec and send another."""
    seen = {"main": main, "sub": sub}
    return tuple(
        profile
        if (facts := seen.get(profile.role)) is None
        else replace(profile, encoding=facts.encoding, b_frames=facts.b_frames, parameter_sets=facts.parameter_sets)
        for profile in profiles
    )


def _notes(found: CameraFound, facts: StreamFacts) -> tuple[Reason, ...]:
    notes = list(found.notes)
    if facts.b_frames:
        notes.append(reasons.B_FRAMES)
    if facts.parameter_sets == "missing":
        notes.append(reasons.PARAMETER_SETS_MISSING)
    if found.clock_offset is not None and abs(found.clock_offset) > NOTEWORTHY_OFFSET:
        notes.append(reasons.CLOCK_WRONG)
    if facts.encoding == "H265" and not any(p.encoding == "H264" and p.role for p in found.profiles):
        notes.append(reasons.H265_ONLY)
    return tuple(notes)
