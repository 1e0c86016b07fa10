"""The camera network as the doors reach it: one search at a time, a few cameras asked at once, all within time limits.

Whatever the registry refuses comes out as a ``Refusal`` that names the field at fault.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from camera_registry import reasons
from camera_registry.address_policy import AddressPolicy, host_of
from camera_registry.codes import CodeRange
from camera_registry.control import CameraControl
from camera_registry.discovery import Discovery, Progress, Target, Wanted
from camera_registry.errors import CameraRefused
from camera_registry.found_devices import DiscoveredDevice
from camera_registry.login import Login, LoginBackoff
from camera_registry.registration import CameraFound, Registrar, is_stream
from camera_registry.sweep import SweepRange
from gateway.api.camera_heads import CameraHeads
from gateway.api.connection_jobs import ConnectionJobs
from gateway.api.discovery_jobs import DiscoveryJobs, discovery_running
from gateway.api.head_leases import HeadLeases
from gateway.clock import Clock
from gateway.refusals import Refusal, RefusalKind
from gateway.settings import CameraSettings

log = structlog.get_logger(__name__)

SEARCH_SECONDS = 20.0
REACH_SECONDS = 27.0
"""Less than the time a request has, so that the reason still reaches whoever asked."""
MOST_AT_ONCE = 32

_KINDS: dict[str, RefusalKind] = {
    reasons.ALREADY_REGISTERED.code: "conflict",
    reasons.CODES_EXHAUSTED.code: "conflict",
    reasons.ALREADY_ASKING.code: "conflict",
    reasons.LOGIN_BACK_OFF.code: "too_many",
    reasons.PTZ_REFUSED.code: "conflict",
    reasons.IMAGING_REFUSED.code: "conflict",
    reasons.CLOCK_BY_NTP.code: "conflict",
    reasons.CLOCK_NOT_SETTABLE.code: "conflict",
}
_LOGIN = {reasons.AUTH_FAILED.code, reasons.STREAM_AUTH_FAILED.code}


class CameraNetwork:
    """One for the process: it remembers wrong logins, so that no camera is made to lock its account."""

    def __init__(self, settings: CameraSettings, clock: Clock) -> None:
        self._centre = settings.centre_code
        self._policy = AddressPolicy(settings.networks)
        self._discovery = Discovery(self._policy)
        self.backoff = LoginBackoff()
        self._registrar = Registrar(self._policy, self.backoff, clock)
        self.control = CameraControl(self._policy, self.backoff, clock)
        self.heads = CameraHeads()
        self.leases = HeadLeases()
        self._searching = asyncio.Lock()
        self.jobs = DiscoveryJobs(self._discovery, clock)
        self.connections = ConnectionJobs(clock)
        self._asked = 0

    @property
    def policy(self) -> AddressPolicy:
        return self._policy

    async def close(self) -> None:
        """End searches and connecting, and what was to follow turns of cameras."""
        await self.jobs.close()
        await self.connections.close()
        await self.heads.close()

    def code_range(self, industry: str, network: str) -> CodeRange:
        """Where the codes of new cameras are counted. Refuses an unknown industry or network."""
        try:
            return CodeRange(self._centre, industry=industry, network=network)
        except CameraRefused as refused:
            raise refusal_of(refused) from refused

    def wanted(
        self,
        interfaces: Sequence[str] | None,
        targets: Sequence[str],
        ranges: Sequence[str],
        ports: Sequence[int],
        *,
        seconds: float,
        rate: float,
    ) -> Wanted:
        """What a person typed, read. Refuses what is no address or range, field named."""
        try:
            return Wanted(
                interfaces,
                tuple(Target.parse(text) for text in targets),
                tuple(SweepRange.parse(text, ports) for text in ranges),
                seconds,
                rate,
            )
        except CameraRefused as refused:
            raise refusal_of(refused) from refused

    async def checked(self, wanted: Wanted) -> None:
        """Refuses, before a job begins, what it would be refused for."""
        try:
            await self._discovery.checked(wanted)
        except CameraRefused as refused:
            raise refusal_of(refused) from refused

    async def search(self, wanted: Wanted) -> tuple[DiscoveredDevice, ...]:
        """ONVIF devices that answer. Refuses a second search while one runs, and addresses outside the networks."""
        self.jobs.check_free()
        if self._searching.locked():
            raise discovery_running()
        async with self._searching:
            progress = Progress(self._policy)
            try:
                async with asyncio.timeout(SEARCH_SECONDS):
                    await self._discovery.run(wanted, progress)
            except CameraRefused as refused:
                raise refusal_of(refused) from refused
            except TimeoutError as error:
                raise Refusal(
                    "unavailable",
                    "discovery_timeout",
                    "搜索超时，请缩小地址段，或改用后台搜索。",
                    "The search took too long; narrow its ranges, or start it as a job (discoveries).",
                ) from error
            return progress.found.devices

    async def host(self, address: str, field: str) -> str:
        """The literal host of an address as a person typed it. Refuses one outside the camera networks."""
        try:
            if is_stream(address):
                return host_of(await self._policy.stream_address(address, field=field))
            return host_of(await self._policy.onvif_address(address, field=field))
        except CameraRefused as refused:
            raise refusal_of(refused, field) from refused

    async def reach(
        self, address: str, logins: Sequence[Login], field: str, *, clear_login: bool = False
    ) -> tuple[CameraFound, int]:
        """The camera at an ONVIF address or RTSP URL, seen to send video, and which of ``logins`` it took.

        ``field``: where the address was given. Without logins it is asked without one.
        """
        if self._asked >= MOST_AT_ONCE:
            raise Refusal(
                "too_many",
                "too_many_registrations",
                f"同时登记的摄像机不得超过 {MOST_AT_ONCE} 台，请稍后再试。",
                f"At most {MOST_AT_ONCE} cameras are registered at once; try again shortly.",
            )
        self._asked += 1
        try:
            async with asyncio.timeout(REACH_SECONDS):
                if (field == "rtsp_url") != is_stream(address):
                    raise CameraRefused(reasons.ADDRESS_INVALID, field=field)
                if field == "rtsp_url" and not logins:
                    return await self._registrar.over_rtsp(address, None), 0
                wanted = logins or (Login("", ""),)
                return await self._registrar.with_any(address, wanted, clear_login=clear_login)
        except CameraRefused as refused:
            raise refusal_of(refused, field) from refused
        except TimeoutError as error:
            raise refusal_of(CameraRefused(reasons.TIMEOUT), field) from error
        finally:
            self._asked -= 1


def refusal_of(refused: CameraRefused, field: str | None = None) -> Refusal:
    """``field`` is named where the registry names none; a wrong login lies in the password."""
    at_fault = refused.field or ("password" if refused.reason in _LOGIN else field)
    return Refusal(_KINDS.get(refused.reason, "invalid"), refused.reason, refused.zh, refused.en, field=at_fault)
