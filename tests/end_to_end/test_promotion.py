"""New weights put in force while the service runs: the engine alone begins again, and the camera workers go by them."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import httpx
import numpy as np
import pytest
from serve_parts import serving

from detectors.card_file import load_card
from gateway.access import audit, users
from gateway.access.passwords import Passwords
from gateway.clock import system_clock
from gateway.grid.platforms import ensure_hub
from gateway.processes.messages import LookBeside
from gateway.settings import Settings
from gateway.storage.database import Database
from gateway.storage.migrations import migrate
from gateway.workers.camera.inference_link import InferenceLink
from gateway.workers.inference.server import SOCKET_NAME
from models import shipped

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]
PASSWORD = "Correct-Horse-7"
GREY = np.full((360, 640, 3), 90, np.uint8)


async def leader_stands(settings: Settings) -> None:
    await migrate(settings.database_url)
    db = Database(settings.database_url)
    async with db.transaction() as session:
        await ensure_hub(session, settings.platform_code, settings.platform_name)
        new = users.NewUser("leader", PASSWORD, "测试用户", ("duty_leader",), settings.platform_code)
        await users.create(session, Passwords(), new, by=audit.SYSTEM, now=system_clock())
    await db.close()


async def test_the_engine_alone_begins_again_with_promoted_weights_and_with_the_old_ones_when_they_are_withdrawn(
    tmp_path: Path, shadow_card: Path
) -> None:
    (tmp_path / "data").mkdir()
    settings = Settings(data_folder=tmp_path / "data")
    await leader_stands(settings)
    old, new = load_card(shipped.CARD).sha256, load_card(shadow_card).sha256
    engine = InferenceLink(settings.for_workers().run_folder / SOCKET_NAME)

    async def looked_with(sha256: str) -> None:
        """Look until the engine answers with these weights, and the camera worker goes by their card."""
        async with asyncio.timeout(120):
            while True:
                now = time.time()
                seen = await engine.look("9" * 20, GREY, taken_at=now, deadline=now + 10, timeout=10)
                if seen is not None and seen.seen.beside:
                    raw = GREY.tobytes()
                    shown = LookBeside("9" * 20, now, raw, 640, 360, raw, 640, 360, [], counts=False)
                    engine.tell(shown, seen.card.sha256)
                if seen is not None and seen.card.sha256 == sha256:
                    break
                await asyncio.sleep(0.1)
            while f'sha256="{sha256}",weights="{seen.card.name}",worker="camera-1"' not in await metrics():
                await asyncio.sleep(0.2)

    async with (
        serving(tmp_path, INFERENCE__SHADOW=str(shadow_card)) as (_process, address),
        httpx.AsyncClient(base_url=address, trust_env=False, timeout=30) as http,
    ):
        engine.start()
        signed_in = await http.post("/api/v1/session", json={"username": "leader", "password": PASSWORD})
        http.headers["Authorization"] = f"Bearer {signed_in.json()['token']}"

        async def metrics() -> str:
            return (await http.get("/metrics")).text

        async with asyncio.timeout(120):  # those in shadow are opened while the engine looks already
            while (await http.get("/api/v1/models")).json()["shadow_looks"] == 0:
                await looked_with(old)
                await asyncio.sleep(0.2)
        card = await asyncio.to_thread(shadow_card.read_bytes)
        await asyncio.to_thread(shadow_card.write_bytes, card + b"\n")  # not the one that looked
        exchanged = await http.post("/api/v1/models/promote", json={"sha256": new})
        assert exchanged.json()["reason"] == "shadow_not_loaded", exchanged.text
        await asyncio.to_thread(shadow_card.write_bytes, card)
        promoted = await http.post("/api/v1/models/promote", json={"sha256": new})
        assert promoted.json()["in_force"]["sha256"] == new, promoted.text
        await looked_with(new)
        assert (await http.get("/api/v1/models")).json()["running"]["sha256"] == new
        assert (await http.post("/api/v1/models/withdraw", json={"sha256": new})).status_code == 200
        await looked_with(old)
        said = await metrics()
        assert 'gateway_worker_starts_total{worker="inference"} 3.0' in said
        assert 'gateway_worker_starts_total{worker="camera-1"} 1.0' in said
    await engine.stop()
