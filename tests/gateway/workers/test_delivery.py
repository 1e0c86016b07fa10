"""Delivery: an alert is told until control has it, and forgotten only when its clip is stored beside it."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from worker_parts import BEGUN, ControlPeer, alert, until

from gateway.processes.messages import (
    ALERT_OVER,
    AlertEnded,
    AlertRaised,
    AlertSeen,
    AlertsLost,
    EvidenceReady,
    Message,
)
from gateway.refusals import Refusal
from gateway.workers.camera import delivery
from gateway.workers.camera.delivery import AlertDelivery
from gateway.workers.camera.journal import AlertJournal

UNAVAILABLE = Refusal("unavailable", "disk_full", "磁盘已满", "disk full")
INVALID = Refusal("invalid", "time_invalid", "时间无效", "a time is not valid")


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(delivery, "LONGEST_PAUSE", 0.04)


@pytest.fixture
def journal(tmp_path: Path) -> AlertJournal:
    return AlertJournal(tmp_path / "journal")


def no_recovery(_alert_id: str, _path: Path) -> EvidenceReady | None:
    return None


@asynccontextmanager
async def delivering(
    control: ControlPeer,
    journal: AlertJournal,
    recover: Callable[[str, Path], EvidenceReady | None] = no_recovery,
) -> AsyncIterator[AlertDelivery]:
    found = AlertDelivery(control.channel, journal, recover)
    await found.start()
    try:
        yield found
    finally:
        await found.stop()


def clip(alert_id: str = "a1") -> EvidenceReady:
    return EvidenceReady("e1", alert_id, "clip", "clip.mp4", "00" * 32, 5, BEGUN - 5, BEGUN + 20, False)


def later(journal: AlertJournal) -> AlertJournal:
    """The same one as the next run opens it."""
    return AlertJournal(journal._folder)


def held(journal: AlertJournal) -> list[str]:
    return [entry.alert.alert_id for entry in later(journal).entries()]


def first_refusals(count: int, refusal: Refusal, kind: type[Message]) -> Callable[[Message], Exception | None]:
    """Refuses the first ``count`` messages of one kind, and nothing else."""
    left = [refusal] * count
    return lambda message: left.pop() if left and isinstance(message, kind) else None


async def test_the_journal_forgets_only_after_alert_and_clip_are_stored(
    control: ControlPeer, journal: AlertJournal
) -> None:
    async with delivering(control, journal) as delivered:
        placed = journal.raise_alert(alert(), b"jpeg")
        delivered.raised(placed)
        await until(lambda: not delivered.waiting)
        assert control.told == [placed]
        assert held(journal) == ["a1"]
        delivered.clip_closed(clip())
        await until(lambda: not delivered.waiting)
        assert control.of(EvidenceReady) == [clip()]
        assert held(journal) == []


async def test_a_clip_never_overtakes_its_alert(control: ControlPeer, journal: AlertJournal) -> None:
    may_pass = False
    control.refuse = lambda message: UNAVAILABLE if isinstance(message, AlertRaised) and not may_pass else None
    async with delivering(control, journal) as delivered:
        delivered.raised(journal.raise_alert(alert(), b"jpeg"))
        delivered.clip_closed(clip())
        await until(lambda: len(control.of(AlertRaised)) > 2)
        assert control.of(EvidenceReady) == []
        assert held(journal) == ["a1"]
        may_pass = True
        await until(lambda: not delivered.waiting)
        assert control.of(EvidenceReady) == [clip()]
        assert held(journal) == []


async def test_an_alert_without_a_clip_is_forgotten_once_it_is_stored(
    control: ControlPeer, journal: AlertJournal
) -> None:
    async with delivering(control, journal) as delivered:
        delivered.raised(journal.raise_alert(alert(), b"jpeg"))
        delivered.no_clip("a1")
        await until(lambda: not delivered.waiting)
    assert held(journal) == []


async def test_what_control_cannot_take_for_now_is_told_again_until_it_is_stored(
    control: ControlPeer, journal: AlertJournal
) -> None:
    control.refuse = first_refusals(3, UNAVAILABLE, AlertRaised)
    async with delivering(control, journal) as delivered:
        placed = journal.raise_alert(alert(), b"jpeg")
        delivered.raised(placed)
        delivered.no_clip("a1")
        await until(lambda: not delivered.waiting)
    assert control.told == [placed] * 4
    assert held(journal) == []


async def test_a_control_that_does_not_answer_is_told_again(
    control: ControlPeer, journal: AlertJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "ANSWER_SECONDS", 0.2)
    control.deaf = 2
    async with delivering(control, journal) as delivered:
        placed = journal.raise_alert(alert(), b"jpeg")
        delivered.raised(placed)
        delivered.no_clip("a1")
        await until(lambda: not delivered.waiting)
    assert len(control.told) >= 3
    assert all(one == placed for one in control.told)
    assert held(journal) == []


@pytest.mark.parametrize("refused", [AlertRaised, EvidenceReady])
async def test_what_control_will_never_take_is_told_once_and_stays_in_the_journal_for_a_person(
    control: ControlPeer, journal: AlertJournal, refused: type[Message]
) -> None:
    control.refuse = lambda message: INVALID if isinstance(message, refused) else None
    async with delivering(control, journal) as delivered:
        delivered.raised(journal.raise_alert(alert(), b"jpeg"))
        delivered.clip_closed(clip())
        await until(lambda: not delivered.waiting)
        assert delivered.refused == 1
    assert len(control.of(refused)) == 1
    assert held(journal) == ["a1"]


async def test_stopping_leaves_in_the_journal_what_is_not_stored_and_the_next_start_brings_it(
    control: ControlPeer, journal: AlertJournal
) -> None:
    control.refuse = lambda _message: UNAVAILABLE
    async with delivering(control, journal) as delivered:
        placed = journal.raise_alert(alert(), b"jpeg")
        journal.close_clip(clip())
        delivered.raised(placed)
        delivered.clip_closed(clip())
        await until(lambda: len(control.told) >= 4)
    assert delivered.waiting == 0
    assert held(journal) == ["a1"]
    control.told.clear()
    control.refuse = lambda _message: None
    async with delivering(control, later(journal)) as delivered:
        await until(lambda: not delivered.waiting)
    assert control.of(AlertRaised) == [placed]
    assert control.of(EvidenceReady) == [clip()]
    assert held(journal) == []


async def test_a_clip_that_a_crash_cut_short_is_recovered_noted_and_told(
    control: ControlPeer, journal: AlertJournal
) -> None:
    place = journal.begin("a1")
    place.write_bytes(b"mp4 without an end")
    journal.raise_alert(alert(), b"jpeg")
    asked: list[tuple[str, Path]] = []

    def recover(alert_id: str, path: Path) -> EvidenceReady | None:
        asked.append((alert_id, path))
        return clip(alert_id)

    control.refuse = lambda message: UNAVAILABLE if isinstance(message, EvidenceReady) else None
    async with delivering(control, later(journal), recover):
        await until(lambda: control.of(EvidenceReady))
    assert asked == [("a1", place)]
    (entry,) = later(journal).entries()
    # Noted: the next start tells the same clip under the same id, so that it is stored once.
    assert entry.evidence == clip()


async def test_an_alert_whose_clip_cannot_be_recovered_is_told_without_one(
    control: ControlPeer, journal: AlertJournal
) -> None:
    journal.begin("a1")
    placed = journal.raise_alert(alert(), b"jpeg")
    async with delivering(control, later(journal)) as delivered:
        await until(lambda: not delivered.waiting)
    assert control.told == [placed]
    assert held(journal) == []


async def test_a_clip_that_was_closed_before_the_crash_is_not_recovered_again(
    control: ControlPeer, journal: AlertJournal
) -> None:
    journal.raise_alert(alert(), b"jpeg")
    journal.close_clip(clip())

    def recover(_alert_id: str, _path: Path) -> EvidenceReady | None:
        pytest.fail("the clip was closed already")

    async with delivering(control, later(journal), recover) as delivered:
        await until(lambda: not delivered.waiting)
    assert control.of(EvidenceReady) == [clip()]


async def test_an_end_is_told_until_it_is_answered(control: ControlPeer, journal: AlertJournal) -> None:
    control.refuse = first_refusals(2, UNAVAILABLE, AlertEnded)
    async with delivering(control, journal) as delivered:
        delivered.ended("a1", BEGUN)
        await until(lambda: not delivered.waiting)
    assert control.told == [AlertEnded("a1", BEGUN)] * 3


async def test_an_end_never_overtakes_the_alert_that_it_ends(control: ControlPeer, journal: AlertJournal) -> None:
    # Control takes the end of an alert that it does not know for done with: told first, it would be lost.
    control.refuse = first_refusals(3, UNAVAILABLE, AlertRaised)
    async with delivering(control, journal) as delivered:
        delivered.raised(journal.raise_alert(alert(), b"jpeg"))
        delivered.no_clip("a1")
        delivered.ended("a1", BEGUN)
        await until(lambda: not delivered.waiting)
    assert [type(message) for message in control.told] == [AlertRaised] * 4 + [AlertEnded]


async def test_that_a_hazard_lasts_is_told_once_and_a_lost_word_of_it_harms_nothing(
    control: ControlPeer, journal: AlertJournal
) -> None:
    async with delivering(control, journal) as delivered:
        delivered.seen("a1", BEGUN, 0.7, unheard)
        await until(lambda: control.told)
        assert control.told == [AlertSeen("a1", BEGUN, 0.7)]
        control.channel.close()
        delivered.seen("a1", BEGUN + 5, 0.7, unheard)
        assert delivered.waiting == 0


async def test_a_clip_that_a_full_disk_lets_nobody_recover_is_left_for_the_next_start_and_its_alert_is_told(
    control: ControlPeer, journal: AlertJournal
) -> None:
    def full(_alert_id: str, _path: Path) -> EvidenceReady | None:
        raise OSError(28, "No space left on device")

    placed = journal.raise_alert(alert(), b"jpeg")
    with capture_logs() as said:
        async with delivering(control, later(journal), full) as delivered:
            await until(lambda: control.told and not delivered.waiting)
    assert control.told == [placed]
    assert held(journal) == ["a1"]
    assert "clip_not_recovered" in [one["event"] for one in said]


def unheard() -> None:
    pytest.fail("nobody said that it is over")


async def test_that_control_has_ended_an_alert_is_heard_and_nothing_else_is_taken_for_it(
    control: ControlPeer, journal: AlertJournal
) -> None:
    over = list[str]()
    async with delivering(control, journal) as delivered:
        control.refuse = lambda _message: UNAVAILABLE
        delivered.seen("a1", BEGUN, 0.7, unheard)
        await until(lambda: len(control.told) == 1)
        control.refuse = lambda _message: Refusal("conflict", ALERT_OVER, "该预警已结束。", "The alert is over.")
        delivered.seen("a2", BEGUN, 0.7, lambda: over.append("a2"))
        await until(lambda: over)
    assert over == ["a2"]


async def test_while_control_is_slow_only_one_word_of_a_hazard_is_on_its_way(
    control: ControlPeer, journal: AlertJournal
) -> None:
    control.deaf = 1
    async with delivering(control, journal) as delivered:
        for number in range(20):
            delivered.seen("a1", BEGUN + 5 * number, 0.7, unheard)
            await asyncio.sleep(0)
        delivered.seen("a2", BEGUN, 0.7, unheard)
        await until(lambda: len(control.told) == 2)
    assert control.told == [AlertSeen("a1", BEGUN, 0.7), AlertSeen("a2", BEGUN, 0.7)]


@pytest.mark.parametrize("closed_first", [False, True])
async def test_of_an_alert_that_control_will_never_take_neither_clip_nor_end_is_told(
    control: ControlPeer, journal: AlertJournal, closed_first: bool
) -> None:
    """Its clip was stored all the same, as evidence of nothing."""
    refused = [UNAVAILABLE, UNAVAILABLE, INVALID]
    control.refuse = lambda message: refused.pop(0) if isinstance(message, AlertRaised) else None
    async with delivering(control, journal) as delivered:
        delivered.raised(journal.raise_alert(alert(), b"jpeg"))
        if not closed_first:
            await until(lambda: not delivered.waiting)
        journal.close_clip(clip())
        delivered.clip_closed(clip())
        delivered.ended("a1", BEGUN)
        await until(lambda: not delivered.waiting)
    assert [type(message) for message in control.told] == [AlertRaised] * 3
    (entry,) = later(journal).entries()
    assert entry.evidence == clip()


@pytest.mark.parametrize("written_first", [False, True])
async def test_the_snapshot_of_an_alert_that_control_will_never_take_stays_in_the_journal_beside_it(
    control: ControlPeer, journal: AlertJournal, written_first: bool
) -> None:
    """Stored under the alert's own id without the alert, it kept that out for ever when a later start brought it."""
    refused = [UNAVAILABLE, UNAVAILABLE, INVALID]
    control.refuse = lambda message: refused.pop(0) if isinstance(message, AlertRaised) else None
    async with delivering(control, journal) as delivered:
        delivered.raised(alert(), journalled=False)
        if not written_first:
            await until(lambda: not delivered.waiting)
        delivered.written("a1", journal.raise_alert(alert(), b"jpeg"))
        delivered.no_clip("a1")
        await until(lambda: not delivered.waiting)
    assert not refused
    assert control.of(EvidenceReady) == []
    assert held(journal) == ["a1"]


async def test_an_alert_that_lies_nowhere_is_told_once_more_before_it_is_said_to_be_lost(
    control: ControlPeer, journal: AlertJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was said to be lost though control had it, or took it again a moment later."""
    monkeypatch.setattr(delivery, "FIRST_PAUSE", 30.0)
    control.refuse = first_refusals(1, UNAVAILABLE, AlertRaised)
    with capture_logs() as said:
        async with delivering(control, journal) as delivered:
            delivered.raised(alert(), journalled=False)
            await until(lambda: delivered.refused)
    assert control.told == [alert()] * 2
    assert "alert_lost" not in [one["event"] for one in said]


async def test_a_control_that_does_not_answer_keeps_no_worker_from_its_end(
    control: ControlPeer, journal: AlertJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "LAST_SECONDS", 0.05)
    control.deaf = 10
    with capture_logs() as said:
        async with asyncio.timeout(5), delivering(control, journal) as delivered:
            for number in range(3):
                delivered.raised_in_memory(alert(f"a{number}"))
    assert [one["alert"] for one in said if one["event"] == "alert_lost"] == ["a0", "a1", "a2"]
    assert control.of(AlertsLost) == [AlertsLost(3)]


async def test_of_an_alert_of_which_nothing_lies_on_the_disk_nothing_is_forgotten_there(
    control: ControlPeer, journal: AlertJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each was one more piece of work for a disk that hangs."""
    forgotten: list[str] = []
    monkeypatch.setattr(journal, "forget", forgotten.append)
    async with delivering(control, journal) as delivered:
        delivered.raised_in_memory(alert())
        delivered.written("a1", None)
        delivered.no_clip("a1")
        await until(lambda: not delivered.waiting)
    assert control.told == [alert()]
    assert forgotten == []


async def test_a_disk_that_cannot_be_read_as_the_worker_starts_is_read_when_it_can_be(
    control: ControlPeer, journal: AlertJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker ended of it, again and again, and none of its cameras was watched."""
    monkeypatch.setattr(delivery, "START_WITHIN", 0.02)
    monkeypatch.setattr(delivery, "DISK_PAUSE", 0.02)
    placed = journal.raise_alert(alert(), b"jpeg")
    listed = Path.iterdir

    def unreadable(_folder: Path) -> Iterator[Path]:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "iterdir", unreadable)
    late: list[bool] = []
    found = AlertDelivery(control.channel, later(journal), no_recovery)
    with capture_logs() as said:
        await found.start(lambda: late.append(found.disk_silent))
    assert (found.disk_silent, late, control.told) == (True, [], [])
    assert {one["event"] for one in said} == {"journal_not_read"}
    monkeypatch.setattr(Path, "iterdir", listed)
    await until(lambda: late and not found.waiting)
    assert (late, control.told) == ([False], [placed])
    await found.stop()


async def test_a_disk_that_gives_what_is_in_memory_and_takes_nothing_is_found_out_at_the_start(
    control: ControlPeer, journal: AlertJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "START_WITHIN", 0.1)
    monkeypatch.setattr(delivery, "DISK_PAUSE", 0.02)
    placed, goes_on, whole = journal.raise_alert(alert(), b"jpeg"), threading.Event(), os.fsync

    def hang(descriptor: int) -> None:
        goes_on.wait(10)
        whole(descriptor)

    monkeypatch.setattr(os, "fsync", hang)
    late: list[bool] = []
    found = AlertDelivery(control.channel, later(journal), no_recovery)
    await found.start(lambda: late.append(found.disk_silent))
    await until(lambda: control.told == [placed])
    assert (found.disk_silent, late) == (True, [])
    goes_on.set()
    await until(lambda: late)
    assert late == [False]
    await found.stop()
