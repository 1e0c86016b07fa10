"""What runs and how good it is, what weights in shadow see otherwise, and a person's promotion of them."""

from __future__ import annotations

import asyncio
import errno
import hashlib
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

from detectors.card import Card
from detectors.card_file import load_card
from detectors.engine import EngineName
from gateway.access import audit
from gateway.api.services import Services
from gateway.processes.messages import Sample
from gateway.settings import InferenceSettings
from gateway.storage.tables.access import AuditRow
from gateway.storage.tables.cameras import CameraRow
from gateway.storage.tables.grid import Platform
from gateway.workers.camera.glimpse import Glimpse
from gateway.workers.control.weights_desk import WeightsOnDisk
from gateway.workers.inference.opening import refuse_unopened
from gateway.workers.inference.promotion import card_in_force, promotion, withdrawal
from gateway.workers.inference.shadow import FOLDER, Shadow
from models import shipped

ClientAs = Callable[..., Awaitable[httpx.AsyncClient]]
CODE, ELSEWHERE = "99000000001320000001", "99000000001320000002"
PICTURE = np.full((36, 64, 3), 90, np.uint8)


class Engine:
    """The inference process as control sees it: it opened the shipped weights, and others in shadow, at its start."""

    def __init__(self, shadow: Path) -> None:
        self.began_with: list[Path] = []
        self.runs = load_card(shipped.CARD)
        self.shadow: Card | None = load_card(shadow)
        self.refused: str | None = None
        self.looked = 0.0

    def begin_again(self, card: Path) -> None:
        self.began_with.append(card)
        self.runs = load_card(card)

    def seen_to_open(self, _engine: EngineName, _card: Path) -> None:
        """Nothing is amiss with what the tests of the door put in force."""

    def samples(self) -> list[Sample]:
        dropped = (("replaced", 3), ("late", 4))
        worker = {"worker": "inference"}
        told = []
        if self.shadow is not None:
            of = worker | {"sha256": self.shadow.sha256, "card_sha256": self.shadow.card_sha256}
            told += [
                Sample(f"gateway_shadow_{name}_total", of, self.looked, "counter") for name in ("looks", "differing")
            ]
        if self.refused is not None:
            told += [Sample("gateway_shadow_refused", worker | {"reason": self.refused}, 1)]
        runs = {"weights": self.runs.name, "sha256": self.runs.sha256, "card_sha256": self.runs.card_sha256}
        return [
            *told,
            Sample("gateway_weights_info", worker | runs, 1),
            Sample("gateway_looks_total", {"worker": "inference"}, 93, "counter"),
            Sample("gateway_looks_waiting", {"worker": "inference"}, 2),
            *(
                Sample("gateway_looks_dropped_total", {"worker": "inference", "why": why}, n, "counter")
                for why, n in dropped
            ),
        ]


@pytest.fixture
def engine(shadow_card: Path) -> Engine:
    return Engine(shadow_card)


@pytest.fixture
async def services(
    services: Services,
    camera_row: Callable[..., CameraRow],
    shadow_card: Path,
    shadow_seeing_fire: Callable[[Path], Shadow],
    engine: Engine,
) -> Services:
    """Two cameras, one of them another platform's, and weights in shadow that saw a fire at both."""
    folder = services.settings.data_folder
    now = services.clock()
    async with services.db.transaction() as session:
        session.add(Platform(platform="town", code="town", name="测试镇", kind="town", parent="hub"))
        for code, platform in ((CODE, "hub"), (ELSEWHERE, "town")):
            session.add(camera_row(code, now, platform=platform))
    shadow = shadow_seeing_fire(folder / FOLDER)
    for code in (CODE, ELSEWHERE):
        await shadow.compare(code, Glimpse(PICTURE, (64, 36), now.timestamp(), "main", lambda: PICTURE), [])
    desk = WeightsOnDisk(folder, InferenceSettings(shadow=shadow_card), engine.begin_again, engine.seen_to_open)
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

    shown = (await leader.post("/api/v1/models/withdraw", json={"sha256": sha256})).json()
    assert (shown["source"], shown["shadow"]["sha256"]) == ("shipped", sha256)
    assert engine.began_with[-1] == shipped.CARD
    again = await leader.post("/api/v1/models/withdraw", json={"sha256": sha256})
    assert again.json()["reason"] == "nothing_promoted"
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
        refused = await leader.post("/api/v1/models/withdraw", json=asked)
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
    # Nor weights left; the note is, as a commit that failed may have been one.
    assert sorted(path.name for path in (data / "models").iterdir()) == ["change.json", "promotion.lock"]
    assert (await leader.post("/api/v1/models/promote", json=asked)).status_code == 200
    promoted = card_in_force(data, InferenceSettings())
    assert await refused("withdraw", json=asked) == "database_unavailable"
    assert card_in_force(data, InferenceSettings()) == promoted
    assert engine.began_with == [promoted]
    assert (await leader.post("/api/v1/models/withdraw", json=asked)).status_code == 200
    async with services.db.reading() as session:
        told = list(await session.scalars(select(AuditRow.what).where(AuditRow.what.like("weights.%"))))
    assert told == ["weights.promote", "weights.withdraw"]


def rewritten(card: Path, **facts: Any) -> Path:
    """The card with other facts in it."""
    card.write_text(json.dumps(json.loads(card.read_text()) | facts))
    return card


def beside(card: Path, kind: str, data: bytes) -> dict[str, Any]:
    """What a card says of another network, whose file is put beside it."""
    file = card.with_name(f"{kind}.onnx")
    file.write_bytes(data)
    said = {"density": shipped.DENSITY, "judge": shipped.JUDGE, "cues": shipped.CUES}
    facts = json.loads(shipped.CARD.read_text())[kind]
    assert said[kind].name == facts["weights"]
    return {**facts, "weights": file.name, "sha256": hashlib.sha256(data).hexdigest()}


def exchanged(card: Path, what: str) -> None:
    """Put something else in the place of what the engine opened, and say so in the card."""
    facts = json.loads(card.read_text())
    if what == "weights":
        network = card.with_suffix(".onnx").read_bytes() + b"\x32\x04last"  # ModelProto.doc_string
        card.with_suffix(".onnx").write_bytes(network)
        facts["sha256"] = hashlib.sha256(network).hexdigest()
    elif what == "thresholds":
        facts["thresholds"]["fire"] = 0.99
    else:
        facts[what] = beside(card, what, b"a network that no engine opens")
    card.write_text(json.dumps(facts))


@pytest.mark.parametrize("what", ["weights", "thresholds", "density", "judge", "cues"])
async def test_weights_are_not_put_in_force_on_the_looks_of_those_that_lay_there_before(
    client_as: ClientAs, services: Services, engine: Engine, shadow_card: Path, what: str
) -> None:
    """They had never run here, and the engine that was begun again with them did not start."""
    leader = await client_as("duty_leader")
    engine.looked = 3
    shown = (await leader.get("/api/v1/models")).json()
    assert (shown["shadow_looks"], shown["shadow_differing"], shown["kept"]) == (3, 3, 2)
    assert shown["shadow_problem"] is None
    exchanged(shadow_card, what)
    shown = (await leader.get("/api/v1/models")).json()
    assert (shown["shadow_looks"], shown["shadow_differing"], shown["kept"]) == (0, 0, 0)
    assert shown["shadow_problem"]["reason"] == "shadow_not_loaded"
    asked = {"sha256": shown["shadow"]["sha256"], "card_sha256": shown["shadow"]["card_sha256"]}
    for named in (asked, {"sha256": asked["sha256"]}):
        refused = await leader.post("/api/v1/models/promote", json=named)
        assert (refused.status_code, refused.json()["reason"]) == (409, "shadow_not_loaded")
    engine.shadow = load_card(shadow_card)  # restarted
    assert (await leader.post("/api/v1/models/promote", json=asked)).status_code == 200
    assert engine.began_with == [card_in_force(services.settings.data_folder, InferenceSettings())]


async def test_weights_exchanged_while_they_are_put_in_force_are_not(
    client_as: ClientAs, services: Services, engine: Engine, shadow_card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leader = await client_as("duty_leader")
    engine.looked = 3
    asked = {"sha256": load_card(shadow_card).sha256}
    assert isinstance(services.weights, WeightsOnDisk)
    taken = WeightsOnDisk.promotion

    def late(desk: WeightsOnDisk, card_sha256: str) -> Any:
        exchanged(shadow_card, "thresholds")
        return taken(desk, card_sha256)

    with monkeypatch.context() as race:
        race.setattr(WeightsOnDisk, "promotion", late)
        refused = await leader.post("/api/v1/models/promote", json=asked)
    assert (refused.status_code, refused.json()["reason"]) == (409, "weights_changed")
    models = services.settings.data_folder / "models"
    assert [path.name for path in models.iterdir()] == ["promotion.lock"]
    assert engine.began_with == []


async def test_what_the_engine_runs_is_told_beside_what_is_in_force_from_its_next_start_on(
    client_as: ClientAs, services: Services, engine: Engine, shadow_card: Path
) -> None:
    """Promoted on the command line, weights that did not run were shown as running."""
    leader = await client_as("duty_leader")
    data = services.settings.data_folder
    shown = (await leader.get("/api/v1/models")).json()
    assert (shown["running"]["card_sha256"], shown["train_from"]) == (shown["in_force"]["card_sha256"], None)
    promotion(shadow_card, data).make()
    shown = (await leader.get("/api/v1/models")).json()
    assert (shown["in_force"]["name"], shown["running"]["name"]) == ("newer", load_card(shipped.CARD).name)
    assert shown["before"]["sha256"] == shown["running"]["sha256"] == load_card(shipped.CARD).sha256
    weights = data / "models" / "promoted.1" / "weights.onnx"
    assert (shown["train_from"], weights.is_file()) == (str(weights), True)


def spoilt(card: Path, how: str) -> None:
    match how:
        case "card_missing":
            card.unlink()
        case "card_invalid":
            card.write_text("{}")
        case "weights_missing":
            card.with_suffix(".onnx").unlink()
        case "weights_damaged":
            card.with_suffix(".onnx").write_bytes(b"cut short")
        case "engine_unfit":
            card.with_suffix(".onnx").rename(card.with_suffix(".pt"))
            rewritten(card, weights="newer.pt")


@pytest.mark.parametrize("how", ["card_missing", "card_invalid", "weights_missing", "weights_damaged", "engine_unfit"])
async def test_the_page_says_why_weights_in_shadow_cannot_be_put_in_force(
    client_as: ClientAs, services: Services, engine: Engine, shadow_card: Path, how: str
) -> None:
    """They were shown as fine, or as if the settings named none."""
    leader = await client_as("duty_leader")
    engine.looked = 3
    assert isinstance(services.weights, WeightsOnDisk)
    settings = InferenceSettings(shadow=shadow_card, engine="onnxruntime")
    object.__setattr__(services.weights, "inference", settings)
    sha256 = load_card(shadow_card).sha256
    assert (await leader.get("/api/v1/models")).json()["shadow_problem"] is None
    spoilt(shadow_card, how)
    problem = (await leader.get("/api/v1/models")).json()["shadow_problem"]
    assert problem["reason"] == how
    assert problem["detail"] != problem["detail_en"] != ""
    refused = (await leader.post("/api/v1/models/promote", json={"sha256": sha256})).json()
    assert (refused["reason"], refused["detail"]) == (how, problem["detail"])
    assert engine.began_with == []


async def test_the_page_says_what_the_engine_refused_that_looks_well_on_disk(
    client_as: ClientAs, engine: Engine, shadow_card: Path
) -> None:
    leader = await client_as("duty_leader")
    engine.shadow, engine.refused = None, "weights_unusable"
    problem = (await leader.get("/api/v1/models")).json()["shadow_problem"]
    assert problem["reason"] == "weights_unusable"
    assert "weights_unusable" in problem["detail"]
    assert "shadow_refused" in problem["detail_en"]
    asked = {"sha256": load_card(shadow_card).sha256}
    assert (await leader.post("/api/v1/models/promote", json=asked)).json()["reason"] == "weights_unusable"


async def test_of_two_who_take_the_same_weights_back_the_second_takes_nothing_back(
    client_as: ClientAs, services: Services, engine: Engine, shadow_card: Path
) -> None:
    """Nor does one who asks again after a time limit: each request took one promotion more back. Both promotions have
    the same detector."""
    data = services.settings.data_folder
    thresholds = dict(load_card(shadow_card).thresholds)
    for threshold in (0.6, 0.7):
        promotion(rewritten(shadow_card, thresholds=thresholds | {"fire": threshold}), data).make()
    leader = await client_as("duty_leader")
    shown = (await leader.get("/api/v1/models")).json()
    asked = {"sha256": shown["in_force"]["sha256"], "card_sha256": shown["in_force"]["card_sha256"]}
    assert shown["before"]["sha256"] == asked["sha256"]
    by_detector = await leader.post("/api/v1/models/withdraw", json={"sha256": asked["sha256"]})
    assert by_detector.json()["reason"] == "weights_ambiguous", "asked again it would be those before"
    first, second = [await leader.post("/api/v1/models/withdraw", json=asked) for _ in range(2)]
    assert first.json()["in_force"]["card_sha256"] == shown["before"]["card_sha256"]
    assert (second.status_code, second.json()["reason"]) == (409, "weights_changed")
    assert load_card(card_in_force(data, InferenceSettings())).thresholds["fire"] == 0.6
    assert len(engine.began_with) == 1
    async with services.db.reading() as session:
        (told,) = await session.scalars(select(AuditRow).where(AuditRow.what == "weights.withdraw"))
    assert told.target == f"weights:{asked['sha256']}"
    assert asked["card_sha256"] in told.why
    assert shown["before"]["card_sha256"] in told.why


async def test_weights_taken_back_between_the_look_and_the_act_are_not_taken_back_twice(
    client_as: ClientAs, services: Services, shadow_card: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = services.settings.data_folder
    for name in ("one", "two"):
        promotion(rewritten(shadow_card, name=name), data).make()
    meant = load_card(shadow_card)
    asked = {"sha256": meant.sha256, "card_sha256": meant.card_sha256}
    leader = await client_as("duty_leader")
    taken_back = WeightsOnDisk.withdrawal

    def late(desk: WeightsOnDisk, card_sha256: str) -> Any:
        change = withdrawal(data)
        assert change is not None
        change.make()
        return taken_back(desk, card_sha256)

    with monkeypatch.context() as race:
        race.setattr(WeightsOnDisk, "withdrawal", late)
        refused = await leader.post("/api/v1/models/withdraw", json=asked)
    assert refused.json()["reason"] == "weights_changed"
    assert load_card(card_in_force(data, InferenceSettings())).name == "one"
    withdrawal(data).drop()  # type: ignore[union-attr]  # and nobody holds the turn


async def test_weights_that_are_whole_and_do_not_open_are_not_gone_back_to(
    client_as: ClientAs, services: Services, engine: Engine, shadow_card: Path
) -> None:
    """Their files alone were checked: the engine ended over them again and again, and no camera was watched."""
    data, weights = services.settings.data_folder, shadow_card.with_suffix(".onnx")
    whole, empty = weights.read_bytes(), b"\x32\x05newer"  # ONNX without a graph
    for network in (empty, whole):
        weights.write_bytes(network)
        sha256 = hashlib.sha256(network).hexdigest()
        promotion(rewritten(shadow_card, sha256=sha256), data).make()
    assert isinstance(services.weights, WeightsOnDisk)
    object.__setattr__(services.weights, "seen_to_open", refuse_unopened)
    leader = await client_as("duty_leader")
    meant = load_card(shadow_card)
    asked = {"sha256": meant.sha256, "card_sha256": meant.card_sha256}
    refused = await leader.post("/api/v1/models/withdraw", json=asked)
    assert (refused.status_code, refused.json()["reason"]) == (503, "weights_unusable")
    assert load_card(card_in_force(data, InferenceSettings())).card_sha256 == meant.card_sha256
    assert engine.began_with == []
    withdrawal(data).drop()  # type: ignore[union-attr]  # and nobody holds the turn


async def test_weights_that_the_engine_could_not_start_with_are_not_gone_back_to(
    client_as: ClientAs, services: Services, engine: Engine, shadow_card: Path
) -> None:
    data = services.settings.data_folder
    for name in ("one", "two"):
        promotion(rewritten(shadow_card, name=name), data).make()
    (data / "models" / "promoted.1" / "weights.onnx").write_bytes(b"cut short")
    leader = await client_as("duty_leader")
    meant = load_card(shadow_card)
    asked = {"sha256": meant.sha256, "card_sha256": meant.card_sha256}
    refused = await leader.post("/api/v1/models/withdraw", json=asked)
    assert refused.json()["reason"] == "weights_damaged"
    assert load_card(card_in_force(data, InferenceSettings())).name == "two"
    assert engine.began_with == []


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
