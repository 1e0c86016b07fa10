"""A camera as its worker owns it: what its pictures go through, and what waits for what."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np
import pytest

from camera_registry.health import Health, HealthState
from detectors.asked import Asked
from detectors.card import Card
from detectors.observation import Box, Look
from detectors.rules.config import CrowdRuleConfig, FireRuleConfig, RuleConfig, StallRuleConfig
from detectors.rules.parsing import as_json
from detectors.rules.replay import from_line
from gateway.processes.active import ActiveMarks
from gateway.processes.channel import Channel
from gateway.processes.messages import AssignCamera, HealthChanged, Message
from gateway.settings import RtspSettings, Settings
from gateway.storage.look_files import look_logs, newer
from gateway.streams.frame import EncodedFrame
from gateway.streams.way import Way
from gateway.workers.camera import owned_camera
from gateway.workers.camera.awake import Decoding
from gateway.workers.camera.delivery import AlertDelivery
from gateway.workers.camera.evidence import Store
from gateway.workers.camera.eye import Eye
from gateway.workers.camera.glimpse import Glimpse
from gateway.workers.camera.journal import AlertJournal
from gateway.workers.camera.look_log import logged_looks
from gateway.workers.camera.owned_camera import OwnedCamera, Surroundings
from gateway.workers.camera.waking import WakeBudget

CODE = "99000000001320000001"


class Busy(Executor):
    """Threads that have no time: fifty cameras have sent a keyframe."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        return Future()


class AskedEye:
    """An engine that notes what it was asked, and gives no answer."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def of(self, code: str, _arrival: float, _urgency: float) -> Any:
        async def ask(_picture: Any, part: str) -> None:
            self.asked.append(f"{code} {part}")

        return ask


class Inline(Executor):
    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def camera(
    folder: Path,
    eye: object,
    rules: Sequence[RuleConfig] = (FireRuleConfig(),),
    threads: Executor | None = None,
    tell: Callable[[Message], None] = lambda _message: None,
    disk: Executor | None = None,
    recordings: Executor | None = None,
    clock: Callable[[], float] = time.time,
    wrong_logins: Sequence[float] = (),
) -> OwnedCamera:
    settings = Settings(data_folder=folder, rtsp=RtspSettings(port=0)).for_workers()
    journal = AlertJournal(folder / "journal")
    around = Surroundings(
        settings,
        cast(Eye, eye),
        Decoding(threads or Busy(), threads or Busy(), lambda: (96, 96), time.time),
        ActiveMarks(folder / "active"),
        WakeBudget(0.0),
        Store(journal, AlertDelivery(cast(Channel, None), journal, lambda _alert, _path: None), 1.0, time.time),
        Way(),
        clock,
        tell,
        disk,
        recordings,
    )
    order = AssignCamera(CODE, CODE, "hub", 1, "rtsp://127.0.0.1:1/live", None, None, as_json(rules), None)
    return OwnedCamera(msgspec.structs.replace(order, wrong_logins=list(wrong_logins)), around)


async def test_the_rules_wait_for_no_thread_that_judges_whether_the_picture_is_well(tmp_path: Path) -> None:
    """It was judged first, behind the keyframes of all other cameras: a fire's second look came half a second later."""
    eye = AskedEye()
    owned = camera(tmp_path, eye)
    picture = np.zeros((96, 96, 3), np.uint8)
    looking = asyncio.create_task(owned.looks.take(Glimpse(picture, (96, 96), time.time(), "main", lambda: picture)))
    async with asyncio.timeout(5):
        while not eye.asked:
            await asyncio.sleep(0)
    assert eye.asked == [f"{CODE} whole"]
    assert not looking.done()
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)


class Answer:
    """Of a picture on which nothing is."""

    detections = ()
    card = Card("made", "ab" * 32, ("person", "smoke"), (96, 96), 32, {"person": 0.5, "smoke": 0.5}, "fp32", "")
    judged: dict[str, float] = {}  # noqa: RUF012 - nobody writes to it


class AnsweringEye:
    def of(self, _code: str, _arrival: float, _urgency: float) -> Any:
        class Ask:
            beside = False

            async def __call__(self, _picture: Any, _part: str) -> Any:
                return Answer

        return Ask()


async def test_what_was_seen_at_a_camera_stays_when_it_is_let_go(tmp_path: Path) -> None:
    owned = camera(tmp_path, AnsweringEye())
    picture = np.zeros((96, 96, 3), np.uint8)
    looking = asyncio.create_task(owned.looks.take(Glimpse(picture, (96, 96), 1.0, "main", lambda: picture)))
    await asyncio.sleep(0.1)
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)
    await owned.stop()
    (kept,) = newer(look_logs(tmp_path), CODE).read_text().splitlines()
    assert from_line(kept) == Look(1.0, (), "ab" * 32, "made")


@pytest.mark.parametrize(
    ("rules", "asked"),
    [
        ([FireRuleConfig()], Asked()),
        ([CrowdRuleConfig()], Asked(counted=True)),
        (
            [StallRuleConfig(polygon=((0.4, 0.5), (0.6, 0.5), (0.6, 0.7), (0.4, 0.7)))],
            Asked(stalls=Box(0.35, 0.3, 0.65, 0.75)),
        ),
    ],
)
async def test_what_the_rules_of_now_have_asked_for_a_look_is_kept_with_it(
    tmp_path: Path, rules: Sequence[RuleConfig], asked: Asked
) -> None:
    """Rules for people and stalls were tried on looks for which only a fire rule had asked."""
    owned = camera(tmp_path, AnsweringEye(), rules, Inline())
    picture = np.zeros((96, 96, 3), np.uint8)
    await owned._look_for_hazards(Glimpse(picture, (96, 96), 1.0, "main", lambda: picture))
    await owned.stop()
    (kept,) = logged_looks(newer(look_logs(tmp_path), CODE))
    assert kept.asked == asked


async def test_what_was_looked_at_before_the_head_was_turned_is_kept_as_of_then_and_judged_by_no_rule_of_now(
    tmp_path: Path,
) -> None:
    """A picture of the gate was the first that the rules for the square got to see."""
    answers = asyncio.Event()

    class SlowEye:
        def of(self, *about: Any) -> Any:
            at_once = AnsweringEye().of(*about)

            class Ask:
                beside = False

                async def __call__(self, picture: Any, part: str) -> Any:
                    await answers.wait()
                    return await at_once(picture, part)

            return Ask()

    owned = camera(tmp_path, SlowEye())
    judged: list[Look] = []
    owned._hazards.observe = lambda look, _jpeg: judged.append(look)  # type: ignore[method-assign]
    picture = np.zeros((96, 96, 3), np.uint8)
    for at, turned in ((1.0, True), (2.0, False)):
        answers.clear()
        looking = asyncio.create_task(owned._look_for_hazards(Glimpse(picture, (96, 96), at, "main", lambda: picture)))
        await asyncio.sleep(0)
        if turned:
            await owned.change(msgspec.structs.replace(owned._order, preset="3"))
        answers.set()
        await looking
    await owned.stop()
    assert [look.at for look in judged] == [2.0]
    path = newer(look_logs(tmp_path), CODE)
    assert [(one.look.at, one.view) for one in logged_looks(path)] == [(1.0, ""), (2.0, "3")]


@pytest.mark.parametrize(
    ("state", "rules", "asked"),
    [
        ("live", [CrowdRuleConfig()], [f"{CODE} whole"]),
        ("frozen", [CrowdRuleConfig()], []),
        ("frozen", [CrowdRuleConfig(), FireRuleConfig()], [f"{CODE} whole"]),
    ],
)
async def test_a_frozen_picture_is_looked_at_for_fire_alone(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    state: HealthState,
    rules: Sequence[RuleConfig],
    asked: Sequence[str],
) -> None:
    """A camera that froze with people in sight told of a gathering, which nothing ended until it was restarted."""
    monkeypatch.setattr(
        "gateway.workers.camera.owned_camera.initial", lambda now: Health(state, state, now, fault="frozen")
    )
    eye = AskedEye()
    owned = camera(tmp_path, eye, rules, Inline())
    picture = np.zeros((96, 96, 3), np.uint8)
    await owned.looks.take(Glimpse(picture, (96, 96), time.time(), "main", lambda: picture))
    assert eye.asked == list(asked)


@pytest.mark.parametrize(
    ("rules", "asked"), [([], 0.0), ([FireRuleConfig(enabled=False)], 0.0), ([FireRuleConfig()], 0.5)]
)
async def test_what_is_asked_of_a_camera_without_rules_is_no_look_and_of_one_not_looked_at_no_delay_is_told(
    tmp_path: Path, rules: Sequence[RuleConfig], asked: float
) -> None:
    """It was asked for half a look a second and had none, as if the engine were behind."""
    told = {one.name: one.value for one in camera(tmp_path, AskedEye(), rules).samples()}
    assert told["gateway_camera_looks_per_second_asked"] == asked
    assert "gateway_camera_look_delay_seconds" not in told


async def test_a_rule_that_cannot_be_used_is_told_while_the_others_watch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the log knew that a rule kept by an older version did not watch."""
    monkeypatch.setattr("gateway.workers.camera.owned_camera.initial", lambda now: Health("live", "video", now))
    told: list[Message] = []
    owned = camera(tmp_path, AskedEye(), tell=told.append)
    for rules in ([{"kind": "fire"}, {"kind": "crowd", "people": 0}], [{"kind": "fire"}]):
        await owned.change(msgspec.structs.replace(owned._order, rules=rules))
    reports = [message for message in told if isinstance(message, HealthChanged)]
    assert [(one.state, one.reason) for one in reports] == [("live", "rule_unusable"), ("live", "video")]


async def test_rules_that_did_not_change_are_not_gone_through_again_at_every_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each rejection and each turn of a head cost the worker's loop a check of all the corners there are."""
    read: list[AssignCamera] = []
    known = owned_camera.usable_rules
    monkeypatch.setattr(owned_camera, "usable_rules", lambda order: read.append(order) or known(order))
    owned = camera(tmp_path, AskedEye())
    await owned.change(msgspec.structs.replace(owned._order, preset="3"))
    assert len(read) == 1
    await owned.change(msgspec.structs.replace(owned._order, rules=[{"kind": "crowd"}]))
    assert len(read) == 2
    assert owned._hazards.counts_people(0.0)


async def test_a_camera_whose_pictures_nobody_gets_to_see_is_live_with_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was live and well though every look at it failed, and only the log knew."""

    class FailingEye(AskedEye):
        def of(self, *_about: Any) -> Any:
            raise ValueError("a picture that nobody foresaw")

    monkeypatch.setattr("gateway.workers.camera.owned_camera.initial", lambda now: Health("live", "video", now))
    told: list[Message] = []
    owned = camera(tmp_path, FailingEye(), threads=Inline(), tell=told.append)
    monkeypatch.setattr(owned.looks, "_live", lambda: True)
    picture = np.zeros((96, 96, 3), np.uint8)
    for _ in range(3):
        await owned.looks.take(Glimpse(picture, (96, 96), time.time(), "main", lambda: picture))
    await owned.looks.decide()
    reports = [message for message in told if isinstance(message, HealthChanged)]
    assert [(one.state, one.reason) for one in reports] == [("live", "looks_failed")]


async def test_a_disk_that_hangs_leaves_the_threads_of_those_who_look_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each camera's clip, recording and log took a thread of those that second looks and snapshots need: six, on two
    cores, and no camera of the worker was watched any more."""
    hung, goes_on = threading.Event(), threading.Event()

    def hang(*_about: object) -> None:
        hung.set()
        goes_on.wait(10)

    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    with ThreadPoolExecutor(4) as disk:
        owned = camera(tmp_path, AskedEye(), disk=disk, recordings=disk)
        owned.bus.publish(EncodedFrame("video", "h264", b"key", 0, 90_000, 1.0, True))
        monkeypatch.setattr(owned._seen, "_append", hang)
        monkeypatch.setattr(AlertJournal, "begin", hang)
        for at in (1.0, 100.0):
            owned._seen.note(Look(at, ()))
        for alert_id in ("a1", "a2"):
            owned.evidence.begin_clip(alert_id, 1.0)
        try:
            async with asyncio.timeout(5):
                while not hung.is_set():
                    await asyncio.sleep(0.01)
                assert await owned._in_thread(lambda: "looked at") == "looked at"
        finally:
            goes_on.set()
        await owned._seen.close()
        owned.bus.close()
        await owned.evidence.close()


async def test_a_folder_of_recordings_that_hangs_leaves_journal_and_clips_their_threads(tmp_path: Path) -> None:
    """Eight cameras that recorded onto a network drive that hung took all alerts their snapshots and clips."""
    goes_on, hung = threading.Event(), threading.Event()

    def hang() -> None:
        hung.set()
        goes_on.wait(10)

    with ThreadPoolExecutor(1) as disk, ThreadPoolExecutor(1) as recordings:
        owned = camera(tmp_path, AskedEye(), disk=disk, recordings=recordings)
        hanging = [asyncio.create_task(one._in_thread(hang)) for one in (owned.recorder, owned._seen)]
        try:
            async with asyncio.timeout(5):
                while not hung.is_set():
                    await asyncio.sleep(0.01)
                assert await owned.evidence._on_disk(lambda: "written") == "written"
            assert not any(one.done() for one in hanging)
        finally:
            goes_on.set()
        await asyncio.gather(*hanging)


async def test_a_camera_whose_evidence_the_disk_refuses_is_live_with_a_reason_until_the_disk_takes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the log and a figure knew that its alerts had neither snapshot nor clip."""
    monkeypatch.setattr("gateway.workers.camera.owned_camera.initial", lambda now: Health("live", "video", now))
    told: list[Message] = []
    owned = camera(tmp_path, AskedEye(), tell=told.append)
    for more in (1, 1, -1, -1):
        owned.evidence._wait_for_disk(more)
    reports = [message for message in told if isinstance(message, HealthChanged)]
    assert [(one.state, one.reason) for one in reports] == [("live", "evidence_unwritten"), ("live", "video")]


async def test_what_keeps_hazards_from_being_seen_is_said_before_what_keeps_them_from_being_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For as long as one file waited for the disk nobody was told that a rule did not watch."""
    monkeypatch.setattr("gateway.workers.camera.owned_camera.initial", lambda now: Health("live", "video", now))
    told: list[Message] = []
    owned = camera(tmp_path, AskedEye(), tell=told.append)
    owned.evidence._wait_for_disk(1)
    owned.looks.rate_unmet = True
    owned._report()
    await owned.change(msgspec.structs.replace(owned._order, rules=[{"kind": "crowd", "people": 0}]))
    owned._pace.behind = True
    owned._report()
    reasons = [message.reason for message in told if isinstance(message, HealthChanged)]
    assert reasons == ["evidence_unwritten", "rate_unmet", "rule_unusable", "looks_left_out"]


@pytest.mark.parametrize("broken", ["looks.stop", "_sight.stop", "_seen.close", "evidence.close", "recorder.stop"])
async def test_a_part_that_fails_or_hangs_as_a_camera_is_let_go_keeps_its_pull_from_no_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """The pull of a camera that was gone went on: a connection to it that nobody knew of."""
    monkeypatch.setattr("gateway.workers.camera.owned_camera.END_SECONDS", 0.02)
    for fault in (RuntimeError("can't start new thread"), None):
        owned = camera(tmp_path, AskedEye())
        ended: list[str] = []

        async def fails(fault: Exception | None = fault) -> None:
            if fault is not None:
                raise fault
            await asyncio.Event().wait()

        async def ends(ended: list[str] = ended) -> None:
            ended.append("pull")

        part, stop = broken.split(".")
        monkeypatch.setattr(getattr(owned, part), stop, fails)
        monkeypatch.setattr(owned._main, "stop", ends)
        await owned.stop()
        assert ended == ["pull"]
        assert owned.bus.closed


@pytest.mark.parametrize("hanging", ["_seen.close", "evidence.close", "recorder.stop"])
async def test_the_pull_of_a_camera_that_is_let_go_ends_while_its_disk_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hanging: str
) -> None:
    """It went on for up to a minute and a half: a camera that was put back meanwhile was pulled twice."""
    owned = camera(tmp_path, AskedEye())
    ended = asyncio.Event()

    async def hangs() -> None:
        await asyncio.Event().wait()

    async def ends() -> None:
        ended.set()

    part, stop = hanging.split(".")
    monkeypatch.setattr(getattr(owned, part), stop, hangs)
    monkeypatch.setattr(owned._main, "stop", ends)
    stopping = asyncio.create_task(owned.stop())
    async with asyncio.timeout(5):
        await ended.wait()
    assert not stopping.done()
    stopping.cancel()
    await asyncio.gather(stopping, return_exceptions=True)


async def test_a_sign_that_a_login_may_be_right_now_is_heeded_though_the_clock_was_set_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes but once, when the camera is back, and seemed to come before the login that was wrong: until the next
    try, ten minutes later perhaps, nobody watched."""
    wall, steady = 1_900_000_000.0, 500.0
    monkeypatch.setattr(owned_camera, "monotonic", lambda: steady, raising=False)
    owned = camera(tmp_path, AskedEye(), clock=lambda: wall, wrong_logins=[wall - 40, wall - 28, wall - 16])
    await owned.start()
    await owned.retry_login(proved=False)
    assert owned._main._waiting, "three wrong ones in five minutes are enough"
    wall, steady = wall - 3600 + 300, steady + 300
    await owned.retry_login(proved=False)
    assert not owned._main._waiting
    await owned.stop()
