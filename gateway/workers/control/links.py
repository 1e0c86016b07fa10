"""Control's ends of the channels: which worker is connected, what it last counted, and how to ask it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog

from gateway.processes.channel import Channel, ChannelClosed, listen
from gateway.processes.messages import Configure, Done, Message, MetricsReport, Sample, WorkerReady
from gateway.processes.supervisor import Supervisor
from gateway.refusals import Refusal
from gateway.settings import WorkerSettings

log = structlog.get_logger(__name__)

REQUEST_SECONDS = 10.0
TELL_AGAIN_SECONDS = 1.0

OnMessage = Callable[[str, Message], Awaitable[Message | None]]
OnWorker = Callable[[str], Awaitable[None]]


def worker_away(name: str) -> Refusal:
    return Refusal(
        "unavailable",
        "worker_away",
        f"处理进程 {name} 正在重启，请稍后重试",
        f"worker {name} is restarting; try again shortly",
    )


class WorkerLinks:
    """Accepts the workers that the supervisor started, and nobody else. ``on_ready`` and ``on_lost`` hear of each that
    comes and goes."""

    def __init__(
        self,
        supervisor: Supervisor,
        settings: WorkerSettings,
        on_message: OnMessage,
        on_ready: OnWorker,
        on_lost: OnWorker,
    ) -> None:
        self._supervisor = supervisor
        self._settings = settings
        self._on_message = on_message
        self._on_ready = on_ready
        self._on_lost = on_lost
        self._channels: dict[str, Channel] = {}
        self._samples: dict[str, list[Sample]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def open(self, path: Path) -> None:
        self._server = await listen(path, self._accept)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for channel in list(self._channels.values()):
            channel.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def connected(self) -> frozenset[str]:
        """Names of the workers that are ready: they have come, know their settings, and have reported."""
        return frozenset(self._samples)

    def samples(self) -> list[tuple[str, Sample]]:
        """What each connected worker last counted, with its name."""
        return [(name, sample) for name, samples in self._samples.items() for sample in samples]

    async def request(self, worker: str, message: Message, *, timeout: float = REQUEST_SECONDS) -> Message:
        """Ask a worker. Raises its Refusal, or one that says it is away or does not answer."""
        channel = self._channels.get(worker)
        if channel is None:
            raise worker_away(worker)
        try:
            return await channel.request(message, timeout=timeout)
        except ChannelClosed:
            raise worker_away(worker) from None
        except TimeoutError:
            raise Refusal(
                "unavailable",
                "worker_timeout",
                f"处理进程 {worker} 未及时应答",
                f"worker {worker} did not answer in time",
            ) from None

    def tell(self, worker: str, message: Message) -> bool:
        """Send without waiting; False when the worker is away (it is told everything anew when it is back)."""
        channel = self._channels.get(worker)
        if channel is None:
            return False
        try:
            channel.send(message)
        except ChannelClosed:
            return False
        return True

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        name: str | None = None

        async def handle(message: Message) -> Message | None:
            nonlocal name
            if name is None:
                if not isinstance(message, WorkerReady) or not self._supervisor.expects(
                    message.name, channel.peer_pid()
                ):
                    log.warning("stranger_on_worker_socket", pid=channel.peer_pid())
                    channel.close()
                    return None
                name = channel.name = message.name
                self._channels[name] = channel
                return Configure(self._settings.model_dump(mode="json"))
            if isinstance(message, MetricsReport):
                self._supervisor.heard(name)
                came = name not in self._samples
                self._samples[name] = message.samples
                if came:
                    self._tell(self._on_ready, name, still=True)
                return Done()
            return await self._on_message(name, message)

        channel = Channel(reader, writer, handle, name="worker")
        try:
            await channel.run()
        finally:
            if name is not None and self._channels.get(name) is channel:
                del self._channels[name]
                self._samples.pop(name, None)
                self._tell(self._on_lost, name, still=False)

    def _tell(self, hears: OnWorker, name: str, *, still: bool) -> None:
        """Tell of a worker, again while that fails (a busy database) and ``still`` says whether it is there."""

        async def tell() -> None:
            while (name in self._samples) == still:
                try:
                    return await hears(name)
                except Exception:  # a worker must not be left without its orders by a passing fault
                    log.exception("worker_not_attended", worker=name)
                await asyncio.sleep(TELL_AGAIN_SECONDS)

        task = asyncio.create_task(tell())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
