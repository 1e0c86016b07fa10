"""What a virtual device answers out of its facts, as XML bodies: device service, Media (Profile S), Media2 (Profile T).

What has a state of its own stands elsewhere (``ptz``, ``imaging``, ``pull_point``). Everything else is refused as a
device refuses it, with ``ter:ActionNotSupported``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from gateway.virtual.soap import NAMESPACES, Fault, Request, not_supported

Encoding = Literal["H264", "H265"]


@dataclass(frozen=True, slots=True)
class ServedProfile:
    """A media profile: its token, what it is encoded as, and the path of its stream."""

    token: str
    name: str
    path: str
    encoding: str
    width: int
    height: int
    fps: float


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """What the device knows of itself. ``web`` and ``rtsp`` are the authorities it writes into its addresses."""

    name: str
    model: str
    serial: str
    web: str
    rtsp: str
    media2: bool
    services: bool
    profiles: tuple[ServedProfile, ...]
    media: bool = True
    scheme: str = "http"
    ptz: bool = False
    events: bool = False
    imaging: bool = False
    by_ntp: bool = True

    @property
    def device_address(self) -> str:
        return self.door("device_service")

    def door(self, service: str) -> str:
        """The address of a service."""
        return f"{self.scheme}://{self.web}/onvif/{service}"

    @property
    def known_services(self) -> tuple[tuple[str, str, str], ...]:
        """Prefix of the namespace, door, version."""
        optional = (
            (self.media, ("trt", "media_service", "2.60")),
            (self.media2, ("tr2", "media2_service", "2.0")),
            (self.ptz, ("tptz", "ptz_service", "2.60")),
            (self.events, ("tev", "event_service", "2.60")),
            (self.imaging, ("timg", "imaging_service", "2.60")),
        )
        return (("tds", "device_service", "2.60"), *(service for there, service in optional if there))

    @property
    def scopes(self) -> tuple[str, ...]:
        kinds = ["Network_Video_Transmitter", "video_encoder"]
        profiles = ["Streaming", *(["T"] if self.media2 else [])]
        return (
            *(f"onvif://www.onvif.org/type/{kind}" for kind in kinds),
            *(f"onvif://www.onvif.org/Profile/{profile}" for profile in profiles),
            f"onvif://www.onvif.org/name/{quote(self.name, safe='')}",
            f"onvif://www.onvif.org/hardware/{self.model}",
        )


Answer = Callable[[DeviceFacts, Request, datetime], str]


def system_date_and_time(facts: DeviceFacts, _request: Request, now: datetime) -> str:
    return (
        "<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime>"
        f"<tt:DateTimeType>{'NTP' if facts.by_ntp else 'Manual'}</tt:DateTimeType>"
        "<tt:DaylightSavings>false</tt:DaylightSavings><tt:TimeZone><tt:TZ>CST-8</tt:TZ></tt:TimeZone>"
        f"<tt:UTCDateTime><tt:Time><tt:Hour>{now.hour}</tt:Hour><tt:Minute>{now.minute}</tt:Minute>"
        f"<tt:Second>{now.second}</tt:Second></tt:Time><tt:Date><tt:Year>{now.year}</tt:Year>"
        f"<tt:Month>{now.month}</tt:Month><tt:Day>{now.day}</tt:Day></tt:Date></tt:UTCDateTime>"
        "</tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>"
    )


def device_information(facts: DeviceFacts, _request: Request, _now: datetime) -> str:
    return (
        "<tds:GetDeviceInformationResponse><tds:Manufacturer>Virtual Camera Works</tds:Manufacturer>"
        f"<tds:Model>{escape(facts.model)}</tds:Model><tds:FirmwareVersion>1.0.0</tds:FirmwareVersion>"
        f"<tds:SerialNumber>{facts.serial}</tds:SerialNumber><tds:HardwareId>virtual</tds:HardwareId>"
        "</tds:GetDeviceInformationResponse>"
    )


def services(facts: DeviceFacts, _request: Request, _now: datetime) -> str:
    if not facts.services:
        raise not_supported()
    listed = "".join(
        f"<tds:Service><tds:Namespace>{NAMESPACES[prefix]}</tds:Namespace><tds:XAddr>{facts.door(path)}</tds:XAddr>"
        f"<tds:Version><tt:Major>{version.partition('.')[0]}</tt:Major>"
        f"<tt:Minor>{version.partition('.')[2]}</tt:Minor></tds:Version></tds:Service>"
        for prefix, path, version in facts.known_services
    )
    return f"<tds:GetServicesResponse>{listed}</tds:GetServicesResponse>"


def capabilities(facts: DeviceFacts, _request: Request, _now: datetime) -> str:
    """The older way to tell the services; it has no word for Media2."""
    doors = {prefix: facts.door(path) for prefix, path, _ in facts.known_services}
    told = [f"<tt:Device><tt:XAddr>{doors['tds']}</tt:XAddr></tt:Device>"]
    if "tev" in doors:
        told.append(
            f"<tt:Events><tt:XAddr>{doors['tev']}</tt:XAddr><tt:WSSubscriptionPolicySupport>false"
            "</tt:WSSubscriptionPolicySupport><tt:WSPullPointSupport>true</tt:WSPullPointSupport>"
            "<tt:WSPausableSubscriptionManagerInterfaceSupport>false"
            "</tt:WSPausableSubscriptionManagerInterfaceSupport></tt:Events>"
        )
    if "timg" in doors:
        told.append(f"<tt:Imaging><tt:XAddr>{doors['timg']}</tt:XAddr></tt:Imaging>")
    if "trt" in doors:
        told.append(
            f"<tt:Media><tt:XAddr>{doors['trt']}</tt:XAddr><tt:StreamingCapabilities><tt:RTPMulticast>false"
            "</tt:RTPMulticast><tt:RTP_TCP>true</tt:RTP_TCP><tt:RTP_RTSP_TCP>true</tt:RTP_RTSP_TCP>"
            "</tt:StreamingCapabilities></tt:Media>"
        )
    if "tptz" in doors:
        told.append(f"<tt:PTZ><tt:XAddr>{doors['tptz']}</tt:XAddr></tt:PTZ>")
    return (
        f"<tds:GetCapabilitiesResponse><tds:Capabilities>{''.join(told)}</tds:Capabilities>"
        "</tds:GetCapabilitiesResponse>"
    )


def network_interfaces(facts: DeviceFacts, _request: Request, _now: datetime) -> str:
    return (
        '<tds:GetNetworkInterfacesResponse><tds:NetworkInterfaces token="eth0"><tt:Enabled>true</tt:Enabled><tt:Info>'
        f"<tt:Name>eth0</tt:Name><tt:HwAddress>{_hardware_address(facts)}</tt:HwAddress></tt:Info><tt:IPv4>"
        "<tt:Enabled>true</tt:Enabled><tt:Config><tt:DHCP>false</tt:DHCP></tt:Config></tt:IPv4>"
        "</tds:NetworkInterfaces></tds:GetNetworkInterfacesResponse>"
    )


def _hardware_address(facts: DeviceFacts) -> str:
    digits = f"{int.from_bytes(facts.serial.encode(), 'big') & 0xFFFFFFFF:08x}"
    return ":".join(["02", "00", *(digits[at : at + 2] for at in range(0, 8, 2))])  # locally administered


def hostname(facts: DeviceFacts, _request: Request, _now: datetime) -> str:
    return (
        "<tds:GetHostnameResponse><tds:HostnameInformation><tt:FromDHCP>false</tt:FromDHCP>"
        f"<tt:Name>{facts.serial.lower()}</tt:Name></tds:HostnameInformation></tds:GetHostnameResponse>"
    )


def service_capabilities(facts: DeviceFacts, _request: Request, _now: datetime) -> str:
    return (
        "<tds:GetServiceCapabilitiesResponse><tds:Capabilities><tds:Network/>"
        '<tds:Security UsernameToken="true" HttpDigest="true"/><tds:System DiscoveryResolve="false"/>'
        "</tds:Capabilities></tds:GetServiceCapabilitiesResponse>"
    )


def video_sources(facts: DeviceFacts, _request: Request, _now: datetime) -> str:
    first = facts.profiles[0]
    return (
        f'<trt:GetVideoSourcesResponse><trt:VideoSources token="vs"><tt:Framerate>{first.fps}</tt:Framerate>'
        f"{_resolution(first)}</trt:VideoSources></trt:GetVideoSourcesResponse>"
    )


def scopes(facts: DeviceFacts, _request: Request, _now: datetime) -> str:
    listed = "".join(
        f"<tds:Scopes><tt:ScopeDef>Fixed</tt:ScopeDef><tt:ScopeItem>{escape(scope)}</tt:ScopeItem></tds:Scopes>"
        for scope in facts.scopes
    )
    return f"<tds:GetScopesResponse>{listed}</tds:GetScopesResponse>"


def media_profiles(facts: DeviceFacts, _request: Request, _now: datetime) -> str:
    listed = "".join(
        f'<trt:Profiles token={quoteattr(profile.token)} fixed="true"><tt:Name>{escape(profile.name)}</tt:Name>'
        '<tt:VideoSourceConfiguration token="vsc"><tt:Name>vsc</tt:Name><tt:UseCount>1</tt:UseCount>'
        "<tt:SourceToken>vs</tt:SourceToken>"
        f'<tt:Bounds x="0" y="0" width="{profile.width}" height="{profile.height}"/></tt:VideoSourceConfiguration>'
        f'<tt:VideoEncoderConfiguration token="vec-{profile.token}"><tt:Name>{escape(profile.name)}</tt:Name>'
        # Profile S knows no H.265; devices that have it leave the older name standing.
        f"<tt:UseCount>1</tt:UseCount><tt:Encoding>H264</tt:Encoding>{_resolution(profile)}<tt:Quality>5</tt:Quality>"
        f"<tt:RateControl><tt:FrameRateLimit>{round(profile.fps)}</tt:FrameRateLimit>"
        "<tt:EncodingInterval>1</tt:EncodingInterval><tt:BitrateLimit>2048</tt:BitrateLimit></tt:RateControl>"
        f"<tt:H264><tt:GovLength>{round(profile.fps * 2)}</tt:GovLength><tt:H264Profile>Baseline</tt:H264Profile>"
        "</tt:H264><tt:Multicast><tt:Address><tt:Type>IPv4</tt:Type><tt:IPv4Address>0.0.0.0</tt:IPv4Address>"
        "</tt:Address><tt:Port>0</tt:Port><tt:TTL>0</tt:TTL><tt:AutoStart>false</tt:AutoStart></tt:Multicast>"
        "<tt:SessionTimeout>PT60S</tt:SessionTimeout></tt:VideoEncoderConfiguration>"
        f"{_ptz(facts, 'tt:PTZConfiguration')}</trt:Profiles>"
        for profile in facts.profiles
    )
    return f"<trt:GetProfilesResponse>{listed}</trt:GetProfilesResponse>"


def media2_profiles(facts: DeviceFacts, _request: Request, _now: datetime) -> str:
    listed = "".join(
        f'<tr2:Profiles token={quoteattr(profile.token)} fixed="true"><tr2:Name>{escape(profile.name)}</tr2:Name>'
        "<tr2:Configurations>"
        '<tr2:VideoSource token="vsc"><tt:Name>vsc</tt:Name><tt:UseCount>1</tt:UseCount><tt:SourceToken>vs'
        f'</tt:SourceToken><tt:Bounds x="0" y="0" width="{profile.width}" height="{profile.height}"/></tr2:VideoSource>'
        f'<tr2:VideoEncoder token="vec-{profile.token}" GovLength="{round(profile.fps * 2)}">'
        f"<tt:Name>{escape(profile.name)}</tt:Name><tt:UseCount>1</tt:UseCount>"
        f"<tt:Encoding>{profile.encoding}</tt:Encoding>{_resolution(profile)}"
        f"<tt:RateControl><tt:FrameRateLimit>{round(profile.fps)}</tt:FrameRateLimit>"
        "<tt:BitrateLimit>2048</tt:BitrateLimit></tt:RateControl><tt:Quality>5</tt:Quality>"
        f"</tr2:VideoEncoder>{_ptz(facts, 'tr2:PTZ')}</tr2:Configurations></tr2:Profiles>"
        for profile in facts.profiles
    )
    return f"<tr2:GetProfilesResponse>{listed}</tr2:GetProfilesResponse>"


def _ptz(facts: DeviceFacts, element: str) -> str:
    """A profile's PTZ configuration; Media2 tells it as an element of its own."""
    if not facts.ptz:
        return ""
    return (
        f'<{element} token="ptz"><tt:Name>ptz</tt:Name><tt:UseCount>1</tt:UseCount><tt:NodeToken>ptz-node'
        f"</tt:NodeToken></{element}>"
    )


def synchronization_point(prefix: str) -> Answer:
    def answer(facts: DeviceFacts, request: Request, _now: datetime) -> str:
        _profile(facts, request, prefix)
        return f"<{prefix}:SetSynchronizationPointResponse/>"

    return answer


def _resolution(profile: ServedProfile) -> str:
    return f"<tt:Resolution><tt:Width>{profile.width}</tt:Width><tt:Height>{profile.height}</tt:Height></tt:Resolution>"


def media_stream_uri(facts: DeviceFacts, request: Request, _now: datetime) -> str:
    return f"<trt:GetStreamUriResponse>{_media_uri(_stream(facts, request, 'trt'))}</trt:GetStreamUriResponse>"


def media2_stream_uri(facts: DeviceFacts, request: Request, _now: datetime) -> str:
    return f"<tr2:GetStreamUriResponse><tr2:Uri>{_stream(facts, request, 'tr2')}</tr2:Uri></tr2:GetStreamUriResponse>"


def media_snapshot_uri(facts: DeviceFacts, request: Request, _now: datetime) -> str:
    uri = f"{facts.scheme}://{facts.web}/snapshot/{_profile(facts, request, 'trt').token}.jpg"
    return f"<trt:GetSnapshotUriResponse>{_media_uri(uri)}</trt:GetSnapshotUriResponse>"


def media2_snapshot_uri(facts: DeviceFacts, request: Request, _now: datetime) -> str:
    uri = f"{facts.scheme}://{facts.web}/snapshot/{_profile(facts, request, 'tr2').token}.jpg"
    return f"<tr2:GetSnapshotUriResponse><tr2:Uri>{uri}</tr2:Uri></tr2:GetSnapshotUriResponse>"


def _stream(facts: DeviceFacts, request: Request, prefix: str) -> str:
    return f"rtsp://{facts.rtsp}{_profile(facts, request, prefix).path}"


def _media_uri(uri: str) -> str:
    return (
        f"<trt:MediaUri><tt:Uri>{uri}</tt:Uri><tt:InvalidAfterConnect>false</tt:InvalidAfterConnect>"
        "<tt:InvalidAfterReboot>false</tt:InvalidAfterReboot><tt:Timeout>PT60S</tt:Timeout></trt:MediaUri>"
    )


def _profile(facts: DeviceFacts, request: Request, prefix: str) -> ServedProfile:
    token = request.body.findtext(f"{prefix}:ProfileToken", "", NAMESPACES).strip()
    for profile in facts.profiles:
        if profile.token == token:
            return profile
    raise Fault("ter:NoProfile", "Profile token does not exist")


UNAUTHENTICATED: Mapping[str, Answer] = {
    # ONVIF Core, access classes: PRE_AUTH.
    "tds:GetSystemDateAndTime": system_date_and_time,
    "tds:GetServices": services,
    "tds:GetCapabilities": capabilities,
    "tds:GetServiceCapabilities": service_capabilities,
}
AUTHENTICATED: Mapping[str, Answer] = {
    "tds:GetDeviceInformation": device_information,
    "tds:GetScopes": scopes,
    "tds:GetHostname": hostname,
    "tds:GetNetworkInterfaces": network_interfaces,
    "trt:GetProfiles": media_profiles,
    "trt:GetStreamUri": media_stream_uri,
    "trt:GetSnapshotUri": media_snapshot_uri,
    "trt:GetVideoSources": video_sources,
    "trt:SetSynchronizationPoint": synchronization_point("trt"),
}
MEDIA2: Mapping[str, Answer] = {
    "tr2:GetProfiles": media2_profiles,
    "tr2:GetStreamUri": media2_stream_uri,
    "tr2:GetSnapshotUri": media2_snapshot_uri,
    "tr2:SetSynchronizationPoint": synchronization_point("tr2"),
}
