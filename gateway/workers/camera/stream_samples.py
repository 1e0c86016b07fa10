"""What is counted of a camera's stream, as Prometheus is told of it. Labels take few values: a camera, a kind."""

from __future__ import annotations

from gateway.processes.messages import Sample
from gateway.streams.bus import FrameBus
from gateway.streams.pull import PullState


class Lives:
    """How often a camera came back, and how long it took last from connecting to its first picture. Pure."""

    def __init__(self) -> None:
        self._connecting_at: float | None = None
        self._live = False
        self._times_live = 0
        self.first_frame_seconds = 0.0

    @property
    def reconnects(self) -> int:
        return max(0, self._times_live - 1)

    def told(self, state: PullState) -> None:
        if state.phase == "live" and not self._live:
            self._times_live += 1
            if self._connecting_at is not None:
                self.first_frame_seconds = max(0.0, state.at - self._connecting_at)
        if state.phase == "connecting":
            self._connecting_at = state.at
        self._live = state.phase == "live"


def bus_samples(code: str, bus: FrameBus) -> list[Sample]:
    """Frames and bytes of a camera; count, longest queue and drops of each kind of subscriber."""
    labels = {"camera": code}
    stats = bus.stats()
    samples = [
        Sample("gateway_camera_frames_total", labels, stats.frames, "counter"),
        Sample("gateway_camera_bytes_total", labels, stats.bytes, "counter"),
        Sample("gateway_camera_keyframes_total", labels, stats.keyframes, "counter"),
        Sample("gateway_camera_keyframe_interval_seconds", labels, bus.keyframe_interval or 0.0),
        Sample("gateway_camera_sound_listeners", labels, bus.sound.listeners),
    ]
    for kind, one in bus.subscribers().items():
        by_kind = {**labels, "subscriber": kind}
        samples += [
            Sample("gateway_camera_subscribers", by_kind, one.count),
            Sample("gateway_camera_queue_frames", by_kind, one.longest_queue),
            Sample("gateway_camera_frames_dropped_total", by_kind, one.drops, "counter"),
        ]
    return samples
