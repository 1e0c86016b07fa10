"""``gateway serve`` on an SQLite of its own, and a client signed in as its administrator."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from bench.demo_run import free_port

GATEWAY = Path(sys.executable).with_name("gateway")
READY_SECONDS = 240.0
Json = dict[str, Any]


class Service:
    """A running service. Answers of its doors are JSON; ``ask`` gives the status beside it."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def ask(self, method: str, path: str, body: Json | None = None) -> tuple[int, Json]:
        response = await self._http.request(method, f"/api/v1{path}", json=body)
        found: Json = response.json() if response.content else {}
        return response.status_code, found

    async def cameras(self) -> dict[str, Json]:
        """Every camera, by its code."""
        _, found = await self.ask("GET", "/cameras?limit=200")
        return {one["code"]: one for one in found["items"]}


@asynccontextmanager
async def own_service(folder: Path) -> AsyncIterator[Service]:
    """Ended when it is left; its log lies in the folder."""
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    own = {"DATA_FOLDER": folder / "data", "HTTP__PORT": free_port(), "RTSP__PORT": 0, "LOG_FORMAT": "json"}
    environment = kept | {f"GATEWAY_{name}": str(value) for name, value in own.items()}
    password = f"A9-{secrets.token_urlsafe(12)}"
    adding = await asyncio.create_subprocess_exec(
        GATEWAY, "users", "add", "bench", "--role", "system_admin", cwd=folder, env=environment, stdin=PIPE, stdout=PIPE
    )
    await adding.communicate(f"{password}\n".encode())
    process = await asyncio.create_subprocess_exec(
        GATEWAY, "serve", cwd=folder, env=environment, stdout=PIPE, stderr=PIPE
    )
    assert process.stderr is not None  # noqa: S101 - asked for above
    try:
        address = ""
        async with asyncio.timeout(READY_SECONDS):
            while not address:
                line = (await process.stderr.readline()).decode()
                if not line:
                    raise RuntimeError("the service did not start")
                said = json.loads(line) if line.startswith("{") else {}
                address = str(said.get("address", "")) if said.get("event") == "ready" else ""
        logging = asyncio.create_task(_log(process.stderr, folder / "service.log"))
        async with httpx.AsyncClient(base_url=address, timeout=60, trust_env=False) as http:
            login = {"username": "bench", "password": password, "kind": "bearer"}
            answer = await http.post("/api/v1/session", json=login)
            http.headers["Authorization"] = f"Bearer {answer.json()['token']}"
            yield Service(http)
        logging.cancel()
    finally:
        process.terminate()
        try:
            async with asyncio.timeout(30):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def _log(stream: asyncio.StreamReader, path: Path) -> None:
    with path.open("wb") as file:
        while line := await stream.readline():
            file.write(line)
