"""The product's inference process, alone: this process plays control to it, and measures it from outside."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from gateway.processes.channel import Channel, listen
from gateway.processes.messages import Configure, Done, Message, MetricsReport, Sample, WorkerReady
from gateway.settings import Settings
from gateway.workers.inference.server import SOCKET_NAME


@dataclass
class LoneInference:
    """``socket``: where camera workers find it; its folder is the one it was started with."""

    process: psutil.Process
    socket: Path
    samples: list[Sample] = field(default_factory=list)

    def sum_of(self, name: str) -> float:
        return sum(sample.value for sample in self.samples if sample.name == name)

    def cpu_seconds(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)


@asynccontextmanager
async def lone_inference(folder: Path) -> AsyncIterator[LoneInference]:
    """With the settings as they come; there once the engine is ready."""
    settings = Settings(data_folder=folder).for_workers()
    reported: asyncio.Queue[list[Sample]] = asyncio.Queue()
    engine: LoneInference | None = None

    async def control(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def handle(message: Message) -> Message | None:
            match message:
                case WorkerReady():
                    return Configure(settings.model_dump(mode="json"))
                case MetricsReport(samples) if engine is not None:
                    engine.samples = samples
                case MetricsReport(samples):
                    reported.put_nowait(samples)
            return Done()

        await Channel(reader, writer, handle, name="control").run()

    socket = settings.run_folder / "inference-control.sock"
    server = await listen(socket, control)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway.workers.inference", "--name", "inference", "--socket", socket),
        stdout=DEVNULL,
        stderr=DEVNULL,
    )
    try:
        async with asyncio.timeout(60):
            samples = await reported.get()
        engine = LoneInference(psutil.Process(process.pid), settings.run_folder / SOCKET_NAME, samples)
        yield engine
    finally:
        process.terminate()
        await process.wait()
        server.close()
