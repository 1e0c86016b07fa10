"""The pauses of a pull whose login was refused: as ``camera_registry.login_patience`` says, instead of by doubling."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from camera_registry.login_patience import WrongLogins
from gateway.streams.backoff import Backoff


@dataclass(frozen=True, slots=True)
class LoginRetry(Backoff):
    """Asked once for each refused login, which it notes in ``wrong``. ``clock``: seconds of a clock that is never set:
    by one that was set back, a sign that the login may be right now would come before the login that was wrong."""

    wrong: WrongLogins = field(kw_only=True)
    clock: Callable[[], float] = field(kw_only=True)

    def pause(self, failures: int, random: Callable[[], float]) -> float:
        now = self.clock()
        self.wrong.note(now)
        return self.wrong.wait(now)
