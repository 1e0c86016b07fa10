"""How a camera worker ends while its disk hangs: by itself, with its alerts told."""

from __future__ import annotations

import asyncio
import inspect
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from worker_parts import ControlPeer, alert, film, until

from gateway.processes.messages import AlertRaised, AssignCamera
from gateway.processes.supervisor import Supervisor
from gateway.settings import RtspSettings, Settings
from gateway.workers.camera import delivery, evidence, worker
from gateway.workers.camera.journal import AlertJournal

CODE = "99000000001310000001"


async def test_a_worker_whose_disk_hangs_ends_by_itself_and_has_told_its_alerts(
    control: ControlPeer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waited for the disk until it was killed, and nobody heard of the alert."""
    monkeypatch.setattr(worker, "CLOSE_WITHIN", 1.5)
    for limit in ("PAST_WITHIN", "LAST_WITHIN"):
        monkeypatch.setattr(evidence, limit, 0.1)
    goes_on = threading.Event()

    def hang(*_about: object) -> None:
        goes_on.wait(30)

    monkeypatch.setattr(AlertJournal, "begin", hang)
    monkeypatch.setattr(AlertJournal, "raise_alert", hang)
    settings = Settings(data_folder=tmp_path, rtsp=RtspSettings(port=0)).for_workers()
    order = AssignCamera(CODE, CODE, "hub", 1, "rtsp://127.0.0.1:1/live", None, None, [], None)
    try:
        with capture_logs() as said:
            async with asyncio.timeout(20):
                async with worker.open_camera_worker("camera-1", settings, control.channel) as opened:
                    await opened.handle(order)
                    owned = opened._cameras[CODE]
                    for frame in film(20, begun=time.time()):
                        owned.bus.publish(frame)
                    owned.evidence.begin_clip("a1", 0.0)
                    owned.evidence.raise_alert(alert(raised_at=time.time()), lambda: b"jpeg")
                    await until(lambda: owned.evidence._tasks)
        assert not goes_on.is_set()
        assert [one.alert_id for one in control.of(AlertRaised)] == ["a1"]
        heard = [one["event"] for one in said]
        assert {"worker_cut_short", "evidence_given_up"} <= set(heard)
        assert "alert_lost" not in heard
        assert owned._main._pull.state.phase == "stopped"
    finally:
        goes_on.set()


def test_a_worker_has_had_its_last_word_before_its_supervisor_kills_it() -> None:
    grace = inspect.signature(Supervisor.stop).parameters["grace"].default
    assert grace - 1 >= worker.CLOSE_WITHIN + 2 * delivery.LAST_SECONDS


ENDS_WITH_A_THREAD_THAT_HANGS = """
import runpy, threading
from concurrent.futures import ThreadPoolExecutor
from gateway.workers import attachment
attachment.main = lambda _open: print(ThreadPoolExecutor(1).submit(threading.Event().wait).done())
runpy.run_module("gateway.workers.camera", run_name="__main__")
"""


def test_no_thread_that_hangs_keeps_the_process_from_its_end() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", ENDS_WITH_A_THREAD_THAT_HANGS], timeout=60, capture_output=True, check=True, text=True
    )
    assert ended.stdout == "False\n"
