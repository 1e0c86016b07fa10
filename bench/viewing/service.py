"""``gateway serve`` for a bench: started with accounts of its own, a camera registered, watched from outside."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from bench.demo_run import free_port
from bench.duty_desk import until as wait_until
from gateway.access import audit, users
from gateway.access.passwords import Passwords, random_password
from gateway.clock import system_clock
from gateway.grid.platforms import ensure_hub
from gateway.settings import Settings
from gateway.storage.database import Database
from gateway.storage.migrations import migrate

GATEWAY = Path(sys.executable).with_name("gateway")
ROLES = {"admin": ("system_admin",), "duty": ("commander", "dispatcher", "duty_leader", "duty_officer")}
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Service:
    """``pid`` is control's; ``headers`` are a duty officer's; ``watch`` is the WHEP address of the camera."""

    address: str
    pid: int
    code: str
    watch: str
    headers: dict[str, str] = field(repr=False)

    def processes(self) -> dict[int, str]:
        """Control and its workers, by pid, with their command lines."""
        found = {self.pid: "control"}
        for task in Path(f"/proc/{self.pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found[int(child)] = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        return found

    def cpu_seconds(self) -> float:
        return sum(map(cpu_seconds, self.processes()))


def cpu_seconds(pid: int) -> float:
    """User and system seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND


@asynccontextmanager
async def service(folder: Path, camera: dict[str, Any], *, address: str = "127.0.0.1") -> AsyncIterator[Service]:
    """Run the service with one camera (``url``, or its ``onvif`` address; ``username``, ``password``) that no rule
    watches; ``address`` is where browsers reach its WebRTC."""
    data = folder / "data"
    settings = {
        "DATA_FOLDER": str(data),
        "HTTP__PORT": str(free_port()),
        "RTSP__PORT": str(free_port()),
        "WEBRTC__ADDRESSES": json.dumps([address]),
    }
    passwords = {name: random_password(name) for name in ROLES}
    await asyncio.to_thread(data.mkdir, mode=0o700, parents=True)
    await _accounts(Settings(data_folder=data), passwords)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    process = await asyncio.create_subprocess_exec(
        GATEWAY, "serve", cwd=folder, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE,
        env=kept | {f"GATEWAY_{name}": value for name, value in settings.items()},
    )  # fmt: skip
    reading = asyncio.create_task(asyncio.sleep(0))
    try:
        base = await _ready(process)
        assert process.stderr is not None  # noqa: S101 - asked for
        reading = asyncio.create_task(_read_on(process.stderr))
        yield await _prepared(base, process.pid, passwords, camera)
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(20):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        reading.cancel()


async def _accounts(settings: Settings, passwords: dict[str, str]) -> None:
    await migrate(settings.database_url)
    db = Database(settings.database_url)
    try:
        async with db.transaction() as session:
            await ensure_hub(session, "hub", "hub")
            for name, password in passwords.items():
                new = users.NewUser(name, password, name, ROLES[name], "hub")
                await users.create(session, Passwords(), new, by=audit.SYSTEM, now=system_clock())
    finally:
        await db.close()


async def _ready(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None  # noqa: S101 - asked for
    async with asyncio.timeout(120):
        while line := (await process.stderr.readline()).decode():
            said = json.loads(line) if line.startswith("{") else {}
            if said.get("event") == "ready":
                return str(said["address"])
    raise RuntimeError("the service ended before it was ready")


async def _read_on(stream: asyncio.StreamReader) -> None:
    """What it logs is of no interest, but it must not wait for a reader."""
    while await stream.read(65536):
        pass


async def _prepared(base: str, pid: int, passwords: dict[str, str], camera: dict[str, Any]) -> Service:
    async def signed_in(client: httpx.AsyncClient, name: str) -> dict[str, str]:
        asked = {"username": name, "password": passwords[name], "kind": "bearer"}
        return {"Authorization": f"Bearer {(await _post(client, '/session', asked))['token']}"}

    async with httpx.AsyncClient(base_url=f"{base}/api/v1", timeout=30, trust_env=False) as client:
        admin = await signed_in(client, "admin")
        reached = {"onvif_address": camera["onvif"]} if "onvif" in camera else {"rtsp_url": camera["url"]}
        asked = {"username": camera["username"], "password": camera["password"], **reached}
        shown = await _post(client, "/cameras", {**asked, "name": "bench", "lng": 120.0, "lat": 30.0}, admin)
        code = shown["code"]
        rules = await client.put(f"/cameras/{code}/rules", json={"rules": []}, headers=admin)
        rules.raise_for_status()
        duty = await signed_in(client, "duty")
        until = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
        why = {"purpose": "值班巡查", "scope": "platform:hub", "until": until}
        grant = await _post(client, "/access/grants", why, duty)

        async def live() -> dict[str, Any] | None:
            found: dict[str, Any] = (await client.get(f"/cameras/{code}", headers=duty)).json()
            return found if found["health"]["state"] == "live" else None

        if await wait_until(live, 30) is None:
            raise RuntimeError("the camera does not get live")
    return Service(base, pid, code, f"{base}/api/v1/whep/cameras/{code}?grant={grant['id']}", duty)


async def _post(
    client: httpx.AsyncClient, path: str, body: dict[str, Any], headers: dict[str, str] | None = None
) -> dict[str, Any]:
    answer = await client.post(path, json=body, headers=headers)
    if answer.is_error:
        raise RuntimeError(f"{path}: {answer.status_code} {answer.text}")
    found: dict[str, Any] = answer.json()
    return found
