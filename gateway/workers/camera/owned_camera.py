"""One camera that this worker owns: its pull, bus and ring, what watches it, and its health."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import structlog

from camera_registry.health import Health, from_pull, initial, step
from detectors.rules.config import RuleConfig
from detectors.rules.parsing import RulesRefused, parse_rules
from gateway.processes.messages import AssignCamera, HealthChanged, Message, Sample
from gateway.settings import WorkerSettings
from gateway.streams.address import StreamAddress
from gateway.streams.bus import FrameBus
from gateway.streams.frame import EncodedFrame
from gateway.streams.keyframes import jpeg
from gateway.streams.pull import CameraPull, PullLimits, PullState
from gateway.streams.ring import ClipRing
from gateway.workers.camera.evidence import CameraEvidence, Store
from gateway.workers.camera.eye import Eye
from gateway.workers.camera.hazards import CameraHazards

log = structlog.get_logger(__name__)

EARLY = 0.25
"""Seconds by which a keyframe may come before the next look is due and still be looked at."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the cameras of a worker share. ``tell`` sends to control, or drops when control is away."""

    settings: WorkerSettings
    eye: Eye
    store: Store
    clock: Callable[[], float]
    tell: Callable[[Message], None]


class OwnedCamera:
    """Owned from the first order to ``stop``. An order that changes the address makes a new pull on the same bus, so
    that whoever watches stays."""

    def __init__(self, order: AssignCamera, around: Surroundings) -> None:
        self.code = order.code
        self.bus = FrameBus()
        self._order = order
        self._around = around
        self._ring = ClipRing(around.settings.cameras.ring_seconds)
        self._untap = self.bus.tap(self._ring.add)
        self.evidence = CameraEvidence(order.code, self.bus, self._ring, around.store)
        windows = around.settings.windows
        self._hazards = CameraHazards(
            order.code,
            _rules(order),
            self.evidence,
            end_after={"fire": windows.fire_end, "crowd": windows.crowd_end, "stall": windows.stall_end},
            ring_seconds=around.settings.cameras.ring_seconds,
        )
        self._health: Health = initial(around.clock())
        self._pull = self._new_pull(0)
        self._changing = asyncio.Lock()
        self._last_look = 0.0
        self._looks = 0
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._watching = asyncio.create_task(self._watch(), name=f"watch-{self.code}")
        self._report()
        await self._pull.start()

    async def change(self, order: AssignCamera) -> None:
        """Take over a changed order. One with a lower fence is void."""
        if order.fence < self._order.fence:
            return
        before, self._order = self._order, order
        self._hazards.replace(_rules(order), self._around.clock())
        self._report()
        if _source(before) == _source(order):
            return
        async with self._changing:
            await self._pull.stop()
            self._pull = self._new_pull(self._pull.epoch + 1)
            await self._pull.start()

    async def stop(self) -> None:
        """Let the camera go. Clips of raised alerts are closed first."""
        async with self._changing:
            if self._watching is not None:
                self._watching.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await self._watching
            await self.evidence.close()
            self._untap()
            self.bus.close()
            await self._pull.stop()

    def samples(self) -> list[Sample]:
        labels = {"camera": self.code}
        stats = self.bus.stats()
        counted = {
            "gateway_camera_frames_total": stats.frames,
            "gateway_camera_bytes_total": stats.bytes,
            "gateway_camera_keyframes_total": stats.keyframes,
            "gateway_camera_frames_dropped_total": stats.drops + self._pull.drops,
            "gateway_camera_looks_total": self._looks,
        }
        measured = {
            "gateway_camera_subscribers": stats.subscribers,
            "gateway_camera_ring_bytes": self._ring.size_bytes,
            "gateway_camera_alerts_waiting_for_disk": self.evidence.waiting_for_disk,
            "gateway_camera_live": float(self._health.state == "live"),
        }
        return [Sample(name, labels, value, "counter") for name, value in counted.items()] + [
            Sample(name, labels, value) for name, value in measured.items()
        ]

    async def _watch(self) -> None:
        subscription = self.bus.subscribe("looks", 1, keyframes_only=True)
        try:
            async for frame in subscription:
                early = frame.arrival < self._last_look + self._hazards.next_look_within - EARLY
                if early and frame.arrival >= self._last_look:
                    continue
                self._last_look = frame.arrival
                try:
                    await self._look(frame)
                except Exception:  # one picture's fault must not leave the camera unwatched
                    log.exception("look_failed", camera=self.code)
        finally:
            subscription.close()

    async def _look(self, frame: EncodedFrame) -> None:
        looked = await self._around.eye.look(self.code, frame)
        if looked is not None:
            self._looks += 1
            self._hazards.observe(looked.look, partial(jpeg, looked.picture))

    def _new_pull(self, first_epoch: int) -> CameraPull:
        order = self._order
        return CameraPull(
            StreamAddress(order.stream_url, order.username, order.password),
            self.bus,
            self._pull_says,
            name=order.code,
            limits=PullLimits(silence=self._around.settings.cameras.stalled_after),
            first_epoch=first_epoch,
        )

    def _pull_says(self, state: PullState) -> None:
        seen = from_pull(state.phase, state.reason)
        if seen is None:
            return
        before = self._health
        self._health = step(before, seen, self._around.clock())
        if (self._health.state, self._health.reason) != (before.state, before.reason):
            self._report()

    def _report(self) -> None:
        health = self._health
        self._around.tell(HealthChanged(self.code, self._order.fence, health.state, health.reason, health.since))


def _source(order: AssignCamera) -> tuple[str, str | None, str | None]:
    return order.stream_url, order.username, order.password


def _rules(order: AssignCamera) -> tuple[RuleConfig, ...]:
    """The order's rules. They were checked at the door; what cannot be used is said and leaves the camera unwatched."""
    try:
        return parse_rules(order.rules)
    except RulesRefused as refused:
        log.error("rules_unusable", camera=order.code, field=refused.field, reason=refused.reason, detail=refused.en)
        return ()
