"""Digest authentication of one connection (RFC 7616; without ``qop`` as in RFC 2617), SHA-256 and MD5.

Challenges of both kinds carry the same nonce: some clients take the first challenge, some the last, and some answer
with MD5 whatever was asked for. MD5 comes last and without ``qop``, as cameras ask for it. A nonce belongs to its
connection and to a time, so nothing that was overheard opens another connection.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from typing import Literal

REALM = "gateway"
NONCE_SECONDS = 300.0

Verdict = Literal["missing", "wrong", "stale"]

_PARAMETER = re.compile(r'([A-Za-z]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))')
_HASHES: dict[str, Callable[[bytes], str]] = {
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
    "SHA-256": lambda data: hashlib.sha256(data).hexdigest(),
}
_OF_NOBODY = secrets.token_hex(16)


class DigestDoor:
    """One for each connection. ``password_of`` answers None for a name that nobody has. ``clock`` counts seconds."""

    def __init__(self, password_of: Callable[[str], str | None], clock: Callable[[], float]) -> None:
        self._password_of = password_of
        self._clock = clock
        self._nonce = ""
        self._nonce_until = 0.0

    def challenges(self, *, stale: bool = False) -> list[str]:
        """Values of ``WWW-Authenticate``, the strongest first."""
        if stale or self._clock() >= self._nonce_until:
            self._nonce = secrets.token_hex(16)
            self._nonce_until = self._clock() + NONCE_SECONDS
        again = ", stale=true" if stale else ""
        common = f'Digest realm="{REALM}", nonce="{self._nonce}"{again}'
        return [f'{common}, algorithm=SHA-256, qop="auth"', f"{common}, algorithm=MD5"]

    def check(self, method: str, authorization: str | None) -> tuple[str, str] | Verdict:
        """The user name and the URI that were signed, or why not. ``stale``: right, but for a nonce of another time."""
        kind, _, rest = (authorization or "").strip().partition(" ")
        if not kind:
            return "missing"
        if kind.lower() != "digest":
            return "wrong"
        given = parameters(rest)
        username, uri = given.get("username", ""), given.get("uri", "")
        password = self._password_of(username)
        expected = _response(method, given, password if password is not None else _OF_NOBODY)
        right = expected is not None and hmac.compare_digest(expected, given.get("response", "").lower())
        if not right or password is None or given.get("realm") != REALM:
            return "wrong"
        if not hmac.compare_digest(given.get("nonce", ""), self._nonce) or self._clock() >= self._nonce_until:
            return "stale"
        return username, uri


def parameters(text: str) -> dict[str, str]:
    """``name="value", name=value`` with names in lower case. Only ASCII is read; the rest is none of ours."""
    if not text.isascii():
        return {}
    return {
        found[1].lower(): found[3] if found[2] is None else re.sub(r"\\(.)", r"\1", found[2])
        for found in _PARAMETER.finditer(text)
    }


def _response(method: str, given: dict[str, str], password: str) -> str | None:
    """What a client that knows the password writes (RFC 7616, 3.4.1); None for an algorithm or qop that is not ours."""
    algorithm = _HASHES.get(given.get("algorithm", "MD5").upper())
    if algorithm is None:
        return None

    def hashed(*parts: str) -> str:
        return algorithm(":".join(parts).encode())

    secret = hashed(given.get("username", ""), REALM, password)
    request = hashed(method, given.get("uri", ""))
    nonce = given.get("nonce", "")
    match given.get("qop"):
        case None:
            return hashed(secret, nonce, request)
        case "auth":
            return hashed(secret, nonce, given.get("nc", ""), given.get("cnonce", ""), "auth", request)
        case _:
            return None
