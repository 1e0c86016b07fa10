"""The ladder against devices that are odd, broken or hostile: it ends in time, with the reason, at the right rung."""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from camera_registry import digest
from camera_registry.errors import CameraRefused
from camera_registry.login import Login
from camera_registry.registration import Registrar
from gateway.virtual import soap

if TYPE_CHECKING:
    from tests.camera_registry.conftest import SoapPeer

Answer = Callable[[web.Request], web.StreamResponse | bytes | str]

TOP = "stream_unreachable"
"""Where a ladder ends that was climbed to its top: the peer's stream is not there."""
CLOCK, FIRST_LOGIN, SERVICES = "tds:GetSystemDateAndTime", "tds:GetDeviceInformation", "tds:GetServices"
PROFILES, STREAM, SNAPSHOT = "tr2:GetProfiles", "tr2:GetStreamUri", "tr2:GetSnapshotUri"
BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE s [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
    b'<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;">]>'
    b'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><x>&d;</x></s:Body></s:Envelope>'
)
STRANGER = (
    b'<!DOCTYPE s [<!ENTITY f SYSTEM "file:///etc/hostname">]>'
    b'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><x>&f;</x></s:Body></s:Envelope>'
)


async def reason_of(registrar: Registrar, peer: SoapPeer, login: Login) -> str:
    async with asyncio.timeout(10):
        with pytest.raises(CameraRefused) as refused:
            await registrar.over_onvif(peer.address, login)
    return refused.value.reason


def fault(subcode: str, text: str, status: int = 400) -> web.Response:
    body = soap.fault(soap.Fault(subcode, text))
    return web.Response(body=body, status=status, headers={"Content-Type": soap.MEDIA_TYPE})


async def test_the_peer_is_a_camera_up_to_its_stream(registrar: Registrar, soap_peer: SoapPeer, login: Login) -> None:
    assert await reason_of(registrar, soap_peer, login) == TOP
    assert soap_peer.asked == [
        (CLOCK, "none"), (FIRST_LOGIN, "token"), (SERVICES, "token"), (PROFILES, "token"), (STREAM, "token"),
        (SNAPSHOT, "token"),
    ]  # fmt: skip


@pytest.mark.parametrize("operation", [CLOCK, FIRST_LOGIN, SERVICES, STREAM])
@pytest.mark.parametrize(
    ("content", "reasons"),
    [
        (BOMB, {"answer_invalid"}),
        (STRANGER, {"answer_invalid"}),
        (b"x" * 1_000_001, {"answer_invalid"}),
        (b"<a>" * 200_000, {"not_onvif", "answer_invalid"}),
        (b"", {"not_onvif", "answer_invalid"}),
        (b"\xff\xfe\x00<", {"not_onvif", "answer_invalid"}),
        (b"<!DOCTYPE html><html><body>Web</body></html>", {"not_onvif", "answer_invalid"}),
        (soap.envelope("<nothing/>"), {"answer_invalid", "no_media_service", "no_stream_address", "not_onvif"}),
    ],
    ids=["bomb", "file", "endless", "deep", "empty", "binary", "page", "another answer"],
)
async def test_a_hostile_answer_is_refused_at_every_rung(
    registrar: Registrar, soap_peer: SoapPeer, login: Login, operation: str, content: bytes, reasons: set[str]
) -> None:
    soap_peer.replaced[operation] = lambda _request: content
    told = await reason_of(registrar, soap_peer, login)
    # Another answer to the first questions leaves clock or model unknown, which stops nobody.
    assert told in reasons or (told == TOP and content.endswith(b"<nothing/></s:Body></s:Envelope>"))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda _: web.Response(status=404), "not_onvif"),
        (lambda _: web.Response(status=302, headers={"Location": "http://192.0.2.1/"}), "not_onvif"),
        (lambda _: web.Response(status=301, headers={"Location": "https://127.0.0.1/"}), "https_needed"),
        (lambda _: web.Response(text="<html>camera</html>", content_type="text/html"), "not_onvif"),
        (lambda _: web.Response(body=gzip.compress(b"<a/>"), headers={"Content-Encoding": "gzip"}), "answer_invalid"),
    ],
    ids=["not found", "elsewhere", "encrypted", "page", "packed"],
)
async def test_what_is_no_device_service_is_said_to_be_none(
    registrar: Registrar, soap_peer: SoapPeer, login: Login, answer: Answer, reason: str
) -> None:
    soap_peer.replaced[CLOCK] = answer
    assert await reason_of(registrar, soap_peer, login) == reason
    assert len(soap_peer.asked) == 1


async def test_a_device_that_tells_its_clock_after_a_login_only_may_be_wrong_by_its_clock(
    registrar: Registrar, soap_peer: SoapPeer, login: Login
) -> None:
    soap_peer.replaced[CLOCK] = lambda _: fault("ter:NotAuthorized", "Sender not authorized", 401)
    assert await reason_of(registrar, soap_peer, login) == TOP
    soap_peer.replaced[FIRST_LOGIN] = soap_peer.replaced[CLOCK]
    assert await reason_of(registrar, soap_peer, login) == "clock_unknown"


@pytest.mark.parametrize("year", ["0", "9999", "99999999999999999999", "-5", "now"])
async def test_an_impossible_clock_is_unknown(
    registrar: Registrar, soap_peer: SoapPeer, login: Login, year: str
) -> None:
    soap_peer.replaced[CLOCK] = lambda _: (
        "<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime><tt:DateTimeType>NTP</tt:DateTimeType>"
        "<tt:DaylightSavings>false</tt:DaylightSavings><tt:UTCDateTime><tt:Time><tt:Hour>1</tt:Hour>"
        "<tt:Minute>1</tt:Minute><tt:Second>1</tt:Second></tt:Time>"
        f"<tt:Date><tt:Year>{year}</tt:Year><tt:Month>1</tt:Month><tt:Day>1</tt:Day></tt:Date></tt:UTCDateTime>"
        "</tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>"
    )
    assert await reason_of(registrar, soap_peer, login) in (TOP, "answer_invalid")


@pytest.mark.parametrize("text", ["The account is locked", "user locked, 29 minutes left", "lock-out"])
async def test_a_lock_the_device_tells_of_is_told(
    registrar: Registrar, soap_peer: SoapPeer, login: Login, text: str
) -> None:
    soap_peer.replaced[FIRST_LOGIN] = lambda _: fault("ter:NotAuthorized", text, 401)
    assert await reason_of(registrar, soap_peer, login) == "locked_out"


async def test_an_unlocked_account_is_not_a_locked_one(registrar: Registrar, soap_peer: SoapPeer, login: Login) -> None:
    soap_peer.replaced[FIRST_LOGIN] = lambda _: fault("ter:NotAuthorized", "account unlocked, wrong password", 401)
    assert await reason_of(registrar, soap_peer, login) == "auth_failed"


async def test_https_to_a_door_that_speaks_none_is_a_tls_error(
    registrar: Registrar, soap_peer: SoapPeer, login: Login
) -> None:
    soap_peer.address = soap_peer.address.replace("http:", "https:")
    assert await reason_of(registrar, soap_peer, login) == "tls_error"


async def test_a_device_without_media_is_no_camera(registrar: Registrar, soap_peer: SoapPeer, login: Login) -> None:
    soap_peer.replaced["tds:GetCapabilities"] = lambda _: (
        "<tds:GetCapabilitiesResponse><tds:Capabilities/></tds:GetCapabilitiesResponse>"
    )
    soap_peer.replaced[SERVICES] = lambda _: "<tds:GetServicesResponse/>"
    assert await reason_of(registrar, soap_peer, login) == "no_media_service"


def one_profile(encoding: str) -> str:
    return (
        '<tr2:GetProfilesResponse><tr2:Profiles token="t"><tr2:Name>n</tr2:Name><tr2:Configurations><tr2:VideoEncoder>'
        f"<tt:Encoding>{encoding}</tt:Encoding><tt:Resolution><tt:Width>640</tt:Width><tt:Height>360</tt:Height>"
        "</tt:Resolution></tr2:VideoEncoder></tr2:Configurations></tr2:Profiles></tr2:GetProfilesResponse>"
    )


@pytest.mark.parametrize(
    ("profiles", "reason"),
    [
        ("<tr2:GetProfilesResponse/>", "no_profile"),
        ('<tr2:GetProfilesResponse><tr2:Profiles token="a"/></tr2:GetProfilesResponse>', "no_profile"),
        (one_profile("JPEG"), "no_h264_profile"),
    ],
)
async def test_profiles_that_cannot_be_pulled(
    registrar: Registrar, soap_peer: SoapPeer, login: Login, profiles: str, reason: str
) -> None:
    soap_peer.replaced[PROFILES] = lambda _: profiles
    soap_peer.replaced["trt:GetProfiles"] = lambda _: "<trt:GetProfilesResponse/>"  # asked where Media2 tells none
    assert await reason_of(registrar, soap_peer, login) == reason


@pytest.mark.parametrize("status", [400, 500])
async def test_where_media2_does_not_work_media_is_asked(
    registrar: Registrar, soap_peer: SoapPeer, login: Login, status: int
) -> None:
    soap_peer.replaced[PROFILES] = lambda _: fault("ter:ActionNotSupported", "not implemented", status)
    assert await reason_of(registrar, soap_peer, login) == TOP
    asked = [asked for asked, _ in soap_peer.asked]
    assert asked[-4:] == [PROFILES, "trt:GetProfiles", "trt:GetStreamUri", "trt:GetSnapshotUri"]


@pytest.mark.parametrize(
    "uri", ["", "http://127.0.0.1/main", "/main", "rtsp://[::1/main", "rtsp://h/" + "a" * 3_000, "rtsp://h/a&#10;b"]
)
async def test_a_stream_address_that_is_none(registrar: Registrar, soap_peer: SoapPeer, login: Login, uri: str) -> None:
    soap_peer.replaced[STREAM] = lambda _: (
        f"<tr2:GetStreamUriResponse><tr2:Uri>{uri}</tr2:Uri></tr2:GetStreamUriResponse>"
    )
    assert await reason_of(registrar, soap_peer, login) == "no_stream_address"


def digest_door(peer: SoapPeer, login: Login, judged: list[bool]) -> Answer:
    """Takes HTTP digest alone, and offers Basic beside it in the same header."""
    challenge = digest.Challenge("camera", "n1", "MD5", with_qop=True)

    def answer(request: web.Request) -> web.StreamResponse | bytes | str:
        sent = request.headers.get("Authorization", "")
        if not sent.startswith("Digest "):
            offered = 'Basic realm="camera", Digest realm="camera", qop="auth", nonce="n1", algorithm=MD5'
            return web.Response(status=401, headers={"WWW-Authenticate": offered})
        fields = dict(re.findall(r'(\w+)="?([^",]*)"?', sent))
        count = int(fields["nc"], 16)
        judged.append(sent == digest.answer(challenge, login, "POST", fields["uri"], fields["cnonce"], count))
        return peer.usual(FIRST_LOGIN) if judged[-1] else web.Response(status=401)

    return answer


async def test_a_device_with_digest_alone_is_sent_each_of_two_logins_once(
    registrar: Registrar, soap_peer: SoapPeer, login: Login
) -> None:
    judged: list[bool] = []
    soap_peer.replaced[FIRST_LOGIN] = digest_door(soap_peer, login, judged)
    with pytest.raises(CameraRefused, match=TOP):
        await registrar.with_any(soap_peer.address, [Login("viewer", "wrong"), login])
    assert judged[:2] == [False, True]
    assert {form for operation, form in soap_peer.asked if operation == FIRST_LOGIN} == {"none", "digest"}


async def test_a_password_is_never_sent_readably_unless_that_is_allowed_for_the_device(
    registrar: Registrar, soap_peer: SoapPeer, login: Login
) -> None:
    heard: list[str] = []

    def basic(request: web.Request) -> web.StreamResponse | bytes | str:
        heard.append(request.headers.get("Authorization", ""))
        if heard[-1].startswith("Basic "):
            return soap_peer.usual(FIRST_LOGIN)
        return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="camera"'})

    soap_peer.replaced[FIRST_LOGIN] = basic
    assert await reason_of(registrar, soap_peer, login) == "clear_login_needed"
    assert heard == [""]
    with pytest.raises(CameraRefused, match=TOP):
        await registrar.over_onvif(soap_peer.address, login, clear_login=True)
    assert heard[-1] == "Basic dmlld2VyOm1hZGUtZm9yLXRoaXMtdGVzdA=="


def services(*named: tuple[str, str]) -> str:
    inside = "".join(
        f"<tds:Service><tds:Namespace>{namespace}</tds:Namespace><tds:XAddr>{address}</tds:XAddr>"
        "<tds:Version><tt:Major>2</tt:Major><tt:Minor>60</tt:Minor></tds:Version></tds:Service>"
        for namespace, address in named
    )
    return f"<tds:GetServicesResponse>{inside}</tds:GetServicesResponse>"


@pytest.mark.parametrize(
    "named",
    [
        "/onvif/media2_service",
        "http://[fe80::1%25eth0]:80/onvif/media2 {door}/onvif/media2_service",
        "http://10.255.255.1:8899/onvif/media2_service",
        "http://[2001:db8::7]/onvif/media2_service",
    ],
    ids=["a path", "two networks", "behind a NAT", "another family"],
)
async def test_a_service_is_asked_at_the_host_we_reached_however_the_device_names_it(
    registrar: Registrar, soap_peer: SoapPeer, login: Login, named: str
) -> None:
    door = soap_peer.address.removesuffix("/onvif/device_service")
    media2 = "http://www.onvif.org/ver20/media/wsdl"
    soap_peer.replaced[SERVICES] = lambda _: services((media2, named.format(door=door)))
    assert await reason_of(registrar, soap_peer, login) == TOP


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: fault("ter:ActionNotSupported", "The requested action is optional", 400),
        lambda _: web.Response(status=400),
        lambda _: web.Response(status=500, text="Internal Server Error"),
        lambda _: services(("http://www.onvif.org/ver10/device/wsdl", "/onvif/device_service")),
    ],
    ids=["a fault", "no such page", "a bare error", "nothing of media"],
)
async def test_a_device_that_knows_no_services_is_asked_for_its_capabilities(
    registrar: Registrar, soap_peer: SoapPeer, login: Login, answer: Answer
) -> None:
    soap_peer.replaced[SERVICES] = answer
    assert await reason_of(registrar, soap_peer, login) == TOP
    assert "tds:GetCapabilities" in [operation for operation, _ in soap_peer.asked]


async def test_profiles_that_are_told_only_with_all_their_configurations_are_found(
    registrar: Registrar, soap_peer: SoapPeer, login: Login
) -> None:
    usual = soap_peer.usual(PROFILES)
    answers = iter(["<tr2:GetProfilesResponse/>", usual])
    soap_peer.replaced[PROFILES] = lambda _: next(answers)
    assert await reason_of(registrar, soap_peer, login) == TOP


async def test_a_connection_that_ended_unsaid_is_made_anew(
    registrar: Registrar, soap_peer: SoapPeer, login: Login
) -> None:
    dropped: list[str] = []

    def drop(request: web.Request) -> web.StreamResponse | str:
        if not dropped:
            dropped.append("once")
            assert request.transport is not None
            request.transport.close()
        return soap_peer.usual(SERVICES)

    soap_peer.replaced[SERVICES] = drop
    assert await reason_of(registrar, soap_peer, login) == TOP
    assert dropped == ["once"]


async def test_faults_of_soap_1_1_and_of_deep_subcodes_say_what_they_say(
    registrar: Registrar, soap_peer: SoapPeer, login: Login
) -> None:
    soap11 = (
        b'<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"><SOAP-ENV:Body>'
        b"<SOAP-ENV:Fault><faultcode>wsse:FailedAuthentication</faultcode><faultstring>no</faultstring>"
        b"</SOAP-ENV:Fault></SOAP-ENV:Body></SOAP-ENV:Envelope>"
    )
    soap_peer.replaced[PROFILES] = lambda _: web.Response(body=soap11, status=400, content_type="text/xml")
    assert await reason_of(registrar, soap_peer, login) == "auth_failed"


_ENCODER = (
    "<tt:Encoding>H264</tt:Encoding><tt:Resolution><tt:Width>640</tt:Width><tt:Height>360</tt:Height></tt:Resolution>"
)


@pytest.mark.parametrize(
    "listed",
    [
        f"<tt:Name>n</tt:Name><tt:VideoEncoderConfiguration>{_ENCODER}</tt:VideoEncoderConfiguration>",
        "<tt:VideoEncoderConfiguration><tt:Resolution><tt:Height>360</tt:Height><tt:Width>640</tt:Width></tt:Resolution>"
        "<tt:Encoding>H264</tt:Encoding></tt:VideoEncoderConfiguration><tt:Name>n</tt:Name>",
        f"<tt:Name>n</tt:Name><tt:Vendor/><tt:VideoEncoderConfiguration>{_ENCODER}<tt:RateControl><tt:FrameRateLimit>"
        "25.0</tt:FrameRateLimit></tt:RateControl><tt:More>1</tt:More></tt:VideoEncoderConfiguration>",
    ],
    ids=["no more than is needed", "in another order", "with more than is known"],
)
async def test_media_of_profile_s_is_read_in_whatever_form_it_comes(
    registrar: Registrar, soap_peer: SoapPeer, login: Login, listed: str
) -> None:
    bare = '<trt:Profiles token="bare"><tt:Name>no source</tt:Name></trt:Profiles>'
    soap_peer.replaced[SERVICES] = lambda _: services(("http://www.onvif.org/ver10/media/wsdl", "/onvif/media_service"))
    soap_peer.replaced["trt:GetProfiles"] = lambda _: (
        f'<trt:GetProfilesResponse>{bare}<trt:Profiles token="p">{listed}</trt:Profiles></trt:GetProfilesResponse>'
    )
    soap_peer.replaced["trt:GetStreamUri"] = lambda _: (
        "<trt:GetStreamUriResponse><trt:MediaUri><tt:Timeout>PT0S</tt:Timeout><tt:Uri> rtsp://0.0.0.0:9/main"
        "</tt:Uri></trt:MediaUri></trt:GetStreamUriResponse>"
    )
    assert await reason_of(registrar, soap_peer, login) == TOP


async def test_capabilities_and_clock_are_read_in_whatever_order_they_come(
    registrar: Registrar, soap_peer: SoapPeer, login: Login
) -> None:
    soap_peer.replaced[CLOCK] = lambda _: (
        "<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime><tt:UTCDateTime><tt:Date><tt:Year>2020</tt:Year>"
        "<tt:Month>1</tt:Month><tt:Day>1</tt:Day></tt:Date><tt:Time><tt:Hour>1</tt:Hour><tt:Minute>1</tt:Minute>"
        "<tt:Second>1</tt:Second></tt:Time></tt:UTCDateTime></tds:SystemDateAndTime>"
        "</tds:GetSystemDateAndTimeResponse>"
    )
    soap_peer.replaced[SERVICES] = lambda _: fault("ter:ActionNotSupported", "not known")
    soap_peer.replaced["tds:GetCapabilities"] = lambda _: (
        "<tds:GetCapabilitiesResponse><tds:Capabilities><tt:Media><tt:XAddr>/onvif/media_service</tt:XAddr></tt:Media>"
        "<tt:Device><tt:XAddr>/onvif/device_service</tt:XAddr></tt:Device></tds:Capabilities>"
        "</tds:GetCapabilitiesResponse>"
    )
    assert await reason_of(registrar, soap_peer, login) == TOP
    soap_peer.replaced[FIRST_LOGIN] = lambda _: fault("ter:NotAuthorized", "Sender not authorized")
    assert await reason_of(registrar, soap_peer, login) == "clock_skewed"
