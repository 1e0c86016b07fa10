"""Digest authentication (RFC 8760 over RFC 7616, with MD5, which is what terminals know). Nonces carry their own time,
signed, so that nothing is kept for whoever asks and goes."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import OrderedDict

from sipmessage import AuthChallenge, AuthCredentials, AuthParameters

REALM = "grid-video-gateway"
NONCE_SECONDS = 60
MOST_USED = 10_000


def secret(username: str, password: str) -> str:
    """HA1: what is kept of a password, sealed; it checks this realm's digests and nothing else."""
    return _md5(f"{username}:{REALM}:{password}")


class Digest:
    """``challenge`` makes a nonce, ``holds`` checks an answer to one. Each nonce count is taken once."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._used: OrderedDict[str, None] = OrderedDict()

    def challenge(self, now: float) -> AuthChallenge:
        nonce = f"{int(now):x}.{secrets.token_hex(8)}"
        signed = f"{nonce}.{self._sign(nonce)}"
        return AuthChallenge("Digest", AuthParameters(realm=REALM, nonce=signed, algorithm="MD5", qop="auth"))

    def holds(self, credentials: AuthCredentials | None, method: str, ha1: str, now: float) -> bool:
        given = credentials.parameters if credentials is not None else None
        if credentials is None or given is None or credentials.scheme.lower() != "digest":
            return False
        nonce, uri, answer = given.get("nonce", ""), given.get("uri", ""), given.get("response", "")
        if not self._fresh(nonce, now) or given.get("realm") != REALM:
            return False
        ha2 = _md5(f"{method}:{uri}")
        if given.get("qop") == "auth":
            count, cnonce = given.get("nc", ""), given.get("cnonce", "")
            right = _md5(f"{ha1}:{nonce}:{count}:{cnonce}:auth:{ha2}")
        else:
            count, right = "", _md5(f"{ha1}:{nonce}:{ha2}")
        used = f"{nonce} {count} {method}"
        if not hmac.compare_digest(right.encode(), answer.lower().encode()) or used in self._used:
            return False
        self._used[used] = None
        if len(self._used) > MOST_USED:
            self._used.popitem(last=False)
        return True

    def _fresh(self, nonce: str, now: float) -> bool:
        body, _, signature = nonce.rpartition(".")
        if not hmac.compare_digest(self._sign(body).encode(), signature.encode()):
            return False
        try:
            made = int(body.partition(".")[0], 16)
        except ValueError:
            return False
        return 0 <= now - made <= NONCE_SECONDS

    def _sign(self, nonce: str) -> str:
        return hmac.new(self._key, nonce.encode(), hashlib.sha256).hexdigest()[:16]


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
