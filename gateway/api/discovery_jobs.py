"""Searches for cameras. One runs at a time, since each knocks at thousands of doors; what a network looked like before
a restart says nothing of now.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from camera_registry.discovery import Discovery, Progress, Wanted
from camera_registry.errors import Reason
from gateway.api.long_jobs import Kind, LongJob, LongJobs
from gateway.clock import Clock
from gateway.refusals import Refusal


def discovery_running() -> Refusal:
    return Refusal(
        "too_many",
        "discovery_running",
        "正在搜索摄像机，请稍后再试。",
        "A search is running already; try again shortly.",
    )


DISCOVERY = Kind(
    "discovery",
    kept=8,
    longest=3_600.0,
    running=discovery_running,
    too_long=Reason("discovery_too_long", "搜索超时，请缩小范围再试。", "It took too long; search a smaller range."),
    broke_off=Reason("discovery_failed", "搜索意外中止，请重试。", "The search broke off; try again."),
)


@dataclass(slots=True, eq=False, kw_only=True)
class DiscoveryJob(LongJob):
    """A search and how far it is."""

    progress: Progress


class DiscoveryJobs(LongJobs[DiscoveryJob]):
    """One for the process."""

    def __init__(self, discovery: Discovery, clock: Clock) -> None:
        super().__init__(DISCOVERY, clock)
        self._discovery = discovery

    def start(
        self, wanted: Wanted, platform: str, username: str, on_change: Callable[[DiscoveryJob], None]
    ) -> DiscoveryJob:
        """Begin a search. See ``LongJobs.begin``."""
        changed = asyncio.Event()
        progress = Progress(self._discovery.policy, changed.set)
        job = DiscoveryJob(
            platform=platform, started_by=username, started_at=self._clock(), changed=changed, progress=progress
        )
        return self.begin(job, lambda job: self._discovery.run(wanted, job.progress), on_change)
