"""A camera worker of the product, alone: this process plays control to it, and measures it from outside."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from detectors.rules.config import FireRuleConfig, RuleConfig
from detectors.rules.parsing import as_json
from gateway.processes.channel import Channel, listen
from gateway.processes.messages import (
    AlertRaised,
    AlertStored,
    AssignCamera,
    Configure,
    Done,
    EvidenceReady,
    EvidenceStored,
    HealthChanged,
    Message,
    MetricsReport,
    Sample,
    WorkerReady,
)
from gateway.settings import RtspSettings, Settings


@dataclass
class LoneWorker:
    """``states``: the health of each camera as it was last told. ``heard_at``: when each alert came in, by its id, in
    seconds since the epoch; the time that an alert says is that of the picture which made it."""

    process: psutil.Process
    channel: Channel
    samples: list[Sample] = field(default_factory=list)
    states: dict[str, str] = field(default_factory=dict)
    told: list[HealthChanged] = field(default_factory=list)
    alerts: list[AlertRaised] = field(default_factory=list)
    heard_at: dict[str, float] = field(default_factory=dict)
    heard: asyncio.Event = field(default_factory=asyncio.Event)
    report: asyncio.Event = field(default_factory=asyncio.Event)

    def assign(
        self, code: str, url: str, sub_url: str | None = None, rules: Sequence[RuleConfig] = (FireRuleConfig(),)
    ) -> None:
        self.channel.send(AssignCamera(code, code, "hub", 1, url, None, None, as_json(rules), sub_url))

    def sum_of(self, name: str) -> float:
        """Of all cameras."""
        return sum(sample.value for sample in self.samples if sample.name == name)

    @property
    def live(self) -> int:
        return sum(state == "live" for state in self.states.values())

    async def until_live(self, cameras: int) -> None:
        """Until so many cameras are."""
        while self.live < cameras:
            self.heard.clear()
            await self.heard.wait()

    async def reported(self, within: float) -> None:
        """Until ``samples`` are those of this moment. Raises ``TimeoutError``."""
        self.report.clear()
        async with asyncio.timeout(within):
            await self.report.wait()

    def cpu_seconds(self) -> float:
        times = self.process.cpu_times()
        return times.user + times.system

    def pss_bytes(self) -> int:
        """Memory, that which it shares with others counted in part."""
        return int(self.process.memory_full_info().pss)


@asynccontextmanager
async def lone_worker(folder: Path, settings: Settings | None = None) -> AsyncIterator[LoneWorker]:
    """Started, told its settings, ended when it is left. ``folder`` is made."""
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    told = (settings or Settings(data_folder=folder, rtsp=RtspSettings(port=0))).for_workers()
    ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    worker: LoneWorker | None = None

    async def handle(message: Message) -> Message | None:
        match message:
            case WorkerReady():
                return Configure(told.model_dump(mode="json"))
            case MetricsReport(samples) if worker is not None:
                worker.samples = samples
                worker.report.set()
                if not ready.done():
                    ready.set_result(None)
            case AlertRaised() if worker is not None:
                worker.alerts.append(message)
                worker.heard_at.setdefault(message.alert_id, time.time())
                return AlertStored(message.alert_id)
            case EvidenceReady():
                return EvidenceStored(message.evidence_id)
            case HealthChanged() if worker is not None:
                worker.states[message.code] = message.state
                worker.told.append(message)
                worker.heard.set()
        return Done()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal worker
        channel = Channel(reader, writer, handle, name="worker")
        worker = LoneWorker(psutil.Process(process.pid), channel)
        await channel.run()

    socket = folder / "run" / "control.sock"
    server = await listen(socket, accept)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway.workers.camera", "--name", "camera-1", "--socket", str(socket),
        stderr=(folder / "worker.log").open("wb"),
    )  # fmt: skip
    try:
        async with asyncio.timeout(60):
            await ready
        assert worker is not None  # noqa: S101 - it has reported
        yield worker
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(20):
                await process.wait()
        except TimeoutError:
            process.kill()
        server.close()
