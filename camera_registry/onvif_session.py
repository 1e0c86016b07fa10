"""One camera asked over ONVIF, rung by rung, and why it stops where it stops.

The ladder: the clock, which is told without a login → its offset → the login, stamped in the camera's own time, since
many cameras call a wrong clock "not authorised"; HTTP digest where the device asks for that → services → profiles
(Media2, which alone tells H.265, else Media of Profile S) → stream address, its host repaired. A wrong login is sent
twice at most, once in each form: cameras lock accounts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any
from urllib.parse import urljoin, urlsplit, urlunsplit

import aiohttp
import structlog

from camera_registry import digest, media, media2, reasons, soap_call
from camera_registry.address_policy import host_of, host_or, rehosted
from camera_registry.clock_check import utc_told
from camera_registry.errors import CameraRefused, Reason
from camera_registry.login import Login
from camera_registry.onvif_transport import REQUEST_SECONDS, BoundedTransport, LoginForm, open_http, post
from camera_registry.profiles import MediaProfile
from camera_registry.username_token import UsernameToken
from camera_registry.ws_discovery import printable

log = structlog.get_logger(__name__)

LADDER_SECONDS = 15.0
NOTEWORTHY_OFFSET = timedelta(seconds=5)
SUSPECT_OFFSET = timedelta(seconds=60)
"""Beyond this a refused login may well be the clock's doing, although it was stamped in the camera's time."""
DEVICE, MEDIA, MEDIA2 = (soap_call.SPACES[prefix] for prefix in ("tds", "trt", "tr2"))
OFFERS = {"ptz": "tptz", "imaging": "timg", "events": "tev", "recording": "trc", "replay": "trp"}
"""What a device may offer beside video, and the prefix of the service's namespace."""
_CAPABILITIES = {
    "trt": "Media", "tptz": "PTZ", "timg": "Imaging", "tev": "Events",
    "trc": "Extension/Recording", "trp": "Extension/Replay",
}  # fmt: skip
_HTTP = ("http", "https")
_RTSP = ("rtsp", "rtsps")

_BARE_ERRORS = frozenset({400, 405, 500, 501})
"""With which some older devices answer a question they do not know, without a fault."""
LOGIN_REASONS = (reasons.AUTH_FAILED, reasons.LOCKED_OUT, reasons.CLOCK_SKEWED, reasons.CLOCK_UNKNOWN)
"""Reasons that mean: the device refused the login."""

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class DeviceInformation:
    vendor: str
    model: str
    firmware: str
    serial: str


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """What one session learnt and another may begin with: addresses of services by namespace, and the clock."""

    services: Mapping[str, str]
    clock_offset: timedelta | None


class OnvifSession:
    """``async with OnvifSession(address, login, clock) as session:`` — ``address`` was allowed by the policy before.

    Every method raises ``CameraRefused``. Nothing the device answers leads to another host than ``address``'s.
    """

    def __init__(
        self,
        address: str,
        login: Login,
        clock: Clock,
        *,
        wrong_logins_left: int = 2,
        form: LoginForm = "either",
        clear_login: bool = False,
        known: SessionFacts | None = None,
        request_seconds: float | None = None,
    ) -> None:
        self._left = wrong_logins_left
        self._form: LoginForm = form
        self._clear_login = clear_login
        self._refused_logins = 0
        self._address = address
        self._login = login
        self._clock = clock
        self._http: aiohttp.ClientSession | None = None
        self._transport: BoundedTransport | None = None
        self._request_seconds = request_seconds or REQUEST_SECONDS
        self._services: dict[str, str] = {DEVICE: address} if known is None else dict(known.services)
        self.clock_offset: timedelta | None = None if known is None else known.clock_offset
        """The camera's clock less ours; None where it would not tell."""
        self.host_repaired = False
        """Whether a stream address came back with a host that is not the one we reached."""

    async def __aenter__(self) -> OnvifSession:
        self._http = open_http(self._request_seconds)
        self._transport = BoundedTransport(self._http, self._login, self._left, self._form, self._clear_login)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._http is not None:
            await self._http.close()

    @property
    def requests(self) -> int:
        """Requests made so far."""
        return 0 if self._transport is None else self._transport.requests

    @property
    def wrong_logins(self) -> int:
        """Logins the device has refused so far; never more than ``wrong_logins_left``."""
        return self._refused_logins + (0 if self._transport is None else self._transport.wrong_logins)

    @property
    def facts(self) -> SessionFacts:
        return SessionFacts(dict(self._services), self.clock_offset)

    def now(self) -> datetime:
        """Our time, aware UTC."""
        return self._clock()

    def device_now(self) -> datetime:
        """The camera's time, as far as it told it."""
        return self._clock() + (self.clock_offset or timedelta())

    async def read_clock(self) -> timedelta | None:
        """The offset of the camera's clock, asked without a login; None for a camera that tells it only after one."""
        if self._transport is None:
            raise RuntimeError("the session is not open")
        question = soap_call.element("tds:GetSystemDateAndTime")
        asked_at = self._clock()
        try:
            answer = await soap_call.call(self._transport, self._address, question)
        except soap_call.SoapFault:
            return None
        halfway = asked_at + (self._clock() - asked_at) / 2
        shown = utc_told(answer)
        self.clock_offset = None if shown is None else shown - halfway
        return self.clock_offset

    async def login_form(self) -> LoginForm:
        """The form in which the device takes a login, asked without one, so that no wrong login is counted.

        Where several logins are to be tried, each is then sent in one form only.
        """
        if self._http is None:
            raise RuntimeError("the session is not open")
        question = soap_call.envelope(soap_call.element("tds:GetDeviceInformation"))
        response, _ = await post(self._http, self._address, question)
        offered = digest.best(response.headers.getall("WWW-Authenticate", []))
        return "digest" if response.status == 401 and offered is not None else "token"

    async def information(self) -> DeviceInformation:
        """The first rung that needs the login. Raises one of ``LOGIN_REASONS`` where the device refuses it."""
        try:
            answer = await self.ask("tds", soap_call.element("tds:GetDeviceInformation"))
        except Unsupported:
            answer = None
        names = ("Manufacturer", "Model", "FirmwareVersion", "SerialNumber")
        return DeviceInformation(*(printable(soap_call.text_at(answer, f"tds:{name}")) for name in names))

    async def find_services(self) -> frozenset[str]:
        """Namespaces of the services, by GetServices, or by GetCapabilities on an older device."""
        wanted = soap_call.element("tds:IncludeCapability", text="false")
        try:
            answer = await self.ask("tds", soap_call.element("tds:GetServices", wanted))
            for service in answer.iterfind("tds:Service", soap_call.SPACES):
                self._note_service(soap_call.text_at(service, "tds:Namespace"), soap_call.text_at(service, "tds:XAddr"))
        except Unsupported:
            pass
        except CameraRefused:
            if self._transport is None or self._transport.last_status not in _BARE_ERRORS:
                raise
        if not self._services.keys() & {MEDIA, MEDIA2}:
            await self._find_capabilities()
        if not self._services.keys() & {MEDIA, MEDIA2}:
            raise CameraRefused(reasons.NO_MEDIA)
        return frozenset(self._services)

    async def _find_capabilities(self) -> None:
        wanted = soap_call.element("tds:Category", text="All")
        try:
            answer = await self.ask("tds", soap_call.element("tds:GetCapabilities", wanted))
        except Unsupported as error:
            raise CameraRefused(reasons.NO_MEDIA) from error
        for prefix, path in _CAPABILITIES.items():
            where = "/".join(f"tt:{part}" for part in path.split("/"))
            address = soap_call.text_at(answer, f"tds:Capabilities/{where}/tt:XAddr")
            self._note_service(soap_call.SPACES[prefix], address)

    async def profiles(self) -> tuple[MediaProfile, ...]:
        """The video profiles, from Media2 where the camera has it and it works, else from Media."""
        if MEDIA2 in self._services:
            try:
                listed = media2.profiles(await self.ask("tr2", media2.get_profiles()))
                if not listed:  # a device that knows but one kind of configuration at a time tells them by "All"
                    listed = media2.profiles(await self.ask("tr2", media2.get_profiles("All")))
                if listed or MEDIA not in self._services:
                    return listed
                del self._services[MEDIA2]
            except (Unsupported, CameraRefused) as error:
                if MEDIA not in self._services or _is_login(error):
                    raise self._refused(error) from error
                log.info("media2_unusable", address=self._address, error=str(error))
                del self._services[MEDIA2]
        try:
            return media.profiles(await self.ask("trt", media.get_profiles()))
        except Unsupported as error:
            raise CameraRefused(reasons.NO_PROFILE) from error

    async def stream_address(self, token: str) -> str:
        """The RTSP address of a profile, on the host we reached: a camera may name one that nobody else can reach."""
        try:
            if MEDIA2 in self._services:
                uri = await self._media2_stream(token)
            else:
                uri = media.uri(await self.ask("trt", media.get_stream_uri(token)))
        except Unsupported as error:
            raise CameraRefused(reasons.NO_STREAM_ADDRESS) from error
        address = rehosted(uri, host_of(self._address), _RTSP)
        if address is None:
            raise CameraRefused(reasons.NO_STREAM_ADDRESS)
        self.host_repaired = self.host_repaired or host_or(uri.strip(), "") != host_of(self._address)
        return address

    async def _media2_stream(self, token: str) -> str:
        try:
            return media2.uri(await self.ask("tr2", media2.get_stream_uri(token)))
        except Unsupported:
            return media2.uri(await self.ask("tr2", media2.get_stream_uri(token, "RtspUnicast")))

    async def snapshot_address(self, token: str) -> str | None:
        """Where the device gives a picture of a profile; None where it gives none, which is no fault."""
        try:
            if MEDIA2 in self._services:
                uri = media2.uri(await self.ask("tr2", media2.get_snapshot_uri(token)))
            else:
                uri = media.uri(await self.ask("trt", media.get_snapshot_uri(token)))
        except (Unsupported, CameraRefused) as error:
            if _is_login(error):
                raise
            return None
        return self._repaired(uri)

    async def replay_address(self) -> str | None:
        """Where its first recording is played back (Profile G); None where it records nothing."""
        if not {"recording", "replay"} <= set(self.offers):
            return None
        try:
            recordings = await self.ask("trc", soap_call.element("trc:GetRecordings"))
            token = soap_call.text_at(recordings, "trc:RecordingItem/tt:RecordingToken")
            if not token:
                return None
            setup = soap_call.element(
                "trp:StreamSetup",
                soap_call.element("tt:Stream", text="RTP-Unicast"),
                soap_call.element("tt:Transport", soap_call.element("tt:Protocol", text="RTSP")),
            )
            wanted = soap_call.element("trp:RecordingToken", text=token)
            answer = await self.ask("trp", soap_call.element("trp:GetReplayUri", setup, wanted))
        except (Unsupported, CameraRefused) as error:
            if _is_login(error):
                raise
            return None
        return rehosted(soap_call.text_at(answer, "trp:Uri"), host_of(self._address), _RTSP)

    async def ask(self, prefix: str, body: Any, *, address: str | None = None, headers: Sequence[Any] = ()) -> Any:
        """A question written by hand to the service of ``prefix`` (``soap_call.SPACES``), or to ``address``.

        Raises ``Unsupported`` for a fault that is not about the login, or where the device has no such service.
        """
        if self._transport is None:
            raise RuntimeError("the session is not open")
        address = address or self._services.get(soap_call.SPACES[prefix])
        if address is None:
            raise Unsupported("no such service")
        again = False
        while True:
            try:
                answer = await soap_call.call(self._transport, address, body, self._token(), headers)
            except soap_call.SoapFault as fault:
                if not fault.is_login:
                    raise Unsupported(str(fault), fault.codes) from fault
                if again or not await self._clock_was_set():
                    raise self._login_refused() from fault
                self._refused_logins, again = self._refused_logins + 1, True
                continue
            if again:
                self._refused_logins -= 1  # it was the clock that was refused, not the password
            return answer

    async def _clock_was_set(self) -> bool:
        """Whether a refused token was stamped by a clock that the camera has no more: somebody set it meanwhile.

        The clock is told without a login, so asking costs none; where it was set, one more login is sent.
        """
        before = self.clock_offset
        if before is None or self._transport is None or self._transport.digest_refused or self._transport.locked:
            return False
        if self.wrong_logins + 2 > self._left:
            return False
        now = await self.read_clock()
        return now is not None and abs(now - before) > NOTEWORTHY_OFFSET

    @property
    def offers(self) -> tuple[str, ...]:
        """Which of ``OFFERS`` the device has; known after ``find_services``."""
        return tuple(name for name, prefix in OFFERS.items() if soap_call.SPACES[prefix] in self._services)

    def repaired(self, url: str) -> str | None:
        """An address the device names, on the host it answers at: behind a NAT it names one, and a port, of its own."""
        return self._repaired(url)

    def _repaired(self, url: str) -> str | None:
        """Of several addresses, as devices on two networks name them, the first that is one; a path is on our host."""
        own = urlsplit(self._address)
        named = url.split()
        if len(named) > 1:
            return next((there for one in named if (there := self._repaired(one)) is not None), None)
        if url.strip().startswith("/"):
            return urljoin(self._address, url.strip())
        there = rehosted(url, own.hostname or "", _HTTP)
        if there is None or host_or(url.strip(), own.hostname or "") == own.hostname:
            return there
        parts = urlsplit(there)
        # Another host: the port it names is one on that host, unless the two speak different schemes.
        return urlunsplit(parts._replace(netloc=own.netloc)) if parts.scheme == own.scheme else there

    def _note_service(self, namespace: str, address: str) -> None:
        repaired = self._repaired(address)
        if namespace and repaired is not None:
            self._services.setdefault(namespace, repaired)

    def _token(self) -> UsernameToken:
        return UsernameToken(self._login, self.device_now)

    def _login_refused(self) -> CameraRefused:
        self._refused_logins += 1
        return CameraRefused(self._why_refused(), field="password")

    def _why_refused(self) -> Reason:
        """A token is judged by the camera's clock; digest knows no clock, so where it failed too it was the login."""
        if self._transport is not None and self._transport.locked:
            return reasons.LOCKED_OUT
        if self._transport is not None and self._transport.basic_only:
            return reasons.CLEAR_LOGIN_NEEDED
        if self._transport is not None and self._transport.digest_refused:
            return reasons.AUTH_FAILED
        if self.clock_offset is None:
            return reasons.CLOCK_UNKNOWN
        return reasons.CLOCK_SKEWED if abs(self.clock_offset) > SUSPECT_OFFSET else reasons.AUTH_FAILED

    def _refused(self, error: Exception) -> CameraRefused:
        return error if isinstance(error, CameraRefused) else CameraRefused(reasons.NO_PROFILE)


class Unsupported(Exception):
    """The device knows the service, but not this question, or refuses it. ``codes``: of its fault, outermost first."""

    def __init__(self, text: str = "", codes: Sequence[str] = ()) -> None:
        super().__init__(text)
        self.codes = tuple(codes)


def _is_login(error: Exception) -> bool:
    return isinstance(error, CameraRefused) and error.cause in LOGIN_REASONS
