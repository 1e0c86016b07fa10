"""Whose pictures a worker had in hand when it died: marks that outlive it.

Decoders and muxers are C and may take their process with them. Each thread marks the camera that it works for in a file
mapped into memory: a write costs a microsecond, and the kernel keeps it whatever becomes of the process.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager, suppress
from contextvars import copy_context
from pathlib import Path
from typing import Any, ParamSpec, Protocol, TypeVar

import structlog

log = structlog.get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

SLOT = 32
"""Bytes of a mark: a camera's code has 20 digits (GB/T 28181, annex D)."""
SLOTS = 64
"""Threads at a time that may mark; those beyond them go unmarked."""


class InThread(Protocol):
    """``asyncio.to_thread``, or the like of it."""

    def __call__(self, func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]: ...


def marks_file(run_folder: Path, worker: str) -> Path:
    """Where a worker keeps its marks."""
    return run_folder / f"{worker}.active"


class ActiveMarks:
    """A worker's own marks. Made anew at each start: what a predecessor left is gone then. Where the disk has no room
    for them, or there is no ``path``, they do not outlive the worker, which works all the same."""

    def __init__(self, path: Path | None) -> None:
        self._map = _in_memory() if path is None else _mapped(path)
        self._own = threading.local()
        self._free = deque(range(SLOTS))

    @contextmanager
    def on(self, code: str) -> Iterator[None]:
        """This thread works for a camera while it lasts."""
        number = self._number()
        if number is None:
            yield
            return
        place = slice(number * SLOT, (number + 1) * SLOT)
        before = self._map[place]
        self._map[place] = code.encode()[:SLOT].ljust(SLOT, b"\0")
        try:
            yield
        finally:
            self._map[place] = before

    def in_thread(self, code: str, threads: Executor | None = None) -> InThread:
        """Work for a camera in one of ``threads``; None: of the loop's own."""

        async def run(func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
            def marked() -> T:
                with self.on(code):
                    return func(*args, **kwargs)

            told = copy_context()  # as ``asyncio.to_thread`` does: what a log line names
            return await asyncio.get_running_loop().run_in_executor(threads, told.run, marked)

        return run

    def _number(self) -> int | None:
        """This thread's own, for as long as it lives."""
        number: int | None = getattr(self._own, "number", None)
        if number is None and self._free:
            number = self._own.number = self._free.popleft()
            weakref.finalize(threading.current_thread(), self._free.append, number)
        return number


def _mapped(path: Path) -> mmap.mmap:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb+") as file:
            # Its room is taken now: the first mark on a page for which the disk has none is a SIGBUS.
            os.posix_fallocate(file.fileno(), 0, SLOT * SLOTS)
            return mmap.mmap(file.fileno(), SLOT * SLOTS)
    except OSError as error:
        log.error("active_marks_not_kept", path=str(path), error=str(error))
    with suppress(OSError):
        path.unlink()  # what a predecessor left says nothing of this one
    return _in_memory()


def _in_memory() -> mmap.mmap:
    return mmap.mmap(-1, SLOT * SLOTS)


class MarkedThreads(Executor):
    """The same threads, which mark one camera while they work for it."""

    def __init__(self, threads: Executor, marks: ActiveMarks, code: str) -> None:
        self._threads = threads
        self._marks = marks
        self._code = code

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        return self._threads.submit(self._marked, fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._threads.shutdown(wait, cancel_futures=cancel_futures)

    def _marked(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        with self._marks.on(self._code):
            return fn(*args, **kwargs)


def active_in(path: Path) -> frozenset[str]:
    """The cameras that are marked in a worker's file; none where there is no such file."""
    try:
        with path.open("rb") as file:
            data = file.read(SLOT * SLOTS)
    except OSError:
        return frozenset()
    marks = (data[at : at + SLOT].rstrip(b"\0") for at in range(0, len(data), SLOT))
    return frozenset(mark.decode("ascii", "replace") for mark in marks if mark)
