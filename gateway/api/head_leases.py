"""Who turns a camera's head now: for a while after each command nobody else's is carried out, so that two do not pull
it to and fro. Pure: time comes by argument (seconds)."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.refusals import Refusal

LASTS = 8.0
"""Seconds after the last command: as long as somebody who holds a button down and looks needs between two."""
MOST = 10_000


@dataclass(frozen=True, slots=True)
class Lease:
    """``rank``: of two who want the head the higher has it."""

    who: str
    name: str
    rank: int
    until: float


class HeadLeases:
    """One for the process."""

    def __init__(self) -> None:
        self._held: dict[str, Lease] = {}

    def take(self, code: str, who: str, name: str, rank: int, now: float) -> bool:
        """The head of this camera is ``who``'s from now on. Answers whether it was not already; refuses ``head_held``
        while somebody else of the same rank or a higher one has it."""
        held = self._held.get(code)
        others = held is not None and held.who != who and held.until > now
        if held is not None and others and held.rank >= rank:
            left = max(1, round(held.until - now))
            raise Refusal(
                "conflict", "head_held", f"{held.name} 正在操作云台，请 {left} 秒后再试。",
                f"{held.name} is turning this camera; try again in {left} s.",
            )  # fmt: skip
        fresh = held is None or held.who != who or held.until <= now
        if len(self._held) >= MOST:
            self._held = {key: one for key, one in self._held.items() if one.until > now}
        self._held[code] = Lease(who, name, rank, now + LASTS)
        return fresh
