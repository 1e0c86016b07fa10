"""Digest login as HTTP and RTSP share it (RFC 7616, RFC 2069 where a camera offers no ``qop``). Pure.

MD5 is what most cameras speak; SHA-256 is preferred where it is offered. The password goes into the answer hashed only.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.request import parse_http_list, parse_keqv_list

from camera_registry.login import Login

Hash = Callable[[str], str]


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


_HASHES: dict[str, Hash] = {"SHA-256": _sha256, "SHA-256-SESS": _sha256, "MD5": _md5, "MD5-SESS": _md5}
"""Best first."""


_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9!#$%&'*+.^_`|~-]*(?: +[^ =]+ *=| *$)")


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a server asks for. ``algorithm`` is None where it named none, which means MD5."""

    realm: str
    nonce: str
    algorithm: str | None = None
    opaque: str | None = None
    with_qop: bool = False
    stale: bool = False


def best(offered: Sequence[str]) -> Challenge | None:
    """The best digest among the values of ``WWW-Authenticate``; None where there is none that we speak.

    One value may hold several challenges, divided by commas as their fields are (RFC 9110, 11.6.1).
    """
    found = [challenge for text in offered for one in _divided(text) if (challenge := _challenge(one)) is not None]
    ranks = list(_HASHES)
    return min(found, key=lambda one: ranks.index((one.algorithm or "MD5").upper()), default=None)


def schemes(offered: Sequence[str]) -> frozenset[str]:
    """The schemes offered, in lower case: ``basic``, ``digest``, …"""
    return frozenset(one.partition(" ")[0].lower() for text in offered for one in _divided(text))


def _divided(text: str) -> list[str]:
    """Each challenge of a header's value. A part that begins with a word and no ``=`` begins a new one."""
    found: list[str] = []
    for part in parse_http_list(text):
        if _SCHEME.match(part) or not found:
            found.append(part)
        else:
            found[-1] += f", {part}"
    return found


def _challenge(text: str) -> Challenge | None:
    scheme, _, rest = text.strip().partition(" ")
    if scheme.lower() != "digest":
        return None
    try:
        fields = {name.lower(): value for name, value in parse_keqv_list(parse_http_list(rest)).items()}
    except (ValueError, IndexError):  # a field without "=", or an empty one
        return None
    algorithm = fields.get("algorithm")
    qops = [one.strip().lower() for one in fields.get("qop", "").split(",") if one.strip()]
    if "nonce" not in fields or (algorithm or "MD5").upper() not in _HASHES or (qops and "auth" not in qops):
        return None
    if any(not value.isprintable() for value in fields.values()):
        return None
    stale = fields.get("stale", "").lower() == "true"
    return Challenge(fields.get("realm", ""), fields["nonce"], algorithm, fields.get("opaque"), bool(qops), stale)


def answer(challenge: Challenge, login: Login, method: str, uri: str, cnonce: str, count: int = 1) -> str:
    """The value of ``Authorization``. ``count``: which request with this nonce it is; ``cnonce``: random."""
    hashed = _HASHES[(challenge.algorithm or "MD5").upper()]
    first = hashed(f"{login.username}:{challenge.realm}:{login.password}")
    if (challenge.algorithm or "").upper().endswith("-SESS"):
        first = hashed(f"{first}:{challenge.nonce}:{cnonce}")
    second = hashed(f"{method}:{uri}")
    quoted = {"username": login.username, "realm": challenge.realm, "nonce": challenge.nonce, "uri": uri}
    plain = {} if challenge.algorithm is None else {"algorithm": challenge.algorithm}
    if challenge.with_qop:
        number = f"{count:08x}"
        quoted["response"] = hashed(f"{first}:{challenge.nonce}:{number}:{cnonce}:auth:{second}")
        quoted["cnonce"] = cnonce
        plain |= {"qop": "auth", "nc": number}
    else:
        quoted["response"] = hashed(f"{first}:{challenge.nonce}:{second}")
    if challenge.opaque is not None:
        quoted["opaque"] = challenge.opaque
    parts = [f'{name}="{_quoted(value)}"' for name, value in quoted.items()]
    return "Digest " + ", ".join(parts + [f"{name}={value}" for name, value in plain.items()])


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
