"""``gateway demo``: everything on this machine, nothing from outside it; ends with Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import structlog
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from gateway.access import audit, users
from gateway.access.passwords import Passwords, random_password
from gateway.clock import system_clock
from gateway.grid.platforms import ensure_hub
from gateway.refusals import Refusal
from gateway.settings import Settings
from gateway.storage.database import Database
from gateway.storage.migrations import migrate
from gateway.virtual.camera import VirtualCamera
from gateway.virtual.fleet import VirtualFleet
from gateway.workers.control.instance import bound_socket
from gateway.workers.control.service import serve
from gateway.workers.demo.cast import SHORTER, cameras, demo_settings
from gateway.workers.demo.operator import Operator
from gateway.workers.logs import configure_logs

log = structlog.get_logger(__name__)

ADMIN, DUTY, LEADER = "admin", "duty", "leader"
ROLES = {
    ADMIN: ("system_admin",),
    DUTY: ("commander", "dispatcher", "duty_leader", "duty_officer"),
    LEADER: ("duty_leader",),
}
NAMES = {ADMIN: "演示管理员", DUTY: "演示值班员", LEADER: "演示值班长"}
DRILL = timedelta(days=1)
LOOK_EVERY = 1.0
RECORDS = ("gateway.db", "gateway.db-wal", "gateway.db-shm", "evidence", "journal", "keys", "run")
"""What ``--fresh`` removes from the demo's folder; prepared footage stays."""


async def run_demo(*, port: int, folder: Path, fresh: bool, footage: Path | None) -> None:
    """Run until SIGTERM or Ctrl-C. Raises ``Refusal`` for what must be mended first."""
    console = Console(soft_wrap=True)
    folder = await asyncio.to_thread(_make_room, folder, fresh)
    settings = demo_settings(folder, port)
    with bound_socket(settings.http):  # before minutes are spent on pictures that nobody could see
        pass
    camera_password, passwords = secrets.token_urlsafe(12), {name: random_password(name) for name in ROLES}
    shown = cameras(camera_password, footage)
    if not shown:
        raise Refusal(
            "not_found", "no_footage", f"{footage} 中没有视频文件。", f"There is no film in {footage}.", field="footage"
        )
    console.print(f"日志 log: {folder / 'gateway.log'}", markup=False)
    with _log_in(folder / "gateway.log"):
        await _make_accounts(settings, passwords)
        await _play(settings, VirtualFleet(shown, folder / "footage"), shown, camera_password, passwords, console)
    console.print("已结束 ended")


async def _play(
    settings: Settings,
    fleet: VirtualFleet,
    shown: tuple[VirtualCamera, ...],
    camera_password: str,
    passwords: dict[str, str],
    console: Console,
) -> None:
    """Cameras, then the service on them, until it is told to end."""
    with Progress(TextColumn("{task.description}"), BarColumn(), console=console, transient=True) as bars:
        console.print("准备虚拟摄像机画面（首次约一分钟）Preparing pictures (about a minute the first time)")
        tasks = {camera.footage.name: bars.add_task(camera.footage.name, total=1.0) for camera in shown}
        await fleet.start(lambda name, share: bars.update(tasks[name], completed=share))
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    ending = asyncio.Event()
    try:
        serving = asyncio.create_task(serve(settings, on_ready=ready.set_result, ending=ending))
        showing = asyncio.create_task(_show(ready, fleet, camera_password, passwords, console))
        await asyncio.wait({serving, showing}, return_when=asyncio.FIRST_COMPLETED)
        ending.set()
        await serving
        showing.cancel()
        with suppress(asyncio.CancelledError):
            await showing
    finally:
        await fleet.stop()


async def _show(
    ready: asyncio.Future[str], fleet: VirtualFleet, camera_password: str, passwords: dict[str, str], console: Console
) -> None:
    """Set the demo up, say what to open, then tell of each event as it opens."""
    address = await ready
    console.print(f"就绪 ready  {address}", markup=False, style="bold green")
    console.print(f"  值班席 duty seat    {DUTY}  {passwords[DUTY]}", markup=False)
    console.print(f"  系统管理 set-up      {ADMIN}  {passwords[ADMIN]}", markup=False)
    console.print(f"  值班长 duty leader  {LEADER}  {passwords[LEADER]}", markup=False)
    console.print("演示缩短了下列时限（秒）The demo shortens these, in seconds:")
    for what, (usual, here) in SHORTER.items():
        console.print(f"  {what}: {usual} → {here}", markup=False)
    async with Operator(address) as officer, Operator(address) as leader:
        await officer.sign_in(DUTY, passwords[DUTY])
        await leader.sign_in(LEADER, passwords[LEADER])
        asked = await officer.ask_for_drill(system_clock() + DRILL)
        if asked is not None:
            await leader.approve(asked)
    async with Operator(address) as operator:
        await operator.sign_in(ADMIN, passwords[ADMIN])
        await operator.set_up(fleet.devices, camera_password, lambda line: console.print(line, markup=False))
    async with Operator(address) as officer:
        await officer.sign_in(DUTY, passwords[DUTY])
        known: set[str] = set()
        while True:
            try:
                async for event in officer.events():
                    if event["no"] not in known:
                        known.add(event["no"])
                        said = (event["no"], event["class_code"], event["class_name"], event["camera_name"])
                        console.print("事件 event", *said, markup=False, style="yellow")
            except Refusal as error:
                log.warning("demo_events_not_read", error=str(error))
            await asyncio.sleep(LOOK_EVERY)


async def _make_accounts(settings: Settings, passwords: dict[str, str]) -> None:
    """The demo's accounts, with passwords made for this run; those of an earlier run no longer open anything."""
    await migrate(settings.database_url)
    db = Database(settings.database_url)
    try:
        async with db.transaction() as session:
            await ensure_hub(session, settings.platform_code, settings.platform_name)
            there = {user.username for user in await users.listed(session)}
            for name, password in passwords.items():
                now = system_clock()
                if name in there:
                    await users.set_password(session, Passwords(), name, password, by=audit.SYSTEM, now=now)
                    continue
                new = users.NewUser(name, password, NAMES[name], ROLES[name], settings.platform_code)
                await users.create(session, Passwords(), new, by=audit.SYSTEM, now=now)
    finally:
        await db.close()


def _make_room(folder: Path, fresh: bool) -> Path:
    folder = folder.absolute()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if fresh:
            for name in RECORDS:
                path = folder / name
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    except OSError as error:
        raise Refusal(
            "unavailable",
            "data_folder_unusable",
            f"数据目录 {folder} 无法使用：{error.strerror}",
            f"The data folder {folder} cannot be used: {error.strerror}",
            field="folder",
        ) from error
    return folder


@contextmanager
def _log_in(path: Path) -> Iterator[None]:
    """The log of this process and of the workers it starts goes to a file, so that the screen stays readable."""
    screen = os.dup(2)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(handle, 2)
    os.close(handle)
    configure_logs("json", process="control")
    try:
        yield
    finally:
        os.dup2(screen, 2)
        os.close(screen)
