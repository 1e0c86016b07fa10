"""Control's ends of the channels: which worker is connected, what it last counted, and how to ask it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from gateway.processes.channel import Channel, ChannelBusy, ChannelClosed, listen
from gateway.processes.messages import Configure, Done, Message, MetricsReport, Sample, WorkerReady
from gateway.processes.supervisor import Supervisor
from gateway.refusals import Refusal
from gateway.settings import WorkerSettings

log = structlog.get_logger(__name__)

REQUEST_SECONDS = 10.0
TELL_AGAIN_SECONDS = 1.0
MOST_LATE = 1_000
"""Messages that wait for one worker; one that takes none of so many is cut off, and ends with all that it held."""

OnMessage = Callable[[str, Message], Awaitable[Message | None]]
OnWorker = Callable[[str], Awaitable[None]]


def worker_away(name: str) -> Refusal:
    return Refusal(
        "unavailable",
        "worker_away",
        f"处理进程 {name} 正在重启，请稍后重试",
        f"worker {name} is restarting; try again shortly",
    )


def _behind(name: str) -> Refusal:
    return Refusal(
        "unavailable",
        "worker_behind",
        f"处理进程 {name} 繁忙，请稍后重试",
        f"worker {name} does not keep up; try again shortly",
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Late:
    """What waits for a worker that does not keep up, in its order. It is for who is at that end of the channel, and for
    nobody who comes after."""

    channel: Channel
    messages: deque[Message] = field(default_factory=deque)

    def send(self) -> None:
        """Raises ``ChannelBusy`` and ``ChannelClosed``; what was not sent goes on waiting."""
        while self.messages:
            self.channel.send(self.messages[0])
            self.messages.popleft()


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
        self._late: dict[str, _Late] = {}
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
        """Ask a worker. Raises its Refusal, or one that says it is away, does not keep up or does not answer."""
        channel = self._channels.get(worker)
        if channel is None:
            raise worker_away(worker)
        try:
            self._send_late(worker, channel)
            return await channel.request(message, timeout=timeout)
        except ChannelBusy:
            raise _behind(worker) from None
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
        """Send without waiting what is told again before long; False when the worker is away (it is told everything
        anew when it is back) or does not keep up."""
        try:
            return self.order(worker, message)
        except Refusal as behind:
            log.warning("worker_not_told", worker=worker, message=type(message).__name__, reason=behind.reason)
            return False

    def order(self, worker: str, message: Message) -> bool:
        """Send without waiting what must not be lost; False when the worker is away. Raises ``Refusal``
        ``worker_behind`` where it does not keep up: try again."""
        channel = self._channels.get(worker)
        if channel is None:
            return False
        try:
            self._send_late(worker, channel)
            channel.send(message)
        except ChannelBusy:
            raise _behind(worker) from None
        except ChannelClosed:
            return False
        return True

    def tell_until_taken(self, worker: str, message: Message) -> None:
        """Send now, or again and again until the worker keeps up; not to one that is away, or goes meanwhile: what was
        to end there has ended with it. Nothing overtakes it, or the end of a loan would end the one given after it."""
        channel = self._channels.get(worker)
        if channel is None:
            return
        try:
            self.order(worker, message)
        except Refusal as behind:
            log.warning("worker_told_later", worker=worker, message=type(message).__name__, reason=behind.reason)
            late = self._late.get(worker)
            if late is None or late.channel is not channel:
                late = self._late[worker] = _Late(channel)
                self._begin(self._tell_later(worker, late))
            late.messages.append(message)
            if len(late.messages) > MOST_LATE:
                log.error("worker_cut_off", worker=worker, waiting=len(late.messages))
                channel.close()

    def _send_late(self, worker: str, channel: Channel) -> None:
        late = self._late.get(worker)
        if late is not None and late.channel is channel:
            late.send()

    async def _tell_later(self, worker: str, late: _Late) -> None:
        while late.messages and self._channels.get(worker) is late.channel:
            await asyncio.sleep(TELL_AGAIN_SECONDS)
            with suppress(ChannelClosed):
                late.send()
        if self._late.get(worker) is late:
            del self._late[worker]

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

        self._begin(tell())

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
