"""Only the camera networks are reached, however an address is written and whoever wrote it."""

from __future__ import annotations

import asyncio
import socket
from ipaddress import ip_network

import pytest

from camera_registry.address_policy import AddressPolicy, rehosted
from camera_registry.errors import CameraRefused

POLICY = AddressPolicy((ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")))


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("192.0.2.7", True),
        ("2001:db8::7", True),
        ("[2001:db8::7]", True),
        ("::ffff:192.0.2.7", True),
        ("192.0.3.7", False),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("::ffff:127.0.0.1", False),
        ("::1", False),
        ("2001:db8::7%eth0", False),
        ("0.0.0.0", False),  # noqa: S104
        ("camera.example", False),
        ("192.0.2.07", False),
        ("3221225991", False),
        ("", False),
    ],
)
def test_what_may_be_reached(host: str, allowed: bool) -> None:
    assert POLICY.allows(host) is allowed


def test_any_and_every_are_nobody_even_where_all_are_allowed() -> None:
    everybody = AddressPolicy((ip_network("0.0.0.0/0"),))
    assert not everybody.allows("0.0.0.0")  # noqa: S104
    assert not everybody.allows("239.255.255.250")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.7", "http://192.0.2.7/onvif/device_service"),
        (" 192.0.2.7:8080 ", "http://192.0.2.7:8080/onvif/device_service"),
        ("http://192.0.2.7/", "http://192.0.2.7/onvif/device_service"),
        ("HTTPS://192.0.2.7:443/onvif/services", "https://192.0.2.7:443/onvif/services"),
        ("[2001:db8::7]:80", "http://[2001:db8::7]:80/onvif/device_service"),
    ],
)
async def test_an_address_as_a_person_types_it(text: str, address: str) -> None:
    assert await POLICY.onvif_address(text) == address


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "address_invalid"),
        ("ftp://192.0.2.7", "address_invalid"),
        ("file:///etc/hostname", "address_invalid"),
        ("http://192.0.2.7:99999/", "address_invalid"),
        ("http://192.0.2.7:0/", "address_invalid"),
        ("http://[192.0.2.7/", "address_invalid"),
        ("http://192.0.2.7/a b", "address_invalid"),
        ("http://192.0.2.7/\r\nHost: x", "address_invalid"),
        ("http://192.0.2.7/#x", "address_invalid"),
        ("192.0.2.7/" + "a" * 400, "address_invalid"),
        ("http://admin:12345@192.0.2.7/", "login_in_address"),
        ("http://192.0.2.7@127.0.0.1/", "login_in_address"),
        ("http://127.0.0.1/", "address_not_allowed"),
    ],
)
async def test_an_address_that_is_refused_names_its_field(text: str, reason: str) -> None:
    with pytest.raises(CameraRefused) as refused:
        await POLICY.onvif_address(text)
    assert (refused.value.reason, refused.value.field) == (reason, "onvif_address")


async def test_a_login_in_a_stream_address_is_not_repeated() -> None:
    with pytest.raises(CameraRefused) as refused:
        await POLICY.stream_address("rtsp://viewer:secret-word@192.0.2.7/main")
    assert "secret-word" not in f"{refused.value!r}{refused.value.zh}{refused.value.detail}"
    assert (refused.value.reason, refused.value.field) == ("login_in_address", "rtsp_url")


def resolves(monkeypatch: pytest.MonkeyPatch, *found: str) -> None:
    async def lookup(*_args: object, **_kwargs: object) -> list[object]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 0)) for one in found]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", lookup)


async def test_a_name_becomes_the_address_it_stands_for_now(monkeypatch: pytest.MonkeyPatch) -> None:
    resolves(monkeypatch, "192.0.2.9", "192.0.2.10")
    assert await POLICY.stream_address("rtsp://camera.example:554/main?a=b") == "rtsp://192.0.2.9:554/main?a=b"


async def test_a_name_that_stands_for_a_forbidden_address_too_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    resolves(monkeypatch, "192.0.2.9", "127.0.0.1")
    with pytest.raises(CameraRefused, match="address_not_allowed"):
        await POLICY.onvif_address("camera.example")


async def test_a_name_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    async def lookup(*_args: object, **_kwargs: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", lookup)
    with pytest.raises(CameraRefused, match="host_unknown"):
        await POLICY.onvif_address("camera.example")


@pytest.mark.parametrize(
    ("url", "result"),
    [
        ("rtsp://0.0.0.0:554/main?x=1", "rtsp://192.0.2.7:554/main?x=1"),
        ("RTSP://viewer:password@10.0.0.1/main", "rtsp://192.0.2.7/main"),
        ("http://192.0.2.7/main", None),
        ("rtsp:///main", None),
        ("rtsp://h:0/main", None),
        ("rtsp://h:x/main", None),
        ("rtsp://h/a\nb", None),
        ("rtsp://h/" + "a" * 2_000, None),
    ],
)
def test_an_address_a_device_reports_keeps_its_path_alone(url: str, result: str | None) -> None:
    assert rehosted(url, "192.0.2.7", ("rtsp",)) == result
