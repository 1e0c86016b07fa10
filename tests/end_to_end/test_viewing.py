"""Live viewing against the whole service: what is counted, and a worker that crashes under its viewers."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import re
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription

from bench.viewers import source
from bench.viewing.film import make_film
from bench.viewing.service import Service, service
from gateway.settings import WebRtcSettings
from gateway.streams import aiortc_seams as seams

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]
DASHBOARD = Path(__file__).parents[2] / "docs" / "grafana" / "gateway.json"
BACK_WITHIN = 15.0
"""The promise is 5 s, which the bench ``viewers`` measures; here other tests take the processor."""


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "film"
    path.write_bytes(pickle.dumps(make_film(640, 360, 0.5)))
    return path


@asynccontextmanager
async def watched(film: Path, folder: Path) -> AsyncIterator[Service]:
    async with source(film, folder / "times") as camera, service(folder / "service", camera) as running:
        yield running


@asynccontextmanager
async def viewer(http: httpx.AsyncClient, running: Service) -> AsyncIterator[RTCPeerConnection]:
    """One that sees a picture."""
    peer = seams.new_connection()
    try:
        peer.addTransceiver("video", direction="recvonly")
        await peer.createOffer()
        seams.bind_addresses(peer, WebRtcSettings(addresses=("127.0.0.1",)))
        await peer.setLocalDescription(await peer.createOffer())
        answer = await http.post(
            running.watch,
            content=peer.localDescription.sdp,
            headers={**running.headers, "Content-Type": "application/sdp"},
        )
        answer.raise_for_status()
        await peer.setRemoteDescription(RTCSessionDescription(answer.text, "answer"))
        async with asyncio.timeout(8):
            await peer.getReceivers()[0].track.recv()
        yield peer
    finally:
        await peer.close()


def asked_for(dashboard: Path) -> set[str]:
    """Names of all metrics in the dashboard's queries."""
    told = json.loads(dashboard.read_text())
    queries = [target["expr"] for panel in told["panels"] for target in panel.get("targets", ())]
    queries += [one["definition"] for one in told["templating"]["list"] if "definition" in one]
    return {name for query in queries for name in re.findall(r"gateway_\w+", query)}


async def test_every_query_of_the_dashboard_names_a_metric_that_is_there(film: Path, tmp_path: Path) -> None:
    asked = asked_for(DASHBOARD)
    assert len(asked) > 30
    async with (
        watched(film, tmp_path) as running,
        httpx.AsyncClient(trust_env=False, timeout=10) as http,
        viewer(http, running),
        asyncio.timeout(30),
    ):
        while True:
            told = (await http.get(f"{running.address}/metrics")).text
            of_camera = {
                line.split("{")[0]: float(line.rpartition(" ")[2])
                for line in told.splitlines()
                if f'camera="{running.code}"' in line
            }
            missing = asked - {line.split("{")[0].split(" ")[0] for line in told.splitlines()}
            # The first one may be short: a reader begins with what is cached.
            if not missing and 1.5 < of_camera["gateway_camera_keyframe_interval_seconds"] < 2.5:
                break
            await asyncio.sleep(0.3)
    assert of_camera["gateway_camera_packets_total"] > 20
    assert 0 < of_camera["gateway_camera_first_frame_seconds"] < 5
    assert 'gateway_camera_queue_frames{camera="' + running.code + '",subscriber="whep",worker="camera-1"}' in told


async def test_a_decoder_on_the_wall_reads_with_a_login_of_its_own_that_outlives_its_worker(
    film: Path, tmp_path: Path
) -> None:
    async with watched(film, tmp_path) as running, httpx.AsyncClient(trust_env=False, timeout=10) as http:
        door = running.watch.replace("/whep", "").replace("?", "/readers?")
        late = await http.post(
            door, json={"reader": "wall-1", "until": "2100-01-01T00:00:00Z"}, headers=running.headers
        )
        assert (late.status_code, late.json()["reason"]) == (422, "until_out_of_range")
        lent = await http.post(door, json={"reader": "wall-1"}, headers=running.headers)
        assert lent.status_code == 201, lent.text
        login = lent.json()
        url = login["url"].replace("rtsp://", f"rtsp://{login['username']}:{login['password']}@")
        assert await frames_of(url) == 20
        worker = next(pid for pid, line in running.processes().items() if "gateway.workers.camera" in line)
        os.kill(worker, signal.SIGKILL)
        async with asyncio.timeout(30):
            while await frames_of(url) != 20:
                await asyncio.sleep(0.3)
        shown = (await http.get(door, headers=running.headers)).json()["items"]
        assert [(one["reader"], "password" in one) for one in shown] == [("wall-1", False)]
        withdrawn = await http.delete(door.replace("readers", "readers/wall-1"), headers=running.headers)
        assert withdrawn.status_code == 204
        async with asyncio.timeout(5):
            while await frames_of(url):
                await asyncio.sleep(0.1)


async def frames_of(url: str) -> int:
    """Of twenty that are asked for; FFmpeg's own tool reads."""
    process = await asyncio.create_subprocess_exec(
        "ffmpeg", "-v", "quiet", "-rtsp_transport", "tcp", "-i", url, "-frames:v", "20", "-vf", "scale=8:8",
        "-f", "rawvideo", "-pix_fmt", "gray", "-",
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(20):
        out, _ = await process.communicate()
    return len(out) // 64


async def test_a_worker_that_crashes_under_its_viewers_is_back_and_shows_them_the_camera_again(
    film: Path, tmp_path: Path
) -> None:
    async with watched(film, tmp_path) as running, httpx.AsyncClient(trust_env=False, timeout=10) as http:
        async with viewer(http, running):
            worker = next(pid for pid, line in running.processes().items() if "gateway.workers.camera" in line)
            os.kill(worker, signal.SIGKILL)
            killed, said = time.monotonic(), list[str]()
            async with asyncio.timeout(60):
                while True:
                    try:
                        async with viewer(http, running):
                            break
                    except httpx.HTTPStatusError as refused:
                        said.append(refused.response.json()["reason"])
                    await asyncio.sleep(0.1)
        seconds = time.monotonic() - killed
    assert set(said) <= {"worker_away", "no_picture", "camera_not_watched"}
    assert seconds < BACK_WITHIN
