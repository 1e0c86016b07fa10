"""``gateway serve`` as an operator meets it: what must be mended is said in words, and ending is clean."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sqlite3
import ssl
from asyncio.subprocess import PIPE
from pathlib import Path

import httpx
import pytest
from serve_parts import GATEWAY, environment, serving, started

from bench.demo_run import free_port

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]


async def refused(folder: Path, **settings: str) -> tuple[int, str]:
    """What it says when it does not start, and its exit status."""
    process = await started(folder, **settings)
    try:
        async with asyncio.timeout(60):
            out, errors = await process.communicate()
    except TimeoutError:
        process.kill()
        raise
    assert process.returncode is not None
    said = (out + errors).decode()
    assert "Traceback" not in said
    return process.returncode, said


async def test_it_gets_ready_says_so_at_its_doors_and_ends_cleanly_when_told(tmp_path: Path) -> None:
    async with serving(tmp_path) as (process, address), httpx.AsyncClient(base_url=address, trust_env=False) as http:
        assert (await http.get("/healthz")).status_code == 200
        ready = await http.get("/readyz")
        assert ready.status_code == 200, ready.text
        assert ready.json()["failing"] == {}
        metrics = (await http.get("/metrics")).text
        assert 'gateway_worker_ready{worker="inference"} 1.0' in metrics
        works = set(re.findall(r'gateway_work_failing{work="(\w+)"} 0.0', metrics))
        assert works >= {"promotion", "timekeeping", "modes", "escalations", "rooms", "clocks", "outbox", "recordings"}
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            assert await process.wait() == 0


async def test_a_worker_that_is_killed_is_back_and_control_never_stopped(tmp_path: Path) -> None:
    async with serving(tmp_path) as (process, address), httpx.AsyncClient(base_url=address, trust_env=False) as http:
        workers = _children(process.pid)
        os.kill(next(pid for pid, line in workers.items() if "gateway.workers.camera" in line), signal.SIGKILL)
        seen: list[int] = []
        async with asyncio.timeout(30):
            while 503 not in seen or seen[-1] != 200:
                seen.append((await http.get("/readyz")).status_code)
                assert (await http.get("/healthz")).status_code == 200
                await asyncio.sleep(0.1)


async def test_no_worker_outlives_a_control_that_is_killed(tmp_path: Path) -> None:
    async with serving(tmp_path) as (process, _address):
        workers = _children(process.pid)
        assert len(workers) >= 3
        process.kill()
        await process.wait()
        async with asyncio.timeout(10):
            while any(_state(pid) != "Z" for pid in workers):
                await asyncio.sleep(0.1)


async def test_weights_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    card = tmp_path / "weights.json"
    card.write_text("{")
    status, said = await refused(tmp_path, INFERENCE__WEIGHTS=str(card))
    assert status == 1
    assert "weights" in said
    assert str(card) in said or card.name in said


async def test_a_database_that_cannot_be_reached_is_said(tmp_path: Path) -> None:
    address = f"postgresql+psycopg://gateway:geheim@127.0.0.1:{free_port()}/gateway?connect_timeout=2"
    status, said = await refused(tmp_path, DATABASE__URL=address)
    assert status == 1
    assert "database" in said
    assert "数据库" in said
    assert "geheim" not in said


async def test_a_database_that_somebody_else_holds_is_said(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with sqlite3.connect(tmp_path / "data" / "gateway.db") as other:
        other.execute("create table held (x)")
        other.execute("begin exclusive")
        status, said = await refused(tmp_path)
    assert status == 1
    assert "数据库" in said


async def test_a_second_service_on_the_same_data_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path):
        status, said = await refused(tmp_path)
        assert status == 1
        assert "already_running" in said


async def test_a_data_folder_that_is_a_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    status, said = await refused(tmp_path)
    assert status == 1
    assert "data_folder" in said


async def test_a_wrong_setting_is_named_with_its_variable(tmp_path: Path) -> None:
    status, said = await refused(tmp_path, CAMERAS__PER_WORKER="many")
    assert status == 2
    assert "GATEWAY_CAMERAS__PER_WORKER" in said


async def test_with_a_certificate_of_its_own_authority_it_speaks_https_alone(tmp_path: Path) -> None:
    made = await asyncio.create_subprocess_exec(
        GATEWAY, "tls", "127.0.0.1", "--folder", str(tmp_path / "keys"), env=environment(tmp_path), stdout=PIPE
    )
    said = (await made.communicate())[0].decode()
    named = dict(line.split("=", 1) for line in said.splitlines() if line.startswith("GATEWAY_"))
    settings = {name.removeprefix("GATEWAY_"): value for name, value in named.items()}
    authority = said.splitlines()[-1].rpartition(": ")[2]
    async with serving(tmp_path, **settings) as (_process, address):
        assert address.startswith("https://127.0.0.1:")
        trusted = ssl.create_default_context(cafile=authority)
        async with httpx.AsyncClient(verify=trusted, trust_env=False) as http:
            assert (await http.get(f"{address}/healthz")).status_code == 200
        async with httpx.AsyncClient(trust_env=False) as stranger:
            with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                await stranger.get(f"{address}/healthz")
            with pytest.raises(httpx.HTTPError):
                await stranger.get(address.replace("https", "http") + "/healthz")


async def test_a_certificate_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    status, said = await refused(tmp_path, HTTP__CERTIFICATE=str(tmp_path / "gone.pem"))
    assert status == 1
    assert "certificate_unusable" in said
    assert "gone.pem" in said


async def test_off_loopback_it_wants_a_certificate(tmp_path: Path) -> None:
    status, said = await refused(tmp_path, HTTP__HOST="0.0.0.0")  # noqa: S104 - what is refused
    assert status == 1
    assert "https_required" in said


def _children(pid: int) -> dict[int, str]:
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found[int(child)] = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


def _state(pid: int) -> str:
    """Z for one that has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "Z"
