"""Forgets what was seen at cameras that are gone: a log to which nothing was written for a week."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

from gateway.clock import Clock
from gateway.processes.periodic import PeriodicWork

EVERY = 3600.0
KEPT = 7 * 86_400.0
"""Seconds. A camera that is watched is written of every ten."""


class LookLogKeeping:
    """``folder``: that of all logs of looks."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self.work = PeriodicWork("look_logs", self.once, EVERY)

    async def once(self) -> None:
        await asyncio.to_thread(self._forget, self._clock().timestamp() - KEPT)

    def _forget(self, before: float) -> None:
        for path in self._folder.glob("*.jsonl"):
            with suppress(FileNotFoundError):  # a full one has just taken another's place
                if path.stat().st_mtime < before:
                    path.unlink()
