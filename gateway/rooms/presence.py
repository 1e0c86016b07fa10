"""Whether a member is there, and whether it sends. Pure: time comes by argument (seconds of any steady clock)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MemberState = Literal["joined", "publishing", "silent", "gone"]
MemberKind = Literal["person", "camera", "terminal"]

GONE_AFTER = 5.0
"""A person's browser says every two seconds that it is there; media from it says so too."""
TERMINAL_GONE_AFTER = 4.0
"""Its packets come all the time; so it is gone for everybody, told and all, within five seconds."""
QUIET_TERMINAL_GONE_AFTER = 20.0
"""One that only receives, or holds, sends RTCP alone, 7.5 s apart at the most (RFC 3550, 6.2); one may be lost."""
SILENT_AFTER = 5.0


@dataclass(frozen=True, slots=True)
class MemberChange:
    """A member's new state, told to everybody. ``at`` in seconds since the epoch."""

    room_id: str
    member_id: str
    state: MemberState
    reason: str
    at: float


@dataclass(slots=True)
class Presence:
    """The signs a member has given. ``publishing``: it has agreed to send (a camera always has)."""

    kind: MemberKind
    alive_at: float
    publishing: bool = False
    media_at: float | None = None

    def judge(self, now: float) -> tuple[MemberState, str]:
        """State and reason at ``now``."""
        sign = self.alive_at if self.media_at is None else max(self.alive_at, self.media_at)
        if self.kind != "camera" and now - sign >= self._limit:
            return "gone", "no_heartbeat"
        if not self.publishing:
            return "joined", ""
        if self.media_at is None:
            return ("joined", "") if now - self.alive_at < SILENT_AFTER else ("silent", "no_media")
        return ("publishing", "") if now - self.media_at < SILENT_AFTER else ("silent", "no_media")

    @property
    def _limit(self) -> float:
        if self.kind != "terminal":
            return GONE_AFTER
        return TERMINAL_GONE_AFTER if self.publishing else QUIET_TERMINAL_GONE_AFTER
