"""Cameras' clocks are read, each by itself: what asking one comes to stops the asking of no other."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

import pytest

from camera_registry.address_policy import AddressPolicy
from camera_registry.errors import CameraRefused
from camera_registry.reasons import CLOCK_UNKNOWN
from gateway.processes.messages import ClockOffset, Message, RetryLogin
from gateway.storage.database import Database
from gateway.workers.control import clock_watch
from gateway.workers.control.clock_watch import MOST_AT_ONCE, Clocked, ClockWatch

if TYPE_CHECKING:
    from tests.gateway.conftest import ManualClock

ADDRESS = "http://127.0.0.{}/onvif/device_service"
CAMERAS = [Clocked(f"9900000000132000000{number}", ADDRESS.format(number)) for number in range(1, 4)]


class Street:
    """Cameras whose clocks are two seconds ahead, but for those with a fault."""

    def __init__(self) -> None:
        self.faults: dict[str, Exception] = {}
        self.told: list[Message] = []
        self.behind = False
        """Whether their worker does not keep up."""

    async def offset(self, _http: Any, address: str, _clock: Any) -> timedelta:
        for number, fault in self.faults.items():
            if address == ADDRESS.format(number):
                raise fault
        return timedelta(seconds=2)

    def tell(self, _code: str, message: Message) -> None:
        if not self.behind:
            self.told.append(message)

    def tell_until_taken(self, _code: str, message: Message) -> None:
        self.told.append(message)


@pytest.fixture
def street(monkeypatch: pytest.MonkeyPatch) -> Street:
    street = Street()
    monkeypatch.setattr(clock_watch, "clock_offset", street.offset)
    return street


@pytest.fixture
def watch(sqlite_database: Database, clock: ManualClock, street: Street) -> ClockWatch:
    return ClockWatch(
        sqlite_database, AddressPolicy((ip_network("127.0.0.0/8"),)), clock, street.tell, street.tell_until_taken
    )


async def at_once(_seconds: float) -> None:
    """No camera is waited for."""


async def test_a_camera_that_answers_with_what_nobody_foresaw_stops_the_clocks_of_no_other(
    watch: ClockWatch, street: Street
) -> None:
    street.faults["2"] = ValueError("a clock like none")
    await watch.round(CAMERAS, pause=at_once)
    assert street.told == [ClockOffset(CAMERAS[0].code, 2.0), ClockOffset(CAMERAS[2].code, 2.0)]
    assert len(watch.work.rows) == 1


async def test_after_many_such_faults_there_are_as_many_places_as_before(
    watch: ClockWatch, street: Street, clock: ManualClock
) -> None:
    street.faults = {"1": OSError(24, "Too many open files")}
    for _ in range(MOST_AT_ONCE + 1):
        await watch.round(CAMERAS[:1], pause=at_once)
        clock.advance(minutes=1)
    street.faults.clear()
    await watch.round(CAMERAS, pause=at_once)
    assert len(street.told) == 3


async def test_a_camera_that_was_silent_is_tried_with_its_login_again(watch: ClockWatch, street: Street) -> None:
    street.faults["1"] = CameraRefused(CLOCK_UNKNOWN)
    await watch.round(CAMERAS[:1], pause=at_once)
    street.faults.clear()
    await watch.round(CAMERAS[:1], pause=at_once)
    assert street.told == [RetryLogin(CAMERAS[0].code), ClockOffset(CAMERAS[0].code, 2.0)]
    assert (watch.read, watch.unread) == (1, 1)


async def test_that_a_login_may_be_right_now_is_said_but_once_and_reaches_a_worker_that_is_behind(
    watch: ClockWatch, street: Street
) -> None:
    """It was dropped, and the camera stayed away until its login was due."""
    street.faults["1"] = CameraRefused(CLOCK_UNKNOWN)
    await watch.round(CAMERAS[:1], pause=at_once)
    street.faults.clear()
    street.behind = True
    for _ in range(2):
        await watch.round(CAMERAS[:1], pause=at_once)
    assert street.told == [RetryLogin(CAMERAS[0].code)]


@pytest.mark.parametrize(("amiss", "cameras"), [("1", 1), ("123", 3), ("12", 3)])
async def test_a_round_takes_its_time_however_many_cameras_are_put_off(
    watch: ClockWatch, street: Street, amiss: str, cameras: int
) -> None:
    """A town's only camera, amiss, had the database read as fast as it answered."""
    street.faults = {number: ValueError("odd") for number in amiss}
    waited: list[float] = []

    async def pause(seconds: float) -> None:
        waited.append(seconds)

    await watch.round(CAMERAS[:cameras], pause=pause)
    waited.clear()
    await watch.round(CAMERAS[:cameras], pause=pause)
    assert sum(waited) == pytest.approx(clock_watch.EVERY)
