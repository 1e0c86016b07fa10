"""``kill -9`` of control, camera worker, inference and database in turn, at random instants while alerts are brought
in, on SQLite and on PostgreSQL: every raised alert is there exactly once, with its event, its snapshot and a clip that
plays, and every message of the outbox has arrived. ``ROUNDS=100`` and ``SEED=11``, which chooses the instants, unless
said otherwise.

The service is the real one, by ``gateway serve``. Alerts are raised as a camera worker raises them, in its journal; a
worker that comes back takes up what lies there, so each round begins with one that is killed too.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import random
import secrets
import signal
import sys
import tempfile
import threading
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import av
import cv2
import numpy as np
import psutil
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from bench.demo_run import GATEWAY, free_port
from bench.postgres import PostgresCluster, postgres_cluster
from bench.result import Result
from gateway.processes.messages import AlertRaised, EvidenceReady
from gateway.refusals import Refusal
from gateway.storage.database import Database
from gateway.storage.ids import new_id
from gateway.storage.tables.events import AlertRow, EventRow, EvidenceRow, OutboxRow
from gateway.workers.camera.journal import AlertJournal

ROUNDS = int(os.environ.get("ROUNDS", "100"))
SEED = int(os.environ.get("SEED", "11"))
ALERTS = 5
"""Alerts that are under way in each round."""
READY_SECONDS, WHOLE_SECONDS = 180.0, 180.0
TARGETS = {"lost": ("==", 0.0), "doubled": ("==", 0.0), "without_evidence": ("==", 0.0), "untold": ("==", 0.0)}
VICTIMS = ("control", "camera", "inference", "database")


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


async def kills() -> Result:
    """See the head of this module."""
    figures: dict[str, float | None] = dict.fromkeys(("rounds", *TARGETS), 0.0)
    with tempfile.TemporaryDirectory(prefix="gateway-kills-") as name:
        folder = Path(name)
        with postgres_cluster() as cluster:
            half = ROUNDS if cluster is None else (ROUNDS + 1) // 2
            runs = [Killing(folder / "sqlite", f"sqlite+aiosqlite:///{folder / 'sqlite/gateway.db'}", half)]
            if cluster is None:
                say("PostgreSQL is not installed: SQLite alone")
            else:
                runs.append(Killing(folder / "postgres", cluster.url, ROUNDS - half, cluster))
            for run in runs:
                for key, value in (await run.all_rounds()).items():
                    figures[key] = (figures[key] or 0.0) + value
    return Result("kills", figures, TARGETS)


@dataclass(slots=True)
class Killing:
    """The rounds on one database. On SQLite, which lives in control, the database dies with control."""

    folder: Path
    url: str
    rounds: int
    cluster: PostgresCluster | None = None
    raised: set[str] = field(default_factory=set)
    received: set[str] = field(default_factory=set)
    chance: random.Random = field(default_factory=lambda: random.Random(SEED))

    async def all_rounds(self) -> dict[str, float]:
        self.folder.mkdir()
        clip = self.folder / "clip.mp4"
        make_clip(clip)
        with receiver(self.received) as hook:
            secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
            settings = {
                "DATA_FOLDER": str(self.folder),
                "DATABASE__URL": self.url,
                "HTTP__PORT": str(free_port()),
                "RTSP__PORT": "0",
                "WEBHOOKS": json.dumps([{"url": hook, "secret": secret}]),
            }
            service = await started(settings)
            try:
                for number in range(self.rounds):
                    victim = VICTIMS[number % len(VICTIMS)]
                    began = time.monotonic()
                    self.raise_some(clip)
                    service = await self.kill(service, victim, settings)
                    whole = await self.until_whole()
                    state = "whole" if whole else "NOT WHOLE"
                    say(f"round {number + 1}: {victim}, {state} after {time.monotonic() - began:.1f} s")
                return {"rounds": float(self.rounds)} | await self.found_missing()
            finally:
                await ended(service)

    def raise_some(self, clip: Path) -> None:
        """Journal fires, each at a place of its own, with the snapshot and the closed clip."""
        journal = AlertJournal(self.folder / "journal" / "camera-1")
        film, picture = clip.read_bytes(), cv2.imencode(".jpg", np.full((90, 160, 3), 128, np.uint8))[1].tobytes()
        for _ in range(ALERTS):
            alert_id, now = new_id(), time.time()
            place = journal.begin(alert_id)
            place.write_bytes(film)
            evidence = EvidenceReady(
                new_id(),
                alert_id,
                "clip",
                str(place.absolute()),
                sha256(film).hexdigest(),
                len(film),
                now - 8,
                now,
                False,
            )
            zone = f"zone-{alert_id}"
            journal.raise_alert(
                AlertRaised(alert_id, "9" * 20, zone, "fire", now - 3, now, 0.9, {"boxes": []}, "", ""), picture
            )
            journal.close_clip(evidence)
            self.raised.add(alert_id)

    async def kill(self, service: Process, victim: str, settings: dict[str, str]) -> Process:
        """A worker comes back and brings the alerts; in the midst of that the victim dies, and is started again where
        nobody but an operator, or the system's service manager, would."""
        before = await worker(service, "camera")
        os.kill(before, signal.SIGKILL)
        after = await worker(service, "camera", other_than=before)
        await asyncio.sleep(self.chance.uniform(0.0, 2.0))
        if victim == "database" and self.cluster is not None:
            self.cluster.kill()
            await asyncio.sleep(self.chance.uniform(0.0, 1.0))
            self.cluster.start()
        elif victim in ("control", "database"):
            service.kill()
            await service.wait()
            return await started(settings)
        else:
            pid = after if victim == "camera" else await worker(service, victim)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return service

    async def until_whole(self) -> bool:
        """Whether every alert is there with both its evidence, and told, in time."""
        end = time.monotonic() + WHOLE_SECONDS
        while time.monotonic() < end:
            with suppress(Refusal, SQLAlchemyError, OSError):
                if not any((await self.found_missing(look=False)).values()):
                    return True
            await asyncio.sleep(0.5)
        return False

    async def found_missing(self, *, look: bool = True) -> dict[str, float]:
        """What is amiss. ``look``: decode every picture and play every clip, rather than trust the rows."""
        db = Database(self.url)
        try:
            async with db.reading() as session:
                linked = await session.execute(select(AlertRow.id, AlertRow.event_no))
                alerts = {alert_id: no for alert_id, no in linked}  # noqa: C416 - rows are no pairs
                events = (await session.execute(select(func.count()).select_from(EventRow))).scalar_one()
                evidence = list(await session.scalars(select(EvidenceRow)))
                told = set(await session.scalars(select(OutboxRow.id)))
        finally:
            await db.close()
        kinds = {
            (row.sighting_id, row.kind)
            for row in evidence
            if not look or sound(self.folder / "evidence" / row.path, row.kind, row.sha256)
        }
        without = sum((one, kind) not in kinds for one in self.raised for kind in ("snapshot", "clip"))
        opened = [no for no in alerts.values() if no is not None]
        doubled_evidence = len(evidence) - len({(row.sighting_id, row.kind) for row in evidence})
        return {
            "lost": float(len(self.raised - set(alerts)) + len(self.raised) - len(opened)),
            "doubled": float(len(set(alerts) - self.raised) + events - len(set(opened)) + doubled_evidence),
            "without_evidence": float(without),
            "untold": float(len(told - self.received)),
        }


def sound(path: Path, kind: str, digest: str) -> bool:
    """The file is what was announced, and can be looked at."""
    content = path.read_bytes() if path.is_file() else b""
    if sha256(content).hexdigest() != digest:
        return False
    if kind == "snapshot":
        return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) is not None
    with av.open(str(path)) as film:
        return any(True for _ in film.decode(video=0))


async def started(settings: dict[str, str]) -> Process:
    """The service once it says that it is ready."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    environment = kept | {f"GATEWAY_{name}": value for name, value in settings.items()}
    process = await asyncio.create_subprocess_exec(GATEWAY, "serve", env=environment, stdout=DEVNULL, stderr=PIPE)
    assert process.stderr is not None  # noqa: S101 - a pipe was asked for
    said: list[str] = []
    async with asyncio.timeout(READY_SECONDS):
        while line := (await process.stderr.readline()).decode(errors="replace"):
            said.append(line)
            if '"event": "ready"' in line:
                _READING.append(asyncio.create_task(_read_on(process.stderr)))
                return process
    raise RuntimeError("the service ended:\n" + "".join(said[-20:]))


_READING: list[asyncio.Task[None]] = []


async def _read_on(stream: asyncio.StreamReader) -> None:
    while await stream.readline():
        pass


async def ended(process: Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            async with asyncio.timeout(30):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def worker(service: Process, name: str, *, other_than: int = 0) -> int:
    """The process of a worker of the service; waits until there is one."""
    async with asyncio.timeout(READY_SECONDS):
        while True:
            with suppress(psutil.NoSuchProcess):
                for child in psutil.Process(service.pid).children():
                    if f"gateway.workers.{name}" in child.cmdline() and child.pid != other_than:
                        return child.pid
            await asyncio.sleep(0.02)


def make_clip(path: Path) -> None:
    """Two seconds of H.264 in a fragmented MP4, as the clip writer leaves it."""
    with av.open(str(path), "w", options={"movflags": "frag_keyframe+empty_moov+default_base_moof"}) as output:
        stream = output.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 90, "yuv420p"
        stream.time_base = Fraction(1, 10)
        for number in range(20):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((90, 160, 3), number * 12, np.uint8), "bgr24")))
        output.mux(stream.encode())


@contextmanager
def receiver(received: set[str]) -> Iterator[str]:
    """A webhook's receiver that notes the id of every message; its address."""

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", "0")))
            received.add(self.headers.get("webhook-id", ""))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook"
    finally:
        server.shutdown()
