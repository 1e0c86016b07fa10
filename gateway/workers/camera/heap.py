"""The heap of a process with a thread for each camera: what a camera has let go of goes back to the machine.

glibc gives each thread a heap of its own and gives freed pages back only from the end of a heap. With twenty cameras
that come and go, each at its own rate, a hundred megabytes stayed behind (measured with ``soak``). Asking the machine
for each large block anew instead costs half as much again for each keyframe decoded. Elsewhere than on glibc nothing is
done.
"""

from __future__ import annotations

import asyncio
import ctypes

TRIM_EVERY = 30.0
"""Seconds. It takes a few milliseconds, in a thread."""
_M_ARENA_MAX = -8  # malloc.h

_libc = ctypes.CDLL(None)


def few_heaps() -> None:
    """Comes before the first thread."""
    if hasattr(_libc, "mallopt"):
        _libc.mallopt(_M_ARENA_MAX, 2)


async def give_back() -> None:
    """Give freed pages back to the machine, for ever."""
    while hasattr(_libc, "malloc_trim"):
        await asyncio.sleep(TRIM_EVERY)
        await asyncio.to_thread(_libc.malloc_trim, 0)
