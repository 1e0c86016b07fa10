"""Cameras on record connected from the command line: by the running service, which is asked over its own door.

It must be the service, for it alone knows which wrong logins each device was sent, and tells the workers who pull.
Ctrl-C ends the job; what is connected stays so.
"""

from __future__ import annotations

import asyncio
import signal
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as ProgressBar
from rich.table import Table

from gateway.refusals import Refusal

DOORS = "/api/v1/cameras/connections"
ASK_EVERY = 1.0
MOST_SHOWN = 200


def client_of(server: str, authority: Path | None) -> httpx.AsyncClient:
    """``authority``: the certificate of whoever signed the server's, as ``gateway tls`` made it."""
    verified: ssl.SSLContext | bool = True if authority is None else ssl.create_default_context(cafile=str(authority))
    return httpx.AsyncClient(base_url=server.rstrip("/"), verify=verified, timeout=30, trust_env=False)


async def connected(
    client: httpx.AsyncClient, username: str, password: str, screen: Console, *, which: str, platform: str | None
) -> bool:
    """Whether all were connected; prints those that were not. Raises ``Refusal``."""
    session = await _asked(client, "POST", "/api/v1/session", {"username": username, "password": password})
    client.headers["Authorization"] = f"Bearer {session['token']}"
    try:
        job = await _asked(client, "POST", DOORS, {"which": which, "platform": platform})
        job = await _followed(client, job, screen)
        shown = await _asked(client, "GET", f"{DOORS}/{job['id']}?outcome=failed&limit={MOST_SHOWN}")
    finally:
        with suppress(Refusal):
            await _asked(client, "DELETE", "/api/v1/session")
    _print(shown, screen)
    return bool(job["state"] == "done" and job["failed"] == 0)


async def _followed(client: httpx.AsyncClient, job: dict[str, Any], screen: Console) -> dict[str, Any]:
    bar = ProgressBar(
        SpinnerColumn(),
        TextColumn("接入 connected {task.fields[connected]} · 失败 failed {task.fields[failed]}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=screen,
        transient=True,
    )
    shown = bar.add_task("connect", total=job["total"], connected=0, failed=0)
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, ending.set)
    try:
        with bar:
            while job["state"] == "running":
                with suppress(TimeoutError):
                    async with asyncio.timeout(ASK_EVERY):
                        await ending.wait()
                job = await _asked(client, "DELETE" if ending.is_set() else "GET", f"{DOORS}/{job['id']}?limit=0")
                done = job["connected"] + job["failed"] + job["left_alone"]
                bar.update(shown, completed=done, connected=job["connected"], failed=job["failed"])
    finally:
        loop.remove_signal_handler(signal.SIGINT)
    return job


def _print(job: dict[str, Any], screen: Console) -> None:
    table = Table("编码 code", "名称 name", "原因 reason")
    for one in job["results"]:
        said = f"{one['detail']} {one['detail_en']} [{one['reason']}]"
        table.add_row(one["code"], escape(one["name"]), escape(said))
    if job["results"]:
        screen.print(table)
    if job["results_total"] > len(job["results"]):
        screen.print(f"… +{job['results_total'] - len(job['results'])}")
    state = {"done": "完成 done", "cancelled": "已取消 cancelled", "failed": "中止 broke off"}.get(job["state"], "")
    screen.print(
        f"{state} · 接入 connected {job['connected']} · 失败 failed {job['failed']}"
        f" · 已接入过 left alone {job['left_alone']} · 共 of {job['total']}"
    )


async def _asked(client: httpx.AsyncClient, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    try:
        answer = await client.request(method, path, json=body)
    except (httpx.HTTPError, OSError) as error:
        raise Refusal(
            "unavailable",
            "service_away",
            "无法连接网关服务，请确认其正在运行，并检查 --server 与 --authority。",
            f"The service does not answer ({type(error).__name__}); check that it runs, --server and --authority.",
        ) from error
    told: Any = None
    with suppress(ValueError):
        told = answer.json()
    if answer.is_success:
        return told
    known = told if isinstance(told, dict) else {}
    said = str(known.get("detail", f"HTTP {answer.status_code}"))
    raise Refusal("invalid", str(known.get("reason", "refused")), said, str(known.get("detail_en", said)))
