"""Rules tried over the doors on footage that was brought or recorded: a job that ends with what would have fired."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import get_ident
from typing import Any

import cv2
import httpx
import numpy as np
import psutil
import pytest

from detectors.observation import Box, Detection, Look
from detectors.rules.parsing import as_json, parse_rules
from gateway.api import trials
from gateway.api.services import Services
from gateway.api.trial_jobs import TrialJob, TrialJobs, TriedCamera
from gateway.grid.platforms import add_sub_platform
from gateway.refusals import Refusal
from gateway.storage.look_files import look_logs
from gateway.storage.tables.cameras import CameraRow
from gateway.storage.tables.events import AlertRow
from gateway.workers.camera.look_log import LookLog
from gateway.workers.camera.rejections import rejections_of
from models import shipped

CODE = "99000000001320000001"
ClientAs = Callable[..., Awaitable[httpx.AsyncClient]]
MakeRow = Callable[..., CameraRow]


@pytest.fixture
async def services(services: Services) -> AsyncIterator[Services]:
    jobs = TrialJobs(shipped.CARD, "auto")
    yield replace(services, trials=jobs)
    await jobs.close()


def film(path: Path) -> bytes:
    """Two seconds of a street that is grey."""
    made = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 5, (320, 180))
    picture = np.full((180, 320, 3), 90, np.uint8)
    picture[:60] = 180
    for _ in range(10):
        made.write(picture)
    made.release()
    return path.read_bytes()


async def ended(client: httpx.AsyncClient, trial: dict[str, Any]) -> dict[str, Any]:
    async with asyncio.timeout(120):
        while trial["state"] == "running":
            await asyncio.sleep(0.1)
            trial = (await client.get(f"/api/v1/trials/{trial['id']}")).json()
    return trial


@pytest.mark.integration
async def test_rules_are_tried_on_what_was_seen_at_a_camera_lately(
    client_as: ClientAs, services: Services, camera_row: MakeRow
) -> None:
    client = await client_as("duty_leader")
    async with services.db.transaction() as session:
        session.add(camera_row(CODE, services.clock()))
    asked = {"looks": True, "camera_code": CODE, "rules": [{"kind": "crowd", "people": 2, "dwell_seconds": 10}]}
    nothing = await client.post("/api/v1/trials", json=asked)
    assert (nothing.status_code, nothing.json()["reason"]) == (404, "looks_missing")
    log = LookLog(look_logs(services.settings.data_folder), CODE, 1_000_000)
    begun = services.clock().timestamp() - 60
    people = tuple(Detection("person", 0.9, Box(x, 0.5, x + 0.05, 0.8)) for x in (0.2, 0.4, 0.6))
    for n in range(30):
        log.note(Look(begun + n, people, "a" * 64))
    await log.close()
    trial = await ended(client, (await client.post("/api/v1/trials", json=asked)).json())
    assert (trial["state"], trial["reason"]) == ("done", "")
    (alert,) = trial["result"]["alerts"]
    assert alert["hazard"] == "crowd"
    assert trial["result"]["starts_at"] == begun
    assert trial["result"]["looks"] == 30
    assert trial["result"]["rules"][0]["unasked_seconds"] == 0
    last = datetime.fromtimestamp(begun + 20, UTC).isoformat()
    trial = await ended(client, (await client.post("/api/v1/trials", json=asked | {"starts_at": last})).json())
    assert (trial["result"]["looks"], trial["result"]["log_from"]) == (10, begun)
    trial = await ended(client, (await client.post("/api/v1/trials", json=asked | {"hours": 4.5 / 3600})).json())
    assert (trial["result"]["looks"], trial["result"]["starts_at"]) == (5, begun + 25)
    no_camera = await client.post("/api/v1/trials", json={"looks": True})
    assert (no_camera.status_code, no_camera.json()["reason"]) == (422, "camera_missing")


@pytest.mark.integration
async def test_the_rules_by_which_a_camera_watches_can_be_tried_whatever_the_door_says_of_them_now(
    client_as: ClientAs, services: Services, camera_row: MakeRow
) -> None:
    """One that was kept before and would be refused now, or cannot be used, kept all of them from being tried."""
    high = {"kind": "crowd", "zone": "上沿", "people": 2, "polygon": [[0, 0], [1, 0], [1, 0.015], [0, 0.015]]}
    kept = [high, {"kind": "fire"}, {"kind": "crowd", "zone": "门口", "people": 0}]
    client = await client_as("duty_leader")
    async with services.db.transaction() as session:
        session.add(camera_row(CODE, services.clock(), rules=kept))
    log = LookLog(look_logs(services.settings.data_folder), CODE, 1_000_000)
    begun = services.clock().timestamp() - 60
    for n in range(30):
        log.note(Look(begun + n, (), "a" * 64))
    await log.close()
    asked = {"looks": True, "camera_code": CODE}
    trial = await ended(client, (await client.post("/api/v1/trials", json=asked)).json())
    assert (trial["state"], trial["reason"]) == ("done", "")
    assert [(one["hazard"], one["zone"]) for one in trial["result"]["rules"]] == [("crowd", "上沿"), ("fire", "全画面")]
    (unusable,) = trial["result"]["unusable"]
    assert (unusable["hazard"], unusable["zone"]) == ("crowd", "门口")
    assert "people" in unusable["zh"]
    assert "people" in unusable["en"]


@pytest.mark.integration
async def test_a_film_that_is_brought_is_gone_through_in_a_process_of_its_own(
    client_as: ClientAs, services: Services, camera_row: MakeRow, tmp_path: Path
) -> None:
    client = await client_as("duty_leader")
    async with services.db.transaction() as session:
        session.add(camera_row(CODE, services.clock()))
    kept = (await client.put("/api/v1/trials/footage", content=film(tmp_path / "street.mp4"))).json()
    asked = {"footage_id": kept["footage_id"], "camera_code": CODE, "rules": [{"kind": "fire", "enabled": False}]}
    begun = await client.post("/api/v1/trials", json=asked)
    assert begun.status_code == 202, begun.text
    second = await client.post("/api/v1/trials", json=asked)
    told = second.json()
    assert (second.status_code, told["reason"], told["about"]) == (409, "trial_running", begun.json()["id"])
    trial = await ended(client, begun.json())
    assert (trial["state"], trial["reason"]) == ("done", "")
    assert trial["result"]["alerts"] == []
    assert trial["result"]["looks"] >= 1
    assert len(trial["result"]["weights_sha256"]) == 64
    assert trial["result"]["rejections"] == 0
    assert trial["result"]["starts_at"] == services.clock().timestamp()
    assert [(one["hazard"], one["off"]) for one in trial["result"]["rules"]] == [("fire", True)]


@pytest.mark.integration
async def test_a_trial_that_is_stopped_ends_at_once_and_makes_room_for_another(
    client_as: ClientAs, services: Services, tmp_path: Path
) -> None:
    """A wrong film kept everybody from trying rules for half an hour."""
    client = await client_as("duty_leader")
    kept = (await client.put("/api/v1/trials/footage", content=film(tmp_path / "street.mp4"))).json()
    asked = {"footage_id": kept["footage_id"], "rules": [{"kind": "fire"}]}
    begun = (await client.post("/api/v1/trials", json=asked)).json()
    stopping = f"/api/v1/trials/{begun['id']}/stop"
    assert (await (await client_as("duty_officer")).post(stopping)).status_code == 403
    stopped = (await client.post(stopping)).json()
    assert (stopped["state"], stopped["reason"]) == ("failed", "trial_stopped")
    assert not [one for one in psutil.Process().children() if "gateway.workers.trial" in one.cmdline()]
    trial = await ended(client, (await client.post("/api/v1/trials", json=asked)).json())
    assert trial["state"] == "done"
    again = (await client.post(f"/api/v1/trials/{trial['id']}/stop")).json()
    assert again == trial
    assert (await client.post("/api/v1/trials/none/stop")).status_code == 404


async def test_a_film_that_is_brought_begins_when_its_asker_says_and_a_recording_has_its_own_time(
    client_as: ClientAs, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A film of the night was tried as one of now: rules with hours of the night were outside them, without a word."""
    begun: list[float] = []

    def begin(_self: TrialJobs, film: Path, *_what: object, starts_at: float, **_how: object) -> TrialJob:
        begun.append(starts_at)
        return TrialJob(film.name, "hub", "leader", services.clock())

    monkeypatch.setattr(TrialJobs, "begin", begin)
    client = await client_as("duty_leader")
    kept = (await client.put("/api/v1/trials/footage", content=b"film")).json()
    night = "2026-11-27T23:30:00+08:00"
    for when in (night, None):
        asked = {"footage_id": kept["footage_id"], "starts_at": when}
        assert (await client.post("/api/v1/trials", json=asked)).status_code == 202
    assert begun == [datetime.fromisoformat(night).timestamp(), services.clock().timestamp()]
    refused = await client.post("/api/v1/trials", json={"evidence_id": "a", "starts_at": night})
    assert (refused.status_code, refused.json()["reason"]) == (422, "starts_at_known")
    for amiss in ("2026-11-27T23:30:00", "0001-01-01T00:00:00Z", "9999-12-31T23:00:00Z"):
        refused = await client.post("/api/v1/trials", json={"footage_id": "a", "starts_at": amiss})
        assert (refused.status_code, refused.json()["field"]) == (422, "starts_at")


def begins(services: Services, monkeypatch: pytest.MonkeyPatch) -> list[TriedCamera | None]:
    """Trials that are begun do not run; for which camera they were meant is told."""
    begun: list[TriedCamera | None] = []

    def begin(_self: TrialJobs, film: Path, _rules: object, camera: TriedCamera | None, **_how: object) -> TrialJob:
        begun.append(camera)
        return TrialJob(film.name, "hub", "leader", services.clock(), camera)

    monkeypatch.setattr(TrialJobs, "begin", begin)
    return begun


async def test_what_officers_rejected_at_the_camera_is_held_back_in_a_trial_as_it_would_be_live(
    client_as: ClientAs,
    raise_alert: Callable[..., Awaitable[str]],
    services: Services,
    camera_row: MakeRow,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A trial told of an alert that nobody would have heard: it was tried as if nothing had been rejected there."""
    begun = begins(services, monkeypatch)
    square = {"kind": "crowd", "zone": "square", "polygon": [[0, 0], [1, 0], [1, 1], [0, 1]]}
    async with services.db.transaction() as session:
        session.add(camera_row(CODE, services.clock(), rules=as_json(parse_rules([square]))))
    client = await client_as("duty_leader")
    whys: dict[str, dict[str, Any]] = {
        "stall": {"box": [0.1, 0.2, 0.3, 0.4], "appearance": [256, *[0] * 27]},
        "crowd": {"people": 18},
    }
    for hazard, why in whys.items():
        alert_id = await raise_alert(hazard)
        async with services.db.transaction() as session:
            row = await session.get(AlertRow, alert_id)
            assert row is not None
            row.why = why
        body = {"verdict": "false_positive", "reason": "集市"}
        assert (await client.post(f"/api/v1/alerts/{alert_id}/assess", json=body)).status_code == 200
    footage_id = (await client.put("/api/v1/trials/footage", content=b"film")).json()["footage_id"]
    elsewhere = square | {"polygon": [[0, 0], [0.5, 0], [0.5, 0.5], [0, 0.5]]}
    asked: list[dict[str, Any]] = [
        {"camera_code": CODE},
        {"camera_code": CODE, "rules": [elsewhere]},
        {"camera_code": CODE, "preset": "3"},
        {},
    ]
    for one in asked:
        answer = await client.post("/api/v1/trials", json={"footage_id": footage_id, **one})
        assert answer.status_code == 202, answer.text
    now, redrawn, other_view, nowhere = begun
    assert now is not None
    assert redrawn is not None
    assert other_view is not None
    assert sorted(one["hazard"] for one in now.rejections) == ["crowd", "stall"]
    assert [one["hazard"] for one in redrawn.rejections] == ["stall"]  # as once those rules are saved
    assert (now.view, other_view.view) == ("", "3")
    assert rejections_of(CODE, other_view.rejections, other_view.view) == ()
    assert nowhere is None


@pytest.mark.integration
async def test_a_trial_that_runs_is_told_to_whoever_sees_its_camera_and_may_be_stopped_by_them(
    client_as: ClientAs, services: Services, camera_row: MakeRow, tmp_path: Path
) -> None:
    """Whoever closed its window had lost it, and for half an hour nobody could try anything, or say why not."""
    async with services.db.transaction() as session:
        await add_sub_platform(session, "town-a", "甲镇", "town", "hub")
        await add_sub_platform(session, "town-b", "乙镇", "town", "hub")
        session.add(camera_row(CODE, services.clock(), platform="town-a"))
    leader = await client_as("duty_leader", platform="town-a")
    stranger = await client_as("duty_leader", platform="town-b")
    kept = (await leader.put("/api/v1/trials/footage", content=film(tmp_path / "street.mp4"))).json()
    asked = {"footage_id": kept["footage_id"], "camera_code": CODE, "rules": [{"kind": "fire"}]}
    begun = (await leader.post("/api/v1/trials", json=asked)).json()
    for client in (leader, await client_as("duty_leader"), await client_as("duty_officer", platform="town-a")):
        (told,) = (await client.get("/api/v1/trials")).json()
        assert (told["id"], told["state"], told["camera_code"]) == (begun["id"], "running", CODE)
        assert (told["asked_by"], told["began_at"]) == (begun["asked_by"], begun["began_at"])
        assert "result" not in told
    assert (await stranger.get("/api/v1/trials")).json() == []
    refused = await stranger.post("/api/v1/trials", json={"footage_id": kept["footage_id"]})
    assert (refused.status_code, refused.json()["about"]) == (409, begun["id"])
    assert (await stranger.post(f"/api/v1/trials/{begun['id']}/stop")).status_code == 404
    stopped = await (await client_as("duty_leader")).post(f"/api/v1/trials/{begun['id']}/stop")
    assert stopped.json()["reason"] == "trial_stopped"


async def test_a_trial_for_a_camera_is_not_told_to_who_sees_the_footage_alone(
    services: Services, client_as: ClientAs, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(TrialJobs, "_run", run)
    async with services.db.transaction() as session:
        await add_sub_platform(session, "town-a", "甲镇", "town", "hub")
    of_the_hub = TriedCamera(CODE, "hub", "3", ())
    jobs = services.trials
    assert jobs is not None
    jobs.begin(Path("none"), [], of_the_hub, starts_at=0.0, platform="town-a", asked_by="a", now=services.clock())
    assert (await (await client_as("duty_leader", platform="town-a")).get("/api/v1/trials")).json() == []
    (listed,) = (await (await client_as("duty_leader")).get("/api/v1/trials")).json()
    assert (listed["camera_code"], listed["preset"]) == (CODE, "3")


async def test_a_trial_is_told_again_with_its_result_for_a_day(
    services: Services, client_as: ClientAs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of rules that were changed long ago one would still tell."""

    async def run(_self: object, job: TrialJob, *_: object) -> None:
        job.state, job.result = "done", {"seconds": 6.0}

    monkeypatch.setattr(TrialJobs, "_run", run)
    jobs = services.trials
    assert jobs is not None
    for hours in (25, 23):
        begun = services.clock() - timedelta(hours=hours)
        jobs.begin(Path("none"), [], starts_at=0.0, platform="hub", asked_by="a", now=begun)
        await asyncio.sleep(0)
    client = await client_as("duty_leader")
    (told,) = (await client.get("/api/v1/trials")).json()
    assert datetime.fromisoformat(told["began_at"]) == begun
    assert (await client.get(f"/api/v1/trials/{told['id']}")).json()["result"] == {"seconds": 6.0}


@pytest.mark.integration
async def test_what_is_no_film_ends_with_the_reason(client_as: ClientAs, services: Services) -> None:
    client = await client_as("duty_leader")
    kept = (await client.put("/api/v1/trials/footage", content=b"no film")).json()
    begun = await client.post("/api/v1/trials", json={"footage_id": kept["footage_id"]})
    trial = await ended(client, begun.json())
    assert (trial["state"], trial["reason"]) == ("failed", "footage_unreadable")
    assert trial["zh"]


async def test_rules_to_try_are_gone_through_beside_the_loop_that_serves_everybody(
    client_as: ClientAs, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads, known = list[int](), trials.parse_rules
    monkeypatch.setattr(trials, "parse_rules", lambda rules: threads.append(get_ident()) or known(rules))
    client = await client_as("duty_leader")
    await client.post("/api/v1/trials", json={"footage_id": "none", "rules": [{"kind": "fire"}]})
    assert threads
    assert get_ident() not in threads


async def test_what_cannot_be_tried_is_refused_before_anything_begins(client_as: ClientAs, services: Services) -> None:
    client = await client_as("duty_leader")
    cases: list[tuple[dict[str, Any], str]] = [
        ({}, "footage_missing"),
        ({"evidence_id": "a", "footage_id": "b"}, "footage_missing"),
        ({"footage_id": "../gateway.db"}, "footage_unknown"),
        ({"recording_id": "a"}, "camera_missing"),
        ({"recording_id": "a", "camera_code": "99000000001320009999"}, "camera_unknown"),
        ({"evidence_id": "none"}, "evidence_unknown"),
        ({"footage_id": "a", "hours": 4}, "hours_of_looks"),
        ({"footage_id": "a", "preset": "3"}, "camera_missing"),
        ({"footage_id": "a", "rules": [{"kind": "fire", "seen_seconds": 20}]}, "never_fires"),
        ({"footage_id": "a", "camera_code": "99000000001320009999"}, "camera_unknown"),
    ]
    for asked, reason in cases:
        answer = await client.post("/api/v1/trials", json=asked)
        assert answer.json()["reason"] == reason, answer.text
    assert (await client.get("/api/v1/trials/none")).status_code == 404


async def test_a_trial_that_the_audit_chain_cannot_have_does_not_begin(
    client_as: ClientAs, services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ran for half an hour, whoever asked had no word of it, and every other one was refused beside it."""

    async def busy(*_: object) -> None:
        raise Refusal("unavailable", "database_busy", "数据库繁忙。", "The database is busy.")

    begun: list[Path] = []
    monkeypatch.setattr(TrialJobs, "begin", lambda _self, film, *_more, **_how: begun.append(film))
    client = await client_as("duty_leader")
    kept = (await client.put("/api/v1/trials/footage", content=b"film")).json()
    monkeypatch.setattr("gateway.api.trials.audit.append", busy)
    answer = await client.post("/api/v1/trials", json={"footage_id": kept["footage_id"]})
    assert (answer.status_code, answer.json()["reason"]) == (503, "database_busy")
    assert begun == []


async def test_who_may_not_change_rules_tries_none(client_as: ClientAs, services: Services) -> None:
    client = await client_as("duty_officer")
    assert (await client.post("/api/v1/trials", json={})).status_code == 403
    assert (await client.put("/api/v1/trials/footage", content=b"")).status_code == 403


async def test_a_trial_looks_on_the_engine_of_the_settings_with_the_weights_in_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It took whatever engine there was: on a machine with both, another than watches the cameras."""
    told: list[dict[str, Any]] = []

    async def run(_self: object, _job: object, _film: object, asked: dict[str, Any]) -> None:
        told.append(asked)

    monkeypatch.setattr(TrialJobs, "_run", run)
    jobs = TrialJobs(shipped.CARD, "onnxruntime")
    jobs.use(tmp_path / "promoted.json")
    jobs.begin(tmp_path / "a.mp4", [], starts_at=0.0, platform="hub", asked_by="leader", now=datetime.now(UTC))
    async with asyncio.timeout(10):
        while not told:
            await asyncio.sleep(0)
    await jobs.close()
    assert (told[0]["engine"], told[0]["card"]) == ("onnxruntime", str(tmp_path / "promoted.json"))


@pytest.mark.parametrize("lacking", [OSError("Too many open files"), RuntimeError("can't start new thread")])
async def test_a_trial_that_cannot_be_started_now_has_failed_and_keeps_no_other_from_being_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacking: Exception
) -> None:
    """It counted as running for ever, and every trial after it was refused."""

    async def start(*_program: str, **_options: Any) -> asyncio.subprocess.Process:
        raise lacking

    monkeypatch.setattr(asyncio, "create_subprocess_exec", start)
    jobs = TrialJobs(shipped.CARD, "auto")
    for _ in range(2):
        job = jobs.begin(
            tmp_path / "street.mp4", [], starts_at=0.0, platform="hub", asked_by="leader", now=datetime.now(UTC)
        )
        async with asyncio.timeout(5):
            while job.state == "running":
                await asyncio.sleep(0)
        assert (job.state, job.reason) == ("failed", "trial_not_started")
    await jobs.close()
