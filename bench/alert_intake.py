"""The control process less its supervisor: intake behind its socket, database, sweeps, live hub and HTTP doors.

``python -m bench.alert_intake FOLDER DATABASE_URL PORT``; it says ``ready`` on its standard output.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path

import uvicorn

from gateway.access import audit, users
from gateway.api.app import create_app
from gateway.api.services import Services
from gateway.clock import system_clock
from gateway.events.intake import AlertIntake, evidence_folder
from gateway.events.promotion import Promotion
from gateway.events.timekeeping import Timekeeping
from gateway.grid.platforms import ensure_hub
from gateway.processes.channel import Channel, listen
from gateway.processes.messages import AlertEnded, AlertRaised, AlertSeen, EvidenceReady, Message
from gateway.refusals import Refusal
from gateway.settings import Settings
from gateway.storage.database import Database
from gateway.storage.evidence_files import EvidenceFiles
from gateway.storage.migrations import migrate
from gateway.storage.tables.cameras import CameraRow
from gateway.storage.vault import Vault
from gateway.workers.control.camera_records import CameraRecords
from gateway.workers.logs import configure_logs

CAMERAS = 2000
PASSWORD = "Correct-Horse-Staple-7"  # noqa: S105 - of a database that is thrown away


def camera_code(number: int) -> str:
    return f"9900000000132{number:07d}"


async def serve(folder: Path, url: str, port: int) -> None:
    """Until its standard input is closed."""
    settings = Settings.model_validate(
        {"data_folder": folder, "database": {"url": url}, "http": {"port": port}, "platform_code": "hub"}
    )
    await migrate(url)
    db = Database(url)
    services = Services(settings=settings, db=db, vault=Vault.at(folder))
    cameras = CameraRecords(db, services.vault, settings.rules)
    await _prepare(services)
    announcer, opening = services.announcer, services.opening
    files = EvidenceFiles(evidence_folder(settings), (folder / "journal",))
    intake = AlertIntake(files, cameras, settings, announcer, opening)

    async def handle(message: Message) -> Message | None:
        match message:
            case AlertRaised() | AlertSeen() | AlertEnded() | EvidenceReady():
                return await intake.handle(message)
        raise Refusal("invalid", "unexpected_message", "意外的消息", "unexpected message")

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await Channel(reader, writer, handle, name="worker").run()

    await listen(folder / "control.sock", accept)
    server = uvicorn.Server(
        uvicorn.Config(create_app(services), port=port, log_config=None, access_log=False, lifespan="off")
    )
    tasks = [
        asyncio.create_task(server.serve()),
        asyncio.create_task(Promotion(db, announcer, opening, settings.windows, system_clock).work.run()),
        asyncio.create_task(Timekeeping(db, announcer, opening, system_clock).work.run()),
    ]
    while not server.started:  # noqa: ASYNC110 - uvicorn tells by a flag only
        await asyncio.sleep(0.05)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.should_exit = True
    await tasks[0]
    for task in tasks[1:]:
        task.cancel()
    await db.close()


async def _prepare(services: Services) -> None:
    now = datetime.now(UTC)
    async with services.db.transaction() as session:
        await ensure_hub(session, "hub", "枢纽平台")
        new = users.NewUser("bench", PASSWORD, "测量", ("duty_officer",), "hub")
        await users.create(session, services.passwords, new, by=audit.SYSTEM, now=now)
        for number in range(CAMERAS):
            session.add(
                CameraRow(
                    platform="hub",
                    code=camera_code(number),
                    name=f"测试点位{number}",
                    stream_url=f"rtsp://127.0.0.1/{number}",
                    stream_key=f"127.0.0.1/{number}",
                    encoding="H264",
                    grid="990000000001001",
                    lng=120.0 + number / 10_000,
                    lat=30.0,
                    notices=[],
                    rules=None,
                    health_state="live",
                    health_reason="",
                    health_since=now,
                    registered_at=now,
                    changed_at=now,
                )
            )


if __name__ == "__main__":
    configure_logs("json", process="bench")
    asyncio.run(serve(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
