"""The main job from end to end: what the bench ``demo`` measures, without the times."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest

from bench.console_room import chromium, meet
from bench.demo import CAMERA_IN_ROOM, HAZARDS, events_of_each, evidence_of, killed_and_restarted, new_in_journal
from bench.demo_run import DemoFailed, demo_run, free_port
from bench.duty_desk import DutyDesk, until

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(400),
    pytest.mark.xdist_group("demo"),
    pytest.mark.skipif(shutil.which("chromium") is None, reason="Chromium is not installed"),
]


async def there_once_with_evidence(desk: DutyDesk, alert_id: str) -> None:
    async def complete() -> dict[str, Any] | None:
        held = [alert for alert in await desk.alerts() if alert["id"] == alert_id]
        assert len(held) <= 1
        kinds = {one["kind"] for alert in held for one in alert["evidence"]}
        return held[0] if {"snapshot", "clip"} <= kinds else None

    alert = await until(complete, 45)
    assert alert is not None, "the alert or its evidence is not there"
    # Seen again after the end of what saw it first, the same alert has a second clip, which begins in the fire.
    evidence = {one["kind"]: one for one in sorted(alert["evidence"], key=itemgetter("starts_at"), reverse=True)}
    await desk.snapshot(evidence["snapshot"]["id"])
    clip = await desk.clip(evidence["clip"], alert["hazard_from"])
    assert clip.frames > 10
    assert clip.lead > 0


async def all_live(desk: DutyDesk) -> dict[str, Any] | None:
    return {} if all(camera["health"]["state"] == "live" for camera in await desk.cameras()) else None


def worker_of(pid: int, module: str) -> int:
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            if module in Path(f"/proc/{child}/cmdline").read_text():
                return int(child)
    raise LookupError(module)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Kept from one test to the next: the second start has its pictures already."""
    made = tmp_path_factory.mktemp("demo")
    yield made
    shutil.rmtree(made, ignore_errors=True)


async def test_each_hazard_becomes_an_event_with_evidence_from_before_it_and_people_meet_over_it(folder: Path) -> None:
    async with demo_run(folder) as run, DutyDesk(run.address) as desk:
        await desk.sign_in("duty", run.passwords["duty"])
        events = await events_of_each(desk, run)
        assert {hazard for hazard, (event, _) in events.items() if event is not None} == set(HAZARDS)
        for hazard, (event, _) in events.items():
            assert event is not None
            assert event["state"] == "reported"
            assert event["drill"] is True
            assert event["grid"], hazard
            clip = await evidence_of(desk, event["no"])
            assert clip is not None, hazard
            assert clip.frames > 20, hazard
            assert clip.lead > 0, hazard
            assert not clip.partial, hazard
        async with chromium() as browser:
            meeting = await meet(browser, run.address, "duty", run.passwords["duty"], CAMERA_IN_ROOM)
        assert meeting.complete, meeting
        assert await run.stop() == 0


async def test_after_kill_9_and_a_restart_every_alert_is_there_once(folder: Path) -> None:
    figures = await killed_and_restarted(folder)
    assert figures == {"kill_lost": 0.0, "kill_doubled": 0.0}


async def test_ended_in_the_middle_of_an_alert_it_is_there_once_with_its_evidence_after_the_restart(
    folder: Path,
) -> None:
    async with demo_run(folder) as run:
        alert = await new_in_journal(folder)
        assert alert, "nothing was raised"
        assert await run.stop() == 0
    async with demo_run(folder) as run, DutyDesk(run.address) as desk:
        await desk.sign_in("duty", run.passwords["duty"])
        await there_once_with_evidence(desk, alert)


async def test_a_camera_worker_killed_in_the_middle_of_an_alert_loses_nothing(folder: Path) -> None:
    async with demo_run(folder) as run, DutyDesk(run.address) as desk:
        await desk.sign_in("duty", run.passwords["duty"])
        alert = await new_in_journal(folder)
        assert alert, "nothing was raised"
        os.kill(worker_of(run.process.pid, "gateway.workers.camera"), signal.SIGKILL)
        await there_once_with_evidence(desk, alert)
        live = await until(lambda: all_live(desk), 40)
        assert live is not None, "the cameras are not live again"


async def test_a_port_that_is_taken_is_named_before_anything_is_prepared(folder: Path) -> None:
    import socket

    with socket.socket() as other:
        port = free_port()
        other.bind(("127.0.0.1", port))
        other.listen()
        with pytest.raises(DemoFailed, match="Cannot listen on") as failed:
            async with demo_run(folder, port=port):
                pass
    assert f"127.0.0.1:{port}" in str(failed.value)
    assert "Traceback" not in str(failed.value)


async def test_a_folder_without_films_is_said(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DemoFailed, match="There is no film in"):
        async with demo_run(folder, footage=tmp_path):
            pass
