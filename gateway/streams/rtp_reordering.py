"""Datagrams in the order in which they were sent, as far as that takes no time: a small window (RFC 3550, 5.1)."""

from __future__ import annotations

WINDOW = 64
PATIENCE = 0.1
"""Seconds that what came early waits for what is missing: in a camera network datagrams overtake each other by less."""
BEFORE_THE_FIRST = 4
"""Packets that may still come before the one that came first."""
LARGEST_STEP = 1024
"""A sequence number further off is that of a stream begun anew."""
_HEAD = 12


class Reordering:
    """One for each track. ``now`` counts seconds of a clock that goes on."""

    def __init__(self) -> None:
        self._expected: int | None = None
        self._source = b""
        self._held: dict[int, bytes] = {}
        self._since = 0.0

    def put(self, packet: bytes, now: float) -> list[bytes]:
        """The packets that are next. One that came twice or too late is let go."""
        if len(packet) < _HEAD:
            return []
        sequence, source = int.from_bytes(packet[2:4]), packet[8:12]
        if self._expected is None or source != self._source:
            due = self._begun_at(sequence)
            self._source = source
        else:
            due = []
        step = (sequence - (self._expected or 0)) & 0xFFFF
        if LARGEST_STEP < step < 0x1_0000 - LARGEST_STEP:
            due += self._begun_at(sequence)
        elif step > LARGEST_STEP:
            return due
        if not self._held:
            self._since = now
        self._held[sequence] = packet
        due += self._next()
        while len(self._held) > WINDOW or (self._held and now - self._since > PATIENCE):
            due += self._over_the_gap(now)
        return due

    def overdue(self, now: float) -> list[bytes]:
        """The packets that have waited long enough."""
        return self._over_the_gap(now) if self._held and now - self._since > PATIENCE else []

    def _next(self) -> list[bytes]:
        due = []
        while self._expected is not None and (packet := self._held.pop(self._expected, None)) is not None:
            due.append(packet)
            self._expected = (self._expected + 1) & 0xFFFF
        return due

    def _over_the_gap(self, now: float) -> list[bytes]:
        """What is missing is given up."""
        expected = self._expected or 0
        self._expected = min(self._held, key=lambda sequence: (sequence - expected) & 0xFFFF)
        self._since = now
        return self._next()

    def _begun_at(self, sequence: int) -> list[bytes]:
        """What is held of the stream before."""
        expected = self._expected or 0
        self._expected = (sequence - BEFORE_THE_FIRST) & 0xFFFF
        order = sorted(self._held, key=lambda sequence: (sequence - expected) & 0xFFFF)
        return [self._held.pop(sequence) for sequence in order]
