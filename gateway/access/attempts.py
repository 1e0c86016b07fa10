"""How often someone may try: a sliding window for each key, in bounded memory."""

from __future__ import annotations

from collections import OrderedDict, deque


class Attempts:
    """At most ``limit`` tries in ``seconds`` for each key. Of more than ``keys`` keys the longest idle is forgotten."""

    def __init__(self, limit: int, seconds: float, keys: int = 10_000) -> None:
        self._limit = limit
        self._seconds = seconds
        self._keys = keys
        self._tries: OrderedDict[str, deque[float]] = OrderedDict()

    def wait(self, key: str, now: float) -> float:
        """Note a try at ``now`` (monotonic seconds) and answer 0, or answer the seconds to wait before the next."""
        tries = self._tries.setdefault(key, deque(maxlen=self._limit))
        self._tries.move_to_end(key)
        while len(self._tries) > self._keys:
            self._tries.popitem(last=False)
        while tries and tries[0] <= now - self._seconds:
            tries.popleft()
        if len(tries) == self._limit:
            return tries[0] + self._seconds - now
        tries.append(now)
        return 0.0
