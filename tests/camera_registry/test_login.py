"""A login shows no password, and no device is sent a third wrong one."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from camera_registry import login as login_module
from camera_registry.errors import CameraRefused
from camera_registry.login import FORGOTTEN_AFTER, Login, LoginBackoff, device_of

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def test_a_password_is_not_shown() -> None:
    assert "open-sesame" not in f"{Login('viewer', 'open-sesame')!r} {Login('viewer', 'open-sesame')}"


def test_two_wrong_logins_and_half_an_hour_of_peace() -> None:
    backoff = LoginBackoff()
    assert backoff.left("camera", NOON) == 2
    backoff.failed("camera", NOON)
    assert backoff.left("camera", NOON) == 1
    backoff.failed("camera", NOON + timedelta(minutes=5))
    almost = NOON + timedelta(minutes=5) + FORGOTTEN_AFTER - timedelta(seconds=1)
    assert backoff.left("camera", almost) == 0
    assert backoff.left("camera", almost + timedelta(seconds=1)) == 2
    assert backoff.left("another", NOON) == 2


def test_two_forms_of_one_login_are_two() -> None:
    backoff = LoginBackoff()
    backoff.failed("camera", NOON, times=2)
    assert backoff.left("camera", NOON) == 0


def test_a_login_that_is_taken_wipes_the_count() -> None:
    backoff = LoginBackoff()
    backoff.failed("camera", NOON)
    backoff.succeeded("camera")
    assert backoff.left("camera", NOON) == 2


async def test_one_asks_a_device_at_a_time() -> None:
    backoff = LoginBackoff()
    order: list[int] = []

    async def ask(number: int) -> None:
        async with backoff.asking("camera", lambda: NOON):
            order.append(number)
            await asyncio.sleep(0.01)
            order.append(number)

    await asyncio.gather(*(ask(number) for number in range(3)))
    assert order == [0, 0, 1, 1, 2, 2]


async def test_who_waits_too_long_is_told_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login_module, "QUEUE_SECONDS", 0.05)
    backoff = LoginBackoff()
    async with backoff.asking("camera", lambda: NOON):
        with pytest.raises(CameraRefused, match="already_asking"):
            async with backoff.asking("camera", lambda: NOON):
                pytest.fail("two at once")
    async with backoff.asking("camera", lambda: NOON) as left:
        assert left == 2


@pytest.mark.parametrize(
    ("url", "device"),
    [
        ("http://192.0.2.7/onvif/device_service", "192.0.2.7"),
        ("https://192.0.2.7:8443/onvif/device_service", "192.0.2.7"),
        ("rtsp://192.0.2.7:554/main", "192.0.2.7"),
        ("rtsp://[2001:db8::7]:554/main", "2001:db8::7"),
        ("http://127.0.0.1:8080/onvif/device_service", "127.0.0.1:8080"),
    ],
)
def test_a_devices_doors_share_their_count(url: str, device: str) -> None:
    assert device_of(url) == device
