"""What runs and how good it is, what weights in shadow see otherwise, and a person's promotion of them."""

from __future__ import annotations

import asyncio
import errno
import json
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from sqlalchemy import event, select
from sqlalchemy.exc import OperationalError

from detectors.card_file import load_card
from gateway.access import audit
from gateway.api.services import Services
from gateway.processes.messages import Sample
from gateway.settings import InferenceSettings
from gateway.storage.tables.access import AuditRow
from gateway.storage.tables.cameras import CameraRow
from gateway.storage.tables.grid import Platform
from gateway.workers.camera.glimpse import Glimpse
from gateway.workers.control.weights_desk import WeightsOnDisk
from gateway.workers.inference.promotion import card_in_force
from gateway.workers.inference.shadow import FOLDER, Shadow
from models import shipped

ClientAs = Callable[..., Awaitable[httpx.AsyncClient]]
CODE, ELSEWHERE = "99000000001320000001", "99000000001320000002"
PICTURE = np.full((36, 64, 3), 90, np.uint8)


class Engine:
    """The inference process as control sees it."""

    def __init__(self) -> None:
        self.began_with: list[Path] = []
        self.looked = 0.0

    def samples(self) -> list[Sample]:
        dropped = (("replaced", 3), ("late", 4))
        return [
            Sample("gateway_shadow_looks_total", {"worker": "inference"}, self.looked, "counter"),
            Sample("gateway_looks_total", {"worker": "inference"}, 93, "counter"),
            Sample("gateway_looks_waiting", {"worker": "inference"}, 2),
            *(
                Sample("gateway_looks_dropped_total", {"worker": "inference", "why": why}, n, "counter")
                for why, n in dropped
            ),
        ]


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
async def services(
    services: Services, shadow_card: Path, shadow_seeing_fire: Callable[[Path], Shadow], engine: Engine
) -> Services:
    """Two cameras, one of them another platform's, and weights in shadow that saw a fire at both."""
    folder = services.settings.data_folder
    now = services.clock()
    async with services.db.transaction() as session:
        session.add(Platform(platform="town", code="town", name="测试镇", kind="town", parent="hub"))
        for code, platform in ((CODE, "hub"), (ELSEWHERE, "town")):
            session.add(
                CameraRow(
                    code=code,
                    platform=platform,
                    name="测试路口",
                    stream_url="rtsp://127.0.0.1/",
                    encoding="H264",
                    notices=[],
                    health_state="live",
                    health_reason="",
                    health_since=now,
                    registered_at=now,
                    changed_at=now,
                )
            )
    shadow = shadow_seeing_fire(folder / FOLDER)
    for code in (CODE, ELSEWHERE):
        await shadow.compare(code, Glimpse(PICTURE, (64, 36), now.timestamp(), "main", lambda: PICTURE), [])
    desk = WeightsOnDisk(folder, InferenceSettings(shadow=shadow_card), engine.began_with.append)
    return replace(services, weights=desk, extra_metrics=engine.samples, workers_ready=lambda: {"inference": True})


async def test_what_runs_is_told_with_its_figures_and_where_it_fails(client_as: ClientAs) -> None:
    shown = (await (await client_as("duty_officer")).get("/api/v1/models")).json()
    assert (shown["source"], shown["ready"]) == ("shipped", True)
    assert (shown["looks"], shown["looks_dropped"], shown["looks_waiting"]) == (93, 7, 2)
    assert shown["in_force"]["sha256"] == load_card(shipped.CARD).sha256
    assert shown["in_force"]["figures_on_test"]["fire_map50"] > 0
    assert len(shown["in_force"]["fails_where_zh"]) == len(shown["in_force"]["fails_where"]) > 0
    assert shown["shadow"]["name"] == "newer"


async def test_differences_are_those_of_the_callers_cameras_and_their_pictures_need_a_reason(
    client_as: ClientAs, services: Services
) -> None:
    of_town = await client_as("duty_officer", platform="town")
    assert [one["camera_code"] for one in (await of_town.get("/api/v1/models/differences")).json()["items"]] == [
        ELSEWHERE
    ]
    client = await client_as("duty_officer")
    found = (await client.get("/api/v1/models/differences")).json()
    (one,) = [look for look in found["items"] if look["camera_code"] == CODE]
    assert one["differences"] == [{"seen_by": "new", "label": "fire", "score": 0.8, "box": [0.25, 0.5, 0.5, 0.75]}]
    assert (await client.get("/api/v1/models/differences", params={"label": "smoke"})).json()["total"] == 0
    door = f"/api/v1/models/differences/{one['id']}/picture.jpg"
    assert (await client.get(door)).json()["reason"] == "grant_missing"
    until = (services.clock() + timedelta(hours=1)).isoformat()
    asked = {"purpose": "核对新模型", "scope": "platform:hub", "until": until}
    grant = (await client.post("/api/v1/access/grants", json=asked)).json()["id"]
    picture = await client.get(door, params={"grant": grant})
    assert picture.headers["content-type"] == "image/jpeg"
    assert cv2.imdecode(np.frombuffer(picture.content, np.uint8), cv2.IMREAD_COLOR).shape == PICTURE.shape
    for unknown in ("../../vault", "000000000000000-x"):
        assert (await client.get(f"/api/v1/models/differences/{unknown}/picture.jpg")).status_code == 404


async def test_a_person_promotes_what_has_been_tried_and_takes_it_back(
    client_as: ClientAs, services: Services, engine: Engine, shadow_card: Path
) -> None:
    leader = await client_as("duty_leader")
    sha256 = load_card(shadow_card).sha256
    for role in ("duty_officer", "machine"):
        denied = await (await client_as(role)).post("/api/v1/models/promote", json={"sha256": sha256})
        assert denied.status_code == 403
    untried = await leader.post("/api/v1/models/promote", json={"sha256": sha256})
    assert untried.json()["reason"] == "shadow_untried"
    engine.looked = 3
    other = await leader.post("/api/v1/models/promote", json={"sha256": "0" * 64})
    assert other.json()["reason"] == "weights_changed"
    assert engine.began_with == []

    shown = (await leader.post("/api/v1/models/promote", json={"sha256": sha256})).json()
    assert (shown["in_force"]["sha256"], shown["source"], shown["shadow"]) == (sha256, "promoted", None)
    assert engine.began_with == [card_in_force(services.settings.data_folder, InferenceSettings())]
    async with services.db.reading() as session:
        told = list(await session.scalars(select(AuditRow.target).where(AuditRow.what == "weights.promote")))
    assert told == [f"weights:{sha256}"]

    shown = (await leader.post("/api/v1/models/withdraw")).json()
    assert (shown["source"], shown["shadow"]["sha256"]) == ("shipped", sha256)
    assert engine.began_with[-1] == shipped.CARD
    assert (await leader.post("/api/v1/models/withdraw")).json()["reason"] == "nothing_promoted"
    assert card_in_force(services.settings.data_folder, InferenceSettings()) == shipped.CARD


async def test_a_disk_that_is_full_is_told_to_who_promotes_or_takes_back_and_the_engine_goes_on(
    client_as: ClientAs, services: Services, engine: Engine, shadow_card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leader = await client_as("duty_leader")
    engine.looked = 3
    asked = {"sha256": load_card(shadow_card).sha256}

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(shutil, "copyfile", full)
        refused = await leader.post("/api/v1/models/promote", json=asked)
    assert (refused.status_code, refused.json()["reason"]) == (503, "promotion_not_written")
    assert "No space left on device" in refused.json()["detail"]
    assert engine.began_with == []
    await leader.post("/api/v1/models/promote", json=asked)
    with monkeypatch.context() as disk:
        disk.setattr(Path, "rename", full)
        refused = await leader.post("/api/v1/models/withdraw")
    assert (refused.status_code, refused.json()["reason"]) == (503, "promotion_not_written")
    assert engine.began_with == [card_in_force(services.settings.data_folder, InferenceSettings())]
    async with services.db.reading() as session:
        told = list(await session.scalars(select(AuditRow.what).where(AuditRow.what.like("weights.%"))))
    assert told == ["weights.promote", "weights.withdraw", "weights.withdraw_failed"]


async def test_while_weights_are_copied_and_checked_others_write(
    client_as: ClientAs, services: Services, engine: Engine, shadow_card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were copied within a transaction: on SQLite no alert was stored until they were."""
    leader = await client_as("duty_leader")
    engine.looked = 3
    loop, copyfile = asyncio.get_running_loop(), shutil.copyfile
    written: list[str] = []

    async def write(name: str) -> None:
        async with services.db.transaction() as session:
            await audit.append(session, audit.Act("system", "alert.store", name, "hub"), services.clock())
        written.append(name)

    def slow(file: Path, to: Path) -> Path:
        asyncio.run_coroutine_threadsafe(write(file.name), loop).result(timeout=2)
        return copyfile(file, to)

    monkeypatch.setattr(shutil, "copyfile", slow)
    done = await leader.post("/api/v1/models/promote", json={"sha256": load_card(shadow_card).sha256})
    assert done.status_code == 200, done.text
    assert written == ["newer.json", "newer.onnx"]


async def test_nothing_is_put_in_force_or_taken_back_that_the_audit_chain_cannot_have(
    client_as: ClientAs, services: Services, engine: Engine, shadow_card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leader = await client_as("duty_leader")
    engine.looked = 3
    data, asked = services.settings.data_folder, {"sha256": load_card(shadow_card).sha256}

    append = audit.append

    async def not_committed(*about: Any) -> Any:
        def fails(_connection: object) -> None:
            raise OperationalError("COMMIT", {}, OSError("disk I/O error"))

        event.listen(services.db.engine.sync_engine, "commit", fails, once=True)
        return await append(*about)

    async def refused(door: str, **body: Any) -> str:
        with monkeypatch.context() as database:
            database.setattr(audit, "append", not_committed)
            answer = await leader.post(f"/api/v1/models/{door}", **body)
        return str(answer.json()["reason"])

    before = card_in_force(data, InferenceSettings())
    assert await refused("promote", json=asked) == "database_unavailable"
    assert card_in_force(data, InferenceSettings()) == before
    assert [path.name for path in (data / "models").iterdir()] == ["promotion.lock"]
    assert (await leader.post("/api/v1/models/promote", json=asked)).status_code == 200
    promoted = card_in_force(data, InferenceSettings())
    assert await refused("withdraw") == "database_unavailable"
    assert card_in_force(data, InferenceSettings()) == promoted
    assert engine.began_with == [promoted]
    assert (await leader.post("/api/v1/models/withdraw")).status_code == 200


async def test_a_rule_for_what_the_weights_in_force_cannot_tell_is_refused_and_the_page_says_so(
    client_as: ClientAs, services: Services, tmp_path: Path
) -> None:
    facts = json.loads(shipped.CARD.read_text()) | {"cues": None}
    classes = [name for name in facts["classes"] if name != "stall"]
    card = tmp_path / "no_stalls.json"
    thresholds = {name: facts["thresholds"][name] for name in classes}
    card.write_text(json.dumps(facts | {"classes": classes, "thresholds": thresholds}))
    assert isinstance(services.weights, WeightsOnDisk)
    object.__setattr__(services.weights, "inference", InferenceSettings(weights=card))
    leader = await client_as("duty_leader")
    assert (await leader.get("/api/v1/models")).json()["in_force"]["blind_to"] == ["stall"]
    door, stall = f"/api/v1/cameras/{CODE}/rules", {"kind": "stall"}
    refused = await leader.put(door, json={"rules": [{"kind": "fire"}, stall]})
    assert (refused.status_code, refused.json()["reason"]) == (422, "weights_blind")
    assert refused.json()["field"] == "rules.1.kind"
    assert not (await leader.get(door)).json()["own"]
    kept = await leader.put(door, json={"rules": [{"kind": "fire"}, {**stall, "enabled": False}]})
    assert [rule["kind"] for rule in kept.json()["rules"]] == ["fire", "stall"]
