"""Which evidence a caller has just been shown: a player fetches one clip in many ranges, which is one view, not many.

Every view starts with a row in the audit chain; for a minute after it, the same session may fetch further parts of the
same file under the same grant, and no longer than the grant lasts.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

ONE_VIEW = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class SeenPart:
    """A session, the grant it cites, and the evidence it was shown."""

    session_id: str
    grant: str
    evidence_id: str


@dataclass(slots=True)
class RecentViews:
    """Bounded: of more than ``most`` views the oldest is forgotten, which costs a further row."""

    most: int = 10_000
    _until: OrderedDict[SeenPart, datetime] = field(default_factory=OrderedDict)

    def covers(self, part: SeenPart, now: datetime) -> bool:
        until = self._until.get(part)
        return until is not None and now < until

    def note(self, part: SeenPart, now: datetime, grant_until: datetime) -> None:
        """A view has just been written into the audit chain."""
        self._until[part] = min(now + ONE_VIEW, grant_until)
        self._until.move_to_end(part)
        while len(self._until) > self.most:
            self._until.popitem(last=False)
