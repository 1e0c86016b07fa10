"""Many cameras connected one after another, told row by row.

Cameras of one device are asked in turn, never at once, so that what its account was refused counts before the next one
is tried; devices are asked a few at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import structlog

from camera_registry.errors import Reason
from gateway.api.long_jobs import Kind, LongJob, LongJobs
from gateway.clock import Clock
from gateway.refusals import Refusal

log = structlog.get_logger(__name__)

AT_ONCE = 16
"""Half of what ``camera_network.MOST_AT_ONCE`` allows: whoever registers a camera by hand meanwhile is not kept out."""
BUSY_SECONDS = 1.0


def _running() -> Refusal:
    return Refusal(
        "too_many",
        "connecting_running",
        "正在批量接入摄像机，请等待其完成或先取消。",
        "Cameras are being connected already; wait until that is done, or end it.",
    )


CONNECTING = Kind(
    "connecting",
    kept=4,
    longest=12 * 3_600.0,
    running=_running,
    too_long=Reason("connecting_too_long", "批量接入超时，请再次启动。", "It took too long; start it again."),
    broke_off=Reason("connecting_failed", "批量接入意外中止，请再次启动。", "It broke off; start it again."),
)

Outcome = Literal["connected", "left_alone", "failed"]
OUTCOMES: tuple[Outcome, ...] = ("connected", "left_alone", "failed")


@dataclass(frozen=True, slots=True)
class Waiting:
    """A camera that is to be connected. ``device``: whom a wrong login at it counts against."""

    code: str
    name: str
    device: str


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a camera. ``left_alone``: it was connected already. ``reason``: why it failed."""

    code: str
    name: str
    outcome: Outcome
    at: datetime
    reason: Reason | None = None


Connect = Callable[[str], Awaitable[bool]]
"""Connect the camera of a code; False where that had been done before. Raises ``Refusal`` with the reason."""


@dataclass(slots=True, eq=False, kw_only=True)
class ConnectionJob(LongJob):
    """How far it is, and what became of each camera that was asked."""

    total: int
    results: list[Result] = field(default_factory=list)
    counts: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))

    def add(self, result: Result) -> None:
        self.results.append(result)
        self.counts[result.outcome] += 1
        self.changed.set()


class ConnectionJobs(LongJobs[ConnectionJob]):
    """One for the process."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(CONNECTING, clock)

    def start(
        self,
        cameras: Sequence[Waiting],
        connect: Connect,
        platform: str,
        username: str,
        on_change: Callable[[ConnectionJob], None],
    ) -> ConnectionJob:
        """Begin to connect them. See ``LongJobs.begin``."""
        job = ConnectionJob(platform=platform, started_by=username, started_at=self._clock(), total=len(cameras))
        return self.begin(job, lambda job: self._connect_all(job, cameras, connect), on_change)

    async def _connect_all(self, job: ConnectionJob, cameras: Sequence[Waiting], connect: Connect) -> None:
        by_device: dict[str, list[Waiting]] = {}
        for camera in cameras:
            by_device.setdefault(camera.device, []).append(camera)
        left = iter(by_device.values())

        async def work() -> None:
            for of_one_device in left:
                for camera in of_one_device:
                    job.add(await self._connected(camera, connect))

        async with asyncio.TaskGroup() as workers:
            for _ in range(min(AT_ONCE, len(by_device))):
                workers.create_task(work())

    async def _connected(self, camera: Waiting, connect: Connect) -> Result:
        while True:
            try:
                outcome: Outcome = "connected" if await connect(camera.code) else "left_alone"
                return Result(camera.code, camera.name, outcome, self._clock())
            except Refusal as refusal:
                if refusal.reason == "too_many_registrations":  # others register by hand: it waits for them
                    await asyncio.sleep(BUSY_SECONDS)
                    continue
                reason = Reason(refusal.reason, refusal.zh, refusal.en)
            except Exception as error:  # one camera's oddity must not end the others' chance
                log.exception("camera_not_connected", camera=camera.code)
                reason = Reason("connect_failed", "接入意外中止，请重试。", f"It broke off: {type(error).__name__}.")
            return Result(camera.code, camera.name, "failed", self._clock(), reason)
