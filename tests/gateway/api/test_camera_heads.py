"""A head that was turned is stopped, and its arrival noted, whatever goes wrong over it on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pytest

from camera_registry.ptz import Ptz
from gateway.api import camera_heads
from gateway.api.camera_heads import STOP_TRIES, CameraHeads
from gateway.refusals import Refusal

CODE = "99000000001320000001"
SILENT = Refusal("unavailable", "camera_silent", "摄像机无应答", "the camera does not answer")
BUSY = Refusal("unavailable", "database_busy", "数据库繁忙", "the database is busy")
WRONG = Refusal("invalid", "auth_failed", "口令错误", "the password is wrong")


class Dome:
    """A head that fails with what is listed, one after the other, and answers after that."""

    def __init__(self, *faults: Exception, moving: bool | None = False) -> None:
        self.faults = list(faults)
        self.asked = 0
        self.stopped = 0
        self.is_moving = moving

    @asynccontextmanager
    async def ptz(self) -> AsyncIterator[Ptz]:
        self.asked += 1
        if self.faults:
            raise self.faults.pop(0)
        yield cast(Ptz, self)

    async def stop(self) -> None:
        self.stopped += 1

    async def moving(self) -> bool | None:
        return self.is_moving


@pytest.fixture
async def heads(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[CameraHeads]:
    for name in ("AGAIN_SECONDS", "LOOK_EVERY", "UNTOLD_ARRIVAL"):
        monkeypatch.setattr(camera_heads, name, 0.0)
    heads = CameraHeads()
    yield heads
    await heads.close()


async def settled(heads: CameraHeads) -> None:
    async with asyncio.timeout(5):
        while heads._following:
            await asyncio.sleep(0)


@pytest.mark.parametrize(
    "fault", [SILENT, OSError(24, "Too many open files"), TimeoutError(), ValueError("an answer like none")]
)
async def test_a_head_is_stopped_whatever_kept_it_from_being_stopped_at_first(
    heads: CameraHeads, fault: Exception
) -> None:
    dome = Dome(fault, fault)
    heads.stop_later(CODE, 0.0, dome.ptz)
    await settled(heads)
    assert dome.stopped == 1


async def test_a_head_that_cannot_be_stopped_is_left_after_a_few_tries(heads: CameraHeads) -> None:
    dome = Dome(*(SILENT for _ in range(STOP_TRIES)))
    heads.stop_later(CODE, 0.0, dome.ptz)
    await settled(heads)
    assert (dome.asked, dome.stopped) == (STOP_TRIES, 0)


@pytest.mark.parametrize("fault", [SILENT, OSError(24, "Too many open files")])
@pytest.mark.parametrize("moving", [False, None])
async def test_an_arrival_is_noted_though_a_question_about_it_was_lost(
    heads: CameraHeads, fault: Exception, moving: bool | None
) -> None:
    """The zones drawn for the preset were watched no more until somebody turned the head again."""
    dome, noted = Dome(fault, moving=moving), list[str]()

    async def arrived() -> None:
        noted.append(CODE)

    heads.note_arrival(CODE, dome.ptz, arrived)
    await settled(heads)
    assert noted == [CODE]


@pytest.mark.parametrize("fault", [BUSY, KeyError("a bug")])
async def test_an_arrival_is_noted_though_the_database_was_away_just_then(heads: CameraHeads, fault: Exception) -> None:
    faults, noted = [fault] * 5, list[str]()

    async def arrived() -> None:
        if faults:
            raise faults.pop()
        noted.append(CODE)

    heads.note_arrival(CODE, Dome().ptz, arrived)
    await settled(heads)
    assert noted == [CODE]


async def test_a_camera_that_never_answered_has_arrived_nowhere(
    heads: CameraHeads, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camera_heads, "ARRIVAL_SECONDS", 0.02)
    noted: list[str] = []

    async def arrived() -> None:
        noted.append(CODE)

    heads.note_arrival(CODE, Dome(*(SILENT for _ in range(100_000))).ptz, arrived)
    await settled(heads)
    assert noted == []


async def test_a_camera_that_refuses_the_login_is_not_asked_on(heads: CameraHeads) -> None:
    dome, noted = Dome(WRONG), list[str]()

    async def arrived() -> None:
        noted.append(CODE)

    heads.note_arrival(CODE, dome.ptz, arrived)
    await settled(heads)
    assert (dome.asked, noted) == (1, [])


async def test_a_head_whose_login_is_refused_is_not_tried_until_its_account_is_locked(heads: CameraHeads) -> None:
    dome = Dome(WRONG, WRONG)
    heads.stop_later(CODE, 0.0, dome.ptz)
    await settled(heads)
    assert (dome.asked, dome.stopped) == (1, 0)


async def test_a_new_command_takes_the_place_of_what_was_to_follow_the_last_one(heads: CameraHeads) -> None:
    first, second = Dome(), Dome()
    heads.stop_later(CODE, 60.0, first.ptz)
    heads.stop_later(CODE, 0.0, second.ptz)
    await settled(heads)
    assert (first.stopped, second.stopped) == (0, 1)
