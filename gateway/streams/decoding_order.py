"""When pictures are decoded, told from when they are shown: RTP says only the latter (RFC 6184, 5.1). Pure."""

from __future__ import annotations

from bisect import insort

from gateway.streams.source_time import LARGEST_REORDERING

DEEPEST = 6
"""Pictures that come before one that is shown earlier: 3 in groups of eight B-frames, 5 in groups of 32, the largest
that encoders make. More are no reordering, but a clock that was set back."""


class DecodingOrder:
    """Pictures come in the order of decoding. With B-frames it is the order of showing, some pictures later: by how
    many is learnt from the pictures that come behind one that is shown after them."""

    def __init__(self) -> None:
        self._depth = 0
        self._shown: list[int] = []
        self._newest: int | None = None

    def decoded_at(self, shown: int) -> int | None:
        """In the same units; None where it cannot be told yet."""
        newest, self._newest = self._newest, shown
        if newest is None or abs(shown - newest) > LARGEST_REORDERING:
            self._shown = []  # another clock
        if not self._shown or shown >= self._shown[-1]:
            later = 0
            self._shown.append(shown)
        else:
            later = sum(time > shown for time in self._shown)
            if later > DEEPEST:
                self._shown = [shown]
                return shown
            insort(self._shown, shown)
        del self._shown[: -2 * DEEPEST]
        if later > self._depth:
            self._depth = later
            return None
        return self._shown[-1 - self._depth] if len(self._shown) > self._depth else None
