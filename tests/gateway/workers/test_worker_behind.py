"""A worker that does not keep up for a while loses no order: it is told when it does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from gateway.live import LiveHub
from gateway.processes.channel import Channel, ChannelBusy
from gateway.processes.messages import (
    AssignCamera,
    CloseViewing,
    Done,
    LearnScene,
    LendStream,
    Message,
    ReleaseCamera,
    RetryLogin,
    WakeCamera,
    WithdrawStream,
)
from gateway.processes.supervisor import Supervisor
from gateway.refusals import Refusal
from gateway.settings import Settings
from gateway.workers.control import assignments as assigning_module
from gateway.workers.control import links as links_module
from gateway.workers.control.assignments import Assignments, HealthHeard, PulledCamera
from gateway.workers.control.links import WorkerLinks
from gateway.workers.control.placement import Placement

CODE, WORKER = "99000000001310000001", "camera-1"
LOAN = LendStream(CODE, "reader:nvr", 2e9, "user", "password")


@dataclass
class Line:
    """A channel to a worker that takes nothing for the next ``behind`` messages."""

    behind: int = 0
    told: list[Message] = field(default_factory=list)
    closed: bool = False

    def send(self, message: Message) -> None:
        if self.behind:
            self.behind -= 1
            raise ChannelBusy("worker does not keep up")
        self.told.append(message)

    async def request(self, message: Message, *, timeout: float) -> Message:
        self.send(message)
        return Done()

    def close(self) -> None:
        self.closed = True


@dataclass
class Records:
    """One camera's record, or none any more."""

    camera: PulledCamera | None = field(
        default_factory=lambda: PulledCamera(CODE, "id", "hub", "rtsp://127.0.0.1/1", None, None)
    )

    async def codes(self) -> list[str]:
        return [CODE]

    async def one(self, code: str) -> PulledCamera | None:
        return self.camera

    async def keep_scene(self, code: str, preset: str, scene: bytes, at: datetime) -> None:
        """Not of interest here."""

    async def note_health(self, code: str, heard: HealthHeard) -> tuple[str, dict[str, Any]] | None:
        """Nor this."""
        return None


async def nothing(worker: str, message: Message | None = None) -> None:
    """Whoever comes or goes: not of interest here."""


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
async def links(line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WorkerLinks]:
    monkeypatch.setattr(links_module, "TELL_AGAIN_SECONDS", 0.01)
    settings = Settings(data_folder=tmp_path).for_workers()
    made = WorkerLinks(Supervisor((), tmp_path / "s"), settings, nothing, nothing, nothing)
    made._channels[WORKER] = cast(Channel, line)
    yield made
    made._channels.clear()
    await made.close()


@pytest.fixture
def records() -> Records:
    return Records()


@pytest.fixture
async def assigning(
    records: Records, links: WorkerLinks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Assignments]:
    monkeypatch.setattr(assigning_module, "AGAIN_SECONDS", 0.01)
    placement, supervisor = Placement(50), Supervisor((), tmp_path / "s")
    placement.place(CODE)
    made = Assignments(records, placement, links, supervisor, LiveHub(), lambda: datetime(2026, 1, 5, 8, tzinfo=UTC))
    yield made
    await made.close()


async def test_a_change_of_rules_reaches_a_worker_that_was_behind(
    line: Line, records: Records, assigning: Assignments
) -> None:
    """It was dropped: the worker went on by the rules of before for as long as it ran."""
    line.behind = 3
    await assigning.changed(CODE)
    (told,) = line.told
    assert isinstance(told, AssignCamera)
    assert assigning.owns(WORKER, CODE, told.fence)


async def test_a_camera_that_is_taken_out_is_let_go_by_a_worker_that_was_behind(
    line: Line, records: Records, assigning: Assignments
) -> None:
    """It was pulled and watched for as long as the worker ran, and nobody knew of it."""
    records.camera, line.behind = None, 3
    await assigning.changed(CODE)
    assert line.told == [ReleaseCamera(CODE)]
    assert assigning.owned_by(WORKER) == ()


async def test_a_camera_that_is_taken_out_while_its_worker_is_away_is_nobody_s(
    links: WorkerLinks, records: Records, assigning: Assignments
) -> None:
    links._channels.clear()
    records.camera = None
    await assigning.changed(CODE)
    assert assigning.owned_by(WORKER) == ()


async def test_an_end_is_told_until_it_is_taken(line: Line, links: WorkerLinks) -> None:
    """A viewing whose grant had ended went on."""
    line.behind = 3
    links.tell_until_taken(WORKER, CloseViewing("v1"))
    async with asyncio.timeout(5):
        while not line.told:
            await asyncio.sleep(0.005)
    assert line.told == [CloseViewing("v1")]


@pytest.mark.parametrize("passes", [0, 3], ids=["at once", "while it is waited"])
async def test_an_end_is_not_told_to_a_worker_that_has_come_anew(line: Line, links: WorkerLinks, passes: int) -> None:
    """The loans that it is told of when it comes are those that last: it would end one."""
    line.behind = 1
    links.tell_until_taken(WORKER, WithdrawStream(CODE, "reader:nvr"))
    for _ in range(passes):
        await asyncio.sleep(0)
    links._channels[WORKER] = cast(Channel, anew := Line())
    links.order(WORKER, LOAN)
    await asyncio.sleep(0.05)
    assert anew.told == [LOAN]


@pytest.mark.parametrize("asked", [True, False], ids=["request", "order"])
async def test_a_loan_that_is_given_anew_is_not_ended_by_the_word_of_the_one_before(
    line: Line, links: WorkerLinks, asked: bool
) -> None:
    """It was overtaken: the reader was shut out until the worker was started again, its loan stood in the database."""
    line.behind = 1
    links.tell_until_taken(WORKER, WithdrawStream(CODE, "reader:nvr"))
    if asked:
        await links.request(WORKER, LOAN)
    else:
        links.order(WORKER, LOAN)
    await asyncio.sleep(0.05)
    assert line.told == [WithdrawStream(CODE, "reader:nvr"), LOAN]


async def test_what_waits_for_a_worker_that_is_behind_is_told_in_its_order(line: Line, links: WorkerLinks) -> None:
    line.behind = 4
    ends = [CloseViewing(f"v{n}") for n in range(6)]
    for end in ends:
        links.tell_until_taken(WORKER, end)
    async with asyncio.timeout(5):
        while len(line.told) < len(ends):
            await asyncio.sleep(0.005)
    assert line.told == ends
    await asyncio.sleep(0.03)
    assert not links._tasks, "nobody waits on"


async def test_a_worker_that_takes_nothing_of_ever_so_much_is_cut_off(
    line: Line, links: WorkerLinks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links_module, "MOST_LATE", 3)
    line.behind = 100
    for n in range(3):
        links.tell_until_taken(WORKER, CloseViewing(f"v{n}"))
    assert not line.closed
    links.tell_until_taken(WORKER, CloseViewing("v3"))
    assert line.closed


@pytest.mark.parametrize("said", [LearnScene(CODE), RetryLogin(CODE, proved=True)], ids=["scene", "login"])
async def test_what_an_officer_says_but_once_reaches_a_worker_that_was_behind(
    line: Line, assigning: Assignments, said: Message
) -> None:
    """It was dropped, and answered as done: the camera stayed moved, or shut out."""
    line.behind = 2
    assigning.tell_until_taken(CODE, said)
    async with asyncio.timeout(5):
        while not line.told:
            await asyncio.sleep(0.005)
    assert line.told == [said]


async def test_a_login_that_was_proved_is_tried_after_the_worker_has_been_told_of_it(
    line: Line, assigning: Assignments, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told first, it would send the refused one once more, and shut the camera."""
    monkeypatch.setattr(assigning_module, "TOLD_WITHIN", 0.001)
    line.behind = 3
    await assigning.changed(CODE)
    assigning.tell_until_taken(CODE, RetryLogin(CODE, proved=True))
    async with asyncio.timeout(5):
        while len(line.told) < 2:
            await asyncio.sleep(0.005)
    assert [type(message) for message in line.told] == [AssignCamera, RetryLogin]


async def test_what_is_told_again_before_long_is_dropped_where_a_worker_is_behind(
    line: Line, links: WorkerLinks
) -> None:
    line.behind = 1
    assert not links.tell(WORKER, WakeCamera(CODE))
    assert links.tell(WORKER, WakeCamera(CODE))
    assert not links.tell("camera-2", WakeCamera(CODE))


async def test_who_must_know_hears_that_a_worker_is_behind(line: Line, links: WorkerLinks) -> None:
    line.behind = 2
    with pytest.raises(Refusal, match="worker_behind"):
        links.order(WORKER, ReleaseCamera(CODE))
    with pytest.raises(Refusal, match="worker_behind"):  # not that it is starting again
        await links.request(WORKER, LOAN)
    assert not links.order("camera-2", ReleaseCamera(CODE))
