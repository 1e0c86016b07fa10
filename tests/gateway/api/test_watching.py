"""What a camera's alerts were worth, and what rejected ones become: hard negatives for the next training."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from gateway.api.services import Services
from gateway.events.feedback import rejected_pictures, write_feedback
from gateway.events.intake import evidence_folder
from gateway.processes.messages import Sample
from gateway.storage.evidence_files import EvidenceFiles
from gateway.storage.tables.cameras import CameraRow
from gateway.storage.tables.events import AlertRow
from models.feedback import LICENCE, FeedbackUnusable, take_in
from models.sample_data import clear

ClientAs = Callable[..., Awaitable[httpx.AsyncClient]]
RaiseAlert = Callable[..., Awaitable[str]]
CODE = "99000000001320000001"


@pytest.fixture
def services(services: Services) -> Services:
    told = [
        Sample("gateway_camera_looks_per_second", {"camera": CODE, "worker": "camera-1"}, 0.4),
        Sample("gateway_camera_looks_per_second", {"camera": "another", "worker": "camera-1"}, 9.0),
        Sample("gateway_camera_looks_per_second_asked", {"camera": CODE, "worker": "camera-1"}, 0.5),
        Sample("gateway_camera_look_delay_seconds", {"camera": CODE, "worker": "camera-1"}, 0.2),
        Sample("gateway_camera_looks_unanswered_share", {"camera": CODE, "worker": "camera-1"}, 0.25),
        Sample("gateway_camera_rate_unmet", {"camera": CODE, "worker": "camera-1"}, 0.0),
    ]
    return replace(services, extra_metrics=lambda: told)


async def judge(client: httpx.AsyncClient, alert_id: str, verdict: str) -> None:
    answer = await client.post(f"/api/v1/alerts/{alert_id}/assess", json={"verdict": verdict, "reason": "研判"})
    assert answer.status_code == 200, answer.text


async def test_rate_delay_alerts_and_the_share_of_false_ones_are_told(
    client_as: ClientAs, raise_alert: RaiseAlert, services: Services, camera_row: Callable[..., CameraRow]
) -> None:
    async with services.db.transaction() as session:
        session.add(camera_row(CODE, datetime.now(UTC)))
    client = await client_as("duty_officer")
    await judge(client, await raise_alert("stall"), "false_positive")
    await judge(client, await raise_alert("crowd", "east"), "confirmed")
    await raise_alert("crowd", "west")
    drill = await raise_alert("crowd", "drill")
    async with services.db.transaction() as session:
        row = await session.get(AlertRow, drill)
        assert row is not None
        row.drill = True
    await judge(client, drill, "false_positive")
    told = (await client.get(f"/api/v1/cameras/{CODE}/watching")).json()
    assert told == {
        "looks_per_second": 0.4,
        "looks_per_second_asked": 0.5,
        "delay_seconds": 0.2,
        "rate_unmet": False,
        "left_out_share": 0.25,
        "alerts": 3,
        "assessed": 2,
        "false_positive": 1,
        "false_share": 0.5,
    }
    assert (await client.get("/api/v1/cameras/99000000001320009999/watching")).status_code == 404


async def test_rejected_alerts_become_hard_negatives_of_the_training_split(
    client_as: ClientAs, raise_alert: RaiseAlert, services: Services, tmp_path: Path
) -> None:
    client = await client_as("duty_officer")
    fire, crowd = await raise_alert("fire"), await raise_alert("crowd")
    await raise_alert("stall")
    async with services.db.transaction() as session:
        row = await session.get(AlertRow, fire)
        assert row is not None
        row.why = {"rule": {"kind": "fire"}, "box": [0.1, 0.2, 0.3, 0.4]}
    await judge(client, fire, "false_positive")
    await judge(client, crowd, "false_positive")
    files = EvidenceFiles(evidence_folder(services.settings), ())
    async with services.db.reading() as session:
        pictures = await rejected_pictures(session)
    assert write_feedback(pictures, files, tmp_path / "feedback") == 1
    prepared = tmp_path / "set"
    for kind in ("images", "labels"):
        (prepared / kind / "train").mkdir(parents=True)
    with pytest.raises(FeedbackUnusable):
        take_in(tmp_path / "feedback", prepared)  # a folder that nobody prepared
    assert not list((prepared / "images" / "train").iterdir())
    licences = prepared / "licences.json"
    licences.write_text(json.dumps({"pictures": {"train/fire": 9}, "licences": {"train": {"CC0-1.0": 9}, "val": {}}}))
    assert take_in(tmp_path / "feedback", prepared) == take_in(tmp_path / "feedback", prepared) == 1
    told = json.loads(licences.read_text())
    assert told["pictures"] == {"train/fire": 9, "train/feedback": 1}
    assert told["licences"]["train"] == {"CC0-1.0": 9, LICENCE: 1}
    assert clear(LICENCE)
    (picture,) = (prepared / "images" / "train").iterdir()
    assert picture.name == f"feedback_{fire}@person+stall.jpg"
    assert (prepared / "labels" / "train" / f"{picture.stem}.txt").read_text() == ""
    with pytest.raises(FeedbackUnusable):
        take_in(tmp_path, prepared)
