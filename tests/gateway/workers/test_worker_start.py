"""How a camera worker starts while its disk hangs: it watches, tells alerts without evidence, and says why."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from worker_parts import ControlPeer, alert, film, until

from camera_registry.health import Health
from gateway.processes.messages import AlertRaised, AssignCamera, EvidenceReady, HealthChanged
from gateway.settings import RtspSettings, Settings
from gateway.workers.camera import delivery, evidence, worker
from gateway.workers.camera.journal import AlertJournal
from gateway.workers.camera.main_stream import MainStream

CODE = "99000000001310000001"
ORDER = AssignCamera(CODE, CODE, "hub", 1, "rtsp://127.0.0.1:1/live", None, None, [], None)
LEFT = "00000000-0000-7000-8000-000000000001"


@pytest.fixture
def hanging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Whatever is asked of the data folder waits until this is set."""
    answers, data = threading.Event(), tmp_path / "data"

    def waiting(work: Callable[..., Any]) -> Callable[..., Any]:
        def asked(path: Path, *about: Any, **how: Any) -> Any:
            if path.is_relative_to(data):
                answers.wait(60)
            return work(path, *about, **how)

        return asked

    for name in ("is_dir", "iterdir", "mkdir", "open", "stat"):
        monkeypatch.setattr(Path, name, waiting(getattr(Path, name)))
    yield answers
    answers.set()


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cameras give pictures."""

    async def pulled(_stream: MainStream) -> None: ...

    monkeypatch.setattr(MainStream, "start", pulled)
    monkeypatch.setattr("gateway.workers.camera.owned_camera.initial", lambda now: Health("live", "video", now))


@pytest.mark.usefixtures("live")
async def test_a_worker_that_starts_while_its_disk_hangs_watches_and_its_cameras_say_why_alerts_have_no_evidence(
    control: ControlPeer, tmp_path: Path, hanging: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It never came up: none of its cameras was watched, and nobody was told why."""
    for module, limit in ((worker, "MARKS_WITHIN"), (delivery, "START_WITHIN"), (evidence, "WRITTEN_WITHIN")):
        monkeypatch.setattr(module, limit, 0.1)
    monkeypatch.setattr(evidence, "PAST_WITHIN", 0.05)
    settings = Settings(data_folder=tmp_path / "data", rtsp=RtspSettings(port=0)).for_workers()
    async with AsyncExitStack() as stack:
        stack.callback(hanging.set)
        with capture_logs() as said:
            async with asyncio.timeout(5):
                opened = await stack.enter_async_context(
                    worker.open_camera_worker("camera-1", settings, control.channel)
                )
        assert {"active_marks_not_kept", "disk_not_answering"} <= {one["event"] for one in said}
        await opened.handle(ORDER)
        await until(lambda: control.of(HealthChanged))
        assert control.of(HealthChanged)[-1].reason == "evidence_unwritten"

        opened._cameras[CODE].evidence.raise_alert(alert(raised_at=time.time()), lambda: b"jpeg")
        await until(lambda: control.of(AlertRaised))
        (told,) = control.of(AlertRaised)
        assert (told.alert_id, told.why["snapshot"]) == ("a1", "not_answered")

        hanging.set()
        await until(lambda: control.of(EvidenceReady))
        assert control.of(EvidenceReady)[0].kind == "snapshot"


@pytest.mark.usefixtures("live")
async def test_what_an_earlier_run_left_is_brought_when_the_disk_gives_it_and_what_is_being_written_stays(
    control: ControlPeer, tmp_path: Path, hanging: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "MARKS_WITHIN", 0.1)
    monkeypatch.setattr(delivery, "START_WITHIN", 0.1)
    settings = Settings(data_folder=tmp_path / "data", rtsp=RtspSettings(port=0)).for_workers()
    journal = worker.journals_folder(settings.data_folder) / "camera-1"
    hanging.set()
    AlertJournal(journal).raise_alert(alert(LEFT), b"jpeg")
    hanging.clear()
    async with AsyncExitStack() as stack:
        stack.callback(hanging.set)
        async with asyncio.timeout(5):
            opened = await stack.enter_async_context(worker.open_camera_worker("camera-1", settings, control.channel))
        await opened.handle(ORDER)
        owned = opened._cameras[CODE]
        for frame in film(20, begun=time.time()):
            owned.bus.publish(frame)
        owned.evidence.begin_clip("half-way", 0.0)

        hanging.set()
        await until(lambda: control.of(AlertRaised))
        assert [one.alert_id for one in control.of(AlertRaised)] == [LEFT]
        await until(lambda: (journal / "half-way" / "clip.mp4").exists() and not (journal / LEFT).exists())
        await until(lambda: control.of(HealthChanged)[-1].reason == "video")
        assert control.of(HealthChanged)[-2].reason == "evidence_unwritten"
