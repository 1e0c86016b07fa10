"""Who speaks: from the audio level that senders put in each packet's header (RFC 6464), without decoding. Pure."""

from __future__ import annotations

from dataclasses import dataclass

SILENCE = 127
AUDIBLE = 70
"""-dBov; quieter than this is taken for a room's noise."""
WINDOW = 0.8
"""Seconds over which loudness fades to a third."""
HOLD = 1.2
"""Seconds for which a speaker is kept at the least: a picture that flickers between two people helps nobody."""
LOUDER = 1.3


@dataclass(slots=True)
class _Voice:
    loudness: float = 0.0
    heard_at: float = 0.0

    def at(self, now: float) -> float:
        return float(self.loudness * 0.333 ** ((now - self.heard_at) / WINDOW))


class ActiveSpeaker:
    """``current`` is the member who speaks, or spoke last."""

    def __init__(self) -> None:
        self._voices: dict[str, _Voice] = {}
        self._since = float("-inf")
        self.current: str | None = None

    def hear(self, member: str, level: int, now: float) -> None:
        """``level`` in -dBov: 0 the loudest, 127 silence."""
        voice = self._voices.setdefault(member, _Voice(0.0, now))
        loud = float(max(0, AUDIBLE - level))
        share = min(1.0, (now - voice.heard_at) / WINDOW + 0.05)
        voice.loudness = max(voice.at(now) * (1 - share) + loud * share, 0.0)
        voice.heard_at = now

    def forget(self, member: str) -> None:
        self._voices.pop(member, None)
        if self.current == member:
            self.current = None
            self._since = float("-inf")

    def judge(self, now: float, among: frozenset[str] | None = None) -> str | None:
        """The speaker at ``now``, of those ``among`` whom it may be."""
        if self.current is not None and now - self._since < HOLD:
            return self.current
        heard = {member: voice.at(now) for member, voice in self._voices.items() if among is None or member in among}
        loudest = max(heard, key=lambda member: heard[member], default=None)
        if loudest is None or heard[loudest] < 3.0 or loudest == self.current:
            return self.current
        if self.current is None or heard[loudest] > heard.get(self.current, 0.0) * LOUDER:
            self.current, self._since = loudest, now
        return self.current
