"""What workers say of their cameras is kept in its order, though the database be busy: never a state of the past."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.live import LiveHub
from gateway.processes.channel import MAX_FRAME, Channel
from gateway.processes.messages import AssignCamera, HealthChanged, Message
from gateway.processes.supervisor import Supervisor
from gateway.refusals import Refusal
from gateway.settings import Settings
from gateway.workers.control import assignments as under_test
from gateway.workers.control.assignments import Assignments, HealthHeard, PulledCamera
from gateway.workers.control.links import WorkerLinks
from gateway.workers.control.placement import Placement

CODE = "99000000001310000001"
NOW = datetime(2026, 1, 5, 8, tzinfo=UTC)


class Records:
    """Camera records on a database that is busy at first."""

    def __init__(self, busy: int) -> None:
        self.busy = busy
        self.noted: list[tuple[str, str]] = []
        self.asked = asyncio.Event()
        self.faults: dict[str, list[Exception]] = {}
        """Of each camera, what asking for it comes to, one after the other."""

    async def codes(self) -> list[str]:
        return [CODE]

    async def one(self, code: str) -> PulledCamera | None:
        self.asked.set()
        if self.busy:
            self.busy -= 1
            raise Refusal("unavailable", "database_busy", "数据库繁忙", "the database is busy")
        if self.faults.get(code):
            raise self.faults[code].pop(0)
        return PulledCamera(code, "id", "hub", "rtsp://127.0.0.1/1", None, None)

    async def keep_scene(self, code: str, preset: str, scene: bytes, at: datetime) -> None:
        """Not of interest here."""

    async def note_health(self, code: str, heard: HealthHeard) -> tuple[str, dict[str, Any]] | None:
        self.asked.set()
        await asyncio.sleep(0)
        if self.busy:
            self.busy -= 1
            raise Refusal("unavailable", "database_busy", "数据库繁忙", "the database is busy")
        self.noted.append((heard.state, heard.reason))
        return "hub", {"code": code, "state": heard.state}


async def nothing(worker: str, message: Message | None = None) -> None:
    """Whoever comes or goes: not of interest here."""


@pytest.fixture
async def placement() -> Placement:
    placed = Placement(50)
    placed.place(CODE)
    return placed


@pytest.fixture
def records() -> Records:
    return Records(busy=0)


@pytest.fixture
async def assigning(
    records: Records, placement: Placement, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Assignments]:
    monkeypatch.setattr(under_test, "AGAIN_SECONDS", 0.01)
    supervisor = Supervisor((), tmp_path / "s")
    links = WorkerLinks(supervisor, Settings(data_folder=tmp_path).for_workers(), nothing, nothing, nothing)
    assigning = Assignments(records, placement, links, supervisor, LiveHub(), lambda: NOW)
    yield assigning
    await assigning.close()


def said(state: str, fence: int = 1) -> HealthChanged:
    return HealthChanged(CODE, fence, state, state, NOW.timestamp())


async def noted(records: Records, count: int) -> list[tuple[str, str]]:
    async with asyncio.timeout(30):
        while len(records.noted) < count:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.05)
    return records.noted


async def test_a_state_that_was_told_while_the_database_was_busy_is_not_lost(
    assigning: Assignments, records: Records
) -> None:
    records.busy = 3
    await assigning.health("camera-1", said("live"))
    assert await noted(records, 1) == [("live", "live")]


async def test_every_state_is_kept_in_its_order_once_the_database_is_back(
    assigning: Assignments, records: Records
) -> None:
    records.busy = 2
    await assigning.health("camera-1", said("live"))
    await records.asked.wait()
    await assigning.health("camera-1", said("stalled"))
    await assigning.health("camera-1", said("offline"))
    assert await noted(records, 3) == [("live", "live"), ("stalled", "stalled"), ("offline", "offline")]


async def test_a_camera_that_flaps_while_the_database_is_away_keeps_its_newest_states(
    assigning: Assignments, records: Records
) -> None:
    records.busy = 2
    for number in range(50):
        await assigning.health("camera-1", said("live" if number % 2 else "stalled"))
    assert len(await noted(records, under_test.MOST_UNNOTED)) == under_test.MOST_UNNOTED
    assert records.noted[-1] == ("live", "live")


async def test_a_worker_that_came_back_is_not_overruled_by_its_own_end(
    assigning: Assignments, records: Records, placement: Placement
) -> None:
    await assigning.worker_lost("camera-1")
    await assigning.worker_ready("camera-1")
    fence = placement.place(CODE).fence
    await assigning.health("camera-1", said("live", fence))
    assert (await noted(records, 1))[-1] == ("live", "live")


async def test_what_an_earlier_owner_says_is_void(
    assigning: Assignments, records: Records, placement: Placement
) -> None:
    placement.place(CODE)
    await assigning.health("camera-1", said("live", fence=1))
    await asyncio.sleep(0.05)
    assert records.noted == []


async def test_a_change_is_told_though_the_database_is_busy_and_whoever_asked_is_gone(
    assigning: Assignments, records: Records, placement: Placement
) -> None:
    records.busy = 3
    asking = asyncio.create_task(assigning.changed(CODE))
    await records.asked.wait()
    asking.cancel()
    async with asyncio.timeout(30):
        while (owned := placement.owner(CODE)) is None or owned.fence < 2:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("fault", [KeyError("a rule of another version"), OSError(24, "Too many open files")])
async def test_a_change_is_told_whatever_kept_it_from_being_told_at_first(
    assigning: Assignments, records: Records, placement: Placement, fault: Exception
) -> None:
    records.faults[CODE] = [fault, fault]
    await assigning.changed(CODE)
    owned = placement.owner(CODE)
    assert owned is not None
    assert owned.fence == 2
    assert assigning._telling == {}


async def test_however_often_a_camera_is_changed_one_waits_to_tell_of_it(
    assigning: Assignments, records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(under_test, "TOLD_WITHIN", 0.01)
    monkeypatch.setattr(under_test, "AGAIN_SECONDS", 60.0)
    records.busy = 5
    for _ in range(5):
        await assigning.changed(CODE)
    waiting = [one for one in asyncio.all_tasks() if "_tell_change" in repr(one.get_coro())]
    assert len(waiting) == 1


async def test_a_camera_whose_record_cannot_be_read_keeps_no_other_from_being_told_to_its_worker(
    assigning: Assignments, records: Records, placement: Placement
) -> None:
    """The worker was told of those before it again and again, each second, and never of those behind it."""
    other = "99000000001310000002"
    placement.place(other)
    records.faults[CODE] = [ValueError("rules that are none")]
    await assigning.worker_ready("camera-1")
    owned = placement.owner(other)
    assert owned is not None
    assert owned.fence == 3
    async with asyncio.timeout(5):
        while (later := placement.owner(CODE)) is None or later.fence < 4:
            await asyncio.sleep(0.01)


async def test_a_worker_that_comes_while_the_database_is_away_is_told_all_when_it_is_back(
    assigning: Assignments, records: Records, placement: Placement
) -> None:
    records.busy = 1
    with pytest.raises(Refusal, match="database_busy"):
        await assigning.worker_ready("camera-1")
    await assigning.worker_ready("camera-1")
    owned = placement.owner(CODE)
    assert owned is not None
    assert owned.fence == 2


async def test_a_camera_that_was_active_in_two_crashes_is_given_a_worker_of_its_own_and_that_is_said(
    assigning: Assignments, records: Records, placement: Placement
) -> None:
    placement.place("another")
    assigning.worker_crashed("camera-1", {CODE, "of nobody here"})
    assert CODE not in assigning.quarantine
    assigning.worker_crashed("camera-1", {CODE})
    assert await noted(records, 1) == [("connecting", "quarantined")]
    owner = placement.owner(CODE)
    assert owner is not None
    assert placement.owned_by(owner.worker) == (CODE,)
    assert owner.worker != "camera-1"


async def test_a_camera_with_more_scenes_than_a_message_carries_keeps_no_other_from_being_told(
    assigning: Assignments, records: Records, placement: Placement, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order could not be sent, and those after it were not told either, each second anew."""
    other = "99000000001310000002"
    placement.place(other)
    scenes = {str(number): bytes(28_808) for number in range(600)}

    async def one(code: str) -> PulledCamera:
        mine = scenes if code == CODE else {}
        return PulledCamera(code, "id", "hub", "rtsp://127.0.0.1/1", None, None, scenes=mine, preset="599")

    monkeypatch.setattr(records, "one", one)
    told: list[AssignCamera] = []

    async def hears(message: Message) -> Message | None:
        assert isinstance(message, AssignCamera)
        told.append(message)
        return None

    ends = [await asyncio.open_unix_connection(sock=end, limit=MAX_FRAME) for end in socket.socketpair()]
    ours, theirs = (Channel(*end, hears, name="camera-1") for end in ends)
    running = [asyncio.create_task(end.run()) for end in (ours, theirs)]
    assigning._links._channels["camera-1"] = ours
    await assigning.worker_ready("camera-1")
    async with asyncio.timeout(30):
        while len(told) < 2:
            await asyncio.sleep(0.01)
    assert [order.code for order in told] == [CODE, other]
    assert "599" in told[0].scenes, "that of the preset which it has now"
    assert len(told[0].scenes) > 250
    ours.close()
    await asyncio.wait(running)
