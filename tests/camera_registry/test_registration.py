"""Virtual cameras registered: what is known of one that answers, and in which words each of the others is refused."""

from __future__ import annotations

import asyncio
import logging
import socket
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from camera_registry import reasons
from camera_registry.address_policy import AddressPolicy
from camera_registry.errors import CameraRefused
from camera_registry.login import FORGOTTEN_AFTER, Login, LoginBackoff
from camera_registry.registration import Registrar

if TYPE_CHECKING:
    from tests.camera_registry.conftest import OneDevice

pytestmark = pytest.mark.integration

WRONG = Login("viewer", "guessed-in-vain")


async def reason_of(registrar: Registrar, address: str, login: Login | None) -> str:
    with pytest.raises(CameraRefused) as refused:
        await registrar.over(address, login)
    return refused.value.reason


async def test_seven_requests_tell_of_a_camera(registrar: Registrar, one_device: OneDevice, login: Login) -> None:
    async with one_device(sub=True) as device:
        found = await registrar.over_onvif(device.onvif_address, login)
        assert found.stream_url == device.rtsp_url
        assert found.sub_stream_url == device.rtsp_url.replace("/main", "/sub")
        assert (found.encoding, found.width, found.height) == ("H264", 640, 360)
        assert (found.fps, found.gop) == (10.0, 20)
        assert (found.vendor, found.model) == ("Virtual Camera Works", "VC-2000")
        assert found.notes == ()
        assert found.snapshot_url == f"http://127.0.0.1:{device.device.port}/snapshot/main.jpg"
        assert [(one.role, one.encoding, one.width, one.b_frames) for one in found.profiles] == [
            ("main", "H264", 640, False), ("sub", "H264", 320, False),
        ]  # fmt: skip
        assert all(one.parameter_sets in ("sdp", "in_band", "both") for one in found.profiles)
        assert found.requests == device.device.requests == 7  # the last two: the sub-stream's address, and a picture's
        assert device.device.logins.refused == 0


async def test_a_camera_may_be_given_by_host_and_port(
    registrar: Registrar, one_device: OneDevice, login: Login
) -> None:
    async with one_device() as device:
        found = await registrar.over_onvif(f"localhost:{device.device.port}", login)
        assert found.onvif_address == device.onvif_address


@pytest.mark.parametrize("seconds", [-3600.0, 86_400.0 * 365, 30.0])
async def test_a_wrong_clock_is_worked_with_and_noted(
    registrar: Registrar, one_device: OneDevice, login: Login, seconds: float
) -> None:
    async with one_device(clock_offset=seconds) as device:
        found = await registrar.over_onvif(device.onvif_address, login)
    assert found.clock_offset is not None
    assert abs(found.clock_offset - timedelta(seconds=seconds)) < timedelta(seconds=2)
    assert found.notes == (reasons.CLOCK_WRONG,)


async def test_a_camera_with_a_wrong_clock_that_refuses_is_said_to_have_one(
    registrar: Registrar, one_device: OneDevice
) -> None:
    async with one_device(clock_offset=-3600.0) as device:
        assert await reason_of(registrar, device.onvif_address, WRONG) == "clock_skewed"


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.7", "camera.invalid"])  # noqa: S104 - what cameras say
async def test_the_host_a_camera_names_is_replaced_by_the_one_it_answers_at(
    registrar: Registrar, one_device: OneDevice, login: Login, host: str
) -> None:
    async with one_device(advertised_host=host) as device:
        found = await registrar.over_onvif(device.onvif_address, login)
        assert found.stream_url == device.rtsp_url
        assert found.notes == (reasons.HOST_REPAIRED,)


async def test_an_older_camera_is_asked_by_its_own_means(
    registrar: Registrar, one_device: OneDevice, login: Login
) -> None:
    async with one_device(media2=False, without_services=True) as device:
        found = await registrar.over_onvif(device.onvif_address, login)
        assert (found.stream_url, found.gop) == (device.rtsp_url, 20)


async def test_the_stream_itself_tells_its_codec(registrar: Registrar, one_device: OneDevice, login: Login) -> None:
    async with one_device(main_encoding="H265") as device:  # it says so, and sends H.264
        assert (await registrar.over_onvif(device.onvif_address, login)).encoding == "H264"


async def test_a_stream_can_be_registered_without_onvif(
    registrar: Registrar, one_device: OneDevice, login: Login
) -> None:
    async with one_device() as device:
        found = await registrar.over_rtsp(device.rtsp_url, login)
        assert (found.stream_url, found.encoding, found.onvif_address) == (device.rtsp_url, "H264", None)
        assert await reason_of(registrar, device.rtsp_url.replace("main", "none"), login) == "stream_not_found"
        assert await reason_of(registrar, device.rtsp_url, None) == "stream_auth_failed"


async def test_a_wrong_password_is_sent_twice_and_never_again(
    registrar: Registrar, one_device: OneDevice, login: Login
) -> None:
    async with one_device() as device:
        told = [await reason_of(registrar, device.onvif_address, WRONG) for _ in range(4)]
        assert told == ["auth_failed", "auth_failed", "login_back_off", "login_back_off"]
        assert await reason_of(registrar, device.onvif_address, login) == "login_back_off"
        assert device.device.logins.refused == 2


async def test_many_who_ask_at_once_send_no_more_wrong_passwords(registrar: Registrar, one_device: OneDevice) -> None:
    async with one_device() as device:
        told = await asyncio.gather(*(reason_of(registrar, device.onvif_address, WRONG) for _ in range(8)))
        assert sorted(told) == ["auth_failed"] * 2 + ["login_back_off"] * 6
        assert device.device.logins.refused == 2


async def test_the_pause_ends_and_a_right_login_wipes_the_count(
    policy: AddressPolicy, backoff: LoginBackoff, one_device: OneDevice, login: Login
) -> None:
    later = timedelta()
    registrar = Registrar(policy, backoff, lambda: datetime.now(UTC) + later)
    async with one_device() as device:
        for _ in range(2):
            await reason_of(registrar, device.onvif_address, WRONG)
        later = FORGOTTEN_AFTER
        await registrar.over_onvif(device.onvif_address, login)
        assert backoff.left(f"127.0.0.1:{device.device.port}", datetime.now(UTC)) == 2


async def test_a_locked_account_is_left_alone_after_two_tries(
    registrar: Registrar, one_device: OneDevice, login: Login
) -> None:
    async with one_device(locked_out=True) as device:
        told = [await reason_of(registrar, device.onvif_address, login) for _ in range(3)]
        assert told == ["auth_failed", "auth_failed", "login_back_off"]
        assert device.device.logins.refused == 2


async def test_a_camera_that_refuses_the_stream_alone_is_told_apart(
    registrar: Registrar, one_device: OneDevice, login: Login
) -> None:
    async with one_device(refuses_rtsp=True) as device:
        told = [await reason_of(registrar, device.onvif_address, login) for _ in range(3)]
        assert told == ["stream_auth_failed", "stream_auth_failed", "login_back_off"]


async def test_a_slow_camera_is_given_up_in_time(registrar: Registrar, one_device: OneDevice, login: Login) -> None:
    async with one_device(slow=8.0) as device, asyncio.timeout(7.0):
        assert await reason_of(registrar, device.onvif_address, login) == "timeout"


async def test_where_nobody_listens_there_is_no_camera(registrar: Registrar, login: Login) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{taken.getsockname()[1]}"
        assert await reason_of(registrar, nobody, login) == "unreachable"
        assert await reason_of(registrar, f"rtsp://{nobody}/main", login) == "stream_unreachable"


async def test_no_address_outside_the_camera_networks_is_asked(
    backoff: LoginBackoff, one_device: OneDevice, login: Login
) -> None:
    elsewhere = Registrar(AddressPolicy((ip_network("192.0.2.0/24"),)), backoff, lambda: datetime.now(UTC))
    async with one_device() as device:
        for address in (device.onvif_address, f"localhost:{device.device.port}", device.rtsp_url):
            assert await reason_of(elsewhere, address, login) == "address_not_allowed"
        assert device.device.requests == 0


async def test_a_password_is_in_no_log_and_no_error(
    registrar: Registrar, one_device: OneDevice, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)  # the libraries' own logs too
    async with one_device() as device:
        with capture_logs() as logs, pytest.raises(CameraRefused) as refused:
            await registrar.over_onvif(device.onvif_address, WRONG)
    error: BaseException | None = refused.value
    told = [
        repr(logs),
        repr(WRONG),
        repr(registrar),
        refused.value.zh,
        refused.value.en,
        refused.value.detail,
        caplog.text,
    ]
    while error is not None:
        told.append(f"{error!r} {error}")
        error = error.__cause__ or error.__context__
    assert not any(WRONG.password in text for text in told)
    assert [entry["event"] for entry in logs] == ["camera_refused"]


async def test_of_several_logins_the_right_one_is_found_before_the_account_locks(
    registrar: Registrar, one_device: OneDevice, login: Login
) -> None:
    async with one_device() as device:
        found, number = await registrar.with_any(device.onvif_address, [WRONG, login])
        assert (found.stream_url, number) == (device.rtsp_url, 1)
        assert device.device.logins.refused == 1
        assert (await registrar.with_any(device.rtsp_url, [WRONG, login]))[1] == 1


async def test_a_device_is_sent_two_wrong_logins_however_many_there_are(
    registrar: Registrar, one_device: OneDevice, login: Login
) -> None:
    others = [Login("viewer", f"guess-{number}") for number in range(4)]
    async with one_device() as device:
        with pytest.raises(CameraRefused, match="auth_failed"):
            await registrar.with_any(device.onvif_address, [*others, login])
        assert device.device.logins.refused == 2
