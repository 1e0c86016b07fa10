"""The heap of a process with a thread for each camera: what a camera has let go of goes back to the machine.

glibc gives each thread a heap of its own, raises the size from which it asks the machine for memory, and gives freed
pages back only from the end of a heap. With fifty cameras that come and go, each at its own rate, a quarter of a
gigabyte stayed behind (measured with ``soak``). Elsewhere than on glibc nothing is done.
"""

from __future__ import annotations

import asyncio
import ctypes

TRIM_EVERY = 30.0
"""Seconds. It takes a few milliseconds, in a thread."""
_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # malloc.h
_LARGE = 64 * 1024
"""Bytes: keyframes and decoded pictures are asked for and given back one by one."""

_libc = ctypes.CDLL(None)


def few_heaps() -> None:
    """Comes before the first thread."""
    if hasattr(_libc, "mallopt"):
        _libc.mallopt(_M_ARENA_MAX, 2)
        _libc.mallopt(_M_MMAP_THRESHOLD, _LARGE)


async def give_back() -> None:
    """Give freed pages back to the machine, for ever."""
    while hasattr(_libc, "malloc_trim"):
        await asyncio.sleep(TRIM_EVERY)
        await asyncio.to_thread(_libc.malloc_trim, 0)
