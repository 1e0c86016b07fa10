"""A child process dies with its parent (Linux, ``prctl(2)`` PR_SET_PDEATHSIG): none is left behind by a kill -9."""

from __future__ import annotations

import ctypes
import signal

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def die_with_parent() -> None:
    """For ``preexec_fn``: nothing but this runs between fork and exec."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
