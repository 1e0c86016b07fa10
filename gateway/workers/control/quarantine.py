"""Which camera takes its worker down: one that was active in two crashes is pulled alone from then on. Pure.

A stream that makes a decoder crash makes it crash again and takes forty-nine other cameras with it each time. Alone in
a worker it harms nobody, and is still tried. One crash proves nothing: whoever was being decoded just then is marked.
"""

from __future__ import annotations

import signal
from collections.abc import Iterable

WINDOW = 86_400.0
"""Seconds after which a crash no longer counts."""
CRASHES = 2
_ASKED_TO_END = {0, -signal.SIGTERM, -signal.SIGINT}


def is_crash(code: int) -> bool:
    """Whether an exit (as ``Popen.returncode``) is a crash: by a signal that nobody sends to end a process in order.
    SIGKILL is one: it comes when memory runs out, and for a worker that hangs."""
    return code < 0 and code not in _ASKED_TO_END


class Quarantine:
    def __init__(self) -> None:
        self._active: dict[str, tuple[float, ...]] = {}
        self._alone: set[str] = set()

    def __contains__(self, code: str) -> bool:
        return code in self._alone

    def __len__(self) -> int:
        return len(self._alone)

    def crashed(self, active: Iterable[str], at: float) -> tuple[str, ...]:
        """Note who was active in a crash at that time (seconds); answers who is to be alone from now on."""
        newly = []
        for code in sorted(set(active) - self._alone):
            times = (*(earlier for earlier in self._active.get(code, ()) if at - earlier < WINDOW), at)
            self._active[code] = times
            if len(times) >= CRASHES:
                newly.append(code)
        self._alone.update(newly)
        return tuple(newly)

    def forget(self, code: str) -> None:
        """The camera was taken out or stopped: it gets another chance when it is back."""
        self._alone.discard(code)
        self._active.pop(code, None)
