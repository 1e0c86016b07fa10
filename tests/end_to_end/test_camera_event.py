"""Motion that a camera tells of by itself makes its worker look more often for a while: from ONVIF event to picture."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import httpx
import pytest

from bench.viewing.service import Service, service
from gateway.virtual import RenderedFootage, VirtualCamera, VirtualFleet

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]
PASSWORD = "made-for-this-test"
FILM = RenderedFootage("quiet", seed=45, seconds=12.0, fps=8, size=(480, 270))
"""A keyframe every two seconds, of which each is looked at."""
IDLE = 0.5
"""Looks a second."""


class Metrics:
    def __init__(self, running: Service, http: httpx.AsyncClient) -> None:
        self._running = running
        self._http = http

    async def of(self, name: str) -> float:
        told = (await self._http.get(f"{self._running.address}/metrics")).text
        begins = f'{name}{{camera="{self._running.code}"'
        return next((float(line.rpartition(" ")[2]) for line in told.splitlines() if line.startswith(begins)), 0.0)

    async def until(self, name: str, value: float) -> None:
        async with asyncio.timeout(30):
            while await self.of(name) != value:
                await asyncio.sleep(0.2)


async def test_a_camera_that_reports_motion_is_looked_at_more_often_until_it_is_quiet_again(tmp_path: Path) -> None:
    async with VirtualFleet([VirtualCamera("东门", FILM, "viewer", PASSWORD)], tmp_path, multicast=False) as fleet:
        device = fleet.devices[0]
        camera = {"onvif": device.onvif_address, "username": "viewer", "password": PASSWORD}
        async with service(tmp_path / "service", camera) as running, httpx.AsyncClient(trust_env=False) as http:
            metrics = Metrics(running, http)
            door = f"{running.address}/api/v1/cameras/{running.code}"
            changed = await http.patch(door, json={"device_events": True}, headers=running.headers)
            assert changed.status_code == 200, changed.text
            async with asyncio.timeout(30):
                while not (await http.get(f"{door}/device-events", headers=running.headers)).json()["subscribed"]:
                    await asyncio.sleep(0.2)
            assert await metrics.of("gateway_camera_awake") == 0
            looks, begun = await metrics.of("gateway_camera_looks_total"), time.monotonic()
            device.device.events.set("motion", True)
            await metrics.until("gateway_camera_awake", 1)
            await metrics.until("gateway_camera_awake", 0)
            more = await metrics.of("gateway_camera_looks_total") - looks - IDLE * (time.monotonic() - begun)
            assert more > 2, "for ten seconds one look a second instead of one in two"
            assert await metrics.of("gateway_camera_awake_seconds_total") > 0
