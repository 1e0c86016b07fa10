"""How a camera is told the password: hashed (RFC 7616), or readably only where nobody else can read it or the operator
allows it for this camera. A wrong one is said once in a connection: cameras lock accounts."""

from __future__ import annotations

import base64
import secrets

from camera_registry import digest
from camera_registry.login import Login
from gateway.streams.address import StreamAddress
from gateway.streams.pull_reasons import PullEnded

MOST_RENEWALS = 32
"""Of the nonce in one connection; cameras renew it every few minutes, and a connection lasts until it breaks."""


class CameraLogin:
    """One for each connection. ``private``: it is encrypted, to an end whose certificate is trusted."""

    def __init__(self, address: StreamAddress, *, private: bool) -> None:
        known = address.username is not None
        self._login = Login(address.username or "", address.password or "") if known else None
        self._readably = private or address.clear_login
        self._challenge: digest.Challenge | None = None
        self._basic = False
        self._taken = False
        self._count = self._renewals = 0

    def authorization(self, method: str, url: str) -> str | None:
        """The value of the header; None before anybody asked for it."""
        if self._login is None:
            return None
        if self._basic:
            return "Basic " + base64.b64encode(f"{self._login.username}:{self._login.password}".encode()).decode()
        if self._challenge is None:
            return None
        self._count += 1
        return digest.answer(self._challenge, self._login, method, url, secrets.token_hex(8), self._count)

    def taken(self) -> None:
        """A request was answered with something else than 401."""
        self._taken = self._challenge is not None or self._basic

    def asked(self, challenges: tuple[str, ...]) -> bool:
        """Whether the request may be sent once more, after a 401. Raises ``PullEnded`` where only a readable password
        would do, which is kept."""
        if self._login is None:
            return False
        challenge = digest.best(challenges)
        if self._challenge is None and not self._basic:
            self._challenge = challenge
            if challenge is not None:
                return True
            if "basic" not in digest.schemes(challenges):
                return False
            if not self._readably:
                raise PullEnded("clear_login_needed")
            self._basic = True
            return True
        if challenge is None or self._challenge is None:
            return False
        # The password is known to be right where it was taken before: then only the nonce has grown old.
        renewed = challenge.stale or (self._taken and challenge.nonce != self._challenge.nonce)
        if not renewed or self._renewals >= MOST_RENEWALS:
            return False
        self._renewals += 1
        self._challenge, self._count, self._taken = challenge, 0, False
        return True
