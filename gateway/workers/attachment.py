"""How every worker comes to life: connect to control, say who it is, be told its settings, serve until told to end."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path
from typing import Protocol

import structlog

from gateway.processes.channel import Channel, ChannelClosed, connect
from gateway.processes.messages import Configure, Message, MetricsReport, Sample, WorkerReady
from gateway.settings import WorkerSettings
from gateway.workers.logs import configure_logs

log = structlog.get_logger(__name__)

METRICS_EVERY = 2.0
"""Seconds between two reports; they are the sign of life the supervisor waits for."""
CONNECT_WITHIN = 10.0


class Worker(Protocol):
    """What control talks to."""

    async def handle(self, message: Message) -> Message | None: ...

    def samples(self) -> list[Sample]: ...


OpenWorker = Callable[[str, WorkerSettings, Channel], AbstractAsyncContextManager[Worker]]


def main(open_worker: OpenWorker) -> None:
    """Entry of a worker process."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", required=True)
    parser.add_argument("--socket", required=True, type=Path)
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.name, arguments.socket, open_worker))


async def serve(name: str, socket: Path, open_worker: OpenWorker) -> None:
    """Serve control until it goes away or the process is told to end."""
    ending = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ending.set)
    opened: asyncio.Future[Worker] = asyncio.get_running_loop().create_future()

    async def handle(message: Message) -> Message | None:
        worker = await asyncio.shield(opened)
        return await worker.handle(message)

    channel = await connect(socket, handle, name=f"{name}-control", timeout=CONNECT_WITHIN)
    running = asyncio.create_task(channel.run())
    told = await channel.request(WorkerReady(name, os.getpid()), timeout=CONNECT_WITHIN)
    if not isinstance(told, Configure):
        raise ChannelClosed("control did not say the settings")
    settings = WorkerSettings.model_validate(told.settings)
    configure_logs(settings.log_format, process=name)
    async with open_worker(name, settings, channel) as worker:
        opened.set_result(worker)
        log.info("worker_ready", pid=os.getpid())
        reporting = asyncio.create_task(_report(channel, worker))
        waiting = asyncio.create_task(ending.wait())
        await asyncio.wait({running, waiting, reporting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if not reporting.cancel() and not channel.closed:
            reporting.result()  # what it failed of ends the worker, and is said
    channel.close()
    await running
    log.info("worker_ended_cleanly")


async def _report(channel: Channel, worker: Worker) -> None:
    """A channel that is busy misses a report; without any, the supervisor would take the worker for dead."""
    while not channel.closed:
        with suppress(ChannelClosed):
            channel.send(MetricsReport(worker.samples()))
        await asyncio.sleep(METRICS_EVERY)
