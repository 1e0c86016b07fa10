"""One evidence clip being written: what the ring held from before the hazard, then what arrives, until it is enough."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from gateway.processes.active import InThread
from gateway.streams.bus import Subscription
from gateway.streams.clip import ClipFailed, ClipWriter, ClosedClip
from gateway.streams.frame import EncodedFrame

log = structlog.get_logger(__name__)

LONGEST = 420.0
"""Seconds for which a clip waits for its alert: longer than ``incident.LONGEST_WAIT``, after which another is begun."""
BATCH = 50
PATIENCE = 1.0
"""Seconds after which what has come is written, and the end is looked for though nothing comes."""
QUEUE = 1500
"""Frames that may wait while the disk is slow: a minute at 25 a second."""


class ClipRecording:
    """Copies frames into a clip in a task of its own. ``place`` makes room for the file and blocks; ``clock``: seconds
    since the epoch. ``in_thread`` is where it muxes."""

    def __init__(
        self,
        place: Callable[[], Path],
        held: Sequence[EncodedFrame],
        coming: Subscription,
        clock: Callable[[], float],
        in_thread: InThread = asyncio.to_thread,
    ) -> None:
        self._writer: ClipWriter | None = None
        self._place = place
        self._held = list(held)
        self._coming = coming
        self._clock = clock
        self._in_thread = in_thread
        self._begun = clock()
        self._until: float | None = None
        self._past_kept = asyncio.Event()
        self._task: asyncio.Task[ClosedClip | None] = asyncio.create_task(self._run(), name="clip")

    def finish_at(self, at: float) -> None:
        """End the clip with the first frame that arrives after ``at``."""
        self._until = at

    @property
    def over(self) -> bool:
        """Whether nothing more is written to it: its time or its room is used up, its stream has changed, or the disk
        took nothing."""
        return self._task.done()

    def hangs(self, after: float) -> bool:
        """Whether what the ring held has waited for the disk for ``after`` seconds: all of it stays in memory."""
        return self.holding and not 0 <= self._clock() - self._begun < after

    @property
    def holding(self) -> bool:
        """Whether what the ring held still waits for the disk."""
        return not self._past_kept.is_set()

    async def past_kept(self, within: float) -> bool:
        """Wait until what the ring held lies on disk, whole fragments of it, or cannot be brought there; at most
        ``within`` seconds. Answers whether that came in time."""
        try:
            async with asyncio.timeout(within):
                return await self._past_kept.wait()
        except TimeoutError:
            return False

    async def closed(self) -> ClosedClip | None:
        """The finished clip, or None where there is none: nothing came, or the disk took nothing."""
        return await asyncio.shield(self._task)

    def finish_now(self) -> None:
        """End with what there is: a partial clip."""
        self._until = 0.0
        self._coming.close()

    async def cut(self) -> ClosedClip | None:
        """``finish_now``, and wait for it."""
        self.finish_now()
        return await self.closed()

    async def _run(self) -> ClosedClip | None:
        complete = False
        try:
            self._writer = await self._in_thread(lambda: ClipWriter(self._place()))
            await self._in_thread(self._writer.write, self._held)
            self._held = []
            self._past_kept.set()
            complete = await self._copy(self._writer)
        except ClipFailed as failed:
            log.error("clip_failed", reason=failed.reason, detail=failed.en)
        except OSError as error:
            log.error("clip_failed", reason="disk", detail=str(error))
        except Exception:  # a picture that FFmpeg chokes on must not leave the alert waiting for its clip for ever
            log.exception("clip_failed", reason="defect")
        finally:
            self._past_kept.set()
            self._coming.close()
        return await self._close(complete)

    async def _copy(self, writer: ClipWriter) -> bool:
        """Whether the clip came to its planned end."""
        before = self._begun
        while True:
            batch: list[EncodedFrame] = []
            ended = False
            try:
                async with asyncio.timeout(PATIENCE):
                    while len(batch) < BATCH:
                        batch.append(await anext(self._coming))
            except TimeoutError:
                pass
            except StopAsyncIteration:
                ended = True
            if batch:
                await self._in_thread(writer.write, batch)
            now = self._clock()
            if now < before:
                self._set_back(before - now)
            before = now
            if self._until is not None and (batch[-1].arrival if batch else now - PATIENCE) >= self._until:
                return self._until > 0 and bool(batch)
            if ended or writer.closed_early or (self._until is None and now - self._begun > LONGEST):
                return False

    def _set_back(self, by: float) -> None:
        """The clock was, by so many seconds: what is left of the clip is as long as it was."""
        self._begun -= by
        if self._until:
            self._until -= by

    async def _close(self, complete: bool) -> ClosedClip | None:
        if self._writer is None:
            return None
        try:
            return await self._in_thread(self._writer.close, complete)
        except ClipFailed as failed:
            log.error("clip_not_closed", reason=failed.reason, detail=failed.en)
        except Exception:  # as above
            log.exception("clip_not_closed", reason="defect")
        return None
