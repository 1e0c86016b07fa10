"""A YOLO file from elsewhere, adopted and put in the settings: the service watches with it, or says what is wrong."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from asyncio.subprocess import PIPE
from pathlib import Path

import numpy as np
import pytest
from serve_parts import GATEWAY, environment, serving, started

from gateway.settings import Settings
from gateway.workers.camera.inference_link import InferenceLink
from gateway.workers.inference.server import SOCKET_NAME

pytestmark = [pytest.mark.integration, pytest.mark.train, pytest.mark.timeout(300)]
NOISE = np.random.default_rng(5).integers(0, 255, (360, 640, 3), np.uint8)


def person_everywhere(path: Path) -> None:
    """A YOLO11 of COCO's classes, untrained, that takes everything for a person."""
    from models.torchvision_ops import register

    register()
    from ultralytics import YOLO
    from ultralytics.utils import ROOT, YAML

    made = YOLO("yolo11n.yaml", verbose=False)
    made.model.names = YAML.load(ROOT / "cfg" / "datasets" / "coco.yaml")["names"]
    for branch in made.model.model[-1].cv3:
        branch[-1].bias.data[0] = 2.0
    made.save(path)


async def refused(folder: Path, **settings: str) -> str:
    """The reason for which the service does not start."""
    process = await started(folder, **settings)
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 1, err.decode()
    return (out + err).decode()


async def test_the_service_watches_with_an_adopted_yolo_file_and_will_not_start_with_one_that_is_amiss(
    tmp_path: Path,
) -> None:
    (tmp_path / "data").mkdir()
    weights, card = tmp_path / "elsewhere.pt", tmp_path / "elsewhere.json"
    await asyncio.to_thread(person_everywhere, weights)
    assert "card_needed" in await refused(tmp_path, INFERENCE__ENGINE="ultralytics", INFERENCE__WEIGHTS=str(weights))

    adopting = await asyncio.create_subprocess_exec(
        GATEWAY, "models", "adopt", str(weights), cwd=tmp_path, env=environment(tmp_path), stdout=PIPE, stderr=PIPE
    )
    _, said = await asyncio.wait_for(adopting.communicate(), 120)
    assert adopting.returncode == 0, said.decode()
    assert "engine_unfit" in await refused(tmp_path, INFERENCE__WEIGHTS=str(card))

    engine = InferenceLink(Settings(data_folder=tmp_path / "data").for_workers().run_folder / SOCKET_NAME)
    async with serving(tmp_path, INFERENCE__ENGINE="ultralytics", INFERENCE__WEIGHTS=str(card)):
        engine.start()
        async with asyncio.timeout(60):
            looked = None
            while looked is None:
                now = time.time()
                looked = await engine.look("9" * 20, NOISE, taken_at=now, deadline=now + 30, timeout=30)
                await asyncio.sleep(0.05)
    await engine.stop()
    assert looked.card.sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert {one.label for one in looked.seen.objects} == {"person"}

    weights.write_bytes(weights.read_bytes()[:-10])
    settings = {"INFERENCE__ENGINE": "ultralytics", "INFERENCE__WEIGHTS": str(card)}
    assert "weights_damaged" in await refused(tmp_path, **settings)
    facts = json.loads(card.read_text()) | {"sha256": hashlib.sha256(weights.read_bytes()).hexdigest()}
    facts |= {"classes": ["cat"], "thresholds": {"cat": 0.5}}
    card.write_text(json.dumps(facts))
    assert "weights_see_nothing" in await refused(tmp_path, **settings)
