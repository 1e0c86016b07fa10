"""Credentials lent to a reader of one stream, for a time. They live in memory only and never show in a log or a repr.

Each reader of each stream has a name and a password of its own, so that one can be ended without touching another, and
what leaks opens one stream until a known time.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.refusals import Refusal

MOST_LOANS = 1024
SMALLER, PLAYABLE = "/sub", "/playable"
"""Behind a camera's path: its smaller stream, and the one of its streams that browsers can play."""


@dataclass(frozen=True, slots=True)
class Loan:
    """``path``, and the other streams of the same camera, may be read by ``reader`` until ``until`` (seconds since the
    epoch, UTC)."""

    path: str
    reader: str
    username: str
    password: str = field(repr=False)
    until: float

    def opens(self, path: str | None) -> bool:
        return path in (self.path, self.path + SMALLER, self.path + PLAYABLE)

    def same_reader(self, other: Loan) -> bool:
        """Whether both are lent to one reader of one stream: the newer has replaced the older."""
        return (self.path, self.reader) == (other.path, other.reader)


class Lending:
    """All loans in force, at most ``most``. ``clock`` tells seconds since the epoch."""

    def __init__(self, clock: Callable[[], float], most: int = MOST_LOANS) -> None:
        self._clock = clock
        self._most = most
        self._by_reader: dict[tuple[str, str], Loan] = {}
        self._by_username: dict[str, Loan] = {}

    def __len__(self) -> int:
        return len(self._by_reader)

    def lend(self, path: str, reader: str, until: float, login: tuple[str, str] | None = None) -> Loan:
        """A new loan in place of the reader's earlier one of the same stream. ``login``: name and password that the
        reader has already, of a loan that outlived this process."""
        if until <= self._clock():
            raise Refusal(
                "invalid", "loan_in_the_past", "借出时限已过", "the time until which to lend has passed", field="until"
            )
        self._forget_expired()
        self.withdraw(path, reader)
        if len(self._by_reader) >= self._most:
            raise Refusal(
                "too_many",
                "too_many_stream_loans",
                f"借出的视频流凭据已达上限 {self._most} 个，请先停用不再需要的",
                f"{self._most} stream credentials are lent already; end those no longer needed",
            )
        username, password = login or (f"reader-{secrets.token_hex(8)}", secrets.token_urlsafe(24))
        loan = Loan(path, reader, username, password, until)
        self._by_reader[path, reader] = self._by_username[loan.username] = loan
        return loan

    def of_username(self, username: str) -> Loan | None:
        """The loan in force with this name."""
        return self._in_force(self._by_username.get(username))

    def of_reader(self, path: str, reader: str) -> Loan | None:
        """The newest loan of the reader, if it is in force: whoever reads already may go on until it ends."""
        return self._in_force(self._by_reader.get((path, reader)))

    def withdraw(self, path: str, reader: str) -> None:
        loan = self._by_reader.pop((path, reader), None)
        if loan is not None:
            del self._by_username[loan.username]

    def _in_force(self, loan: Loan | None) -> Loan | None:
        return loan if loan is not None and self._clock() < loan.until else None

    def _forget_expired(self) -> None:
        now = self._clock()
        for loan in [loan for loan in self._by_reader.values() if loan.until <= now]:
            self.withdraw(loan.path, loan.reader)
