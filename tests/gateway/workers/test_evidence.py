"""Evidence of a camera: an alert raised is journalled and told with its clip, whatever disk and camera do meanwhile."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest
from structlog.testing import capture_logs
from worker_parts import BEGUN, ControlPeer, alert, film, until

from gateway.processes.messages import AlertEnded, AlertRaised, AlertsLost, EvidenceReady
from gateway.streams.bus import FrameBus
from gateway.streams.clip_recovery import recover_clip
from gateway.streams.frame import EncodedFrame
from gateway.streams.ring import ClipRing
from gateway.workers.camera import evidence, recording
from gateway.workers.camera.delivery import AlertDelivery
from gateway.workers.camera.evidence import CameraEvidence, Store
from gateway.workers.camera.journal import AlertJournal

P = ParamSpec("P")
T = TypeVar("T")
FILM = film(90)
CLIP_AFTER = 2.0


@dataclass
class Scene:
    """One camera's evidence, its bus, and the journal where all of it goes."""

    bus: FrameBus
    evidence: CameraEvidence
    journal: AlertJournal
    delivery: AlertDelivery
    folder: Path
    now: float = BEGUN

    def send(self, frames: list[EncodedFrame]) -> None:
        for frame in frames:
            self.now = frame.arrival
            self.bus.publish(frame)

    @property
    def on_disk(self) -> list[str]:
        return sorted(path.name for path in self.folder.glob("*"))

    @property
    def subscribers(self) -> int:
        return self.bus.stats().subscribers


@pytest.fixture
async def scene(control: ControlPeer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    monkeypatch.setattr(recording, "PATIENCE", 0.05)
    monkeypatch.setattr(evidence, "DISK_PAUSE", 0.02)
    monkeypatch.setattr(evidence, "LAST_WITHIN", 0.02)
    folder = tmp_path / "journal"
    journal, bus, ring = AlertJournal(folder), FrameBus(), ClipRing(30)
    bus.tap(ring.add)
    delivery = AlertDelivery(control.channel, journal, lambda _alert_id, _path: None)
    store = Store(journal, delivery, CLIP_AFTER, lambda: made.now)
    made = Scene(bus, CameraEvidence("99000000001310000001", bus, ring, store), journal, delivery, folder)
    yield made
    async with asyncio.timeout(10):
        await made.evidence.close()
        await delivery.stop()


def slow_disk(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """No clip's file is opened before the answer is set."""
    opened, begin, loop = asyncio.Event(), scene.journal.begin, asyncio.get_running_loop()

    def slowly(alert_id: str) -> Path:
        asyncio.run_coroutine_threadsafe(opened.wait(), loop).result(10)
        return begin(alert_id)

    monkeypatch.setattr(scene.journal, "begin", slowly)
    return opened


async def test_an_alert_and_its_clip_from_before_the_hazard_reach_control_and_the_journal_is_empty(
    control: ControlPeer, scene: Scene
) -> None:
    clips: list[bytes] = []

    def keep(message: object) -> None:
        if isinstance(message, EvidenceReady):
            clips.append(Path(message.path).read_bytes())

    control.refuse = keep
    scene.send(FILM[:60])
    scene.evidence.begin_clip("a1", since=BEGUN + 6.5)
    scene.evidence.raise_alert(alert(raised_at=BEGUN + 6), lambda: b"jpeg")
    await until(lambda: control.of(AlertRaised))
    scene.send(FILM[60:85])
    await until(lambda: control.of(EvidenceReady) and not scene.delivery.waiting)
    (told,) = control.of(EvidenceReady)
    # From the keyframe before ``since`` less the lead; until at least ``clip_after`` seconds after the alert.
    assert told.starts_at == pytest.approx(BEGUN + 6 - evidence.LEAD)
    assert told.ends_at >= BEGUN + 6 + CLIP_AFTER
    assert not told.partial
    assert [hashlib.sha256(clip).hexdigest() for clip in clips] == [told.sha256]
    assert scene.on_disk == []
    assert scene.subscribers == 0


async def test_an_alert_is_told_at_once_and_its_clip_when_it_is_closed(control: ControlPeer, scene: Scene) -> None:
    scene.send(FILM[:20])
    scene.evidence.begin_clip("a1", since=BEGUN)
    scene.evidence.raise_alert(alert(raised_at=FILM[19].arrival), lambda: b"jpeg")
    await until(lambda: control.of(AlertRaised) and not scene.delivery.waiting)
    assert control.of(EvidenceReady) == []
    (entry,) = AlertJournal(scene.folder).entries()
    assert entry.alert == control.of(AlertRaised)[0]
    assert await asyncio.to_thread(Path(entry.alert.snapshot_path).read_bytes) == b"jpeg"


async def test_a_worker_that_ends_the_moment_an_alert_is_raised_leaves_what_was_before_the_hazard(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "PAST_WITHIN", 30.0)
    opened = slow_disk(scene, monkeypatch)
    scene.send(FILM[:60])
    scene.evidence.begin_clip("a1", since=BEGUN + 6.5)
    scene.evidence.raise_alert(alert(raised_at=BEGUN + 6), lambda: b"jpeg")
    await asyncio.sleep(0.05)  # an alert that waited for nothing would lie in the journal by now
    assert list(AlertJournal(scene.folder).entries()) == []
    opened.set()
    await until(lambda: (scene.folder / "a1" / "alert.json").exists())
    left = shutil.copytree(scene.folder / "a1", scene.folder.parent / "left")
    saved = await asyncio.to_thread(recover_clip, left / "clip.mp4")
    assert saved is not None
    assert saved.starts_at == pytest.approx(BEGUN + 6 - evidence.LEAD)
    assert saved.ends_at >= BEGUN + 4


async def test_a_disk_too_slow_for_the_clip_does_not_hold_its_alert_up(
    control: ControlPeer, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "PAST_WITHIN", 0.02)
    opened = slow_disk(scene, monkeypatch)
    scene.send(FILM[:20])
    scene.evidence.begin_clip("a1", since=BEGUN)
    scene.evidence.raise_alert(alert(raised_at=FILM[19].arrival), lambda: b"jpeg")
    await until(lambda: control.of(AlertRaised))
    assert not opened.is_set()
    opened.set()


async def test_an_alert_whose_clip_was_over_before_gets_one_that_shows_it(control: ControlPeer, scene: Scene) -> None:
    """The stream had changed while a stall stood: its clip ended minutes before the alert."""
    back = [replace(frame, epoch=1) for frame in film(80, begun=FILM[40].arrival)]
    scene.send(FILM[:40])
    scene.evidence.begin_clip("a1", since=BEGUN)
    scene.send(back[:1])
    await until(lambda: "clip" not in {task.get_name() for task in asyncio.all_tasks()})
    scene.send(back[1:40])
    raised = alert(raised_at=back[39].arrival)
    scene.evidence.raise_alert(raised, lambda: b"jpeg")
    await until(lambda: control.of(AlertRaised))
    scene.send(back[40:])
    await until(lambda: control.of(EvidenceReady) and not scene.delivery.waiting)
    (told,) = control.of(EvidenceReady)
    assert told.starts_at == pytest.approx(back[0].arrival)
    assert told.ends_at >= raised.raised_at + CLIP_AFTER
    assert not told.partial
    assert scene.on_disk == []


async def test_an_alert_without_a_clip_is_told_and_forgotten(control: ControlPeer, scene: Scene) -> None:
    scene.evidence.raise_alert(alert(), lambda: b"jpeg")
    await until(lambda: control.told and not scene.delivery.waiting)
    assert [type(message) for message in control.told] == [AlertRaised]
    assert scene.on_disk == []


async def test_a_clip_that_is_dropped_leaves_nothing_on_disk_and_tells_nothing(
    control: ControlPeer, scene: Scene
) -> None:
    scene.send(FILM[:20])
    scene.evidence.begin_clip("a1", since=BEGUN)
    await until(lambda: (scene.folder / "a1" / "clip.mp4").exists())
    scene.evidence.drop_clip("a1")
    await until(lambda: scene.on_disk == [])
    assert scene.subscribers == 0
    scene.evidence.drop_clip("a1")  # once more, or one that was never begun: no harm
    assert control.told == []


@dataclass
class FullDisk:
    """Takes no alert, or no clip's closing, before it is ``cleared``."""

    journal: AlertJournal
    cleared: bool = False
    tries: int = 0

    def __post_init__(self) -> None:
        self._raise_alert, self._begin = self.journal.raise_alert, self.journal.begin

    def raise_alert(self, raised: AlertRaised, snapshot: bytes | None) -> AlertRaised:
        self._check()
        return self._raise_alert(raised, snapshot)

    def begin(self, alert_id: str) -> Path:
        self._check()
        return self._begin(alert_id)

    def _check(self) -> None:
        self.tries += 1
        if not self.cleared:
            raise OSError(28, "No space left on device")


@pytest.fixture
def full(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> FullDisk:
    disk = FullDisk(scene.journal)
    monkeypatch.setattr(scene.journal, "raise_alert", disk.raise_alert)
    monkeypatch.setattr(scene.journal, "begin", disk.begin)
    return disk


async def test_an_alert_is_told_while_the_disk_takes_nothing_and_says_that_its_snapshot_is_wanting(
    control: ControlPeer, scene: Scene, full: FullDisk
) -> None:
    """It waited for the disk, for hours, though control and its database were well."""
    scene.send(FILM[:20])
    scene.evidence.begin_clip("a1", since=BEGUN)
    scene.evidence.raise_alert(alert(raised_at=FILM[19].arrival), lambda: b"jpeg")
    await until(lambda: control.of(AlertRaised) and full.tries > 4)
    (told,) = control.of(AlertRaised)
    assert (told.alert_id, told.snapshot_path, told.why["snapshot"]) == ("a1", "", "not_written")
    assert scene.evidence.waiting_for_disk == 1


async def test_a_snapshot_that_the_disk_takes_at_last_follows_its_alert_once(
    control: ControlPeer, scene: Scene, full: FullDisk
) -> None:
    pictures: list[bytes] = []

    def keep(message: object) -> None:
        if isinstance(message, EvidenceReady):
            pictures.append(Path(message.path).read_bytes())

    control.refuse = keep
    scene.evidence.raise_alert(alert(), lambda: b"jpeg")
    await until(lambda: control.of(AlertRaised) and scene.evidence.waiting_for_disk)
    full.cleared = True
    await until(lambda: control.of(EvidenceReady) and not scene.delivery.waiting and not scene.on_disk)
    assert [type(message) for message in control.told] == [AlertRaised, EvidenceReady]
    (told,) = control.of(EvidenceReady)
    assert (told.kind, told.evidence_id, told.alert_id) == ("snapshot", "a1", "a1")
    assert (told.sha256, told.size) == (hashlib.sha256(b"jpeg").hexdigest(), 4)
    assert pictures == [b"jpeg"]
    assert scene.evidence.waiting_for_disk == 0


async def test_a_disk_that_hangs_holds_no_alert_up_and_is_asked_once(
    control: ControlPeer, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "WRITTEN_WITHIN", 0.02)
    goes_on, whole, tries = threading.Event(), scene.journal.raise_alert, 0

    def raise_alert(raised: AlertRaised, snapshot: bytes | None) -> AlertRaised:
        nonlocal tries
        tries += 1
        goes_on.wait(10)
        return whole(raised, snapshot)

    monkeypatch.setattr(scene.journal, "raise_alert", raise_alert)
    scene.evidence.raise_alert(alert(), lambda: b"jpeg")
    await until(lambda: control.of(AlertRaised))
    await until(lambda: scene.evidence.waiting_for_disk)
    goes_on.set()
    await until(lambda: control.of(EvidenceReady) and not scene.delivery.waiting)
    assert (len(control.told), tries) == (2, 1)


async def test_a_snapshot_never_overtakes_its_alert(control: ControlPeer, scene: Scene, full: FullDisk) -> None:
    """It has the alert's own id: stored first, the alert that a restart brings with its snapshot clashes with it."""
    away = True
    control.refuse = lambda message: ConnectionError() if away and isinstance(message, AlertRaised) else None
    scene.evidence.raise_alert(alert(), lambda: b"jpeg")
    await until(lambda: control.of(AlertRaised))
    full.cleared = True
    await until(lambda: scene.on_disk == ["a1"])
    await asyncio.sleep(0.05)
    assert control.of(EvidenceReady) == []
    away = False
    await until(lambda: control.of(EvidenceReady) and not scene.on_disk)


async def test_a_worker_that_ends_after_the_disk_took_an_alert_brings_it_under_its_own_id(
    control: ControlPeer, scene: Scene, full: FullDisk
) -> None:
    control.refuse = lambda message: ConnectionError() if isinstance(message, EvidenceReady) else None
    scene.evidence.raise_alert(alert(), lambda: b"jpeg")
    await until(lambda: scene.evidence.waiting_for_disk)
    full.cleared = True
    await until(lambda: control.of(EvidenceReady))
    (entry,) = AlertJournal(scene.folder).entries()
    assert (entry.alert.alert_id, Path(entry.alert.snapshot_path).name) == ("a1", "snapshot.jpg")


async def test_a_camera_let_go_while_the_disk_is_full_has_told_its_alert_and_says_what_is_given_up(
    control: ControlPeer, scene: Scene, full: FullDisk
) -> None:
    """After five seconds the alert was gone without a word."""
    scene.evidence.raise_alert(alert(), lambda: b"jpeg")
    await until(lambda: scene.evidence.waiting_for_disk)
    with capture_logs() as said:
        async with asyncio.timeout(3):
            await scene.evidence.close()
    assert [type(message) for message in control.told] == [AlertRaised]
    given_up = [one for one in said if one["event"] == "evidence_given_up"]
    assert [(one["log_level"], one["alert"]) for one in given_up] == [("error", "a1")]
    await until(lambda: not scene.delivery.waiting)
    assert (scene.evidence.waiting_for_disk, scene.on_disk) == (0, [])


async def test_an_alert_that_neither_disk_nor_control_took_is_said_to_be_lost_when_the_worker_ends(
    control: ControlPeer, scene: Scene, full: FullDisk
) -> None:
    control.refuse = lambda message: ConnectionError()
    scene.evidence.raise_alert(alert(), lambda: b"jpeg")
    await until(lambda: scene.evidence.waiting_for_disk and control.told)
    await scene.evidence.close()
    with capture_logs() as said:
        await scene.delivery.stop()
    lost = [one for one in said if one["event"] == "alert_lost"]
    assert [(one["log_level"], one["alert"]) for one in lost] == [("error", "a1")]
    assert control.of(AlertsLost) == [AlertsLost(1)]


@dataclass
class HungDisk:
    """Does nothing that it is ``asked`` before it ``goes_on``."""

    goes_on: asyncio.Event
    asked: int = 0

    async def __call__(self, func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        self.asked += 1
        await self.goes_on.wait()
        return await asyncio.to_thread(func, *args, **kwargs)


@pytest.fixture
def hung(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Iterator[HungDisk]:
    monkeypatch.setattr(evidence, "PAST_WITHIN", 0.02)
    monkeypatch.setattr(evidence, "WRITTEN_WITHIN", 0.02)
    disk = HungDisk(asyncio.Event())
    monkeypatch.setattr(scene.evidence, "_on_disk", disk)
    yield disk
    disk.goes_on.set()


async def test_a_disk_that_hangs_lets_no_more_wait_in_memory_than_may(
    control: ControlPeer, scene: Scene, hung: HungDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each candidate kept what the ring held, each alert its snapshot: fifty cameras took 3 GB an hour."""
    monkeypatch.setattr(evidence, "MOST_WAITING", 3)
    scene.send(FILM[:20])
    scene.evidence.begin_clip("a0", since=BEGUN)
    scene.evidence.drop_clip("a0")
    scene.send(FILM[20:80])
    with capture_logs() as said:
        for number in range(1, 51):
            scene.evidence.begin_clip(f"a{number}", since=BEGUN)
            if number % 2:
                scene.evidence.drop_clip(f"a{number}")
            else:
                scene.evidence.raise_alert(alert(f"a{number}", raised_at=scene.now), lambda: b"jpeg")
        await until(lambda: len(control.of(AlertRaised)) == 25 and scene.evidence.waiting_for_disk == 3)
    assert hung.asked == 1 + 3
    assert scene.subscribers == 0
    assert (scene.evidence.given_up, scene.evidence.without_clip) == (22, 22)
    assert [one["event"] for one in said].count("clip_not_begun") == 1
    assert sorted({one.why["snapshot"] for one in control.of(AlertRaised)}) == ["given_up", "not_answered"]
    hung.goes_on.set()
    await until(lambda: not scene.delivery.waiting and len(control.of(EvidenceReady)) == 3 and not scene.on_disk)
    assert scene.delivery.in_memory_alone == 0
    scene.evidence.begin_clip("b1", since=BEGUN)
    assert scene.subscribers == 1


async def test_clips_of_many_zones_begin_in_one_moment(scene: Scene) -> None:
    scene.send(FILM[:20])
    for number in range(10):
        scene.evidence.begin_clip(f"a{number}", since=BEGUN)
    assert scene.subscribers == 10


async def test_a_camera_let_go_while_the_disk_hangs_tells_what_it_has_raised_and_says_what_is_given_up(
    control: ControlPeer, scene: Scene, hung: HungDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waited for the clip until its worker was killed: the alert was not told, and nothing said that it was lost."""
    monkeypatch.setattr(evidence, "WRITTEN_WITHIN", 30.0)
    scene.send(FILM[:20])
    scene.evidence.begin_clip("a1", since=BEGUN)
    scene.evidence.raise_alert(alert(raised_at=scene.now), lambda: b"jpeg")
    with capture_logs() as said:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await scene.evidence.close()
        await until(lambda: scene.evidence.given_up)
    assert [type(message) for message in control.told] == [AlertRaised]
    assert {"evidence_given_up", "evidence_cut_short"} <= {one["event"] for one in said if one.get("alert") == "a1"}


async def test_an_alert_that_is_cut_short_before_it_was_told_is_told_by_its_workers_last_word(
    control: ControlPeer, scene: Scene, hung: HungDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "WRITTEN_WITHIN", 30.0)
    monkeypatch.setattr(evidence, "LAST_WITHIN", 30.0)
    scene.evidence.raise_alert(alert(), lambda: b"jpeg")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await scene.evidence.close()
    assert control.told == []
    assert scene.delivery.in_memory_alone == 1
    await scene.delivery.stop()
    (told,) = control.told
    assert isinstance(told, AlertRaised)
    assert scene.delivery.in_memory_alone == 0


async def test_evidence_that_waits_for_the_disk_is_bounded_and_no_alert_is(
    control: ControlPeer, scene: Scene, full: FullDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "MOST_WAITING", 3)
    for number in range(5):
        scene.evidence.raise_alert(alert(f"a{number}"), lambda: b"jpeg")
    await until(lambda: len(control.of(AlertRaised)) == 5 and scene.evidence.waiting_for_disk == 3)


async def test_whoever_shows_the_camera_hears_when_the_disk_begins_to_refuse_and_when_it_takes_again(
    control: ControlPeer, scene: Scene, full: FullDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[int] = []
    monkeypatch.setattr(scene.evidence, "_disk_changed", lambda: heard.append(scene.evidence.waiting_for_disk))
    for alert_id in ("a1", "a2"):
        scene.evidence.raise_alert(alert(alert_id), lambda: b"jpeg")
    await until(lambda: scene.evidence.waiting_for_disk == 2)
    full.cleared = True
    await until(lambda: not scene.evidence.waiting_for_disk)
    assert heard == [1, 0]


async def test_an_alert_whose_picture_cannot_be_made_is_raised_without_it(control: ControlPeer, scene: Scene) -> None:
    """Its clip shows what it was: no alert is lost over its picture."""

    def picture() -> bytes:
        raise ValueError("the picture cannot be written as JPEG")

    scene.send(FILM[:60])
    scene.evidence.begin_clip("a1", since=BEGUN + 6.5)
    scene.evidence.raise_alert(alert(raised_at=BEGUN + 6), picture)
    scene.evidence.ended("a1", BEGUN + 7)
    await until(lambda: control.of(AlertRaised))
    scene.send(FILM[60:85])
    await until(lambda: control.of(EvidenceReady) and control.of(AlertEnded) and not scene.delivery.waiting)
    (told,) = control.of(AlertRaised)
    assert told.snapshot_path == told.snapshot_sha256 == ""
    assert scene.on_disk == []


async def test_an_end_never_overtakes_an_alert_that_is_being_written(
    control: ControlPeer, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, goes_on, begun = scene.journal.raise_alert, threading.Event(), threading.Event()

    def raise_alert(raised: AlertRaised, snapshot: bytes | None) -> AlertRaised:
        begun.set()
        goes_on.wait(10)
        return whole(raised, snapshot)

    monkeypatch.setattr(scene.journal, "raise_alert", raise_alert)
    scene.evidence.raise_alert(alert(), lambda: b"jpeg")
    await until(begun.is_set)
    scene.evidence.ended("a1", BEGUN + 5)
    goes_on.set()
    await until(lambda: len(control.told) == 2 and not scene.delivery.waiting)
    assert [type(message) for message in control.told] == [AlertRaised, AlertEnded]
    assert control.told[1] == AlertEnded("a1", BEGUN + 5)


async def test_an_end_after_its_alert_is_told_at_once(control: ControlPeer, scene: Scene) -> None:
    scene.send(FILM[:20])
    scene.evidence.begin_clip("a1", since=BEGUN)
    scene.evidence.raise_alert(alert(raised_at=FILM[19].arrival), lambda: b"jpeg")
    await until(lambda: control.of(AlertRaised))
    scene.evidence.ended("a1", BEGUN + 3)
    # The clip is still being written: the end does not wait for it.
    await until(lambda: control.of(AlertEnded))
    assert scene.subscribers == 1


async def test_closing_keeps_the_clips_of_raised_alerts_as_partial_ones_and_drops_the_others(
    control: ControlPeer, scene: Scene
) -> None:
    scene.send(FILM[:20])
    for alert_id in ("raised", "half-way"):
        scene.evidence.begin_clip(alert_id, since=BEGUN)
    scene.evidence.raise_alert(alert("raised", raised_at=FILM[19].arrival), lambda: b"jpeg")
    control.refuse = lambda message: ConnectionError() if isinstance(message, EvidenceReady) else None
    await until(lambda: control.of(AlertRaised))
    await scene.evidence.close()
    assert scene.on_disk == ["raised"]
    (entry,) = AlertJournal(scene.folder).entries()
    assert entry.evidence is not None
    assert entry.evidence.partial
    assert entry.clip_path.stat().st_size == entry.evidence.size
    assert scene.subscribers == 0
